"""An exploration as the page's module reads it: JSON that refers into one deflated buffer.

Shapes: T tokens, V vocabulary, K predictions shown, R steps back.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from nas_with_rl.child_models.traces.trace import LayerTrace, Trace
from nas_with_rl.explorer.exploration import Exploration, ExploredModel, Table
from nas_with_rl.explorer.page.expected_signals import Expression, expected_codes, expressions
from nas_with_rl.explorer.page.packing import Packing
from nas_with_rl.explorer.stored_signals import StoredSignal, store
from nas_with_rl.explorer.text_features import text_features
from nas_with_rl.search_spaces.drawing import draw_cell
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

VERSION = 1
NUM_PREDICTIONS = 5
_MOST_UINT16 = 65535
_ARRAYS = ("codes", "origins", "steps", "fine")  # of a signal; "fine" of a wide one


@dataclasses.dataclass(frozen=True)
class PageData:
    """What the module is given.

    Attributes:
      exploration: for JSON; arrays are references (`packing`).
      data: the deflated buffer that they refer to.
    """

    exploration: dict[str, Any]
    data: bytes


def page_data(exploration: Exploration) -> PageData:
    """Return a page's JSON and its buffer."""
    packing = Packing()
    document = {
        "version": VERSION,
        "title": exploration.title,
        "notes": list(exploration.all_notes),
        "text": list(exploration.tokens),
        "features": [
            {"name": feature.name, "title": feature.title, "values": packing.add(feature.values)}
            for feature in text_features(exploration.tokens)
        ],
        "models": [_model(model, packing) for model in exploration.models],
    }
    return PageData(document, packing.deflated())


def _model(model: ExploredModel, packing: Packing) -> dict[str, Any]:
    return {
        "name": model.name,
        "title": model.title,
        "equations": list(model.equations),
        "vocabulary": list(model.trace.vocabulary),
        "layers": [_layer(layer, model.tree, packing) for layer in model.trace.layers],
        "predictions": _predictions(model.trace, packing),
        "connectivity": _connectivity(model.connectivity, packing),
        "tables": [_table(table) for table in model.tables],
        "samples": list(model.samples),
    }


def _layer(layer: LayerTrace, tree: RecurrentCell | None, packing: Packing) -> dict[str, Any]:
    stored = {signal.name: store(signal) for signal in layer.signals}
    expected = expressions(frozenset(stored), tree)
    signals: list[dict[str, Any]] = []
    for name, signal in stored.items():
        # A tree's hidden is its root, to the bit.
        equal = (n for n, other in enumerate(stored.values()) if other.is_stored_as(signal))
        first = next(equal)
        if first < len(signals):
            arrays = {key: signals[first][key] for key in _ARRAYS if key in signals[first]}
        else:
            arrays = {
                "codes": _codes(name, stored, expected.get(name), packing),
                "origins": packing.add(signal.origins),
                "steps": packing.add(signal.steps),
            }
            if signal.fine is not None:
                arrays["fine"] = packing.add(signal.fine)
        signals.append({**_description(signal), **arrays})
    return {
        "units": layer.units,
        "signals": signals,
        "tree": None if tree is None else _tree(tree),
    }


def _codes(
    name: str, stored: dict[str, StoredSignal], expression: Expression, packing: Packing
) -> dict[str, Any]:
    codes = stored[name].codes
    if expression is None:
        return packing.add(codes)
    expected = expected_codes(expression, stored[name], stored)
    return packing.add_codes(codes, expected=expected, expression=expression)


def _description(signal: StoredSignal) -> dict[str, Any]:
    return {
        "name": signal.kind.name,
        "symbol": signal.kind.symbol,
        "title": signal.kind.title,
        "kind": signal.kind.kind,
        "low": signal.low,
        "high": signal.high,
    }


def _tree(cell: RecurrentCell) -> dict[str, Any]:
    nodes = []
    for number, node in enumerate(cell.nodes):
        is_leaf = number < cell.base
        inputs = ["x·W", "h·U"] if is_leaf else [f"node_{n}" for n in cell.inputs_of(number)]
        nodes.append({"signal": f"node_{number}", "inputs": inputs, **dataclasses.asdict(node)})
    return {
        "text": draw_cell(cell),
        "nodes": nodes,
        "inject": {"node": f"node_{cell.inject_node}", **dataclasses.asdict(cell.inject)},
        "output_node": f"node_{cell.output_node}",
    }


def _predictions(trace: Trace, packing: Packing) -> dict[str, Any]:
    """The K most probable next tokens, and the probability of the one that came; 0 for NaN."""
    probabilities = np.nan_to_num(trace.probabilities.astype(np.float64))  # [T, V]
    shares = np.rint(np.clip(probabilities, 0, 1) * _MOST_UINT16).astype(np.uint16)
    tokens = np.argsort(-probabilities, axis=1, kind="stable")[:, :NUM_PREDICTIONS]  # [T, K]
    numbers = {token: number for number, token in enumerate(trace.vocabulary)}
    actual = np.zeros(len(trace.tokens), np.uint16)  # nothing follows the last
    for step, token in enumerate(trace.tokens[1:]):
        if token in numbers:
            actual[step] = shares[step, numbers[token]]
    return {
        "tokens": packing.add(tokens.astype(np.uint16)),
        "probabilities": packing.add(np.take_along_axis(shares, tokens, axis=1)),
        "actual": packing.add(actual),
    }


def _connectivity(connectivity: np.ndarray | None, packing: Packing) -> dict[str, Any] | None:
    """Gradient norms as a byte each; 0 for those that are not finite."""
    if connectivity is None:
        return None
    norms = np.nan_to_num(connectivity.astype(np.float64), posinf=0.0, neginf=0.0)  # [T, R]
    steps = norms.max(axis=1, initial=0.0) / 255
    codes = np.rint(norms / np.where(steps > 0, steps, 1.0)[:, None]).astype(np.uint8)
    return {
        "reach": norms.shape[1],
        "codes": packing.add(codes),
        "steps": packing.add(steps),
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "columns": list(table.columns),
        "rows": [list(row) for row in table.rows],
        "note": table.note,
    }
