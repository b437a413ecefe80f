// A discovered cell as its tree: leaves below, the new hidden state at the top.

import { card, drawn, make, write, writeNumber } from "./elements.mjs";
import { TO_CELL, nodeWords, writtenAt } from "./wording.mjs";

const BOX_WIDTH = 100;
const BOX_HEIGHT = 62;
const COLUMN = 108;
const LEVEL = 96;
const NARROWEST_COLUMN = 84;
const MARGIN = 12;
const VALUE_SIZE = 13;
const WORDS_SIZE = 11;
const ADVANCE = 0.62; // of a monospaced letter, in parts of its size; bold ones are as wide

/** The tree of one model's cell, every node a signal with its value at the cursor. */
export class TreeCard {
  #view;
  #index;
  #boxes = [];
  #memory; // the signal of the cell state, and the line in the tree that shows it
  #drawing = make("div", { class: "nwr-tree" });
  #layer = null;

  constructor(view, index, text) {
    this.#view = view;
    this.#index = index;
    const lines = make(
      "pre",
      { class: "nwr-equations", tabindex: "0", "aria-label": "The tree as text" },
      text,
    );
    const details = make("details", {}, make("summary", {}, "The tree as text"), lines);
    this.element = card(
      "The cell as a tree",
      "x is the character, U and W are learned matrices, h and c the state of the character " +
        "before. Every node has the number of the chosen neuron at the cursor; choose a node to " +
        "colour the text by it. Where → c stands, what the node is before its activation becomes " +
        "the new c.",
      this.#drawing,
      details,
    );
  }

  /** Write the values at the cursor. */
  update() {
    const layer = this.#view.layer(this.#index);
    if (this.#layer !== layer) this.#draw(layer);
    const { cursor, scale } = this.#view;
    const { neuron, signal: chosen } = this.#view.choices[this.#index];
    for (const { group, box, value, lines, signal } of this.#boxes) {
      const number = signal.value(neuron, cursor);
      const scaleOfKind = this.#view.colours(signal.kind);
      const shade = scaleOfKind.shade(number, signal.range(neuron, scale));
      box.style.fill = shade < 0 ? "#888888" : scaleOfKind.colours[shade];
      for (const line of lines) line.style.fill = shade < 0 ? "#000" : scaleOfKind.inks[shade];
      fit(value, writtenAt(signal, neuron, cursor), VALUE_SIZE);
      value.dataset.value = String(number);
      group.setAttribute("aria-pressed", String(signal.name === chosen));
      group.setAttribute("aria-label", `${signal.title}: ${value.textContent}`);
    }
    const { cell, line } = this.#memory;
    const words = `→ c = ${writtenAt(cell, neuron, cursor)}`;
    writeNumber(line, cell.value(neuron, cursor), words);
    fit(line, words, WORDS_SIZE);
  }

  #draw(layer) {
    this.#layer = layer;
    const { nodes } = layer.tree;
    const places = placed(nodes);
    const leaves = nodes.filter((node) => !isInner(node)).length;
    const depth = Math.max(...[...places.values()].map(({ level }) => level));
    const width = leaves * COLUMN + 2 * MARGIN;
    const height = depth * LEVEL + BOX_HEIGHT + 68;
    const place = ({ column, level }) => ({
      x: MARGIN + column * COLUMN + COLUMN / 2,
      y: 40 + (depth - level) * LEVEL,
    });
    const size = `max-width:${width}px; min-width:${leaves * NARROWEST_COLUMN}px`;
    const box = { viewBox: `0 0 ${width} ${height}`, style: size };
    const svg = drawn("svg", { ...box, role: "group", "aria-label": "Tree of the cell" });
    for (const node of nodes.filter(isInner)) {
      for (const input of node.inputs) {
        svg.append(edge(place(places.get(input)), place(places.get(node.signal))));
      }
    }
    this.#boxes = nodes.map((node) => this.#node(svg, node, layer, place(places.get(node.signal))));
    const root = place(places.get(nodes.at(-1).signal));
    svg.append(drawn("text", { x: root.x, y: root.y - 12, class: "nwr-leaf" }, "h(t)"));
    this.#drawing.replaceChildren(svg);
  }

  #node(svg, node, layer, { x, y }) {
    const signal = layer.signals.find(({ name }) => name === node.signal);
    const words = nodeWords(node, layer.tree);
    const first = y + (words.length > 2 ? 14 : words.length > 1 ? 17 : 25);
    const lines = words.map((text, number) =>
      drawn("text", { x, y: first + 14 * number, class: "nwr-node-words" }),
    );
    lines.forEach((line, number) => fit(line, words[number], WORDS_SIZE));
    const after = first + 14 * words.length;
    if (words.includes(TO_CELL)) {
      const cell = layer.signals.find(({ name }) => name === "cell");
      this.#memory = { cell, line: lines[words.indexOf(TO_CELL)] };
    }
    const value = drawn("text", {
      x,
      y: after + 4,
      class: "nwr-node-value",
      "data-node": node.signal,
    });
    lines.push(value);
    const box = drawn("rect", {
      x: x - BOX_WIDTH / 2,
      y,
      width: BOX_WIDTH,
      height: BOX_HEIGHT,
      rx: 7,
    });
    const pick = () => this.#view.choose(this.#index, { signal: node.signal });
    const press = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      pick();
    };
    const properties = {
      class: "nwr-node",
      tabindex: "0",
      role: "button",
      onclick: pick,
      onkeydown: press,
    };
    const group = drawn("g", properties, box, ...lines);
    svg.append(group);
    svg.append(symbolOf(signal, { x, y }, isSecond(node, layer.tree)));
    if (!isInner(node)) {
      const below = { x, y: y + BOX_HEIGHT + 20, class: "nwr-leaf" };
      svg.append(drawn("text", below, node.inputs.join(", ")));
    }
    return { group, box, value, lines, signal };
  }
}

/** Write a line of a box, in letters so small that it fits. */
function fit(line, text, size) {
  write(line, text);
  line.style.fontSize = `${Math.min(size, (BOX_WIDTH - 8) / (ADVANCE * text.length))}px`;
}

/** Return a signal's symbol above the corner that no edge passes. */
function symbolOf({ symbol }, { x, y }, onTheRight) {
  const side = onTheRight ? 1 : -1;
  const anchor = `text-anchor: ${onTheRight ? "end" : "start"}`;
  const place = { x: x + side * (BOX_WIDTH / 2 - 2), y: y - 5, style: anchor };
  return drawn("text", { ...place, class: "nwr-node-symbol" }, symbol);
}

function isSecond({ signal }, { nodes }) {
  return nodes.some(({ inputs }) => inputs[1] === signal);
}

function isInner(node) {
  return node.inputs.every((input) => input.startsWith("node_"));
}

/** Return the column (of the leaves, or halfway between the inputs) and level of each node. */
function placed(nodes) {
  const places = new Map();
  const names = new Map(nodes.map((node) => [node.signal, node]));
  let columns = 0;
  const visit = (name) => {
    const node = names.get(name);
    if (!isInner(node)) {
      places.set(name, { column: columns++, level: 0 });
      return places.get(name);
    }
    const below = node.inputs.map(visit);
    const column = below.reduce((sum, one) => sum + one.column, 0) / below.length;
    places.set(name, { column, level: 1 + Math.max(...below.map(({ level }) => level)) });
    return places.get(name);
  };
  visit(nodes.at(-1).signal);
  return places;
}

function edge(from, to) {
  const [top, bottom] = [to.y + BOX_HEIGHT, from.y];
  const middle = (top + bottom) / 2;
  const d = `M ${from.x} ${bottom} C ${from.x} ${middle} ${to.x} ${middle} ${to.x} ${top}`;
  return drawn("path", { d, class: "nwr-edge" });
}
