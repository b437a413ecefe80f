"""ASHA: asynchronous successive halving, by which a search stops its bad children early.

Rung k of bracket s is at step r·η^(s+k). A child that reports there goes on where its value is
among the best 1/η of all values at the rung, its own included, and at least the best. Those of the
children count that its searcher had learned from when it proposed it, completed or stopped: so what
becomes of a trial hangs on the stored ones alone, whoever evaluates it, and when. Where the longest
curve of a completed child ends there is nothing left to save, and no rung.

Li, Jamieson, Rostamizadeh, Gonina, Hardt, Recht and Talwalkar, "A System for Massively Parallel
Hyperparameter Tuning" (2020), in the form without promotions; the brackets' shares are Hyperband's
(Li et al., 2018).

Legend: η reduction factor, r least steps, B brackets, n values at a rung.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from nas_with_rl.launch.evaluators.running_trial import STEPS, VALUES, Rungs
from nas_with_rl.launch.experiments.search_config import Asha
from nas_with_rl.launch.records.trial_store import Trial

Curve = Sequence[tuple[int, float]]  # (step, value), the steps ascending


def curve_of(trial: Trial) -> Curve:
    """Return what a trial has reported; empty where it has reported nothing."""
    steps, values = trial.metrics.get(STEPS), trial.metrics.get(VALUES)
    if not isinstance(steps, list) or not isinstance(values, list) or len(steps) != len(values):
        return ()
    are_steps = all(type(step) is int for step in steps)
    if not are_steps or not all(isinstance(value, int | float) for value in values):
        return ()
    return list(zip(steps, values, strict=True))


def bracket_of(number: int, config: Asha) -> int:
    """Return a trial's bracket: Hyperband's shares, ⌈B/(B-s)·η^(B-1-s)⌉ trials in turn."""
    count, factor = config.brackets, config.reduction_factor
    sizes = [
        -(-count * factor ** (count - 1 - bracket) // (count - bracket)) for bracket in range(count)
    ]
    return bisect.bisect_right(list(itertools.accumulate(sizes)), number % sum(sizes))


def rung_steps(bracket: int, config: Asha) -> Iterator[int]:
    """Yield the steps of a bracket's rungs, without end."""
    return (config.min_steps * config.reduction_factor**power for power in itertools.count(bracket))


def at_rungs(curve: Curve, steps: Iterable[int]) -> Iterator[tuple[int, float]]:
    """Yield the step and the value of the first report at or after each rung that was reached."""
    point = 0
    for rung in steps:
        while point < len(curve) and curve[point][0] < rung:
            point += 1
        if point == len(curve):
            return
        yield curve[point]


def least_of(values: Sequence[float], config: Asha) -> float:
    """Return the least value with which one more child goes on, among n > 0 earlier ones.

    That is their k-th highest, with k = max(1, ⌊(n + 1)/η⌋).
    """
    number = len(values)
    place = number - max(1, (number + 1) // config.reduction_factor)
    return float(np.partition(np.asarray(values, dtype=float), place)[place])


def stop_of(curve: Curve, rungs: Rungs) -> int | None:
    """Return the step of the report with which a child is stopped; None for one that is not."""
    reached = at_rungs(curve, [step for step, _ in rungs])
    for (step, value), (_, least) in zip(reached, rungs, strict=False):
        if not value >= least:  # NaN too
            return step
    return None


@dataclasses.dataclass
class _Rung:
    """Reports at a rung, in the order of the updates that learned from them."""

    versions: list[int] = dataclasses.field(default_factory=list)
    steps: list[int] = dataclasses.field(default_factory=list)
    values: list[float] = dataclasses.field(default_factory=list)


class AshaRungs:
    """What is known at the rungs of a search, at each version of its searcher."""

    def __init__(self, config: Asha):
        self._config = config
        self._rungs: list[list[_Rung]] = [[] for _ in range(config.brackets)]
        self._ends = _Rung()  # of completed children's curves, each above the one before
        self._known: dict[tuple[int, int], Rungs] = {}

    def learn(self, trials: Iterable[Trial], version: int) -> None:
        """Take the trials that an update has learned from, after those of all earlier updates."""
        self._known.clear()
        for trial in trials:
            curve = curve_of(trial) if trial.reused_from is None else ()
            if not curve or trial.status not in ("completed", "stopped"):
                continue
            end, longest = curve[-1][0], max(self._ends.steps[-1:], default=-1)
            if trial.status == "completed" and end > longest:
                self._ends.versions.append(version)
                self._ends.steps.append(end)
            bracket = bracket_of(trial.number, self._config)
            self._add(curve, bracket, version)

    def _add(self, curve: Curve, bracket: int, version: int) -> None:
        rungs = self._rungs[bracket]
        reached = at_rungs(curve, rung_steps(bracket, self._config))
        for place, (step, value) in enumerate(reached):
            if place == len(rungs):
                rungs.append(_Rung())
            rungs[place].versions.append(version)
            rungs[place].steps.append(step)
            rungs[place].values.append(-math.inf if math.isnan(value) else value)

    def of(self, number: int, version: int) -> Rungs:
        """Return (step, least value) of each rung at which a trial may be stopped.

        Args:
          number: the trial's.
          version: of the searcher that proposed it.
        """
        key = bracket_of(number, self._config), version
        if key not in self._known:
            self._known[key] = tuple(self._computed(*key))
        return self._known[key]

    def _computed(self, bracket: int, version: int) -> Iterator[tuple[int, float]]:
        completed = bisect.bisect_right(self._ends.versions, version)
        end = self._ends.steps[completed - 1] if completed else 0
        steps = rung_steps(bracket, self._config)
        for step, rung in zip(steps, self._rungs[bracket], strict=False):
            known = bisect.bisect_right(rung.versions, version)
            if not known or min(rung.steps[:known]) >= end:
                return
            least = least_of(rung.values[:known], self._config)
            if least > -math.inf:
                yield step, least
