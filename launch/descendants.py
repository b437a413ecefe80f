"""Processes that end with this one, whatever ends it, and with them what they have started.

On Linux a process asks to be killed when the thread that has started it ends. So all are started
by one thread, which lives as long as this process: whoever needs one may be a thread that ends.
What they have started themselves is known by a variable of its environment, also where it is in a
session of its own.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from nas_with_rl.launch.remnants import CHILD_VARIABLE, kill_marked, start_guard


class Descendant:
    """A process in a session of its own, out of reach of the terminal's Ctrl-C.

    Attributes:
      pid: its number.
    """

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str], pass_fds: Sequence[int]
    ):
        """Start a process, which is to call `heartbeat.leave_with` first of all."""
        family = _family(os.getpid())
        value = family.next_value()
        self._mark = f"{CHILD_VARIABLE}={value}"
        self._process = family.start(
            functools.partial(
                subprocess.Popen,
                command,
                pass_fds=pass_fds,
                stdin=subprocess.DEVNULL,
                env={**environment, CHILD_VARIABLE: value},
                start_new_session=True,
            )
        )
        self.pid = self._process.pid

    def status(self, *, seconds: float = 0.0) -> int | None:
        """Return the exit status, minus the signal's number if any; None from one that runs on."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def kill(self) -> int:
        """End the process and what it has started; return its exit status."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        kill_marked(self._mark)
        return self._process.wait()


class _Family:
    """What the descendants of a process have in common: a mark, its guard, and who starts them."""

    def __init__(self) -> None:
        self._name, self._numbers = secrets.token_hex(8), itertools.count()
        self._guard = start_guard(mark=f"{CHILD_VARIABLE}={self._name}")
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="starter")

    def next_value(self) -> str:
        """Return the value of the next one's variable."""
        return f"{self._name}/{next(self._numbers)}"

    def start(self, popen: functools.partial[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        """Start a process in the thread that does so."""
        started = self._starter.submit(popen)
        try:
            return started.result()
        except BaseException:  # Ctrl-C: nobody will know of the process
            started.add_done_callback(_end)
            raise


def _end(started: Future[subprocess.Popen[bytes]]) -> None:
    if not started.cancelled() and not started.exception():
        started.result().kill()


@functools.cache
def _family(process: int) -> _Family:
    """Return this process's; after a fork, which has no thread of its parent's, another."""
    return _Family()
