"""The one error that means: the user can mend this; and how it shows a value."""

from __future__ import annotations

import os

LONGEST_PATH = 250  # characters of a path in a message: its end is what tells


class InputError(ValueError):
    """A value from the user that cannot be used.

    The message is one line that names the value, the limit and the flag or argument. Binaries
    print it without a traceback and leave with exit status 2.
    """


def shortened(text: str, limit: int = 60) -> str:
    """Return a text as one printable line of at most so many characters."""
    line = " ".join(text[: 10 * limit].split())  # a text may be a whole file
    line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)
    whole = len(line) <= limit and len(text) <= 10 * limit
    return line if whole else line[: limit - 1] + "…"


def shown(value: object, limit: int = 60) -> str:
    """Return how a message shows a value, whatever it is: its `repr`, shortened."""
    try:
        return shortened(repr(value), limit)
    except Exception:  # an integer of thousands of digits; an object that cannot be shown
        return f"a value of type {type(value).__name__}"


def shown_path(path: str | os.PathLike[str]) -> str:
    """Return how a message shows a path."""
    return shortened(os.fspath(path), LONGEST_PATH)


MOST_SHOWN = 200  # characters of an error in a message


def line_of(error: BaseException) -> str:
    """Return the line that says what was raised, and may stand before a traceback."""
    return shortened(f"{type(error).__name__}: {message_of(error)}", MOST_SHOWN)


def message_of(error: BaseException) -> str:
    """Return an exception's message; its type where it cannot say one."""
    try:
        return str(error)
    except Exception:  # its own
        return type(error).__name__
