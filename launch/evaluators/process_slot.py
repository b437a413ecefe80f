"""One place among the child processes: which process it has, and what that one is at."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Sequence

from nas_with_rl.child_models.failures import FailureReason
from nas_with_rl.launch.evaluators.child_frames import Unreadable
from nas_with_rl.launch.evaluators.child_process import (
    Call,
    ChildProcess,
    ChildReply,
    Evaluations,
    Raised,
    Setup,
    WorkError,
)
from nas_with_rl.launch.evaluators.measurements import Failure
from nas_with_rl.launch.experiments.search_config import OnError
from nas_with_rl.launch.host import resources
from nas_with_rl.search_spaces.errors import InputError

STOPPED_LOOKS = 600  # that a stopped process is left to whoever may have stopped it: a minute
STARTS = 3  # of a process that dies each time before it has done anything: then it is hopeless


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """A request that is to be given out.

    Attributes:
      seconds: its ceiling; 0 for none.
      index: of the process that has to take it; None for any.
      is_last: whether it is given out for the last time.
    """

    request: Evaluations | Call
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

    def __init__(
        self, index: int, place: resources.Place, *, memory_gib: float, on_error: OnError = "raise"
    ):
        self.index, self._place, self._memory_gib = index, place, memory_gib
        self._on_error = on_error
        self.process: ChildProcess | None = None
        self.is_ready = False
        self.job: Job | None = None
        self._stopped_looks = 0  # in a row that found the process stopped
        self._work: Setup | None = None
        self._starts = 0  # in a row that came to nothing

    def start(self, backends: Sequence[str]) -> None:
        """Start a process, which says when it is ready."""
        self._starts += 1
        self.process = ChildProcess(self._place, backends)

    def give(self, job: Job, work: Setup) -> bool:
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
            # Of this machine so far: one more tells why the process was killed.
            self._oom_kills = resources.kernel_oom_kills()
        if not self.process.send(work if lacks_work else job.request):
            self.job = None  # which did not reach it, and is not to blame
            self._died()
        return self.job is not None

    def hear(self) -> tuple[Job, ChildReply | Broken] | None:
        """Return what came of the job; None where there was none.

        Raises:
          WorkError: an error of the program, or a process that cannot start.
          InputError: raised in the process.
        """
        assert self.process
        try:
            answer = self.process.receive()
        except EOFError:
            return self._died()
        except Unreadable as error:
            return self._died(f"wrote {error} to the connection")
        if answer is None:
            return None if self.is_ready else self._examined()  # the rest may never come
        # No job: the process has started, or set its work up.
        job, self.job = self.job, None
        self.is_ready = True
        self._starts = 0 if job else self._starts
        if isinstance(answer, Raised):
            if job and isinstance(job.request, tuple) and self._on_error == "fail":
                failure = Failure("crashed", f"{answer.line}\n{answer.trace}")
                return job, ChildReply(failure, self._given, self._now())
            self._work = self._work if job else None  # which could not be set up
            if answer.is_input_error:
                raise InputError(answer.message)
            raise WorkError(answer.trace)
        return (job, answer) if job else None

    def look(self) -> tuple[Job, Broken] | None:
        """End a process that has passed a ceiling; return what that means for its job.

        Raises:
          InputError: a process that passes the memory ceiling before it has a child.
        """
        if self.process is None or self.is_ready or self.process.has_news():
            return None  # or it has just answered
        return self._examined()

    def _examined(self) -> tuple[Job, Broken] | None:
        assert self.process
        if self.process.has_ended():
            return self._died()  # and something that it has started holds the connection
        stopped = resources.is_stopped(self.process.pid)
        self._stopped_looks = self._stopped_looks + 1 if stopped else 0
        if self._stopped_looks > STOPPED_LOOKS:
            return self._died("was stopped, and nobody let it go on")
        resident = resources.resident_gib(self.process.pid) or 0.0
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

    def _died(self, how: str | None = None) -> tuple[Job, Broken] | None:
        """End a process that is dead, or for another reason of no use any more."""
        assert self.process
        status = None if how else self.process.death()
        how = how or _ended(status)
        if self.job:
            # The kernel kills so where memory is short, but so does anyone: the count decides.
            killed = status == -signal.SIGKILL
            by_kernel = killed and resources.kernel_oom_kills() > self._oom_kills
            reason: FailureReason = "out_of_memory" if by_kernel else "crashed"
            return self._break(reason, f"its process {how}")
        was_ready = self.is_ready
        self.reset()
        # What ends by itself before it has done anything would do so again. A signal may be chance,
        # as of a machine short of memory; one that was idle is replaced when it is needed.
        if not was_ready and ((status is not None and status >= 0) or self._starts >= STARTS):
            raise WorkError(f"a child process {how} before its first child")
        return None

    def _break(self, reason: FailureReason, message: str) -> tuple[Job, Broken]:
        assert self.job
        job = self.job
        self._starts = 0
        self.reset()
        return job, Broken(Failure(reason, message), self._given, self._now())

    def _now(self) -> float:
        """Return the time by the clock that said when the job was given, never an earlier one."""
        return self._given + time.monotonic() - self._since


def _ended(status: int | None) -> str:
    if status is None:
        return "closed its connection"
    if status >= 0:
        return f"ended with status {status}"
    names = {number.value: number.name for number in signal.Signals}
    return f"died of {names.get(-status, f'signal {-status}')}"
