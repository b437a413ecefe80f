"""Which reward follows for a trial: from what it measured, and what it took over."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from nas_with_rl.child_models.rewards import accuracy_reward, perplexity_reward
from nas_with_rl.launch.audits.findings import Finding, counted
from nas_with_rl.launch.audits.recorded import RecordedSearch
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
    """The rewards of trials that have trained: by rule, and as the trials that they took over.

    Attributes:
      follow: by trial, the reward that follows where another is stored.
      pairs: of trials with one outcome and two rewards, of which either may be the wrong one.
      of_rule, of_reuse: what does not follow.
    """

    def __init__(self, recorded: RecordedSearch):
        self._recorded = recorded
        child = recorded.description.get("child")
        self._rule = RULES.get(str(child.get("kind"))) if isinstance(child, dict) else None
        self._by_number = {trial.number: trial for trial in recorded.trials}
        self._num_ruled = 0
        self.follow: dict[int, float] = {}
        self.pairs: list[tuple[Trial, Trial]] = []
        self.of_rule = tuple(self._ruled())
        self.of_reuse = tuple(self._taken_over())

    def said(self) -> str:
        """Return which rewards were looked at."""
        completed = sum(map(is_measured, self._recorded.trials))
        said = f"{self._num_ruled:,} of {completed:,} follow from what was measured"
        if self._num_ruled < completed:
            said += ", of the others nothing is known but what was learned from them"
        return said

    def said_of_reuse(self) -> str:
        """Return how many outcomes were taken over."""
        reused = sum(trial.reused_from is not None for trial in self._recorded.trials)
        return f"{counted(reused, 'trial')} as the earlier one"

    def _ruled(self) -> Iterator[Finding]:
        space = self._recorded.description["space"]
        for trial in self._recorded.trials:
            if self._rule is None or not is_measured(trial):
                continue
            measured = trial.metrics.get(self._rule.metric)
            try:
                follows = self._rule.reward(measured, space)
            except (TypeError, ValueError, ArithmeticError, LookupError):
                continue
            self._num_ruled += 1
            if not is_near(trial.reward, follows):
                self.follow[trial.number] = follows
                yield wrong_reward(trial, follows, f"from its {self._rule.metric}")

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
        if not is_measured(source):  # failures count as they do when they are learned from
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
                yield wrong_reward(trial, usual, f"from trial {other.number}, the same outcome")
            else:
                self.pairs.append((other, trial))
                return


def is_measured(trial: Trial) -> bool:
    """Return whether a trial has a reward of its own, to its end or until it was stopped."""
    return trial.status in ("completed", "stopped")


def is_near(one: float | None, other: float | None) -> bool:
    """Return whether two rewards are equal but for rounding."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=1e-300)


def wrong_reward(trial: Trial, follows: float | None, why: str, among: str = "") -> Finding:
    """Return that another reward follows for a trial.

    Args:
      trial: as it is stored.
      follows: the reward; None where it is not known exactly.
      why: from what it follows.
      among: what is known of it else.
    """
    update = trial.updated_version
    place = "not learned from yet" if update is None else f"update {update}"
    expected = among if follows is None else f"{follows!r}"
    return Finding(
        f"trial {trial.number} ({place}): the reward {trial.reward!r} is stored, {expected} "
        f"follows {why}",
        *(trial.number, update, trial.reward, follows),
    )
