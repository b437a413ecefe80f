"""A role's sign of life, and a process's end with the one that has started it.

Roles of a cluster call the first for their supervisor, and child processes too the second.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

HEARTBEAT_VARIABLE = "NAS_WITH_RL_HEARTBEAT"  # the file that is touched
SUPERVISOR_VARIABLE = "NAS_WITH_RL_SUPERVISOR"  # the process that the role may not outlive
BEAT_SECONDS = 1.0
SUPERVISOR_LOOK_SECONDS = 0.25  # between two looks whether the supervisor is there
ORPHANED_STATUS = 1
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


def leave_with_supervisor() -> None:
    """End this process when its supervisor has; nothing without one. Call it first of all."""
    supervisor = int(os.environ.get(SUPERVISOR_VARIABLE) or 0)
    if not supervisor:
        return
    leave_with(supervisor)


def set_death_signal() -> None:
    """Let Linux end this process when the thread that has started it has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)


def leave_with(parent: int) -> None:
    """End this process, also from within a long computation, when its parent has ended.

    On Linux also when the parent's thread that has started it has.
    """
    # The thread below is stopped in a process that is (SIGSTOP), and waits for C code that keeps
    # Python's lock.
    set_death_signal()
    if os.getppid() != parent:
        os._exit(ORPHANED_STATUS)
    threading.Thread(target=_watch, args=(parent,), name="parent watch", daemon=True).start()


def start() -> None:
    """Touch the file of NAS_WITH_RL_HEARTBEAT each second, if one is named.

    Call it after the large imports: on a slow disk one can keep every Python thread from running
    for longer than a beat may be late. Up to the first beat a supervisor has more patience.
    """
    file = os.environ.get(HEARTBEAT_VARIABLE)
    if file:
        threading.Thread(target=_beat, args=(Path(file),), name="heartbeat", daemon=True).start()


def _watch(parent: int) -> None:
    """Leave without a last flush: there may be nobody left to read it."""
    while os.getppid() == parent:
        time.sleep(SUPERVISOR_LOOK_SECONDS)
    os._exit(ORPHANED_STATUS)


def _beat(file: Path) -> None:
    while True:
        with contextlib.suppress(OSError):  # a full disk is no reason to stop beating
            file.touch()
        time.sleep(BEAT_SECONDS)
