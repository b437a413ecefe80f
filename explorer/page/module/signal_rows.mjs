// Drawing over time: the signals of one neuron as bars, one signal of all neurons as a heat map.

import { shadesOverTime } from "./colour_scales.mjs";
import { visible } from "./wording.mjs";

const READABLE_WIDTH = 8;
const BROKEN = "#888888";

/** Draw a neuron's signal as bars from its zero (or its low end) within a row. */
export function drawBars(context, row, window) {
  const { signal, neuron, scale, range, top, height, lines } = row;
  const shadeAt = shadesOverTime(scale, signal, neuron, range);
  const place = (value) => top + height - 3 - range.share(value) * (height - 6);
  const base = place(range.low < 0 && range.high > 0 ? 0 : range.low);
  context.fillStyle = lines;
  context.fillRect(0, Math.round(base), endOf(window), 1);
  const gap = window.cell > 4 ? 1 : 0;
  for (let t = window.from; t < window.to; t++) {
    const shade = shadeAt(t);
    const y = shade < 0 ? top + 3 : place(signal.value(neuron, t));
    context.fillStyle = shade < 0 ? BROKEN : scale.colours[shade];
    // Whole pixels: bars that share one would leave stripes.
    const x = Math.floor(t * window.cell - window.offset);
    const width = Math.max(1, Math.floor((t + 1) * window.cell - window.offset) - x - gap);
    const tall = Math.max(1.5, Math.abs(base - y));
    context.fillRect(x, Math.min(base, y), width, tall);
    if (window.cell < 3) continue;
    // The palest shades are near the page's own colour: a line shows where the bar ends.
    context.fillStyle = row.ink;
    context.fillRect(x, y - 0.5, width, 1);
  }
}

/** Return a picture of a signal, a pixel for each neuron and time [H, T]. */
export function heatPicture(signal, scale, rangeOf) {
  const picture = new OffscreenCanvas(signal.length, signal.units);
  const context = picture.getContext("2d");
  const image = context.createImageData(signal.length, signal.units);
  for (let neuron = 0; neuron < signal.units; neuron++) {
    const shadeAt = shadesOverTime(scale, signal, neuron, rangeOf(neuron));
    for (let t = 0; t < signal.length; t++) {
      const shade = shadeAt(t);
      const at = 4 * (neuron * signal.length + t);
      const [red, green, blue] = shade < 0 ? [136, 136, 136] : scale.shades[shade];
      image.data[at] = red;
      image.data[at + 1] = green;
      image.data[at + 2] = blue;
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return picture;
}

/** Draw the part of a heat map that the window shows. */
export function drawHeat(context, picture, rowHeight, window) {
  const columns = window.to - window.from;
  context.imageSmoothingEnabled = window.cell < 1;
  context.drawImage(
    picture,
    window.from,
    0,
    columns,
    picture.height,
    window.from * window.cell - window.offset,
    0,
    columns * window.cell,
    picture.height * rowHeight,
  );
}

/** Draw a frame around a row of the heat map, dark within light: it is seen on every colour. */
export function drawFrame(context, row, rows, height, window) {
  const low = Math.max(0.5, row * height - 0.5); // outside of the row, which may be thin
  const high = Math.min(rows * height - 0.5, (row + 1) * height + 0.5);
  const width = endOf(window) - 1;
  context.strokeStyle = "#ffffff";
  context.strokeRect(0.5, low - 1, width, high - low + 2);
  context.strokeStyle = "#000000";
  context.strokeRect(0.5, low, width, high - low);
}

/** Return where the text ends within the window. */
function endOf(window) {
  return Math.min(window.width, Math.ceil(window.to * window.cell - window.offset));
}

/** Draw the characters, or numbers where these would not fit, and a line under the selected. */
export function drawAxis(context, text, members, colours, window) {
  context.fillStyle = colours.ink;
  context.textAlign = "center";
  context.textBaseline = "middle";
  if (window.cell >= READABLE_WIDTH) {
    context.font = `${Math.min(13, window.cell + 2)}px ui-monospace, monospace`;
    for (let t = window.from; t < window.to; t++) {
      context.fillText(
        visible(text[t]),
        (t + 0.5) * window.cell - window.offset,
        9,
        window.cell + 3,
      );
    }
  } else {
    drawTicks(context, text.length, window);
  }
  context.fillStyle = colours.accent;
  for (let t = window.from; t < window.to; t++) {
    if (members[t])
      context.fillRect(t * window.cell - window.offset, 17, Math.max(1, window.cell), 3);
  }
}

function drawTicks(context, length, window) {
  const steps = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];
  const step = steps.find((size) => size * window.cell >= 56) ?? 20000;
  context.font = "11px system-ui, sans-serif";
  for (let number = step; number <= length; number += step) {
    const x = (number - 0.5) * window.cell - window.offset;
    if (x > 12 && x < window.width - 16) context.fillText(number.toLocaleString("en"), x, 9);
  }
}
