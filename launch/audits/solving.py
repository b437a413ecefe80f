"""The reward that was learned from, where the stored one is another and no checkpoint tells it.

The log-probabilities of what was proposed after an update say it: as a number, where advantages are
distances from a baseline, and as a place among the other rewards, where they are ranks. Nothing but
a place hangs on a reward then, and one that was changed may be noticed only when a later reward
comes to lie between the two.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from nas_with_rl.controller.outliers import WINDOW
from nas_with_rl.controller.searcher import Searcher
from nas_with_rl.launch.audits.replay import InPlace, Replay
from nas_with_rl.launch.records.trial_store import Trial

Place = tuple[float, float]  # the rewards between which one lies; twice the one that it equals
MOST_EARLIER = 8  # trials of updates before, of which each takes a replay
_COARSE = 24  # places that are tried all over


@dataclasses.dataclass(frozen=True)
class Solved:
    """A reward with which what comes after an update is what is stored.

    Attributes:
      trial: whose it is.
      reward: a number that does.
      place: where all that do lie; None where there is but one.
    """

    trial: Trial
    reward: float
    place: Place | None = None

    def __str__(self) -> str:
        if self.place is None:
            return f"about {self.reward:.6g}"
        low, high = self.place
        if low == high:
            return f"{low!r}"
        bounds = [f"above {low!r}"] * math.isfinite(low) + [f"below {high!r}"] * math.isfinite(high)
        return "one " + " and ".join(bounds)


def solve_reward(replay: Replay, update: int) -> list[Solved]:
    """Return each one reward with which the log-probabilities after an update are as stored.

    Of ranks there may be several: whether one reward was above another or below is asked of both.

    Args:
      replay: of the search.
      update: its version, from which on nothing agrees.
    """
    with tempfile.TemporaryDirectory(prefix="nas_with_rl-") as folder:
        problem = _Problem(replay, Path(folder))
        if not problem.is_said(update):
            return []
        recorded = replay.recorded
        if recorded.searcher == "reinforce" and recorded.controller.advantage == "ranks":
            return _Places(problem, update).solve()
        trials = problem.learned_from(update)
        known = [trial.reward or 0.0 for trial in trials]
        tolerance = problem.tolerance(update)
        for trial in trials:
            gaps = functools.partial(problem.gaps, trial, at=update)
            found = _root(gaps, known, tolerance)
            if found is not None:
                return [Solved(trial, found)]
    return []


@dataclasses.dataclass(frozen=True)
class _Problem:
    """What follows for log-probabilities from another reward of a trial.

    Attributes:
      replay: of the search.
      folder: for states of the searcher.
    """

    replay: Replay
    folder: Path

    def learned_from(self, update: int) -> list[Trial]:
        """Return the trials of an update."""
        batches = self.replay.batches.get(update, ())
        return [trial for batch in batches for trial in batch.trials]

    def proposed_after(self, update: int) -> list[Trial]:
        """Return the trials that were proposed between an update and the next."""
        return [trial for batch in self.replay.asked.get(update, ()) for trial in batch.trials]

    def is_said(self, update: int) -> bool:
        """Return whether trials were proposed after it, all with a probability."""
        trials = self.proposed_after(update)
        return bool(trials) and all(trial.log_prob is not None for trial in trials)

    def tolerance(self, update: int) -> float:
        """Return that of the log-probabilities after an update, in nats."""
        stored = [abs(trial.log_prob or 0.0) for trial in self.proposed_after(update)]
        return self.replay.log_prob_tolerance * max(1.0, max(stored) / 10)

    def gaps(self, trial: Trial, reward: float, *, at: int) -> np.ndarray:
        """Return how far the log-probabilities after an update are from the stored ones.

        Args:
          trial: of that update, or of one before.
          reward: that is told for it.
          at: the update.
        """
        first = self.update_of[trial.number]
        searcher = self._restored(first)
        for version in range(first, at + 1):
            self.replay.tell(searcher, version, InPlace({trial.number: reward}))
        batches = self.replay.asked[at]
        scored = [self.replay.log_probs(searcher, batch) for batch in batches]
        stored = [trial.log_prob for batch in batches for trial in batch.trials]
        return np.concatenate([each for each in scored if each is not None]) - np.array(stored)

    @functools.cached_property
    def update_of(self) -> dict[int, int]:
        """The updates that learned from trials, by the trials' numbers."""
        return {t.number: each for each in self.replay.batches for t in self.learned_from(each)}

    def _restored(self, update: int) -> Searcher:
        """Return the searcher as an update found it."""
        searcher, path = self._searcher, self.folder / str(update)
        if not path.exists():
            kept = [int(each.name) for each in self.folder.iterdir()]
            earlier = max(version for version in kept if version < update)
            searcher.restore(self.folder / str(earlier))
            for version in range(earlier, update):
                self.replay.tell(searcher, version, InPlace())
            path.mkdir()
            searcher.save(path)
        searcher.restore(path)
        return searcher

    @functools.cached_property
    def _searcher(self) -> Searcher:
        """The one that is asked all along: a new one would have to be compiled."""
        searcher, path = self.replay.new_searcher(), self.folder / "1"
        path.mkdir()
        searcher.save(path)
        return searcher


def _root(
    gaps: Callable[[float], np.ndarray], known: Sequence[float], tolerance: float
) -> float | None:
    """Return where all gaps are within a tolerance; None where that is not found."""
    one = float(np.median(known))
    two = one + (float(np.ptp(known)) or abs(one) or 1.0) / 4
    at_one = gaps(one)
    for _ in range(12):
        at_two = gaps(two)
        if not np.all(np.isfinite(at_two)):
            return None
        if np.abs(at_two).max() <= tolerance / 10:
            return two
        slope = (at_two - at_one) / (two - one)
        if not slope.any():
            return None
        one, at_one, two = two, at_two, two - float(slope @ at_two / (slope @ slope))
        if two == one:
            break
    return one if np.abs(at_one).max() <= tolerance else None


class _Places:
    """Looks for the place of a reward among the others of the window.

    Attributes:
      _told: all trials in the order in which they were told.
      _ends: by update, how many were told with it.
    """

    def __init__(self, problem: _Problem, update: int):
        self._problem, self._update = problem, update
        updates = range(1, len(problem.replay.batches) + 1)
        told = [sorted(problem.learned_from(each), key=lambda t: t.number) for each in updates]
        self._told = [trial for trials in told for trial in trials]
        self._ends = dict(zip(updates, itertools.accumulate(map(len, told)), strict=True))

    def solve(self) -> list[Solved]:
        """Return the trials whose places fit, as well as the one that fits best."""
        best: dict[int, tuple[float, Trial, Place]] = {}
        for fit in [*self._own(), *self._earlier()]:
            number = fit[1].number
            best[number] = min(best.get(number, fit), fit, key=lambda each: each[0])
        tolerance = self._problem.tolerance(self._update)
        least = min((gap for gap, _, _ in best.values()), default=math.inf)
        if least > tolerance:
            return []
        fits = [
            (trial, place) for gap, trial, place in best.values() if gap <= least + tolerance / 10
        ]
        narrowed = [(trial, self._narrowed(trial, place)) for trial, place in fits]
        return [Solved(trial, _within(place), place) for trial, place in narrowed]

    def _own(self) -> Iterator[tuple[float, Trial, Place]]:
        """Yield for each trial of the update the place that fits best, and its largest gap."""
        for trial in self._problem.learned_from(self._update):
            others = [t.reward for t in self._window(self._update) if t.number != trial.number]
            places = _places(-math.inf, others, math.inf)
            gaps = functools.partial(self._gap_at, trial, places)
            index, gap = _lowest(gaps, len(places))
            yield gap, trial, places[index]

    def _earlier(self) -> Iterator[tuple[float, Trial, Place]]:
        """Yield the same for trials of whose places the updates before told nothing.

        The stored reward and the one that was learned from have the same place among all others up
        to then. Those of this update come to lie between the two.
        """
        window = self._window(self._update)
        near = []
        for trial in window[: len(window) - len(self._problem.learned_from(self._update))]:
            low, high = self._interval(trial)
            if low < high and any(low < each < high for each in self._rewards(self._update)):
                near.append((trial, low, high))
        for trial, low, high in near[-MOST_EARLIER:]:
            for place in _places(low, self._rewards(self._update), high):
                yield self._gap(trial, place, self._update), trial, place

    def _interval(self, trial: Trial) -> Place:
        """Return between which rewards a trial's is known to lie before this update."""
        own, reward = self._problem.update_of[trial.number], trial.reward
        if reward is None:
            return math.nan, math.nan
        others = [t.reward for t in self._window(own) if t.number != trial.number]
        for version in range(own + 1, self._update):
            others += self._rewards(version)
        if reward in others:
            return reward, reward
        known = [other for other in others if other is not None]
        return (
            max((other for other in known if other < reward), default=-math.inf),
            min((other for other in known if other > reward), default=math.inf),
        )

    def _narrowed(self, trial: Trial, place: Place) -> Place:
        """Return the part of a place that later updates leave, while the trial is in the window."""
        for version in range(self._update + 1, len(self._problem.replay.batches) + 1):
            if place[0] == place[1] or trial not in self._window(version):
                break
            places = _places(place[0], self._rewards(version), place[1])
            if len(places) == 1 or not self._problem.is_said(version):
                continue
            gaps = [self._gap(trial, each, version) for each in places]
            if min(gaps) > self._problem.tolerance(version):
                break  # something else does not follow either
            place = places[int(np.argmin(gaps))]
        return place

    def _window(self, update: int) -> list[Trial]:
        end = self._ends[update]
        size = len(self._problem.learned_from(update))
        return self._told[max(0, end - max(WINDOW, size)) : end]

    def _rewards(self, update: int) -> list[float]:
        trials = self._problem.learned_from(update)
        return [trial.reward for trial in trials if trial.reward is not None]

    def _gap_at(self, trial: Trial, places: Sequence[Place], index: int) -> float:
        return self._gap(trial, places[index], self._update)

    def _gap(self, trial: Trial, place: Place, update: int) -> float:
        return float(np.abs(self._problem.gaps(trial, _within(place), at=update)).max())


def _places(low: float, others: Sequence[float | None], high: float) -> list[Place]:
    """Return all places from below to above: between two neighbours, and at each."""
    inside = sorted({each for each in others if each is not None and low < each < high})
    places = [(low, inside[0] if inside else high)]
    for here, above in itertools.pairwise([*inside, high]):
        places += [(here, here), (here, above)]
    return places


def _within(place: Place) -> float:
    """Return a reward of a place."""
    low, high = place
    if math.isinf(low) and math.isinf(high):
        return 0.0
    if math.isinf(low):
        return high - max(1.0, abs(high))
    if math.isinf(high):
        return low + max(1.0, abs(low))
    return low / 2 + high / 2


def _lowest(gap: Callable[[int], float], count: int) -> tuple[int, float]:
    """Return the place at which a gap is smallest, and the gap there.

    The farther a place is from it the larger is the gap, though not strictly: so some are tried all
    over, and then those around the best.

    Args:
      gap: at a place.
      count: of places.
    """
    gap = functools.cache(gap)
    stride = max(1, count // _COARSE)
    best = min(range(0, count, stride), key=gap)
    while stride > 1:
        stride = (stride + 1) // 2
        best = min(range(max(0, best - 2 * stride), min(count, best + 3 * stride), stride), key=gap)
    while (near := min(range(max(0, best - 2), min(count, best + 3)), key=gap)) != best:
        best = near
    return best, gap(best)
