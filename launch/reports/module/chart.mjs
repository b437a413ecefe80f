// A drawing over all trials, on a canvas: however many there are, they are dots and no elements.
import { element, significant } from "./data.mjs";

const LEFT = 64, RIGHT = 14, TOP = 10, BOTTOM = 34, LANE = 16;
const MANY = 3000;
const COLOURS = ["ink", "grid", "faint", "dot", "reused", "failed", "open", "stopped", "best", "baseline"];

/** Round numbers between two, a handful; powers of ten and their halves on a logarithmic axis. */
export function ticks(low, high, most, isLog) {
  if (isLog) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const factor of [1, 2, 5]) found.push(factor * 10 ** power);
    }
    const inside = found.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
    const tens = inside.filter((tick) => Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-9);
    const kept = inside.length > most && tens.length > 1 ? tens : inside;
    return kept.length > 1 ? thinned(kept, most) : ticks(low, high, most, false);
  }
  if (!(high > low)) return [low];
  const power = 10 ** Math.floor(Math.log10((high - low) / most));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => (high - low) / s <= most);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high * (1 + 1e-12) && found.length < 50; i++) found.push(i * step);
  return found;
}

/** A round number as an axis shows it. */
export function tidy(tick) {
  const size = Math.abs(tick);
  if (size >= 1e6 || (size > 0 && size < 1e-4)) return significant(tick, 2);
  return Number(tick.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 6 });
}

function thinned(values, most) {
  const step = Math.ceil(values.length / most);
  return values.filter((_, i) => i % step === 0);
}

/**
 * The range of an axis over some numbers: their own, unless few lie far off on the worse side.
 * Then it ends where 98 of 100 are, and what lies beyond is drawn at the edge.
 */
export function rangeOf(numbers, lowerIsBetter) {
  const sorted = Float64Array.from(numbers).filter(Number.isFinite).sort();
  if (!sorted.length) return null;
  let low = sorted[0], high = sorted[sorted.length - 1];
  const at = (share) => sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)];
  if (sorted.length >= 20) {
    const usual = lowerIsBetter ? at(0.98) : at(0.02);
    const span = Math.abs(usual - (lowerIsBetter ? low : high));
    if (span > 0 && high - low > 3 * span) {
      if (lowerIsBetter) high = usual;
      else low = usual;
    }
  }
  const isLog = low > 0 && high / low > 20;
  const room = isLog ? (high / low) ** 0.04 : (high - low) * 0.04 || Math.abs(high) * 0.01 || 1;
  return isLog
    ? { low: low / room, high: high * room, isLog }
    : { low: low - room, high: high + room, isLog };
}

/** A canvas with axes, dots and lines; pointer and keys show what a dot is. */
export class Chart {
  /**
   * @param figure of the page, which has places for keys, drawing and readout.
   * @param tell the text of a dot, by its place in the columns.
   * @param chosen called with a dot's place where Enter or a click chooses it.
   */
  constructor(figure, tell, chosen) {
    this.figure = figure;
    this.tell = tell;
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.cursor = element("div", { class: "cursor", hidden: "" });
    this.plot = figure.querySelector(".plot");
    this.readout = figure.querySelector(".readout");
    this.plot.replaceChildren(this.canvas, this.cursor);
    this.plot.tabIndex = 0;
    this.plot.setAttribute("role", "slider");
    this.at = null;
    this.plot.addEventListener("pointermove", (event) => this.point(event));
    this.plot.addEventListener("pointerdown", (event) => this.point(event));
    this.plot.addEventListener("pointerleave", () => this.show(null));
    this.plot.addEventListener("blur", () => this.show(null));
    this.plot.addEventListener("keydown", (event) => this.key(event, chosen));
    this.plot.addEventListener("dblclick", () => this.at !== null && chosen(this.order[this.at]));
    this.width = 0;
    new ResizeObserver(() => this.plot.clientWidth !== this.width && this.draw()).observe(this.plot);
  }

  /**
   * Show something else.
   * @param series {x, y, kind: arrays over `rows`, rows, xLog, lines, lanes, xTitle, yTitle, yText, label}.
   */
  set(series) {
    this.series = series;
    this.figure.hidden = series.rows.length === 0;
    this.order = series.rows.slice().sort((a, b) => series.x[a] - series.x[b]);
    this.plot.setAttribute("aria-label", series.label);
    this.plot.setAttribute("aria-valuemin", 0);
    this.plot.setAttribute("aria-valuemax", Math.max(this.order.length - 1, 0));
    this.plot.setAttribute("aria-valuenow", 0);
    this.plot.setAttribute("aria-valuetext", series.label);
    this.at = null;
    this.cursor.hidden = true;
    this.readout.textContent = series.hint;
    this.draw();
  }

  /** Places on the canvas, in pixels of the page. */
  scale() {
    const { series } = this;
    const height = this.plot.clientHeight;
    const floor = height - BOTTOM - LANE * series.lanes.length;
    const map = (value, { low, high, isLog }) =>
      isLog ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    const inside = (share) => Math.min(Math.max(share, 0), 1);
    return {
      floor,
      height,
      x: (value) => LEFT + (this.width - LEFT - RIGHT) * inside(map(value, series.xRange)),
      y: (value) => floor - (floor - TOP) * inside(map(value, series.yRange)),
      lane: (kind) => floor + LANE * (series.lanes.indexOf(kind) + 0.5),
    };
  }

  draw() {
    this.width = this.plot.clientWidth;
    if (!this.series || !this.width || !this.series.xRange || !this.series.yRange) return;
    const ratio = window.devicePixelRatio || 1;
    const scale = this.scale();
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(scale.height * ratio);
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.font = "12px system-ui, sans-serif";
    this.colour = (name) => this.colours[name];
    this.colours = Object.fromEntries(COLOURS.map((name) => [name, this.resolved(name)]));
    this.axes(context, scale);
    this.dots(context, scale);
    for (const line of this.series.lines) this.line(context, scale, line);
  }

  /** A colour of the page's style, light or dark, as a canvas takes it. */
  resolved(name) {
    this.cursor.style.color = `var(--${name})`;
    return getComputedStyle(this.cursor).color;
  }

  axes(context, scale) {
    const { series } = this;
    context.strokeStyle = this.colour("grid");
    context.fillStyle = this.colour("ink");
    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const tick of ticks(series.yRange.low, series.yRange.high, 5, series.yRange.isLog)) {
      const y = Math.round(scale.y(tick)) + 0.5;
      context.beginPath();
      context.moveTo(LEFT, y);
      context.lineTo(this.width - RIGHT, y);
      context.stroke();
      context.fillText(series.yText(tick), LEFT - 6, y);
    }
    for (const kind of series.lanes) context.fillText(series.laneTitles[kind], LEFT - 6, scale.lane(kind));
    context.textAlign = "center";
    context.textBaseline = "top";
    const { low, high, isLog } = series.xRange;
    const base = scale.height - BOTTOM;
    for (const tick of ticks(low, high, this.width < 500 ? 4 : 7, isLog)) {
      context.fillText(tidy(tick), scale.x(tick), base + 5);
    }
    context.textAlign = "right";
    context.fillText(series.xTitle, this.width - RIGHT, base + 19);
    context.strokeStyle = this.colour("faint");
    context.beginPath();
    context.moveTo(LEFT + 0.5, TOP);
    context.lineTo(LEFT + 0.5, base + 0.5);
    context.lineTo(this.width - RIGHT, base + 0.5);
    context.stroke();
  }

  /** Where a dot is, in pixels. */
  spot(row, scale) {
    const { series } = this;
    const kind = series.kind[row];
    const y = series.lanes.includes(kind) ? scale.lane(kind) : scale.y(series.y[row]);
    return [scale.x(series.x[row]), y];
  }

  dots(context, scale) {
    const { rows, kind } = this.series;
    const many = rows.length > MANY;
    const half = many ? 1 : 2;
    for (const each of [1, 4, 0, 3, 2]) {
      context.fillStyle = context.strokeStyle = this.colour(["dot", "reused", "failed", "open", "stopped"][each]);
      context.globalAlpha = many ? 0.45 : each === 2 ? 0.9 : 0.8;
      for (const row of rows) {
        if (kind[row] !== each) continue;
        const [x, y] = this.spot(row, scale);
        if (each === 2 && !many) {
          context.beginPath();
          context.moveTo(x - 3, y - 3);
          context.lineTo(x + 3, y + 3);
          context.moveTo(x - 3, y + 3);
          context.lineTo(x + 3, y - 3);
          context.stroke();
        } else if (many) context.fillRect(x - half, y - half, 2 * half, 2 * half);
        else {
          context.beginPath();
          context.arc(x, y, each === 1 ? 2.5 : 2.6, 0, 7);
          if (each === 1) context.stroke();
          else context.fill();
        }
      }
    }
    context.globalAlpha = 1;
  }

  line(context, scale, { x, y, colour, steps, dashes, end }) {
    context.strokeStyle = this.colour(colour);
    context.lineWidth = 2;
    context.setLineDash(dashes || []);
    context.beginPath();
    let last = null;
    for (let i = 0; i < x.length; i++) {
      if (y[i] === null || !Number.isFinite(y[i])) continue;
      const at = [scale.x(x[i]), scale.y(y[i])];
      if (last === null) context.moveTo(...at);
      else {
        if (steps) context.lineTo(at[0], last[1]);
        context.lineTo(...at);
      }
      last = at;
    }
    if (last && end !== undefined) context.lineTo(scale.x(end), last[1]);
    context.stroke();
    context.setLineDash([]);
  }

  point(event) {
    const box = this.plot.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const scale = this.scale();
    let nearest = null, least = 40 * 40;
    for (let i = 0; i < this.order.length; i++) {
      const [dotX, dotY] = this.spot(this.order[i], scale);
      const distance = (dotX - x) ** 2 + (dotY - y) ** 2;
      if (distance < least) [nearest, least] = [i, distance];
    }
    this.show(nearest);
  }

  key(event, chosen) {
    const last = this.order.length - 1;
    const page = Math.max(Math.round(last / 20), 1);
    const at = this.at ?? -1;
    const to = {
      ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1,
      PageUp: at + page, PageDown: at - page, Home: 0, End: last,
    }[event.key];
    if (event.key === "Enter" && this.at !== null) chosen(this.order[this.at]);
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.show(Math.min(Math.max(to, 0), last));
  }

  /** Mark a dot and say what it is; null marks none. */
  show(at) {
    this.at = at;
    this.cursor.hidden = at === null;
    if (at === null) {
      this.readout.textContent = this.series?.hint ?? "";
      return;
    }
    const [x, y] = this.spot(this.order[at], this.scale());
    this.cursor.style.left = `${x}px`;
    this.cursor.style.top = `${y}px`;
    this.readout.textContent = this.tell(this.order[at]);
    this.plot.setAttribute("aria-valuenow", at);
    this.plot.setAttribute("aria-valuetext", this.readout.textContent);
  }
}
