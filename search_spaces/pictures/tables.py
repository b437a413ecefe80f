"""Architectures of any other space as pictures: a table of what was chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.pictures.scene import (
    MARGIN,
    Box,
    Heading,
    Scene,
    Text,
    printable,
    text_width,
)

SIZE = 11.0
_ROW, _PAD = 22.0, 8.0
LONGEST = (32, 40)  # characters of a name, of a value
_ABSENT = "–"

MOST_ROWS = 100


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of cells.

    Attributes:
      rows: each of as many cells.
      has_head: whether the first row says what the columns are.
    """

    rows: tuple[tuple[str, ...], ...]
    has_head: bool = False

    def shown(self, longest: tuple[int, int]) -> Table:
        """Return what there is room for: a long cell's beginning, the first of many rows."""
        first, others = longest
        rows = [
            tuple(printable(cell, others if place else first) for place, cell in enumerate(row))
            for row in self.rows[:MOST_ROWS]
        ]
        if more := len(self.rows) - len(rows):
            rows.append((f"… {more:,} more", *[""] * (len(rows[0]) - 1)))
        return Table(tuple(rows), self.has_head)

    def widths(self) -> list[float]:
        """Return the width of each column."""
        return [
            max(text_width(cell, SIZE) for cell in column) + 2 * _PAD
            for column in zip(*self.rows, strict=True)
        ]


def decisions_scene(architecture: Architecture, heading: Heading) -> Scene:
    """Return the picture of an architecture as its decisions; of layers, a row for each."""
    return tables_scene(decision_tables(architecture), heading)


def decision_tables(architecture: Architecture) -> list[Table]:
    """Return the decisions that stand once, and those of layers with a heading row."""
    space, chosen = architecture.space, architecture.written()
    tables: list[Table] = []
    if space.decisions:
        rows = ((each.name, _shown(chosen[each.name])) for each in space.decisions)
        tables.append(Table(tuple(rows)))
    if space.layer_decisions:
        names = [each.name for each in space.layer_decisions]
        layers = (
            (str(layer + 1), *(_shown(_of_layer(chosen[name], layer)) for name in names))
            for layer in range(space.depth)
        )
        tables.append(Table((("layer", *names), *layers), has_head=True))
    return tables


def tables_scene(
    tables: Sequence[Table], heading: Heading, *, longest: tuple[int, int] = LONGEST
) -> Scene:
    """Return the picture of some tables, one below the other.

    Args:
      tables: what they hold.
      heading: above them.
      longest: characters that are shown of a cell in the first column, and in the others.
    """
    shown = [table.shown(longest) for table in tables]
    widths = [table.widths() for table in shown]
    drawn = max(map(sum, widths)) + 2 * MARGIN
    texts, width, y = heading.placed(drawn)
    boxes: list[Box] = []
    for table, columns in zip(shown, widths, strict=True):
        columns = [each * (width - 2 * MARGIN) / sum(columns) for each in columns]
        for place, row in enumerate(table.rows):
            boxes += _row_boxes(row, columns, y, is_head=table.has_head and not place)
            y += _ROW
        y += 10.0
    described = "; ".join(", ".join(row) for table in shown for row in table.rows)
    return Scene(
        title=heading.title or "architecture",
        description=described,
        width=width,
        height=y - 10.0 + MARGIN,
        boxes=tuple(boxes),
        texts=texts,
    )


def _row_boxes(row: Sequence[str], columns: Sequence[float], y: float, is_head: bool) -> list[Box]:
    boxes, left = [], MARGIN
    for place, (cell, width) in enumerate(zip(row, columns, strict=True)):
        kind = "strong" if is_head else "faint" if not place else ""
        texts = (Text(left + _PAD, y + 15, cell, SIZE, "start", kind),) if cell else ()
        boxes.append(Box(left, y, width, _ROW, "cell", texts, radius=0.0))
        left += width
    return boxes


def _of_layer(values: object, layer: int) -> object:
    return values[layer] if isinstance(values, tuple) else values


def _shown(value: object) -> str:
    if value is None:
        return _ABSENT
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or _ABSENT
    return str(value)
