"""Any tree cell of one base as data: a step whose inputs say which cell it computes.

One compiled program of this step trains every cell of its base; nothing is compiled for a new one.
The equations are `TreeCell`'s (Zoph & Le, 2016, section 3.4). A node's activation is four numbers:

  act(x) = α tanh(βx) + δ + (0 where x ≤ θ, else x)

  identity: α 0, β 1, δ 0, θ NaN (no x is ≤ NaN)    tanh: α 1, β 1, δ 0, θ ∞
  relu:     α 0, β 1, δ 0, θ 0                       sigmoid: α ½, β ½, δ ½, θ ∞

The linear part is chosen, not blended: in a sum γx + ..., γ = 0 and an infinite x would give NaN
where tanh gives 1. The sigmoid, as ½ tanh(½x) + ½, and its derivative are right to 6e-8 in float32,
so that its far tail, below -16, is 0.

Shapes: C children, B sequences, N leaves (the base), H hidden units. The n nodes of one level of
the tree lie side by side, [C, B, n·H], in an order in which the nodes p and p + n/2 are the
inputs of the level above's node p, so that all inputs are plain slices. Inputs of a node may
change places, since every combination commutes: the tree is turned so that the cell inject's node
comes first in its level.

How the step is cut decides whether it is fast on CPU. XLA's kernels there are vectorised while they
are small, element-wise and read plain slices; with reshapes, reversals, updates in place or twenty
operands they are not, and six times slower. So first nodes and rests go apart (nothing is glued
together again), and each value before activation is divided by `Cells.one`: XLA computes what it
holds costly only once, where it would otherwise fuse a tree's levels into each of their readers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import keras
import numpy as np

from nas_with_rl.child_models.cells.operations import maximum
from nas_with_rl.child_models.tensors import Tensor
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell

# α, β, δ, θ. A sine is chosen apart.
_ACTIVATIONS: Mapping[str, tuple[float, float, float, float]] = MappingProxyType(
    {
        "identity": (0.0, 1.0, 0.0, math.nan),
        "tanh": (1.0, 1.0, 0.0, math.inf),
        "sigmoid": (0.5, 0.5, 0.5, math.inf),
        "relu": (0.0, 1.0, 0.0, 0.0),
        # All 0: the sine takes its place afterwards.
        "sin": (0.0, 1.0, 0.0, math.inf),
    }
)


@dataclasses.dataclass(frozen=True)
class UniversalCell:
    """What one program can compute: all trees of a base with these operations.

    Attributes:
      base: N.
      combinations, activations: the operations' names; max and sin cost time where they are in.
    """

    base: int
    combinations: tuple[str, ...] = ("add", "elem_mult")
    activations: tuple[str, ...] = ("identity", "tanh", "sigmoid", "relu")

    @property
    def has_max(self) -> bool:
        return "max" in self.combinations

    @property
    def has_sin(self) -> bool:
        return "sin" in self.activations

    def any_cell(self) -> RecurrentCell:
        """Return one of the cells: what all have in common can be asked of it."""
        node = Node(self.combinations[0], self.activations[0])
        return RecurrentCell((node,) * (2 * self.base - 1), node, output_node=0, inject_node=0)

    def check(self, cell: RecurrentCell) -> None:
        """Raise InputError unless the cell is one of these."""
        if cell.base != self.base:
            raise InputError(f"a cell of base {cell.base} in a population of base {self.base}")
        for node in (*cell.nodes, cell.inject):
            if node.combination not in self.combinations or node.activation not in self.activations:
                raise InputError(
                    f"a cell has {node.combination} {node.activation}, its population only "
                    f"{', '.join(self.combinations)} and {', '.join(self.activations)}"
                )


class Nodes(NamedTuple):
    """Some nodes of one level, or the cell inject, as numbers for each of their units: [C, 1, n·H].

    Attributes:
      scale, slope, shift, threshold: α, β, δ, θ.
      adds: 1 where the combination is a sum, else 0.
      outputs: 1 at the node whose value before activation is c_t.
      maximizes: 1 where the combination is a maximum; None where no cell has one.
      turned: 1 where the inputs have changed places, which decides a maximum's ties.
      sines: 1 where the activation is a sine; None where no cell has one.
    """

    scale: Tensor
    slope: Tensor
    shift: Tensor
    threshold: Tensor
    adds: Tensor
    outputs: Tensor
    maximizes: Tensor | None
    turned: Tensor | None
    sines: Tensor | None

    def units(self, first: int, last: int | None = None) -> Nodes:
        """Return some of the units."""
        return Nodes(*(each if each is None else each[..., first:last] for each in self))


class Cells(NamedTuple):
    """C cells as numbers.

    Attributes:
      levels: leaves first, the root last.
      inject: the cell injects.
      injects: by level, 1 for the children whose inject is at its first node, [C, 1, H].
      one: 1; see the module.
    """

    levels: tuple[Nodes, ...]
    inject: Nodes
    injects: tuple[Tensor, ...]
    one: Tensor


def encode(
    cells: Sequence[RecurrentCell], operations: UniversalCell, *, units: int, dtype: str
) -> Cells:
    """Return C cells as numbers.

    Raises:
      InputError: a cell that is not one of `operations`.
    """
    for cell in cells:
        operations.check(cell)
    places = [node_order(cell) for cell in cells]
    levels, injects = [], []
    for level in range(len(places[0])):
        rows = [_level_rows(cell, level) for cell in cells]
        levels.append(_nodes(rows, operations, units, dtype))
        at = [cell.inject_node in place[level] for cell, place in zip(cells, places, strict=True)]
        injects.append(np.tile(np.array(at, dtype)[:, np.newaxis, np.newaxis], (1, 1, units)))
    rows = [[_row(cell.inject)] for cell in cells]
    inject = _nodes(rows, operations, units, dtype)
    # `one` is an input: XLA would leave out a division by a constant 1.
    return Cells(tuple(levels), inject, tuple(injects), np.ones((), dtype))


def kernel_columns(cell: RecurrentCell, units: int) -> np.ndarray:
    """Return which column of a `TreeCell`'s kernel each column of the program's kernel is."""
    leaves = np.array(node_order(cell)[0])
    return (leaves[:, np.newaxis] * units + np.arange(units)).ravel()


def node_order(cell: RecurrentCell) -> tuple[tuple[int, ...], ...]:
    """Return, by level from the leaves, the node's number at each place of the module's order."""
    # Nodes on the way from the inject's node to the root: each comes first in its level.
    to_inject = {cell.inject_node}
    for node in range(cell.base, 2 * cell.base - 1):  # also the nodes above
        if to_inject & set(cell.inputs_of(node)):
            to_inject.add(node)
    levels: list[tuple[int, ...]] = [(2 * cell.base - 2,)]
    while levels[0][0] >= cell.base:
        pairs = [cell.inputs_of(node) for node in levels[0]]
        # At most one pair has it, the first: a tree has one way down to a node.
        pairs = [pair[::-1] if pair[1] in to_inject else pair for pair in pairs]
        levels.insert(0, (*(left for left, _ in pairs), *(right for _, right in pairs)))
    return tuple(levels)


class _Row(NamedTuple):
    """One node's numbers, in the order of `Nodes`."""

    scale: float
    slope: float
    shift: float
    threshold: float
    adds: float
    outputs: float
    maximizes: float
    turned: float
    sines: float


def _row(node: Node, *, turned: bool = False, is_output: bool = False) -> _Row:
    return _Row(
        *_ACTIVATIONS[node.activation],
        adds=node.combination == "add",
        outputs=is_output,
        maximizes=node.combination == "max",
        turned=turned,
        sines=node.activation == "sin",
    )


def _level_rows(cell: RecurrentCell, level: int) -> list[_Row]:
    """Return the rows of a level's nodes, in the module's order."""
    order = node_order(cell)
    return [
        _row(
            cell.nodes[node],
            turned=level > 0 and order[level - 1][place] != cell.inputs_of(node)[0],
            is_output=node == cell.output_node,
        )
        for place, node in enumerate(order[level])
    ]


def _nodes(
    rows: Sequence[Sequence[_Row]], operations: UniversalCell, units: int, dtype: str
) -> Nodes:
    """Return rows by child and node as `Nodes`."""
    table = np.repeat(np.array(rows, dtype), units, axis=1)  # [C, n·H, numbers]
    nodes = Nodes(*np.moveaxis(table[:, np.newaxis], -1, 0))
    if not operations.has_max:
        nodes = nodes._replace(maximizes=None, turned=None)
    return nodes if operations.has_sin else nodes._replace(sines=None)


class _Values(NamedTuple):
    """Some nodes of one level: their inputs, and what comes before and of their activation."""

    left: Tensor
    right: Tensor
    before: Tensor
    squashed: Tensor  # tanh(βb)
    after: Tensor

    def units(self, first: int, last: int) -> _Values:
        """Return some of the units."""
        return _Values(*(each[..., first:last] for each in self))


class _Level(NamedTuple):
    """A level's first node, the cell inject there, the value after it; and the other nodes."""

    first: _Values
    inject: _Values
    value: Tensor
    rest: _Values | None

    def node(self, place: int) -> _Values:
        """Return one node."""
        units = self.value.shape[-1]
        if not place:
            return self.first
        assert self.rest is not None
        return self.rest.units((place - 1) * units, place * units)


def step(
    projected_input: Tensor, projected_state: Tensor, cell_state: Tensor, cells: Cells
) -> tuple[Tensor, Tensor]:
    """Return (h_t, c_t), [C, B, H] each.

    Args:
      projected_input: x_t W, [C, B, N·H], columns as in `kernel_columns`.
      projected_state: h_(t-1) U, [C, B, N·H].
      cell_state: c_(t-1), [C, B, H].
      cells: which cells.
    """
    levels = _levels(projected_input, projected_state, cell_state, cells)
    # The root alone is in the last level: its value is h_t.
    return levels[-1].value, _output(levels, cells)


def step_gradient(
    inputs: tuple[Tensor, Tensor, Tensor], d_hidden: Tensor, d_cell_state: Tensor, cells: Cells
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of a step's x_t W, h_(t-1) U and c_(t-1).

    Args:
      inputs: these three, as `step` takes them; the nodes' values are computed again.
      d_hidden, d_cell_state: the gradients of h_t and c_t, [C, B, H].
      cells: which cells.
    """
    units = d_hidden.shape[-1]
    levels = _levels(*inputs, cells)
    d_nodes, d_before = [d_hidden], keras.ops.zeros_like(d_hidden)  # of a level, of c_(t-1)
    pairs: list[tuple[Tensor, Tensor]] = []
    for level, nodes, at in reversed(list(zip(levels, cells.levels, cells.injects, strict=True))):
        by_value, by_cell = _inputs_gradient(d_nodes[0], level.inject, cells.inject, cells.one)
        # The inject comes after its node, so backwards before it. By child, as each has its own
        # place.
        d_nodes[0] = keras.ops.where(at > 0, by_value, d_nodes[0])
        d_before = keras.ops.where(at > 0, by_cell, d_before)
        pairs = [
            _inputs_gradient(
                d_node,
                level.node(place),
                nodes.units(place * units, (place + 1) * units),
                cells.one,
                d_cell_state,
            )
            for place, d_node in enumerate(d_nodes)
        ]
        d_nodes = [left for left, _ in pairs] + [right for _, right in pairs]
    d_input, d_state = (keras.ops.concatenate(each, axis=-1) for each in zip(*pairs, strict=True))
    return d_input, d_state, d_before


def _levels(
    projected_input: Tensor, projected_state: Tensor, cell_state: Tensor, cells: Cells
) -> list[_Level]:
    """Return all values, leaves first."""
    units = cell_state.shape[-1]
    inputs = projected_input, projected_state
    left, right = (each[..., :units] for each in inputs)  # of the first node
    lefts, rights = (each[..., units:] for each in inputs)  # of the rest
    levels: list[_Level] = []
    for nodes, at in zip(cells.levels, cells.injects, strict=True):
        first = _values(left, right, nodes.units(0, units), cells.one)
        inject = _values(first.after, cell_state, cells.inject, cells.one)
        value = keras.ops.where(at > 0, inject.after, first.after)
        rest = None
        if lefts.shape[-1]:
            rest = _values(lefts, rights, nodes.units(units), cells.one)
            # The rest are the nodes 1 to n - 1; the pairs above them are p and p + n/2.
            half = (rest.after.shape[-1] - units) // 2
            left, right = value, rest.after[..., half : half + units]
            lefts, rights = rest.after[..., :half], rest.after[..., half + units :]
        levels.append(_Level(first, inject, value, rest))
    return levels


def _values(left: Tensor, right: Tensor, nodes: Nodes, one: Tensor) -> _Values:
    combined = keras.ops.where(nodes.adds > 0, left + right, left * right)
    if nodes.maximizes is not None:
        combined = keras.ops.where(nodes.maximizes > 0, maximum(left, right), combined)
    before = combined / one
    # Kept for the derivative, which is a polynomial of it.
    squashed = keras.ops.tanh(nodes.slope * before)
    passed = keras.ops.where(before <= nodes.threshold, keras.ops.zeros_like(before), before)
    after = nodes.scale * squashed + nodes.shift + passed
    if nodes.sines is not None:
        after = keras.ops.where(nodes.sines > 0, keras.ops.sin(before), after)
    return _Values(left, right, before, squashed, after)


def _output(levels: Sequence[_Level], cells: Cells) -> Tensor:
    """Return c_t: the value before activation of each child's output node."""
    units = levels[0].value.shape[-1]
    output = None
    for level, nodes in zip(levels, cells.levels, strict=True):
        for place in range(nodes.outputs.shape[-1] // units):
            before = level.node(place).before
            chosen = nodes.outputs[..., place * units : (place + 1) * units] > 0
            # Each child has an output node: where the first is not it, a later one replaces this.
            output = before if output is None else keras.ops.where(chosen, before, output)
    return output


def _inputs_gradient(
    d_after: Tensor, values: _Values, nodes: Nodes, one: Tensor, d_output: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the gradients of nodes' two inputs.

    Args:
      d_after: of their values.
      values, nodes: which.
      one: see the module.
      d_output: of c_t.
    """
    d_before = d_after * _derivative(values, nodes)
    if d_output is not None:
        d_before += keras.ops.where(nodes.outputs > 0, d_output, keras.ops.zeros_like(d_output))
    d_before /= one
    adds, left, right = nodes.adds > 0, values.left, values.right
    d_left = keras.ops.where(adds, d_before, d_before * right)
    d_right = keras.ops.where(adds, d_before, d_before * left)
    if nodes.maximizes is not None and nodes.turned is not None:
        # All to the first input where both are equal, as `operations.maximum` has it.
        wins = keras.ops.where(nodes.turned > 0, left > right, left >= right)
        maximizes, zeros = nodes.maximizes > 0, keras.ops.zeros_like(d_before)
        d_left = keras.ops.where(maximizes, keras.ops.where(wins, d_before, zeros), d_left)
        d_right = keras.ops.where(maximizes, keras.ops.where(wins, zeros, d_before), d_right)
    return d_left, d_right


def _derivative(values: _Values, nodes: Nodes) -> Tensor:
    """Return act'(x): αβ (1 - tanh²(βx)) + (0 where x ≤ θ, else 1)."""
    bent = nodes.scale * nodes.slope * (1 - values.squashed * values.squashed)
    derivative = keras.ops.where(values.before <= nodes.threshold, bent, bent + 1)
    if nodes.sines is None:
        return derivative
    return keras.ops.where(nodes.sines > 0, keras.ops.cos(values.before), derivative)
