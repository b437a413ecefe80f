"""What is killed and resumed: at which moment, and with what it has to end all the same."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.launch.records.trial_store import Trial, TrialStore

ROOT = Path(__file__).resolve().parents[2]
NEVER = ("never", 0)
OF_THE_TIME_AND_MACHINE = {"started": None, "ended": None, "worker": None}


def kill_at(
    moment: str, count: int, owners: Mapping[str, tuple[Any, str]]
) -> Callable[[str], None]:
    """Have this process kill itself with SIGKILL the count-th time that it reaches a moment.

    Args:
      moment: `renamed`: a checkpoint written whole and not yet renamed; one of `owners`; or any
        that the program tells of itself.
      count: from 1.
      owners: by moment, the object and the name of its function that reaches it by returning.

    Returns:
      What tells of a moment.
    """
    reached = 0

    def reach(name: str) -> None:
        nonlocal reached
        reached += name == moment
        if name == moment and reached == count:
            os.kill(os.getpid(), signal.SIGKILL)

    for name, (owner, function) in owners.items():
        setattr(
            owner, function, _reaching(getattr(owner, function), functools.partial(reach, name))
        )
    rename = pathlib.Path.rename

    def renaming(self: Path, target: Any) -> Path:
        if "-version-" in self.name:  # a checkpoint's
            reach("renamed")
        return rename(self, target)

    pathlib.Path.rename = renaming
    return reach


def _reaching(function: Callable[..., Any], reach: Callable[[], None]) -> Callable[..., Any]:
    def reaching(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        reach()
        return result

    return reaching


def run_through(
    script: str, workdir: Path, moments: Sequence[tuple[str, int]], *further: str
) -> None:
    """Run a script of this folder for each moment, which kills it, and then to its end.

    Each but the first resumes; the script gets the workdir, the moment, its count and what is
    further given.
    """
    for moment, count in (*moments, NEVER):
        words = (str(ROOT / "tests" / "harness" / script), str(workdir), moment, str(count))
        words = (*words, *further)
        done = subprocess.run(
            [sys.executable, *words],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        expected = 0 if (moment, count) == NEVER else -signal.SIGKILL
        assert done.returncode == expected, done.stderr[-2000:]


def trials_of(workdir: Path, **changes: Any) -> list[Trial]:
    """Return the trials of a run, without what is the time's and the machine's.

    Args:
      workdir: of the run.
      changes: further fields, and what they are to be.
    """
    own = {**OF_THE_TIME_AND_MACHINE, **changes}
    with contextlib.closing(TrialStore(Path(workdir) / "trials.sqlite")) as store:
        return [dataclasses.replace(trial, **own) for trial in store.all()]


def num_finished(workdir: Path) -> int:
    """Return how many trials have an outcome, as another program sees it; 0 before the first."""
    with contextlib.suppress(sqlite3.OperationalError):
        uri = f"file:{workdir / 'trials.sqlite'}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            query = "SELECT COUNT(*) FROM trials WHERE status <> 'running'"
            return int(connection.execute(query).fetchone()[0])
    return 0


def checkpoint_of(workdir: Path) -> dict[str, str]:
    """Return the digests of the newest checkpoint's files, and its version."""
    newest = max((workdir / "checkpoints").glob("version-*"))
    return {"version": newest.name, **json.loads((newest / "manifest.json").read_text())}


def differences(killed: Path, whole: Path) -> list[str]:
    """Return in what two runs differ: their trials, and the controller that they end with."""
    found = []
    trials, expected = trials_of(killed), trials_of(whole)
    for one, other in zip(trials, expected, strict=False):
        if one != other:
            found.append(f"{killed.name}: {one} / {other}")
    if len(trials) != len(expected) or not expected:
        found.append(f"{killed.name}: {len(trials)} / {len(expected)} trials")
    found += [
        f"{killed.name}: {name} differs"
        for name, digest in checkpoint_of(whole).items()
        if checkpoint_of(killed).get(name) != digest
    ]
    return found
