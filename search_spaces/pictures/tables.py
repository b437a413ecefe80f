"""Architectures of any other space as pictures: a table of what was chosen."""

from __future__ import annotations

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
_LONGEST_NAME, _LONGEST_VALUE = 32, 40  # characters
_ABSENT = "–"

Table = Sequence[Sequence[str]]


def decisions_scene(architecture: Architecture, heading: Heading) -> Scene:
    """Return the picture of an architecture as its decisions; of layers, a row for each."""
    return tables_scene(decision_tables(architecture), heading)


def decision_tables(architecture: Architecture) -> list[Table]:
    """Return the decisions that stand once, and those of layers with a heading row."""
    space, chosen = architecture.space, architecture.written()
    tables: list[Table] = []
    if space.decisions:
        tables.append([(each.name, _shown(chosen[each.name])) for each in space.decisions])
    if space.layer_decisions:
        names = [each.name for each in space.layer_decisions]
        rows = [
            (str(layer + 1), *(_shown(_of_layer(chosen[name], layer)) for name in names))
            for layer in range(space.depth)
        ]
        tables.append([("layer", *names), *rows])
    return tables


def tables_scene(tables: Sequence[Table], heading: Heading) -> Scene:
    """Return the picture of some tables, one below the other."""
    shown = [
        [
            [printable(cell, _LONGEST_VALUE if n else _LONGEST_NAME) for n, cell in enumerate(row)]
            for row in table
        ]
        for table in tables
    ]
    widths = [_widths(table) for table in shown]
    drawn = max(map(sum, widths)) + 2 * MARGIN
    texts, width, y = heading.placed(drawn)
    boxes: list[Box] = []
    for table, columns in zip(shown, widths, strict=True):
        columns = [each * (width - 2 * MARGIN) / sum(columns) for each in columns]
        for place, row in enumerate(table):
            boxes += _row_boxes(row, columns, y, is_head=len(columns) > 2 and not place)
            y += _ROW
        y += 10.0
    described = "; ".join(", ".join(row) for table in shown for row in table)
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
        text = Text(left + _PAD, y + 15, cell, SIZE, "start", kind)
        boxes.append(Box(left, y, width, _ROW, "cell", (text,), radius=0.0))
        left += width
    return boxes


def _widths(table: Table) -> list[float]:
    return [
        max(text_width(cell, SIZE) for cell in column) + 2 * _PAD
        for column in zip(*table, strict=True)
    ]


def _of_layer(values: object, layer: int) -> object:
    return values[layer] if isinstance(values, tuple) else values


def _shown(value: object) -> str:
    if value is None:
        return _ABSENT
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or _ABSENT
    return str(value)
