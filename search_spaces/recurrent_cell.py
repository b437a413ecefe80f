"""Recurrent cells as trees (Zoph & Le, 2016, sections 3.4 and 4.2).

A cell of base n is a balanced binary tree with n leaves and n - 1 inner nodes. Each node combines
its two inputs and applies an activation; two further decisions say how the cell state enters
(cell inject), two more where (cell indices). Nodes are numbered from the leaves up, left to
right, as in Figure 5: with n = 4, node 4 joins 0 and 1, node 5 joins 2 and 3, node 6 the root.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.drawing import draw_cell
from nas_with_rl.search_spaces.errors import InputError, shown
from nas_with_rl.search_spaces.field_checks import check_fields
from nas_with_rl.search_spaces.space import Choice, SearchSpace

# What a cell can be made of. The paper's main space has no max and no sin; its first control
# experiment (section 4.2) adds them.
COMBINATIONS = ("add", "elem_mult", "max")
ACTIVATIONS = ("identity", "tanh", "sigmoid", "relu", "sin")
BASES = (2, 4, 8)


@dataclasses.dataclass(frozen=True)
class RecurrentCellSpace:
    """The choices of a recurrent cell; the defaults are the paper's.

    Attributes:
      base: number of leaves; 2, 4 or 8.
      combinations, activations: what a node and the cell inject choose from.
    """

    noun: ClassVar[str] = "recurrent cell"

    base: int = 8
    combinations: tuple[str, ...] = ("add", "elem_mult")
    activations: tuple[str, ...] = ("identity", "tanh", "sigmoid", "relu")

    def __post_init__(self) -> None:
        check_fields(self)
        if self.base not in BASES:
            raise InputError(f"base is {self.base}, not one of {', '.join(map(str, BASES))}")
        for name, known in (("combinations", COMBINATIONS), ("activations", ACTIVATIONS)):
            if unknown := [value for value in getattr(self, name) if value not in known]:
                raise InputError(f"{name} has {shown(unknown[0])}, not one of {', '.join(known)}")
        _ = self._pair("node")  # none, or one that is there twice

    def search_space(self) -> SearchSpace:
        """Return the decisions in the controller's order (Figure 5).

        Base 8 counts 8^16 · 15 · 15 = 6.33e16, the paper's "approximately 6 × 10^16": fifteen
        nodes and the cell inject with 2 · 4 each, and two cell indices that may name any of the
        fifteen nodes, the root included. With max and sin: (3 · 5)^16 · 15 · 15 = 1.48e21.
        """
        nodes = tuple(range(2 * self.base - 1))
        tree = [choice for node in nodes for choice in self._pair(f"node_{node}")]
        return SearchSpace(
            decisions=(
                *tree,
                *self._pair("cell_inject"),
                Choice("cell_indices/output", nodes),
                Choice("cell_indices/inject", nodes),
            ),
            name=f"recurrent_cell_base_{self.base}",
            reader=self,
        )

    def draw(self, architecture: Architecture) -> str:
        """Return the cell of an architecture as its tree."""
        return draw_cell(cell_of(architecture))

    def _pair(self, group: str) -> tuple[Choice, Choice]:
        return (
            Choice(f"{group}/combination", self.combinations),
            Choice(f"{group}/activation", self.activations),
        )


@dataclasses.dataclass(frozen=True)
class Node:
    """How two inputs become one value: activation(combination(left, right))."""

    combination: str
    activation: str


@dataclasses.dataclass(frozen=True)
class RecurrentCell:
    """A decoded cell.

    Attributes:
      nodes: 2 · base - 1, leaves first, the root last.
      inject: how the earlier cell state enters.
      output_node: c_t is this node's value before its activation (first cell index).
      inject_node: the node whose value is combined with c_(t-1) (second cell index).
    """

    nodes: tuple[Node, ...]
    inject: Node
    output_node: int
    inject_node: int

    @property
    def base(self) -> int:
        """The number of leaves."""
        return (len(self.nodes) + 1) // 2

    def inputs_of(self, node: int) -> tuple[int, int]:
        """The two nodes that an inner node joins."""
        return 2 * (node - self.base), 2 * (node - self.base) + 1


def cell_of(architecture: Architecture) -> RecurrentCell:
    """Read an architecture of a `RecurrentCellSpace`."""
    names = [decision.name for decision in architecture.space.decisions]
    if not isinstance(architecture.space.reader, RecurrentCellSpace):
        raise InputError(f"an architecture of {architecture.space.name!r} is no recurrent cell")
    num_nodes = sum(name.startswith("node_") for name in names) // 2

    def node(group: str) -> Node:
        return Node(
            str(architecture[f"{group}/combination"]), str(architecture[f"{group}/activation"])
        )

    output_node, inject_node = (
        architecture["cell_indices/output"],
        architecture["cell_indices/inject"],
    )
    assert isinstance(output_node, int) and isinstance(inject_node, int)
    return RecurrentCell(
        nodes=tuple(node(f"node_{index}") for index in range(num_nodes)),
        inject=node("cell_inject"),
        output_node=output_node,
        inject_node=inject_node,
    )
