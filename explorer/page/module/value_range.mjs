// Where a value lies between the ends of a scale, linear or logarithmic.

const RESOLVED = 10000; // how many times smaller than the larger end is what still looks like 0

/** The values at the ends of a scale, and what lies between. */
export class ValueRange {
  #grown;
  #shrunk;
  #ends;

  constructor(low, high, isLogarithmic = false) {
    this.low = low;
    this.high = high;
    this.isLogarithmic = isLogarithmic;
    // asinh is a logarithm on both sides of 0, which it keeps where it is.
    const unit = Math.max(Math.abs(low), Math.abs(high)) / RESOLVED;
    this.#shrunk = isLogarithmic ? (value) => Math.asinh(value / unit) : (value) => value;
    this.#grown = isLogarithmic ? (value) => unit * Math.sinh(value) : (value) => value;
    this.#ends = [this.#shrunk(low), this.#shrunk(high)];
  }

  /** Return how far along the scale a value is, 0 to 1; the middle of a scale without length. */
  share(value) {
    const [low, high] = this.#ends;
    const share = high > low ? (this.#shrunk(value) - low) / (high - low) : 0.5;
    return Math.min(1, Math.max(0, share));
  }

  /** Return the value that is so far along the scale. */
  at(share) {
    const [low, high] = this.#ends;
    return this.#grown(low + share * (high - low));
  }
}
