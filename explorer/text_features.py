"""What the characters of a text are: numbers that a neuron may follow.

Of source code indentation, bracket depth and column; of tweets the position inside a hashtag, a
web address or a mention; of the synthetic tasks how many a's a line has had, and x's, and b's.

Shapes: T characters. A count includes the character itself, since a signal is recorded after the
model has read it.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from nas_with_rl.child_models.data.text import END_OF_LINE

# A page ranks neurons by exact integer sums, below 2^53 in all: see `rankings`.
MOST_COUNTED = 1000
TAB_STOP = 4
_OPENING, _CLOSING = "([{", ")]}"
_FEW_CHARACTERS = 8  # a synthetic task's text has no more different ones
_MANY = 3  # of a character in one line make a count worth ranking by
_FEW_STARTS = 3  # the copy machine's lines start with three different letters
_OTHER = "\ufffc"  # a token of several characters: a word, or a rare character's stand-in

_HASHTAG = re.compile(r"(?<!\w)#\w+")
_ADDRESS = re.compile(r"(?:https?://|(?<!\w)www\.)[^\s<>\"]+", re.IGNORECASE)
_MENTION = re.compile(r"(?<!\w)@\w+")


@dataclasses.dataclass(frozen=True, eq=False)
class TextFeature:
    """A whole number for each character.

    Attributes:
      name: as in "bracket_depth".
      title: in words.
      values: int32 [T], 0 to `MOST_COUNTED`.
    """

    name: str
    title: str
    values: np.ndarray


def text_features(tokens: Sequence[str]) -> tuple[TextFeature, ...]:
    """Return the features that vary in this text."""
    text = "".join(_character(token) for token in tokens)
    found = [
        TextFeature(name, title, np.minimum(values(text), MOST_COUNTED).astype(np.int32))
        for name, title, values in (*_OF_ANY_TEXT, *_of_few_characters(text))
    ]
    return tuple(feature for feature in found if np.ptp(feature.values))


def _character(token: str) -> str:
    if token == END_OF_LINE:
        return "\n"
    return token if len(token) == 1 else _OTHER


_Values = Callable[[str], np.ndarray]


def _indentation(text: str) -> np.ndarray:
    """The blanks that began the line; a tab reaches the next multiple of `TAB_STOP`."""
    values, width, leading = [], 0, True
    for previous, character in zip("\n" + text, text, strict=False):
        if previous == "\n":
            width, leading = 0, True
        leading = leading and character in " \t"
        if leading:
            width += 1 if character == " " else TAB_STOP - width % TAB_STOP
        values.append(width)
    return np.array(values)


def _bracket_depth(text: str) -> np.ndarray:
    values, depth = [], 0
    for character in text:
        depth += (character in _OPENING) - (character in _CLOSING)
        depth = max(depth, 0)  # a text may begin inside brackets
        values.append(depth)
    return np.array(values)


def _column(text: str) -> np.ndarray:
    """1 for a line's first character."""
    return np.concatenate([np.arange(1, len(line) + 1) for line in _lines(text)])


def _lines(text: str) -> Iterator[str]:
    """Yield lines with their ends; other separators than a newline end none."""
    return (match.group() for match in re.finditer(r"[^\n]*\n|[^\n]+", text))


def _address_position(text: str) -> np.ndarray:
    return _positions(_ADDRESS, text)


def _hashtag_position(text: str) -> np.ndarray:
    return _positions(_HASHTAG, _without_addresses(text))


def _mention_position(text: str) -> np.ndarray:
    return _positions(_MENTION, _without_addresses(text))


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub(lambda match: " " * len(match.group()), text)


def _positions(pattern: re.Pattern[str], text: str) -> np.ndarray:
    """1, 2, 3 ... inside each match, 0 outside."""
    values = np.zeros(len(text), int)
    for match in pattern.finditer(text):
        values[match.start() : match.end()] = np.arange(1, match.end() - match.start() + 1)
    return values


_OF_ANY_TEXT: tuple[tuple[str, str, _Values], ...] = (
    ("indentation", f"indentation (blanks; tabs of {TAB_STOP})", _indentation),
    ("bracket_depth", "bracket depth", _bracket_depth),
    ("column", "column (from the line's start)", _column),
    ("hashtag_position", "position in a #hashtag", _hashtag_position),
    ("address_position", "position in a web address", _address_position),
    ("mention_position", "position in a @mention", _mention_position),
)


def _of_few_characters(text: str) -> Iterator[tuple[str, str, _Values]]:
    """Yield what there is to count in a synthetic task's text: its repeated letters, its starts."""
    characters = sorted(set(text) - {"\n", _OTHER})
    if not 0 < len(characters) <= _FEW_CHARACTERS:
        return
    lines = list(_lines(text))
    counted = [c for c in characters if max(line.count(c) for line in lines) >= _MANY]
    for character in counted:
        title = f"number of {character}'s in the line so far"
        yield f"{character}_count", title, functools.partial(_count, character=character)
    if {"a", "b"} <= set(counted):
        yield (
            "a_minus_b",
            "a's that have no b yet",
            functools.partial(_count, character="a", less="b"),
        )
    starts = sorted({line[0] for line in lines} - {"\n", _OTHER})
    if 1 < len(starts) <= _FEW_STARTS:
        for start in starts:
            title = f"line that starts with {start}"
            yield f"starts_with_{start}", title, functools.partial(_starts, character=start)


def _count(text: str, *, character: str, less: str = "") -> np.ndarray:
    """How many of a character the line has had, less those of another, 0 at the least."""
    counts = [
        np.cumsum([(c == character) - (c == less) for c in line], dtype=int)
        for line in _lines(text)
    ]
    return np.maximum(np.concatenate(counts), 0)


def _starts(text: str, *, character: str) -> np.ndarray:
    return np.concatenate([np.full(len(line), line[0] == character) for line in _lines(text)])
