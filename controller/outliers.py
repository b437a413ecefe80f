"""Rewards so far from all others that one would decide everything: how much they count.

Adam divides by the size of past gradients, and the baseline is their average: one reward of -10^6
among ones of 1 would stop the learning for some thousand updates.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

WINDOW = 500  # rewards that are looked at
# Central parts of the rewards, by their two quantiles; the first of any width tells the spread.
_CENTRES = ((0.4, 0.6), (0.25, 0.75), (0.1, 0.9), (0.05, 0.95), (0.0, 1.0))
_QUANTILES = np.array(_CENTRES).T
SPREADS, MEDIANS = 20.0, 10.0  # how far from the median a reward counts in full


@dataclasses.dataclass(frozen=True)
class Reach:
    """How far from the median rewards count in full.

    A reward of the paper's kind, in [0, 1], always does. Any other is bounded to the median ± the
    greater of 20 times the spread, the width of the central fifth of the rewards (of a wider part
    where those are all equal), and 10 times the median's size.

    Attributes:
      median: of the rewards.
      distance: from there.
      always: the lowest and the highest reward that count in full wherever the others are.
    """

    median: float
    distance: float
    always: tuple[float, float] = (math.inf, -math.inf)

    @classmethod
    def of(cls, rewards: Sequence[float]) -> Reach:
        """Return that of some rewards, at least one, all finite."""
        median, spread = _middle(rewards)
        return cls(median, float(max(SPREADS * spread, MEDIANS * abs(median))), (0.0, 1.0))

    @classmethod
    def of_spread(cls, rewards: Sequence[float]) -> Reach:
        """Return that by the spread alone, which moves and stretches with the rewards."""
        median, spread = _middle(rewards)
        return cls(median, float(SPREADS * spread))

    def bounded(self, reward: float) -> float:
        """Return what a reward counts as."""
        low = min(self.median - self.distance, self.always[0])
        high = max(self.median + self.distance, self.always[1])
        return min(max(reward, low), high)


def _middle(rewards: Sequence[float]) -> tuple[float, float]:
    """Return the median and the spread of some rewards."""
    values = np.asarray(rewards, np.float64)
    with np.errstate(over="ignore"):  # a width that is infinite bounds nothing
        low, high = np.quantile(values, _QUANTILES)  # each [5]; one call sorts them once
        widths = high - low
    return float(np.median(values)), next((width for width in widths if width > 0), 0.0)
