"""Recurrent cells as code: a class for `keras.layers.RNN`, its tree as straight lines.

The class computes what `cells.tree_cell` or `cells.designed_cells` computes, in the same order, and
has the same weights.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS, Cell
from nas_with_rl.search_spaces.drawing import draw_cell
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell

# As `cells.operations` computes them: a row here for each there.
COMBINATION_CODE: Mapping[str, str] = MappingProxyType(
    {"add": "{} + {}", "elem_mult": "{} * {}", "max": "maximum({}, {})"}
)
ACTIVATION_CODE: Mapping[str, str] = MappingProxyType(
    {
        "identity": "{}",
        "tanh": "ops.tanh({})",
        "sigmoid": "ops.sigmoid({})",
        "relu": "ops.relu({})",
        "sin": "ops.sin({})",
    }
)
MAXIMUM = '''
def maximum(left, right):
    """Return the greater of two tensors, element by element; a tie is the left one's."""
    return ops.where(ops.logical_or(left >= right, ops.isnan(left)), left, right)
'''

_TREE = '''
class FoundCell(keras.layers.Layer):
    """A cell for keras.layers.RNN; its states are h and c, [batch, units] each.

    Weights: kernel [features, {base} * units] and recurrent_kernel [units, {base} * units].
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = [units, units]
        self.output_size = units

    def build(self, input_shape):
        width = {base} * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer="orthogonal", name="recurrent_kernel"
        )

    def call(self, inputs, states, training=False):
        hidden, cell = states
        x = ops.split(ops.matmul(inputs, self.kernel), {base}, axis=-1)
        h = ops.split(ops.matmul(hidden, self.recurrent_kernel), {base}, axis=-1)
{nodes}
        return node_{root}, [node_{root}, new_cell]

    def get_config(self):
        return super().get_config() | {{"units": self.units}}
'''

_PEEPHOLE_LSTM = '''
class PeepholeLSTMCell(keras.layers.Layer):
    """An LSTM whose gates see the cell (Gers et al., 2002), for keras.layers.RNN.

    Weights, gates in the order i, f, g, o: kernel [features, 4 * units], recurrent_kernel
    [units, 4 * units], bias [4 * units], peepholes of i, f and o [3, units].
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = [units, units]
        self.output_size = units

    def build(self, input_shape):
        width = 4 * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(width,), initializer="zeros", name="bias")
        self.peepholes = self.add_weight(
            shape=(3, self.units), initializer="zeros", name="peepholes"
        )

    def call(self, inputs, states, training=False):
        hidden, cell = states
        products = ops.matmul(inputs, self.kernel) + self.bias
        products = products + ops.matmul(hidden, self.recurrent_kernel)
        i, f, g, o = ops.split(products, 4, axis=-1)
        input_gate = ops.sigmoid(i + self.peepholes[0] * cell)
        forget_gate = ops.sigmoid(f + self.peepholes[1] * cell)
        new_cell = forget_gate * cell + input_gate * ops.tanh(g)
        output_gate = ops.sigmoid(o + self.peepholes[2] * new_cell)
        new_hidden = output_gate * ops.tanh(new_cell)
        return new_hidden, [new_hidden, new_cell]

    def get_config(self):
        return super().get_config() | {"units": self.units}
'''

_FILE = '''"""A recurrent cell that an architecture search found, as a cell of plain Keras 3.

{words}

It is used as any cell of Keras, on any of its backends:

    layer = keras.layers.RNN(FoundCell(units=64), return_sequences=True)
    hidden = layer(inputs)  # [batch, steps, features] -> [batch, steps, 64]

get_weights() returns, and set_weights() takes, kernel and recurrent_kernel, in this order.
"""

import keras
from keras import ops

'''


class CellCode(NamedTuple):
    """A cell as code.

    Attributes:
      definitions: functions and classes, which need `keras` and its `ops`; empty for Keras's own.
      make: an expression that makes one of as many units as the name UNITS says.
    """

    definitions: str
    make: str


# Designed cells that Keras has, or that are written above.
_DESIGNED: Mapping[str, CellCode] = MappingProxyType(
    {
        "lstm": CellCode("", "keras.layers.LSTMCell(UNITS)"),
        "rnn": CellCode("", "keras.layers.SimpleRNNCell(UNITS)"),
        "gru": CellCode("", "keras.layers.GRUCell(UNITS)"),
        "gru_reset_before": CellCode("", "keras.layers.GRUCell(UNITS, reset_after=False)"),
        "peephole_lstm": CellCode(_PEEPHOLE_LSTM, "PeepholeLSTMCell(UNITS)"),
    }
)


def cell_source(cell: RecurrentCell, text: str) -> str:
    """Return a file with the class `FoundCell`.

    Args:
      cell: the tree.
      text: its architecture, as one line.
    """
    return _FILE.format(words=described(text, draw_cell(cell))) + cell_code(cell).definitions


def cell_code(cell: Cell) -> CellCode:
    """Return the code of a tree or of a known cell.

    Raises:
      InputError: a cell or an operation that has no row here.
    """
    if isinstance(cell, RecurrentCell):
        nodes = textwrap.indent("\n".join(_node_lines(cell)), " " * 8)
        tree = _TREE.format(base=cell.base, root=len(cell.nodes) - 1, nodes=nodes)
        helper = f"{MAXIMUM}\n" if "maximum(" in nodes else ""
        return CellCode(helper + tree, "FoundCell(UNITS)")
    if cell not in _DESIGNED:
        raise InputError(
            f"cell {cell!r} has no code that stands alone; {', '.join(_DESIGNED)} have"
            if cell in KNOWN_CELLS
            else f"cell is {cell!r}, not one of {', '.join(KNOWN_CELLS)}"
        )
    return _DESIGNED[cell]


def has_code(cell: Cell) -> bool:
    """Say whether a cell has code; one of KNOWN_CELLS that is new may have no row here."""
    return isinstance(cell, RecurrentCell) or cell in _DESIGNED


def described(text: str, drawing: str) -> str:
    """Return an architecture's text, in lines of at most 96 characters, and its drawing."""
    space = "\N{NO-BREAK SPACE}"  # lines end after a "|" alone
    unbroken = text.replace(" ", space).replace(f"{space}|{space}", f"{space}| ")
    indent = " " * 4
    lines = textwrap.wrap(unbroken, 96, initial_indent=indent, subsequent_indent=indent)
    lines = [line.replace(space, " ") for line in lines]
    return "\n".join([*lines, "", *(f"  {line}".rstrip() for line in drawing.splitlines())])


def _node_lines(cell: RecurrentCell) -> list[str]:
    """Return the assignments of all nodes and of new_cell, leaves first."""
    lines = []
    for index, node in enumerate(cell.nodes):
        left, right = f"x[{index}]", f"h[{index}]"
        if index >= cell.base:
            left, right = (f"node_{child}" for child in cell.inputs_of(index))
        combined = _combined(node, left, right)
        if index == cell.output_node:
            lines.append(f"new_cell = {combined}  # node {index} before its activation")
            combined = "new_cell"
        lines.append(f"node_{index} = {_activated(node, combined)}")
        if index == cell.inject_node:
            injected = _combined(cell.inject, f"node_{index}", "cell")
            lines.append(f"node_{index} = {_activated(cell.inject, injected)}  # where c enters")
    return lines


def _combined(node: Node, left: str, right: str) -> str:
    return _row(COMBINATION_CODE, "combination", node.combination).format(left, right)


def _activated(node: Node, value: str) -> str:
    code = _row(ACTIVATION_CODE, "activation", node.activation)
    is_plain = code == "{}" or "({})" in code or value.isidentifier()
    return code.format(value if is_plain else f"({value})")


def _row(table: Mapping[str, str], kind: str, name: str) -> str:
    if name not in table:
        raise InputError(f"{kind} {name!r} has no code that stands alone; {', '.join(table)} have")
    return table[name]
