// What is shown: the state that all parts of the page share, and its text in a link.

import { PALETTES, colourScale } from "./colour_scales.mjs";
import { matches, members, unescaped } from "./matches.mjs";
import { opening, preferredSignal } from "./opening.mjs";

/** The scales of the colours by name, each with what it is. */
export const SCALES = {
  fixed: "same for all neurons",
  neuron: "each neuron’s own",
  log: "logarithmic",
};
const THEMES = ["auto", "light", "dark"];
const COLOURS = ["signal", "influence"];

/** The shared state; parts listen to it and say what the visitor changed. */
export class View {
  #listeners = new Set();
  #changed = new Set();
  #frame = 0;
  #selection = null;
  #defaults;
  isDark = false; // the page's ground, which the theme or the system says

  constructor(exploration) {
    this.text = exploration.text;
    this.features = exploration.features;
    this.models = exploration.models;
    this.#defaults = this.#first();
    Object.assign(this, this.#defaults);
  }

  #first() {
    const { feature, choices, scale } = opening(this.models, this.features);
    return {
      cursor: 0,
      pointed: 0, // where the pointer is, also while the cursor is held
      held: false,
      span: null,
      search: "",
      feature: feature?.name ?? "",
      scale,
      palette: "classic",
      theme: "auto",
      colour: "signal",
      whole: this.text.length <= 400,
      choices,
    };
  }

  /** Call a function with the set of changed names, at most once a frame. */
  listen(listener) {
    this.#listeners.add(listener);
  }

  /** Forget every listener and the frame that waits. */
  close() {
    this.#listeners.clear();
    cancelAnimationFrame(this.#frame);
  }

  /** Take new values; a span and a search exclude each other. */
  change(values) {
    const patch = { ...values };
    if (patch.span) patch.search = "";
    if (patch.search) patch.span = null;
    for (const [name, value] of Object.entries(patch)) {
      if (Object.is(this[name], value)) continue;
      this[name] = value;
      this.#changed.add(name);
    }
    if (this.#changed.has("span") || this.#changed.has("search")) {
      this.#selection = null;
      this.#changed.add("selection");
    }
    if (this.#changed.size && !this.#frame) {
      this.#frame = requestAnimationFrame(() => this.#notify());
    }
  }

  #notify() {
    this.#frame = 0;
    const changed = this.#changed;
    this.#changed = new Set();
    for (const listener of this.#listeners) listener(changed);
  }

  /** Take another layer, signal or neuron of a model, and keep what still fits. */
  choose(index, choice) {
    const model = this.models[index];
    const merged = { ...this.choices[index], ...choice };
    const layer = model.layers[merged.layer];
    if (!layer.signals.some((signal) => signal.name === merged.signal)) {
      merged.signal = preferredSignal(layer).name;
    }
    merged.neuron = Math.min(Math.max(0, merged.neuron), layer.units - 1);
    const choices = this.choices.slice();
    choices[index] = merged;
    this.change({ choices });
  }

  /** Move the cursor, within the text. */
  moveTo(time) {
    const cursor = this.#within(time);
    this.change({ cursor, pointed: cursor });
  }

  #within(time) {
    return Math.min(Math.max(0, time), this.text.length - 1);
  }

  /** Return the layer that a model shows. */
  layer(index) {
    return this.models[index].layers[this.choices[index].layer];
  }

  /** Return the signal that a model shows. */
  signal(index) {
    return this.layer(index).signals.find(({ name }) => name === this.choices[index].signal);
  }

  /** Return the scale of the colours for "state", "gate" or "influence". */
  colours(kind) {
    return colourScale(this.palette, kind, this.isDark);
  }

  /** Return the selected characters: {spans, members, count}; none gives a count of 0. */
  selection() {
    this.#selection ??= this.#selected();
    return this.#selection;
  }

  #selected() {
    const spans = this.span ? [this.span] : matches(this.text, unescaped(this.search));
    const inside = members(this.text.length, spans);
    return { spans, members: inside, count: inside.reduce((sum, one) => sum + one, 0) };
  }

  /** Return the state as a URL fragment; people count from 1. */
  fragment() {
    const parts = new URLSearchParams();
    parts.set("at", this.cursor + 1);
    if (this.held) parts.set("held", 1);
    if (this.span) parts.set("span", `${this.span[0] + 1}-${this.span[1]}`);
    const defaults = this.#defaults;
    for (const name of ["search", "feature", "scale", "palette", "theme", "colour"]) {
      if (this[name] !== defaults[name]) parts.set(name, this[name]);
    }
    if (this.whole !== defaults.whole) parts.set("whole", Number(this.whole));
    this.choices.forEach(({ layer, signal, neuron }, index) => {
      parts.set(`model${index + 1}`, `${layer + 1}.${signal}.${neuron + 1}`);
    });
    return parts.toString();
  }

  /** Take the state of a fragment; what it does not name, or names wrongly, is as at first. */
  readFragment(fragment) {
    const parts = new URLSearchParams(fragment);
    const values = { ...this.#defaults };
    values.cursor = this.#within((parseInt(parts.get("at"), 10) || 1) - 1);
    values.pointed = values.cursor;
    values.held = parts.get("held") === "1";
    values.span = this.#spanOf(parts.get("span"));
    values.search = values.span ? "" : (parts.get("search") ?? "");
    const features = ["", ...this.features.map(({ name }) => name)];
    const allowed = {
      feature: features,
      scale: Object.keys(SCALES),
      palette: Object.keys(PALETTES),
      theme: THEMES,
      colour: COLOURS,
    };
    for (const [name, choices] of Object.entries(allowed)) {
      if (choices.includes(parts.get(name))) values[name] = parts.get(name);
    }
    if (parts.has("whole")) values.whole = parts.get("whole") === "1";
    this.change(values);
    this.models.forEach((_, index) => {
      const choice = choiceOf(parts.get(`model${index + 1}`), this.models[index]);
      if (choice) this.choose(index, choice);
    });
  }

  #spanOf(text) {
    const [, from, to] = /^(\d+)-(\d+)$/.exec(text ?? "") ?? [];
    const span = [Number(from) - 1, Number(to)];
    return span[0] >= 0 && span[1] > span[0] && span[1] <= this.text.length ? span : null;
  }
}

/** Return the choice "2.forget_gate.3" of a fragment, or null where the model has no such layer. */
function choiceOf(text, model) {
  const [layer, signal, neuron] = (text ?? "").split(".");
  const number = Number(layer) - 1;
  if (!model.layers[number]) return null;
  return { layer: number, signal, neuron: (parseInt(neuron, 10) || 1) - 1 };
}
