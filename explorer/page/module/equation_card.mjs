// The cell's equations, and the same with the numbers of the chosen neuron at the cursor.

import { card, make, write, writeNumber } from "./elements.mjs";
import { writtenAt } from "./wording.mjs";

/** Equations that hold neuron by neuron, with the signals that a cell must have for them. */
const BY_NEURON = [
  {
    needs: ["forget_gate", "input_gate", "candidate", "cell"],
    words: (now, before, plain) => [
      "c = f·c₋₁ + i·g",
      `= ${now("forget_gate")}·${before("cell")} + ${now("input_gate")}·${now("candidate")}`,
      `= ${plain("cell")}`,
    ],
  },
  {
    needs: ["output_gate", "cell", "hidden"],
    words: (now, before, plain) => [
      "h = o·tanh(c)",
      `= ${now("output_gate")}·tanh(${plain("cell")})`,
      `= ${plain("hidden")}`,
    ],
  },
  {
    needs: ["update_gate", "candidate", "hidden"],
    words: (now, before, plain) => [
      "h = z·h₋₁ + (1 − z)·h′",
      `= ${now("update_gate")}·${before("hidden")}`,
      `+ (1 − ${now("update_gate")})·${now("candidate")}`,
      `= ${plain("hidden")}`,
    ],
  },
];

/** What one model computes, in symbols and in numbers. */
export class EquationCard {
  #view;
  #index;
  #numbers = make("div", { class: "nwr-numbers" });
  #values = make("dl", { class: "nwr-values" });
  #where = make("p", { class: "nwr-hint" });
  #shown = [];

  constructor(view, index, equations) {
    this.#view = view;
    this.#index = index;
    const lines = make("pre", { class: "nwr-equations", tabindex: "0" }, equations.join("\n"));
    lines.hidden = !equations.length;
    this.element = card(
      "The cell in numbers",
      null,
      lines,
      this.#where,
      this.#values,
      this.#numbers,
    );
    lines.setAttribute("aria-label", "Equations of the cell");
  }

  /** Write the numbers at the cursor. */
  update(changed) {
    const layer = this.#view.layer(this.#index);
    if (changed.has("choices") || !this.#shown.length) this.#list(layer);
    const { cursor } = this.#view;
    const { neuron } = this.#view.choices[this.#index];
    for (const { signal, value } of this.#shown) {
      writeNumber(value, signal.value(neuron, cursor), writtenAt(signal, neuron, cursor));
    }
    write(
      this.#where,
      `Neuron ${neuron + 1} at character ${cursor + 1}; c₋₁ and h₋₁ are of the character before.`,
    );
    this.#compute(layer, neuron, cursor);
  }

  #list(layer) {
    this.#shown = layer.signals.map((signal) => ({
      signal,
      value: make("dd", { class: "nwr-number", "data-equation": signal.name }),
    }));
    const pairs = this.#shown.map(({ signal, value }) => [
      make("dt", { title: signal.title }, signal.symbol),
      value,
    ]);
    this.#values.replaceChildren(...pairs.map((pair) => make("div", {}, ...pair)));
  }

  #compute(layer, neuron, cursor) {
    const signals = new Map(layer.signals.map((signal) => [signal.name, signal]));
    const at = (name, time) => (time < 0 ? "0" : writtenAt(signals.get(name), neuron, time));
    const factor = (text) => (text.startsWith("−") ? `(${text})` : text);
    const now = (name) => factor(at(name, cursor));
    const before = (name) => factor(at(name, cursor - 1));
    const plain = (name) => at(name, cursor);
    const holding = BY_NEURON.filter(({ needs }) => needs.every((name) => signals.has(name)));
    const paragraphs = holding.map(({ words }) => {
      const [first, ...rest] = words(now, before, plain);
      return make(
        "p",
        {},
        make("b", {}, first),
        ...rest.map((line) => make("span", {}, ` ${line}`)),
      );
    });
    this.#numbers.replaceChildren(...paragraphs);
    this.#numbers.hidden = !holding.length;
  }
}
