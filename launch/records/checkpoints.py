"""Checkpoints: there whole or not at all; damage is noticed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from absl import logging

from nas_with_rl.controller.searcher import NotFinite
from nas_with_rl.launch.records.storage_errors import explained, storing
from nas_with_rl.search_spaces.errors import InputError, line_of
from nas_with_rl.search_spaces.whole_files import WRITING, written_whole

MANIFEST = "manifest.json"  # file name -> SHA-256, the last file to be written
KEPT = 3
# What libraries raise for content that they have not written. Not TensorFlow's errors, which are
# those of a cluster too.
_DAMAGE = (
    *(ValueError, OSError, LookupError, TypeError, AttributeError, AssertionError),
    *(ArithmeticError, EOFError, RuntimeError, MemoryError, SyntaxError),
    *(struct.error, zlib.error, zipfile.BadZipFile),
)


class Restorable(Protocol):
    """A state with a version that grows, such as a searcher's or a training's."""

    @property
    def version(self) -> int:
        """The checkpoint's number."""

    def save(self, directory: Path) -> None:
        """Write the state into an empty directory."""

    def restore(self, directory: Path) -> None:
        """Restore what `save` wrote; ValueError or OSError where that is impossible."""


class Checkpoints:
    """The newest checkpoints of a state, one directory each: `version-00000125`."""

    def __init__(
        self,
        directory: Path,
        *,
        kept: int = KEPT,
        without: str = "learn again from the stored trials, which are complete",
    ):
        """Keep checkpoints in a directory.

        Args:
          directory: made where it does not exist.
          kept: how many of the newest stay.
          without: what can be done once the directory is deleted, for the message of damage.
        """
        self._directory, self._kept, self._without = directory, kept, without
        directory.mkdir(parents=True, exist_ok=True)

    def save(self, state: Restorable) -> None:
        """Write the state; a kill at any moment leaves the earlier ones usable."""
        final = self._directory / _name(state.version)
        # A damaged one, or of a version that is reached again.
        shutil.rmtree(final, ignore_errors=True)
        with storing(final), written_whole(final) as temporary:
            temporary.mkdir()
            state.save(temporary)
            digests = {path.name: _digest(path) for path in sorted(temporary.iterdir())}
            (temporary / MANIFEST).write_text(json.dumps(digests))
        # Only now: at no moment are there fewer whole ones than before.
        for old in self._newest_first()[self._kept :]:
            shutil.rmtree(old)

    def restore(self, state: Restorable) -> None:
        """Restore the newest readable checkpoint, a damaged one falls back to the one before.

        Without any the state stays as it is; so it does where all have learned from what is no
        number, and what they were made from is to be learned again.

        Raises:
          InputError: there are checkpoints, and every one is damaged.
        """
        for leftover in self._directory.glob(f"{WRITING}*"):  # of a killed run
            shutil.rmtree(leftover, ignore_errors=True)
        damaged = []
        for path in self._newest_first():
            try:
                _verify(path)
                with _literal(path) as readable:
                    state.restore(readable)
                if path.name != _name(state.version):
                    raise ValueError(f"it is of version {state.version!r}")
                return
            except NotFinite as error:
                logging.warning("checkpoint %s is of no use, trying an older one: %s", path, error)
            except _DAMAGE as error:
                found = explained(error, path)
                if found and found.errno != errno.EIO:  # as too many open files: no damage
                    raise found from error
                damaged.append(path.name)
                logging.warning("checkpoint %s is damaged, trying an older one: %s", path, error)
        if damaged:
            raise InputError(
                f"{self._directory}: every checkpoint is damaged ({', '.join(damaged)}); delete "
                f"that directory to {self._without}"
            )

    def _newest_first(self) -> list[Path]:
        return sorted(self._directory.glob("version-*"), reverse=True)


def copy_kept(directory: Path, into: Path) -> dict[int, Path | str]:
    """Copy the checkpoints that a directory keeps; nothing is written there.

    Args:
      directory: of a search that may go on meanwhile.
      into: an empty folder.

    Returns:
      by version, the newest first, a copy, or what is wrong with the checkpoint.
    """
    found: dict[int, Path | str] = {}
    for path in sorted(directory.glob("version-*"), reverse=True):
        number = path.name.removeprefix("version-")
        if not number.isdecimal():
            continue
        try:
            copy = Path(shutil.copytree(path, into / path.name))
            _verify(copy)
        except (OSError, ValueError, shutil.Error) as error:
            if path.exists():  # else a newer one has taken its place
                found[int(number)] = f"it is damaged: {line_of(error)}"
            continue
        found[int(number)] = copy
    return found


@contextlib.contextmanager
def _literal(path: Path) -> Iterator[Path]:
    """Yield a path to a directory that nobody takes for a pattern, as TensorFlow does to read."""
    if not set(str(path)) & set("*?[\\"):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="nas_with_rl-") as place:
        link = Path(place, path.name)
        link.symlink_to(path.absolute(), target_is_directory=True)
        yield link


def _name(version: int) -> str:
    return f"version-{version:08d}"


def _verify(path: Path) -> None:
    """Raise ValueError or OSError where a file is missing or is not what was written."""
    digests = json.loads((path / MANIFEST).read_text())
    if not isinstance(digests, dict):
        raise ValueError(f"{MANIFEST} is no object")
    for name, digest in digests.items():
        if _digest(path / name) != digest:
            raise ValueError(f"{name} is not what was written")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
