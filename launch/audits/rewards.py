"""Which reward follows for a trial: from what it measured, what it took over, how failures count.

Legend: w, b the worst and the best reward of the children that have trained.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from nas_with_rl.child_models.rewards import accuracy_reward, failure_reward, perplexity_reward
from nas_with_rl.launch.audits.findings import Check, Finding, counted
from nas_with_rl.launch.audits.recorded import Batch, RecordedSearch
from nas_with_rl.launch.records.trial_store import Trial

TOLERANCE = 1e-9  # of a reward's size: the same numbers in the same order
_TAKEN_OVER = (
    *("architecture", "depth", "status", "metrics", "num_parameters", "failure", "message"),
    *("worker", "started", "ended"),
)


@dataclasses.dataclass(frozen=True)
class Rule:
    """How a kind of child makes its reward.

    Attributes:
      metric: of what it measures.
      reward: from that, as it is stored, and the space's description.
    """

    metric: str
    reward: Callable[[Any, Mapping[str, Any]], float]


def _of_accuracy(measured: Any, space: Mapping[str, Any]) -> float:
    return accuracy_reward(measured if isinstance(measured, list) else [measured])


def _of_perplexity(measured: Any, space: Mapping[str, Any]) -> float:
    return perplexity_reward(measured[-1] if isinstance(measured, list) else measured)


def _of_value(measured: Any, space: Mapping[str, Any]) -> float:
    return float(measured) if space.get("direction") != "minimize" else -float(measured)


# By the child's class, as `experiment.json` names it.
RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "ImageTraining": Rule("validation_accuracy", _of_accuracy),
        "LanguageModelTraining": Rule("validation_perplexity", _of_perplexity),
        "TableLookup": Rule("validation_accuracy", _of_accuracy),
        "TabularLookup": Rule("value", _of_value),
    }
)


class Rewards:
    """The rewards of a search's trials.

    Attributes:
      follow: by trial, the reward that follows where another is stored.
    """

    def __init__(self, recorded: RecordedSearch):
        self._recorded = recorded
        child = recorded.description.get("child")
        self._rule = RULES.get(str(child.get("kind"))) if isinstance(child, dict) else None
        self._by_number = {trial.number: trial for trial in recorded.trials}
        self._num_ruled = 0
        self.follow: dict[int, float] = {}
        self._of_rule = tuple(self._ruled())
        self._of_reuse = tuple(self._taken_over())
        # One alone is what was changed; of several the reason may be a reward that has no rule.
        failed = list(self._failed())
        if len(failed) == 1 and isinstance(failed[0].follows, float):
            self.follow[int(failed[0].trial or 0)] = failed[0].follows

    def learned(self, more: Mapping[int, float]) -> dict[int, float]:
        """Return by trial what follows, and more that was found to."""
        return {**more, **self.follow}

    def check(self, more: Mapping[int, float]) -> tuple[Check, Check]:
        """Return what is said of outcomes that were taken over, and of rewards.

        Args:
          more: by trial, rewards that were found to follow otherwise.
        """
        self.follow = self.learned(more)
        failed = tuple(self._failed())
        trials = self._recorded.trials
        num_reused = sum(trial.reused_from is not None for trial in trials)
        num_failed = sum(trial.status == "failed" for trial in trials)
        num_completed = sum(trial.status == "completed" for trial in trials)
        said = f"{self._num_ruled:,} of {num_completed:,} follow from what was measured"
        if self._num_ruled < num_completed:
            said += ", of the others there is no rule here"
        said += f"; of {counted(num_failed, 'failed child').replace('childs', 'children')} "
        said += "from those that have trained" if self._is_open else "as the search's settings say"
        return (
            Check(
                "taken over", f"{counted(num_reused, 'trial')} as the earlier one", self._of_reuse
            ),
            Check("rewards", said, (*self._of_rule, *failed)),
        )

    @property
    def _is_open(self) -> bool:
        return self._recorded.config.failure_reward is None

    def _ruled(self) -> Iterator[Finding]:
        space = self._recorded.description["space"]
        for trial in self._recorded.trials:
            if self._rule is None or trial.status != "completed":
                continue
            measured = trial.metrics.get(self._rule.metric)
            try:
                follows = self._rule.reward(measured, space)
            except (TypeError, ValueError, ArithmeticError, LookupError):
                continue
            self._num_ruled += 1
            if not is_near(trial.reward, follows):
                self.follow[trial.number] = follows
                yield _wrong(trial, follows, f"from its {self._rule.metric}")

    def _taken_over(self) -> Iterator[Finding]:
        groups: dict[int, list[Trial]] = collections.defaultdict(list)
        for trial in self._recorded.trials:
            if trial.reused_from is not None:
                groups[trial.reused_from].append(trial)
        for number, copies in sorted(groups.items()):
            source = self._by_number.get(number)
            if source is None or source.reused_from is not None:
                what = "which is not there" if source is None else "which was not evaluated itself"
                for copy in copies:
                    message = f"trial {copy.number} took over from trial {number}, {what}"
                    yield Finding(message, copy.number, copy.updated_version)
                continue
            yield from self._copied(source, copies)

    def _copied(self, source: Trial, copies: Sequence[Trial]) -> Iterator[Finding]:
        for copy in copies:
            for name in _TAKEN_OVER:
                stored, follows = getattr(copy, name), getattr(source, name)
                if stored != follows:
                    yield Finding(
                        f"trial {copy.number}: its {name} is stored as {stored!r}, and that of "
                        f"trial {source.number}, which it took over, as {follows!r}",
                        *(copy.number, copy.updated_version, stored, follows),
                    )
        if source.status != "completed":  # failures count as they do when they are learned from
            return
        together = [source, *copies]
        (usual, count), *others = collections.Counter(
            self.follow.get(trial.number, trial.reward) for trial in together
        ).most_common()
        if not others:
            return
        is_plain = count > others[0][1]
        for trial in together:
            if trial.number in self.follow or trial.reward == usual or usual is None:
                continue
            other = source if trial is not source else copies[0]
            if is_plain:
                self.follow[trial.number] = usual
                yield _wrong(trial, usual, f"from trial {other.number}, the same outcome")
            else:
                message = (
                    f"trials {other.number} and {trial.number} are one outcome, and their rewards "
                    f"are stored as {other.reward!r} and {trial.reward!r}"
                )
                yield Finding(message, trial.number, trial.updated_version, trial.reward)

    def _failed(self) -> Iterator[Finding]:
        """Yield failed trials whose reward does not follow."""
        given, bounds = self._recorded.config.failure_reward, None
        for batch in self._recorded.batches:
            for trial in batch.trials:
                if trial.status != "failed" or (trial.reward is None and batch.update is None):
                    continue
                if given is not None:
                    low = high = float(given)
                else:
                    bounds = bounds or _Bounds(self._recorded.batches, self.follow)
                    low, high = bounds.of(batch)
                stored = self.follow.get(trial.number, trial.reward)
                if stored is None or not _is_within(stored, low, high):
                    said = "from what failed children count as"
                    follows = low if is_near(low, high) else None
                    yield _wrong(trial, follows, said, f"{low:.9g} to {high:.9g}")


class _Bounds:
    """What failed children of a batch may count as: it hangs on which others had trained by then.

    Those that had been learned from when the batch was proposed had, and those of its own; what was
    proposed after it was learned from had not.
    """

    def __init__(self, batches: Sequence[Batch], follow: Mapping[int, float]):
        self._own: dict[int, tuple[float, float]] = {}
        by_version: dict[float, list[float]] = collections.defaultdict(list)
        by_update: dict[float, list[float]] = collections.defaultdict(list)
        for batch in batches:
            rewards = [
                follow.get(trial.number, trial.reward)
                for trial in batch.trials
                if trial.status == "completed" and trial.reward is not None
            ]
            by_version[batch.version] += rewards
            by_update[math.inf if batch.update is None else batch.update] += rewards
            self._own[batch.number] = _extent(rewards)
        self._proposed, self._learned = _cumulated(by_version), _cumulated(by_update)

    def of(self, batch: Batch) -> tuple[float, float]:
        """Return the lowest and the highest."""
        update = math.inf if batch.update is None else batch.update
        most = _at(self._proposed, update - 1)
        least = _joined(_at(self._learned, batch.version), self._own[batch.number])
        if least == most and most[0] <= most[1]:
            exact = failure_reward(*most)
            return exact, exact
        # Of equal rewards it is no bound: the margin is then another.
        high = failure_reward(*least) if least[0] < least[1] else math.inf
        low = failure_reward(*most) if most[0] < most[1] else -math.inf
        return low, high


_NONE = (math.inf, -math.inf)


def _extent(rewards: Sequence[float]) -> tuple[float, float]:
    return (min(rewards), max(rewards)) if rewards else _NONE


def _joined(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return min(one[0], other[0]), max(one[1], other[1])


def _cumulated(by_time: Mapping[float, Sequence[float]]) -> list[tuple[float, float, float]]:
    """Return (time, w, b) of all up to each time."""
    found, so_far = [], _NONE
    for time in sorted(by_time):
        so_far = _joined(so_far, _extent(by_time[time]))
        found.append((time, *so_far))
    return found


def _at(cumulated: Sequence[tuple[float, float, float]], time: float) -> tuple[float, float]:
    index = bisect.bisect_right(cumulated, time, key=lambda each: each[0])
    return cumulated[index - 1][1:] if index else _NONE


def is_near(one: float | None, other: float | None) -> bool:
    """Return whether two rewards are equal but for rounding."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=1e-300)


def _is_within(value: float, low: float, high: float) -> bool:
    return low <= value <= high or is_near(value, low) or is_near(value, high)


def _wrong(trial: Trial, follows: float | None, why: str, among: str = "") -> Finding:
    update = (
        "not learned from yet"
        if trial.updated_version is None
        else (f"update {trial.updated_version}")
    )
    expected = among if follows is None else f"{follows!r}"
    return Finding(
        f"trial {trial.number} ({update}): the reward {trial.reward!r} is stored, {expected} "
        f"follows {why}",
        *(trial.number, trial.updated_version, trial.reward, follows),
    )
