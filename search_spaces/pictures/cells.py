"""Recurrent cells as pictures in the manner of Figures 5 and 8 (Zoph & Le, 2016).

x(t) and h(t-1) come in at the bottom, h(t) leaves at the top, c(t-1) comes from the left where it
is injected, c(t) leaves to the right where it is read. A node is its combination below its
activation; all that is combined with the cell state has a row of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from nas_with_rl.search_spaces.pictures.cell_values import (
    CELL,
    INPUT,
    STATE,
    CellValues,
    Value,
    formula,
)
from nas_with_rl.search_spaces.pictures.scene import (
    MARGIN,
    Box,
    Heading,
    Line,
    Net,
    Scene,
    Text,
    text_width,
    upright,
)

SIZE, INDEX_SIZE = 10.5, 8.5
SIGNS = {"add": "+", "elem_mult": "×", "max": "max"}
_RADIUS = 11.0  # of a combination
_PORT = 12.0  # between two lines into one
_ACTIVATION = 18.0  # height
_INTO = 3.0  # how far a line goes in under a combination, whose lower edge is round
_TAP = 12.0  # between a combination and its activation
_CHANNEL, _ABOVE = 30.0, 10.0  # below a row, where lines bend; above it, where they do not
_ATOM, _BETWEEN = _PORT, 6.0  # widths of a line from below; between two subtrees
_PILL = 20.0  # height of what names a signal
_RAIL = 24.0  # between the lines of x(t) and h(t-1)
_GUTTER = 16.0  # beside the tree
_NAMES = {INPUT: "x(t)", STATE: "h(t-1)"}
_HIDDEN, _CELL_BEFORE, _NEW_CELL = "h(t)", "c(t-1)", "c(t)"


@dataclasses.dataclass(eq=False)
class _Stack:
    """A combination with its activation, or one of the two; of no operation: what comes from below.

    Attributes:
      value: of all of it.
      combination, activation: of it.
      parts: what is combined, without the cell state.
      takes_cell: whether the cell state is combined with them.
      level: 0 for what comes from below.
      width: of it with all that it is of.
      x: of its middle.
    """

    value: Value
    combination: Value | None = None
    activation: Value | None = None
    parts: tuple[_Stack, ...] = ()
    takes_cell: bool = False
    level: int = 0
    width: float = _ATOM
    x: float = 0.0

    def all(self) -> Iterator[_Stack]:
        yield self
        for part in self.parts:
            yield from part.all()


def cell_scene(values: CellValues, heading: Heading, *, name_leaves: bool = False) -> Scene:
    """Return the picture of a cell.

    Args:
      values: what it computes.
      heading: above it.
      name_leaves: whether numbers below say whose weights x(t) and h(t-1) are multiplied by, as
        in a cell whose leaves have been joined.
    """
    return _Tree(values, name_leaves).scene(heading)


def _stack(value: Value) -> _Stack:
    activation = value if value.is_activation else None
    inner = value.operands[0] if activation else value
    combination = inner if inner.is_combination else None
    if not value.operands:
        return _Stack(value)
    operands = combination.operands if combination else (inner,)
    return _Stack(
        value,
        combination,
        activation,
        tuple(_stack(each) for each in operands if each.operation != CELL),
        any(each.operation == CELL for each in operands),
    )


@dataclasses.dataclass(frozen=True)
class _Row:
    """Where the parts of a row lie, y of each.

    Attributes:
      channel: the lower end of what bends.
      combination: the lower edge of its combinations.
      tap: where the cell state leaves from below an activation.
      activation: the lower edge of its activations.
      top: of the row.
    """

    channel: float
    combination: float
    tap: float
    activation: float
    top: float


class _Tree:
    """A cell's stacks, placed: leaves side by side at the bottom, each over all that it is of."""

    def __init__(self, values: CellValues, name_leaves: bool):
        self._values, self._name_leaves = values, name_leaves
        self._roots = [_stack(values.hidden)]
        within = {id(each) for each in values.hidden.all()}
        if values.cell is not None and id(values.cell) not in within:
            self._roots.append(_stack(values.cell))
        self._stacks = [each for root in self._roots for each in root.all()]
        self._reserved = self._level_of_cell()
        for root in self._roots:
            self._set_levels(root)
            self._set_widths(root)

    def scene(self, heading: Heading) -> Scene:
        before = max(map(_pill_width, (*_NAMES.values(), _CELL_BEFORE))) + _GUTTER
        tree = sum(root.width for root in self._roots) + _BETWEEN * (len(self._roots) - 1)
        drawn = tree + before + _pill_width(_NEW_CELL) + _GUTTER + 2 * MARGIN
        texts, width, top = heading.placed(drawn)
        left = (width - drawn) / 2 + MARGIN
        start = left + before
        for root in self._roots:
            self._place(root, start)
            start += root.width + _BETWEEN
        self._edges = left, left + drawn - 2 * MARGIN
        self._rows, rails, height = self._measured(top)
        boxes = [box for each in self._stacks for box in self._boxes(each)]
        nets = [*self._rails(rails, boxes), *self._branches(), *self._outlets(top, boxes)]
        labels = [text for each in self._stacks for text in self._labels(each, rails)]
        return Scene(
            title=heading.title or "recurrent cell",
            description=self._description(),
            width=width,
            height=height,
            boxes=tuple(boxes),
            nets=tuple(nets),
            texts=(*texts, *labels),
        )

    # Levels, widths and places.

    def _level_of_cell(self) -> int:
        """Return the level of what takes the cell state; 0 where nothing does."""
        found = [each for each in self._stacks if each.takes_cell]
        return max((_height(each) for each in found), default=0)

    def _set_levels(self, stack: _Stack) -> None:
        for part in stack.parts:
            self._set_levels(part)
        if stack.parts:
            stack.level = 1 + max(part.level for part in stack.parts)
            if stack.level == self._reserved and not stack.takes_cell:
                stack.level += 1

    def _set_widths(self, stack: _Stack) -> None:
        for part in stack.parts:
            self._set_widths(part)
            if not part.parts and self._name_leaves:
                named = text_width(_leaves(part), INDEX_SIZE) + 4  # below it and its neighbour
                part.width = max(_ATOM, named / 2)
        if stack.parts:
            own = max(
                text_width(stack.activation.operation, SIZE) + 10 if stack.activation else 0.0,
                2 * (self._half(stack) + 4 + text_width(_index(stack), INDEX_SIZE)),
                _width_of(stack.parts),
            )
            stack.width = own
            if all(not part.parts for part in stack.parts) and len(stack.parts) == 2:
                for part in stack.parts:  # straight up, with room on both sides
                    part.width = _ATOM

    def _place(self, stack: _Stack, left: float) -> None:
        stack.x = left + stack.width / 2
        start = left + (stack.width - _width_of(stack.parts)) / 2
        before = None
        for part in stack.parts:
            start += _gap(before, part)
            self._place(part, start)
            start += part.width
            before = part

    @staticmethod
    def _half(stack: _Stack) -> float:
        """Return half the width of a combination."""
        if stack.combination is None:
            return 0.0
        return max(_RADIUS, _PORT * (len(stack.parts) - 1) / 2 + 6)

    def _measured(self, top: float) -> tuple[list[_Row], dict[str, float], float]:
        """Return the rows from the bottom, the y of the rails, and the height of the picture."""
        found: list[tuple[float, ...]] = []
        y = top + _PILL + _ABOVE
        for level in range(max(each.level for each in self._stacks), 0, -1):
            members = [each for each in self._stacks if each.level == level]
            row_top = y
            activation = y + (_ACTIVATION if any(each.activation for each in members) else 0.0)
            tap = activation + _TAP / 2
            combination = activation + _TAP + 2 * _RADIUS
            y = combination + _CHANNEL
            found.append((y, combination, tap, activation, row_top))
            y += _ABOVE
        rails = {STATE: y + 4, INPUT: y + 4 + _RAIL}
        named = INDEX_SIZE + 6 if self._name_leaves else 0.0
        height = rails[INPUT] + _PILL / 2 + named + MARGIN
        return [_Row(*each) for each in reversed(found)], rails, height

    def _row(self, stack: _Stack) -> _Row:
        return self._rows[stack.level - 1]

    # What is drawn.

    def _boxes(self, stack: _Stack) -> list[Box]:
        boxes, row = [], self._row(stack) if stack.parts else None
        if row and stack.combination:
            half, kind = self._half(stack), stack.combination.operation
            middle = row.combination - _RADIUS
            size = SIZE - 2 if kind == "max" else SIZE + 4
            sign = Text(stack.x, middle + 0.34 * size, SIGNS[kind], size)
            left, top = stack.x - half, middle - _RADIUS
            title = f"{_where(stack)}: {kind}"
            boxes.append(
                Box(left, top, 2 * half, 2 * _RADIUS, kind, (sign,), title, radius=_RADIUS)
            )
        if row and stack.activation:
            name = stack.activation.operation
            width = text_width(name, SIZE) + 10
            left, top = stack.x - width / 2, row.activation - _ACTIVATION
            faint = "faint" if name == "identity" else ""
            text = Text(stack.x, top + 12.5, name, SIZE, "middle", faint)
            title = f"{_where(stack)}: {name}"
            boxes.append(Box(left, top, width, _ACTIVATION, name, (text,), title))
        return boxes

    def _labels(self, stack: _Stack, rails: dict[str, float]) -> list[Text]:
        if stack.parts:
            index = _index(stack)
            if not index or stack.combination is None:
                return []
            y, half = self._row(stack).combination - _RADIUS + 3, self._half(stack) + 3
            if stack.takes_cell:  # whose line comes from the left
                return [Text(stack.x + half, y, index, INDEX_SIZE, "start", "faint")]
            return [Text(stack.x - half, y, index, INDEX_SIZE, "end", "faint")]
        if not self._name_leaves or stack.value.operation != INPUT:
            return []
        y = rails[INPUT] + _PILL / 2 + INDEX_SIZE + 2
        return [Text(stack.x + stack.width / 2, y, _leaves(stack), INDEX_SIZE, "middle", "faint")]

    def _rails(self, rails: dict[str, float], boxes: list[Box]) -> list[Net]:
        """Return x(t) and h(t-1), each a line from the left with one up to whatever takes it."""
        nets = []
        for place, (name, y) in enumerate(rails.items()):
            boxes.append(self._pill(self._edges[0], y, _NAMES[name], "signal"))
            begin = boxes[-1].right
            taken = sorted(
                (each.x, port, end)
                for stack in self._stacks
                for each, port, end in self._arrivals(stack)
                if each.value.operation == name
            )
            lines = [Line(((begin, y), (taken[-1][0], y)))]
            for x, port, end in taken:
                lines += upright((x, y), (port, end), self._bend(end))
            dots = tuple((x, y) for x, _, _ in taken)
            nets.append(Net(f"{_NAMES[name]}, times weights", tuple(lines), f"n{place}", dots))
        return nets

    @staticmethod
    def _bend(end: float) -> float:
        """Return where a line to this lower edge of a combination begins to bend."""
        return end + _CHANNEL

    def _arrivals(self, stack: _Stack) -> Iterator[tuple[_Stack, float, float]]:
        """Yield each part of a stack with the point that it reaches."""
        if not stack.parts:
            return
        row, last = self._row(stack), len(stack.parts) - 1
        end = row.combination - _INTO if stack.combination else row.activation
        for place, part in enumerate(stack.parts):
            yield part, stack.x + _PORT * (place - last / 2), end

    def _branches(self) -> list[Net]:
        """Return the lines from each stack to what it is a part of, and those inside stacks."""
        nets = []
        for stack in self._stacks:
            for part, port, end in self._arrivals(stack):
                if part.parts:
                    lines = upright((part.x, self._top(part)), (port, end), self._bend(end))
                    nets.append(Net(f"{_where(part)} to {_where(stack)}", tuple(lines)))
            if stack.combination and stack.activation:
                row = self._row(stack)
                inside = Line(((stack.x, row.activation + _TAP), (stack.x, row.activation)))
                nets.append(Net(f"{_where(stack)}, before its activation", (inside,)))
        return nets

    def _top(self, stack: _Stack) -> float:
        row = self._row(stack)
        return row.top if stack.activation else row.activation + _TAP

    def _outlets(self, top: float, boxes: list[Box]) -> list[Net]:
        """Return h(t), c(t) and c(t-1)."""
        root = self._roots[0]
        left = root.x - _pill_width(_HIDDEN) / 2
        boxes.append(self._pill(left, top + _PILL / 2, _HIDDEN, "signal"))
        line = Line(((root.x, self._top(root)), (root.x, top + _PILL)), arrow=True)
        nets = [Net("h(t), the new hidden state", (line,))]
        for stack in self._stacks:
            if stack.takes_cell:
                y = self._row(stack).combination - _RADIUS
                boxes.append(self._pill(self._edges[0], y, _CELL_BEFORE, "state"))
                to = (stack.x - self._half(stack), y)
                line = Line(((boxes[-1].right, y), to), arrow=True)
                nets.append(Net("c(t-1), the cell state before: cell inject", (line,), "n4"))
            if self._values.cell in (stack.value, stack.combination) and self._values.cell:
                nets.append(self._new_cell(stack, boxes))
        return nets

    def _new_cell(self, stack: _Stack, boxes: list[Box]) -> Net:
        row = self._row(stack)
        y = row.tap if self._values.cell is stack.combination else row.top - _ABOVE / 2
        boxes.append(self._pill(self._edges[1] - _pill_width(_NEW_CELL), y, _NEW_CELL, "state"))
        line = Line(((stack.x, y), (boxes[-1].left, y)), arrow=True)
        up = Line(((stack.x, self._top(stack) + 2), (stack.x, y)))
        lines = (up, line) if stack in self._roots[1:] else (line,)
        title = f"c(t), the new cell state: {_where(stack)}, before its activation"
        return Net(title, lines, "n4", ((stack.x, y),))

    @staticmethod
    def _pill(left: float, middle: float, name: str, kind: str) -> Box:
        width = _pill_width(name)
        text = Text(left + width / 2, middle + 3.7, name, SIZE)
        return Box(left, middle - _PILL / 2, width, _PILL, kind, (text,), radius=_PILL / 2)

    def _description(self) -> str:
        text = f"h(t) = {formula(self._values.hidden)}"
        if self._values.cell is None:
            return f"{text}; no cell state has an effect"
        return f"{text}; c(t) = {formula(self._values.cell)}"


def _pill_width(name: str) -> float:
    return text_width(name, SIZE) + 12


def _height(stack: _Stack) -> int:
    return 1 + max(map(_height, stack.parts)) if stack.parts else 0


def _gap(before: _Stack | None, after: _Stack) -> float:
    """Return what is left free between two parts: nothing between x·W and h·U of one leaf."""
    if before is None or not (before.parts or after.parts):
        return 0.0
    return _BETWEEN


def _width_of(parts: tuple[_Stack, ...]) -> float:
    befores = (None, *parts)
    return sum(
        _gap(before, part) + part.width for before, part in zip(befores, parts, strict=False)
    )


def _index(stack: _Stack) -> str:
    value = stack.combination or stack.value
    return "" if value.node is None else str(value.node)


def _where(stack: _Stack) -> str:
    return f"node {_index(stack)}" if _index(stack) else "cell inject"


def _leaves(stack: _Stack) -> str:
    return "+".join(map(str, stack.value.leaves))
