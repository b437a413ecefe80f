"""Speed of the engine alone: random search, children that take no time; beside Optuna.

    python benchmarks/engine.py                                        # 1 minute on one core
    python benchmarks/engine.py --beside=CHECKOUT --optuna-python=PYTHON

Trials per second of the processor, by `nas.search` and by Optuna's `RandomSampler`, of a space of 6
choices of 8 options each, so that hardly any architecture is drawn twice. In memory, few and many;
and kept on disk: here in a workdir, as any search that has one, with its trials, curves and report;
in Optuna in SQLite and in a journal file.

Each contestant is a process of one thread, all on one core, in turn in every round; what is
imported is left out, and so is the first round. Medians over the rounds.

The exit status is 1 if a target is missed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import figures

CHOICES, OPTIONS, SEED = 6, tuple(range(8)), 0
OPTUNA, SQLITE, JOURNAL = "Optuna", "Optuna in SQLite", "Optuna in a journal"
IN_MEMORY, MANY, ON_DISK = "in memory", "20,000 in memory", "on disk"
NUM_TRIALS = {IN_MEMORY: 1_000, MANY: 20_000, ON_DISK: 300}
# Who takes part in what, beside this project.
RIVALS = {IN_MEMORY: (OPTUNA,), MANY: (OPTUNA,), ON_DISK: (SQLITE, JOURNAL)}
MOST = 1.0  # of any of their times a trial: ahead of them
Costs = dict[str, dict[str, float]]  # CPU ms a trial, by what is done and by whom
now = time.process_time


class Ours:
    """Random search by the checkout that PYTHONPATH names."""

    def __init__(self) -> None:
        import nas_with_rl as nas

        choices = tuple(nas.Choice(f"choice_{n}", OPTIONS) for n in range(CHOICES))
        self._space, self._search = nas.SearchSpace(choices), nas.search
        search = nas.SearchConfig(searcher="random")
        self._options = nas.SearchOptions(search=search, progress=False)

    def run(self, number: int, folder: Path | None) -> int:
        """Run so many trials, kept in a folder or in memory; return how many there are."""

        def evaluate(architecture: Any) -> float:
            return sum(architecture[f"choice_{place}"] for place in range(CHOICES))

        result = self._search(
            self._space,
            evaluate,
            num_samples=number,
            seed=SEED,
            workdir=folder and folder / "run",
            options=self._options,
        )
        return len(result.trials)


class Optuna:
    """The same in Optuna, as its users write it."""

    def __init__(self, *, journal: bool) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna, self._journal = optuna, journal

    def run(self, number: int, folder: Path | None) -> int:
        """Run so many trials, kept in a folder or in memory; return how many there are."""
        optuna = self._optuna

        def objective(trial: Any) -> float:
            return sum(
                trial.suggest_categorical(f"choice_{place}", OPTIONS) for place in range(CHOICES)
            )

        storage: Any = folder and f"sqlite:///{folder}/study.db"
        if folder and self._journal:
            backend = optuna.storages.journal.JournalFileBackend(f"{folder}/journal.log")
            storage = optuna.storages.JournalStorage(backend)
        sampler = optuna.samplers.RandomSampler(seed=SEED)
        study = optuna.create_study(storage=storage, sampler=sampler, direction="maximize")
        study.optimize(objective, n_trials=number)
        return len(study.trials)


def serve(name: str) -> None:
    """Run the trials that each line read asks for; answer with their CPU seconds."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    runner = Optuna(journal=name == JOURNAL) if name.startswith(OPTUNA) else Ours()
    for line in sys.stdin:
        number, on_disk = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            start = now()
            found = runner.run(number, Path(folder) if on_disk else None)
            seconds = now() - start
        if found != number:
            raise RuntimeError(f"{name}: {found} trials, not {number}")
        print(json.dumps(seconds), file=answers)


class Contestant:
    """A process that runs trials."""

    def __init__(self, name: str, python: str, checkout: Path):
        environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
        command = [python, str(Path(__file__).resolve()), f"--serve={name}"]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def seconds(self, number: int, *, on_disk: bool) -> float:
        """Return the CPU seconds of so many trials.

        Raises:
          SystemExit: the process has ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps([number, on_disk]), file=self._process.stdin, flush=True)
        if not (line := self._process.stdout.readline()):
            raise SystemExit(f"a contestant ended with status {self._process.wait()}")
        return float(json.loads(line))

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def measure(contestants: Mapping[str, Contestant], rounds: int, trials: Mapping[str, int]) -> Costs:
    """Let all take turns; return the median CPU ms a trial. The first round warms up."""
    found: dict[str, dict[str, list[float]]] = {how: {} for how in trials}
    for turn in range(rounds + 1):
        for how, number in trials.items():
            count = number if turn else -(-number // 10)
            for name, contestant in contestants.items():
                if name in (figures.HERE, figures.BESIDE, *RIVALS[how]):
                    seconds = contestant.seconds(count, on_disk=how == ON_DISK)
                    if turn:
                        found[how].setdefault(name, []).append(1e3 * seconds / count)
    return {
        how: {name: statistics.median(each) for name, each in by_name.items()}
        for how, by_name in found.items()
    }


def figures_of(costs: Costs) -> list[figures.Figure]:
    """Return the table for `side_by_side.py`."""
    return [
        figures.Figure(
            f"random trial, {how}",
            "CPU ms",
            by_name,
            {figures.BESIDE: None, **dict.fromkeys(RIVALS[how], MOST)},
        )
        for how, by_name in costs.items()
    ]


def show(found: Sequence[figures.Figure]) -> bool:
    """Print the table; return whether the targets are met."""
    print(f"{'trials per CPU second':32}" + f"{'':22}{'trials/s':>10}  ms a trial  here, of it")
    for figure in found:
        for name, cost in figure.costs.items():
            verdict = {None: "", True: "  met", False: "  MISSED"}[figure.met(name)]
            print(
                f"{figure.name:32}{name:22}{1e3 / cost:10,.0f}{cost:12.3f}"
                f"{figure.ratio(name):13.2f}{verdict}"
            )
    return all(figure.met(name) is not False for figure in found for name in figure.costs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--beside", type=Path, help="another checkout of this project")
    parser.add_argument("--optuna-python", help="a Python that has Optuna")
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count")
    parser.add_argument("--share", type=float, default=1.0, help="of the usual numbers of trials")
    parser.add_argument("--json", help="where the figures are written too")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    wanted = {figures.HERE: (sys.executable, figures.ROOT)}
    if options.beside:
        wanted[figures.BESIDE] = (sys.executable, options.beside.resolve())
    if options.optuna_python:
        rivals = dict.fromkeys(name for names in RIVALS.values() for name in names)
        wanted |= dict.fromkeys(rivals, (options.optuna_python, figures.ROOT))
    contestants = {name: Contestant(name, *where) for name, where in wanted.items()}
    trials = {how: max(1, round(options.share * most)) for how, most in NUM_TRIALS.items()}
    try:
        found = figures_of(measure(contestants, options.rounds, trials))
    finally:
        for contestant in contestants.values():
            contestant.close()
    figures.write(options.json, found)
    return 0 if show(found) else 1


if __name__ == "__main__":
    sys.exit(main())
