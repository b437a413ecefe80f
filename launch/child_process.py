"""A child process, both of its ends: the parent's handle, and what the process does.

    python -m nas_with_rl.launch.child_process DESCRIPTOR PARENT CORE [BACKEND ...]

The process reads requests from the socket DESCRIPTOR and answers each, until PARENT is gone. It is
started as a module of its own: multiprocessing's "spawn" would import the user's script or
notebook again, and its "fork" copies a TensorFlow whose threads are then missing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import importlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure
from nas_with_rl.launch.command_line import prepare_backend
from nas_with_rl.launch.evaluation import Evaluation, line_of
from nas_with_rl.launch.heartbeat import leave_with
from nas_with_rl.launch.interruption import leave_now
from nas_with_rl.launch.machine import Place
from nas_with_rl.launch.measurements import Failure, Measurement, result_of
from nas_with_rl.search_spaces.errors import InputError

LAST_SECONDS = 2  # for a process to end after its socket has
ANYWHERE = "-"  # for CORE


@dataclasses.dataclass(frozen=True)
class Work:
    """What a child process is to do.

    Attributes:
      factory: "module:function", called once in the process with `argument`; what it returns takes
        a sequence of `Evaluation` and returns a `Measurement` or a `Failure` for each, in order.
      argument: anything that can be pickled.
      backends: of Keras; the process prepares the one that KERAS_BACKEND names, or the first,
        before it imports the factory's module. Empty for work without Keras.
    """

    factory: str
    argument: Any = None
    backends: tuple[str, ...] = ("tensorflow",)

    def __post_init__(self) -> None:
        _check_function(self.factory)


@dataclasses.dataclass(frozen=True)
class Call:
    """A request to call a "module:function" with an argument."""

    function: str
    argument: Any = None

    def __post_init__(self) -> None:
        _check_function(self.function)


Group = tuple[Evaluation, ...]  # a request to evaluate them
Results = tuple[Measurement | Failure, ...]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a request returned, and when (seconds since the epoch)."""

    returned: Any
    started: float
    ended: float


@dataclasses.dataclass(frozen=True)
class Raised:
    """What a request raised: the message, one line with the type before it, and the traceback."""

    message: str
    line: str
    trace: str
    is_input_error: bool


class WorkError(RuntimeError):
    """An error of the program that was raised in a child process; its traceback is the message."""


def _check_function(name: str) -> None:
    module, _, function = name.partition(":")
    if not module or not function.isidentifier():
        raise InputError(f"{name!r} is not the name of a function, as in 'package.module:function'")


class ChildProcess:
    """The parent's handle on a process that has just been started.

    Attributes:
      connection: becomes readable when an answer is there, and when the process has died.
      pid: its number.
    """

    def __init__(self, place: Place, backends: Sequence[str]):
        ours, theirs = socket.socketpair()
        core = ANYWHERE if place.core is None else place.core
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # modules as here
        with theirs:
            words = [theirs.fileno(), os.getpid(), core, *backends]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "nas_with_rl.launch.child_process", *map(str, words)],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env={**place.environment(), "PYTHONPATH": path},
                start_new_session=True,  # out of reach of the terminal's Ctrl-C
            )
        self.connection = Connection(ours.detach())
        self.pid = self._process.pid

    def send(self, request: Work | Call | Group) -> bool:
        """Return whether the process has taken a request."""
        try:
            self.connection.send(request)
        except OSError:  # it has died
            return False
        return True

    def receive(self) -> Answer | Raised | None:
        """Return the next answer; None from a process that has died."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def has_ended(self) -> bool:
        """Return whether the process has died."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End the process, whatever it is doing, and what it has started."""
        if not self.has_ended():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self.connection.close()
        self._process.wait()

    def death(self) -> int:
        """Return the exit status of a process that has died: minus the signal's number, if any."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(LAST_SECONDS)
        self.kill()
        return self._process.returncode


def main(words: Sequence[str]) -> None:
    """Answer requests until the parent is gone; the first answer says that the process is ready.

    Args:
      words: of the command line.
    """
    descriptor, parent, core, *backends = words
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_with(int(parent))
    if core != ANYWHERE:
        os.sched_setaffinity(0, {int(core)})
    connection = Connection(int(descriptor))
    answers = _Answers()
    try:
        connection.send_bytes(_answer(functools.partial(_prepare, backends)))
        while True:
            payload = _answer(functools.partial(answers.to, connection.recv_bytes()))
            sys.stdout.flush()  # what the work has printed; a killed process would keep it
            connection.send_bytes(payload)
    except (EOFError, OSError):
        leave_now(0)


def _prepare(backends: Sequence[str]) -> None:
    if backends:
        prepare_backend(backends)


def _answer(function: Callable[[], Any]) -> bytes:
    """Return, pickled, what a function returns or raises."""
    started, begun = time.time(), time.monotonic()
    try:
        returned = function()
        seconds = time.monotonic() - begun  # whatever is done to the clock meanwhile
        return pickle.dumps(Answer(returned, started, started + seconds))
    except Exception as error:
        trace, is_input_error = traceback.format_exc(), isinstance(error, InputError)
        return pickle.dumps(Raised(str(error), line_of(error), trace, is_input_error))


class _Answers:
    """Answers requests, with the work that was set up before."""

    def __init__(self) -> None:
        self._evaluate: Callable[[Group], Iterable[Measurement | Failure]] | None = None

    def to(self, pickled: bytes) -> Any:
        """Answer one request; a `Failure` in place of the results is the whole request's."""
        request: Work | Call | Group = pickle.loads(pickled)
        if isinstance(request, Work):
            self._evaluate = _function(request.factory)(request.argument)
            # What stays for good, all that TensorFlow has imported, need not be looked at by each
            # child's `release_child`: 0.27 s, then 0.02 s.
            gc.collect()
            gc.freeze()
            return None
        try:
            with out_of_memory_is_a_failure():
                if isinstance(request, Call):
                    return _function(request.function)(request.argument)
                return self._results(request)
        except ChildFailure as failure:
            return Failure(failure.reason, str(failure))

    def _results(self, group: Group) -> Results:
        assert self._evaluate is not None, "evaluations came before the work"
        results = tuple(self._evaluate(group))
        if len(results) != len(group) or not all(
            isinstance(result, Measurement | Failure) for result in results
        ):
            raise TypeError(
                "the work must return a Measurement or a Failure for each of its "
                f"{len(group)} evaluations, not {results!r}"
            )
        return tuple(r if isinstance(r, Failure) else result_of(r) for r in results)


def _function(name: str) -> Callable[[Any], Any]:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


if __name__ == "__main__":
    # The same module under its own name, so that the requests are of the classes that it knows.
    from nas_with_rl.launch import child_process

    child_process.main(sys.argv[1:])
