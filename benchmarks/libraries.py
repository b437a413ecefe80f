"""This project beside Optuna and KerasTuner on the same own function, as their users write it.

    python benchmarks/libraries.py --optuna-python=PYTHON --keras-tuner-python=PYTHON \\
        --markdown=docs/libraries.md                    # 10 minutes of an idle core

Random search of 7 decisions, one of which is conditional, kept on disk, resumed where it lies
there: `libraries_ours.py`, `libraries_optuna.py` and `libraries_keras_tuner.py` are run as they
stand, each by its own Python, all on one core, in turn. Optuna also with a journal file in place of
SQLite, where time is measured.

Measured are the lines of these files (no blank ones, no comments, no docstring); trials per second,
of what a longer search takes beside a shorter one, so that no import counts; the time until the
function is called first; what is there after a `kill -9` within evaluation 40 of 100, and after the
same command was given again; what an exception in evaluation 10 and a NaN from evaluation 20 do,
with what the file says of exceptions and without.

Times are CPU seconds and seconds by the clock, medians; those of the clock hang on the disk and on
what else the machine does. The exit status is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import figures
from libraries_function import FAULTS, LOG

FOLDER = Path(__file__).resolve().parent
OURS, SQLITE, JOURNAL, KERAS_TUNER = "here", "Optuna, SQLite", "Optuna, journal", "KerasTuner"
SHORT, LONG = 20, 320  # trials; what the difference takes is what a trial costs
KILLED_AT, RAISED_AT, NAN_AT, NUM_TRIALS = 40, 10, 20, 100
LEAST_TRIALS, MOST_FIRST = 2.0, 1.2  # times Optuna's
_JOURNAL_CODE = (
    "optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend("
    'f"{folder}/journal.log"))'
)


@dataclasses.dataclass(frozen=True)
class Library:
    """Who takes part.

    Attributes:
      name: of its modules here.
      python: that has it.
      changes: of the text of its file, for this contestant.
      tolerance: what its file says so that an exception does not end the search.
    """

    name: str
    python: str
    changes: tuple[tuple[str, str], ...] = ()
    tolerance: str = ""

    def code(self, *, tolerant: bool = True) -> str:
        """Return what its user has written."""
        text = (FOLDER / f"libraries_{self.name}.py").read_text(encoding="utf-8")
        removed = () if tolerant or not self.tolerance else ((self.tolerance, ""),)
        for before, after in (*self.changes, *removed):
            if text.count(before) != 1:
                raise RuntimeError(f"libraries_{self.name}.py has not once: {before}")
            text = text.replace(before, after)
        return text

    def num_lines(self) -> int:
        """Return how many lines that is, without what only describes it."""
        tree = ast.parse(self.code())
        first = tree.body[0]
        described = range(first.lineno, (first.end_lineno or 0) + 1)
        lines = enumerate(self.code().splitlines(), start=1)
        return sum(
            bool(line.strip()) and not line.strip().startswith("#") and number not in described
            for number, line in lines
        )


@dataclasses.dataclass(frozen=True)
class Ran:
    """What one run of a file came to.

    Attributes:
      status: its exit status, below 0 for a signal.
      cpu_seconds, seconds: of the processor and by the clock, all of it.
      first_cpu, first: the same until the function was called first; NaN where nothing was noted.
      calls: of the function, in this run.
      error: the last line that it has printed of an error.
    """

    status: int
    cpu_seconds: float
    seconds: float
    first_cpu: float
    first: float
    calls: int
    error: str


def run(
    library: Library,
    folder: Path,
    num_trials: int,
    *,
    faults: Mapping[str, str] | None = None,
    tolerant: bool = True,
) -> Ran:
    """Run a library's file in a folder, where it goes on with what lies there.

    Args:
      library: which.
      folder: of the search.
      num_trials: in all.
      faults: as `libraries_function.py` takes them; None notes and breaks nothing.
      tolerant: whether the file says that an exception does not end the search.
    """
    script = folder / "search.py"
    script.write_text(library.code(tolerant=tolerant), encoding="utf-8")
    log, before = folder / "calls.log", 0
    environment = {
        **{name: value for name, value in os.environ.items() if name not in (LOG, FAULTS)},
        "PYTHONPATH": os.pathsep.join((str(figures.ROOT), str(FOLDER))),
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    if faults is not None:
        environment |= {LOG: str(log), FAULTS: json.dumps(faults)}
        before = len(log.read_text().splitlines()) if log.exists() else 0
    used, started = _cpu_of_children(), time.time()
    done = subprocess.run(
        [library.python, str(script), str(folder), str(num_trials)],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds, cpu_seconds = time.time() - started, _cpu_of_children() - used
    lines = log.read_text().splitlines()[before:] if faults is not None and log.exists() else []
    called = json.loads(lines[0]) if lines else None
    return Ran(
        done.returncode,
        cpu_seconds,
        seconds,
        first_cpu=called[1] if called else float("nan"),
        first=called[0] - started if called else float("nan"),
        calls=len(lines),
        error=(done.stdout.strip().splitlines() or [""])[-1] if done.returncode else "",
    )


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def stored(library: Library, folder: Path) -> dict[str, Any]:
    """Return what lies in a search's store, as `libraries_stores.py` says it."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(figures.ROOT), str(FOLDER)))}
    command = [library.python, str(FOLDER / "libraries_stores.py"), library.name, str(folder)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@dataclasses.dataclass(frozen=True)
class Speed:
    """Seconds a trial and to the first one, of the processor and by the clock: medians."""

    trial_cpu: float
    trial: float
    first_cpu: float
    first: float


def speeds(libraries: Mapping[str, Library], rounds: int) -> dict[str, Speed]:
    """Let all take turns; the first round warms up."""
    found: dict[str, list[tuple[float, ...]]] = {title: [] for title in libraries}
    for turn in range(rounds + 1):
        for title, library in libraries.items():
            short, long = (_timed(library, count) for count in (SHORT, LONG if turn else SHORT))
            if turn:
                first = _timed(library, 1, noted=True)
                number = LONG - SHORT
                found[title].append(
                    (
                        (long.cpu_seconds - short.cpu_seconds) / number,
                        (long.seconds - short.seconds) / number,
                        first.first_cpu,
                        first.first,
                    )
                )
    return {
        title: Speed(*(statistics.median(column) for column in zip(*rows, strict=True)))
        for title, rows in found.items()
    }


def _timed(library: Library, num_trials: int, *, noted: bool = False) -> Ran:
    with tempfile.TemporaryDirectory() as folder:
        ran = run(library, Path(folder), num_trials, faults={} if noted else None)
    if ran.status:
        raise RuntimeError(f"{library.name} ended with status {ran.status}: {ran.error}")
    return ran


@dataclasses.dataclass(frozen=True)
class Killed:
    """What a kill -9 within an evaluation has left, and what came of the same command again.

    Attributes:
      kept: trials with an outcome after the kill.
      completed: in the end.
      stale: trials that are under way for ever.
      calls: of the function, in both runs.
      different: architectures among those that were completed.
      same: whether the completed ones are those of a search that was never killed.
    """

    kept: int
    completed: int
    stale: int
    calls: int
    different: int
    same: bool


def killed(library: Library) -> Killed:
    """Kill a search within an evaluation, resume it, and count."""
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as broken:
        run(library, Path(whole), NUM_TRIALS, faults={})
        faults = {str(KILLED_AT): "kill"}
        first = run(library, Path(broken), NUM_TRIALS, faults=faults)
        if first.status != -signal.SIGKILL:
            raise RuntimeError(f"{library.name} was not killed: {first}")
        kept = stored(library, Path(broken))["statuses"].get("completed", 0)
        second = run(library, Path(broken), NUM_TRIALS, faults=faults)
        found, expected = stored(library, Path(broken)), stored(library, Path(whole))
    completed = found["completed"]
    return Killed(
        kept=kept,
        completed=len(completed),
        stale=found["statuses"].get("running", 0),
        calls=first.calls + second.calls,
        different=len({json.dumps(each) for each in completed}),
        same=completed == expected["completed"],
    )


@dataclasses.dataclass(frozen=True)
class Broken:
    """What a bad evaluation has done.

    Attributes:
      status: of the search's process.
      statuses: of the trials in the store, how many.
      message: whether what the exception said is in the store.
      error: the last line of an error.
    """

    status: int
    statuses: Mapping[str, int]
    message: bool
    error: str


def broken(library: Library, fault: str, number: int, *, tolerant: bool = True) -> Broken:
    """Run a search of which one evaluation is bad."""
    with tempfile.TemporaryDirectory() as folder:
        faults = {str(number): fault}
        ran = run(library, Path(folder), NUM_TRIALS, faults=faults, tolerant=tolerant)
        found = stored(library, Path(folder))
    return Broken(ran.status, found["statuses"], found["message"], ran.error)


def rows(libraries: Mapping[str, Library], rounds: int) -> tuple[list[list[str]], bool]:
    """Measure everything; return the table's rows and whether the targets are met."""
    table: list[list[str]] = [["", *libraries]]

    def add(title: str, cells: Mapping[str, str]) -> None:
        table.append([title, *(cells.get(each, "") for each in libraries)])
        print(" | ".join(table[-1]), flush=True)

    add("lines of user code", {t: str(each.num_lines()) for t, each in libraries.items()})
    timed = speeds(libraries, rounds)
    cpu, clock = timed[OURS].trial_cpu, timed[OURS].trial
    add("trials per CPU second", {t: _rate(each.trial_cpu, cpu) for t, each in timed.items()})
    add("trials per second by the clock", {t: _rate(s.trial, clock) for t, s in timed.items()})
    add("CPU seconds to the first trial", {t: f"{s.first_cpu:.2f}" for t, s in timed.items()})
    add("seconds to it by the clock", {t: f"{s.first:.2f}" for t, s in timed.items()})
    others = {title: each for title, each in libraries.items() if title != JOURNAL}
    ends = {title: killed(each) for title, each in others.items()}
    for title, told in (
        (f"`kill -9` within evaluation {KILLED_AT}: trials kept", lambda end: str(end.kept)),
        ("the same command again: evaluations in all", lambda end: str(end.calls)),
        (f"completed of {NUM_TRIALS}; under way for ever", lambda e: f"{e.completed}; {e.stale}"),
        ("different ones among them", lambda end: str(end.different)),
        ("as a search that was never killed", lambda end: "yes" if end.same else "no"),
    ):
        add(title, {library: told(end) for library, end in ends.items()})
    for title, fault, number, tolerant in (
        (f"exception in evaluation {RAISED_AT}, as written", "raise", RAISED_AT, True),
        ("the same, where nothing is said of exceptions", "raise", RAISED_AT, False),
        (f"NaN from evaluation {NAN_AT}", "nan", NAN_AT, True),
    ):
        cells = {t: broken(each, fault, number, tolerant=tolerant) for t, each in others.items()}
        add(title, {t: _told(each, fault) for t, each in cells.items()})
    return table, _targets_met(timed, ends[OURS])


def _rate(seconds: float, ours: float) -> str:
    """Return trials a second, and how many times as many are done here."""
    text = f"{1 / seconds:,.0f}"
    return text if seconds == ours else f"{text} (1/{seconds / ours:.1f})"


def _told(found: Broken, fault: str) -> str:
    statuses = ", ".join(f"{count} {name}" for name, count in found.statuses.items())
    ended = f"ends with status {found.status}; " if found.status else "goes on; "
    kept = f"; the message is {'' if found.message else 'not '}kept" if fault == "raise" else ""
    return f"{ended}{statuses}{kept}"


def _targets_met(timed: Mapping[str, Speed], end: Killed) -> bool:
    ours, met = timed[OURS], end.same and end.completed == NUM_TRIALS and end.stale == 0
    for title in (SQLITE, JOURNAL):
        if title not in timed:
            continue
        trials = timed[title].trial_cpu / ours.trial_cpu
        first = ours.first_cpu / timed[title].first_cpu
        met = met and trials >= LEAST_TRIALS and first <= MOST_FIRST
        print(
            f"beside {title}: {trials:.1f} times its trials (wanted {LEAST_TRIALS:g}), {first:.2f} "
            f"of its CPU seconds to the first (at most {MOST_FIRST:g})"
        )
    return met


def as_markdown(table: Sequence[Sequence[str]]) -> str:
    """Return the table as Markdown."""
    head, *rest = ("| " + " | ".join(row) + " |" for row in table)
    return "\n".join([head, "|" + "---|" * len(table[0]), *rest]) + "\n"


def main() -> int:
    """Print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--optuna-python", help="a Python that has Optuna")
    parser.add_argument("--keras-tuner-python", help="a Python that has KerasTuner")
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count (default: 3)")
    parser.add_argument("--markdown", type=Path, help="a file of which the table is replaced")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    libraries = {OURS: Library("ours", sys.executable, tolerance=', on_error="fail"')}
    if python := given.optuna_python:
        tolerance = ", catch=(Exception,)"
        journal = (('f"sqlite:///{folder}/study.db"', _JOURNAL_CODE),)
        libraries[SQLITE] = Library("optuna", python, tolerance=tolerance)
        libraries[JOURNAL] = Library("optuna", python, journal, tolerance)
    if python := given.keras_tuner_python:
        libraries[KERAS_TUNER] = Library("keras_tuner", python)
    table, met = rows(libraries, given.rounds)
    if given.markdown:
        text = given.markdown.read_text(encoding="utf-8")
        replaced = re.sub(r"(?:^\|.*\n)+", lambda _: as_markdown(table), text, flags=re.MULTILINE)
        given.markdown.write_text(replaced, encoding="utf-8")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
