"""Processes that end with this one, whatever ends it, and with them what they have started.

On Linux a process asks to be killed when the thread that has started it ends. So all are started
by one thread, which lives as long as this process: whoever needs one may be a thread that ends.
What is forked for this process has its first thread for a parent, which lives as long. What they
have started themselves is known by a variable of its environment, also where it is in a session of
its own.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from nas_with_rl.launch.host import forking
from nas_with_rl.launch.host.fork_server import Program
from nas_with_rl.launch.host.forking import ForkedProcess
from nas_with_rl.launch.host.remnants import CHILD_VARIABLE, kill_marked, start_guard

Process = subprocess.Popen[bytes] | ForkedProcess


class Descendant:
    """A process in a session of its own, out of reach of the terminal's Ctrl-C.

    Attributes:
      pid: its number.
    """

    def __init__(
        self,
        program: Program,
        *,
        environment: Mapping[str, str],
        pass_fds: Sequence[int],
        may_be_forked: bool = False,
    ):
        """Start a process, which is to call `heartbeat.leave_with` first of all.

        Args:
          program: that it runs.
          environment: all of it, but for the variable by which it is found.
          pass_fds: descriptors of this process that it is to have too.
          may_be_forked: whether it needs the imports that this process has made, and nothing by
            which they would have differed; it is forked if this process has begun `forking`.
        """
        self._family = _family(os.getpid())
        value = self._family.next_value()
        self._mark = f"{CHILD_VARIABLE}={value}"
        self._process = self._family.started(
            functools.partial(
                _forked if may_be_forked else _started,
                program,
                {**environment, CHILD_VARIABLE: value},
                pass_fds,
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
        self._family.leave(self._process)
        return self._process.wait()


class _Family:
    """What the descendants of a process have in common: a mark, a guard, and who starts them."""

    def __init__(self) -> None:
        self._name, self._numbers = secrets.token_hex(8), itertools.count()
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="starter")
        self._lock = threading.Lock()
        self._living: set[Process] = set()
        self._guard: subprocess.Popen[bytes] | None = None  # while there are any

    def next_value(self) -> str:
        """Return the value of the next one's variable."""
        return f"{self._name}/{next(self._numbers)}"

    def started(self, start: functools.partial[Process]) -> Process:
        """Return a process that the thread which does so has started."""
        with self._lock:
            if self._guard is None:
                self._guard = start_guard(mark=f"{CHILD_VARIABLE}={self._name}")
            future = self._starter.submit(start)
            try:
                process = future.result()
            except BaseException:  # Ctrl-C: nobody will know of the process
                future.add_done_callback(_end)
                raise
            self._living.add(process)
            return process

    def leave(self, process: Process) -> None:
        """Note that a process and what it has started have been killed."""
        with self._lock:
            self._living.discard(process)
            if self._guard and not self._living:
                self._guard.kill()
                self._guard.wait()
                self._guard = None


def _forked(program: Program, environment: Mapping[str, str], pass_fds: Sequence[int]) -> Process:
    """Fork a process, or start it where that cannot be done."""
    server = forking.current()
    if server is not None:
        with contextlib.suppress(OSError), open(os.devnull, "rb") as nothing:
            descriptors = {0: nothing.fileno(), 1: 1, 2: 2, **{each: each for each in pass_fds}}
            return server.start(program, environment, descriptors)
    return _started(program, environment, pass_fds)


def _started(program: Program, environment: Mapping[str, str], pass_fds: Sequence[int]) -> Process:
    return subprocess.Popen(
        program.command,
        pass_fds=pass_fds,
        stdin=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )


def _end(started: Future[Process]) -> None:
    if not started.cancelled() and not started.exception():
        started.result().kill()


@functools.cache
def _family(process: int) -> _Family:
    """Return this process's; after a fork, which has no thread of its parent's, another."""
    return _Family()
