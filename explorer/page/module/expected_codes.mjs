// Codes that are stored as their difference from what the cell's own equations lead to, as in
// c = f c(t-1) + i g. An expression is a signal's name or [operation, operand, ...]. The
// operations round alike in every language; a tanh that did not would show other values.

const within = (low, x, high) => Math.min(Math.max(x, low), high);

/** tanh to 0.002. */
function roughTanh(x) {
  const near = within(-5, x, 5);
  const square = near * near;
  const ratio = (near * (945 + square * (105 + square))) / (945 + square * (420 + 15 * square));
  return within(-1, ratio, 1);
}

const EXPRESSION_OPERATIONS = {
  add: (x, y) => x + y,
  multiply: (x, y) => x * y,
  max: (x, y) => Math.max(x, y),
  one_minus: (x) => 1 - x,
  identity: (x) => x,
  relu: (x) => Math.max(x, 0),
  sigmoid: (x) => 0.5 + 0.5 * roughTanh(0.5 * x),
  tanh: roughTanh,
};

/** Return the function of neuron and time that an expression stands for. */
function evaluation(expression, signalOf) {
  if (typeof expression === "string") {
    const signal = signalOf(expression);
    return (neuron, time) => signal.value(neuron, time);
  }
  const [name, ...operands] = expression;
  if (name === "before") {
    const signal = signalOf(operands[0]);
    return (neuron, time) => (time ? signal.value(neuron, time - 1) : 0);
  }
  const operation = EXPRESSION_OPERATIONS[name];
  const [first, second] = operands.map((operand) => evaluation(operand, signalOf));
  return second
    ? (neuron, time) => operation(first(neuron, time), second(neuron, time))
    : (neuron, time) => operation(first(neuron, time));
}

/**
 * Turn differences into codes, in place: the signal's own earlier codes are read on the way.
 *
 * @param codes the differences [H * T], which `signal.value` reads.
 * @param signal whose codes they are.
 * @param expression what is expected of it.
 * @param signalOf a signal of the layer by name.
 */
export function addExpected(codes, signal, expression, signalOf) {
  const expected = evaluation(expression, signalOf);
  for (let neuron = 0; neuron < signal.units; neuron++) {
    const [origin, step] = [signal.origins[neuron], signal.steps[neuron] || Infinity];
    for (let time = 0; time < signal.length; time++) {
      const code = Math.floor((expected(neuron, time) - origin) / step + 0.5);
      codes[neuron * signal.length + time] += Number.isNaN(code) ? 0 : within(0, code, 254);
    }
  }
}
