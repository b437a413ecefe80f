"""What a contest says: the best so far, its rank, the top models, and which pairs differ.

Legend: S searchers, R seeds, N children of a search's budget.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from nas_with_rl.launch.comparisons.contest import Contest, Entry
from nas_with_rl.launch.comparisons.paired_tests import ALPHA, holm, signed_rank_p
from nas_with_rl.launch.paper.top_models import TOP, Curve, RunModel, interval, top_averages

RANDOM = "random"
Verdict = Literal["better", "worse", "not told apart"]


@dataclasses.dataclass(frozen=True)
class Known:
    """What the best of a search is ranked among.

    Attributes:
      rewards: by architecture.
      is_all: whether these are all of the space that have one, as in a table.
    """

    rewards: Mapping[str, float]
    is_all: bool
    _ordered: list[float] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ordered", sorted(self.rewards.values()))

    def rank(self, reward: float | None) -> int | None:
        """Return how many architectures are better, and one; None without a reward."""
        if reward is None:
            return None
        return 1 + len(self._ordered) - bisect.bisect_right(self._ordered, reward)

    @property
    def best(self) -> tuple[str, float] | None:
        """The best architecture with its reward; None where every child failed."""
        if not self.rewards:
            return None
        text = max(self.rewards, key=self.rewards.__getitem__)
        return text, self.rewards[text]


@dataclasses.dataclass(frozen=True)
class Standing:
    """One searcher over its seeds.

    Attributes:
      searcher: its name.
      best: `[R, N]` the best reward after so many children; NaN where none has one. A search that
        has asked for fewer keeps its last.
      ranks: of the best at the end, by seed.
      num_trials, num_children: in the mean over the seeds.
      top: by k, how far the mean of its k best lies above random search's, in the mean over the
        seeds, after so many children; empty without random search.
    """

    searcher: str
    best: np.ndarray
    ranks: tuple[int | None, ...]
    num_trials: float
    num_children: float
    top: Mapping[int, Curve]

    def after(self, num_children: int) -> list[float | None]:
        """Return the best after so many children, by seed."""
        found = self.best[:, num_children - 1]
        return [None if math.isnan(value) else float(value) for value in found]

    def mean(self, num_children: int) -> float | None:
        """Return the mean over the seeds that have a reward."""
        values = [value for value in self.after(num_children) if value is not None]
        return statistics.fmean(values) if values else None

    def spread(self, num_children: int) -> float:
        """Return the sample standard deviation over the seeds; 0 for one."""
        values = [value for value in self.after(num_children) if value is not None]
        return statistics.stdev(values) if len(values) > 1 else 0.0

    def standard_error(self, num_children: int) -> float:
        """Return that of the mean; 0 for one seed."""
        number = sum(value is not None for value in self.after(num_children))
        return self.spread(num_children) / math.sqrt(max(number, 1))

    @property
    def num_best(self) -> int:
        """How many seeds have found what nothing known is better than."""
        return self.ranks.count(1)

    @property
    def mean_rank(self) -> float | None:
        """The mean of the ranks that there are."""
        ranks = [rank for rank in self.ranks if rank is not None]
        return statistics.fmean(ranks) if ranks else None


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two searchers on the same seeds.

    Attributes:
      one, other: their names.
      num_children: after which their best are compared.
      means: of both.
      num_better, num_equal: seeds on which the first is better, and on which neither is.
      p: of the signed-rank test.
      corrected: the same for that there are several pairs.
    """

    one: str
    other: str
    num_children: int
    means: tuple[float | None, float | None]
    num_better: int
    num_equal: int
    num_seeds: int
    p: float
    corrected: float

    @property
    def verdict(self) -> Verdict:
        """Of the first against the other."""
        if self.corrected > ALPHA:
            return "not told apart"
        num_worse = self.num_seeds - self.num_equal - self.num_better
        first, second = (-math.inf if mean is None else mean for mean in self.means)
        higher = (first, self.num_better) > (second, num_worse)
        return "better" if higher else "worse"


@dataclasses.dataclass(frozen=True)
class Standings:
    """All that a contest says.

    Attributes:
      contest: what was compared.
      known: what the best are ranked among.
      standings: the searchers in their order.
      budgets: numbers of children at which there are pairs.
      pairs: every two of them, at each budget.
      num_trained: different children that were trained for all.
      num_asked: that would have been without sharing.
    """

    contest: Contest
    known: Known
    standings: tuple[Standing, ...]
    budgets: tuple[int, ...]
    pairs: tuple[Pair, ...]
    num_trained: int
    num_asked: int

    def __str__(self) -> str:
        from nas_with_rl.launch.comparisons.text import describe_standings  # which imports this

        return describe_standings(self)

    def final_pairs(self) -> list[Pair]:
        """Return the pairs after the whole budget."""
        return [pair for pair in self.pairs if pair.num_children == self.budgets[-1]]


def standings_of(
    contest: Contest, entries: Sequence[Entry], known: Known, *, num_trained: int
) -> Standings:
    """Return what the searches of a contest say.

    Args:
      contest: what was compared.
      entries: every search, by searcher and seed.
      known: what the best are ranked among.
      num_trained: different children that were trained.
    """
    number = contest.config.num_children
    by_name = {
        name: [entry for entry in entries if entry.searcher == name] for name in contest.searchers
    }
    found = tuple(
        _standing(name, own, by_name.get(RANDOM), known, number) for name, own in by_name.items()
    )
    budgets = tuple(sorted({max(1, number // 4), max(1, number // 2), number}))
    return Standings(
        contest,
        known,
        found,
        budgets,
        tuple(pair for budget in budgets for pair in _pairs(found, budget)),
        num_trained,
        sum(len(entry.children) for entry in entries),
    )


def _standing(
    name: str, entries: Sequence[Entry], drawn: Sequence[Entry] | None, known: Known, number: int
) -> Standing:
    best = np.array([_best_so_far(entry, number) for entry in entries])
    ends = [None if math.isnan(value) else float(value) for value in best[:, -1]]
    return Standing(
        name,
        best,
        tuple(known.rank(value) for value in ends),
        statistics.fmean(entry.num_trials for entry in entries),
        statistics.fmean(len(entry.children) for entry in entries),
        {} if drawn is None else {k: _top(entries, drawn, k, number) for k in TOP},
    )


def _best_so_far(entry: Entry, number: int) -> list[float]:
    best, values = math.nan, []
    for _, reward in entry.children[:number]:
        if reward is not None and not best >= reward:
            best = reward
        values.append(best)
    return values + [best] * (number - len(values))


def _top(entries: Sequence[Entry], drawn: Sequence[Entry], k: int, number: int) -> Curve:
    """Return by how much the mean of the k best lies above random search's (Figure 6)."""
    step = interval(number)
    counts = range(step, number + 1, step)
    differences: dict[int, list[float]] = {}
    for one, other in zip(entries, drawn, strict=True):
        ours, theirs = (top_averages(_models(entry), counts, k) for entry in (one, other))
        for count in counts:
            if count in ours and count in theirs:
                differences.setdefault(count, []).append(theirs[count] - ours[count])
    whole = {count: each for count, each in differences.items() if len(each) == len(entries)}
    return tuple((count, statistics.fmean(each)) for count, each in whole.items())


def _models(entry: Entry) -> list[RunModel]:
    """Return the children as Figure 6 takes them: the lower the better."""
    return [RunModel(text, None if reward is None else -reward) for text, reward in entry.children]


def _pairs(found: Sequence[Standing], number: int) -> list[Pair]:
    compared = list(itertools.combinations(found, 2))
    values = [
        tuple(
            [-math.inf if value is None else value for value in each.after(number)] for each in pair
        )
        for pair in compared
    ]
    p_values = [signed_rank_p(*pair) for pair in values]
    return [
        Pair(
            one.searcher,
            other.searcher,
            number,
            (one.mean(number), other.mean(number)),
            sum(a > b for a, b in zip(*pair, strict=True)),
            sum(a == b for a, b in zip(*pair, strict=True)),
            len(pair[0]),
            p,
            corrected,
        )
        for (one, other), pair, p, corrected in zip(
            compared, values, p_values, holm(p_values), strict=True
        )
    ]
