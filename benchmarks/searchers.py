"""Which searcher finds most with few children? This project's and Optuna's TPE on known benchmarks.

    python benchmarks/searchers.py --optuna-python=PYTHON --store=FOLDER    # an hour on one core
    python benchmarks/searchers.py nk_36 long --searchers=dream,local_search --seeds=5
    python benchmarks/searchers.py --cost --optuna-python=PYTHON            # CPU a trial, 2 minutes

Each contestant has a budget of *different* children; what it repeats costs it nothing. The
project's searchers are asked for eight at a time, as `nas.search` asks them, or as many as stand
behind an "@" (`local_search@1`); TPE for one. A run ends early once it has found the best of all,
where that is known, or where it only repeats itself, and keeps what it has. Benchmarks are in
`searchers_tasks.py`; those of a default run are NAS-Bench-201's three, 21 skips, 512 base-2 cells,
and NK landscapes of 12 and 20 decisions, and of 12 with plateaus, failures and outliers.

Printed are, by benchmark, the mean over the seeds of the best true value after 25, 50, ... children
(behind it + where `dream` is better by a paired test, - where worse, = where they are not told
apart), with how many seeds the best of all was found, CPU time; then mean ranks, and what is wanted
of `dream`. Seeds are outermost: a run that is killed loses one row, and `--show` prints what is
there so far.

The exit status is 1 if a target is missed; those that what was run says nothing of are not judged.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import searchers_contestants as contestants
import searchers_cost
import searchers_standings as standings
from searchers_contestants import TPE, Run
from searchers_tasks import TASKS

from nas_with_rl.launch.experiments.searchers import check_searcher_name
from nas_with_rl.search_spaces.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
SEARCHERS = ("dream", "reinforce", "evolution", "local_search", "random", TPE)
NUM_SEEDS, BUDGET = 20, 500
RUNS_A_PROCESS = 40  # of which each keeps some 40 MiB where a searcher learns by TensorFlow
# Of each process: one thread, no accelerator, no word of TensorFlow's.
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}
Names = tuple[str, str, int]  # of benchmark and contestant, and the seed


class Store:
    """Runs by their names, each a JSON file in a folder; in memory alone where there is none."""

    def __init__(self, folder: Path | None):
        self._folder, self._kept = folder, dict[Names, Run]()

    def get(self, names: Names, budget: int) -> Run | None:
        """Return a run that was put, and that says all that one with this budget would say."""
        path = self._path(names)
        if names not in self._kept and path is not None and path.exists():
            read = json.loads(path.read_text(encoding="utf-8"))
            improvements = tuple((number, value) for number, value in read.pop("improvements"))
            self._kept[names] = Run(**read, improvements=improvements)
        found = self._kept.get(names)
        return found if found is not None and found.serves(budget) else None

    def put(self, found: Run) -> None:
        """Keep a run; it is there as a whole, or not at all."""
        names = found.task, found.contestant, found.seed
        self._kept[names] = found
        if (path := self._path(names)) is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".new")
            new.write_text(json.dumps(dataclasses.asdict(found)) + "\n", encoding="utf-8")
            new.replace(path)

    def forget(self, names: Names) -> None:
        """Drop a run, if it is there."""
        self._kept.pop(names, None)
        if (path := self._path(names)) is not None:
            path.unlink(missing_ok=True)

    def _path(self, names: Names) -> Path | None:
        task, name, seed = names
        return None if self._folder is None else self._folder / task / name / f"{seed}.json"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is to be run.

    Attributes:
      tasks, contestants: by name.
      num_seeds: from 0.
      budget: children.
      optuna_python: the Python that has Optuna.
      jobs: processes at a time.
    """

    tasks: tuple[str, ...]
    contestants: tuple[str, ...]
    num_seeds: int
    budget: int
    optuna_python: str | None
    jobs: int

    def names(self) -> Iterator[Names]:
        """Yield all runs, seeds outermost."""
        for seed in range(self.num_seeds):
            for task in self.tasks:
                for name in self.contestants:
                    yield task, name, seed


def fill(store: Store, wanted: Wanted) -> None:
    """Let all search whose run is not in the store yet; each is put there as soon as it ends."""
    missing = [names for names in wanted.names() if store.get(names, wanted.budget) is None]
    if not missing:
        return
    settings = wanted.budget, commit(), wanted.optuna_python
    together = RUNS_A_PROCESS * wanted.jobs
    for first in range(0, len(missing), together):
        with processes(wanted.jobs) as pool:
            part = missing[first : first + together]
            under_way = [pool.submit(contestants.run, names, *settings) for names in part]
            try:
                for done, future in enumerate(concurrent.futures.as_completed(under_way), start=1):
                    store.put(found := future.result())
                    print(f"{first + done} of {len(missing)}: {found}", file=sys.stderr, flush=True)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def processes(number: int) -> concurrent.futures.ProcessPoolExecutor:
    """Return so many processes of one thread, on as many cores."""
    cores = sorted(os.sched_getaffinity(0), reverse=True)[:number]
    # `max_tasks_per_child` would replace them, and then waits for ever (CPython's issue 115634).
    context = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(number, context, os.sched_setaffinity, (0, cores))


def commit() -> str:
    """Return which commit of the project this is, "+" behind it where files differ from it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def show(found: standings.Standings) -> bool:
    """Print all that the runs say; return whether no target is missed."""
    for task in found.tasks:
        print("\n".join(standings.task_table(found, task)), end="\n\n")
    print("\n".join(standings.rank_table(found)), end="\n\n")
    if standings.DREAM in found.contestants:
        print("\n".join(standings.test_table(found)), end="\n\n")
    print(f"commits: {', '.join(found.commits())}")
    return conclude(standings.targets(found))


def conclude(wanted: Sequence[standings.Target]) -> bool:
    """Print targets, and a last line that counts them; return whether none is missed."""
    for target in wanted:
        if target.is_met is not None:
            print(f"{'met' if target.is_met else 'MISSED':8}{target.name}: {target.found}")
    print(standings.last_line(wanted), flush=True)
    return all(target.is_met is not False for target in wanted)


def wanted_of(options: argparse.Namespace, parser: argparse.ArgumentParser) -> Wanted:
    """Return what the flags ask for; ends with a line where that cannot be run."""
    default = [name for name, row in TASKS.items() if row.by_default]
    if unknown := [name for name in options.tasks if name not in TASKS]:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(TASKS)}")
    names = options.searchers.split(",") if options.searchers else list(SEARCHERS)
    if not options.searchers and not options.optuna_python and not options.show:
        names.remove(TPE)
    for name in names:
        if name == TPE:
            if not options.optuna_python and not options.show:
                parser.error(f"{TPE} needs --optuna-python=PYTHON")
            continue
        searcher, separator, batch = name.partition("@")
        if separator and not (batch.isdecimal() and int(batch) > 0):
            parser.error(f"{name!r}: behind the @ stands how many are asked for at a time")
        try:
            check_searcher_name(searcher)
        except InputError as error:
            parser.error(str(error))
    again = [name for name in options.again.split(",") if name]
    if unknown := [name for name in again if name not in names]:
        parser.error(f"--again={unknown[0]}: not among --searchers={','.join(names)}")
    numbers = {"seeds": options.seeds, "budget": options.budget, "jobs": options.jobs}
    for flag, number in numbers.items():
        if number < 1:
            parser.error(f"--{flag} is {number}, not at least 1")
    tasks = tuple(dict.fromkeys(options.tasks or default))
    asked = tuple(dict.fromkeys(names))
    return Wanted(tasks, asked, options.seeds, options.budget, options.optuna_python, options.jobs)


def parsed() -> argparse.ArgumentParser:
    """Return the flags."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tasks", nargs="*", metavar="BENCHMARK", help=", ".join(TASKS))
    parser.add_argument("--searchers", help=f"default: {','.join(SEARCHERS)}; also NAME@BATCH_SIZE")
    parser.add_argument("--seeds", type=int, default=NUM_SEEDS, help="of each; from 0")
    parser.add_argument("--budget", type=int, default=BUDGET, help="children of a run")
    parser.add_argument("--store", type=Path, help="folder that keeps runs: the same goes on there")
    parser.add_argument("--again", default="", help="contestants whose runs are forgotten first")
    parser.add_argument("--show", action="store_true", help="print what is stored, run nothing")
    parser.add_argument("--optuna-python", help="a Python that has Optuna")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--cost", action="store_true", help="CPU time of a trial, and that alone")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parsed()
    options = parser.parse_args(arguments)
    wanted = wanted_of(options, parser)
    os.environ.update(ENVIRONMENT)
    if options.cost:
        with processes(1) as pool:
            costs = pool.submit(searchers_cost.measure, wanted.optuna_python).result()
        return 0 if conclude(searchers_cost.show(costs)) else 1
    store = Store(options.store)
    for names in wanted.names():
        if names[1] in options.again.split(","):
            store.forget(names)
    if not options.show:
        fill(store, wanted)
    runs = [found for each in wanted.names() if (found := store.get(each, wanted.budget))]
    names_of = [name for name in wanted.contestants if any(r.contestant == name for r in runs)]
    said = standings.Standings(runs, wanted.tasks, names_of, wanted.budget)
    if not said.seeds:
        print("there is no seed of which all runs are stored", file=sys.stderr)
        return 2
    return 0 if show(said) else 1


if __name__ == "__main__":
    sys.exit(main())
