"""A search on a real cluster whose roles are killed at seeded moments, and its audit:

    python tests/harness/cluster_kills.py --children=300 --num_ps=2 --num_workers=4 --seed=0 \\
        --workdir=/tmp/kills

Each worker is killed twice, one parameter server once, the chief three times (SIGKILL), and one
worker is stopped (SIGSTOP). WORKDIR/run is the search's own workdir, the rest is the audit's.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cluster_toys import EVALUATIONS, FOLDER_VARIABLE, HOLD

from tests.harness.processes import children_of

ROOT = Path(__file__).parents[2]
MODULE = "nas_with_rl.launch.cluster"
KILLS = "kills.json"  # what was done and seen
UP = {"chief": "asynchronous: ", "ps": " serves at ", "worker": " serves at "}  # in their logs
SLACK = 6  # children that may be finished after an event is due; then evaluations are held
POLL_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class Event:
    """A signal to a role once some children are finished and the role is up."""

    role: str
    finished: int
    signal: int = signal.SIGKILL


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is run, and how often each role is killed."""

    folder: Path
    children: int
    num_ps: int
    num_workers: int
    seed: int
    worker_kills: Sequence[int]  # of each worker
    chief_kills: int
    stops: int = 0
    experiment: str = "SMALL"  # of cluster_experiments: so small that architectures come again
    overrides: Sequence[str] = ()
    limit_seconds: float = 900.0


def schedule(settings: Settings) -> list[Event]:
    """Return the seeded events: a worker's second kill comes after every worker's first."""
    chosen = random.Random(settings.seed)
    workers: list[tuple[str, int]] = []
    for number in range(max(settings.worker_kills)):
        turn = [f"worker-{i}" for i, kills in enumerate(settings.worker_kills) if kills > number]
        chosen.shuffle(turn)
        workers += [(role, signal.SIGKILL) for role in turn]
    others = [("chief-0", signal.SIGKILL)] * settings.chief_kills
    others += [(f"ps-{chosen.randrange(settings.num_ps)}", signal.SIGKILL)]
    others += [
        (f"worker-{chosen.randrange(settings.num_workers)}", signal.SIGSTOP)
        for _ in range(settings.stops)
    ]
    for other in others:
        workers.insert(chosen.randint(0, len(workers)), other)
    moments = sorted(chosen.randint(1, int(0.85 * settings.children)) for _ in workers)
    return [Event(role, at, number) for (role, number), at in zip(workers, moments, strict=True)]


class Watched:
    """The search's store as it is seen from outside while it grows.

    Attributes:
      finished: trial -> when it was first seen with an outcome, and its row then.
      learned: trial -> the first update that was seen to have learned from it.
    """

    def __init__(self, path: Path):
        self._path = path
        self.finished: dict[int, tuple[float, dict[str, Any]]] = {}
        self.learned: dict[int, int] = {}

    def look(self) -> None:
        """Note what is new."""
        with contextlib.suppress(sqlite3.OperationalError):  # not there yet
            for row in rows_of(self._path):
                if row["status"] != "running" and row["number"] not in self.finished:
                    self.finished[row["number"]] = (time.time(), row)
                if row["updated_version"] is not None:
                    self.learned.setdefault(row["number"], row["updated_version"])


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a store of trials, by number, without changing anything."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute("SELECT * FROM trials ORDER BY number")
        return [dict(row) for row in found]


class KilledCluster:
    """A local cluster in a process group of its own, and what is done to it."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._run = settings.folder / "run"
        self._watched = Watched(self._run / "trials.sqlite")
        self._hold = settings.folder / HOLD
        self._events = schedule(settings)
        self._done: list[dict[str, Any]] = []
        self._seconds_stopped: dict[int, float] = {}  # by process
        settings.folder.mkdir(parents=True, exist_ok=True)
        (settings.folder / EVALUATIONS).touch()

    def run(self) -> dict[str, Any]:
        """Run the search to its end, with all kills; return what `kills.json` holds."""
        started = time.monotonic()
        with self._started() as process:
            while process.poll() is None:
                if time.monotonic() - started > self._settings.limit_seconds:
                    raise TimeoutError(f"not ended; done so far: {self._done}")
                self._watched.look()
                self._watch_stopped()
                self._act(process.pid)
                time.sleep(POLL_SECONDS)
        found = {
            "status": process.returncode,
            "seconds": time.monotonic() - started,
            "not_done": [dataclasses.asdict(event) for event in self._events],
            "done": self._done,
            "seconds_stopped": list(self._seconds_stopped.values()),
            "left": left_processes(self._settings.folder),
            "finished": self._watched.finished,
            "learned": self._watched.learned,
        }
        (self._settings.folder / KILLS).write_text(json.dumps(found, indent=1))
        return found

    @contextlib.contextmanager
    def _started(self) -> Iterator[subprocess.Popen[bytes]]:
        settings = self._settings
        words = [
            *(sys.executable, "-m", "nas_with_rl.launch.local_cluster"),
            f"--experiment=cluster_experiments:{settings.experiment}",
            "--evaluate=cluster_toys:slow",
            *(f"--workdir={self._run}", f"--num_samples={settings.children}"),
            *(f"--num_ps={settings.num_ps}", f"--num_workers={settings.num_workers}"),
            *(f"--seed={settings.seed}", *(f"--override={word}" for word in settings.overrides)),
        ]
        with (settings.folder / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                words,
                cwd=ROOT,
                env=environment(settings.folder),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()  # its roles leave with it
                    process.wait()

    def _act(self, supervisor: int) -> None:
        """Do the next event if it is due and possible."""
        finished = len(self._watched.finished)
        if not self._events or finished < self._events[0].finished:
            self._hold.unlink(missing_ok=True)
            return
        event = self._events[0]
        if finished >= event.finished + SLACK:
            self._hold.touch()  # a slow machine starts roles too late for a run of so few children
        pid = role_processes(supervisor).get(event.role)
        if pid is None or any(pid == done["pid"] for done in self._done) or not self._is_up(event):
            return
        time.sleep(random.Random(f"{self._settings.seed} {len(self._done)}").uniform(0, 0.4))
        self._watched.look()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, event.signal)
            now = time.time()
            self._done.append(
                {**dataclasses.asdict(event), "pid": pid, "at": finished, "time": now}
            )
            del self._events[0]

    def _is_up(self, event: Event) -> bool:
        log = self._run / "logs" / f"{event.role}.log"
        if not log.exists():
            return False
        since_start = log.read_text(errors="replace").rpartition(f" -m {MODULE} ")[2]
        return UP[event.role.partition("-")[0]] in since_start

    def _watch_stopped(self) -> None:
        for done in self._done:
            pid = done["pid"]
            is_new = done["signal"] == signal.SIGSTOP and pid not in self._seconds_stopped
            if is_new and not Path(f"/proc/{pid}").exists():
                self._seconds_stopped[pid] = time.time() - done["time"]


def environment(folder: Path) -> dict[str, str]:
    """Return that of a cluster of the toy module which notes its evaluations in a folder."""
    path = os.pathsep.join([str(Path(__file__).parent), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, FOLDER_VARIABLE: str(folder)}


def role_processes(supervisor: int) -> dict[str, int]:
    """Return the process of each role that a supervisor has started, by its name."""
    found = {}
    for pid in children_of(supervisor):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            if words[1:3] == ["-m", MODULE]:
                task = json.loads(environment_of(pid)["TF_CONFIG"])["task"]
                found[f"{task['type']}-{task['index']}"] = pid
    return found


def environment_of(pid: int) -> Mapping[str, str]:
    """Return the environment that a process was started with."""
    lines = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def left_processes(folder: Path) -> list[int]:
    """Return the processes of a folder's cluster that are there after its end."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        pid = int(file.parent.name)
        with contextlib.suppress(OSError):
            if environment_of(pid).get(FOLDER_VARIABLE) == str(folder) and pid != os.getpid():
                found.append(pid)
    return found


def main() -> int:
    """Run and audit one search; print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, value in {"children": 300, "num_ps": 2, "num_workers": 4, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--workdir", type=Path, required=True)
    words = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the cluster is ended on the way
    settings = Settings(
        words.workdir.resolve(),
        words.children,
        words.num_ps,
        words.num_workers,
        words.seed,
        worker_kills=[2] * words.num_workers,
        chief_kills=3,
        stops=1,
        experiment="LARGER",
        overrides=(f"search.accumulate_gradients={words.accumulate}",),
    )
    KilledCluster(settings).run()
    from cluster_audit import audit

    report = audit(settings.folder)
    print(report)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
