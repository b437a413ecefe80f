"""A table: the space that its columns span, and what was measured of each of its architectures."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from nas_with_rl.launch.experiments.tabular.columns import (
    Roles,
    choices,
    decided,
    number_of,
    roles_of,
)
from nas_with_rl.launch.experiments.tabular.sources import Cell, Source, read_source
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.errors import InputError, shown
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Token

if TYPE_CHECKING:  # which imports this module
    from nas_with_rl.launch.experiments.tabular.tabular_space import TabularSpace

Tokens = tuple[Token, ...]


@dataclasses.dataclass(frozen=True)
class Row:
    """What one training of an architecture measured.

    Attributes:
      seed: as it stands in the table; None without one.
      measured: "value", and whatever else the row has; without a value the training has failed.
    """

    seed: Cell
    measured: Mapping[str, float]

    @property
    def value(self) -> float | None:
        """What is to be found the best of."""
        return self.measured.get("value")


@dataclasses.dataclass(frozen=True)
class Table:
    """What is known of the architectures of a space.

    Attributes:
      title: the file, for messages.
      space: of the decisions.
      rows: of each architecture's tokens, in the file's order; an architecture may have none.
      value: name of the column that the values are from.
      reason: why it is that one.
      sha256: of the file's cells.
    """

    title: str
    space: SearchSpace
    rows: Mapping[Tokens, Sequence[Row]]
    value: str
    reason: str
    sha256: str

    @functools.cached_property
    def num_rows(self) -> int:
        """Trainings, of all architectures together."""
        return sum(map(len, self.rows.values()))

    @functools.cached_property
    def num_missing(self) -> int:
        """Architectures of the space that no row is of."""
        return self.space.size - len(self.rows)

    def describe(self) -> str:
        """Return what the table has, in a line."""
        decisions = len(self.space.decisions)
        missing = f", {self.num_missing:,} of the space missing" if self.num_missing else ""
        return (
            f"{self.title}: {self.num_rows:,} rows, {len(self.rows):,} architectures of "
            f"{decisions} decision{'s' if decisions > 1 else ''}{missing}; value: "
            f"{shown(self.value)}, {self.reason}"
        )

    def check_complete(self) -> None:
        """Raise InputError where an architecture of the space has no row."""
        if not self.num_missing:
            return
        first = next(tokens for tokens in _in_order(self.space) if tokens not in self.rows)
        raise InputError(
            f"{self.title}: no row of {described(Architecture(self.space, first))}; "
            f"{self.num_missing:,} of the {self.space.size:,} architectures are missing "
            "(missing=fail counts them as failed; if a column is no decision, test, metrics or "
            "ignored names it)"
        )


def described(architecture: Architecture) -> str:
    """Return what an architecture chooses, by the names of its decisions, for messages."""
    answers = ((d.name, architecture[d.name]) for d in architecture.space.decisions)
    return ", ".join(f"{name}={answer}" for name, answer in answers if answer is not None)


def read_table(settings: TabularSpace) -> Table:
    """Read a table from its file.

    Raises:
      InputError: it cannot be read, or a row has no number where one belongs or stands twice.
    """
    source = read_source(settings.path, settings.table)
    roles = roles_of(source, settings)
    columns = [decided(source, index) for index in roles.decisions]
    try:
        space = SearchSpace(choices(source, columns), name="table", reader=settings)
    except InputError as error:
        message = str(error).removeprefix(f"{source.title}: ")
        raise InputError(f"{source.title}: {message}") from None
    tokens = list(zip(*(column.tokens for column in columns), strict=True))
    digest = hashlib.sha256(repr((source.columns, [*map(tuple, source.rows)])).encode()).hexdigest()
    return Table(
        source.title,
        space,
        _rows(source, roles, tokens),
        source.columns[roles.measured["value"]],
        roles.reason,
        digest,
    )


def _rows(source: Source, roles: Roles, tokens: Sequence[Tokens]) -> dict[Tokens, list[Row]]:
    rows: dict[Tokens, list[Row]] = {}
    seen: dict[tuple[Tokens, Cell], int] = {}
    for index, cells in enumerate(source.rows):
        seed = None if roles.seed is None else cells[roles.seed]
        first = seen.setdefault((tokens[index], seed), index)
        if first != index:
            what = "" if roles.seed is None else " and seed"
            advice = "" if roles.seed is not None else "; a column seed tells trainings apart"
            raise InputError(
                f"{source.title}: {source.place(index)} has the decisions{what} of "
                f"{source.place(first)}{advice}"
            )
        measured = _measured(source, roles, index)
        rows.setdefault(tokens[index], []).append(Row(seed, measured))
    return rows


def _measured(source: Source, roles: Roles, index: int) -> dict[str, float]:
    found = {}
    for name, place in roles.measured.items():
        try:
            number = number_of(source.rows[index][place])
        except ValueError:
            raise InputError(
                f"{source.title}: {source.place(index)}, column {shown(source.columns[place])}: "
                f"{shown(source.rows[index][place])} is no number"
            ) from None
        if number is not None:
            found[name] = number
    return found


def _in_order(space: SearchSpace) -> Iterator[Tokens]:
    """Yield the tokens of every architecture of a space of choices, the last decision fastest."""
    tokens = _completed(space, [])
    while True:
        yield tuple(tokens)
        place = len(tokens) - 1
        while place >= 0 and not _has_next(space, tokens, place):
            place -= 1
        if place < 0:
            return
        token = tokens[place]
        assert isinstance(token, int)
        tokens = _completed(space, [*tokens[:place], token + 1])


def _has_next(space: SearchSpace, tokens: Sequence[Token], place: int) -> bool:
    token, decision = tokens[place], space.steps[place].decision
    assert isinstance(decision, Choice)
    return isinstance(token, int) and token + 1 < len(decision.options)


def _completed(space: SearchSpace, tokens: list[Token]) -> list[Token]:
    for step in space.steps[len(tokens) :]:
        tokens.append(0 if space.exists(step, tokens) else None)
    return tokens
