"""Child processes that live long, each evaluating whole groups of children: an evaluator.

    ProcessPool -> ProcessSlot (one per core or GPU) -> ChildProcess, replaced when it has died

What becomes of a group whose process has died or has passed a ceiling of time or memory, or whose
work has raised ChildFailure:

1. Each child of a group of several is given out again alone, so that its neighbours are measured.
2. A child alone that has passed its time is the failure "timed_out"; what it raises is final too.
3. A child alone that has passed the memory ceiling, or whose process has died, is given out once
   more, to a fresh process: what an earlier child left behind is not its fault, and a search that
   is resumed would have started with a fresh one. The second time is final: "out_of_memory",
   "crashed".
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import socket
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import wait
from typing import Any

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.launch.evaluators.child_process import Call, ChildReply, Evaluations, Setup
from nas_with_rl.launch.evaluators.evaluation import Evaluation, Outcome
from nas_with_rl.launch.evaluators.measurements import Failure
from nas_with_rl.launch.evaluators.process_slot import Broken, Job, ProcessSlot
from nas_with_rl.launch.experiments.search_config import OnError
from nas_with_rl.launch.host import resources
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields

CEILING_SECONDS = 0.1  # between two looks at the ceilings


@dataclasses.dataclass(frozen=True)
class Limits:
    """Ceilings of child processes; one that passes a ceiling is killed and replaced.

    Attributes:
      seconds: by the clock, for each child that a group may have, with the compilation that its
        process may need; 0 for none.
      memory_gib: resident memory of a process; 0 for an equal share of this machine's, this
        process having a share as well. None is kept where there is no /proc, as on macOS.
    """

    seconds: float = 0.0
    memory_gib: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self, "limits")
        for name in ("seconds", "memory_gib"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InputError(f"limits.{name} is {value}; it must be 0 (for none) or more")


class EvaluationStopped(Exception):
    """An evaluation was ended from another thread."""


class ProcessPool:
    """Evaluates groups of children in processes of their own, which start at the first use.

    Each process has a core to itself and computes in a single thread; on a machine with GPUs each
    sees one GPU. An error of the program raised in one stops the evaluation and is raised here as
    `WorkError`, an InputError as that; with `on_error="fail"` a child that raises it has "crashed",
    and the message is its traceback. If an evaluation is abandoned, by Ctrl-C or by its consumer,
    the processes at work are killed, and replaced when they are needed.

    The seconds of a group are divided over its children: each outcome has an equal and consecutive
    part, so that their durations add up to the time that the process has worked.

    Attributes:
      work, group_size: what the next evaluation does, and at most how many children together;
        both may be replaced between evaluations, the processes stay.
      num_processes: how many there are.
      memory_gib: the ceiling of each process's memory.
      stop: while it is set, evaluations end with EvaluationStopped, their processes killed.
    """

    def __init__(
        self,
        work: Setup,
        *,
        num_processes: int,
        group_size: int,
        limits: Limits = Limits(),
        on_error: OnError = "raise",
    ):
        for name, value in (("num_processes", num_processes), ("group_size", group_size)):
            if value < 1:
                raise InputError(f"{name} is {value}; it must be at least 1")
        self.work, self.group_size, self.num_processes = work, group_size, num_processes
        self._seconds = limits.seconds
        self.memory_gib = limits.memory_gib or resources.memory_gib() / (num_processes + 1)
        self._slots = [
            ProcessSlot(index, place, memory_gib=self.memory_gib, on_error=on_error)
            for index, place in enumerate(resources.places(num_processes))
        ]
        self.stop = threading.Event()
        self._hostname = socket.gethostname()
        self._evaluation: Generator[Outcome, None, None] | None = None

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self) -> None:
        """Start all processes, without waiting for them: there will be something for each."""
        for slot in self._slots:
            if slot.process is None:
                slot.start(self.work.backends)

    def close(self) -> None:
        """End the processes at once. (A later evaluation would start new ones.)"""
        self._abandon()
        for slot in self._slots:
            slot.reset()

    def evaluate(self, queue: deque[Evaluation]) -> Generator[Outcome, None, None]:
        """Yield the outcomes as groups are finished; an evaluation still under way is abandoned.

        Evaluations that are put on the queue at the same time are divided over the processes.
        """
        self._abandon()
        self._evaluation = self._outcomes(queue)
        return self._evaluation

    def call(self, function: str, arguments: Sequence[Any], *, seconds: float = 0.0) -> list[Any]:
        """Return what a "module:function" returns for each argument, one process for each.

        Args:
          function: it is called before or after the work is set up, in the same processes.
          arguments: anything that can be pickled; the first is given to the first process, and
            those beyond the number of processes to whichever is free.
          seconds: ceiling of each call; 0 for none.

        Raises:
          ChildFailure: a call that raises it, passes a ceiling or whose process dies.
        """
        self._abandon()
        jobs = [
            Job(Call(function, argument), seconds, index if index < self.num_processes else None)
            for index, argument in enumerate(arguments)
        ]
        # By the job itself: they end in any order, and two may have equal arguments.
        returned: dict[Job, Any] = {}
        with contextlib.closing(self._serve(list(jobs))) as served:
            for _, job, answer in served:
                result = answer.returned if isinstance(answer, ChildReply) else answer.failure
                if isinstance(result, Failure):
                    raise ChildFailure(result.reason, result.message)
                returned[job] = result
        return [returned[job] for job in jobs]

    def _abandon(self) -> None:
        if self._evaluation:
            self._evaluation.close()
        self._evaluation = None

    def _outcomes(self, queue: deque[Evaluation]) -> Generator[Outcome, None, None]:
        jobs = self._taken(queue)
        with contextlib.closing(self._serve(jobs)) as served:
            for slot, job, answer in served:
                if again := self._again(slot, job, answer):
                    # In place, as below: `_serve` gives out of this very list. In front, so that a
                    # batch ends.
                    jobs[:0] = again
                else:
                    yield from _outcomes(job, answer, f"{self._hostname}/{slot.index}")
                jobs += self._taken(queue)

    def _taken(self, queue: deque[Evaluation]) -> list[Job]:
        """Take all that is on the queue, in groups."""
        jobs = [self._job(group) for group in self._groups(tuple(queue))]
        queue.clear()
        return jobs

    def _groups(self, evaluations: Sequence[Evaluation]) -> Iterator[Evaluations]:
        """Yield groups of neighbours, as many for each process and as large as can be."""
        rounds = math.ceil(len(evaluations) / (self.group_size * self.num_processes))
        # Rounds decide: 5 in groups of at most 4 for 2 processes are 2 and 3, not 4 and 1.
        count = min(rounds * self.num_processes, len(evaluations))
        ends = [len(evaluations) * number // count for number in range(count + 1)] if count else []
        for start, end in itertools.pairwise(ends):
            yield tuple(evaluations[start:end])

    def _job(self, group: Evaluations) -> Job:
        # Also for a smaller group: a program for many children takes as long with a few.
        return Job(group, self._seconds * self.group_size)

    def _again(self, slot: ProcessSlot, job: Job, answer: ChildReply | Broken) -> list[Job]:
        """Return what is to be given out again; see the module's rules."""
        group = job.request
        assert isinstance(group, tuple)
        if isinstance(answer, ChildReply) and not isinstance(answer.returned, Failure):
            return []
        if len(group) > 1:
            return [self._job((evaluation,)) for evaluation in group]
        if isinstance(answer, ChildReply) or answer.failure.reason == "timed_out" or job.is_last:
            return []
        return [dataclasses.replace(job, index=slot.index, is_last=True)]

    def _serve(
        self, jobs: list[Job]
    ) -> Generator[tuple[ProcessSlot, Job, ChildReply | Broken], None, None]:
        """Give the jobs out, also those that are added meanwhile; yield what came of each."""
        try:
            while jobs or any(slot.job for slot in self._slots):
                if self.stop.is_set():
                    raise EvaluationStopped
                self._give_out(jobs)
                news = list(self._news())
                self._give_out(jobs)  # first: the consumer may take its time
                yield from news
        except BaseException:  # Ctrl-C and a consumer that has left are among them
            for slot in self._slots:
                # Also one that starts or sets its work up. Those that wait keep what they have
                # compiled.
                if slot.job or not slot.is_ready:
                    slot.reset()
            raise

    def _give_out(self, jobs: list[Job]) -> None:
        """Give jobs to the processes that are ready, and start processes for the others."""
        waiting = list(jobs)
        # Those that are ready first: else a process would be started for what one of them can take.
        for slot in sorted(self._slots, key=lambda slot: not slot.is_ready):
            job = None if slot.job else _choose(waiting, slot.index)
            if job is None:
                continue
            waiting.remove(job)  # also if the process is only starting: it will take one
            if slot.process is None:
                slot.start(self.work.backends)
            # False where it has got the work first, or has died: the job is given out another time.
            elif slot.is_ready and slot.give(job, self.work):
                jobs.remove(job)

    def _news(self) -> Iterator[tuple[ProcessSlot, Job, ChildReply | Broken]]:
        """Wait a moment, and yield what came of jobs."""
        slots: dict[Any, ProcessSlot] = {
            slot.process.connection: slot for slot in self._slots if slot.process
        }
        # One wait for all: whichever answers first is served first.
        heard = {slots[connection] for connection in wait(list(slots), CEILING_SECONDS)}
        for slot in slots.values():
            if news := slot.hear() if slot in heard else slot.look():
                yield slot, *news


def _choose(jobs: Sequence[Job], index: int) -> Job | None:
    """Return the first job that has to be this process's, else the first that may be."""
    own = [job for job in jobs if job.index == index]
    return next(iter([*own, *(job for job in jobs if job.index is None)]), None)


def _outcomes(job: Job, answer: ChildReply | Broken, worker: str) -> Iterator[Outcome]:
    """Yield the outcomes of a group, each with its part of the group's seconds."""
    group = job.request
    assert isinstance(group, tuple)
    returned = answer.returned if isinstance(answer, ChildReply) else answer.failure
    results = [returned] * len(group) if isinstance(returned, Failure) else returned
    # Neighbours end together: how long each would have taken alone nobody knows.
    part = (answer.ended - answer.started) / len(group)
    for number, (evaluation, result) in enumerate(zip(group, results, strict=True)):
        started = answer.started + number * part
        yield Outcome(evaluation, result, worker, started, started + part)


def leave_gpus_to_the_processes() -> None:
    """Hide GPUs from this process, which would otherwise take the memory of all."""
    if "tensorflow" in sys.modules and resources.visible_gpus():
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")
