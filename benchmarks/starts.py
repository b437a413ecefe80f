"""What a start costs: CPU seconds and memory to the first trial, to the end of help, at the end.

    python benchmarks/starts.py --beside=../baseline --optuna=../optuna/bin/optuna
    python benchmarks/starts.py --json=starts.json    # the figures, for `side_by_side.py`

Each start is a process of its own, of one thread on one core. They take turns: this checkout, the
one beside it, Optuna, and again. The CPU seconds are those of the whole process with its children,
resident memory is the largest of one of them, and what stands behind "last line" begins when the
process has printed it. Medians; a ratio is that to the checkout beside, or to `optuna --help`. Of a
child process it is what it takes from the moment that it is wanted until it is ready, all processes
together and without the imports of the program that wants it, and its memory is what it shares with
no other process.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import figures

PR_SET_CHILD_SUBREAPER = 36
ROOT = Path(__file__).resolve().parents[1]
OWN_MODULE = "def evaluate(architecture):\n    return 1.0\n"
SEARCH = ("-m", "nas_with_rl.launch.search")
TABLE = (*SEARCH, "--experiment=nas_bench_201", "--num_samples=1", "--workdir=run")
RANDOM = "--override=search.searcher=random"
IN_PYTHON = """
import nas_with_rl as nas
space = nas.SearchSpace([nas.Choice("units", (16, 32, 64))])
options = nas.SearchOptions(search=nas.SearchConfig(searcher="random"), progress=False)
nas.search(space, lambda a: a["units"] / 64, num_samples=1, workdir="run", options=options)
print("done", flush=True)
"""
# Without an end, which a script has as Python gives it.
IMPORTS = """
import os, nas_with_rl, keras, tensorflow
print("done", flush=True)
os._exit(0)
"""
# A child process for networks that is ready, as a search starts it: first and as a replacement.
CHILD = """
import os, signal, time
from functools import partial
from pathlib import Path
from nas_with_rl.launch.host import backend
try:
    from nas_with_rl.launch.host import forking
    prepare = partial(backend.prepare_controller, imported=forking.begin_on_cores)
except ImportError:  # a checkout that forks nothing
    prepare = backend.prepare_tensorflow
from nas_with_rl.launch.evaluators.child_process import Setup
from nas_with_rl.launch.evaluators.process_pool import ProcessPool

COUNT = 5

def seconds():  # of all processes below this one, with those that have ended
    found = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(file.parent.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    def is_below(pid):
        while pid in found and pid != os.getpid():
            pid = found[pid][0]
        return pid == os.getpid()
    return sum(used for pid, (_, used) in found.items() if is_below(pid)) / os.sysconf("SC_CLK_TCK")

if __name__ == "__main__":
    prepare()
    before, private = seconds(), 0
    with ProcessPool(Setup("math:sqrt"), num_processes=1, group_size=1) as processes:
        for number in range(COUNT):
            processes.call("math:sqrt", [1.0])
            child = processes._slots[0].process.pid
            rows = Path(f"/proc/{child}/smaps_rollup").read_text().splitlines()
            private += sum(int(row.split()[1]) for row in rows if row.startswith("Private_"))
            if number < COUNT - 1:
                os.kill(child, signal.SIGKILL)
                time.sleep(0.5)  # until its last thread has ended
        print("measured", (seconds() - before) / COUNT, private / 1024 / COUNT, flush=True)
"""
CLUSTER = (
    *("-m", "nas_with_rl.launch.local_cluster", "--experiment=nas_bench_201", "--num_samples=8"),
    *("--num_workers=8", "--workdir=run"),
)
STARTS: Mapping[str, tuple[str, ...]] = {
    "search --help": (*SEARCH, "--help"),
    "search --experiment=help": (*SEARCH, "--experiment=help"),
    "search, a wrong name": (*SEARCH, "--experiment=quikstart"),
    "tables --table=2": ("-m", "nas_with_rl.launch.tables", "--table=2"),
    "import keras, tensorflow": ("-c", IMPORTS),
    "nas.search, random, 1 trial": ("-c", IN_PYTHON),
    "search, random, a table": (*TABLE, RANDOM),
    "search, random, own function": (*TABLE, RANDOM, "--evaluate=mine:evaluate"),
    "search, REINFORCE, a table": TABLE,
    "a child process for networks, ready": ("-c", CHILD),
    "a local cluster of 8 workers, 8 trials": CLUSTER,
}
# Those that are held against Optuna's help.
HELP = tuple(STARTS)[:4]
OPTUNA = "Optuna's help"
# The most of the time of Optuna's help; of the CPU and the memory of a checkout that imported
# plotting libraries and the like, in every process; and CPU s and MiB of a search without networks.
MOST_OF_HELP = 1.5
MOST_OF_BESIDE: dict[str, tuple[float, float | None]] = {
    "import keras, tensorflow": (0.7, None),
    "a child process for networks, ready": (0.1, 0.5),
    "a local cluster of 8 workers, 8 trials": (0.35, None),
}
MOST = dict.fromkeys(list(STARTS)[5:8], (0.7, 110.0))
MOST_ENDING = 0.1  # seconds


@dataclasses.dataclass(frozen=True)
class Start:
    """What one start has cost.

    Attributes:
      seconds: of CPU, to the end.
      mib: resident, the most of one process.
      ending: seconds by the clock from the last line to the end.
    """

    seconds: float
    mib: float
    ending: float


def started(command: Sequence[str], checkout: Path | None) -> Start:
    """Start a program in a folder of its own, wait for its end and return what it has cost.

    Raises:
      RuntimeError: it has printed nothing.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mine.py").write_text(OWN_MODULE)
        if checkout is not None:
            environment["PYTHONPATH"] = os.pathsep.join((str(checkout), folder))
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
        )
        assert process.stdout is not None
        last, text = time.perf_counter(), b""
        while part := os.read(process.stdout.fileno(), 2**16):
            last, text = time.perf_counter(), text + part
        used = [os.wait4(process.pid, 0)[2]]
        ended = time.perf_counter()
        process.stdout.close()
        with contextlib.suppress(ChildProcessError):  # those that it has left to this one
            while True:
                used.append(os.wait4(-1, 0)[2])
    if not text.strip():
        raise RuntimeError(f"{' '.join(command)} has printed nothing")
    words = text.decode(errors="replace").split()
    if words[0] == "measured":
        return Start(float(words[1]), float(words[2]), ended - last)
    seconds = sum(each.ru_utime + each.ru_stime for each in used)
    return Start(seconds, max(each.ru_maxrss for each in used) / 1024, ended - last)


def medians(starts: Sequence[Start]) -> Start:
    """Return the median of each figure."""
    values = zip(*(dataclasses.astuple(start) for start in starts), strict=True)
    return Start(*(statistics.median(column) for column in values))


def measured(
    command: Sequence[str], checkouts: Sequence[Path], optuna: str | None, count: int
) -> list[Start]:
    """Return the medians in each checkout, then Optuna's, all taken in turns."""
    found: list[list[Start]] = [[] for _ in range(len(checkouts) + (optuna is not None))]
    for _ in range(count):
        for place, checkout in enumerate(checkouts):
            found[place].append(started([sys.executable, *command], checkout))
        if optuna is not None:
            found[-1].append(started([optuna, "--help"], None))
    return [medians(starts) for starts in found]


def row(name: str, found: Sequence[Start], *, beside: bool, optuna: bool) -> str:
    """Return a line of the table."""
    here = found[0]
    cells = [f"{here.seconds:.2f}", f"{here.mib:.0f}", f"{here.ending:.2f}"]
    if beside:
        there = found[1]
        cells += [f"{there.seconds:.2f}", f"{there.mib:.0f}", f"{there.ending:.2f}"]
        cells += [f"{here.seconds / there.seconds:.2f}", f"{here.mib / there.mib:.2f}"]
    if optuna:
        cells += [f"{found[-1].seconds:.2f}", f"{here.seconds / found[-1].seconds:.2f}"]
    return "| " + " | ".join((name, *cells)) + " |"


def figures_of(
    name: str, found: Sequence[Start], *, beside: bool, optuna: bool
) -> list[figures.Figure]:
    """Return a start's CPU seconds for `side_by_side.py`, and its memory where some is wanted."""
    own = [figures.HERE, *([figures.BESIDE] if beside else [])]
    starts = dict(zip([*own, *([OPTUNA] if optuna else [])], found, strict=True))
    most_seconds, most_mib = MOST.get(name, (None, None))
    seconds_of_beside, mib_of_beside = MOST_OF_BESIDE.get(name, (None, None))
    of_seconds = {figures.HERE: most_seconds, figures.BESIDE: seconds_of_beside}
    if name in HELP:
        of_seconds[OPTUNA] = MOST_OF_HELP
    seconds = {who: start.seconds for who, start in starts.items()}
    mib = {who: starts[who].mib for who in own}
    of_mib = {figures.HERE: most_mib, figures.BESIDE: mib_of_beside}
    of_memory = (
        [figures.Figure(name, "MiB", mib, of_mib)] if name in (*MOST, *MOST_OF_BESIDE) else []
    )
    return [figures.Figure(name, "CPU s", seconds, of_seconds), *of_memory]


def longest_ending(all_found: Sequence[Sequence[Start]], *, beside: bool) -> figures.Figure:
    """Return the longest time from a last line to the end, of what `measured` returned."""
    own = [figures.HERE, *([figures.BESIDE] if beside else [])]
    seconds = {
        who: max(found[place].ending for found in all_found) for place, who in enumerate(own)
    }
    targets = {figures.HERE: MOST_ENDING, figures.BESIDE: None}
    return figures.Figure("last line to the end, the longest of these", "s", seconds, targets)


def header(*, beside: bool) -> str:
    """Return the first two lines of the table."""
    columns = ["start", "CPU s", "MiB", "last line to end, s"]
    if beside:
        columns += ["beside: CPU s", "MiB", "last line to end, s", "ratio of CPU", "of MiB"]
    columns += ["optuna --help: CPU s", "ratio"]
    return "\n".join(("| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--beside", type=Path, help="another checkout of this project")
    parser.add_argument("--optuna", help="the program `optuna` of an environment that has it")
    parser.add_argument("--count", type=int, default=5, help="starts of each (default: 5)")
    parser.add_argument("--json", help="where the figures are written too")
    parser.add_argument("--only", default="", help="only starts whose names contain this")
    given = parser.parse_args()
    checkouts = [ROOT, *([given.beside.resolve()] if given.beside else [])]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if sys.platform == "linux":  # whoever has lost its parent is this one's, which counts it too
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    beside = given.beside is not None
    all_figures: list[figures.Figure] = []
    all_found: list[list[Start]] = []
    print(header(beside=beside), flush=True)
    for name, command in STARTS.items():
        if given.only not in name:
            continue
        optuna = given.optuna if name in HELP else None
        started([sys.executable, *command], ROOT)  # whose files are then in memory, and compiled
        found = measured(command, checkouts, optuna, given.count)
        of_optuna = optuna is not None
        print(row(name, found, beside=beside, optuna=of_optuna), flush=True)
        all_figures += figures_of(name, found, beside=beside, optuna=of_optuna)
        all_found.append(found)
    if all_found:
        all_figures.append(longest_ending(all_found, beside=beside))
    figures.write(given.json, all_figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
