"""What `make quickstart` takes from nothing: an empty cache, every start, compilation and try.

    python benchmarks/quickstart.py                      # a minute on 2 cores
    python benchmarks/quickstart.py --beside=CHECKOUT    # and another checkout's, in turn
    python benchmarks/quickstart.py --seeds=10           # what its search learns; 10 minutes

Each run is the quickstart's search, seed 0, in a folder of its own, on all cores. Seconds by the
clock and of the processor, of all its processes; medians over the runs. Equal plans have to give
equal trials: architectures, outcomes and rewards are compared.

With --seeds the search alone is run with each seed, then random search until it has trained as many
children: the mean reward of each quarter of the trials, the best of both, and on how many seeds the
last quarter is above the first and the search's best above random search's.

The exit status is 1 if a target is missed, or if trials differ where the plans agree.
"""

import argparse
import dataclasses
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import figures

COMMAND = ("-m", "nas_with_rl.launch.search", "--experiment=quickstart")
QUARTERS = 4
# The most of the time of a checkout whose search began with two starts and three compilations.
MOST_WALL, MOST_CPU = 0.6, 0.7


@dataclasses.dataclass(frozen=True)
class Ran:
    """A search that has ended.

    Attributes:
      wall_seconds, cpu_seconds: of all its processes.
      plan: as it was chosen.
      trials: architecture, status and reward of each.
    """

    wall_seconds: float
    cpu_seconds: float
    plan: str
    trials: tuple[tuple[str, str, float | None], ...]


def run(checkout: Path, words: Sequence[str]) -> Ran:
    """Run a checkout's quickstart from an empty cache to its end.

    Raises:
      RuntimeError: it has failed; its last lines are in the message.
    """
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder, "run")
        environment = os.environ | {
            "PYTHONPATH": str(checkout),
            "NAS_WITH_RL_CACHE_DIR": f"{folder}/cache",
        }
        with open(f"{folder}/log", "w+", encoding="utf-8") as log:
            start = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, *COMMAND, f"--workdir={workdir}", *words],
                env=environment,
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            _, status, used = os.wait4(process.pid, 0)  # its ended children's time too
            wall_seconds = time.perf_counter() - start
            log.seek(0)
            lines = log.read().splitlines()
        if status:
            raise RuntimeError(f"the search of {checkout} failed:\n" + "\n".join(lines[-15:]))
        plan = next((line for line in lines if line.startswith("plan ")), "plan not said")
        with sqlite3.connect(workdir / "trials.sqlite") as store:
            query = "SELECT architecture, status, reward FROM trials ORDER BY number"
            trials = tuple(store.execute(query).fetchall())
        return Ran(wall_seconds, used.ru_utime + used.ru_stime, plan.partition(": ")[0], trials)


def medians(runs: Sequence[Ran]) -> tuple[float, float]:
    """Return the median seconds by the clock and of the processor."""
    wall = statistics.median(ran.wall_seconds for ran in runs)
    return wall, statistics.median(ran.cpu_seconds for ran in runs)


def figures_of(found: Mapping[str, Sequence[Ran]]) -> list[figures.Figure]:
    """Return the table for `side_by_side.py`."""
    kinds = (("s by the clock", MOST_WALL), ("CPU s", MOST_CPU))
    seconds = {who: medians(runs) for who, runs in found.items()}
    return [
        figures.Figure(
            "quickstart from an empty cache",
            unit,
            {who: each[place] for who, each in seconds.items()},
            {figures.BESIDE: most},
        )
        for place, (unit, most) in enumerate(kinds)
    ]


def same_trials(found: Mapping[str, Sequence[Ran]]) -> bool:
    """Print whether runs of one plan have the same trials; return it."""
    by_plan: dict[str, set[tuple]] = {}
    for ran in (ran for runs in found.values() for ran in runs):
        by_plan.setdefault(ran.plan, set()).add(ran.trials)
    for plan, trials in by_plan.items():
        who = [
            f"{name} {sum(r.plan == plan for r in runs)} of {len(runs)}"
            for name, runs in found.items()
        ]
        verdict = "the same trials" if len(trials) == 1 else "TRIALS DIFFER"
        print(f"  {plan}: {', '.join(who)}; {verdict}")
    return all(len(trials) == 1 for trials in by_plan.values())


def show(found: Sequence[figures.Figure]) -> bool:
    """Print the table; return whether the targets are met."""
    for figure in found:
        costs = ", ".join(f"{who} {cost:.1f}" for who, cost in figure.costs.items())
        ratio, met = figure.ratio(figures.BESIDE), figure.met(figures.BESIDE)
        verdict = "" if ratio is None else f"; {ratio:.2f}, {'met' if met else 'MISSED'}"
        print(f"{figure.name}, {figure.unit}: {costs}{verdict}")
    return all(figure.met(figures.BESIDE) is not False for figure in found)


@dataclasses.dataclass(frozen=True)
class Learned:
    """A search and random search with the same seed and as many children.

    Attributes:
      quarters, random_quarters: the mean reward of each quarter of the trials; 0 of a failed one.
      best, random_best: the best reward of each.
      num_children: that both have trained.
    """

    quarters: tuple[float, ...]
    random_quarters: tuple[float, ...]
    best: float
    random_best: float
    num_children: int


def learned(seed: int) -> Learned:
    """Run the quickstart's search, and random search beside it."""
    words = (f"--seed={seed}", "--override=num_compared=0")
    own = run(figures.ROOT, words).trials
    children = len({architecture for architecture, *_ in own})
    drawn = run(
        figures.ROOT,
        (
            *words,
            "--override=search.searcher=random",
            f"--override=search.num_children={children}",
        ),
    ).trials
    best, random_best = (max(reward or 0.0 for *_, reward in each) for each in (own, drawn))
    found = Learned(quarters(own), quarters(drawn), best, random_best, children)
    print(f"  seed {seed}: {_listed(found.quarters)}, best {best:.3f}; random search "
          f"{_listed(found.random_quarters)}, best {random_best:.3f}; {children} children",
          flush=True)  # fmt: skip
    return found


def quarters(trials: Sequence[tuple[str, str, float | None]]) -> tuple[float, ...]:
    """Return the mean reward of each quarter of the trials; what is left over is the last's."""
    rewards, size = [reward or 0.0 for *_, reward in trials], len(trials) // QUARTERS
    ends = [*range(size, size * QUARTERS, size), len(rewards)]
    return tuple(statistics.fmean(rewards[end - size : end]) for end in ends)


def _listed(values: Sequence[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)


def show_learning(found: Sequence[Learned]) -> int:
    """Print the means over the seeds; return 1 unless learning shows on most of them."""
    own, drawn = (
        [statistics.fmean(each) for each in zip(*quarters_of, strict=True)]
        for quarters_of in (
            [each.quarters for each in found],
            [each.random_quarters for each in found],
        )
    )
    rising = sum(each.quarters[-1] > each.quarters[0] for each in found)
    better = sum(each.best > each.random_best for each in found)
    print(
        f"mean reward by quarter of the trials, {len(found)} seeds: {_listed(own)}; random search "
        f"{_listed(drawn)}\nlast quarter above the first on {rising} of {len(found)} seeds; best "
        f"{statistics.fmean(each.best for each in found):.3f} and random search's, of as many "
        f"children, {statistics.fmean(each.random_best for each in found):.3f}: better on {better}"
    )
    return 0 if 2 * rising > len(found) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--beside", type=Path, help="another checkout of this project")
    parser.add_argument("--runs", type=int, default=1, help="of each")
    parser.add_argument("--plan", help="the plan of all, rather than what each chooses")
    parser.add_argument("--num-samples", type=int, help="rather than the quickstart's own")
    parser.add_argument("--json", help="where the figures are written too")
    parser.add_argument("--seeds", type=int, help="what the search learns, with so many seeds")
    options = parser.parse_args()
    if options.seeds:
        return show_learning([learned(seed) for seed in range(options.seeds)])
    words = [f"--plan={options.plan}"] if options.plan else []
    words += [f"--num_samples={options.num_samples}"] if options.num_samples else []
    checkouts = {figures.HERE: figures.ROOT}
    if options.beside:
        checkouts[figures.BESIDE] = options.beside.resolve()
    runs: dict[str, list[Ran]] = {who: [] for who in checkouts}
    for _ in range(options.runs):
        for who, checkout in checkouts.items():
            runs[who].append(run(checkout, words))
            ran = runs[who][-1]
            print(
                f"  {who}: {ran.wall_seconds:.1f} s, {ran.cpu_seconds:.1f} CPU s, {ran.plan}",
                flush=True,
            )
    found, same = figures_of(runs), same_trials(runs)
    figures.write(options.json, found)
    return 0 if show(found) and same else 1


if __name__ == "__main__":
    sys.exit(main())
