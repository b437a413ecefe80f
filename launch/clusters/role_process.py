"""The process of one role, as its supervisor sees it: its output, its beats, its end."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from nas_with_rl.launch.host.fork_server import Program
from nas_with_rl.launch.host.forking import ForkedProcess, ForkServer
from nas_with_rl.launch.host.heartbeat import HEARTBEAT_VARIABLE, SUPERVISOR_VARIABLE
from nas_with_rl.launch.host.remnants import REMNANT_SECONDS, kill_marked

RESUME_FLAG = "--resume"
CHUNK = 2**16  # bytes
NUM_BEFORE = 3  # words of a command before the module's own: python -m module


@dataclasses.dataclass(frozen=True)
class SupervisedRole:
    """What a supervisor keeps running.

    Attributes:
      name: as in worker-1.
      command: the words that start it.
      function: "module:function" that does what they do, for a server that forks; it is called
        with the words behind `python -m module`. None where it is never forked.
      environment: what it has beside the supervisor's own.
      log: the file that its output is appended to; None where it goes where the supervisor's does.
      is_chief: whether its end is everybody's. Its output is shown too, and after a death it is
        started with --resume.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    log: Path | None = None
    is_chief: bool = False
    function: str | None = None


class RoleProcess:
    """A process of a role that has just been started, in a session of its own.

    To be made in the main thread: the system ends a role with the thread that started it.

    Attributes:
      started: when, in seconds of `time.monotonic`.
      is_over: whether `kill` was called.
    """

    def __init__(
        self,
        role: SupervisedRole,
        beats: Path,
        *,
        again: bool = False,
        server: ForkServer | None = None,
    ):
        """Start the process.

        Args:
          role: of which it is.
          beats: its heartbeat file. No other process may have the same: its name is how whatever
            the process has started is found after its death.
          again: whether one of this role has died before.
          server: that forks it, if it can.
        """
        self._role, self._beats, self._last_beat = role, beats, 0
        # Else the last beat of the process before would count as this one's first.
        beats.unlink(missing_ok=True)
        command = list(role.command)
        if again and role.is_chief and RESUME_FLAG not in command:
            command.append(RESUME_FLAG)
        self._log = _opened(role, command)
        self._log_start = os.fstat(self._log.fileno()).st_size if self._log else 0
        # The ends of pipes to read from, and to write to.
        pipes = [os.pipe() for _ in range(2)] if self._log is not None and role.is_chief else []
        try:
            self._process = self._started(command, [end for _, end in pipes], server)
        finally:
            for _, end in pipes:
                os.close(end)
        self._relays = self._started_relays([end for end, _ in pipes])
        self.started = self._heard = time.monotonic()
        self.is_over = False

    def _started(
        self, command: list[str], ends: Sequence[int], server: ForkServer | None
    ) -> subprocess.Popen[bytes] | ForkedProcess:
        """Start the process, out of reach of the terminal's Ctrl-C; its output goes to the ends."""
        outputs = list(ends) or ([self._log.fileno()] * 2 if self._log else [1, 2])
        with open(os.devnull, "rb") as nothing:
            if server is not None and server.is_open and self._role.function is not None:
                descriptors = dict(enumerate((nothing.fileno(), *outputs)))
                program = Program(tuple(command), self._role.function, len(command) - NUM_BEFORE)
                with contextlib.suppress(OSError):
                    return server.start(program, self._environment(), descriptors)
            return subprocess.Popen(
                command,
                env=self._environment(),
                stdin=nothing,
                stdout=outputs[0],
                stderr=outputs[1],
                start_new_session=True,
            )

    def code(self) -> int | None:
        """Return the exit status: minus the signal's number, if any; None from one that runs."""
        return self._process.poll()

    def silent_seconds(self) -> float:
        """Return for how long there has been no beat, by this machine's own clock."""
        with contextlib.suppress(OSError):
            beat = self._beats.stat().st_mtime_ns
            # Whether it has changed, not how old it is: clocks are set, and files of a network have
            # another.
            if beat != self._last_beat:
                self._last_beat, self._heard = beat, time.monotonic()
        return time.monotonic() - self._heard

    def has_beaten(self) -> bool:
        """Return whether a beat was heard."""
        return self._last_beat > 0

    def interrupt(self) -> None:
        """Send the process Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """Ask the process, and those of its group, to end."""
        if self.code() is None:
            self._signal_group(signal.SIGTERM)

    def kill(self) -> None:
        """End whatever is left of the process and of what it has started."""
        if self.is_over:  # another process may have its number by now
            return
        self.is_over = True
        self._signal_group(signal.SIGKILL)
        self._process.wait()
        # Its child processes and what they have started are in sessions of their own.
        kill_marked(f"{HEARTBEAT_VARIABLE}={self._beats}")
        for relay in self._relays:  # ends when nobody can write to it any more
            relay.join(REMNANT_SECONDS)
        if self._log:
            with contextlib.suppress(OSError):
                self._log.close()

    def last_lines(self, count: int) -> list[str]:
        """Return the last lines of this process's output; none without a log."""
        return self._lines()[-count:]

    def error(self) -> str | None:
        """Return what the last line that starts with "error: " says; None where none does."""
        errors = [line for line in self._lines() if line.startswith("error: ")]
        return errors[-1].removeprefix("error: ") if errors else None

    def _environment(self) -> dict[str, str]:
        own = {HEARTBEAT_VARIABLE: str(self._beats), SUPERVISOR_VARIABLE: str(os.getpid())}
        if self._role.log:
            own["PYTHONUNBUFFERED"] = "1"  # nothing is held back that a kill would lose
        return {**os.environ, **self._role.environment, **own}

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _started_relays(self, ends: Sequence[int]) -> list[threading.Thread]:
        relays = [
            threading.Thread(target=self._relay, args=(os.fdopen(end, "rb"), own), daemon=True)
            for own, end in enumerate(ends, start=1)
        ]
        for relay in relays:
            relay.start()
        return relays

    def _relay(self, pipe: IO[bytes], descriptor: int) -> None:
        """Pass output on as it comes: a progress bar writes no ends of lines."""
        assert self._log is not None
        with pipe:
            while output := os.read(pipe.fileno(), CHUNK):
                with contextlib.suppress(OSError):
                    self._log.write(output)
                with contextlib.suppress(OSError):  # nor does a reader who has left, as `head` does
                    _write(descriptor, output)

    def _lines(self) -> list[str]:
        if not self._role.log:
            return []
        try:
            with self._role.log.open("rb") as log:
                log.seek(max(self._log_start, os.fstat(log.fileno()).st_size - CHUNK))
                text = log.read().decode(errors="replace")
        except OSError:
            return []
        return [line.rstrip() for line in text.replace("\r", "\n").split("\n") if line.strip()]


def _opened(role: SupervisedRole, command: list[str]) -> IO[bytes] | None:
    """Open the log, and say in it what starts when."""
    if not role.log:
        return None
    log = role.log.open("ab", buffering=0)
    now = datetime.datetime.now().isoformat(" ", "seconds")
    with contextlib.suppress(OSError):  # a full disk ends no search
        log.write(f"[{now}] {shlex.join(command)}\n".encode())
    return log


def _write(descriptor: int, output: bytes) -> None:
    while output:
        output = output[os.write(descriptor, output) :]
