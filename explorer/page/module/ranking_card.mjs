// Which neurons tell the selected characters from the others, or follow a feature of the text.

import { card, make, rebuilt } from "./elements.mjs";
import { rankedByCorrelation, rankedByFeature, rankedByOnOff } from "./rankings.mjs";
import { percent, signed } from "./wording.mjs";

const SHOWN = 6;
const ON_OFF =
  "On/off score: share of the selected characters where the neuron is on (above the middle of " +
  "its own range) minus the share of the other characters where it is on.";
const FEATURE =
  "r: Pearson's correlation of the neuron's value with this property of the text; rank r: " +
  "Spearman's, of their ranks, which counts instead where it is clearly larger (a neuron that " +
  "counts, but not in even steps).";
const CORRELATION =
  "Correlation: Pearson's r of the neuron's value with being selected (1) or not (0).";

/** The neurons of one model, ranked by the shown signal. */
export class RankingCard {
  #view;
  #index;
  #tables = make("div", { class: "nwr-rankings" });
  #toggle;
  #all = false;

  constructor(view, index) {
    this.#view = view;
    this.#index = index;
    this.#toggle = make("button", { type: "button", onclick: () => this.#expand() });
    this.element = card("Which neurons respond?", null, this.#tables, this.#toggle);
  }

  #expand() {
    this.#all = !this.#all;
    this.update();
  }

  /** Rank anew. */
  update() {
    const view = this.#view;
    const signal = view.signal(this.#index);
    const { members, count } = view.selection();
    const feature = view.features.find(({ name }) => name === view.feature);
    const tables = [];
    if (count) {
      tables.push(this.#table("on_off", "By on/off score", ON_OFF, rankedByOnOff(signal, members)));
      const rows = rankedByCorrelation(signal, members);
      tables.push(this.#table("correlation", "By correlation", CORRELATION, rows));
    }
    if (feature) {
      const within = count && varies(feature.values, members) ? members : null;
      const rows = rankedByFeature(signal, feature.values, within);
      const where = within ? ", in the selection" : count ? ", in the whole text" : "";
      const title = `Correlation with: ${feature.title}${where}`;
      tables.push(this.#table("feature", title, FEATURE, rows));
    }
    if (!tables.length) tables.push(make("p", { class: "nwr-hint" }, this.#invitation()));
    rebuilt(this.#tables, tables);
    this.#toggle.hidden = signal.units <= SHOWN || !(count || feature);
    this.#toggle.textContent = this.#all
      ? `The first ${SHOWN} only`
      : `All ${signal.units} neurons`;
  }

  #invitation() {
    const features = this.#view.features.length ? ", or choose what to rank by" : "";
    const ways = `Drag over characters of the text, or search for some above${features}`;
    return `${ways}: the neurons are ranked here.`;
  }

  #table(name, title, explanation, rows) {
    const columns = ["neuron", name === "on_off" ? "score" : "r"];
    if (name === "on_off") columns.push("on in selection", "on elsewhere");
    if (name === "feature") columns.push("rank r");
    const header = make("tr", {}, ...columns.map((text) => make("th", { scope: "col" }, text)));
    const shown = this.#all ? rows : rows.slice(0, SHOWN);
    const table = make(
      "table",
      { class: "nwr-ranking", "data-ranking": name },
      make("thead", {}, header),
      make("tbody", {}, ...shown.map((row) => this.#row(row, name))),
    );
    const hint = make("p", { class: "nwr-hint" }, explanation);
    return make("div", {}, make("h4", {}, title), hint, table);
  }

  #row({ neuron, score, selected, others, pearson, ranks }, ranking) {
    const chosen = this.#view.choices[this.#index].neuron === neuron;
    const pick = () => this.#view.choose(this.#index, { neuron });
    const properties = {
      type: "button",
      "aria-pressed": String(chosen),
      "data-key": `${ranking} ${neuron}`,
    };
    const button = make("button", properties, `neuron ${neuron + 1}`);
    const cells = [
      make("td", {}, button),
      make("td", { class: "nwr-number", "data-value": String(score) }, signed(pearson ?? score)),
    ];
    if (ranks !== undefined) cells.push(make("td", { class: "nwr-number" }, signed(ranks)));
    if (selected !== undefined) {
      cells.push(make("td", { class: "nwr-number" }, percent(selected)));
      cells.push(make("td", { class: "nwr-number" }, percent(others)));
    }
    return make(
      "tr",
      { "data-neuron": neuron, class: chosen ? "nwr-chosen" : "", onclick: pick },
      ...cells,
    );
  }
}

/** Return whether a feature has several values among the members. */
function varies(values, members) {
  const first = values[members.indexOf(1)];
  return values.some((value, time) => members[time] && value !== first);
}
