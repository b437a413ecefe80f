"""A search and everything that is counted of it, once for all sections of its report."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from nas_with_rl.launch.reports import evidence, learning
from nas_with_rl.launch.reports.choices import Choices, choices_of
from nas_with_rl.launch.reports.columns import Columns, columns_of
from nas_with_rl.launch.reports.subject import Subject
from nas_with_rl.launch.results.search_result import FoundArchitecture, finding
from nas_with_rl.launch.results.units import THE_REWARD, Unit

NUM_LISTED, NUM_PICTURES = 10, 6


@dataclasses.dataclass(frozen=True)
class Analysis:
    """What a report is made of.

    Attributes:
      subject: the search.
      columns: its trials.
    """

    subject: Subject
    columns: Columns

    @property
    def unit(self) -> Unit:
        """What people think of its values in."""
        return self.columns.unit

    @functools.cached_property
    def has_value(self) -> bool:
        """Whether that is another one than the reward."""
        return self.unit != THE_REWARD

    @functools.cached_property
    def lower_is_better(self) -> bool:
        """Whether a lower value goes with a higher reward."""
        return self.columns.lower_is_better()

    @functools.cached_property
    def top(self) -> list[FoundArchitecture]:
        """The best architectures, each once."""
        space = self.subject.result.space
        return [finding(each, space, self.unit) for each in self.columns.top(NUM_LISTED)]

    @functools.cached_property
    def sampled(self) -> Choices:
        """What was chosen in the trials, in their order; of many trials an even selection."""
        columns = self.columns
        texts = [trial.architecture for trial in columns.trials]
        depths = np.array([trial.depth for trial in columns.trials], int)
        return choices_of(texts, depths, self.subject.result.space)

    @functools.cached_property
    def measured(self) -> Choices:
        """Of these, a trial for each architecture that was measured."""
        columns, sampled = self.columns, self.sampled
        places = columns.place[sampled.rows]
        _, kept = np.unique(places, return_index=True)
        return sampled.of(kept[columns.counts[places[kept]] > 0])

    @functools.cached_property
    def preferences(self) -> list[learning.Preference]:
        """How often each option was sampled over time."""
        return learning.preferences(self.sampled)

    @functools.cached_property
    def effects(self) -> list[learning.Effect]:
        """The decisions, those that matter most first."""
        columns, places = self.columns, self.columns.place[self.measured.rows]
        return learning.main_effects(
            self.measured, columns.mean_reward[places], columns.mean_value[places]
        )

    @functools.cached_property
    def failures(self) -> list[evidence.FailureGroup]:
        """The failures by reason."""
        return evidence.failures(self.columns)

    @functools.cached_property
    def repeats(self) -> evidence.Repeats | None:
        """What evaluations of the same architecture tell."""
        return evidence.repeats(self.columns)

    @functools.cached_property
    def trend(self) -> evidence.Trend | None:
        """The first quarter of the samples beside the last."""
        return evidence.trend(self.columns)

    @functools.cached_property
    def _fronts(self) -> dict[str, np.ndarray]:
        columns, own = self.columns, self.columns.measured()
        costs = {"parameters": columns.parameters, "seconds": columns.seconds}
        lower = self.lower_is_better
        return {
            by: own[evidence.pareto_front(cost[own], columns.value[own], lower_is_better=lower)]
            for by, cost in costs.items()
        }

    def front(self, by: str) -> np.ndarray:
        """Return the rows of the Pareto front by "parameters" or "seconds", by rising cost."""
        return self._fronts[by]

    @functools.cached_property
    def leaders(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows at which the best so far has changed, its value and its reward from there on."""
        columns, found = self.columns, []
        best = -np.inf
        own = columns.measured()
        if (columns.counts > 1).any():
            return _leaders_of_means(columns)
        for row in own[columns.reward[own] >= np.maximum.accumulate(columns.reward[own])]:
            if columns.reward[row] > best:
                best = columns.reward[row]
                found.append(row)
        rows = np.array(found, int)
        return rows, columns.value[rows], columns.reward[rows]


def _leaders_of_means(columns: Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same where an architecture counts by the mean of its evaluations up to there."""
    from nas_with_rl.launch.records.ranking import leaders

    rows: list[int] = []
    values: list[float] = []
    rewards: list[float] = []
    sums: dict[str, tuple[float, int]] = {}
    row_of = {trial.number: row for row, trial in enumerate(columns.trials)}
    for trial, best, reward in leaders(columns.trials):
        row = row_of[trial.number]
        value = float(columns.value[row])
        if value == value:
            total, count = sums.get(trial.architecture, (0.0, 0))
            sums[trial.architecture] = total + value, count + 1
        total, count = sums.get(best, (float("nan"), 1))
        if not rows or (total / count, reward) != (values[-1], rewards[-1]):
            rows.append(row)
            values.append(total / count)
            rewards.append(reward)
    return np.array(rows, int), np.array(values), np.array(rewards)


def analysis_of(subject: Subject) -> Analysis:
    """Return a search's analysis; its parts are counted when they are asked for."""
    result = subject.result
    return Analysis(subject, columns_of(result.trials, result.unit))
