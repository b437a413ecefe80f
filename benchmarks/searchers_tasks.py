"""Benchmarks with which searchers are compared: a space, and what each architecture is worth.

`TASKS` has them by name. What is a table has the same values with every seed; what is made is made
anew for each seed, so that no searcher can be good at one of its kind by chance.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

import nas_with_rl as nas
from nas_with_rl.child_models.rewards import accuracy_reward, perplexity_reward
from nas_with_rl.launch.evaluators.kinds.nas_bench_201 import nas_bench_201_accuracies
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace

WIDEST = 2**22  # entries of a table that is made on the way to a sum's maximum
Tokens = tuple[int, ...]
Factor = tuple[Tokens, np.ndarray]  # decisions, and a value for each of their options


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a child is worth.

    Attributes:
      reward: what a searcher is told; None where the child failed.
      value: what it is compared by, more is better; -inf where the child failed.
    """

    reward: float | None
    value: float


FAILED = Outcome(None, -math.inf)


@dataclasses.dataclass(frozen=True)
class Task:
    """A benchmark, with one seed.

    Attributes:
      space: what is searched.
      measure: what an architecture is worth; the same whenever it is asked.
      best: the best value of all; None where it is not known.
    """

    space: nas.SearchSpace
    measure: Callable[[nas.Architecture], Outcome]
    best: float | None = None


def _nas_bench_201(dataset: str, seed: int) -> Task:
    table = nas_bench_201_accuracies(dataset)

    def measure(architecture: nas.Architecture) -> Outcome:
        accuracy = table[architecture.tokens]  # type: ignore[index]
        return Outcome(accuracy_reward([accuracy / 100]), accuracy)

    return Task(NasBench201Space().search_space(), measure, max(table.values()))


def _skips(seed: int) -> Task:
    depth, generator = 7, np.random.default_rng(0)
    wanted = {i: {j for j in range(1, i) if generator.random() < 0.5} for i in range(2, depth + 1)}
    pairs = [(i, j) for i in wanted for j in range(1, i)]

    def measure(architecture: nas.Architecture) -> Outcome:
        rows: Any = architecture["inputs"]
        share = sum((j in rows[i - 1]) == (j in wanted[i]) for i, j in pairs) / len(pairs)
        return Outcome(share, 100 * share)

    space = nas.SearchSpace(layer_decisions=(nas.Skips(),), depth=depth)
    return Task(space, measure, 100.0)


@functools.cache
def base_2_perplexities() -> dict[str, float | None]:
    """Return the validation perplexity of each cell of base 2; None where it failed."""
    path = Path(__file__).with_name("base_2_cells.json")
    found: dict[str, float | None] = json.loads(path.read_text(encoding="utf-8"))["perplexities"]
    return found


def _base_2(seed: int) -> Task:
    table = base_2_perplexities()

    def measure(architecture: nas.Architecture) -> Outcome:
        perplexity = table[str(architecture).replace(" |", "")]
        if perplexity is None:
            return FAILED
        return Outcome(perplexity_reward(perplexity), -perplexity)

    nodes = RecurrentCellSpace(base=2).search_space().decisions[:6]
    best = -min(value for value in table.values() if value is not None)
    return Task(nas.SearchSpace(nodes), measure, best)


def highest_sum(sizes: Sequence[int], factors: Sequence[Factor]) -> float | None:
    """Return the greatest sum of factors over all options of all decisions, exactly.

    One decision after the other is maximised out, that with the smallest table first.

    Args:
      sizes: `[D]` how many options a decision has.
      factors: decisions in ascending order, and a value for each of their options together.

    Returns:
      None where a table would have more than `WIDEST` entries.
    """
    left, factors = set(range(len(sizes))), list(factors)
    while left:
        scopes = {
            one: sorted({one}.union(*(scope for scope, _ in factors if one in scope)))
            for one in left
        }
        numbers = {one: math.prod(sizes[each] for each in scopes[one]) for one in left}
        one = min(left, key=lambda each: (numbers[each], each))
        if numbers[one] > WIDEST:
            return None
        scope = scopes[one]
        total = np.zeros([sizes[each] for each in scope])
        for decisions, table in factors:
            if one in decisions:
                shape = [sizes[each] if each in decisions else 1 for each in scope]
                total += table.reshape(shape)
        kept = tuple(each for each in scope if each != one)
        factors = [factor for factor in factors if one not in factor[0]]
        factors.append((kept, total.max(axis=scope.index(one))))
        left.remove(one)
    return float(sum(table for _, table in factors))


@dataclasses.dataclass(frozen=True)
class Landscape:
    """An NK landscape (Kauffman, 1989): each decision's share hangs on K others too.

    Attributes:
      sizes: `[D]` options of the decisions.
      factors: a share in [0, 1) for each decision.
    """

    sizes: tuple[int, ...]
    factors: tuple[Factor, ...]

    @classmethod
    def drawn(cls, num_decisions: int, generator: np.random.Generator) -> Landscape:
        """Draw one of 3 to 5 options a decision, K = 2."""
        sizes = tuple(generator.integers(3, 6, num_decisions).tolist())
        factors = []
        for one in range(num_decisions):
            others = [each for each in range(num_decisions) if each != one]
            scope = tuple(sorted([one, *generator.choice(others, 2, replace=False).tolist()]))
            factors.append((scope, generator.random([sizes[each] for each in scope])))
        return cls(sizes, tuple(factors))

    @property
    def space(self) -> nas.SearchSpace:
        """A choice for each decision."""
        return _choices(self.sizes)

    def value(self, tokens: Sequence) -> float:
        """Return the mean share."""
        shares = [float(table[tuple(tokens[each] for each in s)]) for s, table in self.factors]
        return sum(shares) / len(self.sizes)

    def best(self, *further: Factor) -> float | None:
        """Return the best value of all, of which -inf in a further factor excludes some."""
        highest = highest_sum(self.sizes, [*self.factors, *further])
        return None if highest is None else highest / len(self.sizes)


def _choices(sizes: Sequence[int]) -> nas.SearchSpace:
    return nas.SearchSpace(
        tuple(nas.Choice(f"decision_{n}", tuple(range(size))) for n, size in enumerate(sizes))
    )


def _nk(num_decisions: int, seed: int) -> Task:
    landscape = Landscape.drawn(num_decisions, np.random.default_rng([seed, num_decisions]))

    def measure(architecture: nas.Architecture) -> Outcome:
        value = landscape.value(architecture.tokens)
        return Outcome(value, value)

    return Task(landscape.space, measure, landscape.best())


def _of_hundred(tokens: Sequence) -> int:
    """Return a number from 0 to 99 that looks like chance."""
    return sum((place + 1) * token * 7919 for place, token in enumerate(tokens)) % 100


def _plateaus(seed: int) -> Task:
    """An NK landscape in steps of 1/16; a corner fails; of 3 in 100 the reward is -1,000,000."""
    landscape = Landscape.drawn(12, np.random.default_rng([seed, 1]))
    corner = np.zeros(landscape.sizes[:2])
    corner[0, 0] = -math.inf

    def measure(architecture: nas.Architecture) -> Outcome:
        tokens = architecture.tokens
        if tokens[:2] == (0, 0):
            return FAILED
        value = round(16 * landscape.value(tokens)) / 16
        return Outcome(-1e6 if _of_hundred(tokens) < 3 else value, value)

    best = landscape.best(((0, 1), corner))
    return Task(landscape.space, measure, None if best is None else round(16 * best) / 16)


def _blocks(seed: int) -> Task:
    """Five pairs of decisions, right or not; 5 in 100 fail, and 3 have a reward of up to 1,000."""
    wanted = np.random.default_rng([seed, 2]).integers(4, size=10).tolist()

    def measure(architecture: nas.Architecture) -> Outcome:
        tokens = architecture.tokens
        chance = _of_hundred(tokens)
        if chance < 5:
            return FAILED
        value = sum(tuple(wanted[i : i + 2]) == tokens[i : i + 2] for i in range(0, 10, 2)) / 5
        return Outcome(1e3 * (chance - 6) if chance < 8 else value, value)

    best = 1.0 if _of_hundred(wanted) >= 5 else 0.8
    return Task(_choices([4] * 10), measure, best)


def _conditional(seed: int) -> Task:
    """Three kinds with four decisions of their own each, and four that all have."""
    generator, kinds = np.random.default_rng([seed, 3]), ("a", "b", "c")
    common = [nas.Choice(f"x{number}", (0, 1, 2, 3)) for number in range(4)]
    own = {
        kind: [
            nas.Choice(f"{kind}{number}", (0, 1, 2, 3), only_if=("kind", (kind,)))
            for number in range(4)
        ]
        for kind in kinds
    }
    decisions = [nas.Choice("kind", kinds), *own["a"], *own["b"], *own["c"], *common]
    worth = {each.name: generator.normal(size=len(each.options)) for each in decisions}
    together = generator.normal(size=(3, 4, 4))

    def measure(architecture: nas.Architecture) -> Outcome:
        alone = [
            float(worth[decision.name][token])
            for decision, token in zip(decisions, architecture.tokens, strict=True)
            if token is not None
        ]
        kind, first, second = architecture.tokens[0], *architecture.tokens[-4:-2]
        value = sum(alone) + float(together[kind, first, second])
        return Outcome(value, value)

    pairs = worth["x0"][:, None] + worth["x1"] + together
    best = max(
        worth["kind"][place]
        + pairs[place].max()
        + sum(worth[each.name].max() for each in own[kind])
        for place, kind in enumerate(kinds)
    ) + sum(worth[each.name].max() for each in common[2:])
    return Task(nas.SearchSpace(tuple(decisions)), measure, float(best))


def _noisy(seed: int) -> Task:
    """An NK landscape of 12 decisions; a child's reward is its value and normal noise of 0.05."""
    task = _nk(12, seed)

    def measure(architecture: nas.Architecture) -> Outcome:
        value = task.measure(architecture).value
        key = zlib.crc32(repr(architecture.tokens).encode())
        noise = float(np.random.default_rng([seed, key]).normal())
        return Outcome(value + 0.05 * noise, value)

    return dataclasses.replace(task, measure=measure)


def _long(seed: int) -> Task:
    """150 decisions of 2 to 5 options, each with a worth, and as many pairs that have one."""
    number, generator = 150, np.random.default_rng([seed, 4])
    sizes = generator.integers(2, 6, number).tolist()
    factors: list[Factor] = [((i,), generator.normal(size=size)) for i, size in enumerate(sizes)]
    for _ in range(number):
        i, j = sorted(generator.choice(number, 2, replace=False).tolist())
        factors.append(((i, j), generator.normal(size=(sizes[i], sizes[j]))))
    scale = math.sqrt(len(factors))  # the values of random ones then have a spread of 1

    def measure(architecture: nas.Architecture) -> Outcome:
        tokens = architecture.tokens
        worth = sum(float(table[tuple(tokens[each] for each in s)]) for s, table in factors)
        return Outcome(worth / scale, worth / scale)

    best = highest_sum(sizes, factors)
    return Task(_choices(sizes), measure, None if best is None else best / scale)


@dataclasses.dataclass(frozen=True)
class TaskRow:
    """A benchmark by its name.

    Attributes:
      make: with a seed.
      title: what its value is.
      by_default: whether it is among those that are compared where none is named.
    """

    make: Callable[[int], Task]
    title: str
    by_default: bool = True


_ACCURACY = "NAS-Bench-201, validation accuracy in % (mean of an architecture's seeds)"
TASKS: Mapping[str, TaskRow] = MappingProxyType(
    {
        "cifar10": TaskRow(functools.partial(_nas_bench_201, "cifar10"), _ACCURACY),
        "cifar100": TaskRow(functools.partial(_nas_bench_201, "cifar100"), _ACCURACY),
        "imagenet16-120": TaskRow(functools.partial(_nas_bench_201, "imagenet16-120"), _ACCURACY),
        "skips": TaskRow(_skips, "21 skip connections, % right"),
        "base_2": TaskRow(_base_2, "512 base-2 cells, minus the validation perplexity"),
        "nk_12": TaskRow(functools.partial(_nk, 12), "NK landscape, 12 decisions, K = 2"),
        "nk_20": TaskRow(functools.partial(_nk, 20), "NK landscape, 20 decisions, K = 2"),
        "plateaus": TaskRow(
            _plateaus, "NK landscape of 12 decisions with plateaus, failures and outliers"
        ),
        "nk_36": TaskRow(functools.partial(_nk, 36), "NK landscape, 36 decisions, K = 2", False),
        "blocks": TaskRow(
            _blocks, "share of 5 pairs that is right, with failures and high outliers", False
        ),
        "conditional": TaskRow(_conditional, "13 decisions that hang on a kind, and 4", False),
        "noisy": TaskRow(_noisy, "NK landscape of 12 decisions, noisy rewards", False),
        "long": TaskRow(_long, "150 decisions with pairs", False),
    }
)
