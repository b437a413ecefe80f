// What the colours of the text mean: a bar with its numbers, and the number at the cursor.

import { make, write, writeNumber } from "./elements.mjs";
import { short } from "./wording.mjs";

/** A colour bar from low to high with a mark at the value under the cursor. */
export class Legend {
  #bar = make("div", { class: "nwr-legend-bar" });
  #mark = make("div", { class: "nwr-legend-mark" });
  #ends = [make("span"), make("span"), make("span")];
  #value = make("output", { class: "nwr-legend-value" });

  constructor() {
    this.#bar.append(this.#mark);
    const ends = make("div", { class: "nwr-legend-ends" }, ...this.#ends);
    const scale = make("div", { class: "nwr-legend-scale" }, this.#bar, ends);
    this.element = make("div", { class: "nwr-legend" }, scale, this.#value);
  }

  /** Show a scale over a range, and the value at the cursor with its words. */
  show(scale, [low, high], value, words) {
    this.#bar.style.backgroundImage = scale.gradient();
    write(this.#ends[0], short(low));
    write(this.#ends[1], short((low + high) / 2));
    write(this.#ends[2], short(high));
    this.#mark.hidden = !Number.isFinite(value);
    const share = high > low ? (value - low) / (high - low) : 0.5;
    this.#mark.style.left = `${100 * Math.min(1, Math.max(0, share))}%`;
    writeNumber(this.#value, value, words);
  }
}
