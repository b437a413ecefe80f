"""What the runs of `searchers.py` say: tables, ranks, paired tests, and which targets are met.

Legend: S contestants, R seeds.
"""

from __future__ import annotations

import collections
import dataclasses
import statistics
from collections.abc import Iterator, Sequence

import numpy as np
from searchers_contestants import TOLERANCE, TPE, Run
from searchers_tasks import TASKS

from nas_with_rl.launch.comparisons.paired_tests import ALPHA, holm, signed_rank_p

BUDGETS = (25, 50, 100, 200, 500)
DREAM, RANDOM = "dream", "random"
# What is wanted of `DREAM`.
FIRST_TASK = "cifar10"
RIVALS = (RANDOM, "evolution", "local_search", TPE)  # which it is to be at or above there
AT = (50, 100, 200, 500)  # children
WITHIN, SHARE = 200, 0.9  # in which it is to reach the best of all, and of how many seeds
RANKED_AT = (100, 200)
SPREADS = 2.0  # standard errors of the paired difference, beyond which it is below random


@dataclasses.dataclass(frozen=True)
class Target:
    """Something that is wanted.

    Attributes:
      name: in words.
      is_met: None where what it is about was not run.
      found: what was measured.
    """

    name: str
    is_met: bool | None
    found: str = "nothing"


class Standings:
    """All runs of some benchmarks, contestants and seeds.

    Attributes:
      tasks, contestants: by name.
      seeds: those of which every run is there.
      budgets: of `BUDGETS`, those that the runs have; the only one where it is less.
    """

    def __init__(
        self, runs: Sequence[Run], tasks: Sequence[str], contestants: Sequence[str], budget: int
    ):
        """Gather runs of a budget; seeds of which one is missing are left out."""
        self.tasks, self.contestants = tuple(tasks), tuple(contestants)
        self._runs = {(each.task, each.contestant, each.seed): each for each in runs}
        self.seeds = [
            seed
            for seed in sorted({each.seed for each in runs})
            if all((t, c, seed) in self._runs for t in self.tasks for c in self.contestants)
        ]
        self.budgets = tuple(each for each in BUDGETS if each <= budget) or (budget,)

    def of(self, task: str, contestant: str) -> list[Run]:
        """Return the runs by seed."""
        return [self._runs[task, contestant, seed] for seed in self.seeds]

    def commits(self) -> list[str]:
        """Return the project's commits that runs are of, each with how many."""
        counts = collections.Counter(
            each.commit for t in self.tasks for c in self.contestants for each in self.of(t, c)
        )
        return [f"{name} ({number} runs)" for name, number in counts.most_common()]

    def values(self, task: str, contestant: str, budget: int) -> np.ndarray:
        """Return `[R]` the best values after so many children, with what is rounding left out."""
        found = [each.after(budget) for each in self.of(task, contestant)]
        return np.round(np.array(found), 9)

    def mean(self, task: str, contestant: str, budget: int) -> float:
        """Return the mean of the best values; -inf where a seed has none."""
        return float(self.values(task, contestant, budget).mean())

    def num_best(self, task: str, contestant: str, budget: int) -> int | None:
        """Return how many seeds have reached the best of all; None where that is not known."""
        runs = self.of(task, contestant)
        if any(each.best is None for each in runs):
            return None
        return sum(each.has_best(budget) for each in runs)

    def mean_ranks(self, task: str, budget: int) -> tuple[np.ndarray, np.ndarray]:
        """Return `[S]` the ranks of the means, and the means of the ranks with each seed."""
        values = np.array([self.values(task, each, budget) for each in self.contestants])
        by_seed = np.array([ranks(column) for column in values.T])
        return ranks(np.round(values.mean(1), 9)), by_seed.mean(0)

    def verdicts(self, task: str, budget: int) -> dict[str, str]:
        """Return what `DREAM` is beside each other one: "better", "worse" or "not told apart"."""
        if DREAM not in self.contestants:
            return {}
        ours = self.values(task, DREAM, budget)
        others = {c: self.values(task, c, budget) for c in self.contestants if c != DREAM}
        corrected = holm([signed_rank_p(ours.tolist(), each.tolist()) for each in others.values()])
        found = {}
        for (name, theirs), p in zip(others.items(), corrected, strict=True):
            is_higher = (ours.mean(), (ours > theirs).sum()) > (
                theirs.mean(),
                (ours < theirs).sum(),
            )
            found[name] = "not told apart" if p > ALPHA else "better" if is_higher else "worse"
        return found


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks of values, 1 for the highest; equal ones share theirs."""
    higher = (values[None] > values[:, None]).sum(1)
    as_high = (values[None] == values[:, None]).sum(1)
    mean: np.ndarray = higher + (as_high + 1) / 2
    return mean


_SIGNS = {"better": "+", "worse": "-", "not told apart": "=", None: " "}


def task_table(found: Standings, task: str) -> Iterator[str]:
    """Yield the lines of a benchmark."""
    of_all = {each.best for each in found.of(task, found.contestants[0])}
    best = of_all.pop() if len(of_all) == 1 else None  # others hang on the seed
    said = f"; best of all {best:.3f}" if best is not None else ""
    yield f"{task}: {TASKS[task].title}{said}; {len(found.seeds)} seeds"
    heads = "".join(f"{budget:>10} " for budget in found.budgets)
    within = [each for each in found.budgets if each >= WITHIN] or [found.budgets[-1]]
    hits = "".join(f"{f'best in {budget}':>13}" for budget in within)
    yield f"  {'children':16}{heads}{hits}{'children':>10}{'trials':>8}{'CPU ms a trial':>16}"
    verdicts = {budget: found.verdicts(task, budget) for budget in found.budgets}
    for name in found.contestants:
        runs = found.of(task, name)
        cells = "".join(
            f"{found.mean(task, name, budget):10.3f}{_SIGNS[verdicts[budget].get(name)]}"
            for budget in found.budgets
        )
        numbers = [found.num_best(task, name, budget) for budget in within]
        reached = "".join(f"{'' if number is None else number:>13}" for number in numbers)
        children, trials = (
            statistics.fmean(getattr(each, key) for each in runs) for key in ("children", "trials")
        )
        cost = 1e3 * sum(each.cpu_seconds for each in runs) / sum(each.trials for each in runs)
        yield f"  {name:16}{cells}{reached}{children:10.0f}{trials:8.0f}{cost:16.2f}"


def rank_table(found: Standings) -> Iterator[str]:
    """Yield the lines of the mean ranks over all benchmarks."""
    yield f"mean rank over {len(found.tasks)} benchmarks: of the mean, and with each seed"
    yield f"  {'children':16}" + "".join(f"{budget:>14}" for budget in found.budgets)
    by_budget = {budget: overall_ranks(found, budget) for budget in found.budgets}
    for name in found.contestants:
        cells = "".join(
            f"{of_means[name]:8.2f}{by_seed[name]:6.2f}" for of_means, by_seed in by_budget.values()
        )
        yield f"  {name:16}{cells}"


def overall_ranks(found: Standings, budget: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return by contestant, over the benchmarks, the mean rank of its mean, and of each seed."""
    both = [found.mean_ranks(task, budget) for task in found.tasks]
    of_means, by_seed = (np.mean(each, 0) for each in zip(*both, strict=True))
    names = found.contestants
    return dict(zip(names, of_means, strict=True)), dict(zip(names, by_seed, strict=True))


def test_table(found: Standings) -> Iterator[str]:
    """Yield how many benchmarks `DREAM` is better, worse and not told apart in, by budget."""
    yield f"{DREAM} beside each, exact signed-rank test, Holm: benchmarks + better = not - worse"
    yield f"  {'children':16}" + "".join(f"{budget:>14}" for budget in found.budgets)
    for name in found.contestants:
        if name == DREAM:
            continue
        cells = []
        for budget in found.budgets:
            said = [found.verdicts(task, budget)[name] for task in found.tasks]
            counts = (said.count(each) for each in ("better", "not told apart", "worse"))
            cells.append("{}+ {}= {}-".format(*counts))
        yield f"  {name:16}" + "".join(f"{cell:>14}" for cell in cells)


def targets(found: Standings) -> list[Target]:
    """Return what is wanted of `DREAM`, and whether it is so."""
    return [*_first_task_targets(found), *_rank_targets(found), _random_target(found)]


def _can_judge(found: Standings, tasks: Sequence[str], names: Sequence[str], budget: int) -> bool:
    has = {*names} <= {*found.contestants} and {*tasks} <= {*found.tasks}
    return has and bool(found.seeds) and budget in found.budgets


def _first_task_targets(found: Standings) -> Iterator[Target]:
    batched = [name for name in found.contestants if name.partition("@")[0] in RIVALS]
    for rival in dict.fromkeys([*RIVALS, *batched]):
        for budget in AT:
            name = f"{FIRST_TASK}, {budget} children: at or above {rival}"
            if not _can_judge(found, [FIRST_TASK], [DREAM, rival], budget):
                yield Target(name, None)
                continue
            ours, theirs = (found.mean(FIRST_TASK, each, budget) for each in (DREAM, rival))
            yield Target(name, ours >= theirs - TOLERANCE, f"{ours:.3f} and {theirs:.3f}")
    name = f"{FIRST_TASK}: the best of all within {WITHIN} with {SHARE:.0%} of the seeds"
    if not _can_judge(found, [FIRST_TASK], [DREAM], WITHIN):
        yield Target(name, None)
        return
    number, seeds = found.num_best(FIRST_TASK, DREAM, WITHIN) or 0, len(found.seeds)
    yield Target(name, number >= SHARE * seeds - TOLERANCE, f"{number} of {seeds}")


def _rank_targets(found: Standings) -> Iterator[Target]:
    default = [name for name, row in TASKS.items() if row.by_default]
    for budget in RANKED_AT:
        is_judged = _can_judge(found, default, [DREAM, *RIVALS], budget)
        kinds = ("of the mean", "with each seed")
        by_kind = overall_ranks(found, budget) if is_judged else ({}, {})
        for kind, by_name in zip(kinds, by_kind, strict=True):
            name = f"all benchmarks, {budget} children: the best mean rank {kind}"
            if not is_judged:
                yield Target(name, None)
                continue
            others = {each: rank for each, rank in by_name.items() if each != DREAM}
            next_one = min(others, key=lambda each: others[each])
            said = f"{by_name[DREAM]:.2f}, {next_one} {others[next_one]:.2f}"
            yield Target(name, by_name[DREAM] <= others[next_one] + TOLERANCE, said)


def _random_target(found: Standings) -> Target:
    name = f"below {RANDOM} by more than {SPREADS:g} standard errors of the difference"
    judged = [each for each in found.budgets if each in AT]
    if len(found.seeds) < 2 or not {DREAM, RANDOM} <= {*found.contestants} or not judged:
        return Target(name, None)
    below = []
    for task in found.tasks:
        for budget in judged:
            ours, drawn = (found.values(task, each, budget) for each in (DREAM, RANDOM))
            with np.errstate(invalid="ignore"):  # both without a value: no difference
                difference = np.nan_to_num(ours - drawn, posinf=np.inf, neginf=-np.inf)
            error = difference.std(ddof=1) / np.sqrt(len(difference))
            if difference.mean() < -SPREADS * error - TOLERANCE:
                below.append(f"{task} at {budget}")
    return Target(name, not below, ", ".join(below) or "nowhere")


def last_line(wanted: Sequence[Target]) -> str:
    """Return one line that says how many targets are met, missed and not judged."""
    verdicts = [each.is_met for each in wanted]
    met, missed, open_ones = (verdicts.count(each) for each in (True, False, None))
    return f"targets: {met} met, {missed} missed, {open_ones} not judged"
