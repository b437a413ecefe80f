"""A recurrent cell as what it computes, value by value: as it was found, and folded.

The folded form is the same function of x·W, h·U and c. Left out are identities; a relu of what
is never negative; what a maximum never is; and a cell state that no hidden state ever hears of.
Sums of sums are one sum, so are products and maxima; the leaves in one sum are one leaf, whose
weights are the sums of theirs. A value that is also the new cell state stays one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

from nas_with_rl.search_spaces.recurrent_cell import ACTIVATIONS, COMBINATIONS, RecurrentCell

INPUT, STATE, CELL = "x", "h", "c"  # x_t W, h_(t-1) U, c_(t-1)


@dataclasses.dataclass(frozen=True, eq=False)  # equal ones may stand in two places
class Value:
    """One value of a step.

    Attributes:
      operation: a combination, an activation, or where it comes from: INPUT, STATE, CELL.
      operands: what it is of.
      leaves: of INPUT and STATE, those whose weights are added up.
      node: the node of the tree that has this value, before or after its activation.
    """

    operation: str
    operands: tuple[Value, ...] = ()
    leaves: tuple[int, ...] = ()
    node: int | None = None

    @property
    def is_activation(self) -> bool:
        return self.operation in ACTIVATIONS

    @property
    def is_combination(self) -> bool:
        return self.operation in COMBINATIONS

    def all(self) -> Iterator[Value]:
        """Yield this value and all that it is of."""
        yield self
        for operand in self.operands:
            yield from operand.all()


@dataclasses.dataclass(frozen=True)
class CellValues:
    """What a cell computes in a step.

    Attributes:
      hidden: h_t.
      cell: c_t, which may be one of the values that h_t is of; None: no h_t ever hears of it.
    """

    hidden: Value
    cell: Value | None


def cell_values(cell: RecurrentCell) -> CellValues:
    """Return the values of a cell as it was found."""
    values: list[Value] = []
    new_cell = None
    for index, node in enumerate(cell.nodes):
        if index < cell.base:
            operands = tuple(Value(name, leaves=(index,)) for name in (INPUT, STATE))
        else:
            left, right = cell.inputs_of(index)
            operands = (values[left], values[right])
        before = Value(node.combination, operands, node=index)
        value = Value(node.activation, (before,), node=index)
        if index == cell.output_node:
            new_cell = before
        if index == cell.inject_node:
            # Nodes have numbers, what is injected into them has none.
            injected = Value(cell.inject.combination, (value, Value(CELL)))
            value = Value(cell.inject.activation, (injected,))
        values.append(value)
    return CellValues(values[-1], new_cell)


def folded(values: CellValues) -> CellValues:
    """Return the same function of fewer values."""
    folding = _Folding(values.cell)
    hidden = folding.value(values.hidden)
    if all(each.operation != CELL for each in hidden.all()):
        return CellValues(hidden, None)
    return CellValues(hidden, folding.kept)


class _Folding:
    """Folds values from the leaves up.

    Attributes:
      kept: what has become of the new cell state, once it was met.
    """

    def __init__(self, cell: Value | None):
        self._cell = cell
        self.kept: Value | None = None

    def value(self, value: Value) -> Value:
        if not value.operands:
            return value
        operands = [self.value(each) for each in value.operands]
        if value.is_activation:
            found = _activated(value, operands[0])
        else:
            found = self._combined(value, operands)
        if value is self._cell:
            self.kept = found
        return found

    def _combined(self, value: Value, operands: list[Value]) -> Value:
        parts: list[Value] = []
        for operand in operands:
            same = operand.operation == value.operation and operand is not self.kept
            parts += operand.operands if same else [operand]
        if value.operation == "add":
            parts = _with_joined_leaves(parts)
        if value.operation == "max":
            parts = _without_the_lower(parts)
        if len(parts) == 1:
            return parts[0]
        return dataclasses.replace(value, operands=tuple(parts))


def _activated(value: Value, operand: Value) -> Value:
    if value.operation == "identity":
        return operand
    if value.operation == "relu" and bounds(operand)[0] >= 0:
        return operand
    return dataclasses.replace(value, operands=(operand,))


def _with_joined_leaves(parts: list[Value]) -> list[Value]:
    """Return a sum's parts with one x·W and one h·U at most, where the first ones stood."""
    joined: list[Value] = []
    for part in parts:
        place = next(
            (
                place
                for place, each in enumerate(joined)
                if part.leaves and each.operation == part.operation
            ),
            None,
        )
        if place is None:
            joined.append(part)
        else:
            leaves = (*joined[place].leaves, *part.leaves)
            joined[place] = dataclasses.replace(part, leaves=leaves)
    return joined


def _without_the_lower(parts: list[Value]) -> list[Value]:
    """Return a maximum's parts without those that another one is never below."""
    kept = list(parts)
    for part in parts:
        highest = bounds(part)[1]
        if any(bounds(each)[0] >= highest for each in kept if each is not part):
            kept.remove(part)
    return kept


def bounds(value: Value) -> tuple[float, float]:
    """Return what a value is never below and never above, whatever x, h, c and the weights are."""
    operands = [bounds(each) for each in value.operands]
    if not operands:
        return -math.inf, math.inf
    if value.is_activation:
        low, high = operands[0]
        if value.operation not in _RISING:
            return -1.0, 1.0  # of the sine
        return _RISING[value.operation](low), _RISING[value.operation](high)
    found = operands[0]
    for other in operands[1:]:
        found = _bounds_of_two(value.operation, found, other)
    return found


# What they are at two ends bounds what they are between.
_RISING: dict[str, Callable[[float], float]] = {
    "identity": lambda value: value,
    "tanh": math.tanh,
    "sigmoid": lambda value: 0.5 + 0.5 * math.tanh(value / 2),
    "relu": lambda value: max(0.0, value),
}


def _bounds_of_two(
    operation: str, one: tuple[float, float], other: tuple[float, float]
) -> tuple[float, float]:
    if operation == "add":
        return one[0] + other[0], one[1] + other[1]
    if operation == "max":
        return max(one[0], other[0]), max(one[1], other[1])
    # 0 times what has no bound is 0: no value is infinite.
    products = [a * b if a and b else 0.0 for a in one for b in other]
    return min(products), max(products)


def formula(value: Value) -> str:
    """Return what a value computes, as one expression."""
    if not value.operands:
        leaves = "+".join(map(str, value.leaves))
        return {INPUT: f"x·W[{leaves}]", STATE: f"h·U[{leaves}]", CELL: "c(t-1)"}[value.operation]
    operands = [formula(each) for each in value.operands]
    if value.operation == "identity":
        return operands[0]
    if value.is_activation or value.operation == "max":
        return f"{value.operation}({', '.join(operands)})"
    sign = {"add": " + ", "elem_mult": " × "}[value.operation]
    return f"({sign.join(operands)})"
