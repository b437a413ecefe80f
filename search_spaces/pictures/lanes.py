"""Which side and which lane a value takes on its way past what does not take it.

Rows lie one below the other. A value leaves its row's box low on one side, goes down a lane, and
branches into every row that takes it. On a side no two values share a lane where both are
on their way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

Side = Literal["left", "right"]
_SWEEPS = 50  # of swapping neighbours; few are needed
_CROWDED = 2  # what a lane beside another one is worth, in crossings


@dataclasses.dataclass(frozen=True)
class Way:
    """From a row past at least one other to those that take what it made.

    Attributes:
      source: the row that it comes from.
      targets: the rows that it reaches, in rising order.
    """

    source: int
    targets: tuple[int, ...]

    @property
    def last(self) -> int:
        return self.targets[-1]


@dataclasses.dataclass(frozen=True)
class Lane:
    """Where a way runs.

    Attributes:
      side: of the boxes.
      number: from 0, the nearest to them.
    """

    side: Side
    number: int


def lanes_of(ways: Sequence[Way]) -> dict[Way, Lane]:
    """Return a lane for each way, nested so that few lines cross."""
    found: dict[Way, Lane] = {}
    for side, members in _sides(ways).items():
        placed: list[tuple[Way, int]] = []
        for way in _from_inside(members):
            number = 1 + max((n for other, n in placed if _meet(way, other)), default=-1)
            placed.append((way, number))
            found[way] = Lane(side, number)
    return found


def _sides(ways: Sequence[Way]) -> dict[Side, list[Way]]:
    """Return the ways of each side, the long ones given a side first."""
    sides: dict[Side, list[Way]] = {"left": [], "right": []}
    for way in sorted(ways, key=lambda each: (each.source - each.last, each.source)):
        prices: dict[Side, int] = {}
        for side, members in sides.items():
            met = [other for other in members if _meet(way, other)]
            crossings = sum(min(_crossings(way, o), _crossings(o, way)) for o in met)
            prices[side] = crossings + _CROWDED * len(met)
        sides[min(prices, key=lambda side: prices[side])].append(way)
    return sides


def _from_inside(ways: Sequence[Way]) -> list[Way]:
    """Return a side's ways in an order, the innermost first, that no swap of two betters."""
    order = sorted(ways, key=lambda each: (each.last - each.source, each.source))
    for _ in range(_SWEEPS):
        swapped = False
        for place in range(len(order) - 1):
            inner, outer = order[place : place + 2]
            if _meet(inner, outer) and _crossings(outer, inner) > _crossings(inner, outer):
                order[place : place + 2] = outer, inner
                swapped = True
        if not swapped:
            break
    return order


def _meet(one: Way, other: Way) -> bool:
    """Return whether two ways need two lanes: one that ends where another begins does too."""
    return one.source <= other.last and other.source <= one.last


def _crossings(outer: Way, inner: Way) -> int:
    """Return how many lines of an outer way cross an inner one's lane.

    At a row that both reach, the inner one arrives above the outer one.
    """
    return sum(inner.source < row < inner.last for row in (outer.source, *outer.targets))
