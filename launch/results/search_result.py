"""What a search found."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.records.ranking import Ranked, leaders, ranked
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.results.charts import Drawing
from nas_with_rl.launch.results.units import (
    REWARD,
    THE_REWARD,
    Unit,
    Value,
    checked_unit,
    measured_names,
)
from nas_with_rl.search_spaces.architecture import Architecture, parse_architecture
from nas_with_rl.search_spaces.errors import InputError, shortened
from nas_with_rl.search_spaces.field_checks import check_number, checked
from nas_with_rl.search_spaces.space import SearchSpace

if TYPE_CHECKING:
    import pandas

    from nas_with_rl.launch.results.retrained import Retrained


@dataclasses.dataclass(frozen=True, repr=False)
class FoundArchitecture:
    """An architecture with what was measured of it.

    Attributes:
      architecture: read from its text.
      reward: the mean over its evaluations.
      trial: the first of them.
      num_evaluations: completed ones; several with `duplicates="evaluate"`.
      spread: their rewards' sample standard deviation; 0 for one.
      metric: what `value` is: the measurement that the search is thought of in, or "reward".
      value: its mean over the evaluations; None where none has it.
      value_spread: its sample standard deviation; 0 for one.
      trials: the numbers of its evaluations.
    """

    architecture: Architecture
    reward: float
    trial: Trial
    num_evaluations: int = 1
    spread: float = 0.0
    metric: str = REWARD
    value: float | None = None
    value_spread: float = 0.0
    trials: tuple[int, ...] = ()

    def describe(self) -> str:
        """Return what was measured, as it is printed."""
        unit, known = Unit(self.metric), self.value is not None
        count = self.num_evaluations
        texts = [] if self.metric == REWARD and known else [_reward_text(self)]
        if self.value is not None:
            texts.insert(0, unit.describe(Value(self.value, self.value_spread, count)))
        return ", ".join(texts)

    def __repr__(self) -> str:
        text = shortened(str(self.architecture), 200)
        return f"<trial {self.trial.number}: {self.describe()}: {text}>"


def _reward_text(found: FoundArchitecture) -> str:
    return THE_REWARD.describe(Value(found.reward, found.spread, found.num_evaluations))


@dataclasses.dataclass(frozen=True, repr=False)
class SearchResult:
    """What a search found; it shows itself in a console and in a notebook.

    Attributes:
      space: in which.
      trials: every one, by number.
      workdir: where the run lies; None if in memory.
      interrupted: Ctrl-C, a notebook's stop button or an exception ended it early.
      metric: the measurement that the search is thought of in; None for its reward.
      config: how it was searched, as far as it is known.
    """

    space: SearchSpace
    trials: tuple[Trial, ...]
    workdir: Path | None
    interrupted: bool = False
    metric: str | None = None
    config: SearchConfig | None = None

    @property
    def best(self) -> FoundArchitecture:
        """The architecture of the highest mean reward, the earliest of equals.

        Raises:
          ValueError: no trial was completed.
        """
        best = ranked(self.trials)[:1]
        if not best:
            raise ValueError(
                f"none of {len(self.trials)} trials was completed{self._last_failure()}"
            )
        return finding(best[0], self.space, self.unit)

    @property
    def unit(self) -> Unit:
        """What its values are: its metric, where a trial has it, or the reward."""
        if self.metric is not None and any(self.metric in each.metrics for each in self.trials):
            return Unit(self.metric)
        return THE_REWARD

    @property
    def retrained(self) -> Retrained | None:
        """What `nas.retrain` has kept in the workdir, all of it; None without any.

        Raises:
          InputError: it cannot be read.
        """
        from nas_with_rl.launch.results.retrained import read_retrained

        return read_retrained(self)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of all measurements."""
        return tuple(measured_names(self.trials))

    def top(self, k: int = 10, *, metric: str | None = None) -> list[FoundArchitecture]:
        """Return the best architectures, each once, the highest mean reward first.

        Args:
          k: how many at most.
          metric: what their `value` is: a measurement's name or "reward"; None for the search's
            own. The order is the reward's in any case.

        Raises:
          InputError: k is no number from 1, or no trial has the metric.
        """
        k = checked(k, int, "k")
        check_number(k, "k", least=1, most=float("inf"))
        unit = self._unit(metric)
        return [finding(each, self.space, unit) for each in ranked(self.trials)[:k]]

    def curve(self, *, metric: str | None = None) -> list[tuple[int, float]]:
        """Return the best so far: after each evaluated trial its number and the best's value.

        The best is the architecture of the highest mean reward up to there; of its evaluations up
        to there, this is the mean. What has no value is left out.

        Args:
          metric: as `top` takes it.

        Raises:
          InputError: no trial has the metric.
        """
        unit, points = self._unit(metric), []
        if unit.metric == REWARD:
            return [(trial.number, reward) for trial, _, reward in leaders(self.trials)]
        sums: dict[str, tuple[Fraction, int]] = {}  # exact, as a mean over all of them is
        for trial, best, _ in leaders(self.trials):
            if (value := unit.of(trial)) is not None:
                total, count = sums.get(trial.architecture, (Fraction(0), 0))
                sums[trial.architecture] = total + Fraction(value), count + 1
            if best in sums:
                total, count = sums[best]
                points.append((trial.number, float(total / count)))
        return points

    def table(self) -> pandas.DataFrame:
        """Return every trial as a row of a pandas DataFrame, indexed by its number.

        There is a column for each decision, in layers one for each layer's; one for each
        measurement, of several epochs' the one that counts; and what else is known of a trial. A
        decision or measurement whose name is one of these others' has its kind before it, as in
        "decision: status".

        Raises:
          InputError: pandas is not installed.
        """
        from nas_with_rl.launch.results.tables import trial_table

        return trial_table(self.trials, self.space)

    def plot(self, *, metric: str | None = None) -> Drawing:
        """Return the trials and the best so far as a drawing, which a notebook shows.

        `plot().save("search.svg")` writes it as a file of its own.

        Args:
          metric: as `top` takes it.

        Raises:
          InputError: no trial has the metric, or none is completed.
        """
        from nas_with_rl.launch.results.views import trials_drawing

        return trials_drawing(self, self._unit(metric))

    def _unit(self, metric: str | None) -> Unit:
        return self.unit if metric is None else checked_unit(metric, self.trials)

    def _last_failure(self) -> str:
        failed = [trial for trial in self.trials if trial.status == "failed"]
        if not failed:
            return ""
        return f"; the last failed: {failed[-1].failure}, {shortened(str(failed[-1].message), 200)}"

    def describe_done(self, config: SearchConfig) -> str:
        """Return how far the search came, of its budget."""
        done = [trial for trial in self.trials if trial.status != "running"]
        return config.describe_done(len(done), sum(trial.reused_from is None for trial in done))

    def architecture(self, trial: Trial | int) -> Architecture:
        """Return a trial's architecture, read from its text; of a trial or its number.

        Raises:
          InputError: there is no trial of that number.
        """
        if not isinstance(trial, Trial):
            number = checked(trial, int, "trial")
            found = [each for each in self.trials if each.number == number]
            if not found:
                raise InputError(f"trial is {number}: there are {len(self.trials)}, from 0")
            trial = found[0]
        return _architecture(trial, self.space)

    def __repr__(self) -> str:
        from nas_with_rl.launch.results.views import result_text

        return result_text(self)

    def _repr_html_(self) -> str:
        from nas_with_rl.launch.results.views import result_html

        return result_html(self)


def finding(found: Ranked, space: SearchSpace, unit: Unit = THE_REWARD) -> FoundArchitecture:
    """Return an architecture that was measured, read from its text."""
    value = unit.over(found.trials)
    if unit.metric == REWARD:
        value = Value(found.reward, found.spread, len(found.rewards))
    return FoundArchitecture(
        _architecture(found.trial, space),
        found.reward,
        found.trial,
        len(found.rewards),
        found.spread,
        unit.metric,
        value.mean if value else None,
        value.spread if value else 0.0,
        tuple(trial.number for trial in found.trials),
    )


def _architecture(trial: Trial, space: SearchSpace) -> Architecture:
    space = space.at_depth(trial.depth) if trial.depth else space
    return parse_architecture(trial.architecture, space)
