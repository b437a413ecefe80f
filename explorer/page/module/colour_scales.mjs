// Colours of values: diverging for what has a sign, sequential for gates and influence.

// ColorBrewer's RdBu, GnBu and Purples; the second palette has orange for red, and cividis.
const RED_BLUE = "67001f b2182b d6604d f4a582 fddbc7 f7f7f7 d1e5f0 92c5de 4393c3 2166ac 053061";
const GREEN_BLUE = "f7fcf0 e0f3db ccebc5 a8ddb5 7bccc4 4eb3d3 2b8cbe 0868ac 084081";
const ORANGE_BLUE = "7f3b08 b35806 e08214 fdb863 fee0b6 f7f7f7 d1e5f0 92c5de 4393c3 2166ac 053061";
const CIVIDIS = "00224e 123570 3b496c 575d6d 707173 8a8678 a59c74 c3b369 e1cc55 fee838";
// In the dark what is 0 is dark, so that a text of small values does not glare.
const RED_BLUE_DARK =
  "ff9a8c e8604c b8392f 7d2a27 472226 2c323b 1d3550 1f5a8f 2f80c4 5aa9e6 a3d0f7";
const ORANGE_BLUE_DARK =
  "ffb454 e08a1e ad6512 74460f 432f18 2c323b 1d3550 1f5a8f 2f80c4 5aa9e6 a3d0f7";
const GREEN_BLUE_DARK = "232a2d 1d3f40 1d5a55 23776c 2f9686 46b59f 74d0b8 a8e6d2";
const PURPLES_DARK = "23222e 332c55 4b3f86 6a5cb5 8b7fd6 b0a6ee d8d2ff";
const PURPLES = "fcfbfd efedf5 dadaeb bcbddc 9e9ac8 807dba 6a51a3 54278f 3f007d";

/** The palettes by name: a title, and by theme the stops for each kind of value. */
export const PALETTES = {
  classic: {
    title: "Red and blue",
    light: { state: RED_BLUE, gate: GREEN_BLUE, influence: PURPLES },
    dark: { state: RED_BLUE_DARK, gate: GREEN_BLUE_DARK, influence: PURPLES_DARK },
  },
  safe: {
    title: "Colour-blind safe",
    light: { state: ORANGE_BLUE, gate: CIVIDIS, influence: PURPLES },
    dark: { state: ORANGE_BLUE_DARK, gate: CIVIDIS, influence: PURPLES_DARK },
  },
};

const SHADES = 256;
const MADE_SCALES = new Map();

/** A scale of 256 shades, each with the ink that can be read on it. */
export class ColourScale {
  constructor(stops) {
    this.stops = stops
      .split(" ")
      .map((text) => [0, 2, 4].map((at) => parseInt(text.slice(at, at + 2), 16)));
    this.shades = Array.from({ length: SHADES }, (_, i) => mixed(this.stops, i / (SHADES - 1)));
    this.colours = this.shades.map((shade) => `rgb(${shade.join(", ")})`);
    this.inks = this.shades.map(inkOn);
  }

  /** Return the number of the shade of a value within a range, -1 where it is not finite. */
  shade(value, range) {
    return Number.isFinite(value) ? Math.round(range.share(value) * (SHADES - 1)) : -1;
  }

  /** Return the scale as a CSS gradient from left to right. */
  gradient() {
    const colours = this.stops.map((stop) => `rgb(${stop.join(", ")})`);
    return `linear-gradient(to right, ${colours.join(", ")})`;
  }
}

/** Return the scale of a palette for "state", "gate" or "influence". */
export function colourScale(palette, kind, isDark) {
  const stops = PALETTES[palette][isDark ? "dark" : "light"][kind];
  if (!MADE_SCALES.has(stops)) MADE_SCALES.set(stops, new ColourScale(stops));
  return MADE_SCALES.get(stops);
}

/** Return the function of time that gives a neuron's shades; -1 stands for not finite. */
export function shadesOverTime(scale, signal, neuron, range) {
  if (signal.isWide) return (time) => scale.shade(signal.value(neuron, time), range);
  const shades = Int16Array.from({ length: 256 }, (_, code) =>
    scale.shade(signal.valueOf(neuron, code), range),
  );
  const codes = signal.row(neuron);
  return (time) => shades[codes[time]];
}

function mixed(stops, share) {
  const place = share * (stops.length - 1);
  const left = Math.min(Math.floor(place), stops.length - 2);
  return stops[left].map((part, i) =>
    Math.round(part + (stops[left + 1][i] - part) * (place - left)),
  );
}

/** Return black or white, whichever has more contrast (WCAG's relative luminance). */
function inkOn(shade) {
  const [red, green, blue] = shade.map((part) => {
    const light = part / 255;
    return light <= 0.04045 ? light / 12.92 : ((light + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) ? "#000" : "#fff";
}
