"""Processes as `/proc` shows them, and waiting for what they do."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from tests.harness import fork_server

PATIENCE_SECONDS = 60.0  # on a machine that does much else


def state_of(pid: int) -> str | None:
    """Return the letter of a process's state, as R, T or Z; None where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_running(pid: int) -> bool:
    """Return whether a process is there and has not ended."""
    return state_of(pid) not in (None, "Z", "X")


def children_of(parent: int) -> list[int]:
    """Return the processes that another has started and that run, but for fork servers."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, number, *_ = file.read_text().rpartition(")")[2].split()
            if int(number) != parent or state == "Z":
                continue
            if not (file.parent / "cmdline").read_bytes().startswith(fork_server.NAME.encode()):
                found.append(int(file.parent.name))
    return found


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
