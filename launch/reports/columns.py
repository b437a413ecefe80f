"""A search's trials as columns, with which every part of its report counts.

n trials, a different architectures, best first; those without a measurement stand last, in the
order of their first trials.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from nas_with_rl.launch.records.ranking import Ranked
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.results.units import REWARD, Unit

# What became of a trial; an open one has no outcome.
COMPLETED, REUSED, FAILED, OPEN, STOPPED = range(5)
NAMES = ("completed", "reused", "failed", "no outcome", "stopped early")
_KINDS = {"completed": COMPLETED, "failed": FAILED, "running": OPEN, "stopped": STOPPED}
_WITHOUT = float("nan")


@dataclasses.dataclass(frozen=True)
class Columns:
    """The trials of a search.

    Attributes:
      trials: every one, by number.
      unit: what `value` is.
      kind: [n] COMPLETED for an evaluation of its own, REUSED for an outcome taken over, FAILED
        whoever failed, OPEN, STOPPED whoever was stopped early.
      taken_over: [n] whether its outcome is an earlier trial's, a failure's too.
      reward, value: [n] of those that were completed; NaN without.
      started, ended: [n] seconds since the epoch; NaN without.
      seconds: [n] of evaluations of their own; NaN without.
      parameters: [n] NaN without.
      place: [n] of the trial's architecture among `texts`.
      texts: [a].
      first: [a] row of the trial that measured an architecture first, or sampled it.
      counts: [a] evaluations of its own; 0 for one that was not measured.
      mean_reward, mean_value: [a] over these; NaN without.
    """

    trials: Sequence[Trial]
    unit: Unit
    kind: np.ndarray
    taken_over: np.ndarray
    reward: np.ndarray
    value: np.ndarray
    started: np.ndarray
    ended: np.ndarray
    seconds: np.ndarray
    parameters: np.ndarray
    place: np.ndarray
    texts: list[str]
    first: np.ndarray
    counts: np.ndarray
    mean_reward: np.ndarray
    mean_value: np.ndarray

    @property
    def num_measured(self) -> int:
        """How many architectures have a measurement: those before the others."""
        return int(np.count_nonzero(self.counts))

    def number(self, kind: int) -> int:
        """How many trials are of a kind."""
        return int(np.count_nonzero(self.kind == kind))

    @property
    def num_trained(self) -> int:
        """How many trials have an outcome of their own."""
        return int(np.count_nonzero((self.kind != OPEN) & ~self.taken_over))

    def measured(self) -> np.ndarray:
        """Return the rows of evaluations of their own, in the order of their trials."""
        return np.flatnonzero(self.kind == COMPLETED)

    def top(self, k: int) -> list[Ranked]:
        """Return the best architectures with their evaluations, as `ranking.ranked` has them."""
        found = []
        own = self.measured()
        places = self.place[own]
        for place in range(min(k, self.num_measured)):
            evaluations = [self.trials[row] for row in own[places == place]]
            rewards = tuple(float(trial.reward or 0.0) for trial in evaluations)
            found.append(Ranked(tuple(evaluations), rewards))
        return found

    def lower_is_better(self) -> bool:
        """Say whether a lower value goes with a higher reward."""
        if self.unit.metric == REWARD:
            return False
        own = self.measured()
        with_value = own[~np.isnan(self.value[own])]
        if len(with_value) > 1:
            rewards, values = ranks(self.reward[with_value]), ranks(self.value[with_value])
            together = np.sum((rewards - rewards.mean()) * (values - values.mean()))
            if together:
                return bool(together < 0)
        words = ("perplexity", "loss", "error")
        return any(word in self.unit.metric.lower() for word in words)


def columns_of(trials: Sequence[Trial], unit: Unit) -> Columns:
    """Return the columns of a search's trials, which stand by number."""
    taken_over = np.array([trial.reused_from is not None for trial in trials], bool)
    kind = np.array([_KINDS[trial.status] for trial in trials], np.uint8)
    kind[(kind == COMPLETED) & taken_over] = REUSED
    reward = _numbers([trial.reward for trial in trials])
    # What a failure counts as is none; a stopped child's is not that of its end.
    reward[_without_end(kind)] = _WITHOUT
    started = _numbers([trial.started for trial in trials])
    ended = _numbers([trial.ended for trial in trials])
    value = reward if unit.metric == REWARD else _values(trials, kind, unit)
    known: dict[str, int] = {}
    place = np.array([known.setdefault(trial.architecture, len(known)) for trial in trials], int)
    groups = _Groups.of(place, np.flatnonzero(kind == COMPLETED), len(known))
    means = groups.means(reward)
    # The highest mean first, of equals the earliest: `ranking`'s rule.
    order = np.lexsort((groups.first, np.where(groups.counts > 0, -means, np.inf)))
    moved = np.empty(len(known), int)
    moved[order] = np.arange(len(known))
    texts = list(known)
    return Columns(
        trials=trials,
        unit=unit,
        kind=kind,
        taken_over=taken_over,
        reward=reward,
        value=value,
        started=started,
        ended=ended,
        seconds=np.where(taken_over, _WITHOUT, np.maximum(ended - started, 0.0)),
        parameters=_numbers([trial.num_parameters for trial in trials]),
        place=moved[place],
        texts=[texts[each] for each in order],
        first=groups.first[order],
        counts=groups.counts[order],
        mean_reward=means[order],
        mean_value=(means if value is reward else groups.means(value))[order],
    )


@dataclasses.dataclass(frozen=True)
class _Groups:
    """Rows by architecture: the evaluations of its own, how many, the first row of each."""

    rows: np.ndarray
    places: np.ndarray
    counts: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, place: np.ndarray, own: np.ndarray, number: int) -> _Groups:
        """Group rows: [n] the architecture of each, and which are evaluations of their own."""
        first = np.empty(number, int)
        for rows in (np.arange(len(place)), own):  # where there are such, they count
            first[place[rows][::-1]] = rows[::-1]
        return cls(own, place[own], np.bincount(place[own], minlength=number), first)

    def means(self, numbers: np.ndarray) -> np.ndarray:
        """Return the mean of each architecture's numbers, rounded once; NaN without one."""
        values = numbers[self.rows]
        there = ~np.isnan(values)
        values, places = values[there], self.places[there]
        means = np.full(len(self.counts), _WITHOUT)
        means[places] = values
        if (self.counts > 1).any():
            several: dict[int, list[float]] = {}
            for row in np.flatnonzero(self.counts[places] > 1):
                several.setdefault(int(places[row]), []).append(float(values[row]))
            for place, listed in several.items():
                means[place] = statistics.mean(listed)
        return means


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks of values, from 1; equal ones share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _without_end(kind: np.ndarray) -> np.ndarray:
    return (kind == FAILED) | (kind == OPEN) | (kind == STOPPED)


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array(values, np.float64)  # None is NaN


def _values(trials: Sequence[Trial], kind: np.ndarray, unit: Unit) -> np.ndarray:
    """Return what `unit.of` says of each trial; NaN for None."""
    measured = [trial.metrics.get(unit.metric) for trial in trials]
    found = _together(measured, unit)
    if found is None:
        return _numbers(list(map(unit.of, trials)))
    found[_without_end(kind) | ~np.isfinite(found)] = _WITHOUT
    return found


def _together(measured: Sequence[object], unit: Unit) -> np.ndarray | None:
    """Return all values at once where each is a number or a list of as many; else None."""
    there: list[Any] = [each for each in measured if each is not None]
    kinds = set(map(type, there))
    flat: list[Any] = there
    if kinds == {list}:
        if len(set(map(len, there))) > 1:
            return None
        flat = list(itertools.chain.from_iterable(there))
        kinds = set(map(type, flat))
    if not kinds <= {int, float} or not flat:
        return None
    try:
        numbers = np.array(flat, np.float64)
    except OverflowError:  # an integer that is beyond them
        return None
    last = numbers.reshape(len(there), -1)[:, -unit.epochs :]
    values = np.where(np.isfinite(last), last, -np.inf).max(axis=1)
    if len(there) == len(measured):
        return values
    found = np.full(len(measured), _WITHOUT)
    found[[each is not None for each in measured]] = values
    return found
