"""A discovered recurrent cell as a Keras cell (Zoph & Le, 2016, section 3.4 and Figures 5, 8).

Shapes: B sequences, N leaves (the base), H hidden units, D input features.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from nas_with_rl.child_models.cells.operations import activation, combination
from nas_with_rl.child_models.tensors import Tensor
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell


@functools.cache
def _signals_type(base: int) -> Any:
    """Return the named tuple of a tree's signals: a_0 to a_(2N-2), c_t and h_t, [B, H] each."""
    nodes = [f"node_{index}" for index in range(2 * base - 1)]
    return collections.namedtuple("TreeSignals", [*nodes, "cell", "hidden"])


def tree_signals(
    projected_input: Tensor, projected_state: Tensor, cell_state: Tensor, cell: RecurrentCell
) -> Any:
    """Return a_0 to a_(2N-2), c_t and h_t of a tree cell, named as in `TreeCell`.

    The products with the weights come from outside, since x W can be had for all steps at once.

    Args:
      projected_input: x_t W, [B, N·H].
      projected_state: h_(t-1) U, [B, N·H].
      cell_state: c_(t-1), [B, H].
      cell: the tree.
    """
    leaf_inputs = list(
        zip(
            keras.ops.split(projected_input, cell.base, axis=-1),
            keras.ops.split(projected_state, cell.base, axis=-1),
            strict=True,
        )
    )
    values: list[Tensor] = []  # [B, H] each, by node number
    new_cell_state = cell_state
    for index, node in enumerate(cell.nodes):
        if index < cell.base:
            left, right = leaf_inputs[index]
        else:
            left, right = (values[child] for child in cell.inputs_of(index))
        before_activation = combination(node.combination)(left, right)
        value = activation(node.activation)(before_activation)
        if index == cell.output_node:
            # Before the inject, also where both are the same node: see `TreeCell`.
            new_cell_state = before_activation
        if index == cell.inject_node:
            injected = combination(cell.inject.combination)(value, cell_state)
            value = activation(cell.inject.activation)(injected)
        values.append(value)
    return _signals_type(cell.base)(*values, cell=new_cell_state, hidden=values[-1])


def cell_step(
    projected_input: Tensor, projected_state: Tensor, cell_state: Tensor, cell: RecurrentCell
) -> tuple[Tensor, Tensor]:
    """Return (h_t, c_t) of a tree cell; the arguments as in `tree_signals`."""
    signals = tree_signals(projected_input, projected_state, cell_state, cell)
    return signals.hidden, signals.cell


def product(values: Tensor, kernel: Tensor) -> Tensor:
    """Return values times kernel as one two-dimensional product: faster on CPU than T of them."""
    *extents, width = keras.ops.shape(values)
    flat = keras.ops.matmul(keras.ops.reshape(values, (-1, width)), kernel)
    return keras.ops.reshape(flat, (*extents, kernel.shape[-1]))


@keras.saving.register_keras_serializable(package="nas_with_rl")
class TreeCell(keras.layers.Layer):
    """A recurrent cell in the shape of a balanced binary tree, for `keras.layers.RNN(cell)`.

    With N leaves and 2N - 1 nodes; ∘_i and φ_i are node i's combination and activation:

      leaf i < N:         b_i = (x_t W_i) ∘_i (h_(t-1) U_i)      a_i = φ_i(b_i)    node_i
      inner node i ≥ N:   b_i = a_left ∘_i a_right               a_i = φ_i(b_i)    node_i
      cell inject at k:   a_k ← φ_inject(a_k ∘_inject c_(t-1))                     node_k
      output node j:      c_t = b_j                              cell (long-term memory)
      root r = 2N - 2:    h_t = a_r                              hidden (working memory)

    Section 3.4 leaves two cases open. The same node for both indices (j = k): c_t is its value
    before activation, thus without c_(t-1). The inject at the root (k = r): h_t is the value
    after it.

    Weights: kernel W [D, N·H], recurrent_kernel U [H, N·H]; no bias, as TensorFlow's NASCell.

    Attributes:
      cell: the architecture.
      units: H.
      state_size: [H, H], for h and c.
    """

    def __init__(self, cell: RecurrentCell, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.cell = cell
        self.units = units
        self.state_size = [units, units]
        self.output_size = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights, for inputs [B, D]."""
        width = self.cell.base * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer="orthogonal", name="recurrent_kernel"
        )

    def signals(self, inputs: Tensor, states: Sequence[Tensor]) -> Any:
        """Return what a step from the states h_(t-1) and c_(t-1) computes, [B, H] each.

        It is a named tuple: node_0 to node_(2N-2), cell and hidden.
        """
        hidden, cell_state = states
        return tree_signals(
            keras.ops.matmul(inputs, self.kernel),
            keras.ops.matmul(hidden, self.recurrent_kernel),
            cell_state,
            self.cell,
        )

    def call(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Return h_t and the new states [h_t, c_t], for x_t [B, D] and (h, c) [B, H] each."""
        signals = self.signals(inputs, states)
        return signals.hidden, [signals.hidden, signals.cell]

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs; the tree as plain JSON."""
        return super().get_config() | {"cell": tree_to_json(self.cell), "units": self.units}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TreeCell:
        """Rebuild a cell from `get_config`."""
        return cls(**(config | {"cell": tree_from_json(config["cell"])}))


def tree_to_json(cell: RecurrentCell) -> dict[str, Any]:
    """Return a tree as JSON-ready values."""
    return dataclasses.asdict(cell) | {"nodes": [dataclasses.asdict(node) for node in cell.nodes]}


def tree_from_json(tree: Mapping[str, Any]) -> RecurrentCell:
    """Rebuild a tree from `tree_to_json`."""
    return RecurrentCell(
        nodes=tuple(Node(**node) for node in tree["nodes"]),
        inject=Node(**tree["inject"]),
        output_node=tree["output_node"],
        inject_node=tree["inject_node"],
    )
