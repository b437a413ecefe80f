// The trials as a page keeps them: `packing.py` says how.

const ARRAYS = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array };
export const KINDS = ["completed", "reused", "failed", "no outcome", "stopped early"];

/** The bytes of a base64 text. */
export function bytesOf(base64) {
  const text = atob(base64.trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** The header, the columns by name, and the texts, still deflated. */
export function unpacked(bytes) {
  const size = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size)));
  const columns = {};
  let at = 4 + size;
  for (const [name, type, length] of header.columns) {
    const Kind = ARRAYS[type];
    columns[name] = new Kind(bytes.buffer.slice(at, at + length * Kind.BYTES_PER_ELEMENT));
    at += Math.ceil((length * Kind.BYTES_PER_ELEMENT) / 4) * 4;
  }
  const count = columns.kind.length;
  columns.number ??= Uint32Array.from({ length: count }, (_, row) => row);
  const missing = new Float32Array(count).fill(NaN);
  for (const name of ["reward", "seconds", "parameters"]) columns[name] ??= missing;
  columns.value ??= columns.reward;
  return { header, columns, count, packed: bytes.subarray(at), texts: [] };
}

/** The architectures' texts, best first; not all where there was no room for them. */
export async function inflated(data) {
  const stream = new Blob([data.packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const lines = (await new Response(stream).text()).split("\n");
  return lines.slice(0, data.header.texts);
}

/** A number in significant digits, as the page's sentences have them. */
export function significant(number, digits = 4) {
  if (number === null || Number.isNaN(number)) return "–";
  if (!Number.isFinite(number)) return String(number);
  if (number === 0) return "0";
  const size = Math.abs(number);
  if (size < 1e-4 || size >= 1e9) return number.toExponential(digits - 1).replace("e+", "e");
  if (size >= 10 ** digits) return Math.round(number).toLocaleString("en");
  return number.toFixed(Math.max(digits - 1 - Math.floor(Math.log10(size)), 0));
}

/** A value in its unit: an accuracy in per cent. */
export function shown(header, number, digits = 4) {
  const missing = number === null || Number.isNaN(number);
  return header.inPercent && !missing ? `${significant(100 * number, digits)} %` : significant(number, digits);
}

/** Which of two numbers of a column stand first; what is missing stands last. */
export function compared(a, b, sign) {
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1;
  if (Number.isNaN(b)) return -1;
  return sign * (a - b);
}

/** An element with its attributes and its content; texts stay texts. */
export function element(tag, attributes = {}, ...content) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...content);
  return made;
}
