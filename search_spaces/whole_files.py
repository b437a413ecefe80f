"""Files that are there whole or not at all, whatever moment their writer is killed at.

Written here and nowhere else. It stands in the folder that every other may import, since the page,
the models and the records have no other in common.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

WRITING = "writing-"  # what a name begins with that a killed writer may have left behind


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a free path beside `path` to write to; what lies there at the end becomes `path`.

    A file replaces the one that was there; a directory needs its place free. Where the block
    raises, nothing is left of it. The path ends as `path` does, since Keras goes by the ending, and
    is this process's own, since two may write the same file.
    """
    temporary = path.with_name(f"{WRITING}{os.getpid()}-{path.name}")
    _clear(temporary)
    try:
        yield temporary
        temporary.rename(path)
    finally:
        _clear(temporary)


def write_whole(content: str | bytes, path: Path) -> None:
    """Write a file of a text, as UTF-8, or of bytes."""
    with written_whole(path) as temporary:
        temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
