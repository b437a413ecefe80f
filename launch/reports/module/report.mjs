// The page: its drawings and its table over all trials; and, where it is served, its renewal.
import { bytesOf, element, inflated, KINDS, shown, significant, unpacked } from "./data.mjs";
import { Chart, rangeOf, tidy } from "./chart.mjs";
import { TrialTable } from "./trials.mjs";

const LOST = "The search's page is not served any more; what is here stays as it is.";
const view = { of: "value" };
let data = null;
const table = new TrialTable(document.getElementById("trial-table"));
const charts = Object.fromEntries(
  ["by-trial", "by-parameters", "by-seconds"].map((id) => [
    id, new Chart(document.getElementById(id), (row) => told(row), (row) => table.choose(row)),
  ]),
);

function told(row) {
  const { header, columns } = data;
  const parts = [`trial ${columns.number[row].toLocaleString("en")}`];
  if (columns.kind[row] !== 0) parts.push(KINDS[columns.kind[row]]);
  if (!header.isReward && !Number.isNaN(columns.value[row])) parts.push(`${header.unit} ${shown(header, columns.value[row], 5)}`);
  if (!Number.isNaN(columns.reward[row])) parts.push(`reward ${significant(columns.reward[row], 5)}`);
  if (!Number.isNaN(columns.parameters[row])) parts.push(`${Math.round(columns.parameters[row]).toLocaleString("en")} parameters`);
  if (!Number.isNaN(columns.seconds[row])) parts.push(`${significant(columns.seconds[row], 3)} s`);
  return `${parts.join(", ")}: ${table.note(row) || table.text(row)}`;
}

function rowsWhere(keep) {
  const rows = [];
  for (let row = 0; row < data.count; row++) if (keep(row)) rows.push(row);
  return rows;
}

function drawByTrial() {
  const { header, columns } = data;
  const isValue = view.of === "value" && !header.isReward;
  const y = isValue ? columns.value : columns.reward;
  const name = isValue ? "value" : "reward";
  const lower = isValue && header.lowerIsBetter;
  const lanes = [4, 2, 3].filter((kind) => columns.kind.includes(kind));
  const rows = rowsWhere((row) => lanes.includes(columns.kind[row]) || Number.isFinite(y[row]));
  const measured = rows.filter((row) => columns.kind[row] < 2).map((row) => y[row]);
  const title = isValue ? header.unit : "reward";
  const best = { x: header.best.number, y: header.best[name], colour: "best", steps: true, end: header.last };
  const baseline = { x: header.baseline.number, y: header.baseline[name], colour: "baseline", dashes: [5, 4] };
  keys("by-trial", title, lanes, rows.some((row) => columns.kind[row] === 1));
  const range = rangeOf(measured, lower) ?? { low: 0, high: 1, isLog: false };
  const beyond = measured.filter((number) => (lower ? number > range.high : number < range.low)).length;
  charts["by-trial"].set({
    x: columns.number, y, kind: columns.kind, rows, lanes, lines: [baseline, best],
    laneTitles: { 2: "failed", 3: "none yet", 4: "stopped" },
    xRange: { low: 0, high: Math.max(header.last, 1), isLog: false },
    yRange: range, yText: (tick) => (isValue && header.inPercent ? `${tidy(100 * tick)} %` : tidy(tick)),
    xTitle: "trial", hint: hint(lower, title, beyond), label: `${title} by trial, ${rows.length} trials`,
  });
}

function hint(lower, title, beyond) {
  const far = beyond ? ` ${beyond} far off are drawn at the edge.` : "";
  return `${title}: ${lower ? "lower" : "higher"} is better.${far} Point at a dot, or step with the arrow keys; Enter shows it in the table.`;
}

function keys(id, title, lanes, hasReused) {
  const { header } = data;
  const place = charts[id].figure.querySelector(".keys");
  charts[id].figure.querySelector("figcaption").textContent = `${title} by trial`;
  const key = (kind, text) => element("span", {}, element("i", { class: `key ${kind}` }), text);
  const items = [key("completed", "completed")];
  if (hasReused) items.push(key("reused", "reused outcome"));
  if (lanes.includes(4)) items.push(key("stopped", "stopped early"));
  if (lanes.includes(2)) items.push(key("failed", "failed"));
  if (lanes.includes(3)) items.push(key("open", "no outcome"));
  items.push(key("best", "best so far"), key("baseline", `baseline: the rewards' moving average (decay ${header.decay})`));
  if (!header.isReward) {
    const choices = ["value", "reward"].map((of) => {
      const button = element("button", { type: "button", "aria-pressed": view.of === of }, of === "value" ? header.unit : "reward");
      button.addEventListener("click", () => {
        view.of = of;
        drawByTrial();
        place.querySelector("[aria-pressed=true]").focus();
      });
      return button;
    });
    items.push(element("span", { class: "switch", role: "group", "aria-label": "What is drawn" }, ...choices));
  }
  place.replaceChildren(...items);
}

function drawByCost(by) {
  const { header, columns } = data;
  const x = columns[by];
  const rows = rowsWhere((row) => columns.kind[row] === 0 && Number.isFinite(x[row]) && Number.isFinite(columns.value[row]));
  const costs = rows.map((row) => x[row]);
  const values = rows.map((row) => columns.value[row]);
  const rowOf = new Map(rows.map((row) => [columns.number[row], row]));
  const isKnown = by in header.fronts;
  const front = (header.fronts[by] ?? []).map((number) => rowOf.get(number)).filter((row) => row !== undefined);
  const low = Math.min(...minMax(costs)), high = Math.max(...minMax(costs));
  const isLog = low > 0 && high / low > 8;
  const room = isLog ? 1.05 : (high - low) * 0.04 || 1;
  const xRange = isLog ? { low: low / room, high: high * room, isLog } : { low: low - room, high: high + room, isLog };
  const chart = charts[`by-${by}`];
  const differ = isKnown && rows.length > 1 && high > low;
  const title = `${header.unit} by ${by === "seconds" ? "seconds of training" : by}`;
  chart.figure.querySelector("figcaption").textContent = title;
  const key = (kind, text) => element("span", {}, element("i", { class: `key ${kind}` }), text);
  chart.figure.querySelector(".keys").replaceChildren(key("completed", "completed"), key("best", "Pareto front"));
  chart.set({
    x, y: columns.value, kind: columns.kind, rows: differ ? rows : [], lanes: [], xRange,
    lines: [{ x: front.map((row) => x[row]), y: front.map((row) => columns.value[row]), colour: "best", steps: true, end: high }],
    yRange: rangeOf(values, header.lowerIsBetter) ?? { low: 0, high: 1, isLog: false },
    yText: (tick) => (header.inPercent ? `${tidy(100 * tick)} %` : tidy(tick)), xTitle: by, label: title,
    hint: `Front: nothing measured is better with as few ${by}.`,
  });
}

function minMax(numbers) {
  let low = Infinity, high = -Infinity;
  for (const number of numbers) {
    if (number < low) low = number;
    if (number > high) high = number;
  }
  return [low, high];
}

async function show(base64) {
  data = unpacked(bytesOf(base64));
  table.set(data);
  drawByTrial();
  drawByCost("parameters");
  drawByCost("seconds");
  const shownNow = data;
  const texts = await inflated(shownNow);
  if (data !== shownNow) return; // something newer is shown
  data.texts = texts;
  table.set(data);
}

/** Take over what has changed in a newer page; what the reader has opened, and where, stays. */
function renew(newer) {
  const anchor = [...document.querySelectorAll("h2, h3, [data-part] > *, .chart")].find((one) => one.getBoundingClientRect().bottom > 0);
  const before = anchor?.isConnected ? anchor.getBoundingClientRect().top : 0;
  const key = anchor && placeOf(anchor);
  for (const part of newer.querySelectorAll("[data-part]")) {
    const name = part.dataset.part;
    const here = document.querySelector(`[data-part="${name}"]`);
    const source = part.innerHTML;
    if (!here || sources.get(name) === source) continue;
    sources.set(name, source);
    const open = new Map([...here.querySelectorAll("details")].map((one) => [one.dataset.key, one.open]));
    const sideways = [...here.querySelectorAll(".wide, pre")].map((one) => one.scrollLeft);
    const focused = [...here.querySelectorAll("summary, [tabindex]")].indexOf(document.activeElement);
    here.replaceChildren(...part.childNodes);
    for (const one of here.querySelectorAll("details")) if (open.has(one.dataset.key)) one.open = open.get(one.dataset.key);
    for (const [i, one] of [...here.querySelectorAll(".wide, pre")].entries()) one.scrollLeft = sideways[i] ?? 0;
    if (focused >= 0) here.querySelectorAll("summary, [tabindex]")[focused]?.focus({ preventScroll: true });
  }
  const there = key && key();
  if (there) scrollBy(0, there.getBoundingClientRect().top - before);
}

/** How an element is found again once its part has been replaced. */
function placeOf(anchor) {
  const part = anchor.closest("[data-part]");
  if (!part || anchor === part) return () => anchor;
  const index = [...part.children].indexOf(anchor);
  return index < 0 ? () => part : () => part.children[Math.min(index, part.children.length - 1)] ?? part;
}

const sources = new Map([...document.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part.innerHTML]));

async function watch(seconds) {
  let version = null;
  const said = element("p", { class: "lost", role: "status" });
  document.querySelector("header").append(said);
  for (;;) {
    await new Promise((done) => setTimeout(done, seconds * 1000));
    if (document.hidden) continue;
    try {
      const now = await (await fetch("version", { cache: "no-store" })).text();
      if (now !== version) {
        const answer = await fetch(".", { cache: "no-store" });
        if (!answer.ok) throw new Error(answer.statusText);
        const newer = new DOMParser().parseFromString(await answer.text(), "text/html");
        renew(newer);
        await show(newer.getElementById("data").textContent);
        version = now;
        document.getElementById("page").dataset.renewed = Number(document.getElementById("page").dataset.renewed ?? 0) + 1;
      }
      said.textContent = "";
    } catch {
      said.textContent = LOST;
    }
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => Object.values(charts).forEach((chart) => chart.draw()));
if (typeof DecompressionStream === "undefined") {
  document.getElementById("trial-table").textContent = "The table needs a browser of 2023 or later.";
} else {
  await show(document.getElementById("data").textContent);
  document.getElementById("page").dataset.ready = performance.now();
  const live = document.querySelector("meta[name=live]");
  if (live) watch(Number(live.content));
}
