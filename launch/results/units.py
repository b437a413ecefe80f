"""What people think of a search's values in: perplexity, accuracy, a measurement of their own."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from nas_with_rl.child_models.rewards import LAST_EPOCHS
from nas_with_rl.launch.evaluators.measurements import last_number
from nas_with_rl.launch.records.ranking import spread_of
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.search_spaces.errors import InputError, shortened, shown

REWARD = "reward"
# Of which the reward takes the highest of the last epochs; of all others the last one counts.
_HIGHEST_OF_LAST: Mapping[str, int] = MappingProxyType({"validation_accuracy": LAST_EPOCHS})
_IN_PERCENT = frozenset({"validation_accuracy"})


@dataclasses.dataclass(frozen=True)
class Value:
    """What was measured of an architecture.

    Attributes:
      mean: over its evaluations.
      spread: their sample standard deviation; 0 for one.
      count: of evaluations that have a number.
    """

    mean: float
    spread: float = 0.0
    count: int = 1


@dataclasses.dataclass(frozen=True)
class Unit:
    """A trial's value: its reward, or one of its measurements.

    Attributes:
      metric: the measurement's name, or "reward".
    """

    metric: str = REWARD

    @property
    def title(self) -> str:
        """In words, on one line."""
        return shortened(self.metric.replace("_", " "))

    @property
    def epochs(self) -> int:
        """How many of the last epochs count, of which the highest is taken."""
        return _HIGHEST_OF_LAST.get(self.metric, 1)

    def of(self, trial: Trial) -> float | None:
        """Return a trial's finite value; None for a failed one, or where it has none."""
        if trial.status != "completed":
            return None
        return trial.reward if self.metric == REWARD else self.measured(trial)

    def measured(self, trial: Trial) -> float | None:
        """Return a trial's measurement of that name: of several epochs' the one that counts."""
        measured = trial.metrics.get(self.metric)
        if self.epochs > 1 and isinstance(measured, list | tuple):
            numbers = [last_number(each) for each in measured[-self.epochs :]]
            return max((each for each in numbers if each is not None), default=None)
        return last_number(measured)

    def over(self, trials: Iterable[Trial]) -> Value | None:
        """Return the value of an architecture, from its evaluations; None where none has one."""
        values = [value for value in map(self.of, trials) if value is not None]
        if not values:
            return None
        mean = statistics.mean(values) if len(values) > 1 else values[0]
        return Value(mean, spread_of(values), len(values))

    def show(self, number: float) -> str:
        """Return a number as it is printed."""
        if self.metric in _IN_PERCENT and -1 <= number <= 1:
            return f"{100 * number:.2f} %"
        is_plain = self.metric == REWARD and (number == 0 or 1e-3 <= abs(number) < 1e6)
        return f"{number:.4f}" if is_plain else f"{number:.5g}"

    def describe(self, value: Value) -> str:
        """Return a value as it is printed, with its spread where there is one."""
        shown_spread = ""
        if value.count > 1:
            shown_spread = f" ± {self.show_spread(value)} ({value.count} evaluations)"
        return f"{self.title} {self.show(value.mean)}{shown_spread}"

    def show_spread(self, value: Value) -> str:
        """Return a value's spread as it is printed behind its mean."""
        in_percent = self.show(value.mean).endswith("%")
        return f"{100 * value.spread:.2f} %" if in_percent else f"{value.spread:.2g}"


THE_REWARD = Unit()


def measured_names(trials: Iterable[Trial]) -> list[str]:
    """Return the names of all measurements, in the order of their first trials."""
    return list(dict.fromkeys(name for trial in trials for name in trial.metrics))


def checked_unit(metric: object, trials: Sequence[Trial]) -> Unit:
    """Return the unit of a metric's name; InputError for one that no trial has."""
    names = [REWARD, *measured_names(trials)]
    if isinstance(metric, str) and metric in names:
        return Unit(metric)
    known = shortened(", ".join(names), 120)
    raise InputError(f"metric is {shown(metric)}, which no trial has: there is {known}")


def is_a_number(value: float | None) -> bool:
    """Say whether a value can be drawn."""
    return value is not None and math.isfinite(value)
