"""What each cell computes, in words: the kinds of its signals, and its equations as text.

The names are the field's; those of Chen's "Exploring LSTMs" stand in brackets.
"""

from __future__ import annotations

import math

from nas_with_rl.child_models.cells.signal_kinds import SignalKind
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell


def _gate(name: str, symbol: str, title: str) -> SignalKind:
    return SignalKind(name, symbol, title, 0.0, 1.0, "gate")


def _state(name: str, symbol: str, title: str, limit: float = 1.0) -> SignalKind:
    return SignalKind(name, symbol, title, -limit, limit, "state")


RNN_SIGNALS = (_state("hidden", "h", "hidden state"),)
RNN_EQUATIONS = ("h_t = tanh(x_t W + h_(t-1) U + b)    hidden state",)

LSTM_SIGNALS = (
    _gate("input_gate", "i", "input gate (save)"),
    _gate("forget_gate", "f", "forget gate (remember)"),
    _state("candidate", "g", "candidate (candidate long-term memory)"),
    _gate("output_gate", "o", "output gate (focus)"),
    _state("cell", "c", "cell state (long-term memory)", math.inf),
    _state("hidden", "h", "hidden state (working memory)"),
)
_CELL_AND_HIDDEN = (
    "c_t = f_t ⊙ c_(t-1) + i_t ⊙ g_t    cell state (long-term memory)",
    "h_t = o_t ⊙ tanh(c_t)    hidden state (working memory)",
)
LSTM_EQUATIONS = (
    "i_t = σ(x_t W_i + h_(t-1) U_i + b_i)    input gate (save)",
    "f_t = σ(x_t W_f + h_(t-1) U_f + b_f)    forget gate (remember)",
    "g_t = tanh(x_t W_g + h_(t-1) U_g + b_g)    candidate (candidate long-term memory)",
    "o_t = σ(x_t W_o + h_(t-1) U_o + b_o)    output gate (focus)",
    *_CELL_AND_HIDDEN,
)
PEEPHOLE_LSTM_EQUATIONS = (
    "i_t = σ(x_t W_i + h_(t-1) U_i + p_i ⊙ c_(t-1) + b_i)    input gate (save)",
    "f_t = σ(x_t W_f + h_(t-1) U_f + p_f ⊙ c_(t-1) + b_f)    forget gate (remember)",
    "g_t = tanh(x_t W_g + h_(t-1) U_g + b_g)    candidate (candidate long-term memory)",
    "o_t = σ(x_t W_o + h_(t-1) U_o + p_o ⊙ c_t + b_o)    output gate (focus)",
    *_CELL_AND_HIDDEN,
)

GRU_SIGNALS = (
    _gate("update_gate", "z", "update gate"),
    _gate("reset_gate", "r", "reset gate"),
    _state("candidate", "h'", "candidate"),
    _state("hidden", "h", "hidden state"),
)
_GRU_HIDDEN = "h_t = z_t ⊙ h_(t-1) + (1 - z_t) ⊙ h'_t    hidden state"
GRU_EQUATIONS = (
    "z_t = σ(x_t W_z + b_z + h_(t-1) U_z + d_z)    update gate: 1 keeps (in papers 1 - z_t)",
    "r_t = σ(x_t W_r + b_r + h_(t-1) U_r + d_r)    reset gate",
    "h'_t = tanh(x_t W_h + b_h + r_t ⊙ (h_(t-1) U_h + d_h))    candidate",
    _GRU_HIDDEN,
)
GRU_RESET_BEFORE_EQUATIONS = (
    "z_t = σ(x_t W_z + h_(t-1) U_z + b_z)    update gate: 1 keeps (in papers 1 - z_t)",
    "r_t = σ(x_t W_r + h_(t-1) U_r + b_r)    reset gate",
    "h'_t = tanh(x_t W_h + (r_t ⊙ h_(t-1)) U_h + b_h)    candidate",
    _GRU_HIDDEN,
)

# What an activation's value is bounded by; relu and identity are not.
_LIMITS = {"tanh": 1.0, "sigmoid": 1.0, "sin": 1.0}


def tree_signal_kinds(cell: RecurrentCell) -> tuple[SignalKind, ...]:
    """Return the kinds of a tree's signals: each node's value, the cell state, the hidden state.

    A node's range is that of its last activation, which is the inject's where c_(t-1) enters.
    """
    kinds = []
    for index in range(len(cell.nodes)):
        name, symbol = f"node_{index}", f"a_{index}"
        title = f"node {index}: {_value(cell, index)}"
        last = _last_activation(cell, index)
        if last == "sigmoid":
            kinds.append(_gate(name, symbol, title))
        else:
            kinds.append(_state(name, symbol, title, _LIMITS.get(last, math.inf)))
    root = len(cell.nodes) - 1
    hidden_limit = _LIMITS.get(_last_activation(cell, root), math.inf)
    cell_title = f"cell state (long-term memory): node {cell.output_node} before its activation"
    return (
        *kinds,
        _state("cell", "c", cell_title, math.inf),
        _state("hidden", "h", f"hidden state (working memory): node {root}", hidden_limit),
    )


def tree_equations(cell: RecurrentCell) -> tuple[str, ...]:
    """Return a tree's equations, one line for each node, then those of c_t and h_t."""
    root = len(cell.nodes) - 1
    return (
        *(f"a_{index} = {_value(cell, index)}" for index in range(root + 1)),
        f"c_t = {_combined_inputs(cell, cell.output_node)}    cell state (long-term memory): "
        f"node {cell.output_node} before its activation",
        f"h_t = a_{root}    hidden state (working memory)",
    )


def _last_activation(cell: RecurrentCell, index: int) -> str:
    node = cell.inject if index == cell.inject_node else cell.nodes[index]
    return node.activation


def _value(cell: RecurrentCell, index: int) -> str:
    value = _activated(cell.nodes[index], _combined_inputs(cell, index))
    if index != cell.inject_node:
        return value
    return _activated(cell.inject, _combined(cell.inject, value, "c_(t-1)"))


def _combined_inputs(cell: RecurrentCell, index: int) -> str:
    left, right = f"x_t W_{index}", f"h_(t-1) U_{index}"
    if index >= cell.base:
        left, right = (f"a_{child}" for child in cell.inputs_of(index))
    return _combined(cell.nodes[index], left, right)


def _combined(node: Node, left: str, right: str) -> str:
    if node.combination == "max":
        return f"max({left}, {right})"
    if node.combination == "add":
        return f"{left} + {right}"
    return f"{_factor(left)} ⊙ {_factor(right)}"


def _factor(text: str) -> str:
    """Return a text that is one factor of a product: in brackets if it has several terms."""
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == " " and not depth:
            return f"({text})"
    return text


def _activated(node: Node, text: str) -> str:
    name = {"sigmoid": "σ"}.get(node.activation, node.activation)
    return text if name == "identity" else f"{name}({text})"
