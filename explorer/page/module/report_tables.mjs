// What was measured, as tables, and what the model wrote, as text.

import { make } from "./elements.mjs";

const WIDE_COLUMNS = 4; // so many want the whole width

/** Return a model's tables and samples as a section; null where there are none. */
export function reportTables(model) {
  if (!model.tables.length && !model.samples.length) return null;
  const parts = model.tables.map(reportTable);
  if (model.samples.length) parts.push(reportSamples(model.samples));
  return make("section", { class: "nwr-report", "aria-label": "Findings and samples" }, ...parts);
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

function reportSamples(samples) {
  const texts = samples.map((sample) =>
    make("pre", { class: "nwr-sample", tabindex: "0", "aria-label": "Generated text" }, sample),
  );
  return make("div", { class: "nwr-card" }, make("h3", {}, "Text that it wrote"), ...texts);
}
