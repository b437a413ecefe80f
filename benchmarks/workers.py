"""What a second worker is worth: `nas.search` with two workers beside one, by the clock.

    python benchmarks/workers.py                  # children of a second, 20 of each kind
    python benchmarks/workers.py --count=40 --seconds=0.1

One kind of child sleeps, the other computes on one core for as long; each search is timed from its
call to its result, the starts of the processes included. The two take turns. On a machine whose
cores others use as well the ratio of the second kind is that of what they leave: beside it stands
how many children were under way on average, which tells how much of two workers was used.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import nas_with_rl as nas

WORK = 100_000  # additions between two looks at the clock


def computed(work: int) -> int:
    """Add some numbers up."""
    total = 0
    for number in range(work):
        total += number
    return total


def work_of(seconds: float) -> int:
    """Return how many additions take that long, by the processor's clock."""
    work, started = 0, time.process_time()
    while time.process_time() - started < seconds:
        computed(WORK)
        work += WORK
    return work


def timed(
    evaluate: Callable[[nas.Architecture], float], *, workers: int, count: int
) -> tuple[float, float]:
    """Return the seconds of a search of so many children, and how many were under way at a time."""
    space = nas.SearchSpace((nas.Choice("number", tuple(range(4))),))
    search = nas.SearchConfig(searcher="random", batch_size=count, duplicates="evaluate")
    options = nas.SearchOptions(search=search, progress=False)
    started = time.monotonic()
    result = nas.search(space, evaluate, num_samples=count, workers=workers, options=options)
    seconds = time.monotonic() - started
    assert all(trial.status == "completed" for trial in result.trials)
    children = sum((trial.ended or 0.0) - (trial.started or 0.0) for trial in result.trials)
    return seconds, children / seconds


def main() -> None:
    """Time both kinds of child, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=20, help="children of a search")
    parser.add_argument("--seconds", type=float, default=1.0, help="that a child takes")
    parser.add_argument("--repeats", type=int, default=3, help="searches of each kind")
    given = parser.parse_args()
    seconds, work = given.seconds, work_of(given.seconds)

    def sleeps(architecture: nas.Architecture) -> float:
        time.sleep(seconds)
        return 1.0

    def computes(architecture: nas.Architecture) -> float:
        return float(computed(work) > 0)

    for name, evaluate in (("sleeps", sleeps), ("computes", computes)):
        pairs = [
            [timed(evaluate, workers=workers, count=given.count) for workers in (1, 2)]
            for _ in range(given.repeats)
        ]
        ratio = statistics.median(one / two for (one, _), (two, _) in pairs)
        one, two = (statistics.median(each[place][0] for each in pairs) for place in (0, 1))
        together = statistics.median(each[1][1] for each in pairs)
        print(
            f"{given.count} children, each {name} for {seconds:g} s: one worker {one:.2f} s, two "
            f"{two:.2f} s: {ratio:.2f} times as fast; with two {together:.2f} under way"
        )


if __name__ == "__main__":
    main()
