"""What a trial costs a searcher, in CPU time; beside Optuna's TPE.

A space of 6 choices of 8 options, as in `engine.py`, and children that take no time. `dream` by
`nas.search` in memory, all that a search does for a trial included, its first compilation too, but
not the imports; TPE alone, without `optimize`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from searchers_contestants import TPE, Optuna
from searchers_standings import DREAM, Target

import nas_with_rl as nas

CHOICES, OPTIONS, SEED = 6, tuple(range(8)), 0
FEW, MANY, LAST = 1_000, 5_000, 200  # trials
MOST_MS, MOST_GROWTH = 20.0, 1.5
Costs = dict[str, dict[int, tuple[float, float]]]


def measure(optuna_python: str | None) -> Costs:
    """Return CPU ms a trial, by contestant and number of trials: of all, and of the last ones."""
    found = {DREAM: _of(_dream_times(MANY), (FEW, MANY))}
    if optuna_python:
        found[TPE] = _of(_tpe_times(optuna_python, FEW), (FEW,))
    return found


def _of(times: Sequence[float], numbers: Sequence[int]) -> dict[int, tuple[float, float]]:
    """Return what so many trials take, of CPU seconds by how many trials were done before."""
    return {
        number: (
            1e3 * (times[number] - times[0]) / number,
            1e3 * (times[number] - times[number - LAST]) / LAST,
        )
        for number in numbers
    }


def _space() -> nas.SearchSpace:
    return nas.SearchSpace(tuple(nas.Choice(f"choice_{n}", OPTIONS) for n in range(CHOICES)))


def _reward(architecture: nas.Architecture) -> float:
    chosen: list[Any] = [architecture[f"choice_{place}"] for place in range(CHOICES)]
    return float(sum(chosen))


def _dream_times(number: int) -> list[float]:
    """Return the CPU seconds at the beginning of each trial, and at the end."""
    times: list[float] = []

    def evaluate(architecture: nas.Architecture) -> float:
        times.append(time.process_time())
        return _reward(architecture)

    def searched(trials: int) -> None:
        search = nas.SearchConfig(searcher=DREAM)
        options = nas.SearchOptions(search=search, progress=False)
        nas.search(_space(), evaluate, num_samples=trials, seed=SEED, options=options)

    searched(8)  # imports TensorFlow
    times.clear()
    start = time.process_time()
    searched(number)
    return [start, *times[1:], time.process_time()]


def _tpe_times(python: str, number: int) -> list[float]:
    contestant = Optuna(python, _space(), SEED)
    times = [0.0]
    for _ in range(number):
        contestant.tell([_reward(*contestant.ask())])
        times.append(contestant.cpu_seconds)
    return times


def show(costs: Costs) -> list[Target]:
    """Print the table; return what is wanted of it."""
    print(f"CPU ms a trial, {CHOICES} choices of {len(OPTIONS)} options")
    print(f"  {'':10}{'trials':>8}{'all':>10}{f'last {LAST}':>10}")
    for name, by_number in costs.items():
        for number, (of_all, of_last) in by_number.items():
            print(f"  {name:10}{number:8,}{of_all:10.2f}{of_last:10.2f}")
    print()
    found = []
    for place, which in enumerate(("of all", f"of the last {LAST}")):
        few, many = costs[DREAM][FEW][place], costs[DREAM][MANY][place]
        name = f"{FEW:,} trials, {which}: at most {MOST_MS:g} ms a trial"
        found.append(Target(name, few <= MOST_MS, f"{few:.2f} ms"))
        name = f"{MANY:,} trials, {which}: at most {MOST_GROWTH:g} times that"
        found.append(Target(name, many <= MOST_GROWTH * few, f"{many / few:.2f} times"))
    return found
