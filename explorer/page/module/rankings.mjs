// Neurons ranked by how well they tell the selected characters from the others, or by how they
// follow a feature of the text. Sums are integers of stored codes: every language gets the same.

import { NOT_FINITE } from "./stored_data.mjs";

const UNEVEN = 0.05; // by how much ranks have to follow better than values

/** Return Pearson's r of integer sums; 0 where one side does not vary. */
export function pearson(n, sumX, sumY, sumXX, sumYY, sumXY) {
  const variations = (n * sumXX - sumX * sumX) * (n * sumYY - sumY * sumY);
  return variations > 0 ? (n * sumXY - sumX * sumY) / Math.sqrt(variations) : 0;
}

/** Return Pearson's r of a neuron's finite codes [T] and integers [T], where `members` is not 0. */
export function correlation(codes, integers, members = null) {
  let [n, sumX, sumY, sumXX, sumYY, sumXY] = [0, 0, 0, 0, 0, 0];
  for (let t = 0; t < codes.length; t++) {
    const x = codes[t];
    if (x === NOT_FINITE || members?.[t] === 0) continue;
    const y = integers[t];
    n += 1;
    sumX += x;
    sumY += y;
    sumXX += x * x;
    sumYY += y * y;
    sumXY += x * y;
  }
  return pearson(n, sumX, sumY, sumXX, sumYY, sumXY);
}

/** Return Spearman's rank correlation of a neuron's finite codes [T] and integers [T], from 0. */
export function rankCorrelation(codes, integers, members = null) {
  const known = [];
  for (let t = 0; t < codes.length; t++) {
    if (codes[t] !== NOT_FINITE && members?.[t] !== 0) known.push(t);
  }
  const x = centredRanks(known.map((t) => codes[t]));
  const y = centredRanks(known.map((t) => integers[t]));
  let [sumXX, sumYY, sumXY] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    sumXX += x[i] * x[i];
    sumYY += y[i] * y[i];
    sumXY += x[i] * y[i];
  }
  return pearson(1, 0, 0, sumXX, sumYY, sumXY);
}

/** Return twice the rank of each value, from 0, less the mean: integers; equal ones share theirs. */
function centredRanks(values) {
  const counts = new Array(values.reduce((most, value) => Math.max(most, value), 0) + 1).fill(0);
  for (const value of values) counts[value] += 1;
  let below = 0;
  const ranks = counts.map((count) => {
    below += count;
    return 2 * below - count - values.length;
  });
  return values.map((value) => ranks[value]);
}

/** Return the share of the selected characters and of the others where a neuron is on. */
export function onShares(codes, members, [low, high]) {
  const counts = [0, 0];
  const on = [0, 0];
  for (let t = 0; t < codes.length; t++) {
    if (codes[t] === NOT_FINITE) continue;
    const side = members[t];
    counts[side] += 1;
    if (2 * codes[t] > low + high) on[side] += 1;
  }
  const share = (side) => (counts[side] ? on[side] / counts[side] : 0);
  return { selected: share(1), others: share(0) };
}

/** Sort by |score| falling; equal ones by the neuron's number. */
export function ranked(rows) {
  return rows.sort((a, b) => Math.abs(b.score) - Math.abs(a.score) || a.neuron - b.neuron);
}

/** Return neurons by on/off score: {neuron, score, selected, others}. */
export function rankedByOnOff(signal, members) {
  return ranked(
    Array.from({ length: signal.units }, (_, neuron) => {
      const shares = onShares(signal.row(neuron), members, signal.extremes(neuron));
      return { neuron, score: shares.selected - shares.others, ...shares };
    }),
  );
}

/** Return neurons by correlation with integers [T], of membership or of a feature. */
export function rankedByCorrelation(signal, integers) {
  return ranked(
    Array.from({ length: signal.units }, (_, neuron) => ({
      neuron,
      score: correlation(signal.row(neuron), integers),
    })),
  );
}

/**
 * Return neurons by how they follow a feature, of the members alone: {neuron, score, pearson,
 * ranks}. The score is Pearson's r, or the rank correlation where that is clearly larger: what
 * counts, but not evenly.
 */
export function rankedByFeature(signal, integers, members = null) {
  return ranked(
    Array.from({ length: signal.units }, (_, neuron) => {
      const codes = signal.row(neuron);
      const r = correlation(codes, integers, members);
      const ranks = rankCorrelation(codes, integers, members);
      const score = Math.abs(ranks) > Math.abs(r) + UNEVEN ? ranks : r;
      return { neuron, score, pearson: r, ranks };
    }),
  );
}
