"""Errors of the machine and not of the program: a full disk, too many open files, a bad cable.

They end a run with one line. Whatever had been stored by then is whole, and the run can be
continued once the machine is mended.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from nas_with_rl.search_spaces.errors import InputError

GO_ON = "go on with --resume (in Python: options.resume), nothing that was stored is lost"
STORAGE_STATUS = 74  # a binary's exit status; EX_IOERR of sysexits.h

# What has happened, and what is to be done, by the system's number.
ERROR_KINDS: Mapping[int, tuple[str, str]] = {
    errno.ENOSPC: ("no space is left on the device", "make room"),
    errno.EDQUOT: ("the disk quota is used up", "make room"),
    errno.EFBIG: ("the file may not grow any further", "raise the limit (ulimit -f)"),
    errno.EMFILE: ("this process has too many open files", "raise the limit (ulimit -n)"),
    errno.ENFILE: ("the machine has too many open files", "end what has opened them"),
    errno.EIO: ("the device fails (input/output error)", "see to it"),
    errno.ESTALE: ("the network's file system has lost it", "mount it again"),
    errno.ENOTCONN: ("the file system is not there any more", "mount it again"),
    errno.EROFS: ("the file system can only be read", "make it writable"),
    errno.EACCES: ("permission denied", "give the permission"),
    errno.EPERM: ("operation not permitted", "permit it"),
}
_OF_A_FILE = (errno.EACCES, errno.EPERM)  # without a file's name, an error of the program
# Libraries in C++ raise errors of their own that have the system's text.
_TOLD = tuple(number for number in ERROR_KINDS if number != errno.EPERM)


class StorageError(OSError):
    """Something outside the program keeps it from storing or reading; the message is one line."""

    def __str__(self) -> str:
        return str(self.strerror)


def storage_error(number: int, path: object) -> StorageError:
    """Return the error of a system's number, which is one of KINDS, at a path or anywhere."""
    happened, remedy = ERROR_KINDS[number]
    where = "" if path is None else f"{path}: "
    return StorageError(
        number,
        f"{where}{happened}; {remedy} and {GO_ON}",
        str(path),
    )


def explained(error: Exception, path: object = None) -> StorageError | None:
    """Return the line for an error of the machine; None for any other error.

    Args:
      error: of the operating system, or of a library that says the same in its own words.
      path: where it happened, unless the error says so.
    """
    if isinstance(error, StorageError | InputError):
        return error if isinstance(error, StorageError) else None
    name = getattr(error, "filename", None)
    where = path if name is None else os.fsdecode(name) if isinstance(name, bytes) else name
    number = error.errno if isinstance(error, OSError) else None
    if number is None and path is not None:
        number = next((each for each in _TOLD if os.strerror(each) in str(error)), None)
    if number is None or number not in ERROR_KINDS or (number in _OF_A_FILE and where is None):
        return None
    return storage_error(number, where)


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """Raise the machine's errors as StorageError, whatever library writes the file or directory."""
    try:
        yield
    except Exception as error:
        found = explained(error, path)
        if found is None or found is error:
            raise
        raise found from error
