// One neuron with all its signals, and below it all neurons with one signal, on one time axis.

import { card, make, rebuilt, surface, write, writeNumber } from "./elements.mjs";
import { drawAxis, drawBars, drawFrame, drawHeat, heatPicture } from "./signal_rows.mjs";
import { shortTitle, visible, writtenAt } from "./wording.mjs";

const AXIS_HEIGHT = 22;
const ROW_HEIGHTS = { few: 38, many: 28 };
const MANY_SIGNALS = 9;
const NARROWEST = 9;
const HEAT_HEIGHT = 260;
const INKS = {
  light: { ink: "#4a5058", lines: "#c9ced6", accent: "#b3541e" },
  dark: { ink: "#b9c0c9", lines: "#4a515b", accent: "#ffb37a" },
};

/** The neuron page and the overview of one model. */
export class TimeView {
  #view;
  #index;
  #labels = make("div", { class: "nwr-time-labels" });
  #neurons = make("div", { class: "nwr-neurons", "aria-hidden": "true" });
  #rows = make("canvas", { class: "nwr-rows" });
  #heat;
  #line = make("div", { class: "nwr-time-line" });
  #spacer = make("div", { class: "nwr-spacer" });
  #pinned = make("div", { class: "nwr-pinned" });
  #scroll = make("div", { class: "nwr-scroll", onscroll: () => this.#scrolled() });
  #readout = make("output", { class: "nwr-heat-value" });
  #heading = make("h3", {});
  #picture = { key: "", image: null };
  #hovered = null;
  #buttons = [];
  #width = 0; // of the window, and how far it is scrolled: asking the document would lay it out
  #offset = 0;
  #resized = new ResizeObserver(() => this.#fit());

  constructor(view, index) {
    this.#view = view;
    this.#index = index;
    this.#heat = this.#heatCanvas();
    this.#pinned.append(this.#rows, this.#heat, this.#line);
    this.#spacer.append(this.#pinned);
    this.#scroll.append(this.#spacer);
    for (const canvas of [this.#rows, this.#heat]) {
      canvas.addEventListener("pointermove", (event) => this.#point(event, canvas));
      canvas.addEventListener("pointerleave", () => this.#leave());
    }
    const left = make("div", { class: "nwr-time-left" }, this.#labels, this.#neurons);
    this.element = card(
      "One neuron, and all of them",
      "Above: every signal of the chosen neuron over the text. Below: the chosen signal of all " +
        "neurons, a row each; click a row to choose its neuron.",
      make("div", { class: "nwr-time" }, left, this.#scroll),
      this.#readout,
    );
    this.#heading = this.element.querySelector("h3");
    this.#resized.observe(this.#scroll);
  }

  /** Stop watching the size. */
  close() {
    this.#resized.disconnect();
  }

  /** Write what the changed names touch. */
  update(changed) {
    if (isMore(changed)) this.#relabel();
    const { cursor } = this.#view;
    const { neuron } = this.#view.choices[this.#index];
    for (const { value, signal } of this.#buttons) {
      writeNumber(value, signal.value(neuron, cursor), writtenAt(signal, neuron, cursor));
    }
    this.#writeHovered();
  }

  /** Draw what the changed names touch; after all parts have been written. */
  draw(changed) {
    this.#width ||= this.#scroll.clientWidth;
    if (isMore(changed)) this.#resize();
    if (changed.has("cursor")) this.#reveal();
    this.#place(this.#window());
  }

  #heatCanvas() {
    return make("canvas", {
      class: "nwr-heat",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "heat map",
      "aria-label":
        "All neurons over the text: left and right move the cursor, up and down choose the neuron",
      onclick: (event) => this.#pick(event),
      onkeydown: (event) => this.#press(event),
    });
  }

  #relabel() {
    const layer = this.#view.layer(this.#index);
    const { neuron, signal } = this.#view.choices[this.#index];
    write(this.#heading, `Neuron ${neuron + 1} of ${layer.units}, and all of them`);
    this.#labels.classList.toggle("nwr-many", layer.signals.length > MANY_SIGNALS);
    const style = `height:${heightOfRows(layer.signals)}px`;
    this.#buttons = layer.signals.map((one) => this.#signalButton(one, one.name === signal, style));
    rebuilt(
      this.#labels,
      this.#buttons.map(({ button }) => button),
    );
    const height = this.#neuronHeight();
    const every = Math.ceil(14 / height);
    const numbers = Array.from({ length: layer.units }, (_, i) => i).filter(
      (i) => i === neuron || (i % every === 0 && Math.abs(i - neuron) >= every),
    );
    this.#neurons.replaceChildren(
      ...numbers.map((i) => {
        const top = `top:${(i + 0.5) * height}px`;
        return make("span", { style: top, class: i === neuron ? "nwr-chosen" : "" }, String(i + 1));
      }),
    );
    this.#neurons.style.height = `${height * layer.units}px`;
  }

  #signalButton(signal, chosen, style) {
    const { tree } = this.#view.layer(this.#index);
    const value = make("span", { class: "nwr-number", "data-signal": signal.name });
    const button = make(
      "button",
      {
        type: "button",
        class: "nwr-signal",
        style,
        "data-key": signal.name,
        "aria-pressed": String(chosen),
        title: `Colour the text by ${signal.title}`,
        onclick: () => this.#view.choose(this.#index, { signal: signal.name }),
      },
      make("span", { class: "nwr-symbol" }, signal.symbol),
      make("span", { class: "nwr-signal-title" }, shortTitle(signal, tree)),
      value,
    );
    return { button, value, signal };
  }

  #neuronHeight() {
    const { units } = this.#view.layer(this.#index);
    return Math.min(18, Math.max(3, Math.floor(HEAT_HEIGHT / units)));
  }

  /** Return the characters in the window: their width, the first, the one after the last. */
  #window() {
    const [width, offset] = [Math.max(1, this.#width), this.#offset];
    const length = this.#view.text.length;
    const fitting = width / length;
    const cell = this.#view.whole
      ? Math.min(24, fitting)
      : Math.max(NARROWEST, Math.min(24, fitting));
    const from = Math.max(0, Math.floor(offset / cell));
    return { width, cell, offset, from, to: Math.min(length, Math.ceil((offset + width) / cell)) };
  }

  #fit() {
    if (this.#width === this.#scroll.clientWidth) return;
    this.#width = this.#scroll.clientWidth;
    this.#resize();
  }

  #scrolled() {
    if (this.#offset === this.#scroll.scrollLeft) return;
    this.#offset = this.#scroll.scrollLeft;
    this.#draw();
  }

  #resize() {
    const { cell, width } = this.#window();
    this.#spacer.style.width = `${Math.max(width, Math.floor(cell * this.#view.text.length))}px`;
    this.#pinned.style.width = `${width}px`;
    this.#draw();
  }

  #draw() {
    if (this.#width === 0) return;
    const window = this.#window();
    const { scale } = this.#view;
    const { neuron } = this.#view.choices[this.#index];
    const signals = this.#view.layer(this.#index).signals;
    const rowHeight = heightOfRows(signals);
    const inks = INKS[this.#view.isDark ? "dark" : "light"];
    const context = surface(this.#rows, window.width, AXIS_HEIGHT + rowHeight * signals.length);
    drawAxis(context, this.#view.text, this.#view.selection().members, inks, window);
    const scales = { state: this.#view.colours("state"), gate: this.#view.colours("gate") };
    signals.forEach((signal, number) => {
      const place = { top: AXIS_HEIGHT + number * rowHeight, height: rowHeight };
      const range = signal.range(neuron, scale);
      drawBars(
        context,
        { signal, neuron, scale: scales[signal.kind], range, ...place, ...inks },
        window,
      );
    });
    this.#drawHeat(window, scales);
    this.#place(window);
  }

  #drawHeat(window, scales) {
    const view = this.#view;
    const signal = view.signal(this.#index);
    const { layer, neuron } = view.choices[this.#index];
    const key = [layer, signal.name, view.scale, view.palette, view.isDark].join();
    if (this.#picture.key !== key) {
      const range = (number) => signal.range(number, view.scale);
      this.#picture = { key, image: heatPicture(signal, scales[signal.kind], range) };
    }
    const height = this.#neuronHeight();
    const context = surface(this.#heat, window.width, height * signal.units);
    drawHeat(context, this.#picture.image, height, window);
    drawFrame(context, neuron, signal.units, height, window);
  }

  #place({ cell, offset }) {
    this.#line.style.left = `${this.#view.cursor * cell - offset}px`;
    const isThin = cell < 6;
    this.#line.style.width = `${isThin ? 2 : cell}px`;
    this.#line.classList.toggle("nwr-thin", isThin);
  }

  /** Scroll so that the cursor is in the window. */
  #reveal() {
    const { cell, width, offset } = this.#window();
    const left = this.#view.cursor * cell;
    if (left >= offset && left + cell <= offset + width) return;
    this.#scroll.scrollLeft = left - width / 2;
    this.#scrolled();
  }

  #writeHovered() {
    const signal = this.#view.signal(this.#index);
    const shown = this.#hovered ?? this.#view.choices[this.#index].neuron;
    const neuron = Math.min(shown, signal.units - 1);
    const { cursor, text } = this.#view;
    const words = `neuron ${neuron + 1}, character ${cursor + 1} “${visible(text[cursor])}”: `;
    writeNumber(
      this.#readout,
      signal.value(neuron, cursor),
      words + `${signal.symbol} = ${writtenAt(signal, neuron, cursor)}`,
    );
    this.#readout.dataset.neuron = neuron;
  }

  #point(event, canvas) {
    const { cell, offset } = this.#window();
    const time = Math.floor((event.offsetX + offset) / cell);
    if (!this.#view.held && time < this.#view.text.length) this.#view.moveTo(time);
    this.#hovered = canvas === this.#heat ? this.#neuronAt(event) : null;
    this.#writeHovered();
  }

  #leave() {
    this.#hovered = null;
    this.#writeHovered();
  }

  #neuronAt(event) {
    const { units } = this.#view.layer(this.#index);
    return Math.min(units - 1, Math.max(0, Math.floor(event.offsetY / this.#neuronHeight())));
  }

  #pick(event) {
    this.#view.choose(this.#index, { neuron: this.#neuronAt(event) });
  }

  #press(event) {
    const view = this.#view;
    const { neuron } = view.choices[this.#index];
    const actions = {
      ArrowLeft: () => view.moveTo(view.cursor - 1),
      ArrowRight: () => view.moveTo(view.cursor + 1),
      ArrowUp: () => view.choose(this.#index, { neuron: neuron - 1 }),
      ArrowDown: () => view.choose(this.#index, { neuron: neuron + 1 }),
      Home: () => view.moveTo(0),
      End: () => view.moveTo(view.text.length - 1),
      Escape: () => view.change({ span: null, search: "", held: false }),
    };
    if (!(event.key in actions) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[event.key]();
  }
}

/** Return whether more has changed than where the cursor is. */
function isMore(changed) {
  return [...changed].some((name) => !["cursor", "pointed", "held"].includes(name));
}

function heightOfRows(signals) {
  return signals.length > MANY_SIGNALS ? ROW_HEIGHTS.many : ROW_HEIGHTS.few;
}
