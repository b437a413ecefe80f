// What the model expected next at the cursor, and which earlier characters mattered for it.

import { card, make, write, writeNumber } from "./elements.mjs";
import { NOT_FINITE_TEXT, percent, visible } from "./wording.mjs";

const SHOWN_INFLUENCES = 5;

/** The most probable next characters and the strongest influences, as bars. */
export class PredictionCard {
  #view;
  #model;
  #after = make("p", { class: "nwr-after" });
  #came = make("p", { class: "nwr-came" });
  #predicted;
  #influences;

  constructor(view, model) {
    this.#view = view;
    this.#model = model;
    this.#predicted = barRows(model.predictions?.width ?? 0);
    this.#influences = barRows(model.connectivity ? SHOWN_INFLUENCES : 0);
    const parts = [this.#after, barTable("Next character", this.#predicted), this.#came];
    if (model.connectivity) {
      const hint =
        "How much the first of these would change with each of the last " +
        `${model.connectivity.reach} characters: the norm of its gradient`;
      parts.push(make("h4", {}, "What it looked at"), make("p", { class: "nwr-hint" }, hint));
      parts.push(barTable("Earlier character", this.#influences));
    }
    this.element = card("What comes next", null, ...parts);
  }

  /** Write what holds at the cursor. */
  update() {
    const { cursor, text } = this.#view;
    write(
      this.#after,
      `After character ${cursor + 1}, “${visible(text[cursor])}”, the model expected:`,
    );
    if (this.#model.predictions) this.#writePredictions(cursor, text);
    if (this.#model.connectivity) this.#writeInfluences(cursor, text);
  }

  #writePredictions(cursor, text) {
    const next = text[cursor + 1];
    const top = this.#model.predictions.top(cursor);
    top.forEach(({ token, probability }, rank) => {
      const name = this.#model.vocabulary[token];
      const row = this.#predicted[rank];
      fillBar(row, visible(name), probability, percent(probability), probability);
      row.element.classList.toggle("nwr-right", name === next);
    });
    const actual = this.#model.predictions.actualAt(cursor);
    const came = `“${visible(next ?? "")}” came, to which it gave ${percent(actual)}.`;
    const isFinite = top.some(({ probability }) => probability > 0); // they are stored as 0
    const said = next === undefined ? "The text ends here." : came;
    writeNumber(this.#came, actual, isFinite ? said : `Its probabilities are ${NOT_FINITE_TEXT}.`);
  }

  #writeInfluences(cursor, text) {
    const strongest = this.#model.connectivity.strongest(cursor, SHOWN_INFLUENCES);
    const largest = strongest[0]?.value || 1;
    this.#influences.forEach((row, rank) => {
      const one = strongest[rank];
      row.element.hidden = !one;
      if (!one) return;
      const back = cursor - one.time;
      const name = `${visible(text[one.time])}  ${back ? `${back} back` : "itself"}`;
      fillBar(row, name, one.value / largest, one.value.toPrecision(3), one.value);
    });
  }
}

function barRows(count) {
  return Array.from({ length: count }, () => {
    const name = make("td", { class: "nwr-bar-name" });
    const bar = make("div", { class: "nwr-bar" });
    const number = make("td", { class: "nwr-number" });
    const element = make("tr", {}, name, make("td", { class: "nwr-bar-cell" }, bar), number);
    return { element, name, bar, number };
  });
}

function barTable(name, rows) {
  const table = make("table", { class: "nwr-bars", "aria-label": name });
  table.append(...rows.map(({ element }) => element));
  return table;
}

function fillBar(row, name, share, text, value) {
  write(row.name, name);
  row.bar.style.width = `${100 * share}%`;
  writeNumber(row.number, value, text);
}
