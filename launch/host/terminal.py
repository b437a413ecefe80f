"""What is said to the person at the terminal: the one place that prints, beside progress bars."""

from __future__ import annotations

import contextlib
import sys


def say(text: str = "") -> None:
    """Print on the standard output, at once: what follows may take hours."""
    print(text, flush=True)


def warn(text: str) -> None:
    """Print on the standard error; where there is nobody to tell nothing happens."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)
