"""What a reward is worth beside the others: the weight of its architecture's gradient.

- `raw`: R - b, section 3.2 of the paper, b being the moving average of the rewards before.
- `normalised`: (R - b) / σ, σ being the standard deviation of the newest rewards, R among them;
  0 where those are all equal. No scale above 0 and no shift of the rewards changes it.
- `ranks`: the normal score of R's rank among the newest rewards. Nothing but their order counts:
  no scale, no other increasing map of them and no outlier changes it.

The newest rewards are the last `WINDOW` with those of the batch, or the whole batch where that is
larger. In the first two a reward that is far from all others counts as `Reach` bounds it.

Legend: m rewards of a batch, n in the window.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from nas_with_rl.controller.configuration import Advantage
from nas_with_rl.controller.outliers import WINDOW, Reach

LEAST_DEVIATION = 1e-12  # by the size of the greatest of the rewards


@dataclasses.dataclass(frozen=True)
class Advantages:
    """What the rewards of a batch are worth.

    Attributes:
      values: `[m]`.
      baseline: the reward that is worth 0, or would be.
      counted: what each reward counts as, `[m]`.
      average: the moving average of the rewards before as it counts now; None where there is none.
    """

    values: np.ndarray
    baseline: float
    counted: list[float]
    average: float | None


def advantages_of(
    kind: Advantage, rewards: Sequence[float], before: Sequence[float], average: float | None
) -> Advantages:
    """Return what the rewards of a batch are worth.

    Args:
      kind: of the advantage.
      rewards: `[m]`, all finite.
      before: the newest that were told before, oldest first.
      average: the moving average of all before; None for the first batch, which is its own
        baseline.
    """
    return _KINDS[kind]([*before, *rewards], len(rewards), average)


def mean_reward(rewards: Sequence[float]) -> float:
    """Return the mean of finite rewards, which is finite where their sum is not."""
    with np.errstate(over="ignore"):
        found = float(np.mean(rewards))
    return found if math.isfinite(found) else float(np.sum(np.divide(rewards, len(rewards))))


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Return what a standard normal sample of that size has at the values' ranks, `[n]`.

    Equal values share the mean of their ranks.
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # from 1
    quantile = statistics.NormalDist().inv_cdf
    return np.array([quantile((rank - 0.5) / len(values)) for rank in ranks])[place]


def _raw(told: list[float], size: int, average: float | None) -> Advantages:
    return _bounded(told, size, average, Reach.of(told[-WINDOW:]))


def _bounded(told: list[float], size: int, average: float | None, reach: Reach) -> Advantages:
    counted = [reach.bounded(reward) for reward in told[-size:]]
    # An outlier among the very first may have been taken for what is usual.
    average = None if average is None else reach.bounded(average)
    baseline = mean_reward(counted) if average is None else average
    with np.errstate(over="ignore"):  # what has no number makes a step that is not taken
        values = np.asarray(counted, np.float64) - baseline
    return Advantages(values, baseline, counted, average)


def _normalised(told: list[float], size: int, average: float | None) -> Advantages:
    window = _window(told, size)
    # In units of about their size, and without rounding: else the greatest have no square.
    unit = 2.0 ** (math.frexp(max(map(abs, window)))[1] - 1)
    window = [reward / unit for reward in window]
    reach = Reach.of_spread(window)
    found = _bounded(window, size, None if average is None else average / unit, reach)
    deviation = float(np.std([reach.bounded(reward) for reward in window]))
    # What rounding alone tells apart is equal.
    values = found.values / deviation if deviation > LEAST_DEVIATION else np.zeros(size)
    return Advantages(
        values,
        found.baseline * unit,
        [reward * unit for reward in found.counted],
        None if found.average is None else found.average * unit,
    )


def _ranks(told: list[float], size: int, average: float | None) -> Advantages:
    window = _window(told, size)
    scores = normal_scores(np.array(window))
    return Advantages(scores[-size:], statistics.median_low(window), told[-size:], average)


def _window(told: list[float], size: int) -> list[float]:
    return told[-max(WINDOW, size) :]


_KINDS: Mapping[Advantage, Callable[[list[float], int, float | None], Advantages]] = (
    MappingProxyType({"raw": _raw, "normalised": _normalised, "ranks": _ranks})
)
