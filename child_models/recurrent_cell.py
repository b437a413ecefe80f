"""A discovered recurrent cell as a Keras cell (Zoph & Le, 2016, section 3.4 and Figures 5, 8).

Shapes: B sequences, N leaves (the base), H hidden units, D input features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras

from nas_with_rl.child_models.operations import Tensor, activation, combination
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell


def cell_step(
    projected_input: Tensor, projected_state: Tensor, cell_state: Tensor, cell: RecurrentCell
) -> tuple[Tensor, Tensor]:
    """Return (h_t, c_t) of a tree cell; see `TreeCell` for the equations.

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
            new_cell_state = before_activation
        if index == cell.inject_node:
            injected = combination(cell.inject.combination)(value, cell_state)
            value = activation(cell.inject.activation)(injected)
        values.append(value)
    return values[-1], new_cell_state


def product(values: Tensor, kernel: Tensor) -> Tensor:
    """Return values times kernel as one two-dimensional product: faster on CPU than T of them."""
    *extents, width = keras.ops.shape(values)
    flat = keras.ops.matmul(keras.ops.reshape(values, (-1, width)), kernel)
    return keras.ops.reshape(flat, (*extents, kernel.shape[-1]))


@keras.saving.register_keras_serializable(package="nas_with_rl")
class TreeCell(keras.layers.Layer):
    """A recurrent cell in the shape of a balanced binary tree, for `keras.layers.RNN(cell)`.

    With N leaves and 2N - 1 nodes; ∘_i and φ_i are node i's combination and activation:

      leaf i < N:         b_i = (x_t W_i) ∘_i (h_(t-1) U_i)      a_i = φ_i(b_i)
      inner node i ≥ N:   b_i = a_left ∘_i a_right               a_i = φ_i(b_i)
      cell inject at k:   a_k ← φ_inject(a_k ∘_inject c_(t-1))
      output node j:      c_t = b_j
      root r = 2N - 2:    h_t = a_r

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

    def call(
        self, inputs: Tensor, states: tuple[Tensor, Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Return h_t and the new states [h_t, c_t], for x_t [B, D] and (h, c) [B, H] each."""
        hidden, cell_state = states
        new_hidden, new_cell_state = cell_step(
            keras.ops.matmul(inputs, self.kernel),
            keras.ops.matmul(hidden, self.recurrent_kernel),
            cell_state,
            self.cell,
        )
        return new_hidden, [new_hidden, new_cell_state]

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
