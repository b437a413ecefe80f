// The table of all trials: sorted by any column, filtered by words, fifty at a time.
import { KINDS, compared, element, shown, significant } from "./data.mjs";

const PAGE = 50;
const CONDITION = /^(trial|reward|value|seconds|parameters|rank)(<=|>=|<|>|=)(-?[\d.]+(?:e-?\d+)?)%?$/i;

export class TrialTable {
  /** @param place of the table in the page. */
  constructor(place) {
    this.place = place;
    this.sort = { name: "number", sign: 1 };
    this.page = 0;
    this.opened = new Set();
    this.words = element("input", { type: "search", id: "filter", autocomplete: "off", spellcheck: "false" });
    this.kind = element("select", { id: "outcome" }, element("option", { value: "" }, "all"));
    for (const [value, name] of KINDS.entries()) this.kind.append(element("option", { value }, name));
    this.count = element("p", { class: "count", role: "status" });
    this.head = element("tr");
    this.body = element("tbody");
    this.pager = element("div", { class: "pager" });
    const filters = element(
      "div", { class: "filters" },
      element("label", { for: "filter" }, "Filter "), this.words,
      element("label", { for: "outcome" }, "Outcome "), this.kind,
    );
    const hint = element(
      "p", { class: "note" },
      "Words that a trial has to have, in its architecture or in what its failure said; also " +
        "reward>0.5, value<8, seconds<10, parameters<20000, rank<=100. A row opens with a click or Enter.",
    );
    const table = element("table", { class: "trials" }, element("thead", {}, this.head), this.body);
    table.prepend(element("caption", { class: "hidden" }, "All trials"));
    const wide = element("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Trials, sorted and filtered" }, table);
    place.replaceChildren(filters, hint, this.count, wide, this.pager);
    this.words.addEventListener("input", () => this.filter());
    this.kind.addEventListener("change", () => this.filter());
  }

  /** Show trials; what is sorted and filtered stays. */
  set(data) {
    this.data = data;
    this.lower = null;
    const { header, columns } = data;
    const has = (name) => columns[name].some((number) => !Number.isNaN(number));
    this.columns = [
      { name: "number", title: "trial", text: (row) => columns.number[row].toLocaleString("en") },
      { name: "kind", title: "outcome", text: (row) => KINDS[columns.kind[row]] },
      ...(header.isReward ? [] : [{ name: "value", title: header.unit, text: (row) => shown(header, columns.value[row], 5) }]),
      { name: "reward", title: "reward", text: (row) => significant(columns.reward[row], 5) },
      ...(has("parameters") ? [{ name: "parameters", title: "parameters", text: (row) => whole(columns.parameters[row]) }] : []),
      ...(has("seconds") ? [{ name: "seconds", title: "seconds", text: (row) => significant(columns.seconds[row], 3) }] : []),
      { name: "place", title: "rank", text: (row) => (this.isRanked(row) ? (columns.place[row] + 1).toLocaleString("en") : "–") },
    ];
    this.titles();
    this.filter(false);
  }

  isRanked(row) {
    return this.data.columns.place[row] < this.data.header.measured;
  }

  /** The architecture of a trial, or what stands in its place. */
  text(row) {
    return this.data.texts[this.data.columns.place[row]] ?? (this.data.header.texts ? "not kept in this page" : "…");
  }

  note(row) {
    return this.data.header.notes[this.data.columns.note?.[row] ?? 0] ?? "";
  }

  titles() {
    const heads = this.columns.map(({ name, title }) => {
      const isHere = this.sort.name === name;
      const arrow = isHere ? (this.sort.sign > 0 ? " ↑" : " ↓") : "";
      const button = element("button", { type: "button" }, title + arrow);
      button.addEventListener("click", () => this.by(name));
      const sorted = isHere ? (this.sort.sign > 0 ? "ascending" : "descending") : null;
      return element("th", { scope: "col", "aria-sort": sorted, "data-name": name }, button);
    });
    this.head.replaceChildren(...heads, element("th", { scope: "col" }, "architecture"));
  }

  by(name) {
    const { header } = this.data;
    const downFirst = name === "reward" || (name === "value" && !header.lowerIsBetter);
    const sign = this.sort.name === name ? -this.sort.sign : downFirst ? -1 : 1;
    this.sort = { name, sign };
    this.titles();
    this.head.querySelector(`[data-name="${name}"] button`).focus();
    this.arrange();
  }

  /** Keep what has the words; the page is the first one again where the reader asked. */
  filter(isAsked = true) {
    const { columns, count, header } = this.data;
    const words = this.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const conditions = words.map((word) => CONDITION.exec(word)).filter(Boolean);
    const texts = words.filter((word) => !CONDITION.test(word));
    const kind = this.kind.value === "" ? null : Number(this.kind.value);
    this.lower ??= this.data.texts.map((text) => text.toLowerCase());
    const notes = header.notes.map((note) => note.toLowerCase());
    const rows = [];
    for (let row = 0; row < count; row++) {
      if (kind !== null && columns.kind[row] !== kind) continue;
      if (!conditions.every((condition) => this.holds(row, condition))) continue;
      const text = this.lower[columns.place[row]] ?? "";
      const note = notes[columns.note?.[row] ?? 0] ?? "";
      if (texts.every((word) => text.includes(word) || note.includes(word))) rows.push(row);
    }
    this.rows = Uint32Array.from(rows);
    if (isAsked) this.page = 0;
    this.arrange();
  }

  holds(row, [, name, sign, number]) {
    const { columns, header } = this.data;
    const asked = Number(number) / (name === "value" && header.inPercent ? 100 : 1);
    // As short as the numbers that it is compared with.
    const given = columns[name] instanceof Float32Array ? Math.fround(asked) : asked;
    const found = {
      trial: () => columns.number[row],
      rank: () => (this.isRanked(row) ? columns.place[row] + 1 : NaN),
    }[name] ?? (() => columns[name][row]);
    const value = found();
    if (sign === "=") return value === given;
    return sign[0] === "<" ? value < given || (sign[1] && value === given) : value > given || (sign[1] && value === given);
  }

  arrange() {
    const { name, sign } = this.sort;
    const column = this.data.columns[name];
    const number = this.data.columns.number;
    this.rows.sort((a, b) => compared(column[a], column[b], sign) || number[a] - number[b]);
    this.page = Math.min(this.page, Math.max(Math.ceil(this.rows.length / PAGE) - 1, 0));
    this.draw();
  }

  draw() {
    const first = this.page * PAGE;
    const shownRows = this.rows.subarray(first, first + PAGE);
    this.body.replaceChildren(...[...shownRows].flatMap((row) => this.row(row)));
    const total = this.rows.length.toLocaleString("en");
    this.count.textContent = this.rows.length
      ? `${(first + 1).toLocaleString("en")} to ${(first + shownRows.length).toLocaleString("en")} of ${total} trials`
      : "no trial has that";
    const turn = (title, page, isThere) => {
      const button = element("button", { type: "button", disabled: isThere ? null : "" }, title);
      button.addEventListener("click", () => {
        this.page = page;
        this.draw();
      });
      return button;
    };
    const last = Math.ceil(this.rows.length / PAGE) - 1;
    this.pager.replaceChildren(
      turn("first", 0, this.page > 0), turn("before", this.page - 1, this.page > 0),
      turn("after", this.page + 1, this.page < last), turn("last", last, this.page < last),
    );
  }

  row(row) {
    const { columns } = this.data;
    const cells = this.columns.map(({ name, text }) => element("td", { class: name === "kind" ? "" : "number" }, text(row)));
    const note = this.note(row);
    const what = element("td", { class: "what" }, element("code", {}, this.text(row)));
    if (note) what.append(element("span", { class: "said" }, note));
    const made = element("tr", { class: KINDS[columns.kind[row]].replace(" ", "-"), "data-number": columns.number[row] }, ...cells, what);
    const isOpen = this.opened.has(columns.number[row]);
    const button = element("button", { type: "button", "aria-expanded": isOpen, "aria-label": `trial ${columns.number[row]}` }, cells[0].textContent);
    cells[0].replaceChildren(button);
    made.addEventListener("click", () => this.toggle(row));
    return isOpen ? [made, this.details(row)] : [made];
  }

  toggle(row) {
    const number = this.data.columns.number[row];
    if (!this.opened.delete(number)) this.opened.add(number);
    this.draw();
    this.body.querySelector(`[data-number="${number}"] button`)?.focus();
  }

  /** What was decided, by name where the names can be told. */
  details(row) {
    const { header } = this.data;
    const groups = this.text(row).split(" | ");
    const words = groups.join(" ").split(" ");
    const named = header.decisions.length === words.length ? header.decisions : null;
    const items = named
      ? named.map((name, i) => element("li", {}, `${name}: ${words[i]}`))
      : groups.map((group, i) => element("li", {}, `${i + 1}. ${group}`));
    return element("tr", { class: "details" }, element("td", { colspan: this.columns.length + 1 }, element("ul", {}, ...items)));
  }

  /** Show one trial alone. */
  choose(row) {
    this.words.value = `trial=${this.data.columns.number[row]}`;
    this.kind.value = "";
    this.opened.add(this.data.columns.number[row]);
    this.filter();
    this.place.scrollIntoView({ block: "start" });
    this.words.focus({ preventScroll: true });
  }
}

function whole(number) {
  return Number.isNaN(number) ? "–" : Math.round(number).toLocaleString("en");
}
