"""A connection to a store of trials: to write, or to read alone; patient with other programs.

SQLite keeps what was written last in `trials.sqlite-wal`, beside the file. Another program may lock
the store, as a viewer does with changes that are not saved, or read it for so long that this log
cannot be emptied: then this one waits, and says so.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from absl import logging

from nas_with_rl.launch.records.storage_errors import (
    ERROR_KINDS,
    GO_ON,
    StorageError,
    explained,
    storage_error,
)
from nas_with_rl.search_spaces.errors import InputError

LONGEST_WAIT_SECONDS = 30 * 60.0
SAID_AFTER_SECONDS = 3.0  # of waiting
SAID_EVERY_SECONDS = 60.0
WAL_BYTES = 32 * 2**20  # of the log, which has 4 MiB unless another program keeps it from emptying
# Then it is written into the file. That waits for the disk: at 1 MiB a trial would take half as
# long again.
_LOG_PAGES, _LOG_BYTES = 1000, 4 * 2**20  # the latter is its size from then on
_POLL_SECONDS = 0.1
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
_OF_THE_MACHINE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, *_UNWRITABLE)
_HEADER = b"SQLite format 3\0"  # of every file that is one
_READ_AS_WAL = b"\x02"  # byte 19 of the file

_Result = TypeVar("_Result")


class StoreConnection:
    """A connection to an SQLite file, or to a database in memory.

    Raises:
      InputError: where the file is no database or is damaged.
      StorageError: where the machine keeps it from being read or written, or another program for
        longer than LONGEST_WAIT_SECONDS.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False):
        """Open a file.

        Args:
          path: of the file; None for a database in memory.
          read_only: write nothing, neither to the file nor beside it.
        """
        self.path = path = path.absolute() if path else None
        self.read_only = read_only
        self._log = _beside(path, "-wal") if path else None  # asked for at every change
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        if path is not None and read_only and not path.exists():
            raise InputError(f"{path}: no such file")
        with self._explained():
            self._connection = self._opened()

    def _opened(self) -> sqlite3.Connection:
        if self.path is None:
            return _connect(":memory:")
        if not _is_database(self.path):  # SQLite takes what is shorter than a page for a new one
            raise sqlite3.DatabaseError("file is not a database")
        if not self.read_only:
            connection = _connect(_uri(self.path, "mode=rwc"))
            # A killed process loses nothing that was committed; only a power cut could.
            self._patiently(lambda: connection.execute("PRAGMA journal_mode=WAL"))
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
            return connection
        log, index = _beside(self.path, "-wal"), _beside(self.path, "-shm")
        if log.exists() and index.exists():  # of a program that writes, or was killed
            connection = _connect(_uri(self.path, "mode=ro&readonly_shm=1"))
            if not _has_just_ended(connection):
                return connection
        if _has_content(log) or _has_content(_beside(self.path, "-journal")):
            return _connect(_uri(self._copied(self.path), "mode=rw"))
        # No program has it open. SQLite would create a log and an index to read it.
        return _connect(_uri(self.path, "immutable=1" if _has_log(self.path) else "mode=ro"))

    def _copied(self, path: Path) -> Path:
        """Copy what a killed program has left: its log can only be read beside the file."""
        self._copy = tempfile.TemporaryDirectory(prefix="nas_with_rl-", ignore_cleanup_errors=True)
        for ending in ("", "-wal", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(_beside(path, ending), Path(self._copy.name, path.name + ending))
        return Path(self._copy.name, path.name)

    def read(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """Return the rows of a query."""
        with self._explained():
            return self._patiently(lambda: self._connection.execute(query, values).fetchall())

    def write(self, change: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Make a change in one transaction: all of it or nothing. It may be tried several times."""
        if self.read_only:
            raise storage_error(errno.EACCES, self.path)
        with self._explained():
            result = self._patiently(lambda: self._transaction(change))
            if self._log is not None and _size(self._log) > WAL_BYTES:
                self._patiently(self._emptied_log)
            return result

    def _transaction(self, change: Callable[[sqlite3.Connection], _Result]) -> _Result:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = change(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # SQLite has done it after some errors
                self._connection.execute("ROLLBACK")
            raise
        return result

    def _emptied_log(self) -> None:
        if self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise _Busy(f"{self.path}-wal has grown to {WAL_BYTES / 2**20:g} MiB since it is read")

    def close(self) -> None:
        """Write the log into the file, unless another program keeps that from it, and close."""
        with contextlib.suppress(sqlite3.Error):
            if self.path is not None and not self.read_only:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
        if self._copy:
            self._copy.cleanup()

    def _patiently(self, attempt: Callable[[], _Result]) -> _Result:
        """Return what an attempt returns, once no other program stands in its way.

        The waiting is Python's: SQLite's own would not hear of Ctrl-C.
        """
        started = said = time.monotonic()
        while True:
            try:
                result = attempt()
                break
            except (sqlite3.OperationalError, _Busy) as error:
                if not isinstance(error, _Busy) and _code(error) not in _LOCKED:
                    raise
                why = str(error) if isinstance(error, _Busy) else f"{self.path} is locked"
            now = time.monotonic()
            if now - started > LONGEST_WAIT_SECONDS:
                raise StorageError(
                    errno.EBUSY,
                    f"{why} by another program, for {LONGEST_WAIT_SECONDS / 60:g} minutes now; "
                    f"end it and {GO_ON}",
                )
            due = SAID_AFTER_SECONDS if said == started else SAID_EVERY_SECONDS
            if now - said >= due:
                said = now
                limit = LONGEST_WAIT_SECONDS / 60
                logging.warning(
                    "%s by another program; waiting for it, up to %g minutes", why, limit
                )
            time.sleep(_POLL_SECONDS)
        if said != started:
            logging.warning(
                "%s is free again after %.0f s, going on", self.path, time.monotonic() - started
            )
        return result

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Tell damage of the file from errors of the machine and of the program."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except sqlite3.DatabaseError as error:
            number = self._system_number(error)
            if number is not None and number in ERROR_KINDS:
                raise storage_error(number, self.path) from error
            raise InputError(
                damage(self.path, os.strerror(number) if number else str(error))
            ) from error
        except OSError as error:
            raise (explained(error, self.path) or error) from None

    def _system_number(self, error: sqlite3.DatabaseError) -> int | None:
        """Return the operating system's number of an error, which SQLite does not hand on."""
        code, path = _code(error), self.path
        if code == sqlite3.SQLITE_FULL:
            return errno.ENOSPC
        if code not in _OF_THE_MACHINE or path is None:
            return None
        if path.is_dir():
            return errno.EISDIR
        needed = os.R_OK if self.read_only else os.W_OK
        if path.exists() and not os.access(path, needed):
            return errno.EACCES
        try:
            # Not the file itself: to close it would give up SQLite's locks on it.
            folder = tempfile.gettempdir() if self.read_only else path.parent
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(2**20))
        except OSError as found:
            return found.errno
        return errno.EROFS if code in _UNWRITABLE else errno.EIO


class _Busy(Exception):
    """Another program stands in the way; the message is the beginning of a sentence."""


def damage(path: Path | None, problem: str) -> str:
    """Return the line about a store that is damaged."""
    return (
        f"{path} cannot be read as a store of trials ({' '.join(problem.split())}); restore it "
        "from a copy, together with the -wal and -shm files beside it, or without them where the "
        "copy has none; or start again with another --workdir"
    )


def can_write(path: Path) -> bool:
    """Say whether a store may be written to, or created."""
    return not path.exists() or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(
        uri, uri=True, timeout=_POLL_SECONDS, isolation_level=None, check_same_thread=False
    )


def _has_just_ended(connection: sqlite3.Connection) -> bool:
    """Say whether the program that wrote has closed the store since its log was seen."""
    try:
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        return _code(error) == sqlite3.SQLITE_CANTOPEN
    return False


def _uri(path: Path, options: str) -> str:
    return f"file:{urllib.parse.quote(os.fsencode(path.absolute()))}?{options}"


def _code(error: sqlite3.Error) -> int:
    """Return an error's primary code."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _has_content(path: Path) -> bool:
    return _size(path) > 0


def _is_database(path: Path) -> bool:
    """Say whether a file may be a database: SQLite's, empty, not there, or not to be read here."""
    try:
        with path.open("rb") as file:
            return file.read(len(_HEADER)) in (b"", _HEADER)
    except OSError:  # which SQLite tells
        return True


def _has_log(path: Path) -> bool:
    """Say whether a database that no program has open is read through a log."""
    with path.open("rb") as file:
        return file.read(20)[19:] == _READ_AS_WAL
