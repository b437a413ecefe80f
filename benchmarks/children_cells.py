"""Which random cells the tables of `children.py` are made of, and what a few tell of all.

The steps are those of cells that train, the same for everyone: a population freezes a child that
has diverged, which then takes no time, so that its mean would count a step that nobody took.
Needs the standard library alone.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

MOST_TRIED = 4  # times the cells wanted


@dataclasses.dataclass(frozen=True)
class ChosenCells:
    """Cells by number.

    Attributes:
      kept: the first ones that stay finite.
      left_out: those between them that diverge.
    """

    kept: tuple[int, ...]
    left_out: tuple[int, ...]


def first_finite(wanted: int, is_finite: Callable[[int], bool]) -> ChosenCells:
    """Choose so many cells, tried one after the other from number 0.

    Raises:
      ValueError: more than three of four diverge.
    """
    kept: list[int] = []
    left_out: list[int] = []
    for number in range(MOST_TRIED * wanted):
        if len(kept) == wanted:
            break
        (kept if is_finite(number) else left_out).append(number)
    if len(kept) < wanted:
        raise ValueError(f"of {MOST_TRIED * wanted} cells {len(kept)} train, not {wanted}")
    return ChosenCells(tuple(kept), tuple(left_out))


def grouped(numbers: Sequence[int], num_cells: int, group_size: int) -> list[list[int]]:
    """Return the first cells in groups, all of one size: as many as `num_cells` of them need.

    Raises:
      ValueError: there are fewer.
    """
    needed = -(-num_cells // group_size) * group_size
    if needed > len(numbers):
        raise ValueError(f"{needed} cells are needed, of {len(numbers)}")
    return [list(numbers[i : i + group_size]) for i in range(0, needed, group_size)]


def diverged(
    groups: Iterable[Sequence[int]], nlls: Iterable[Sequence[float | None]]
) -> frozenset[int]:
    """Return the cells whose nll is None, of what a process said of an epoch of its groups."""
    return frozenset(
        number
        for group, of_group in zip(groups, nlls, strict=True)
        for number, nll in zip(group, of_group, strict=True)
        if nll is None
    )


def scaled(ready: float, ends: Sequence[float], wanted: int) -> float:
    """Return when the last of the wanted groups would have ended, of when the first ones did.

    What came with the first group alone, as a library that warms up, is counted once.

    Args:
      ready: when the first began.
      ends: at least one.
      wanted: groups, at least as many.
    """
    first, last, missing = ends[0], ends[-1], wanted - len(ends)
    if len(ends) == 1:
        return last + missing * (last - ready)
    return last + missing * (last - first) / (len(ends) - 1)
