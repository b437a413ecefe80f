"""What a controller has learned: its preferences over time, and which decisions matter.

m sampled architectures in the order of their trials, W windows of them, K options of a decision.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics

import numpy as np

from nas_with_rl.launch.reports.choices import MISSING, Choices, Decided
from nas_with_rl.launch.reports.columns import ranks

MOST_WINDOWS = 24
LEAST_IN_A_WINDOW = 10
CHANCE = 0.05  # that any decision which matters nothing is said to matter


@dataclasses.dataclass(frozen=True)
class Preference:
    """How often each option was sampled, over time.

    Attributes:
      decided: the decision.
      shares: [W, K] of the architectures of a window in which the decision exists; NaN where in
        none.
      counts: [W] these architectures.
    """

    decided: Decided
    shares: np.ndarray
    counts: np.ndarray

    @property
    def moved(self) -> float:
        """How far it moved: half the sum of the shares' changes, from 0 to 1."""
        there = self.shares[~np.isnan(self.shares[:, 0])]
        return float(np.abs(there[-1] - there[0]).sum() / 2) if len(there) else 0.0

    def rise(self) -> tuple[int, float]:
        """Return the option that rose most, and by how many standard errors of no difference."""
        there = self.counts > 0
        if not there.any():
            return 0, 0.0
        (first, last), counts = self.shares[there][[0, -1]], self.counts[there][[0, -1]]
        option = int(np.argmax(last - first))
        together = (first[option] * counts[0] + last[option] * counts[1]) / counts.sum()
        error = math.sqrt(together * (1 - together) * (1 / counts[0] + 1 / counts[1]))
        return option, float((last[option] - first[option]) / error) if error else 0.0

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The first and the last shares, [K] each; None where the decision never exists."""
        there = self.shares[~np.isnan(self.shares[:, 0])]
        return (there[0], there[-1]) if len(there) else None


@dataclasses.dataclass(frozen=True)
class Effect:
    """How much a decision matters.

    Attributes:
      decided: the decision.
      share: of the variance of the rewards' ranks that the options' means explain, less what as
        many options would by chance; 0 where that is more.
      is_beyond_chance: options without a difference would not show this, see `main_effects`.
      num: architectures in which the decision exists.
      medians: [K] of the values; NaN for an option that was never measured.
    """

    decided: Decided
    share: float
    is_beyond_chance: bool
    num: int
    medians: np.ndarray

    def best(self, lower_is_better: bool) -> int | None:
        """Return the option of the best median."""
        if np.isnan(self.medians).all():
            return None
        return int(np.nanargmin(self.medians) if lower_is_better else np.nanargmax(self.medians))


def windows(number: int) -> list[slice]:
    """Return windows of as many architectures each as can be."""
    count = max(1, min(MOST_WINDOWS, number // LEAST_IN_A_WINDOW))
    edges = [number * place // count for place in range(count + 1)]
    return [slice(low, high) for low, high in itertools.pairwise(edges)]


def preferences(choices: Choices) -> list[Preference]:
    """Return how often each option was sampled in each window, decision by decision."""
    parts = windows(len(choices.rows))
    window = np.repeat(np.arange(len(parts)), [part.stop - part.start for part in parts])
    found = []
    for column, decided in enumerate(choices.decided):
        codes, size = choices.codes[:, column], len(decided.options)
        there = codes != MISSING
        cells = window[there] * size + codes[there]
        counts = np.bincount(cells, minlength=len(parts) * size).reshape(len(parts), size)
        totals = counts.sum(axis=1)
        shares = np.full(counts.shape, np.nan)
        np.divide(counts, totals[:, None], out=shares, where=totals[:, None] > 0)
        found.append(Preference(decided, shares, totals))
    return found


def freedom(found: list[Preference]) -> tuple[float, float] | None:
    """Return how undecided the samples are at first and at last.

    It is the mean over the decisions of the entropy of their shares, divided by that of equal
    ones: 1 where every option is as likely, 0 where each is certain. None without a decision.
    """
    first, last = [], []
    for each in found:
        ends = each.ends
        if ends is not None and len(each.decided.options) > 1:
            most = math.log(len(each.decided.options))
            first.append(_entropy(ends[0]) / most)
            last.append(_entropy(ends[1]) / most)
    return (statistics.fmean(first), statistics.fmean(last)) if first else None


def _entropy(shares: np.ndarray) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def connections(found: list[Preference]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return [L, L] the share of each skip connection in the first and the last quarter.

    Row i, column j: layer i + 1 takes layer j + 1; NaN where there can be none. None without skips.
    """
    skips = [each for each in found if each.decided.source]
    if not skips:
        return None
    depth = max(each.decided.layer for each in skips)
    ends = np.full((2, depth, depth), np.nan)
    for each in skips:
        there = each.shares[~np.isnan(each.shares[:, 1]), 1]
        quarter = max(len(there) // 4, 1)
        if len(there):
            at = each.decided.layer - 1, each.decided.source - 1
            ends[0][at], ends[1][at] = there[:quarter].mean(), there[-quarter:].mean()
    return ends[0], ends[1]


def main_effects(choices: Choices, rewards: np.ndarray, values: np.ndarray) -> list[Effect]:
    """Return the decisions, those that matter most first.

    How much one matters is Kelley's epsilon squared of the rewards' ranks: 1 - (1 - eta²) (m - 1) /
    (m - K), where eta² is the share of the ranks' variance between the options' means and K counts
    the options that were measured. It is beyond chance where the statistic of Kruskal and Wallis,
    eta² (m - 1), is above the quantile of chi squared with K - 1 degrees of freedom that all
    decisions together pass by chance in one of 20 searches.

    Args:
      choices: of architectures that were measured.
      rewards, values: [m] of each.
    """
    level = CHANCE / max(len(choices.decided), 1)
    order = np.argsort(values, kind="stable")  # so that medians need no further sorting
    ranked, values, codes = ranks(rewards)[order], values[order], choices.codes[order]
    found = [
        _effect(decided, codes[:, column], ranked, values, level)
        for column, decided in enumerate(choices.decided)
    ]
    return sorted(found, key=lambda each: -each.share)


def _effect(
    decided: Decided, codes: np.ndarray, ranked: np.ndarray, values: np.ndarray, level: float
) -> Effect:
    there = codes != MISSING
    if not there.all():
        codes, ranked, values = codes[there], ranks(ranked[there]), values[there]
    number, size = len(codes), len(decided.options)
    counts = np.bincount(codes, minlength=size)
    medians = _option_medians(codes, values, size)
    used = int(np.count_nonzero(counts))
    if used < 2 or number <= used:
        return Effect(decided, 0.0, False, number, medians)
    centred = ranked - ranked.mean()
    total = float(centred @ centred)
    within = np.bincount(codes, centred, size)
    between = float((within[counts > 0] ** 2 / counts[counts > 0]).sum())
    share = between / total if total else 0.0
    adjusted = max(1 - (1 - share) * (number - 1) / (number - used), 0.0)
    beyond = share * (number - 1) > chi_squared(1 - level, used - 1)
    return Effect(decided, adjusted if total else 0.0, beyond, number, medians)


def _option_medians(codes: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """Return [size] the median of each option's values, which are sorted; NaN at their end."""
    codes = codes[: int(np.count_nonzero(~np.isnan(values)))]
    found = np.full(size, np.nan)
    for option in range(size):
        rows = np.flatnonzero(codes == option)
        if len(rows):
            middle = values[rows[[(len(rows) - 1) // 2, len(rows) // 2]]]
            found[option] = middle[0] / 2 + middle[1] / 2  # their sum may be more than any number
    return found


def chi_squared(probability: float, freedom: int) -> float:
    """Return a quantile of chi squared, by Wilson and Hilferty's cube root: to some per cent."""
    normal = statistics.NormalDist().inv_cdf(probability)
    part = 2 / (9 * freedom)
    return freedom * (1 - part + normal * math.sqrt(part)) ** 3
