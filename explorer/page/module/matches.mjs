// Which characters are selected: a brushed span, or all matches of a searched text.

/** Return the searched text with \n, \t and \\ taken for what they stand for. */
export function unescaped(text) {
  const meanings = { n: "\n", t: "\t", "\\": "\\" };
  return text.replace(/\\([nt\\])/g, (_, letter) => meanings[letter]);
}

/** Return the spans [from, to) of tokens that spell the text; they may overlap. */
export function matches(tokens, text) {
  if (!text) return [];
  const starts = new Map();
  let length = 0;
  tokens.forEach((token, index) => {
    starts.set(length, index);
    length += token.length;
  });
  starts.set(length, tokens.length);
  const whole = tokens.join("");
  const found = [];
  for (let at = whole.indexOf(text); at >= 0; at = whole.indexOf(text, at + 1)) {
    const [from, to] = [starts.get(at), starts.get(at + text.length)];
    if (from !== undefined && to !== undefined) found.push([from, to]);
  }
  return found;
}

/** Return 1 for every character within a span, 0 for the others [T]. */
export function members(length, spans) {
  const inside = new Uint8Array(length);
  for (const [from, to] of spans) inside.fill(1, from, to);
  return inside;
}
