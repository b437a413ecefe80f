"""Small drawings as SVG, without a style of their own: strips of shares, a matrix, curves, bars.

Their colours are the page's, by class: q0 to q10 for shares, from none to all.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence

import numpy as np

from nas_with_rl.launch.reports.markup import Markup, escaped
from nas_with_rl.launch.results import charts
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.drawing import draw

NUM_SHADES = 10
_MOST_LABELS = 20  # of a matrix's sides
_CELL = 20  # of a matrix, in the drawing's own units
LONGEST_DRAWING = 60  # lines of an architecture as text


def picture(architecture: Architecture, *, with_notes: bool = True) -> Markup:
    """Return an architecture as a drawing that a page shows.

    Args:
      architecture: whichever.
      with_notes: whether lines below say how to read it.
    """
    # As an image: its styles and the page's leave each other alone, and it can run nothing.
    data = base64.b64encode(architecture.svg(title="", notes=with_notes).encode()).decode()
    return Markup(
        f'<img class="architecture" alt="{escaped(drawn_text(architecture))}" '
        f'src="data:image/svg+xml;base64,{data}">'
    )


def drawn_text(architecture: Architecture) -> str:
    """Return an architecture as lines of text, as many as a page has room for."""
    lines = draw(architecture).splitlines()
    more = len(lines) - LONGEST_DRAWING
    return "\n".join(lines if more <= 0 else [*lines[:LONGEST_DRAWING], f"... {more} more lines"])


def strip(shares: np.ndarray) -> Markup:
    """Return shares [W] over time as a row of shaded cells; a gap where there is none."""
    shades: dict[int, list[str]] = {}
    cells = shades_of(shares)
    starts = np.flatnonzero(np.diff(cells, prepend=-2)).tolist()
    for start, end in itertools.pairwise([*starts, len(cells)]):
        if (shade := int(cells[start])) >= 0:
            shades.setdefault(shade, []).append(f"M{start} 0h{end - start}v1h{start - end}z")
    paths = "".join(
        f'<path class="q{shade}" d="{"".join(parts)}"/>' for shade, parts in sorted(shades.items())
    )
    return Markup(
        f'<svg class="strip" viewBox="0 0 {len(shares)} 1" preserveAspectRatio="none" '
        f'aria-hidden="true">{paths}</svg>'
    )


def shades_of(shares: np.ndarray) -> np.ndarray:
    """Return the shade of each share: 0 for none alone, NUM_SHADES for all alone; -1 for NaN."""
    steps = np.rint(np.nan_to_num(shares) * NUM_SHADES)
    found = np.clip(steps, 1, NUM_SHADES - 1).astype(int)
    found[shares <= 0] = 0
    found[shares >= 1] = NUM_SHADES
    found[np.isnan(shares)] = -1
    return found


def matrix(shares: np.ndarray, label: str) -> Markup:
    """Return a matrix of skip connections [L, L]: row i takes column j; what is NaN is no cell.

    Args:
      shares: of each.
      label: what it shows, for those who do not see it.
    """
    depth = len(shares)
    step = -(-depth // _MOST_LABELS)
    shades: dict[int, list[str]] = {}
    found = shades_of(shares)
    for row, column in np.argwhere(found >= 0).tolist():
        x, y = (column + 1) * _CELL, (row + 1) * _CELL
        path = f"M{x + 1} {y + 1}h{_CELL - 2}v{_CELL - 2}h{2 - _CELL}z"
        shades.setdefault(int(found[row, column]), []).append(path)
    cells = "".join(f'<path class="q{q}" d="{"".join(p)}"/>' for q, p in sorted(shades.items()))
    sides = "".join(
        f'<text x="{_CELL - 4}" y="{(layer + 0.7) * _CELL:g}" text-anchor="end">{layer}</text>'
        f'<text x="{(layer + 0.5) * _CELL:g}" y="{_CELL - 5}" text-anchor="middle">{layer}</text>'
        for layer in range(1, depth + 1, step)
    )
    size = (depth + 1) * _CELL
    return Markup(
        f'<svg class="matrix" viewBox="0 0 {size} {size}" width="{size}" role="img" '
        f'aria-label="{escaped(label)}">{sides}{cells}</svg>'
    )


def curves(lines: Sequence[tuple[str, Sequence[float]]], label: str) -> Markup:
    """Return curves per epoch, with their legend; nothing where none has two epochs.

    Args:
      lines: a title and the values of each.
      label: what they show.
    """
    drawn = [
        charts.Line(title, place, tuple((float(epoch), y) for epoch, y in enumerate(values, 1)))
        for place, (title, values) in enumerate(lines)
        if len(values) > 1
    ]
    if not drawn:
        return Markup("")
    # The first epochs are as bad as chance: what happens later is to be seen.
    start = max(len(line.points) for line in drawn) / 5
    svg = charts.chart(drawn, label=label, x_title="epoch", start=start)
    return Markup(charts.legend([title for title, _ in lines]) + svg)


def bar(share: float) -> Markup:
    """Return a share as a bar."""
    width = round(100 * min(max(share, 0.0), 1.0), 1)
    return Markup(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="all" d="M0 0h100v8H0z"/><path class="part" d="M0 0h{width:g}v8H0z"/></svg>'
    )
