"""The one error that means: the user can mend this; and how its messages show values."""

from __future__ import annotations

import reprlib

LONGEST_SHOWN = 60  # characters of a value that a message shows


class InputError(ValueError):
    """A value from the user that cannot be used.

    The message is one line that names the value, the limit and the flag or argument. Binaries
    print it without a traceback and leave with exit status 2.
    """


def shown(value: object) -> str:
    """Return a value as a message shows it: cut, on one line, in printable characters.

    Args:
      value: a text, which is shown as it is, or anything else, of which the `repr` is.
    """
    try:
        text = value if isinstance(value, str) else _repr.repr(value)
    except ValueError:  # an integer of thousands of digits
        text = f"<{type(value).__name__}>"
    if len(text) > LONGEST_SHOWN:
        text = text[: LONGEST_SHOWN - 1] + "…"
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )


def quoted(value: object) -> str:
    """Return a value as `shown` does, a text between quotation marks."""
    return f"'{shown(value)}'" if isinstance(value, str) else shown(value)


_repr = reprlib.Repr()  # goes a few levels deep: `repr` ends in RecursionError somewhere
_repr.maxstring = _repr.maxother = LONGEST_SHOWN
