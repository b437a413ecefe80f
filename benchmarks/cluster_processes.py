"""Searches of the cluster's benchmark: real processes, their trials and their time on cores."""

import contextlib
import dataclasses
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from cluster_figures import Span

HERE = Path(__file__).parent
SAMPLE_SECONDS = 0.25  # between two looks at the processes
_TICKS = os.sysconf("SC_CLK_TCK")
_MODULES = {
    "nas_with_rl.launch.evaluators.child_process": "child",
    "nas_with_rl.launch.local_cluster": "supervisor",
    "nas_with_rl.launch.search": "search",
}
ALL = "machine"  # every process, also those of others


@dataclasses.dataclass(frozen=True)
class Ran:
    """A search that has ended.

    Attributes:
      spans: of its children.
      launched: when its process was started (seconds since the epoch).
      cpu: looks at the processes: when, and the seconds on cores so far by kind.
    """

    spans: tuple[Span, ...]
    launched: float
    cpu: tuple[tuple[float, dict[str, float]], ...]

    def cores(self, begun: float, ended: float) -> dict[str, float]:
        """Return by kind of process how many cores were busy between two times."""
        (first, before), (last, after) = self._at(begun), self._at(ended)
        seconds = max(last - first, 1e-9)
        used = {kind: (after[kind] - before.get(kind, 0.0)) / seconds for kind in after}
        used["others"] = max(0.0, used[ALL] - sum(used[kind] for kind in used if kind != ALL))
        return used

    def _at(self, moment: float) -> tuple[float, dict[str, float]]:
        return min(self.cpu, key=lambda look: abs(look[0] - moment))


def run_search(module: str, words: Sequence[str], *, limit_seconds: float = 900) -> Ran:
    """Run a binary of `nas_with_rl.launch` to its end in a workdir that is removed again."""
    with tempfile.TemporaryDirectory(prefix="cluster-benchmark-") as directory:
        workdir = Path(directory) / "run"
        command = [sys.executable, "-m", f"nas_with_rl.launch.{module}", *words]
        command.append(f"--workdir={workdir}")
        paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        launched = time.time()
        with (Path(directory) / "output").open("w+") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
            with _cpu_sampled(process) as cpu:
                status = _waited(process, limit_seconds)
            if status:
                output.seek(0)
                raise RuntimeError(f"{' '.join(command)}: status {status}\n{output.read()}")
        return Ran(_spans(workdir / "trials.sqlite"), launched, tuple(cpu))


def _waited(process: subprocess.Popen, limit_seconds: float) -> int:
    try:
        return process.wait(limit_seconds)
    finally:
        if process.poll() is None:  # it ends its own processes
            process.send_signal(signal.SIGTERM)
            process.wait()


def _spans(path: Path) -> tuple[Span, ...]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT worker, started, ended FROM trials WHERE status = 'completed' "
            "AND reused_from IS NULL ORDER BY ended"
        )
        return tuple(Span(*row) for row in rows)


@contextlib.contextmanager
def _cpu_sampled(process: subprocess.Popen) -> Iterator[list[tuple[float, dict[str, float]]]]:
    looks: list[tuple[float, dict[str, float]]] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(SAMPLE_SECONDS):
            looks.append((time.time(), _cpu_seconds(process.pid)))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield looks
    finally:
        done.set()
        thread.join()


def _cpu_seconds(root: int) -> dict[str, float]:
    """Return the seconds on cores so far of a process and its descendants, by kind."""
    table = {pid: stat for pid in _pids() if (stat := _stat(pid))}
    used: dict[str, float] = defaultdict(float)
    for pid, (_, ticks) in table.items():
        if _descends(pid, root, table):
            used[_kind(pid)] += ticks / _TICKS
    words = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    of_all = [int(word) for word in words]
    used[ALL] = (sum(of_all[:3]) + sum(of_all[5:7])) / _TICKS  # without idle, iowait and stolen
    return dict(used)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> tuple[int, int] | None:
    """Return a process's parent and its ticks on cores."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    words = text.rpartition(")")[2].split()
    return int(words[1]), int(words[11]) + int(words[12])


def _descends(pid: int, root: int, table: dict[int, tuple[int, int]]) -> bool:
    while pid in table and pid != root:
        pid = table[pid][0]
    return pid == root


def _kind(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        if kind := next((_MODULES[word] for word in words if word in _MODULES), None):
            return kind
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return "ended"
    configs = [v.partition(b"=")[2] for v in variables if v.startswith(b"TF_CONFIG=")]
    return json.loads(configs[0])["task"]["type"] if configs else "other"


def resident_mib(pid: int | str = "self") -> float:
    """Return a process's resident memory (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
