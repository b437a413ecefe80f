// What the colours of the text mean: a bar with its numbers, and the number at the cursor.

import { make, write, writeNumber } from "./elements.mjs";
import { short } from "./wording.mjs";

/** A colour bar from low to high with a mark at the value under the cursor. */
export class Legend {
  #bar = make("div", { class: "nwr-legend-bar" });
  #mark = make("div", { class: "nwr-legend-mark" });
  #ends = [make("span"), make("span"), make("span")];
  #kind = make("span", { class: "nwr-legend-kind" });
  #value = make("output", { class: "nwr-legend-value" });

  constructor() {
    this.#bar.append(this.#mark);
    const ends = make("div", { class: "nwr-legend-ends" }, ...this.#ends);
    const scale = make("div", { class: "nwr-legend-scale" }, this.#bar, ends);
    this.element = make("div", { class: "nwr-legend" }, scale, this.#kind, this.#value);
  }

  /** Show a scale over a range, and the value at the cursor with its words. */
  show(scale, range, value, words) {
    this.#bar.style.backgroundImage = scale.gradient();
    this.#ends.forEach((end, number) => write(end, short(range.at(number / 2))));
    this.#kind.hidden = !range.isLogarithmic;
    write(this.#kind, `logarithmic, half-way ±${short(range.at(0.75))}`);
    this.#mark.hidden = !Number.isFinite(value);
    this.#mark.style.left = `${100 * range.share(value)}%`;
    writeNumber(this.#value, value, words);
  }
}
