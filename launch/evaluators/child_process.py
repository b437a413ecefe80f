"""A child process, both of its ends: the parent's handle, and what the process does.

    python -m nas_with_rl.launch.evaluators.child_process DESCRIPTOR PARENT CORE [BACKEND ...]

The process reads requests from the socket DESCRIPTOR and answers each, until PARENT is gone. It is
started as a module of its own: multiprocessing's "spawn" would import the user's script or
notebook again, and its "fork" copies a TensorFlow whose threads are then missing. Where the parent
has begun `forking`, before it had such threads, the process is forked off what it was then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import importlib
import io
import math
import os
import pickle
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure
from nas_with_rl.launch.evaluators.child_frames import (
    SEND_SECONDS,
    FrameReader,
    Unreadable,
    as_payload,
    from_payload,
    read_frame,
    write_frame,
)
from nas_with_rl.launch.evaluators.evaluation import Evaluation
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement, result_of
from nas_with_rl.launch.host.backend import BACKENDS, children_environment, prepare_backend
from nas_with_rl.launch.host.descendants import Descendant
from nas_with_rl.launch.host.fork_server import Program
from nas_with_rl.launch.host.heartbeat import leave_with
from nas_with_rl.launch.host.remnants import module_path
from nas_with_rl.launch.host.resources import Place
from nas_with_rl.search_spaces.errors import InputError, line_of, message_of

LAST_SECONDS = 2  # for a process to end after its socket has
ANYWHERE = "-"  # for CORE
READY = 0  # the number of the answer that says that a process is ready
HIGH_DESCRIPTOR = 200  # beyond those that a program opens, and closes or writes to by number


@dataclasses.dataclass(frozen=True)
class Setup:
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
    backends: tuple[str, ...] = BACKENDS

    def __post_init__(self) -> None:
        _check_function(self.factory)


@dataclasses.dataclass(frozen=True)
class Call:
    """A request to call a "module:function" with an argument."""

    function: str
    argument: Any = None

    def __post_init__(self) -> None:
        _check_function(self.function)


Evaluations = tuple[Evaluation, ...]  # a request to evaluate them
Results = tuple[Measurement | Failure, ...]


@dataclasses.dataclass(frozen=True)
class ChildReply:
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


def name_of(function: Callable[..., Any]) -> str:
    """Return "module:function" of a function of a module, as `Setup` and `Call` take it."""
    return f"{function.__module__}:{function.__name__}"


def _check_function(name: str) -> None:
    module, _, function = name.partition(":")
    if not module or not function.isidentifier():
        raise InputError(f"{name!r} is not the name of a function, as in 'package.module:function'")


class ChildProcess:
    """The parent's handle on a process that has just been started.

    It ends with the process that has started it, even by SIGKILL and within C code that never
    returns, and so does what it has started itself, in sessions of their own too. (On Linux; see
    `kill_marked` for what escapes.)

    Attributes:
      connection: becomes readable when an answer is there, and when the process has died.
      pid: its number.
    """

    def __init__(self, place: Place, backends: Sequence[str]):
        self.connection, theirs = socket.socketpair()
        core = ANYWHERE if place.core is None else place.core
        environment = {**place.environment(), **children_environment()}
        with contextlib.ExitStack() as stack:
            stack.callback(self.connection.close)
            with theirs:
                words = [theirs.fileno(), os.getpid(), core, *backends]
                self._process = Descendant(
                    _program(list(map(str, words))),
                    environment={**environment, "PYTHONPATH": module_path()},
                    pass_fds=(theirs.fileno(),),
                    # What was imported for TensorFlow on cores is of no use to others: own
                    # functions have no Keras, and a GPU is not to be touched before a fork.
                    may_be_forked=(
                        place.gpu is None
                        and bool(backends)
                        and (environment.get("KERAS_BACKEND") or backends[0]) == BACKENDS[0]
                    ),
                )
            stack.pop_all()
        self._reader = FrameReader(self.connection)
        self._number = READY  # of the last request
        self._request: Setup | Call | Evaluations | None = None
        self._is_awaited = True
        self.pid = self._process.pid

    def send(self, request: Setup | Call | Evaluations) -> bool:
        """Return whether the process has taken a request."""
        # The parent is trusted: what the process sends back is not pickled, see `child_frames`.
        payload = pickle.dumps(request)
        self._number, self._request, self._is_awaited = self._number + 1, request, True
        self.connection.settimeout(SEND_SECONDS)
        try:
            write_frame(self.connection, self._number, payload)
        except OSError:  # it has died, or takes nothing any more
            return False
        return True

    def has_news(self) -> bool:
        """Return whether there is something to receive."""
        return self._reader.has_news()

    def receive(self) -> ChildReply | Raised | None:
        """Return the answer to the last request; None where it is not whole yet.

        Raises:
          EOFError: the process has died, or closed its connection.
          Unreadable: it has written what is no answer to that request.
        """
        frame = self._reader.read()
        if frame is None:
            return None
        number, payload = frame
        if number != self._number or not self._is_awaited:
            raise Unreadable("an answer that nobody has asked for")
        # A second answer to the same request is none.
        self._is_awaited = False
        try:
            return _checked(from_payload(payload), self._request)
        except Exception as error:
            raise Unreadable(f"what is no answer ({type(error).__name__})") from error

    def has_ended(self) -> bool:
        """Return whether the process has died."""
        return self._process.status() is not None

    def kill(self) -> int:
        """End the process, whatever it is doing, and what it has started; return its status."""
        self.connection.close()
        return self._process.kill()

    def death(self) -> int | None:
        """End a process that has died; return its exit status, minus the signal's number if any.

        None from one that lives, and has closed its connection.
        """
        status = self._process.status(seconds=LAST_SECONDS)
        self.kill()
        return status


def _program(words: list[str]) -> Program:
    module = "nas_with_rl.launch.evaluators.child_process"
    # -P: else -m would look into the working directory first; the process is to find what this one
    # finds, in its order (`module_path`).
    command = (sys.executable, "-P", "-m", module, *words)
    return Program(command, name_of(main), len(words))


def _checked(answer: Any, request: Any) -> ChildReply | Raised:
    """Return an answer; TypeError where it is none to the request."""
    if isinstance(answer, Raised):
        if isinstance(answer.message, str) and isinstance(answer.trace, str):
            return answer
    elif isinstance(answer, ChildReply) and math.isfinite(answer.started + answer.ended):
        returned = answer.returned
        is_group = isinstance(request, tuple) and not isinstance(returned, Failure)
        if not is_group or _are_results(returned, request):
            return answer
    raise TypeError("no answer to the request")


def _are_results(returned: Any, group: Evaluations) -> bool:
    """Return whether there is one for each evaluation."""
    return (
        isinstance(returned, tuple)
        and len(returned) == len(group)
        and all(isinstance(result, Measurement | Failure) for result in returned)
    )


def main(words: Sequence[str]) -> NoReturn:
    """Answer requests until the parent is gone; the first answer says that the process is ready.

    Args:
      words: of the command line.
    """
    descriptor, parent, core, *backends = words
    # Ctrl-C reaches every process of the terminal: the parent decides what becomes of its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_with(int(parent))
    if core != ANYWHERE:
        os.sched_setaffinity(0, {int(core)})
    for stream in (sys.stdout, sys.stderr):  # what cannot be written is no reason to fail
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        _serve(_hidden(int(descriptor)), backends)
    except (EOFError, OSError):  # the parent is gone, or the work has closed the connection
        _leave(0)
    except SystemExit as end:
        _leave(end.code if isinstance(end.code, int) else int(end.code is not None))
    except BaseException:  # it would wait for the work's threads
        traceback.print_exc()
        _leave(1)


def _serve(connection: socket.socket, backends: Sequence[str]) -> NoReturn:
    answers, process = _Answers(), os.getpid()
    write_frame(connection, READY, _answer(functools.partial(_prepare, backends)))
    while True:
        number, request = read_frame(connection)
        payload = _answer(functools.partial(answers.to, request))
        if os.getpid() != process:  # the work has forked, and both have returned
            _leave(0)
        _flush()  # what the work has printed; a killed process would keep it
        write_frame(connection, number, payload)


def _hidden(descriptor: int) -> socket.socket:
    """Return the connection, out of the way of the work and of what that starts."""
    import fcntl  # not there on Windows, whose searches have no child processes

    with contextlib.suppress(OSError):  # fewer are allowed
        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR)
        os.close(descriptor)
        descriptor = high
    return socket.socket(fileno=descriptor)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed by the work, a full disk, no reader
            stream.flush()


def _leave(status: int) -> NoReturn:
    _flush()
    os._exit(status & 0xFF)


def _prepare(backends: Sequence[str]) -> None:
    if backends:
        prepare_backend(backends)


def _answer(function: Callable[[], Any]) -> bytes:
    """Return what a function returns or raises, as the payload of an answer."""
    started, begun = time.time(), time.monotonic()
    try:
        returned = function()
        seconds = time.monotonic() - begun  # whatever is done to the clock meanwhile
        return as_payload(ChildReply(returned, started, started + seconds))
    except Exception as error:
        trace, is_input_error = traceback.format_exc(), isinstance(error, InputError)
        return as_payload(Raised(message_of(error), line_of(error), trace, is_input_error))


class _Answers:
    """Answers requests, with the work that was set up before."""

    def __init__(self) -> None:
        self._evaluate: Callable[[Evaluations], Iterable[Measurement | Failure]] | None = None

    def to(self, pickled: bytes) -> Any:
        """Answer one request; a `Failure` in place of the results is the whole request's."""
        request: Setup | Call | Evaluations = pickle.loads(pickled)
        if isinstance(request, Setup):
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
                return self._evaluated(request)
        except ChildFailure as failure:
            return Failure(failure.reason, str(failure))

    def _evaluated(self, group: Evaluations) -> Results:
        assert self._evaluate is not None, "evaluations came before the work"
        results = tuple(self._evaluate(group))
        if not _are_results(results, group):
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
    from nas_with_rl.launch.evaluators import child_process

    child_process.main(sys.argv[1:])
