"""Searches that are killed at random moments until there were enough kills:

    python tests/faults/random_kills.py --kills=50 --seed=0 --folder=/tmp/kills

Of each kind in `fault_toys` a search runs to its end; the same one is killed (SIGKILL) at seeded
moments, itself or one of its child processes, and resumed until it ends. Both have to end with the
same trials, times and machine names aside, and with checkpoints of the same bytes. The searches
are forked from this process, which has imported TensorFlow and computed nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

from fault_toys import KINDS

from nas_with_rl.launch import command_line
from nas_with_rl.launch.trials import Trial, TrialStore

MOST_SECONDS = 1.5  # after its start-up, until which a search is killed
PATIENCE_SECONDS = 120.0
OWN_FACTS = {"started": None, "ended": None, "worker": None}  # of the time and the machine


@dataclasses.dataclass
class Report:
    """What was done and found.

    Attributes:
      kills: of searches, by kind; child_kills: of their child processes.
      searches: how many were killed and resumed to their end, by kind.
      differences: what a killed search has otherwise than one never killed.
    """

    kills: dict[str, int] = dataclasses.field(default_factory=dict)
    child_kills: int = 0
    searches: dict[str, int] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    differences: list[str] = dataclasses.field(default_factory=list)

    @property
    def num_kills(self) -> int:
        """Kills of all kinds."""
        return sum(self.kills.values()) + self.child_kills


def run_kills(folder: Path, *, kills: int, seed: int) -> Report:
    """Kill and resume one search of each kind after the other until there were enough kills."""
    report, chosen, began = Report(), random.Random(seed), time.monotonic()
    share = max(kills // 6, 2)  # two searches of each kind
    for number, kind in enumerate(itertools.cycle(KINDS)):
        if report.num_kills >= kills and number >= len(KINDS):
            break
        killed, whole = (folder / f"{number}-{kind}-{how}" for how in ("killed", "whole"))
        process = Forked(kind, whole, number)
        startup = process.seconds_until_first_trial()
        assert process.wait() == 0, process.output()
        killed_often(Forked(kind, killed, number), report, chosen, startup=startup, most=share)
        report.searches[kind] = report.searches.get(kind, 0) + 1
        report.differences += differences(killed, whole)
    report.seconds = time.monotonic() - began
    return report


def killed_often(
    process: Forked, report: Report, chosen: random.Random, *, startup: float, most: int
) -> None:
    """Kill a search and resume it until it ends, at most so often."""
    for number in itertools.count():
        if number < most:
            is_early = chosen.random() < 0.25  # else it searches
            within = (0.0, startup) if is_early else (startup, startup + MOST_SECONDS)
            time.sleep(chosen.uniform(*within))
            if chosen.random() < 0.5 and process.kill_a_child(chosen):
                report.child_kills += 1
                time.sleep(chosen.uniform(0.0, MOST_SECONDS / 2))
            process.kill()
        status = process.wait()
        if status != -signal.SIGKILL:
            if status:
                report.differences.append(f"status {status}: {process.output()}")
            return
        report.kills[process.kind] = report.kills.get(process.kind, 0) + 1
        process = Forked(process.kind, process.workdir, process.seed)


class Forked:
    """A search, started or resumed where it has begun, in a process forked from this one."""

    def __init__(self, kind: str, workdir: Path, seed: int):
        self.kind, self.workdir, self.seed = kind, workdir, seed
        self._status: int | None = None
        self._started = time.time()
        self._pid = os.fork()
        if not self._pid:
            os._exit(self._run())

    def _run(self) -> int:
        output = os.open(self._output(), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        from nas_with_rl.launch.experiment_runs import Request, run_experiment

        request = Request(workdir=str(self.workdir), resume=True)
        if not (self.workdir / "experiment.json").exists():
            request = Request(
                f"fault_toys:{self.kind}", str(self.workdir), seed=self.seed, plan=KINDS[self.kind]
            )
        try:
            return command_line.status_of(lambda: int(run_experiment(request)))
        except BaseException:
            traceback.print_exc()
            return 1

    def poll(self) -> int | None:
        """Return the exit status, minus the signal's number if any; None from one that runs."""
        if self._status is None:
            found, status = os.waitpid(self._pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if found else None
        return self._status

    def wait(self) -> int:
        """Wait for the exit status."""
        end = time.monotonic() + PATIENCE_SECONDS
        while (status := self.poll()) is None:
            if time.monotonic() > end:
                self.kill()
                raise TimeoutError(f"{self.workdir} has not ended: {self.output()}")
            time.sleep(0.005)
        return status

    def kill(self) -> None:
        """End the process, if it has not ended."""
        if self.poll() is None:
            os.kill(self._pid, signal.SIGKILL)

    def kill_a_child(self, chosen: random.Random) -> bool:
        """End a process that this one has started, if it searches; return whether there was one."""
        children = children_of(self._pid) if self.poll() is None and self.is_searching() else []
        with contextlib.suppress(ProcessLookupError):
            if children:
                os.kill(chosen.choice(children), signal.SIGKILL)
                return True
        return False

    def seconds_until_first_trial(self) -> float:
        """Return how long the search takes to begin."""
        began = time.monotonic()
        while self.poll() is None and not self.is_searching():
            time.sleep(0.01)
        return time.monotonic() - began

    def is_searching(self) -> bool:
        """Return whether this process has written to its store of trials."""
        with contextlib.suppress(FileNotFoundError):
            return (self.workdir / "trials.sqlite-wal").stat().st_mtime >= self._started
        return False

    def _output(self) -> str:
        return f"{self.workdir}.txt"

    def output(self) -> str:
        """Return the end of what was printed."""
        return Path(self._output()).read_text()[-2000:]


def children_of(parent: int) -> list[int]:
    """Return the processes that another has started."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(file.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(file.parent.name))
    return found


def differences(killed: Path, whole: Path) -> list[str]:
    """Return in what two runs differ."""
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


def trials_of(workdir: Path) -> list[Trial]:
    """Return the trials, without what is the time's and the machine's."""
    with contextlib.closing(TrialStore(workdir / "trials.sqlite")) as store:
        return [dataclasses.replace(trial, **OWN_FACTS) for trial in store.all()]


def checkpoint_of(workdir: Path) -> dict[str, str]:
    """Return the digests of the newest checkpoint's files, and its version."""
    newest = max((workdir / "checkpoints").glob("version-*"))
    return {"version": newest.name, **json.loads((newest / "manifest.json").read_text())}


def main() -> int:
    """Kill, compare and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True)
    words = parser.parse_args()
    words.folder.mkdir(parents=True, exist_ok=True)
    command_line.prepare_tensorflow()
    import nas_with_rl.launch.experiment_runs  # noqa: F401  before the forks, once

    report = run_kills(words.folder.resolve(), kills=words.kills, seed=words.seed)
    print(json.dumps(dataclasses.asdict(report)))
    return 1 if report.differences else 0


if __name__ == "__main__":
    sys.exit(main())
