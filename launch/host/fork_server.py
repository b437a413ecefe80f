"""Forks processes off one that has imported what they need: there at once, and of little memory.

    program -- fork --> server -- fork, twice --> process, the program's child

    python -m nas_with_rl.launch.host.fork_server DESCRIPTOR PARENT ROOM [MODULE ...]

A process that has imported TensorFlow and Keras and computed nothing has one thread, and may be
forked. So a program has a server forked off itself before it begins to compute, or starts one by
the command above, which imports the MODULEs; that one does nothing but fork, for which `forking`
asks it at its socket DESCRIPTOR. What it forks is to whoever looks what an exec would
have made: the child of the program, with the descriptors, the environment and the command line that
were asked for, which `/proc` shows, as far as there is room, those variables first that mark it for
`remnants.kill_marked`.

`multiprocessing`'s forkserver does without the first fork, imports the user's `__main__` again, is
one for the whole program, and what it forks outlives a program that is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import dataclasses
import gc
import importlib
import io
import os
import pickle
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from nas_with_rl.launch.host.backend import BACKENDS, prepare_backend
from nas_with_rl.launch.host.heartbeat import HEARTBEAT_VARIABLE, set_death_signal
from nas_with_rl.launch.host.remnants import CHILD_VARIABLE

MESSAGE_BYTES = 2**18  # of a request
MOST_DESCRIPTORS = 16
NAME = "nas_with_rl-fork-server"  # what /proc shows as its command
READY = b"1"  # what a server that was started says once it has imported all
# Of a server that is started: room where /proc reads the command line and the environment.
ARGUMENT_ROOM = "x" * 2**12
ENVIRONMENT_ROOM = {"NAS_WITH_RL_ROOM": "x" * 2**15}
REFUSED = b"0"  # the answer in place of a process's number
_MARKS = (CHILD_VARIABLE, HEARTBEAT_VARIABLE)
_ADOPTION_LOOK_SECONDS = 0.0005  # between two looks who the parent is
_BLAS_END_SECONDS = 0.5  # for threads that have been joined to be gone from /proc
# How many threads OpenBLAS has: the first that is set.
_BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")
_BLAS_SETTERS = tuple(  # as NumPy's own build names it, and others
    f"{prefix}openblas_set_num_threads{suffix}"
    for prefix in ("scipy_", "")
    for suffix in ("64_", "")
)


@dataclasses.dataclass(frozen=True)
class Program:
    """What a process runs.

    Attributes:
      command: that starts it as a program of its own: the interpreter, its options, -m, a module,
        its words.
      function: "module:function" that does the same once all is imported, called with the words.
      num_words: how many of the command are the words.
    """

    command: tuple[str, ...]
    function: str
    num_words: int

    @property
    def words(self) -> tuple[str, ...]:
        """What the module is given."""
        return self.command[len(self.command) - self.num_words :]


@dataclasses.dataclass(frozen=True)
class Request:
    """A process that is to be forked, as a leader of a session of its own.

    Attributes:
      program: that it runs.
      environment: all of it.
      path: of its modules, absolute.
      folder: in which it starts.
      parent: the process that asks.
      targets: the numbers that the descriptors are to have, those that are passed with it.
    """

    program: Program
    environment: Mapping[str, str]
    path: tuple[str, ...]
    folder: str
    parent: int
    targets: tuple[int, ...]


def serve(connection: socket.socket, parent: int) -> NoReturn:
    """Be the server of the process that has just forked this one, as long as that one lives."""
    set_death_signal()
    if os.getppid() != parent:
        os._exit(0)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):  # the program's own; an exec would forget them too
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of the terminal
    _close_others(connection.fileno())
    _set_environment(dict(os.environ))
    with contextlib.suppress(OSError):
        _show((NAME,), os.environ)
    gc.freeze()  # else a search for cycles would make each process copy everything
    while True:
        message, passed, *_ = socket.recv_fds(connection, MESSAGE_BYTES, MOST_DESCRIPTORS)
        if not message:
            os._exit(0)
        if is_single_threaded():
            _fork(connection, pickle.loads(message), passed)
        else:
            connection.send(REFUSED)
        for descriptor in passed:
            os.close(descriptor)


def _close_others(kept: int) -> None:
    """Let nobody wait for the end of an output because of this process."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    if nothing > 2:
        os.close(nothing)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # the directory's own
            # Those that an exec would close are Python's or TensorFlow's, which may need them.
            if descriptor not in (0, 1, 2, kept) and os.get_inheritable(descriptor):
                os.close(descriptor)


def _fork(connection: socket.socket, request: Request, passed: Sequence[int]) -> None:
    """Fork a process that becomes what is asked for; in this one, return."""
    import fcntl  # not there on Windows, which forks nothing

    between = os.fork()
    if between:
        with contextlib.suppress(ChildProcessError):  # where SIGCHLD is ignored
            os.waitpid(between, 0)
        return
    try:
        between = os.getpid()
        if os.fork():
            os._exit(0)  # which makes the other the child of the program, its nearest reaper
        free = max(request.targets) + 1  # the first that none of them is
        moved = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, free) for each in passed]
        answers = fcntl.fcntl(connection, fcntl.F_DUPFD_CLOEXEC, free)
        connection.close()
        for descriptor in passed:
            os.close(descriptor)
        try:
            while os.getppid() == between:
                time.sleep(_ADOPTION_LOOK_SECONDS)
            if os.getppid() != request.parent:
                raise ProcessLookupError("another process has adopted this one")
            _become(request, moved)
        except Exception:
            os.write(answers, REFUSED)
            raise
        os.write(answers, str(os.getpid()).encode())
        os.close(answers)
        _run(request.program)
    finally:  # whatever happens, this is not the program that has been forked
        os._exit(1)


def _become(request: Request, passed: Sequence[int]) -> None:
    """Take on what a process has by its start."""
    os.setsid()
    for descriptor, target in zip(passed, request.targets, strict=True):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(request.folder)
    _set_environment(request.environment)
    _show(request.program.command, request.environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _open_streams()
    sys.path[:] = request.path
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    _draw_anew()
    _limit_blas(request.environment)


def _set_environment(environment: Mapping[str, str]) -> None:
    """Set all variables, in memory of their own: where they lay may be written over."""
    os.environ.clear()
    os.environ.update(environment)


def _show(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Write over what /proc shows of the command line and the environment.

    Raises:
      OSError: there is no room for the variables by which this process is found.
    """
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    places = list(map(int, fields[45:49]))  # arg_start, arg_end, env_start, env_end
    if not all(places):
        raise OSError("this system does not say where they lie")
    marks = [name for name in _MARKS if name in environment]
    names = [*marks, *(name for name in environment if name not in marks)]
    variables = [f"{name}={environment[name]}" for name in names]
    if len(_joined(variables[: len(marks)])) > places[3] - places[2]:
        raise OSError("there is no room for the environment")
    _write_over(_joined(command), *places[:2])
    _write_over(_joined(variables), *places[2:])


def _joined(texts: Sequence[str]) -> bytes:
    return b"".join(os.fsencode(text) + b"\0" for text in texts)


def _write_over(shown: bytes, start: int, end: int) -> None:
    """Write what there is room for, and a zero at the end: else Linux would read on behind it."""
    shown = shown[: end - start - 1].ljust(end - start, b"\0")
    ctypes.memmove(start, shown, end - start)


def _open_streams() -> None:
    """Give Python its three streams anew, as buffered as those of a new process."""
    encoding = getattr(sys.__stdout__, "encoding", None)  # of the locale, or as Python was told
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding=encoding, closefd=False)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _writer(1, encoding, "strict")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _writer(2, encoding, "backslashreplace")  # type: ignore[misc]
    sys.stderr.reconfigure(line_buffering=True)


def _writer(descriptor: int, encoding: str | None, errors: str) -> io.TextIOWrapper:
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    raw: Any = os.fdopen(descriptor, "wb", 0 if at_once else -1, closefd=False)
    stream = io.TextIOWrapper(raw, encoding, errors, write_through=at_once)
    stream.reconfigure(line_buffering=stream.isatty())
    return stream


def _draw_anew() -> None:
    """Let NumPy's own draws differ from process to process, as `random`'s do by themselves."""
    if "numpy" in sys.modules:
        import numpy as np

        np.random.seed()


def _run(program: Program) -> NoReturn:
    """Run a program to its end, as the interpreter would."""
    module, _, function = program.function.partition(":")
    sys.argv, sys.orig_argv = [module, *program.words], list(program.command)
    status = 0
    try:
        getattr(importlib.import_module(module), function)(program.words)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if end.code is not None and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status & 0xFF)


def is_single_threaded() -> bool:
    """Return whether this process has one thread, so that it may be forked.

    Those of NumPy's OpenBLAS are ended, as its own handler of forks would do; it starts them again
    when it needs them.
    """
    if blas := _openblas():
        if not (hasattr(blas, "blas_thread_shutdown_") and _blas_setter(blas)):
            return False
        blas.blas_thread_shutdown_()
    end = time.monotonic() + _BLAS_END_SECONDS
    while (count := len(os.listdir("/proc/self/task"))) > 1 and blas and time.monotonic() < end:
        time.sleep(0.001)
    return count == 1


def _limit_blas(environment: Mapping[str, str]) -> None:
    """Let OpenBLAS compute in as many threads as it would in a process that begins with these."""
    told = [environment.get(name, "") for name in _BLAS_VARIABLES]
    count = next((int(each) for each in told if each.isdigit() and int(each)), 0)
    blas = _openblas() if count else None
    if blas is not None:
        getattr(blas, _blas_setter(blas))(min(count, len(os.sched_getaffinity(0))))


def _blas_setter(blas: ctypes.CDLL) -> str:
    return next((name for name in _BLAS_SETTERS if hasattr(blas, name)), "")


def _openblas() -> ctypes.CDLL | None:
    """Return the OpenBLAS of this process; None where there is none."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        name = line.rpartition("/")[2]
        if "openblas" in name and ".so" in name:
            return ctypes.CDLL(line[line.index("/") :])
    return None


def main(words: Sequence[str]) -> NoReturn:
    """Import, then be the server of the program that has started this one."""
    descriptor, parent, _, *modules = words
    set_death_signal()
    connection = socket.socket(fileno=int(descriptor))
    for name in ENVIRONMENT_ROOM:
        os.environ.pop(name, None)

    def begin() -> None:
        for module in modules:
            importlib.import_module(module)
        connection.send(READY)
        serve(connection, int(parent))

    prepare_backend(BACKENDS[:1], imported=begin)
    sys.exit(1)


if __name__ == "__main__":
    # The same module under its own name, of whose classes the requests are.
    from nas_with_rl.launch.host import fork_server

    fork_server.main(sys.argv[1:])
