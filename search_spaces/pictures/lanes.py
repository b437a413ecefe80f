"""Which side and which lane a value takes on its way past what does not take it.

Rows lie one below the other. A value leaves its row's box low on one side, goes down a lane, and
branches into every row that takes it. On a side no two values share a lane where both are
on their way.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")
_SWEEPS = 50  # over all ways; few are needed
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
    for side, members in _Order(ways).sides.items():
        placed: list[tuple[Way, int]] = []
        for way in members:
            number = 1 + max((n for other, n in placed if _meet(way, other)), default=-1)
            placed.append((way, number))
            found[way] = Lane(side, number)
    return found


def colours_of(lanes: Mapping[Way, Lane], num_colours: int) -> dict[Way, int]:
    """Return a colour's number for each way, another one than its neighbours' on the way.

    No line is known by its colour alone; colours help an eye that follows one.
    """
    found: dict[Way, int] = {}
    for way, lane in sorted(lanes.items(), key=lambda each: each[0].source):
        prices = [0] * num_colours
        for other, colour in found.items():
            apart = abs(lanes[other].number - lane.number)
            prices[colour] += 1  # all are used
            if lanes[other].side == lane.side and _meet(way, other):
                prices[colour] += 1_000 // (1 + apart)
        found[way] = prices.index(min(prices))
    return found


class _Order:
    """The ways of each side, the innermost first, of which none would lie better elsewhere.

    Ways are their places in the sequence given.
    """

    def __init__(self, ways: Sequence[Way]):
        self._sides: tuple[list[int], list[int]] = ([], [])
        # What it costs that one is outside another; None where they do not meet.
        self._prices = [
            [_crossings(one, other) if _meet(one, other) else None for other in ways]
            for one in ways
        ]
        longest_first = sorted(
            range(len(ways)), key=lambda n: (ways[n].source - ways[n].last, ways[n].source)
        )
        for way in longest_first:
            _, side, place = self._best_place(way)
            self._sides[side].insert(place, way)
        for _ in range(_SWEEPS):
            if not sum(self._move(way) for way in longest_first):
                break
        self.sides = {
            side: [ways[n] for n in members]
            for side, members in zip(SIDES, self._sides, strict=True)
        }

    def _move(self, way: int) -> bool:
        """Move a way to its best place; say whether that is better than where it was."""
        side = 0 if way in self._sides[0] else 1
        place = self._sides[side].index(way)
        self._sides[side].remove(way)
        price, best_side, best_place = self._best_place(way)
        is_better = price < self._prices_of(way, side)[place]
        if is_better:
            side, place = best_side, best_place
        self._sides[side].insert(place, way)
        return is_better

    def _best_place(self, way: int) -> tuple[int, int, int]:
        """Return the lowest price, and the side and the place where it is to be had."""
        return min(
            (price, side, place)
            for side in (0, 1)
            for place, price in enumerate(self._prices_of(way, side))
        )

    def _prices_of(self, way: int, side: int) -> list[int]:
        """Return what each place of a side costs a way, from inside all to outside all."""
        outside = self._prices[way]  # of each other one
        price, changes = 0, []
        for other in self._sides[side]:
            if (added := outside[other]) is None:
                changes.append(0)
                continue
            inside = self._prices[other][way] or 0
            price += inside + _CROWDED
            changes.append(added - inside)
        return list(itertools.accumulate(changes, initial=price))


def _meet(one: Way, other: Way) -> bool:
    """Return whether two ways need two lanes: one that ends where another begins does too."""
    return one.source <= other.last and other.source <= one.last


def _crossings(outer: Way, inner: Way) -> int:
    """Return how many lines of an outer way cross an inner one's lane.

    At a row that both reach, the inner one arrives above the outer one.
    """
    return sum(inner.source < row < inner.last for row in (outer.source, *outer.targets))
