"""A module as a user may have one: cheap searches, in which something goes wrong on demand.

What is to go wrong at which evaluation of a process is told by the environment: `FAULT` is
"KIND NUMBER PLACE", several separated by ";"; see `strike`.
"""

import contextlib
import ctypes
import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nas_with_rl as nas

FAULT_VARIABLE, SECONDS_VARIABLE = "FAULT", "FAULT_SECONDS"
FILLER = "filler"  # takes the room of a full disk
LOCK_SECONDS = 7.0  # longer than SQLite itself waits
SET_BACK_SECONDS = 800 * 24 * 3600.0
# Of an evaluation, so that kills also meet children under way.
EVALUATION_SECONDS = float(os.environ.get(SECONDS_VARIABLE, "0.004"))
_MAY_WRITE_ANYWHERE = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH of Linux
_LOCKER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("ROLLBACK")
"""
_evaluations = 0


def strike():
    """Let the fault happen if this is the evaluation for it.

    `full`: the disk of PLACE is full. `locked`: another program has the store in PLACE for
    LOCK_SECONDS. `read_only`: nothing more can be made in PLACE. `set_back`: the clock is.
    `no_room`: the evaluation's own files cannot be written. `dies`: the process, unless the file
    PLACE is there. Evaluation 0 is this module's import.
    """
    global _evaluations
    for fault in filter(None, os.environ.get(FAULT_VARIABLE, "").split(";")):
        kind, number, place = fault.split(" ", 2)
        if _evaluations == int(number):
            _FAULTS[kind](Path(place))
    _evaluations += 1


def fill(place):
    """Leave no room on a disk."""
    with (place / FILLER).open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"\0" * 4096)


def lock(place):
    """Have the store locked by another program, as a viewer with unsaved changes does."""
    words = [sys.executable, "-c", _LOCKER, place / "trials.sqlite", str(LOCK_SECONDS)]
    locker = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert locker.stdout.readline() == b"locked\n"


def make_read_only(place):
    """Take every permission to write from a run's folders, and from root's right to ignore it."""
    drop_rights()
    for folder in (place, *(path for path in place.rglob("*") if path.is_dir())):
        folder.chmod(0o555)


def drop_rights():
    """Let permissions count for this process also where it is root's."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, sets) == 0
    for number in (0, 1):
        sets[number] &= ~_MAY_WRITE_ANYWHERE
    assert libc.capset(header, sets) == 0


def set_back_clock(place):
    """Let the clock that this process reads jump back."""
    now = time.time
    time.time = lambda: now() - SET_BACK_SECONDS


def die_once(place):
    """End this process, unless another has been here."""
    if not place.exists():
        place.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def write_in_vain(place):
    """Write to a disk without room, as a child its own files."""
    Path("/dev/full").write_text("weights")


_FAULTS = {
    "full": fill,
    "locked": lock,
    "read_only": make_read_only,
    "set_back": set_back_clock,
    "dies": die_once,
    "no_room": write_in_vain,
}


def measure(architecture, seed):
    """Measure by the choices and the seed; some children fail, some diverge."""
    strike()
    time.sleep(EVALUATION_SECONDS)
    rows = architecture["inputs"]
    if sum(map(len, rows)) % 7 == 6:
        raise nas.ChildFailure("crashed", f"{sum(map(len, rows))} connections")
    if seed % 23 == 0:
        return float("nan")
    filters = sum(architecture["filters"])
    metrics = {"filters": filters, "rows": [len(row) for row in rows]}
    return nas.Measurement(filters / 12 + seed % 97 / 1000, metrics, filters)


# In one process, by REINFORCE, at growing depths.
OWN = nas.Experiment(
    name="own",
    space=nas.SearchSpace(
        layer_decisions=[nas.Choice("filters", (1, 2, 3)), nas.Skips("inputs")], depth=3
    ),
    child=nas.OwnEvaluation("fault_toys:measure"),
    search=nas.SearchConfig(
        num_samples=240,
        searcher="reinforce",
        batch_size=4,
        checkpoint_every=4,
        depth=nas.DepthSchedule(initial=3, increment=1, every=80, maximum=5),
    ),
    controller=nas.ReinforceConfig(
        0.01, policy=nas.PolicyConfig(num_layers=1, num_units=8, jit_compile=False)
    ),
)
# In two child processes, each architecture as often as it comes.
CHILDREN = dataclasses.replace(
    OWN,
    name="children",
    search=dataclasses.replace(OWN.search, duplicates="evaluate", batch_size=6),
)
RANDOM = dataclasses.replace(
    OWN,
    name="random",
    search=dataclasses.replace(OWN.search, searcher="random", num_samples=480),
)
KINDS = {"OWN": "here", "CHILDREN": "single@2", "RANDOM": "here"}  # with each kind's plan

strike()
