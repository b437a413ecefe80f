"""What a cell's own equations make of its other signals, so that only the difference is stored.

c = f · c(t-1) + i · g takes a quarter of the bytes of an LSTM's cell: the values that a page has
of f, i and g are rounded, so the code that they lead to is off by little. An expression is JSON,
a signal's name or [operation, operand, ...], and is evaluated here and by `expected_codes.mjs`.
Both use only operations that round alike in every language, or the page would show other values.

Shapes: T tokens, H units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nas_with_rl.explorer.stored_signals import NOT_FINITE, StoredSignal
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

Expression = Any  # JSON

_LSTM: dict[str, Expression] = {
    "cell": [
        "add",
        ["multiply", "forget_gate", ["before", "cell"]],
        ["multiply", "input_gate", "candidate"],
    ],
    "hidden": ["multiply", "output_gate", ["tanh", "cell"]],
}
_GRU: dict[str, Expression] = {
    "hidden": [
        "add",
        ["multiply", "update_gate", ["before", "hidden"]],
        ["multiply", ["one_minus", "update_gate"], "candidate"],
    ],
}
_COMBINATIONS = {"add": "add", "elem_mult": "multiply", "max": "max"}
_ACTIVATIONS = ("identity", "relu", "sigmoid", "tanh")  # sin rounds as the machine likes


def _rough_tanh(x: np.ndarray) -> np.ndarray:
    """tanh to 0.002, a quarter of a step."""
    near = np.clip(x, -5.0, 5.0)
    square = near * near
    ratio = (near * (945 + square * (105 + square))) / (945 + square * (420 + 15 * square))
    return np.clip(ratio, -1.0, 1.0)


_OPERATIONS: Mapping[str, Callable[..., np.ndarray]] = {
    "add": np.add,
    "multiply": np.multiply,
    "max": np.maximum,
    "one_minus": lambda x: 1 - x,
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0),
    "sigmoid": lambda x: 0.5 + 0.5 * _rough_tanh(0.5 * x),
    "tanh": _rough_tanh,
}


def expressions(names: frozenset[str], tree: RecurrentCell | None) -> dict[str, Expression]:
    """Return what is expected of a layer's signals, by name; of those that inputs make, nothing."""
    if tree is not None:
        return _of_tree(tree)
    for signals in (_LSTM, _GRU):
        if _names_in(list(signals.values())) <= names:
            return signals
    return {}


def _names_in(expression: Expression) -> frozenset[str]:
    if isinstance(expression, str):
        return frozenset() if expression in {*_OPERATIONS, "before"} else frozenset({expression})
    return frozenset().union(*map(_names_in, expression))


def _of_tree(cell: RecurrentCell) -> dict[str, Expression]:
    """Inner nodes from the two that they join; not where c(t-1) enters, since c comes of that."""
    expected: dict[str, Expression] = {}
    for number, node in enumerate(cell.nodes):
        if number < cell.base or node.activation not in _ACTIVATIONS:
            continue
        combined = [
            _COMBINATIONS[node.combination],
            *(f"node_{operand}" for operand in cell.inputs_of(number)),
        ]
        if number == cell.output_node:
            expected["cell"] = combined
        if number != cell.inject_node:
            expected[f"node_{number}"] = [node.activation, combined]
    return expected


def expected_codes(
    expression: Expression, target: StoredSignal, signals: Mapping[str, StoredSignal]
) -> np.ndarray:
    """Return the codes that an expression leads to, uint8 [H, T].

    Args:
      expression: of other signals, and of the target before.
      target: whose origins and steps are used.
      signals: of the layer, by name; their stored values are what the page has.
    """
    with np.errstate(all="ignore"):  # of a cell that diverged
        values = _evaluated(expression, signals)
        steps = np.where(target.steps > 0, target.steps, np.inf)[:, None]
        codes = np.floor((values - target.origins[:, None]) / steps + 0.5)
    return np.clip(np.nan_to_num(codes, nan=0.0), 0, NOT_FINITE - 1).astype(np.uint8)


def _evaluated(expression: Expression, signals: Mapping[str, StoredSignal]) -> np.ndarray:
    if isinstance(expression, str):
        return signals[expression].values()
    operation, *operands = expression
    if operation == "before":
        values = signals[operands[0]].values()
        return np.concatenate([np.zeros((len(values), 1)), values[:, :-1]], axis=1)
    return _OPERATIONS[operation](*(_evaluated(operand, signals) for operand in operands))
