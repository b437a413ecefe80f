// What a page opens with: the neuron, of all layers, that follows the text best.

import { rankedByFeature } from "./rankings.mjs";

const LAST_SIGNALS = ["cell", "hidden"];
const FOLLOWS = 0.3; // the least |score| with a feature of the text that is worth opening with
const HIDDEN = 8; // a scale so many times a neuron's largest value shows it in one colour

/** Return the signal to begin with: the long-term memory, or the last one. */
export function preferredSignal(layer) {
  const names = layer.signals.map(({ name }) => name);
  const preferred = LAST_SIGNALS.find((name) => names.includes(name)) ?? names.at(-1);
  return layer.signals.find(({ name }) => name === preferred);
}

/** Return {feature, choices, scale}: what is followed, a choice for each model, the colours. */
export function opening(models, features) {
  const feature = followed(models[0], features);
  const choices = models.map((model) => firstChoice(model, feature));
  const isHidden = models.some((model, index) => hides(model, choices[index]));
  return { feature, choices, scale: isHidden ? "neuron" : "fixed" };
}

/** Return the feature of the text that a neuron of a model follows best; undefined if none does. */
function followed(model, features) {
  const scores = features.map((feature) => Math.abs(bestFor(model, feature).score));
  const largest = Math.max(...scores);
  return largest >= FOLLOWS ? features[scores.indexOf(largest)] : undefined;
}

/** Return the {layer, signal, neuron, score} of a model that follows a feature best. */
function bestFor(model, { values }) {
  const found = model.layers.map((one, layer) => {
    const signal = preferredSignal(one);
    const [{ neuron, score }] = rankedByFeature(signal, values);
    return { layer, signal: signal.name, neuron, score };
  });
  const sizes = found.map(({ score }) => Math.abs(score));
  return found[sizes.indexOf(Math.max(...sizes))];
}

/** Return the choice that a page opens with: the neuron that follows a feature, or a lively one. */
function firstChoice(model, feature) {
  if (feature) {
    const { layer, signal, neuron } = bestFor(model, feature);
    return { layer, signal, neuron };
  }
  const signal = preferredSignal(model.layers.at(-1));
  return { layer: model.layers.length - 1, signal: signal.name, neuron: liveliest(signal) };
}

/** Return the neuron whose values are spread the widest. */
function liveliest(signal) {
  const spreads = Array.from({ length: signal.units }, (_, neuron) => {
    const values = [...signal.row(neuron)].map((code) => signal.valueOf(neuron, code));
    const finite = values.filter(Number.isFinite);
    const mean = finite.reduce((sum, value) => sum + value, 0) / finite.length;
    return finite.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  });
  return spreads.indexOf(Math.max(...spreads));
}

/** Return whether the colours that all neurons of a layer share would show none of this one. */
function hides(model, choice) {
  const signal = model.layers[choice.layer].signals.find(({ name }) => name === choice.signal);
  const shared = signal.range(choice.neuron, "fixed");
  if (signal.kind === "gate" || shared.isLogarithmic) return false;
  const own = signal.range(choice.neuron, "neuron");
  return own.high > 0 && own.high * HIDDEN < shared.high;
}
