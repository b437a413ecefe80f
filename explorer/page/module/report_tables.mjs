// What was measured, as tables, and what the model wrote, as text.

import { make } from "./elements.mjs";

const WIDE_COLUMNS = 4; // so many want the whole width

/** Return a model's tables as a section; null where there are none. */
export function reportTables({ tables }) {
  if (!tables.length) return null;
  const parts = tables.map(reportTable);
  return make("section", { class: "nwr-report", "aria-label": "Findings" }, ...parts);
}

function reportTable({ title, columns, rows, note }) {
  const header = make("tr", {}, ...columns.map((text) => make("th", { scope: "col" }, text)));
  const body = rows.map((row) => make("tr", {}, ...row.map((text) => make("td", {}, text))));
  const table = make("table", {}, make("thead", {}, header), make("tbody", {}, ...body));
  const box = make(
    "div",
    { class: "nwr-table-box", tabindex: "0", role: "region", "aria-label": title },
    table,
  );
  const isWide = columns.length >= WIDE_COLUMNS;
  const parts = note ? [make("p", { class: "nwr-hint" }, note)] : [];
  const kind = isWide ? "nwr-card nwr-wide" : "nwr-card";
  return make("div", { class: kind }, make("h3", {}, title), box, ...parts);
}

/** Return what a model wrote, to be folded away; null where that is nothing. */
export function writtenText({ samples }) {
  if (!samples.length) return null;
  const texts = samples.map((sample) =>
    make("pre", { class: "nwr-sample", tabindex: "0", "aria-label": "Generated text" }, sample),
  );
  const summary = make("summary", {}, "Text that it wrote itself, after this one");
  return make("details", { class: "nwr-written", open: true }, summary, ...texts);
}
