"""Curves as SVG, inside a page or alone: lines with bands, axes with ticks, no script."""

from __future__ import annotations

import base64
import dataclasses
import html
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

from nas_with_rl.search_spaces.whole_files import write_whole

WIDTH, HEIGHT = 480, 300  # of the drawing's own units: a phone shows nearly one a pixel
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 12, 40
NUM_COLOURS = 8
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "12 4", "1 2", "6 2 2 2 2 2")
_MOST_TICKS = 5
_HEADING = 26  # units above a drawing that stands alone

STYLE = """
.c0 { --c: light-dark(#0b6fb8, #6cb4f0); } .c1 { --c: light-dark(#b3470a, #f0a060); }
.c2 { --c: light-dark(#2b7a2b, #7ccf7c); } .c3 { --c: light-dark(#8a3ab9, #cf9df2); }
.c4 { --c: light-dark(#666, #aaa); } .c5 { --c: light-dark(#a8123f, #ff8fab); }
.c6 { --c: light-dark(#0a7f83, #5fd3d6); } .c7 { --c: light-dark(#7a6200, #e3c64f); }
.line { stroke: var(--c); fill: none; stroke-width: 2; } .band { fill: var(--c); opacity: .14; }
.dot { fill: var(--faint); opacity: .7; } .axis { stroke: var(--faint); fill: none; }
.grid { stroke: var(--faint); opacity: .45; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--ink); font-size: 13px; }
.legend { display: flex; flex-wrap: wrap; gap: .2em 1.2em; padding: 0; list-style: none; }
.legend svg { display: inline-block; width: 34px; height: 10px; margin-right: .4em; }
.legend li { overflow-wrap: anywhere; }
"""
# A drawing alone has no page whose colours it could take.
_ALONE = """
svg { color-scheme: light dark; --ink: light-dark(#222, #ddd); --faint: light-dark(#bbb, #555);
  font-family: system-ui, sans-serif; } .paper { fill: light-dark(#fff, #16181c); }
"""


@dataclasses.dataclass(frozen=True, repr=False)
class Drawing:
    """A drawing that a notebook shows, and that can be kept as a file.

    Attributes:
      title: what it shows.
      svg: the whole file.
      width: at most, of its image in a notebook.
    """

    title: str
    svg: str
    width: int = WIDTH

    def save(self, path: str | Path) -> None:
        """Write it, whole or not at all."""
        write_whole(self.svg, Path(path))

    def __repr__(self) -> str:
        return f"<drawing: {self.title}; save(path) writes it as SVG>"

    def _repr_html_(self) -> str:
        # As an image: its styles and the notebook's leave each other alone.
        data = base64.b64encode(self.svg.encode()).decode()
        return (
            f"<img alt='{html.escape(self.title)}' style='width: 100%; max-width: {self.width}px' "
            f"src='data:image/svg+xml;base64,{data}'>"
        )


@dataclasses.dataclass(frozen=True)
class Line:
    """A curve.

    Attributes:
      title: of it.
      place: among the curves of a page, whose colour and dashes it has.
      points: x and y, in the order of x.
      band: the lowest and the highest y at each point; empty for none.
    """

    title: str
    place: int
    points: tuple[tuple[float, float], ...]
    band: tuple[tuple[float, float], ...] = ()


@dataclasses.dataclass(frozen=True)
class _Scale:
    """From numbers to places of the drawing."""

    most_x: float
    low: float
    high: float

    def x(self, value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * value / self.most_x, 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)


def legend(titles: Sequence[str]) -> str:
    """Return what the colours and dashes of a page's curves mean."""
    items = "".join(
        f"<li class='c{place % NUM_COLOURS}'><svg viewBox='0 0 34 10' aria-hidden='true'>"
        f"<path class='line' {_dashed(place)} d='M0 5H34'/></svg>{html.escape(title)}</li>"
        for place, title in enumerate(titles)
    )
    return f"<ul class='legend'>{items}</ul>"


def drawing(
    lines: Sequence[Line],
    *,
    title: str,
    x_title: str,
    start: float = 0.0,
    dots: Sequence[tuple[float, float]] = (),
) -> Drawing:
    """Return a drawing of curves that stands alone, its title above; see `chart`."""
    inside = chart(lines, label=title, x_title=x_title, start=start, dots=dots)
    height = HEIGHT + _HEADING
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' "
        f"height='{height}'><style>{STYLE}{_ALONE}</style>"
        f"<rect class='paper' width='{WIDTH}' height='{height}'/>"
        f"<text x='{LEFT}' y='18'>{html.escape(title)}</text>"
        f"<svg y='{_HEADING}' width='{WIDTH}' height='{HEIGHT}'>{inside}</svg></svg>\n"
    )
    return Drawing(title, svg)


def chart(
    lines: Sequence[Line],
    *,
    label: str,
    x_title: str,
    start: float = 0.0,
    dots: Sequence[tuple[float, float]] = (),
) -> str:
    """Return a drawing of curves; nothing without a point.

    Args:
      lines: the curves.
      label: what it shows, for those who do not see it.
      x_title: of the axis.
      start: the axis reaches as far as the curves do from this x on; the rest is cut off.
      dots: x and y of what lies behind the curves.
    """
    lines = [line for line in lines if line.points]
    if not lines:
        return ""
    scale = _scale(lines, start)
    name = f"cut-{zlib.crc32(label.encode())}"
    ticks = _ticks(scale.low, scale.high)
    grid = "".join(
        f"<path class='grid' d='M{LEFT} {scale.y(tick)}H{WIDTH - RIGHT}'/>"
        f"<text x='{LEFT - 6}' y='{scale.y(tick) + 4}' text-anchor='end'>{tick:.6g}</text>"
        for tick in ticks
    )
    across = "".join(
        f"<text x='{scale.x(tick)}' y='{HEIGHT - BOTTOM + 16}' text-anchor='middle'>{tick:,.0f}"
        "</text>"
        for tick in _ticks(0, scale.most_x)
        if tick == int(tick)
    )
    drawn = "".join(
        f"<circle class='dot' r='2' cx='{scale.x(x)}' cy='{scale.y(y)}'/>" for x, y in dots
    )
    drawn += "".join(_band(line, scale) for line in lines)
    drawn += "".join(_line(line, scale) for line in lines)
    return (
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{html.escape(label)}'>"
        f"<clipPath id='{name}'><rect x='{LEFT}' y='{TOP}' width='{WIDTH - LEFT - RIGHT}' "
        f"height='{HEIGHT - TOP - BOTTOM}'/></clipPath>{grid}{across}"
        f"<path class='axis' d='M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}'/>"
        f"<text x='{WIDTH - RIGHT}' y='{HEIGHT - 6}' text-anchor='end'>{html.escape(x_title)}"
        f"</text><g clip-path='url(#{name})'>{drawn}</g></svg>"
    )


def _scale(lines: Sequence[Line], start: float) -> _Scale:
    values = []
    for line in lines:
        first = next((place for place, (x, _) in enumerate(line.points) if x >= start), -1)
        values += [y for _, y in line.points[first:]]
        values += [y for pair in line.band[first:] for y in pair]
    lowest, highest = min(values), max(values)
    room = (highest - lowest) * 0.04 or abs(highest) * 0.01 or 1.0
    most_x = max(x for line in lines for x, _ in line.points)
    return _Scale(max(most_x, 1.0), lowest - room, highest + room)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two, at most `_MOST_TICKS` and one."""
    step = 10.0 ** math.floor(math.log10((high - low) / _MOST_TICKS))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 5)
    first = math.ceil(low / step)
    return [round(index * step, 12) for index in range(first, math.floor(high / step) + 1)]


def _band(line: Line, scale: _Scale) -> str:
    if not line.band:
        return ""
    above = [(x, high) for (x, _), (_, high) in zip(line.points, line.band, strict=True)]
    below = [(x, low) for (x, _), (low, _) in zip(line.points, line.band, strict=True)]
    outline = _path([*above, *reversed(below)], scale)
    return f"<path class='band c{line.place % NUM_COLOURS}' d='{outline}Z'/>"


def _line(line: Line, scale: _Scale) -> str:
    x, y = line.points[-1]
    return (
        f"<path class='line c{line.place % NUM_COLOURS}' {_dashed(line.place)} "
        f"d='{_path(line.points, scale)}'><title>{html.escape(line.title)}: {y:.5g} after {x:g}"
        "</title></path>"
    )


def _path(points: Sequence[tuple[float, float]], scale: _Scale) -> str:
    return "M" + "L".join(f"{scale.x(x)} {scale.y(y)}" for x, y in points)


def _dashed(place: int) -> str:
    dashes = _DASHES[place % len(_DASHES)]
    return f"stroke-dasharray='{dashes}'" if dashes else ""
