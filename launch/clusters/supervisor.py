"""Processes that are kept running: a role that dies or hangs is started again.

    python -m nas_with_rl.launch.cluster --supervise ...    one role
    python -m nas_with_rl.launch.local_cluster ...          all roles of a cluster

What a role's exit status means: 2, a user's error, ends everything, and so do the chief's 0 (the
search has ended), 130 (it was interrupted), 1 (an error of the program, which would come again)
and 74 (an error of the machine, as a full disk, which has to be mended). Whatever else is a death,
after which the role is started again, the chief with --resume; one that dies over and over as soon
as it has started ends everything too.
"""

from __future__ import annotations

import dataclasses
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.launch.clusters.role_process import RoleProcess, SupervisedRole
from nas_with_rl.launch.host.forking import ForkServer
from nas_with_rl.launch.host.heartbeat import HEARTBEAT_VARIABLE
from nas_with_rl.launch.host.interruption import INTERRUPTED_STATUS, USAGE_STATUS
from nas_with_rl.launch.host.remnants import PrivateFolder
from nas_with_rl.launch.host.terminal import warn
from nas_with_rl.launch.records.storage_errors import STORAGE_STATUS

GIVEN_UP_STATUS = 1
ERROR_STATUS = 1  # Python's own, of an exception
NUM_LINES = 10  # of the log of a role that is given up
POLL_SECONDS = 0.05
_FINAL = (0, ERROR_STATUS, STORAGE_STATUS, INTERRUPTED_STATUS)  # of the chief
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclasses.dataclass(frozen=True)
class Patience:
    """How long a supervisor waits for what.

    Attributes:
      beat_seconds: for the next beat of a role.
      first_beat_seconds: for the first one, which comes after the imports.
      quick_seconds: a role that dies sooner after its start has died quickly.
      num_quick_deaths: so many in a row, and the role is given up.
      pause_seconds: before the start after the second quick death; doubled after each further one.
      interrupted_seconds: for the chief to store everything after Ctrl-C.
      end_seconds: for a role to end after SIGTERM.
    """

    beat_seconds: float = 15.0
    first_beat_seconds: float = 120.0
    quick_seconds: float = 30.0
    num_quick_deaths: int = 8
    pause_seconds: float = 1.0
    interrupted_seconds: float = 20.0
    end_seconds: float = 2.0


def supervise_self(name: str, *, module: str, is_chief: bool) -> int:
    """Keep a role running whose command line is this process's own, less its --supervise.

    Args:
      name: of the role, as in worker-1.
      module: the binary.
      is_chief: whether everything ends with the role.

    Returns:
      The exit status.
    """
    command = (sys.executable, "-m", module, *sys.argv[1:], "--nosupervise")
    with Supervisor((SupervisedRole(name, command, is_chief=is_chief),)) as supervisor:
        return supervisor.run()


class Supervisor:
    """Keeps roles running, and leaves no process behind however it ends.

    It has to live in the main thread. Should it be killed, its roles leave by themselves, if they
    call `heartbeat.leave_with_supervisor`, and a guard ends what they have started.
    """

    def __init__(
        self,
        roles: Sequence[SupervisedRole],
        patience: Patience = Patience(),
        *,
        server: ForkServer | None = None,
    ):
        """Start nothing yet.

        Args:
          roles: that are to run.
          patience: how long it waits for what.
          server: that forks those that can be forked.
        """
        self._patience = patience
        self._num_interrupts = 0
        self._handlers: dict[int, Any] = {}
        # Of its own, so that no other supervisor has a file of the same name.
        self._folder = PrivateFolder(variable=HEARTBEAT_VARIABLE)
        self._posts = [
            _Post(role, self._folder.path / role.name, patience, server) for role in roles
        ]

    def __enter__(self) -> Supervisor:
        for number in _SIGNALS:
            before = signal.getsignal(number)
            is_ignored = before == signal.SIG_IGN  # as in a shell's background, or by nohup
            # Not SIG_IGN itself: the roles would inherit it, and not hear of Ctrl-C.
            handler = _ignore if is_ignored else self._count_interrupt
            self._handlers[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *error: object) -> None:
        self._end_all()
        self._folder.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def run(self) -> int:
        """Keep the roles running until everything is to end; return the exit status of the whole.

        The first Ctrl-C, SIGTERM or SIGHUP lets the chief end by itself, the second does not wait.
        """
        while not self._num_interrupts:
            for post in self._posts:
                if end := post.look():
                    self._end_all()
                    self._say(end)
                    return end.status
            time.sleep(POLL_SECONDS)
        for post in self._posts:
            if post.role.is_chief and post.is_running():
                return self._end_of(post)
        return INTERRUPTED_STATUS

    def _end_all(self) -> None:
        for post in self._posts:
            post.terminate()
        end = time.monotonic() + self._patience.end_seconds
        while any(post.is_running() for post in self._posts) and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
        for post in self._posts:
            post.kill()

    def _say(self, end: _End) -> None:
        """Say why everything has ended, unless the chief has just said the same."""
        shown = [post.error() for post in self._posts if post.role.is_chief]
        if end.error is None or end.error not in shown:
            for line in end.lines:
                warn(line)

    def _end_of(self, chief: _Post) -> int:
        """Let the chief store everything."""
        seconds = self._patience.interrupted_seconds
        warn(f"{chief.role.name} has {seconds:g} s to store everything; Ctrl-C again ends it now")
        chief.interrupt()
        end = time.monotonic() + seconds
        while chief.is_running() and self._num_interrupts < 2 and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
        return 0 if chief.code() == 0 else INTERRUPTED_STATUS

    def _count_interrupt(self, number: int, frame: object) -> None:
        self._num_interrupts += 1


def _ignore(number: int, frame: object) -> None:
    """Do nothing."""


@dataclasses.dataclass(frozen=True)
class _End:
    """That everything is to end: with which status, and what is said of it.

    Attributes:
      error: what the role that caused it gave as its error; None without one.
    """

    status: int
    lines: tuple[str, ...] = ()
    error: str | None = None


class _Post:
    """A role and whichever process fills it."""

    def __init__(
        self, role: SupervisedRole, beats: Path, patience: Patience, server: ForkServer | None
    ):
        self.role, self._beats, self._patience, self._server = role, beats, patience, server
        self._process: RoleProcess | None = None
        self._num_quick_deaths = 0
        self._start_at = 0.0
        self._died: str | None = None  # of what

    def look(self) -> _End | None:
        """See to the process; return an end where everything is to end."""
        process = self._process
        if process is None or process.is_over:
            if time.monotonic() >= self._start_at:
                self._start()
            return None
        code = process.code()
        if code is not None:
            process.kill()  # what is left of its group
            return self._after(process, code)
        silent_seconds, patience = process.silent_seconds(), self._patience
        limit = patience.beat_seconds if process.has_beaten() else patience.first_beat_seconds
        if silent_seconds < limit:
            return None
        process.kill()
        return self._after_death(process, f"gave no sign for {limit:g} s, killed and")

    def is_running(self) -> bool:
        """Return whether there is a process that has not ended."""
        return self._process is not None and self._process.code() is None

    def code(self) -> int | None:
        """Return the exit status of the last process."""
        return self._process.code() if self._process else None

    def error(self) -> str | None:
        """Return what the last process gave as its error; None without one."""
        return self._process.error() if self._process else None

    def interrupt(self) -> None:
        """Send the process Ctrl-C."""
        if self._process:
            self._process.interrupt()

    def terminate(self) -> None:
        """Ask the process to end."""
        if self._process:
            self._process.terminate()

    def kill(self) -> None:
        """End the process and what it has started."""
        if self._process:
            self._process.kill()

    def _start(self) -> None:
        again = self._process is not None
        self._process = RoleProcess(self.role, self._beats, again=again, server=self._server)
        if self._died:
            warn(f"{self.role.name} {self._died} started again")

    def _after(self, process: RoleProcess, code: int) -> _End | None:
        """Judge the end of a process."""
        role, error = self.role, process.error()
        if code == USAGE_STATUS:
            if error:
                return _End(code, (f"error: {role.name}: {error}",), error)
            line = f"error: {role.name} ended with status {code}, see {role.log}"
            return _End(code, (line,) if role.log else ())  # without a log it was seen
        if role.is_chief and code in _FINAL:
            return _End(code)
        return self._after_death(process, f"{_death(code)},")

    def _after_death(self, process: RoleProcess, died: str) -> _End | None:
        """Plan the next start, or give the role up."""
        patience, now = self._patience, time.monotonic()
        is_quick = now - process.started < patience.quick_seconds
        self._num_quick_deaths = self._num_quick_deaths + 1 if is_quick else 0
        if self._num_quick_deaths >= patience.num_quick_deaths:
            return self._given_up(process, died)
        pauses = 2 ** (self._num_quick_deaths - 2) if self._num_quick_deaths >= 2 else 0
        self._start_at = now + pauses * patience.pause_seconds
        self._died = died
        return None

    def _given_up(self, process: RoleProcess, died: str) -> _End:
        role, seconds = self.role, f"{self._patience.quick_seconds:g} s"
        log = f"; its log is {role.log} and ends so:" if role.log else ""
        line = (
            f"error: {role.name} died {self._num_quick_deaths} times in a row, each within "
            f"{seconds} of its start, at last it {died.partition(',')[0]}{log}"
        )
        return _End(GIVEN_UP_STATUS, (line, *(f"  {end}" for end in process.last_lines(NUM_LINES))))


def _death(code: int) -> str:
    if code >= 0:
        return f"ended with status {code}"
    try:
        return f"died of {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal
        return f"died of signal {-code}"
