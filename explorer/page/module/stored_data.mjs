// The page's data: one deflated buffer of arrays and the description that names them.
// T characters, H neurons of a layer, V tokens of the vocabulary, R characters back.

import { addExpected } from "./expected_codes.mjs";
import { ValueRange } from "./value_range.mjs";

/** The code that stands for a value which is not finite. */
export const NOT_FINITE = 255;

const FINE_PARTS = 65534; // of a step

const ARRAY_TYPES = {
  uint8: Uint8Array,
  uint16: Uint16Array,
  int32: Int32Array,
  float64: Float64Array,
};

/** Return the inflated bytes of a DataView, a typed array or an ArrayBuffer. */
export async function inflate(data) {
  const bytes = ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** Return the typed array that a reference of the description names. */
export function arrayOf(buffer, reference) {
  const count = reference.shape.reduce((product, size) => product * size, 1);
  const array = new ARRAY_TYPES[reference.type](buffer, reference.offset, count);
  return reference.delta ? summed(array, reference.shape.at(-1)) : array;
}

/** Undo the differences along rows of the given length; typed arrays wrap by themselves. */
function summed(differences, length) {
  const values = differences.slice();
  for (let i = 0; i < values.length; i++) {
    if (i % length !== 0) values[i] += values[i - 1];
  }
  return values;
}

/**
 * One signal of one layer, as it is stored: codes [H, T], an origin and a step per neuron; of a
 * wide signal, whose values span orders of magnitude, also the rests within the step.
 */
export class StoredSignal {
  #buffer;
  #codes = null;
  #fine;
  #extremes = new Map();
  #signalOf;

  constructor(buffer, description, signalOf) {
    this.#buffer = buffer;
    this.#signalOf = signalOf;
    this.description = description;
    this.name = description.name;
    this.symbol = description.symbol;
    this.title = description.title;
    this.kind = description.kind;
    [this.units, this.length] = description.codes.shape;
    this.origins = arrayOf(buffer, description.origins);
    this.steps = arrayOf(buffer, description.steps);
    this.#fine = description.fine ? arrayOf(buffer, description.fine) : null;
    this.isWide = this.#fine !== null;
  }

  /** The codes, neuron by neuron [H * T]; unpacked when first asked for. */
  get codes() {
    if (!this.#codes) {
      const { expected } = this.description.codes;
      const stored = arrayOf(this.#buffer, this.description.codes);
      this.#codes = expected ? stored.slice() : stored;
      if (expected) addExpected(this.#codes, this, expected, this.#signalOf);
    }
    return this.#codes;
  }

  /** Return the codes of one neuron [T]. */
  row(neuron) {
    return this.codes.subarray(neuron * this.length, (neuron + 1) * this.length);
  }

  /** Return the value of a code of a neuron; NaN where none was finite. */
  valueOf(neuron, code) {
    return code === NOT_FINITE ? NaN : this.origins[neuron] + code * this.steps[neuron];
  }

  /** Return a neuron's value at a time. */
  value(neuron, time) {
    const at = neuron * this.length + time;
    const code = this.codes[at];
    if (!this.isWide || code === NOT_FINITE) return this.valueOf(neuron, code);
    return this.valueOf(neuron, code + (this.#fine[at] - FINE_PARTS / 2) / FINE_PARTS);
  }

  /** Return the difference between a neuron's values that can still be told. */
  resolution(neuron) {
    return this.isWide ? this.steps[neuron] / FINE_PARTS : this.steps[neuron];
  }

  /** Return the smallest and the largest finite code of a neuron, [0, 0] where there is none. */
  extremes(neuron) {
    if (!this.#extremes.has(neuron)) {
      let [low, high] = [NOT_FINITE, -1];
      for (const code of this.row(neuron)) {
        if (code === NOT_FINITE) continue;
        if (code < low) low = code;
        if (code > high) high = code;
      }
      this.#extremes.set(neuron, high < 0 ? [0, 0] : [low, high]);
    }
    return this.#extremes.get(neuron);
  }

  /** Return the range of the colours: of the layer ("fixed", "log") or of the neuron. */
  range(neuron, scale) {
    if (scale !== "neuron") {
      // Linear colours of a wide signal would show its largest values only.
      const isLogarithmic = this.isWide || (scale === "log" && this.kind !== "gate");
      return new ValueRange(this.description.low, this.description.high, isLogarithmic);
    }
    const [low, high] = this.extremes(neuron).map((code) => this.valueOf(neuron, code));
    if (this.kind === "gate") return new ValueRange(low, high);
    const largest = Math.max(Math.abs(low), Math.abs(high));
    return new ValueRange(-largest, largest);
  }
}

/** The probabilities of the next character at every step. */
export class StoredPredictions {
  constructor(buffer, description) {
    this.tokens = arrayOf(buffer, description.tokens);
    this.probabilities = arrayOf(buffer, description.probabilities);
    this.actual = arrayOf(buffer, description.actual);
    this.width = description.tokens.shape[1];
  }

  /** Return [{token, probability}, ...] after the character at a time, most probable first. */
  top(time) {
    return Array.from({ length: this.width }, (_, rank) => ({
      token: this.tokens[time * this.width + rank],
      probability: this.probabilities[time * this.width + rank] / 65535,
    }));
  }

  /** Return the probability of the character that followed. */
  actualAt(time) {
    return this.actual[time] / 65535;
  }
}

/** The gradient of a prediction with respect to the characters before it. */
export class StoredConnectivity {
  constructor(buffer, description) {
    this.reach = description.reach;
    this.codes = arrayOf(buffer, description.codes);
    this.steps = arrayOf(buffer, description.steps);
  }

  /** Return the influence of the character `back` before `time`; 0 is the character itself. */
  value(time, back) {
    if (back < 0 || back >= this.reach || back > time) return 0;
    return this.codes[time * this.reach + back] * this.steps[time];
  }

  /** Return [{time, value}, ...] of the characters that matter at a time, largest first. */
  strongest(time, count) {
    const all = [];
    for (let back = 0; back < this.reach && back <= time; back++) {
      all.push({ time: time - back, value: this.value(time, back) });
    }
    return all.sort((a, b) => b.value - a.value || b.time - a.time).slice(0, count);
  }
}

/** Return a model of the page with its arrays. */
function storedModel(buffer, model) {
  const layers = model.layers.map((layer) => {
    const signalOf = (name) => signals.find((signal) => signal.name === name);
    const signals = layer.signals.map((signal) => new StoredSignal(buffer, signal, signalOf));
    return { units: layer.units, tree: layer.tree ?? null, signals };
  });
  return {
    ...model,
    layers,
    predictions: model.predictions ? new StoredPredictions(buffer, model.predictions) : null,
    connectivity: model.connectivity ? new StoredConnectivity(buffer, model.connectivity) : null,
  };
}

/** Return the exploration with every reference replaced by what it names. */
export async function unpacked(exploration, data) {
  const buffer = await inflate(data);
  return {
    ...exploration,
    features: exploration.features.map((feature) => ({
      ...feature,
      values: arrayOf(buffer, feature.values),
    })),
    models: exploration.models.map((model) => storedModel(buffer, model)),
  };
}
