// Everything about one model: its choices, the text as it read it, and what is behind it.

import { shadesOverTime } from "./colour_scales.mjs";
import { EquationCard } from "./equation_card.mjs";
import { field, fillSelect, make, selectOf } from "./elements.mjs";
import { Legend } from "./legend.mjs";
import { PredictionCard } from "./prediction_card.mjs";
import { RankingCard } from "./ranking_card.mjs";
import { reportTables, writtenText } from "./report_tables.mjs";
import { TextStrip } from "./text_strip.mjs";
import { TimeView } from "./time_view.mjs";
import { TreeCard } from "./tree_card.mjs";
import { ValueRange } from "./value_range.mjs";
import { shortTitle, visible, writtenAt } from "./wording.mjs";

const RECOLOURING = ["choices", "palette", "theme", "colour"];
const COLOURING = [...RECOLOURING, "scale"];
const RANKING = ["choices", "selection", "feature"];

/** One model's part of the page. */
export class ModelPanel {
  #view;
  #index;
  #model;
  #strip;
  #time;
  #predictions;
  #rankings;
  #inside;
  #legend = new Legend();
  #layers;
  #signals;
  #neurons;
  #shownLayer = null;

  constructor(view, index) {
    this.#view = view;
    this.#index = index;
    this.#model = view.models[index];
    this.#strip = new TextStrip(view, this.#model.title);
    this.#time = new TimeView(view, index);
    this.#predictions = new PredictionCard(view, this.#model);
    this.#rankings = new RankingCard(view, index);
    this.#inside = this.#insides();
    const texts = make("div", { class: "nwr-texts" }, this.#strip.element);
    const written = writtenText(this.#model);
    if (written) texts.append(written);
    const left = make("div", { class: "nwr-left" }, texts, this.#time.element);
    left.append(...this.#inside.map(({ element }) => element));
    const right = make(
      "div",
      { class: "nwr-side" },
      this.#rankings.element,
      this.#predictions.element,
    );
    this.element = make(
      "section",
      { class: "nwr-model", "aria-label": this.#model.title },
      make("h2", {}, this.#model.title),
      make("div", { class: "nwr-choices" }, ...this.#choices(), this.#legend.element),
      make("div", { class: "nwr-columns" }, left, right),
    );
    const report = reportTables(this.#model);
    if (report) this.element.append(report);
  }

  /** Stop listening. */
  close() {
    this.#strip.close();
    this.#time.close();
  }

  /** The tree of a tree cell, and the equations of any other. */
  #insides() {
    const { tree } = this.#view.layer(this.#index);
    const { equations } = this.#model;
    if (!tree) return [new EquationCard(this.#view, this.#index, equations)];
    // The drawing numbers the nodes; here each has its signal's symbol.
    const drawing = tree.text.replaceAll(/\[(\d+)\]/g, "a_$1");
    const text = [drawing, ...(equations.length ? ["", ...equations] : [])].join("\n");
    return [new TreeCard(this.#view, this.#index, text)];
  }

  #choices() {
    const choose = (choice) => this.#view.choose(this.#index, choice);
    const layers = this.#model.layers.map((_, i) => [i, String(i + 1)]);
    this.#layers = selectOf(layers, (value) => choose({ layer: Number(value) }), {
      "data-choice": "layer",
    });
    this.#signals = selectOf([], (value) => choose({ signal: value }), { "data-choice": "signal" });
    this.#neurons = selectOf([], (value) => choose({ neuron: Number(value) }), {
      "data-choice": "neuron",
    });
    const step = (by, sign, name) =>
      make(
        "button",
        {
          type: "button",
          class: "nwr-step",
          "aria-label": name,
          title: name,
          onclick: () => choose({ neuron: this.#view.choices[this.#index].neuron + by }),
        },
        sign,
      );
    const neuron = make(
      "div",
      { class: "nwr-group" },
      field("Neuron", this.#neurons),
      step(-1, "‹", "Neuron before"),
      step(1, "›", "Next neuron"),
    );
    const layer = field("Layer", this.#layers);
    layer.hidden = layers.length < 2;
    return [layer, field("Signal", this.#signals), neuron];
  }

  /** Scroll the text to the cursor; while the layout is that of the last frame. */
  reveal(changed) {
    if (changed.has("cursor")) this.#strip.reveal();
  }

  /** Draw the canvases; after everything has been written. */
  draw(changed) {
    this.#time.draw(changed);
  }

  /** Write what the changed names touch. */
  update(changed) {
    const any = (names) => names.some((name) => changed.has(name));
    if (any(["choices"])) this.#writeChoices();
    const influence = this.#view.colour === "influence" && this.#model.connectivity;
    if (any(COLOURING) || (influence && changed.has("cursor"))) this.#paint(changed);
    this.#strip.mark();
    this.#writeLegend();
    this.#time.update(changed);
    this.#predictions.update();
    for (const part of this.#inside) part.update(changed);
    if (any(RANKING)) this.#rankings.update();
  }

  #writeChoices() {
    const layer = this.#view.layer(this.#index);
    const choice = this.#view.choices[this.#index];
    if (this.#shownLayer !== layer) {
      this.#shownLayer = layer;
      fillSelect(
        this.#signals,
        layer.signals.map((one) => [one.name, `${one.symbol}  ${shortTitle(one, layer.tree)}`]),
      );
      fillSelect(
        this.#neurons,
        Array.from({ length: layer.units }, (_, i) => [i, `${i + 1} of ${layer.units}`]),
      );
    }
    this.#layers.value = choice.layer;
    this.#signals.value = choice.signal;
    this.#neurons.value = choice.neuron;
  }

  /** Return what the text is coloured by: the signal, or the influence on one prediction. */
  #coloured() {
    const { cursor, colour, scale } = this.#view;
    const { connectivity } = this.#model;
    if (colour === "influence" && connectivity) {
      const range = new ValueRange(0, connectivity.strongest(cursor, 1)[0].value);
      return { kind: "influence", scale: this.#view.colours("influence"), range };
    }
    const signal = this.#view.signal(this.#index);
    const { neuron } = this.#view.choices[this.#index];
    const range = signal.range(neuron, scale);
    return { kind: "signal", scale: this.#view.colours(signal.kind), range, signal, neuron };
  }

  #paint(changed) {
    const { cursor, text } = this.#view;
    const { kind, scale, range, signal, neuron } = this.#coloured();
    const shades = new Int16Array(text.length).fill(-2);
    if (kind === "influence") {
      const { connectivity } = this.#model;
      for (let back = 0; back < connectivity.reach && back <= cursor; back++) {
        shades[cursor - back] = scale.shade(connectivity.value(cursor, back), range);
      }
    } else {
      const shadeAt = shadesOverTime(scale, signal, neuron, range);
      for (let t = 0; t < text.length; t++) shades[t] = shadeAt(t);
    }
    const isAnew = RECOLOURING.some((name) => changed.has(name));
    this.#strip.paint(scale, shades, isAnew);
  }

  #writeLegend() {
    const { cursor, pointed, text } = this.#view;
    const { kind, scale, range, signal, neuron } = this.#coloured();
    const character = `“${visible(text[cursor])}”`;
    if (kind === "influence") {
      const value = this.#model.connectivity.value(cursor, cursor - pointed);
      const words = `influence of “${visible(text[pointed])}” on what comes after ${character}: `;
      this.#legend.show(scale, range, value, words + (value ? value.toPrecision(3) : "0"));
      return;
    }
    const value = signal.value(neuron, cursor);
    const number = writtenAt(signal, neuron, cursor);
    this.#legend.show(
      scale,
      range,
      value,
      `${signal.symbol} of neuron ${neuron + 1} at ${character}: ${number}`,
    );
  }

  /** Return the sentence that is read out at the cursor. */
  sentence() {
    const signal = this.#view.signal(this.#index);
    const { neuron } = this.#view.choices[this.#index];
    const value = writtenAt(signal, neuron, this.#view.cursor);
    return `${this.#model.name}, ${signal.title} of neuron ${neuron + 1}: ${value}`;
  }
}
