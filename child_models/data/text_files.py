"""The files of a text: by their path or a pattern, read whole, with their digests."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import os
import re
import stat

from nas_with_rl.child_models.data.sequences import SOURCES
from nas_with_rl.search_spaces.errors import LONGEST_PATH, InputError, shown, shown_path


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """Where a text came from: a file's name and the SHA-256 digest of its bytes."""

    name: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class TextFile:
    """A file as it was read; whether it is text shows when that is asked for."""

    path: str
    content: bytes

    @property
    def source(self) -> SourceFile:
        """Its name and digest."""
        return SourceFile(os.path.basename(self.path), hashlib.sha256(self.content).hexdigest())

    @property
    def text(self) -> str:
        """Its characters; InputError where it is not UTF-8."""
        try:
            return self.content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{shown_path(self.path)} is not UTF-8 text (at byte {error.start})"
            ) from None

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing but blanks."""
        return not self.content.strip()


def matching_files(source: str) -> tuple[list[TextFile], str]:
    """Return the files that a path or a pattern names, and in words what it left out of them.

    Raises:
      InputError: there are none, or none that is not empty; or one of them cannot be read.
    """
    paths = _paths(source)
    found = [path for path in paths if not os.path.isdir(path)]
    if len(paths) == 1 and not found:
        path = shown_path(paths[0])
        raise InputError(f"{path} is a directory, not a file; name its files: {path}/*.txt")
    if len(paths) == 1:
        return [full_file(found[0])], ""
    files = [_read(path) for path in found]
    kept = [file for file in files if not file.is_empty]
    left_out = _counted(
        ("directory", "directories", len(paths) - len(found)),
        ("empty file", "empty files", len(files) - len(kept)),
    )
    if not kept:
        raise InputError(f"source is {shown(source, LONGEST_PATH)}: nothing there but {left_out}")
    return kept, left_out


def full_file(path: str) -> TextFile:
    """Read a file; InputError where it is empty or cannot be read."""
    file = _read(path)
    if file.is_empty:
        raise InputError(f"{shown_path(path)} is empty")
    return file


def _read(path: str) -> TextFile:
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):  # it may never end, or be read once
            raise InputError(f"{shown_path(path)} is no file but a device, a pipe or a socket")
        with open(path, "rb") as stream:
            return TextFile(path, stream.read())
    except OSError as error:
        raise InputError(f"{shown_path(path)} cannot be read: {error.strerror}") from None
    except MemoryError:
        raise InputError(f"{shown_path(path)} is larger than the memory") from None


def _paths(source: str) -> list[str]:
    """Return the path that a text is, or else those that it matches, sorted."""
    try:
        path = os.path.expanduser(source)
        if os.path.lexists(path):
            return [path]
        # Of "**/**/" each directory would be found in every way that it can be reached.
        pattern = re.sub(r"(?<![^/])(\*\*/+)+", "**/", path)
        paths = sorted(set(glob.glob(pattern, recursive=True)))
    except (ValueError, RecursionError, re.error):  # a NUL, half a character, thousands of levels
        paths = []
    if not paths:
        tasks = ", ".join(SOURCES)
        raise InputError(
            f"source is {shown(source, LONGEST_PATH)}: no such file (nor stdlib, ptb, {tasks})"
        )
    return paths


def _counted(*counts: tuple[str, str, int]) -> str:
    """Return (singular, plural, how many) in words; what there is none of is not named."""
    return " and ".join(
        f"{number:,} {singular if number == 1 else plural}"
        for singular, plural, number in counts
        if number
    )
