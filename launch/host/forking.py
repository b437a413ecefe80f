"""The program's end of a `fork_server`: has processes forked that are then its own children."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from nas_with_rl.launch.host import backend, fork_server, resources
from nas_with_rl.launch.host.fork_server import Program, Request
from nas_with_rl.launch.host.remnants import module_path

ANSWER_SECONDS = 60.0  # for a process to be forked
IMPORT_SECONDS = 120.0  # for a server that is started
LOOK_SECONDS = 0.005  # between two looks whether a process has ended
_SET_CHILD_SUBREAPER, _GET_CHILD_SUBREAPER = 36, 37  # of Linux's prctl


class ForkedProcess:
    """A child of this process that a server has forked, with `subprocess.Popen`'s interface.

    Attributes:
      pid: its number.
      returncode: its exit status, minus the signal's number if any; None while it is not known.
    """

    def __init__(self, pid: int):
        self.pid = pid
        self.returncode: int | None = None
        self._lock = threading.Lock()  # once it has been waited for, another may have its number

    def poll(self) -> int | None:
        """Return the exit status; None from one that runs."""
        with self._lock:
            if self.returncode is None:
                try:
                    ended, status = os.waitpid(self.pid, os.WNOHANG)
                except ChildProcessError:  # another has waited for it, or nobody is to
                    ended, status = self.pid, 0
                if ended:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit status.

        Raises:
          TimeoutExpired: of `subprocess`, after that many seconds.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if end is not None and time.monotonic() >= end:
                assert timeout is not None
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(LOOK_SECONDS)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """A server of this process, which forks for it until one of the two ends."""

    def __init__(self, connection: socket.socket, server: ForkedProcess | subprocess.Popen[bytes]):
        self._connection, self._server = connection, server
        self._owner, self._lock = os.getpid(), threading.Lock()
        self._is_closed = False

    @property
    def is_open(self) -> bool:
        """Whether it may be asked, by this process."""
        return not self._is_closed and os.getpid() == self._owner

    def start(
        self, program: Program, environment: Mapping[str, str], descriptors: Mapping[int, int]
    ) -> ForkedProcess:
        """Return a process that has just been forked, in a session of its own.

        Args:
          program: that it runs.
          environment: all of it.
          descriptors: of this process, by the number that each is to have there.

        Raises:
          OSError: the server is gone, or cannot fork any more. It is closed then.
        """
        try:
            request = Request(
                program,
                dict(environment),
                tuple(module_path().split(os.pathsep)),
                os.getcwd(),
                os.getpid(),
                tuple(descriptors),
            )
            with self._lock, _adopting():
                socket.send_fds(
                    self._connection, [pickle.dumps(request)], list(descriptors.values())
                )
                pid = int(self._answer() or 0)
            if not pid:
                raise OSError("the fork server has refused, or has ended")
        except OSError:
            self.close()
            raise
        return ForkedProcess(pid)

    def _answer(self) -> bytes:
        """Return what the server answers; after that, nothing that it forks lives on unknown."""
        try:
            return self._connection.recv(32)
        except TimeoutError:
            # What answers from here on cannot, and ends; what has just done so is read.
            self._connection.shutdown(socket.SHUT_RD)
            return self._connection.recv(32)

    def close(self) -> None:
        """End the server; what it has forked runs on."""
        if not self.is_open:
            return
        self._is_closed = True
        self._connection.close()
        self._server.kill()
        self._server.wait()


def forked_server() -> ForkServer | None:
    """Fork a server off this process, which has to have begun no computation.

    Returns:
      None where that cannot be done: elsewhere than on Linux, and in a process of several threads.
    """
    if sys.platform != "linux" or not fork_server.is_single_threaded():
        return None
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for stream in (sys.stdout, sys.stderr):  # else both would write what is held back
        with contextlib.suppress(Exception):
            stream.flush()
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        try:
            ours.close()
            fork_server.serve(theirs, parent)
        finally:  # this process is never the program
            os._exit(1)
    theirs.close()
    ours.settimeout(ANSWER_SECONDS)
    return ForkServer(ours, ForkedProcess(pid))


def started_server(modules: Sequence[str]) -> ForkServer | None:
    """Start a server that has imported Keras, TensorFlow and some modules, and wait for it.

    For a program that does not import them itself; none of the modules may compute or start threads
    when it is imported.

    Returns:
      None where that cannot be done, as where a GPU is visible or Keras has another backend.
    """
    if sys.platform != "linux" or resources.named_gpus():
        return None
    if backend.of_children() != backend.BACKENDS[0]:
        return None
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    words = (theirs.fileno(), os.getpid(), fork_server.ARGUMENT_ROOM, *modules)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", fork_server.__name__, *map(str, words)],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **fork_server.ENVIRONMENT_ROOM, "PYTHONPATH": module_path()},
        )
    server = ForkServer(ours, process)
    try:
        ours.settimeout(IMPORT_SECONDS)
        is_ready = ours.recv(len(fork_server.READY)) == fork_server.READY
        ours.settimeout(ANSWER_SECONDS)
    except OSError:
        is_ready = False
    except BaseException:  # Ctrl-C
        server.close()
        raise
    if not is_ready:
        server.close()
    return server if is_ready else None


_begun: list[ForkServer] = []  # of this process, or of one that has forked it


def begin_on_cores() -> None:
    """Let the child processes of this program be forked from here on, if that can be done.

    For a program whose modules are all this project's, once it has imported TensorFlow and before
    it looks for devices, computes, opens files or starts threads. On a machine with GPUs, and where
    children have another backend, they start as ever.
    """
    if backend.of_children() != backend.BACKENDS[0] or resources.named_gpus():
        return
    if server := forked_server():
        _begun.append(server)


def current() -> ForkServer | None:
    """Return the server that this process has begun; None without one."""
    return next((server for server in reversed(_begun) if server.is_open), None)


@contextlib.contextmanager
def _adopting() -> Iterator[None]:
    """Let this process be the parent of what its servers fork and leave."""
    libc, before = ctypes.CDLL(None), ctypes.c_int()
    libc.prctl(_GET_CHILD_SUBREAPER, ctypes.byref(before))
    libc.prctl(_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        libc.prctl(_SET_CHILD_SUBREAPER, before.value)
