"""Which column of a table is what: decisions with their options and conditions, value, metrics."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from nas_with_rl.launch.experiments.tabular.sources import Cell, Source
from nas_with_rl.search_spaces.decisions import Option
from nas_with_rl.search_spaces.errors import InputError, shortened, shown
from nas_with_rl.search_spaces.space import Choice

if TYPE_CHECKING:  # which imports this module
    from nas_with_rl.launch.experiments.tabular.tabular_space import TabularSpace

VALUE_NAMES = ("value", "reward")  # of columns that need not be named
MEASURED = ("value", "test", "cost")  # as trials call them, whatever their columns' names
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_FAILED = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_LEADING_ZERO = re.compile(r"[+-]?0\d.*")  # a code rather than a number


@dataclasses.dataclass(frozen=True)
class Roles:
    """What the columns are, by their places in a row.

    Attributes:
      decisions: in the controller's order.
      measured: of each measurement, under the name that trials have it by; "value" is one.
      seed: None without one.
      reason: why the value's column is that.
    """

    decisions: tuple[int, ...]
    measured: Mapping[str, int]
    seed: int | None
    reason: str


@dataclasses.dataclass(frozen=True)
class Decided:
    """A decision's column.

    Attributes:
      name: of the decision, a word.
      options: in the controller's order.
      tokens: a row's option, None where the decision does not exist.
    """

    name: str
    options: tuple[Option, ...]
    tokens: Sequence[int | None]


def roles_of(source: Source, settings: TabularSpace) -> Roles:
    """Return what each column of a table is.

    Raises:
      InputError: a column that is named and not there or named twice, no value, no decision.
    """
    roles = [role for role in ("seed", "test", "cost") if getattr(settings, role)]
    named = {role: _place(source, getattr(settings, role), role) for role in roles}
    metrics = {name: _place(source, name, "metrics") for name in settings.metrics}
    ignored = [_place(source, name, "ignored") for name in settings.ignored]
    decisions = [_place(source, name, "decisions") for name in settings.decisions]
    values = [_place(source, settings.value, "value")] if settings.value else []
    taken = [*named.values(), *metrics.values(), *ignored, *decisions, *values]
    _check_once(source, taken)
    for role in (
        "seed",
        "test",
        "cost",
    ):  # by their names, where nothing else is said of the columns
        place = source.columns.index(role) if role in source.columns else None
        if place is not None and role not in named and place not in taken:
            named[role] = place
            taken.append(place)
    value, reason = (values[0], "as it is named") if values else _found_value(source, taken)
    _check_names(source, metrics)
    if not settings.decisions:
        unnamed = (i for i, name in enumerate(source.columns) if name)
        decisions = [i for i in unnamed if i not in (*taken, value)]
    if not decisions:
        raise InputError(
            f"{source.title} has no decisions: each of its columns, {_listed(source)}, is "
            "something else"
        )
    measured = {"value": value, **{n: i for n, i in named.items() if n != "seed"}, **metrics}
    return Roles(tuple(decisions), measured, named.get("seed"), reason)


def _place(source: Source, name: str, setting: str) -> int:
    if name not in source.columns:
        raise InputError(
            f"{source.title} has no column {shown(name)} (setting {setting}); it has "
            f"{_listed(source)}"
        )
    return source.columns.index(name)


def _listed(source: Source) -> str:
    return shortened(", ".join(name for name in source.columns if name), 200)


def _found_value(source: Source, taken: Sequence[int]) -> tuple[int, str]:
    """Return the column of the values, and why it is that one."""
    for name in VALUE_NAMES:
        if name in source.columns and source.columns.index(name) not in taken:
            return source.columns.index(name), "by its name"
    for index in reversed(range(len(source.columns))):
        if source.columns[index] and index not in taken and _has_numbers(source, index):
            return index, "the last column of numbers"
    raise InputError(
        f"{source.title} has no column of numbers that could be the value; it has "
        f"{_listed(source)}: the setting value names it"
    )


def _has_numbers(source: Source, index: int) -> bool:
    cells = [row[index] for row in source.rows]
    return any(cell is not None for cell in cells) and all(map(_is_measured, cells))


def _is_measured(cell: Cell) -> bool:
    try:
        number_of(cell)
    except ValueError:
        return False
    return True


def _check_once(source: Source, places: Sequence[int]) -> None:
    for place in places:
        if places.count(place) > 1:
            raise InputError(
                f"{source.title}: column {shown(source.columns[place])} is named as two things"
            )


def _check_names(source: Source, metrics: Mapping[str, int]) -> None:
    for name in metrics:
        if name in MEASURED:
            raise InputError(
                f"{source.title}: a metric cannot be named {name!r}, as trials call something else "
                "so; ignored leaves the column out"
            )


def number_of(cell: Cell) -> float | None:
    """Return what was measured; None for an empty cell, NaN and infinities: a child that failed.

    Raises:
      ValueError: it is no number.
    """
    if cell is None:
        return None
    if isinstance(cell, str):
        if _FAILED.fullmatch(cell):
            return None
        if not _NUMBER.fullmatch(cell):
            raise ValueError(cell)
    elif isinstance(cell, bool):
        raise ValueError(cell)
    try:
        number = float(cell)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return number if math.isfinite(number) else None


def decided(source: Source, index: int) -> Decided:
    """Return a decision's column.

    Options keep their type: a CSV file's are integers, numbers or texts, whichever fits all of the
    column. Numbers are in their order, all else as it first comes. White space, "|" and ",", which
    an architecture's text has no place for, become "_", "/" and ";".

    Raises:
      InputError: no cell has a value.
    """
    cells = [row[index] for row in source.rows]
    # True is no 1, and both may be there; texts are told apart as they are.
    seen: Sequence[object] = cells if source.is_text else [(type(c) is bool, c) for c in cells]
    distinct = {key: cell for key, cell in zip(seen, cells, strict=True) if cell is not None}
    read = _reading(distinct.values()) if source.is_text else _as_it_is
    values = {key: (isinstance(cell, bool), read(cell)) for key, cell in distinct.items()}
    found = list(dict.fromkeys(values.values()))  # "0.1" and "0.10" are one option
    name = source.columns[index]
    if not found:
        raise InputError(
            f"{source.title}: column {shown(name)} is empty; the setting ignored leaves it out"
        )
    if all(not is_truth and isinstance(value, int | float) for is_truth, value in found):
        found.sort()
    places = {key: token for token, key in enumerate(found)}
    options = tuple(_word(value) if isinstance(value, str) else value for _, value in found)
    tokens = {key: places[value] for key, value in values.items()}
    return Decided(_word(name), options, [tokens.get(key) for key in seen])


def _as_it_is(cell: Cell) -> Option:
    assert cell is not None
    return cell


def _reading(cells: Iterable[Cell]) -> Callable[[Cell], Option]:
    """Return what reads the texts of a column: as integers, as numbers or as they are."""
    texts = {str(cell) for cell in cells}
    if all(map(_INTEGER.fullmatch, texts)):
        return lambda cell: int(str(cell))
    are_numbers = all(map(_NUMBER.fullmatch, texts)) and not any(map(_LEADING_ZERO.match, texts))
    if are_numbers and all(math.isfinite(float(text)) for text in texts):
        return lambda cell: float(str(cell))
    return str


def _word(text: str) -> str:
    return "_".join(text.split()).replace("|", "/").replace(",", ";")


def choices(source: Source, columns: Sequence[Decided]) -> tuple[Choice, ...]:
    """Return the decisions of a table.

    One with empty cells exists only under some options of an earlier one: the first that explains
    which cells are empty.

    Raises:
      InputError: no earlier decision explains them; an option that no word stands for.
    """
    found = []
    for place, column in enumerate(columns):
        only_if = _only_if(source, column, columns[:place]) if None in column.tokens else None
        try:
            found.append(Choice(column.name, column.options, only_if))
        except InputError as error:
            raise InputError(f"{source.title}: {error}") from None
    return tuple(found)


def _only_if(
    source: Source, column: Decided, earlier: Sequence[Decided]
) -> tuple[str, tuple[Option, ...]]:
    for parent in earlier:
        exists: dict[int | None, bool] = {None: False}
        pairs = zip(parent.tokens, column.tokens, strict=True)
        if all(
            exists.setdefault(above, token is not None) == (token is not None)
            for above, token in pairs
        ):
            chosen = (option for token, option in enumerate(parent.options) if exists[token])
            return parent.name, tuple(chosen)
    empty = source.place(list(column.tokens).index(None))
    raise InputError(
        f"{source.title}: {empty} has no {shown(column.name)}, and no single earlier column says "
        "where that decision does not exist; the setting decisions names them in another order"
    )
