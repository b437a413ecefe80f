"""What a picture consists of, in units of its own (a pixel each where it is shown as it is).

x grows to the right, y downwards. A layout makes a `Scene`; a test can ask it where all things are.
"""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Literal

from nas_with_rl.search_spaces.errors import shortened

Point = tuple[float, float]

# Of a character, in parts of the size. Monospaced fonts have 0.55 (Consolas) to 0.602 (DejaVu).
ADVANCE = 0.61
_LAST_NARROW = "\u052f"  # Latin, Greek, Cyrillic; beyond, a glyph is whatever font's has it
_NARROW = "×·…–"  # which monospaced fonts have
LONGEST_TEXT = 60  # characters
MARGIN = 14.0
HEADING_SIZE, NOTE_SIZE = 13.0, 10.5
_HEADING_LINE, _NOTE_LINE, _BELOW_HEADING = 18.0, 14.0, 10.0
_LEAST_WIDTH = 300.0  # below, notes become columns of single words


@dataclasses.dataclass(frozen=True)
class Text:
    """A line of text.

    Attributes:
      x, y: of its anchor on the baseline.
      content: printable, see `printable`.
      size: of the font.
      anchor: which end of the text, or its middle, lies at x.
      kind: a class of the style: "strong", "faint", "" for plain.
    """

    x: float
    y: float
    content: str
    size: float = 12.0
    anchor: Literal["start", "middle", "end"] = "middle"
    kind: str = ""

    @property
    def width(self) -> float:
        """At least what a monospaced font takes."""
        return text_width(self.content, self.size)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        share = {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor]
        left = self.x - share * self.width
        return left, self.y - 0.8 * self.size, left + self.width, self.y + 0.25 * self.size


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle with texts in it.

    Attributes:
      kind: a class of the style.
      title: what a pointer that rests on it is told.
      radius: of its corners.
    """

    left: float
    top: float
    width: float
    height: float
    kind: str
    texts: tuple[Text, ...] = ()
    title: str = ""
    radius: float = 4.0

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height


@dataclasses.dataclass(frozen=True)
class Line:
    """A line through points.

    Attributes:
      points: of a polyline whose corners are rounded; of a smooth line the two ends, which it
        leaves and reaches upright.
      arrow: whether its last point is the tip of an arrow.
      smooth: whether it is an S between its two ends.
    """

    points: tuple[Point, ...]
    arrow: bool = False
    smooth: bool = False


def upright(start: Point, end: Point, bend: float) -> list[Line]:
    """Return a line straight up from a start, and from `bend` on in an S to its end."""
    lines = [Line((start, (start[0], bend)))] if start[1] > bend else []
    begin = (start[0], min(start[1], bend))
    if begin[0] == end[0]:
        return [Line((start, end))]
    return [*lines, Line((begin, end), smooth=True)]


@dataclasses.dataclass(frozen=True)
class Net:
    """One value on its way to all that take it: lines that belong together.

    Attributes:
      title: what a pointer that rests on it is told.
      lines: of it; two that meet are one.
      kind: a class of the style.
      dots: where a line begins on another one.
    """

    title: str
    lines: tuple[Line, ...]
    kind: str = "plain"
    dots: tuple[Point, ...] = ()


@dataclasses.dataclass(frozen=True)
class Scene:
    """A whole picture.

    Attributes:
      title, description: what a screen reader says.
      width, height: of all.
      boxes: none of which overlap.
      nets: in the order in which they are drawn, later ones above.
      texts: outside the boxes.
      backdrops: behind boxes that belong together.
      rules: thin lines across the picture.
    """

    title: str
    description: str
    width: float
    height: float
    boxes: tuple[Box, ...]
    nets: tuple[Net, ...] = ()
    texts: tuple[Text, ...] = ()
    backdrops: tuple[Box, ...] = ()
    rules: tuple[Line, ...] = ()


def printable(text: object, limit: int = LONGEST_TEXT) -> str:
    """Return a text as one line that any XML may hold, of at most so many characters."""
    return shortened(str(text), limit)


def text_width(content: str, size: float) -> float:
    """Return what a text takes at most; `svg` makes one of other characters no wider."""
    cells = sum(1 if is_narrow(each) else 2 for each in content)
    return cells * ADVANCE * size


def is_narrow(character: str) -> bool:
    """Return whether every monospaced font has a character, as wide as the others."""
    return character <= _LAST_NARROW or character in _NARROW


@dataclasses.dataclass(frozen=True)
class Heading:
    """What stands above a drawing.

    Attributes:
      title: set in bold; empty for none.
      notes: sentences below it, that say how to read the drawing.
    """

    title: str = ""
    notes: tuple[str, ...] = ()

    def placed(self, width: float) -> tuple[tuple[Text, ...], float, float]:
        """Return its texts, the width of the picture, and the y at which the drawing begins.

        Args:
          width: of the drawing.
        """
        width = max(width, _LEAST_WIDTH) if self.title or self.notes else width
        texts: list[Text] = []
        y = MARGIN
        for content, size, line, kind in (
            (self.title, HEADING_SIZE, _HEADING_LINE, "strong"),
            *((note, NOTE_SIZE, _NOTE_LINE, "faint") for note in self.notes),
        ):
            for part in _wrapped(content, size, width - 2 * MARGIN):
                texts.append(Text(MARGIN, y + size, part, size, "start", kind))
                y += line
        return tuple(texts), width, y + (_BELOW_HEADING if texts else 0.0)


def _wrapped(content: str, size: float, width: float) -> list[str]:
    # A character that is twice as wide counts twice in no library's wrapping: assume the worst.
    widest = max((text_width(each, size) for each in content), default=size)
    return textwrap.wrap(content, max(8, int(width / widest)))
