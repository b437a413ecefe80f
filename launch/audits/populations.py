"""Which reward of a population explains proposals of evolution that do not follow.

A changed reward changes which parents are chosen, for as long as its trial is in the population,
and leaves no other trace once it has left it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from nas_with_rl.controller.evolution import POPULATION
from nas_with_rl.launch.audits.findings import Finding, ranges
from nas_with_rl.launch.audits.replay import InPlace, Replay, Replayed
from nas_with_rl.launch.audits.rewards import wrong_reward
from nas_with_rl.launch.records.trial_store import Trial


@dataclasses.dataclass(frozen=True)
class Explained:
    """A trial with whose reward elsewhere among those of its population all proposals follow.

    Attributes:
      trial: as it is stored.
      low, high: the rewards between which its own is; None without a bound.
      reward: one such reward.
    """

    trial: Trial
    low: float | None
    high: float | None
    reward: float

    def finding(self, others: Sequence[int]) -> Finding:
        """Return it in words.

        Args:
          others: the numbers of trials that would explain the same.
        """
        bounds = [f"above {self.low:.9g}"] if self.low is not None else []
        bounds += [f"below {self.high:.9g}"] if self.high is not None else []
        why = "from which parents were chosen in its population"
        if others:
            why += f" (or another reward of trial {ranges(others)})"
        return wrong_reward(self.trial, None, why, " and ".join(bounds) or "another")


def rewards_behind(replay: Replay, replayed: Replayed) -> list[Explained]:
    """Return the trials of which one changed reward explains evolution's proposals."""
    versions = [version for version, found in sorted(replayed.mismatches.items()) if found]
    if replay.recorded.searcher != "evolution" or not versions:
        return []
    first, last = versions[0], versions[-1]
    told = [
        trial
        for update in sorted(replay.batches)
        for trial in sorted(
            (trial for batch in replay.batches[update] for trial in batch.trials),
            key=lambda trial: trial.number,
        )
    ]
    lengths = [
        sum(len(batch.trials) for batch in replay.batches[u]) for u in sorted(replay.batches)
    ]
    # In the population at the first of them and at the last.
    candidates = range(max(sum(lengths[:last]) - POPULATION, 0), sum(lengths[:first]))
    found = (_explained(replay, told, place) for place in candidates)
    return [explained for explained in found if explained is not None]


def _explained(replay: Replay, told: Sequence[Trial], place: int) -> Explained | None:
    """Return between which rewards that of a trial explains all, while it is in the population."""
    trial = told[place]
    around = told[max(place - POPULATION, 0) : place + POPULATION]
    rewards = [t.reward for t in around if t is not trial and t.reward is not None]
    fitting = []
    for low, high in _gaps(rewards, trial):
        reward = _between(low, high)
        if _follows(replay, InPlace({trial.number: reward}), place):
            fitting.append((low, high, reward))
    if not fitting:
        return None
    return Explained(trial, fitting[0][0], fitting[-1][1], fitting[len(fitting) // 2][2])


def _follows(replay: Replay, instead: InPlace, place: int) -> bool:
    """Return whether all proposals follow while a trial is in the population.

    Args:
      replay: of a search by evolution.
      instead: told in place of what is stored.
      place: of the trial among all that were told.
    """
    searcher, found, passed = replay.new_searcher(), Replayed(), 0
    for version in range(len(replay.batches) + 1):
        if passed > place + POPULATION:
            return True
        if passed > place:
            for batch in replay.asked.get(version, ()):
                replay.compare_batch(searcher, batch, found)
            if any(found.mismatches.values()):
                return False
        if version + 1 in replay.batches:
            passed += sum(len(batch.trials) for batch in replay.batches[version + 1])
            if passed > place - POPULATION:  # else it has left the population by then
                replay.tell(searcher, version + 1, instead)
    return True


def _gaps(rewards: Sequence[float], trial: Trial) -> Iterator[tuple[float | None, float | None]]:
    """Yield between which rewards another may lie, but for where the trial's own is."""
    ordered = sorted(set(rewards))
    bounds = [None, *ordered, None]
    for low, high in itertools.pairwise(bounds):
        own = trial.reward or 0.0
        is_own = (low is None or own > low) and (high is None or own < high)
        if not is_own and (low is not None or high is not None):
            yield low, high


def _between(low: float | None, high: float | None) -> float:
    """Return a number between two bounds, or beyond the one that there is."""
    if low is not None and high is not None:
        return (low + high) / 2
    if low is not None:
        return low + (abs(low) or 1.0)
    assert high is not None
    return high - (abs(high) or 1.0)
