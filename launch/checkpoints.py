"""Checkpoints of a searcher: written under a temporary name, then renamed; damage is noticed."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from absl import logging

from nas_with_rl.controller.searcher import Searcher
from nas_with_rl.search_spaces.errors import InputError

MANIFEST = "manifest.json"  # file name -> SHA-256, the last file to be written
KEPT = 3


class Checkpoints:
    """The newest checkpoints of a searcher, one directory each: `version-00000125`."""

    def __init__(self, directory: Path):
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def save(self, searcher: Searcher) -> None:
        """Write the searcher's state; a kill at any moment leaves the earlier ones usable."""
        final = self._directory / f"version-{searcher.version:08d}"
        temporary = self._directory / f"writing-{searcher.version:08d}"
        for leftover in (temporary, final):  # of a killed run, or damaged
            shutil.rmtree(leftover, ignore_errors=True)
        temporary.mkdir()
        searcher.save(temporary)
        digests = {path.name: _digest(path) for path in sorted(temporary.iterdir())}
        (temporary / MANIFEST).write_text(json.dumps(digests))
        temporary.rename(final)
        for old in self._newest_first()[KEPT:]:
            shutil.rmtree(old)

    def restore(self, searcher: Searcher) -> None:
        """Restore the newest readable checkpoint, a damaged one falls back to the one before.

        Without any the searcher stays as it is, and learns again from the stored trials.

        Raises:
          InputError: there are checkpoints, and every one is damaged.
        """
        damaged = []
        for path in self._newest_first():
            try:
                _verify(path)
                searcher.restore(path)
                return
            except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
                damaged.append(path.name)
                logging.warning("checkpoint %s is damaged, trying an older one: %s", path, error)
        if damaged:
            raise InputError(
                f"{self._directory}: every checkpoint is damaged ({', '.join(damaged)}); delete "
                "that directory to learn again from the stored trials, which are complete"
            )

    def _newest_first(self) -> list[Path]:
        return sorted(self._directory.glob("version-*"), reverse=True)


def _verify(path: Path) -> None:
    """Raise ValueError where a file is missing or is not what was written."""
    for name, digest in json.loads((path / MANIFEST).read_text()).items():
        if _digest(path / name) != digest:
            raise ValueError(f"{name} is not what was written")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
