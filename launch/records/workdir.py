"""The directory of one run: `experiment.json`, and a lock while a process works in it."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import importlib.metadata
import json
import os
import platform
import socket
import subprocess
import time
from pathlib import Path
from typing import IO, Any

from nas_with_rl.launch.records.storage_errors import ERROR_KINDS, storing
from nas_with_rl.launch.records.stored_values import check_stored
from nas_with_rl.search_spaces.errors import InputError, shown, shown_path
from nas_with_rl.search_spaces.whole_files import write_whole

EXPERIMENT_FILE = "experiment.json"
GRID_SEARCH = "grid_search"  # the kind of run, as `experiment.json` says; its trainings lie in
POINTS = "points"  # this directory, and its winner's in
FINAL = "final"
TRIALS_FILE = "trials.sqlite"
CHECKPOINTS = "checkpoints"
TENSORBOARD = "tensorboard"
CHILDREN = "children"  # directories that trials have asked for, by number
REPORT_FILE = "report.html"
COMPARISON_FILE = "comparison.json"
RETRAINED_FILE = "retrained.sqlite"
LEDGER_FILE = "ledger.json"
RESULT_FILE = "result.json"
MODEL_FILE = "model.keras"
LOCK_FILE = ".lock"
_LOOK_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class WorkdirUser:
    """Who works in a workdir, or did so last.

    Attributes:
      is_working: whether a process has it locked; None where that cannot be seen from here. One of
        another machine may have it though this is False: not every mount shares locks.
      host: its machine; None where that is not known.
      pid: the process's number there.
      since: when it began, in seconds since the epoch, by that machine's clock; None likewise.
    """

    is_working: bool | None
    host: str | None
    pid: int | None
    since: float | None

    @property
    def is_of_this_machine(self) -> bool:
        """Whether it is, or was, a process of this machine."""
        return self.host == socket.gethostname()


class Workdir:
    """A run's directory, locked until `close` or the process's end.

    Attributes:
      path: the directory.
      trials, checkpoints, tensorboard, children, comparison, retrained, ledger, report: where
        they lie.
      result, model: those of a final training.
    """

    def __init__(self, path: str | Path, *, flag: str = "--workdir"):
        """Name a directory; nothing is read or written yet.

        Args:
          path: of the directory; made absolute, so that the current one may change.
          flag: that names it, for messages.

        Raises:
          InputError: no path can look like that.
        """
        self.path = absolute_path(path, flag)
        self._flag = flag
        self.trials = self.path / TRIALS_FILE
        self.checkpoints = self.path / CHECKPOINTS
        self.tensorboard = self.path / TENSORBOARD
        self.children = self.path / CHILDREN
        self.comparison = self.path / COMPARISON_FILE
        self.retrained = self.path / RETRAINED_FILE
        self.ledger = self.path / LEDGER_FILE
        self.report = self.path / REPORT_FILE
        self.result = self.path / RESULT_FILE
        self.model = self.path / MODEL_FILE
        self._lock: IO[str] | None = None

    def is_begun(self) -> bool:
        """Say whether a run has begun here."""
        try:
            return (self.path / EXPERIMENT_FILE).exists()
        except OSError as error:
            raise InputError(
                f"{self._flag}={shown_path(self.path)} cannot be read: {error.strerror}"
            ) from None

    def start(self, description: dict[str, Any]) -> None:
        """Begin a run here; refused where one has begun."""
        self.lock()
        self.check_unused()
        try:
            self.write(description | {"versions": versions(), "commit": commit()})
        except OSError as error:
            raise self._unwritable(error) from None

    def check_unused(self) -> None:
        """Raise InputError where a run has begun, or where what one leaves lies."""
        if self.is_begun():
            name = self.read().get("experiment")
            raise InputError(
                f"{self._flag}={self.path} holds a run of {shown(name)}: continue it with "
                "--resume, or name another directory"
            )
        outputs = (self.trials, self.checkpoints, self.tensorboard, self.comparison, self.report)
        for path in (*outputs, self.retrained, self.result, self.model):
            if path.exists():
                raise InputError(
                    f"{self._flag}={self.path} holds {path.name} but no {EXPERIMENT_FILE}; "
                    "name another directory"
                )

    def read(self) -> dict[str, Any]:
        """Return the description of the run that is here."""
        if not self.is_begun():
            raise InputError(f"{self._flag}={self.path} holds no run: no {EXPERIMENT_FILE}")
        values = read_object(self.path / EXPERIMENT_FILE)
        check_stored(values, path=self.path / EXPERIMENT_FILE)
        return values

    def write(self, description: dict[str, Any]) -> None:
        """Write the description, whole or not at all."""
        write_object(description, self.path / EXPERIMENT_FILE)

    def lock(self) -> None:
        """Keep every other process out; made where it is missing.

        Raises:
          InputError: it is in use, or cannot be written to.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / LOCK_FILE).open("a")  # `sign` writes it
        except OSError as error:
            raise self._unwritable(error) from None
        if not self._try_lock():
            time.sleep(_LOOK_SECONDS)  # who only looks whether it is in use holds it for less
            if not self._try_lock():
                raise InputError(f"{self._flag}={self.path} is in use by another process")

    def sign(self) -> None:
        """Say in the lock who has it, once it is certain that a run goes on here."""
        assert self._lock is not None
        with contextlib.suppress(OSError):  # no run hangs on it
            os.ftruncate(self._lock.fileno(), 0)
            os.write(self._lock.fileno(), json.dumps(_this_process()).encode() + b"\n")

    def _try_lock(self) -> bool:
        """Return False where another process has the lock."""
        assert self._lock is not None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # a mount without locks, as of some networks
        return True

    def user(self) -> WorkdirUser:
        """Return who works in it, or did so last; nothing is written."""
        is_held, told = None, None
        try:
            with (self.path / LOCK_FILE).open() as lock:
                with contextlib.suppress(ValueError, RecursionError):
                    told = json.loads(lock.read())
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                is_held = False
        except BlockingIOError:
            is_held = True
        except (
            OSError
        ):  # it is not there, as in a copy, may not be read, or this mount has no locks
            pass
        told = told if isinstance(told, dict) else {}
        host, pid, since = (told.get(name) for name in ("host", "pid", "since"))
        return WorkdirUser(
            is_held,
            host if isinstance(host, str) else None,
            pid if isinstance(pid, int) else None,
            float(since) if isinstance(since, int | float) else None,
        )

    def _unwritable(self, error: OSError) -> InputError:
        number = error.errno or 0
        reason = ERROR_KINDS[number][0] if number in ERROR_KINDS else os.strerror(number)
        return InputError(f"{self._flag}={shown_path(self.path)} cannot be written to: {reason}")

    def close(self) -> None:
        """Give the directory free."""
        if self._lock:
            self._lock.close()


def _this_process() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": round(time.time(), 3)}


def absolute_path(path: str | Path, flag: str = "--workdir") -> Path:
    """Return a path that stays the same when the current directory changes.

    Args:
      path: as it was given, "~" for the home directory.
      flag: that gave it, for messages.

    Raises:
      InputError: no path can look like that.
    """
    try:
        text = os.fspath(path)
        text.encode()  # TensorFlow takes no other
        if not text:  # pathlib would take it for the current directory
            raise InputError(f"{flag} is empty: name a directory")
        if "\0" in text:
            raise ValueError("embedded null character")
        return Path(text).expanduser().absolute()
    except InputError:
        raise
    except (TypeError, ValueError, AttributeError):
        raise InputError(f"{flag}={shown(path)} is no path that can be written as text") from None
    except RuntimeError:
        raise InputError(f"{flag}={path}: there is no such user") from None
    except OSError as error:
        raise InputError(f"{flag}={path}: the current directory: {error.strerror}") from None


def data_directory(data_dir: str | None) -> str | None:
    """Return where data lies, as an absolute path, of what --data_dir says; None without it."""
    if not data_dir or "://" in data_dir:  # a place that tensorflow_datasets knows
        return data_dir or None
    return str(absolute_path(data_dir, "--data_dir"))


def read_object(path: Path) -> dict[str, Any]:
    """Read a file that `write_object` wrote; InputError where it is damaged."""
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no file")
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("it is not an object")
        return values
    except RecursionError:
        raise InputError(f"{path} cannot be read: too many brackets in one another") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {reason}") from None


def write_object(values: dict[str, Any], path: Path) -> None:
    """Write a JSON object, whole or not at all."""
    with storing(path):
        write_whole(json.dumps(values, indent=1) + "\n", path)


def versions() -> dict[str, str]:
    """Return the versions of what the results depend on."""
    found = {"python": platform.python_version()}
    for package in ("nas_with_rl", "tensorflow", "jax", "keras", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def commit() -> str | None:
    """Return the commit of the checkout that this code lies in, None outside one."""
    folder = os.path.dirname(os.path.realpath(__file__))
    # Without the lock on the index that a git which is killed, or finds the disk full, would leave.
    git = ["git", "--no-optional-locks", "-C", folder]
    command = [*git, "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
