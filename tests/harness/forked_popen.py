"""`subprocess.Popen` that has this project's programs forked by a `fork_server`.

What it starts is the same process in all that a test can ask of it, but costs 0.1 seconds of a core
in place of 6 to 7. Programs that are to start as a user's do, imports and all, are those of tests
marked `real_start`, and all with `pytest --real-starts`.
"""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import os
import pickle
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nas_with_rl
from tests.harness import fork_server

PROGRAM = re.compile(r"nas_with_rl\.launch\.(\w+|evaluators\.child_process|host\.fork_server)")
TESTS = Path(__file__).resolve().parents[1]
SCRIPTS = [  # that import TensorFlow
    TESTS / "harness" / "killed_search.py",
    TESTS / "harness" / "killed_training.py",
    TESTS / "harness" / "one_epoch.py",
    TESTS / "faults" / "random_kills.py",
    TESTS / "faults" / "search_faults.py",
]
PR_SET_CHILD_SUBREAPER = 36
# What Python and TensorFlow look at while they start: only the usual values can be forked.
EARLY = (
    "KERAS_BACKEND",
    "PYTHONHOME",
    "PYTHONIOENCODING",
    "PYTHONUTF8",
    "LC_ALL",
    "PYTHONWARNINGS",
)
_Popen = subprocess.Popen


class ForkServer:
    """A child of this process that forks programs for it.

    Attributes:
      is_paused: whether programs are to be started as usual.
    """

    def __init__(self, connection: socket.socket | None = None):
        """Use a server.

        Args:
          connection: to it; None to start one when it is needed.
        """
        self.is_paused = False
        self._connection, self._owner, self._lock = connection, os.getpid(), threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def serves(self, command: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Return whether the server may start a program for this process."""
        if sys.platform != "linux" or self.is_paused or os.getpid() != self._owner:
            return False  # elsewhere there is no /proc to show what is forked as what was asked for
        if command[:1] != [sys.executable]:
            return False
        words = command[1:]
        words = words[words[:1] == ["-P"] :]
        if words[:1] == ["-m"]:
            is_ours = PROGRAM.fullmatch(words[1]) is not None
        else:
            is_ours = bool(words) and Path(words[0]).resolve() in SCRIPTS
        return is_ours and _early(environment) == _early(os.environ)

    def start(self, request: fork_server.Request, descriptors: Sequence[int]) -> int:
        """Return the number of the process that the server has forked."""
        libc = ctypes.CDLL(None)
        with self._lock:
            self._connection = self._connection or self._connected()
            libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
            try:
                socket.send_fds(self._connection, [pickle.dumps(request)], descriptors)
                return int(self._connection.recv(32))
            finally:
                libc.prctl(PR_SET_CHILD_SUBREAPER, 0)

    def close(self) -> None:
        """End the server; what it has forked runs on."""
        if self._connection:
            self._connection.close()
        if self._process:
            self._process.wait()

    def _connected(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        paths = (
            TESTS.parent,
            Path(nas_with_rl.__file__).parents[1],
            os.environ.get("PYTHONPATH"),
        )
        words = ("-P", "-m", fork_server.__name__, str(theirs.fileno()), fork_server.ARGUMENT_ROOM)
        with theirs:
            self._process = _Popen(
                [sys.executable, *words],
                pass_fds=(theirs.fileno(),),
                env={
                    **os.environ,
                    **fork_server.ENVIRONMENT_ROOM,
                    "PYTHONPATH": os.pathsep.join(str(path) for path in paths if path),
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        return ours


def _early(environment: Mapping[str, str]) -> dict[str, str | None]:
    usual = {"KERAS_BACKEND": "tensorflow"}
    return {name: environment.get(name, usual.get(name)) for name in EARLY}


@contextlib.contextmanager
def programs_forked_by(server: ForkServer) -> Iterator[None]:
    """Have the programs that this process starts forked by a server."""

    class ForkedPopen(_Popen):
        def _execute_child(self, *arguments: Any) -> None:
            start = super()._execute_child  # type: ignore[misc]
            given = inspect.signature(start).bind(*arguments).arguments
            if not _started(self, server, given):
                start(*arguments)

    subprocess.Popen = ForkedPopen  # type: ignore[misc]
    try:
        yield
    finally:
        subprocess.Popen = _Popen  # type: ignore[misc]
        server.close()


def _started(process: Any, server: ForkServer, given: Mapping[str, Any]) -> bool:
    """Return whether the server has started a process that `Popen` was asked for."""
    if isinstance(given["args"], str) or given["shell"] or given["preexec_fn"]:
        return False
    command = [os.fsdecode(word) for word in given["args"]]
    environment = os.environ if given["env"] is None else given["env"]
    environment = {os.fsdecode(k): os.fsdecode(v) for k, v in environment.items()}
    if given["executable"] is not None or not server.serves(command, environment):
        return False
    try:
        folder = os.path.abspath(os.fsdecode(given["cwd"] or "."))
    except FileNotFoundError:  # this process's own is gone
        return False
    pipes = {0: given["p2cread"], 1: given["c2pwrite"], 2: given["errwrite"]}
    descriptors = [own if pipe == -1 else pipe for own, pipe in pipes.items()]
    passed = sorted(given["pass_fds"])
    request = fork_server.Request(
        tuple(command),
        environment,
        folder,
        os.getpid(),
        os.getpgrp(),
        (0, 1, 2, *passed),
        bool(given["start_new_session"]),
    )
    process.pid = server.start(request, [*descriptors, *passed])
    process._child_created = True
    ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
    process._close_pipe_fds(*(given[end] for end in ends))
    return True
