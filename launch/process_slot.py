"""One place among the child processes: which process it has, and what that one is at."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Sequence

from nas_with_rl.child_models.failures import FailureReason
from nas_with_rl.launch import machine
from nas_with_rl.launch.child_process import (
    Answer,
    Call,
    ChildProcess,
    Group,
    Raised,
    Work,
    WorkError,
)
from nas_with_rl.launch.evaluation import Failure
from nas_with_rl.search_spaces.errors import InputError

STARTS = 3  # of a process that dies each time before it has done anything: then it is hopeless


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """A request that is to be given out.

    Attributes:
      seconds: its ceiling; 0 for none.
      index: of the process that has to take it; None for any.
      is_last: whether it is given out for the last time.
    """

    request: Group | Call
    seconds: float
    index: int | None = None
    is_last: bool = False


@dataclasses.dataclass(frozen=True)
class Broken:
    """A job whose process is no more."""

    failure: Failure
    started: float
    ended: float


class ProcessSlot:
    """Where a child process is started and replaced, given its jobs, and held to its ceilings.

    Attributes:
      process: None where there is none, yet or any more.
      is_ready: whether the process waits for a request.
      job: what the process is at; None also while it starts and sets its work up.
    """

    def __init__(self, index: int, place: machine.Place, *, memory_gib: float):
        self.index, self._place, self._memory_gib = index, place, memory_gib
        self.process: ChildProcess | None = None
        self.is_ready = False
        self.job: Job | None = None
        self._work: Work | None = None
        self._starts = 0  # in a row that came to nothing

    def start(self, backends: Sequence[str]) -> None:
        """Start a process, which says when it is ready."""
        self._starts += 1
        self.process = ChildProcess(self._place, backends)

    def give(self, job: Job, work: Work) -> bool:
        """Return whether the process has taken the job; before its first group it gets the work."""
        assert self.process and self.is_ready
        lacks_work = isinstance(job.request, tuple) and self._work is not work
        # Before it is sent: Ctrl-C may come at any moment, and what is not ready is then ended.
        self.is_ready = False
        if lacks_work:
            self._work = work
        else:
            self.job = job
            self._given, self._since = time.time(), time.monotonic()
            self._oom_kills = machine.kernel_oom_kills()
        if not self.process.send(work if lacks_work else job.request):
            self.job = None  # which did not reach it, and is not to blame
            self._died()
        return self.job is not None

    def hear(self) -> tuple[Job, Answer | Broken] | None:
        """Return what came of the job; None where there was none.

        Raises:
          WorkError: an error of the program, or a process that cannot start.
          InputError: raised in the process.
        """
        assert self.process
        answer = self.process.receive()
        if answer is None:
            return self._died()
        job, self.job = self.job, None
        self.is_ready = True
        self._starts = 0 if job else self._starts
        if isinstance(answer, Raised):
            self._work = self._work if job else None  # which could not be set up
            if answer.is_input_error:
                raise InputError(answer.message)
            raise WorkError(_asked(job) + answer.trace)
        return (job, answer) if job else None

    def look(self) -> tuple[Job, Broken] | None:
        """End a process that has passed a ceiling; return what that means for its job.

        Raises:
          InputError: a process that passes the memory ceiling before it has a child.
        """
        if self.process is None or self.is_ready or self.process.connection.poll():
            return None  # or it has just answered
        if self.process.has_ended():
            return self._died()  # and something that it has started holds the connection
        resident = machine.resident_gib(self.process.pid) or 0.0
        if resident > self._memory_gib:
            took = f"{resident:.1f} GiB of memory, more than {self._memory_gib:.1f} GiB"
            if self.job is None:
                raise InputError(
                    f"a child process took {took}, before its first child: let there be fewer "
                    "processes, or a higher limits.memory_gib"
                )
            return self._break("out_of_memory", f"its process took {took}")
        if self.job and 0 < self.job.seconds < time.monotonic() - self._since:
            return self._break("timed_out", f"it took longer than {self.job.seconds:g} seconds")
        return None

    def reset(self) -> None:
        """End the process, if there is one, and be as at first."""
        if self.process:
            self.process.kill()  # first: Ctrl-C here would lose a process
        self.process, self.is_ready, self.job, self._work = None, False, None, None

    def _died(self) -> tuple[Job, Broken] | None:
        assert self.process
        status = self.process.death()
        if self.job:
            killed = status == -signal.SIGKILL
            by_kernel = killed and machine.kernel_oom_kills() > self._oom_kills
            reason: FailureReason = "out_of_memory" if by_kernel else "crashed"
            return self._break(reason, f"its process {_ended(status)}")
        was_ready = self.is_ready
        self.reset()
        if not was_ready and (status >= 0 or self._starts >= STARTS):
            raise WorkError(f"a child process {_ended(status)} before its first child")
        return None

    def _break(self, reason: FailureReason, message: str) -> tuple[Job, Broken]:
        assert self.job
        job = self.job
        self._starts = 0
        self.reset()
        return job, Broken(Failure(reason, message), self._given, time.time())


def _asked(job: Job | None) -> str:
    """Return which architectures a job asked for, for the message of an error of the program."""
    group = job.request if job and isinstance(job.request, tuple) else ()
    return "".join(
        f"evaluating trial {each.trial}, architecture {each.architecture}, seed {each.seed}:\n"
        for each in group
    )


def _ended(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    names = {number.value: number.name for number in signal.Signals}
    return f"died of {names.get(-status, f'signal {-status}')}"
