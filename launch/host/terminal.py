"""What is said at the terminal: all that prints below the binaries, beside progress bars."""

from __future__ import annotations

import contextlib
import sys


def say(text: str = "") -> None:
    """Print on the standard output, at once: what follows may take hours."""
    print(text, flush=True)


def warn(text: str) -> None:
    """Print on the standard error, over a progress bar that is being drawn there.

    Where there is nobody to tell nothing happens.
    """
    if sys.stderr is None:  # as of a program without a console
        return
    with contextlib.suppress(OSError, ValueError):
        clear = "\r\033[K" if sys.stderr.isatty() else ""
        print(f"{clear}{text}", file=sys.stderr, flush=True)
