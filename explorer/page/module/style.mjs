// The page's look. Colours of values are not here but in colour_scales.mjs.

/** The style sheet; every class begins with "nwr". */
export const STYLE = `
.nwr {
  --paper: #fbfbfa; --card: #ffffff; --ink: #1d2126; --soft: #59616b; --line: #dfe2e6;
  --accent: #b3541e; --focus: #1a62c4; --field: #ffffff; --shade: #f1f2f4; --right: #e5f3e6;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace;
  color-scheme: light; box-sizing: border-box; min-height: 100%; padding: 20px 24px 48px;
  background: var(--paper); color: var(--ink);
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
.nwr[data-dark="true"] {
  --paper: #14171b; --card: #1c2026; --ink: #e7eaee; --soft: #a3abb6; --line: #343a43;
  --accent: #ffb37a; --focus: #82b6ff; --field: #242930; --shade: #262b33; --right: #1f3a26;
  color-scheme: dark;
}
.nwr *, .nwr *::before { box-sizing: border-box; }
.nwr [hidden] { display: none !important; }
.nwr h1 { font-size: 24px; line-height: 1.25; font-weight: 650; margin: 0 0 6px; letter-spacing: -0.01em; overflow-wrap: anywhere; }
.nwr h2 { font-size: 17px; font-weight: 650; margin: 0 0 10px; overflow-wrap: anywhere; }
.nwr h3 { font-size: 14px; font-weight: 650; margin: 0 0 4px; }
.nwr h4 { font-size: 13px; font-weight: 650; margin: 12px 0 2px; }
.nwr p { margin: 0 0 8px; }
.nwr-lead { max-width: 88ch; font-size: 15px; color: var(--soft); }
.nwr .nwr-hint { color: var(--soft); font-size: 12.5px; line-height: 1.4; margin: 0 0 8px; }
.nwr header .nwr-note { font-size: 13px; margin: 0 0 4px; }
.nwr button, .nwr select, .nwr input { font: inherit; color: inherit; }
.nwr button, .nwr select, .nwr input[type="search"], .nwr-told input {
  background: var(--field); border: 1px solid var(--line); border-radius: 6px; padding: 3px 8px; min-height: 30px;
}
.nwr button { cursor: pointer; }
.nwr button:hover { background: var(--shade); }
.nwr select { max-width: 100%; }
.nwr :focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
.nwr-field { display: inline-flex; align-items: center; gap: 6px; min-width: 0; max-width: 100%; }
.nwr-field select { min-width: 0; flex: 0 1 auto; }
.nwr-choices select { max-width: 34ch; }
.nwr-toolbar select { max-width: 32ch; }
.nwr-field > span { color: var(--soft); font-size: 13px; white-space: nowrap; }
.nwr-check { display: inline-flex; align-items: center; gap: 5px; font-size: 13px; }
.nwr-group { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 10px; }
.nwr-toolbar {
  position: sticky; top: 0; z-index: 5; display: flex; flex-wrap: wrap; gap: 8px 22px; align-items: center;
  margin: 14px -24px 0; padding: 9px 24px; background: var(--paper); border-block: 1px solid var(--line);
}
.nwr-find input { width: 25ch; }
.nwr-count { font-size: 13px; color: var(--soft); overflow-wrap: anywhere; }
.nwr .nwr-warning { color: var(--accent); font-weight: 600; }
.nwr-told { font-size: 13px; color: var(--soft); }
.nwr-held-note { font-size: 13px; color: var(--focus); font-weight: 600; }
.nwr-keys { margin: 8px 0 0; font-size: 13px; color: var(--soft); }
.nwr-keys dl { display: grid; gap: 2px; margin: 6px 0; }
.nwr-keys dl div { display: flex; gap: 12px; }
.nwr-keys dt { flex: 0 0 21ch; font-weight: 600; }
.nwr-keys dd { margin: 0; }
.nwr summary { cursor: pointer; width: max-content; }

.nwr-models { display: grid; gap: 28px 24px; margin-top: 16px; grid-template-columns: minmax(0, 1fr); }
.nwr-columns { display: grid; gap: 16px; grid-template-columns: minmax(0, 1fr); align-items: start; }
.nwr-left, .nwr-side { display: grid; gap: 16px; min-width: 0; align-content: start; grid-template-columns: minmax(0, 1fr); }
@media (min-width: 1080px) {
  .nwr-of-1 .nwr-columns { grid-template-columns: minmax(0, 5fr) minmax(330px, 2fr); }
}
@media (min-width: 760px) {
  .nwr-models:not(.nwr-of-1) { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .nwr-models:not(.nwr-of-1) .nwr-model { display: grid; grid-template-columns: minmax(0, 1fr); grid-template-rows: subgrid; grid-row: span 8; row-gap: 0; }
  .nwr-models:not(.nwr-of-1) :is(.nwr-columns, .nwr-left, .nwr-side) { display: contents; }
  .nwr-models:not(.nwr-of-1) :is(.nwr-texts, .nwr-columns .nwr-card) { margin-bottom: 16px; }
}
@media (max-width: 1100px) { .nwr .nwr-toolbar { position: static; } }
.nwr .nwr-drawer { display: none; }
.nwr-model { min-width: 0; }
.nwr-choices { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 18px; margin-bottom: 10px; }
.nwr-step { padding: 0 9px !important; }
.nwr-card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px; min-width: 0; }

.nwr-legend { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 14px; }
.nwr-legend-scale { width: 190px; }
.nwr-legend-bar { position: relative; height: 12px; border-radius: 3px; border: 1px solid var(--line); }
.nwr-legend-mark { position: absolute; top: -4px; width: 3px; height: 17px; margin-left: -1.5px; border-radius: 2px; background: var(--ink); box-shadow: 0 0 0 1px var(--paper); }
.nwr-legend-ends { display: flex; justify-content: space-between; font-size: 11px; line-height: 1.3; color: var(--soft); font-variant-numeric: tabular-nums; }
.nwr-legend-kind { font-size: 12px; color: var(--soft); font-variant-numeric: tabular-nums; }
.nwr-legend-value { font-weight: 600; font-variant-numeric: tabular-nums; }

.nwr-strip {
  font: 15px/1.62 var(--mono); background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 10px 12px; max-height: min(46vh, 430px); overflow: auto; cursor: crosshair; position: relative; direction: ltr;
}
.nwr-lines { column-gap: 28px; }
.nwr-line { break-inside: avoid; overflow-wrap: anywhere; word-break: break-all; white-space: pre-wrap; min-height: 1.62em; }
.nwr-c { padding: 2px 0.5px; unicode-bidi: isolate; }
.nwr-word { display: inline-block; max-width: 100%; padding: 0 3px; margin-right: 3px; line-height: 1.45; }
.nwr-broken { background: repeating-linear-gradient(45deg, #999 0 3px, #ccc 3px 6px); color: #000; }
.nwr-in { box-shadow: inset 0 -3px 0 var(--accent), inset 0 3px 0 var(--accent); }
.nwr-cursor { outline: 2px solid currentColor; outline-offset: -1px; border-radius: 2px; font-weight: 700; }
.nwr-held { outline: 3px solid var(--focus); outline-offset: 0; }
.nwr-brushing { user-select: none; -webkit-user-select: none; }

.nwr-card { container-type: inline-size; }
.nwr-time { display: flex; gap: 8px; align-items: flex-start; }
.nwr-time-left { flex: 0 0 clamp(212px, 28%, 260px); min-width: 0; }
.nwr-time-labels { padding-top: 22px; }
.nwr-signal {
  display: grid; grid-template-columns: minmax(3.4ch, auto) minmax(0, 1fr) auto; gap: 6px; align-items: center; width: 100%;
  border: 0 !important; border-radius: 6px; text-align: left; background: transparent !important; padding: 0 6px !important;
}
.nwr button.nwr-signal { min-height: 0; }
.nwr-many .nwr-signal { grid-template-columns: minmax(4.4ch, auto) minmax(0, 1fr) auto; }
.nwr-many .nwr-signal-title { white-space: nowrap; text-overflow: ellipsis; max-height: calc(1.1em + 2px); }
.nwr-signal:hover { background: var(--shade) !important; }
.nwr-signal[aria-pressed="true"] { background: var(--shade) !important; box-shadow: inset 3px 0 0 var(--accent); }
.nwr-symbol { font-family: var(--mono); font-weight: 600; white-space: nowrap; }
.nwr-signal-title { font-size: 11.5px; line-height: 1.1; color: var(--soft); max-height: calc(3.3em + 2px); padding-bottom: 2px; overflow: hidden; }
.nwr-number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
.nwr-neurons { position: relative; margin-top: 8px; }
.nwr-neurons span { position: absolute; right: 4px; transform: translateY(-50%); font-size: 10.5px; line-height: 1; color: var(--soft); font-variant-numeric: tabular-nums; }
.nwr-neurons .nwr-chosen { color: var(--accent); font-weight: 700; }
.nwr-neurons .nwr-chosen::before { content: "▸ "; }
@container (max-width: 560px) { .nwr-time .nwr-signal-title { display: none; } .nwr-time .nwr-time-left { flex-basis: 112px; } .nwr .nwr-time .nwr-signal { grid-template-columns: minmax(0, 1fr) auto; } }
.nwr-scroll { flex: 1 1 0; min-width: 0; overflow-x: auto; overflow-y: hidden; }
.nwr-pinned { position: sticky; left: 0; overflow: hidden; }
.nwr-rows, .nwr-heat { display: block; }
.nwr-heat { margin-top: 8px; cursor: pointer; }
.nwr-heat:focus-visible { outline-offset: -2px; }
.nwr-time-line { position: absolute; top: 0; bottom: 0; pointer-events: none; background: color-mix(in srgb, var(--ink) 16%, transparent); border-inline: 1px solid var(--ink); }
.nwr-thin { border: 0; background: var(--ink); box-shadow: 0 0 0 1px var(--paper); }
.nwr-heat-value { display: block; margin-top: 8px; font-size: 13px; color: var(--soft); font-variant-numeric: tabular-nums; }

.nwr table { border-collapse: collapse; font-size: 13px; }
.nwr th { text-align: left; font-weight: 600; color: var(--soft); padding: 2px 10px 4px 0; border-bottom: 1px solid var(--line); vertical-align: bottom; }
.nwr td { padding: 3px 10px 3px 0; vertical-align: top; }
.nwr-bars { width: 100%; }
.nwr .nwr-bars td { padding: 1px 8px 1px 0; vertical-align: middle; }
.nwr-bar-name { font-family: var(--mono); white-space: pre; width: 1%; min-width: 3ch; }
.nwr-bar-cell { width: 100%; }
.nwr-bar { height: 12px; border-radius: 3px; background: #6f8fb3; min-width: 1px; }
.nwr .nwr-bars tr.nwr-right { display: table-row; background: var(--right); }
.nwr-rankings { display: grid; gap: 4px 20px; grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); }
.nwr-ranking { width: 100%; }
.nwr-ranking th:not(:first-child) { text-align: right; }
.nwr-ranking tbody tr { cursor: pointer; }
.nwr-ranking tbody tr:hover, .nwr-ranking tr.nwr-chosen { background: var(--shade); }
.nwr-ranking button { white-space: nowrap; border: 0; background: transparent; padding: 0 4px; min-height: 22px; text-decoration: underline; text-underline-offset: 3px; text-decoration-color: var(--line); }
.nwr-ranking button[aria-pressed="true"] { font-weight: 700; }

.nwr-equations, .nwr-sample { font: 12.5px/1.55 var(--mono); margin: 0 0 10px; padding: 8px 10px; background: var(--shade); border-radius: 6px; overflow: auto; max-height: 320px; }
.nwr-written { margin-top: 8px; font-size: 13px; color: var(--soft); }
.nwr-written .nwr-sample { margin: 4px 0 0; max-height: 9.5em; color: var(--ink); }
.nwr-sample { white-space: pre-wrap; overflow-wrap: anywhere; }
.nwr-values { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 0 0 8px; }
.nwr-values div { display: flex; gap: 6px; }
.nwr-values dt { font-family: var(--mono); font-weight: 600; }
.nwr-values dd { margin: 0; }
.nwr-numbers { font: 13px/1.6 var(--mono); }
.nwr-numbers span { display: inline-block; white-space: nowrap; margin-left: 0.6ch; }

.nwr-tree { overflow-x: auto; margin-bottom: 8px; }
.nwr-tree svg { display: block; width: 100%; height: auto; margin: 0 auto; }
.nwr-tree text { text-anchor: middle; font: 13px var(--mono); fill: var(--ink); }
.nwr-tree .nwr-node-value { font-weight: 700; }
.nwr-tree .nwr-node-symbol { font-size: 11px; fill: var(--soft); }
.nwr-node { cursor: pointer; }
.nwr-node rect { stroke: var(--soft); stroke-width: 1; }
.nwr-node[aria-pressed="true"] rect { stroke: var(--accent); stroke-width: 3; }
.nwr-node:focus-visible { outline: none; }
.nwr-node:focus-visible rect { stroke: var(--focus); stroke-width: 4; }
.nwr-edge { fill: none; stroke: var(--soft); stroke-width: 1.5; }

.nwr-report { display: grid; gap: 16px; margin-top: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 560px), 1fr)); grid-auto-flow: dense; align-items: start; }
.nwr-wide { grid-column: 1 / -1; }
.nwr-table-box { overflow-x: auto; margin-bottom: 6px; }
.nwr-report table { width: 100%; }
.nwr-report tbody tr:nth-child(even) { background: var(--shade); }
.nwr-spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
/* A phone: the text first, what changes its colours behind a button, explanations at the end. */
@media (max-width: 700px) {
  .nwr { padding: 14px 14px 40px; display: flex; flex-direction: column; }
  .nwr h1 { font-size: 20px; }
  .nwr > header { display: contents; }
  .nwr-models { order: 1; margin-top: 10px; }
  .nwr-lead, .nwr > header .nwr-note, .nwr > .nwr-keys { order: 2; }
  .nwr-lead { margin-top: 20px; }
  .nwr-toolbar { position: static; margin: 4px -14px 0; padding-inline: 14px; }
  .nwr .nwr-drawer { display: block; }
  .nwr-toolbar:not(.nwr-open) .nwr-group { display: none; }
  .nwr-model { display: flex; flex-direction: column; }
  .nwr-model > .nwr-choices, .nwr-columns, .nwr-left { display: contents; }
  .nwr-legend { margin-bottom: 8px; }
  .nwr-legend, .nwr-texts { order: 1; }
  .nwr-model > .nwr-choices > :not(.nwr-legend) { order: 2; margin-top: 8px; align-self: flex-start; }
  .nwr-left > :not(.nwr-texts), .nwr-side, .nwr-report { order: 3; margin-top: 14px; }
  .nwr-model > h2 { font-size: 15px; margin-bottom: 6px; }
}
`;
