"""Which architecture is the best, by one rule for all that show it or go on with it.

An architecture counts by the mean reward of its own evaluations that were completed, which are
several with `duplicates="evaluate"`; of equals the one that was measured first stands first.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from nas_with_rl.launch.records.trial_store import Trial


@dataclasses.dataclass(frozen=True)
class Ranked:
    """An architecture among those that were measured.

    Attributes:
      trials: its evaluations, by number; a trial that took over an outcome is none.
      rewards: of each.
    """

    trials: tuple[Trial, ...]
    rewards: tuple[float, ...]

    @property
    def trial(self) -> Trial:
        """The trial that measured it first."""
        return self.trials[0]

    @property
    def reward(self) -> float:
        """The mean, rounded once: that of equal rewards is the reward."""
        return statistics.mean(self.rewards) if len(self.rewards) > 1 else self.rewards[0]

    @property
    def spread(self) -> float:
        """The sample standard deviation; 0 for one evaluation."""
        return spread_of(self.rewards)

    def describe(self) -> str:
        """Return the reward as it is printed, with its spread where there is one."""
        if len(self.rewards) == 1:
            return f"{self.reward:.4f}"
        return f"{self.reward:.4f} ± {self.spread:.4f} ({len(self.rewards)} evaluations)"


def spread_of(values: Sequence[float]) -> float:
    """Return the sample standard deviation; 0 for one value."""
    try:
        return statistics.stdev(values) if len(values) > 1 else 0.0
    except OverflowError:  # of values as far apart as numbers can be
        return math.inf


def ranked(trials: Iterable[Trial]) -> list[Ranked]:
    """Return the architectures of the trials that were completed, the best first."""
    measured: dict[str, list[tuple[Trial, float]]] = {}
    for trial, reward in _evaluations(trials):
        measured.setdefault(trial.architecture, []).append((trial, reward))
    found = [Ranked(*map(tuple, zip(*each, strict=True))) for each in measured.values()]
    return sorted(found, key=lambda each: -each.reward)  # stable: of equals the earliest


def best_so_far(trials: Iterable[Trial]) -> Iterator[tuple[Trial, float]]:
    """Yield each evaluation's trial with the best architecture's reward up to it."""
    for trial, _, reward in leaders(trials):
        yield trial, reward


def leaders(trials: Iterable[Trial]) -> Iterator[tuple[Trial, str, float]]:
    """Yield each evaluation's trial with the best architecture up to it, and its reward then."""
    sums: dict[str, tuple[Fraction | float, int]] = {}  # exact: a float for one
    means: dict[str, float] = {}
    best: str | None = None
    for trial, reward in _evaluations(trials):
        text = trial.architecture
        total, count = sums.get(text, (reward, 0))
        if count:
            total = Fraction(total) + Fraction(reward)
        sums[text] = total, count + 1
        mean = float(total / (count + 1))
        fell = best == text and mean < means[text]
        means[text] = mean
        if fell:
            best = max(means, key=means.__getitem__)
        elif best is None or means[text] > means[best]:
            best = text
        yield trial, best, means[best]


def _evaluations(trials: Iterable[Trial]) -> Iterator[tuple[Trial, float]]:
    for trial in sorted(trials, key=lambda trial: trial.number):
        own = trial.status == "completed" and trial.reused_from is None
        if own and trial.reward is not None:
            yield trial, trial.reward
