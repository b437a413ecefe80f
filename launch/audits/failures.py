"""What failed children count as: it hangs on which others had trained by then.

Legend: w, b the worst and the best reward of the children that have trained, stopped ones too.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

from nas_with_rl.child_models.rewards import failure_reward
from nas_with_rl.launch.audits.findings import Finding, counted
from nas_with_rl.launch.audits.recorded import Batch, RecordedSearch
from nas_with_rl.launch.audits.rewards import is_measured, is_near, wrong_reward
from nas_with_rl.launch.records.trial_store import Trial

Extent = tuple[float, float]  # w and b
_NONE = (math.inf, -math.inf)


@dataclasses.dataclass(frozen=True)
class WrongFailure:
    """A failed trial that counts as something else than follows.

    Attributes:
      trial: as it is stored.
      low, high: between which the reward is.
      extent: of the children that had trained, where it is known.
    """

    trial: Trial
    low: float
    high: float
    extent: Extent | None = None

    @property
    def follows(self) -> float | None:
        """The reward that follows, where it is known exactly."""
        return self.low if is_near(self.low, self.high) else None

    def finding(self) -> Finding:
        """Return it in words."""
        among = f"{self.low:.9g} to {self.high:.9g}"
        return wrong_reward(self.trial, self.follows, "as failed children count", among)


@dataclasses.dataclass(frozen=True)
class Extreme:
    """A trial that has trained, whose reward explains what failed children count as.

    Attributes:
      trial: as it is stored.
      reward: with which all of them count as they should.
      bound: "" where it is that, "at most" or "at least" where another trial has it.
      explained: how many failed trials.
    """

    trial: Trial
    reward: float
    bound: str
    explained: int

    def finding(self) -> Finding:
        """Return it in words."""
        why = f"from what {counted(self.explained, 'failed trial')} after it count as"
        if not self.bound:
            return wrong_reward(self.trial, self.reward, why)
        return wrong_reward(self.trial, None, why, f"{self.bound} {self.reward!r}")


def said_of_failures(recorded: RecordedSearch) -> str:
    """Return how many failed trials were looked at."""
    failed = sum(trial.status == "failed" for trial in recorded.trials)
    if not failed:
        return ""
    if not _can_be_told(recorded):
        return f"; of {counted(failed, 'failed trial')} nothing, since trials are missing"
    given = recorded.config.failure_reward
    why = "from those that had trained" if given is None else f"count {given:g}"
    return f"; {counted(failed, 'failed trial')} {why}"


def wrong_failures(recorded: RecordedSearch, follow: Mapping[int, float]) -> list[WrongFailure]:
    """Return the failed trials whose reward does not follow.

    Args:
      recorded: the search.
      follow: by trial that has trained, a reward in place of the stored one.
    """
    if not _can_be_told(recorded):
        return []
    given = recorded.config.failure_reward
    bounds = _Bounds(recorded.batches, follow) if given is None else None
    found = []
    for batch in recorded.batches:
        for trial in batch.trials:
            if trial.status != "failed" or (trial.reward is None and batch.update is None):
                continue
            if bounds is None:
                assert given is not None
                wrong = WrongFailure(trial, float(given), float(given))
            else:
                wrong = WrongFailure(trial, *bounds.of(batch), bounds.extent(batch))
            if trial.reward is None or not _is_within(trial.reward, wrong.low, wrong.high):
                found.append(wrong)
    return found


def extreme_behind(
    recorded: RecordedSearch, follow: Mapping[int, float], wrong: Sequence[WrongFailure]
) -> Extreme | None:
    """Return the one trained child whose reward explains all wrong failures, if there is one.

    It is stored as the worst or as the best, and is not.
    """
    for failure in wrong:
        stored, extent = failure.trial.reward, failure.extent
        if stored is None or extent is None:
            continue
        w, b = extent
        for held, reward, bound in (
            (b, 2 * w - stored, "at most"),
            (w, (stored + b) / 2, "at least"),
        ):
            for trial in _holding(recorded, follow, held):
                if not wrong_failures(recorded, {**follow, trial.number: reward}):
                    is_another = any(True for _ in _holding(recorded, follow, reward))
                    return Extreme(trial, reward, bound if is_another else "", len(wrong))
        return None
    return None


def _holding(
    recorded: RecordedSearch, follow: Mapping[int, float], reward: float
) -> Iterator[Trial]:
    for trial in recorded.trials:
        if is_measured(trial) and is_near(follow.get(trial.number, trial.reward), reward):
            yield trial


def _can_be_told(recorded: RecordedSearch) -> bool:
    numbers = [trial.number for trial in recorded.trials]
    return numbers == list(range(len(numbers)))


class _Bounds:
    """What failed children of a batch may count as.

    Those that had been learned from when the batch was proposed had trained, and those of its own;
    what was proposed after it was learned from had not.
    """

    def __init__(self, batches: Sequence[Batch], follow: Mapping[int, float]):
        self._own: dict[int, Extent] = {}
        by_version: dict[float, list[float]] = collections.defaultdict(list)
        by_update: dict[float, list[float]] = collections.defaultdict(list)
        for batch in batches:
            rewards = [
                follow.get(trial.number, trial.reward)
                for trial in batch.trials
                if is_measured(trial) and trial.reward is not None
            ]
            by_version[batch.version] += rewards
            by_update[math.inf if batch.update is None else batch.update] += rewards
            self._own[batch.number] = _extent(rewards)
        self._proposed, self._learned = _cumulated(by_version), _cumulated(by_update)

    def of(self, batch: Batch) -> tuple[float, float]:
        """Return the lowest and the highest."""
        most, least = self._most(batch), self._least(batch)
        if least == most and most[0] <= most[1]:
            exact = failure_reward(*most)
            return exact, exact
        # Of equal rewards it is no bound: the margin is then another.
        high = failure_reward(*least) if least[0] < least[1] else math.inf
        low = failure_reward(*most) if most[0] < most[1] else -math.inf
        return low, high

    def extent(self, batch: Batch) -> Extent | None:
        """Return w and b, where they are known."""
        most = self._most(batch)
        return most if most == self._least(batch) and most[0] < most[1] else None

    def _most(self, batch: Batch) -> Extent:
        return _at(self._proposed, math.inf if batch.update is None else batch.update - 1)

    def _least(self, batch: Batch) -> Extent:
        return _joined(_at(self._learned, batch.version), self._own[batch.number])


def _extent(rewards: Sequence[float]) -> Extent:
    return (min(rewards), max(rewards)) if rewards else _NONE


def _joined(one: Extent, other: Extent) -> Extent:
    return min(one[0], other[0]), max(one[1], other[1])


def _cumulated(by_time: Mapping[float, Sequence[float]]) -> list[tuple[float, Extent]]:
    """Return the extent of all up to each time."""
    found, so_far = [], _NONE
    for time in sorted(by_time):
        so_far = _joined(so_far, _extent(by_time[time]))
        found.append((time, so_far))
    return found


def _at(cumulated: Sequence[tuple[float, Extent]], time: float) -> Extent:
    index = bisect.bisect_right(cumulated, time, key=lambda each: each[0])
    return cumulated[index - 1][1] if index else _NONE


def _is_within(value: float, low: float, high: float) -> bool:
    return low <= value <= high or is_near(value, low) or is_near(value, high)
