"""Forks programs of this project from a process that has imported TensorFlow: quick to start.

    python -m tests.harness.fork_server DESCRIPTOR ROOM

To start a program costs 6 to 7 seconds of a core, and nearly all of them go to imports. This server
has imported them and computed nothing, so it has one thread and may be forked. What it forks is the
child of who has asked, and `/proc` shows the command and the environment that were asked for: to
signals, to the exit status, to `kill_marked` it is the process that an exec would have made.
`forked_popen` is the other end.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import fcntl
import gc
import importlib
import io
import os
import pickle
import runpy
import signal
import socket
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from nas_with_rl.launch.host.fork_server import NAME

MESSAGE_BYTES = 2**18
MOST_DESCRIPTORS = 16
HIGH_DESCRIPTOR = 400  # beyond those that programs are given
PR_SET_PDEATHSIG = 1
ARGUMENT_ROOM = "x" * 2**14  # for the command line of what is forked, where /proc reads it
ENVIRONMENT_ROOM = {"FORK_SERVER_ROOM": "x" * 2**16}  # and for its environment
# What the binaries import once they know what is asked; none of it defines a flag.
IMPORTS = (
    "tensorflow",
    "keras",
    "nas_with_rl.launch.command_line",
    "nas_with_rl.launch.evaluators.child_process",
    "nas_with_rl.launch.searches.named_run",
    "nas_with_rl.launch.trainings.training_run",
    "nas_with_rl.launch.clusters.roles",
    "nas_with_rl.launch.clusters.supervisor",
)


_others: list[str] = []  # entries of `sys.path` that every program has, once there is a server


@dataclasses.dataclass(frozen=True)
class Request:
    """A program to be started.

    Attributes:
      command: the interpreter, its options, and what it runs: -m and a module, or a script.
      environment: all of it.
      folder: in which it starts.
      parent: the process that asks, and its group.
      targets: the numbers that the passed descriptors are to have.
      new_session: whether it gets a session of its own.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str
    parent: int
    group: int
    targets: tuple[int, ...]
    new_session: bool


def next_request(connection: socket.socket) -> Request:
    """Serve who is connected and ends it by closing; return in each process what it is to be."""
    connection = _moved_high(connection)
    while True:
        message, passed, *_ = socket.recv_fds(connection, MESSAGE_BYTES, MOST_DESCRIPTORS)
        if not message:
            os._exit(0)
        between = os.fork()
        if not between:
            between = os.getpid()
            if os.fork():
                os._exit(0)  # which makes the other the child of `parent`, its nearest reaper
            request: Request = pickle.loads(message)
            while os.getppid() == between:
                time.sleep(0.0005)
            if os.getppid() != request.parent:
                os._exit(1)
            _become(request, passed)
            connection.send(str(os.getpid()).encode())
            connection.close()
            return request
        os.waitpid(between, 0)
        for descriptor in passed:
            os.close(descriptor)


def _moved_high(connection: socket.socket) -> socket.socket:
    """Return a connection out of the way of the targets."""
    with connection:
        number = fcntl.fcntl(connection, fcntl.F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR)
        return socket.socket(fileno=number)


def _become(request: Request, passed: Sequence[int]) -> None:
    """Take on what a process has by its start."""
    if request.new_session:
        os.setsid()
    elif os.getpgrp() != request.group:
        with contextlib.suppress(PermissionError):  # of another session
            os.setpgid(0, request.group)
    moved = [os.dup2(descriptor, 2 * HIGH_DESCRIPTOR + n) for n, descriptor in enumerate(passed)]
    for descriptor in passed:
        os.close(descriptor)
    for descriptor, target in zip(moved, request.targets, strict=True):
        os.dup2(descriptor, target)  # which an exec would leave open
        os.close(descriptor)
    os.chdir(request.folder)
    _set_environment(request.environment)
    _show(request.command, request.environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _open_streams()
    found = os.environ.get("PYTHONPATH", "")
    sys.path[:] = [*filter(None, found.split(os.pathsep)), *_others]
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    for entry in found.split(os.pathsep):
        if entry and Path(entry, "sitecustomize.py").exists():
            runpy.run_path(str(Path(entry, "sitecustomize.py")))


def _set_environment(environment: Mapping[str, str]) -> None:
    """Set all variables, in memory of their own: where they lay may be written over."""
    os.environ.clear()
    os.environ.update(environment)


def _show(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Write over what /proc shows of the command line and the environment."""
    variables = [f"{name}={value}" for name, value in environment.items()]
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    places = list(map(int, fields[45:49]))  # arg_start, arg_end, env_start, env_end
    rooms = (places[:2], places[2:])
    for texts, (start, end) in zip((command, variables), rooms, strict=True):
        shown = b"".join(os.fsencode(text) + b"\0" for text in texts)
        assert len(shown) <= end - start, "no room in the server's own"
        ctypes.memmove(start, shown.ljust(end - start, b"\0"), end - start)


def _open_streams() -> None:
    """Give Python its three streams anew, as buffered as those of a new process."""
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = sys.__stdin__ = os.fdopen(0, closefd=False)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _writer(1, at_once, "strict")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _writer(2, at_once, "backslashreplace")  # type: ignore[misc]
    sys.stderr.reconfigure(line_buffering=True)


def _writer(descriptor: int, at_once: bool, errors: str) -> io.TextIOWrapper:
    stream = os.fdopen(descriptor, "w", closefd=False, errors=errors)
    stream.reconfigure(write_through=at_once, line_buffering=stream.isatty())
    return stream


def run(request: Request) -> None:
    """Run the program, as the interpreter would."""
    words = list(request.command[1:])
    is_safe = words[0] == "-P"
    words = words[is_safe:]
    sys.orig_argv = list(request.command)
    warnings.filterwarnings("ignore", module="runpy")  # the module is there before it is run
    if words[0] == "-m":
        sys.argv = words[1:]
        if not is_safe:
            sys.path.insert(0, os.getcwd())
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(words[0]).resolve().parent))
        runpy.run_path(words[0], run_name="__main__")


def _starts_others(request: Request) -> bool:
    alone = (".child_process", ".cluster", ".fork_server")
    return not any(word.endswith(alone) for word in request.command[:4])


def is_forked() -> bool:
    """Return whether a server has forked this process, which may then be one itself."""
    return bool(_others)


def serve_children() -> socket.socket | Request:
    """Fork a server for the children of this process, which has computed nothing yet.

    Returns:
      its connection; in each process that it forks, what is asked of that one.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    if os.fork():
        theirs.close()
        return ours
    ours.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    _show((NAME,), os.environ)
    for descriptor in (0, 1, 2):  # nobody shall wait for the end of an output because of it
        os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    return next_request(theirs)


def main() -> None:
    """Import, then serve; what is forked runs to its end as any program does."""
    from tests.harness import forked_popen  # now, while its path is that of this program

    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    _others.extend(entry for entry in sys.path if entry not in given)
    from nas_with_rl.launch.host import backend

    with backend._held_back_stderr():  # TensorFlow's greeting
        for name in IMPORTS:
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    _set_environment({k: v for k, v in os.environ.items() if k not in ENVIRONMENT_ROOM})
    _show((NAME,), os.environ)
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    request = next_request(socket.socket(fileno=int(sys.argv[1])))
    found: socket.socket | Request = request
    while isinstance(found, Request) and _starts_others(request := found):
        found = serve_children()
    if isinstance(found, Request):
        run(request)
        return
    with forked_popen.programs_forked_by(forked_popen.ForkServer(found)):
        run(request)


if __name__ == "__main__":
    # The same module under its own name, of whose classes the requests are.
    from tests.harness import fork_server

    fork_server.main()
