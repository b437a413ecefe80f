"""What a process leaves behind, and the guard that clears it away however that process ends.

    python -m nas_with_rl.launch.host.remnants PARENT MARK FOLDER

A process that is killed can neither end what it has started nor delete its files. Its guard, which
does nothing but wait for its end, does: it kills every process whose environment has MARK, and
deletes FOLDER; either may be empty.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from nas_with_rl.launch.host.heartbeat import HEARTBEAT_VARIABLE
from nas_with_rl.search_spaces.errors import InputError

CHILD_VARIABLE = "NAS_WITH_RL_CHILD"  # marks a child process and what it starts
REMNANT_SECONDS = 2.0  # for what was killed to be gone
PARENT_LOOK_SECONDS = 0.25  # between two looks whether the parent is there


class PrivateFolder:
    """A directory for this process and user alone, deleted when it is closed or this process ends.

    It lies where TMPDIR says and has a name that nobody can foresee.

    Attributes:
      path: of the directory.
    """

    def __init__(self, *, variable: str = "") -> None:
        """Make the directory.

        Args:
          variable: of the environment; processes in which it names what lies in the directory end
            with this one.

        Raises:
          InputError: there is no place for temporary files.
        """
        try:
            self.path = Path(tempfile.mkdtemp(prefix="nas_with_rl-"))
        except OSError as error:
            raise InputError(f"TMPDIR has no place for temporary files: {error}") from None
        mark = f"{variable}={self.path}" if variable else ""
        self._guard = start_guard(mark=mark, folder=str(self.path))

    def close(self) -> None:
        """Delete the directory and what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._guard.kill()
        self._guard.wait()


def start_guard(*, mark: str = "", folder: str = "") -> subprocess.Popen[bytes]:
    """Start the guard of this process.

    Args:
      mark: "VARIABLE=VALUE", as `kill_marked` takes it.
      folder: an absolute path.
    """
    module = "nas_with_rl.launch.host.remnants"
    # Not marked as those are that this process belongs to: their ends are not the guard's.
    foreign = (CHILD_VARIABLE, HEARTBEAT_VARIABLE)
    own = {name: value for name, value in os.environ.items() if name not in foreign}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, str(os.getpid()), mark, folder],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={**own, "PYTHONPATH": module_path()},
        start_new_session=True,
    )


def module_path() -> str:
    """Return the PYTHONPATH of a process that is to find the modules that this one finds."""
    try:
        here = os.getcwd()
    except FileNotFoundError:  # deleted: nothing can be found there
        here = ""
    entries = [entry or here for entry in sys.path if isinstance(entry, str)]
    return os.pathsep.join(entry for entry in entries if entry)


def check_mark(mark: str) -> None:
    """Raise ValueError for what is no "VARIABLE=VALUE": it could mark the processes of others."""
    variable, _, value = mark.partition("=")
    if not variable.isidentifier() or not value.strip("/"):
        raise ValueError(f"{mark!r} is no VARIABLE=VALUE that marks a process")


def kill_marked(mark: str) -> None:
    """Kill the processes that have a variable in their environment, and wait until they are gone.

    Linux alone shows it, as it was when the process began: one that was started with another
    environment, or has written over its own, is not found.

    Args:
      mark: as `check_mark` takes it; the value "a" also stands for "a/b".
    """
    check_mark(mark)
    end = time.monotonic() + REMNANT_SECONDS
    while remnants := list(_processes_with(mark.encode(errors="surrogateescape"))):
        for pid in remnants:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > end:
            return
        time.sleep(0.01)


def _processes_with(mark: bytes) -> Iterator[int]:
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # another user's, or one that has just ended
            entries = environment.read_bytes().split(b"\0")
            if any(entry == mark or entry.startswith(mark + b"/") for entry in entries):
                yield int(environment.parent.name)


def main(parent: int, mark: str, folder: str) -> None:
    """Wait for the end of the parent, then clear away."""
    with contextlib.suppress(AttributeError, OSError):  # an older kernel, another system
        ended = select.poll()
        ended.register(os.pidfd_open(parent), select.POLLIN)
        if os.getppid() == parent:
            ended.poll()
    while os.getppid() == parent:
        time.sleep(PARENT_LOOK_SECONDS)
    if mark:
        kill_marked(mark)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
