// How characters and numbers are written.

/** What stands for a value that is not finite. */
export const NOT_FINITE_TEXT = "∞/NaN";

const END_OF_LINE = "<eos>"; // the token of a text that was read word by word
const VISIBLE = new Map([
  [END_OF_LINE, "⏎"],
  ["\n", "⏎"],
  [" ", "·"],
  ["\t", "→"],
  ["\r", "␍"],
  ["\u2028", "↲"],
  ["\u2029", "¶"],
  ["\u00a0", "⍽"],
  ["", "∅"],
]);

/** Return whether a token ends its line. */
export function endsLine(token) {
  return token === "\n" || token === END_OF_LINE;
}

/** Return whether a token is a word rather than a character. */
export function isWord(token) {
  return !VISIBLE.has(token) && [...token].length > 1;
}

/** Return a character as it is shown: blanks and control characters get a visible sign. */
export function visible(token) {
  if (VISIBLE.has(token)) return VISIBLE.get(token);
  const code = token.codePointAt(0);
  if (code < 32) return String.fromCodePoint(0x2400 + code);
  if (code === 127) return "␡";
  if (/^\p{M}/u.test(token)) return `◌${token}`;
  return /^\p{Cf}$/u.test(token) ? "◇" : token;
}

/** Return a neuron's value at a time, with one decimal more than can be told apart. */
export function writtenAt(signal, neuron, time) {
  const [value, step] = [signal.value(neuron, time), signal.resolution(neuron)];
  if (!Number.isFinite(value)) return NOT_FINITE_TEXT;
  const size = Math.abs(value);
  if (!(step > 0) || size >= 1e6) return inDigits(value, 4);
  const decimals = Math.min(20, Math.max(0, Math.ceil(-Math.log10(step)) + 1));
  if (!signal.isWide) return value.toFixed(decimals).replace("-", "−");
  const digits = size >= 1 ? Math.floor(Math.log10(size)) + 1 : 1;
  return value.toFixed(Math.min(decimals, Math.max(0, 4 - digits))).replace("-", "−");
}

/** Return the end of a scale in few digits. */
export function short(value) {
  if (!Number.isFinite(value)) return NOT_FINITE_TEXT;
  return inDigits(value, 3);
}

function inDigits(value, digits) {
  return String(Number(value.toPrecision(digits))).replaceAll("-", "−");
}

/** Return a share as a percentage. */
export function percent(share) {
  const hundredths = share * 100;
  if (hundredths > 0 && hundredths < 0.05) return "< 0.1 %";
  return `${hundredths.toFixed(hundredths > 0 && hundredths < 10 ? 1 : 0)} %`;
}

/** Return a score with its sign and three decimals. */
export function signed(score) {
  const size = Math.abs(score).toFixed(3);
  return Number(size) ? `${score < 0 ? "−" : "+"}${size}` : size;
}

/** What stands at the node whose value before its activation is the new cell state. */
export const TO_CELL = "→ c(t)";

const COMBINATIONS = { add: "+", elem_mult: "⊙", max: "max" };

/** Return what a tree's node does, in words: its own, and where the cell state comes in or out. */
export function nodeWords(node, { inject, output_node: output }) {
  const sign = ({ combination }) => COMBINATIONS[combination] ?? combination;
  const words = [`${node.activation}(${sign(node)})`];
  if (inject?.node === node.signal) words.push(`${inject.activation}(${sign(inject)} c)`);
  if (output === node.signal) words.push(TO_CELL);
  return words;
}

/** Return what a signal is in few words; the title of a tree's has the whole equation. */
export function shortTitle(signal, tree) {
  const node = tree?.nodes.find((one) => one.signal === signal.name);
  return node ? nodeWords(node, tree).join(", ") : signal.title.split(":")[0];
}

/** Return "1 match", "2 matches". */
export function counted(count, one, many) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
