"""Which neurons follow a feature of the text.

Computed on the stored codes, as the page's own rankings are (`module/rankings.mjs`, which also
ranks by any selection): all sums are integers below 2^53, so that JavaScript's numbers hold them
exactly and both orders are the same to the last neuron.

Shapes: T characters, H neurons. Codes that stand for a value that is not finite are left out.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from nas_with_rl.explorer.exploration import ExploredModel, Table
from nas_with_rl.explorer.stored_signals import NOT_FINITE, StoredSignal, store
from nas_with_rl.explorer.text_features import TextFeature, text_features

MOST_EXACT = 2**53
_LISTED_SIGNALS = ("cell", "hidden")  # what every cell has; gates and nodes are on the page


@dataclasses.dataclass(frozen=True)
class Correlated:
    """A neuron's correlation with a feature: Pearson's r, 0 where either does not vary."""

    neuron: int
    correlation: float


def rank_by_feature(signal: StoredSignal, values: np.ndarray) -> tuple[Correlated, ...]:
    """Return all neurons, the largest |r| with a feature, integers [T], first."""
    rows = [
        Correlated(neuron, correlation(codes, values)) for neuron, codes in enumerate(signal.codes)
    ]
    return tuple(sorted(rows, key=lambda row: (-abs(row.correlation), row.neuron)))


def correlation(codes: np.ndarray, values: np.ndarray) -> float:
    """Return Pearson's r of one neuron's codes, uint8 [T], and integers [T]."""
    finite = codes != NOT_FINITE
    x = codes[finite].astype(np.int64)
    y = np.asarray(values)[finite].astype(np.int64)
    n, sum_x, sum_y = len(x), int(x.sum()), int(y.sum())
    x_variation = n * int((x * x).sum()) - sum_x * sum_x
    y_variation = n * int((y * y).sum()) - sum_y * sum_y
    assert max(n * int((x * x).sum()), n * int((y * y).sum())) < MOST_EXACT
    # In floats from here on, in the order in which the page computes.
    variations = float(x_variation) * float(y_variation)
    if variations <= 0:
        return 0.0
    return float(n * int((x * y).sum()) - sum_x * sum_y) / math.sqrt(variations)


def feature_table(model: ExploredModel) -> Table | None:
    """Return the neuron that follows each feature of the text best, by layer and signal.

    None where no feature of the text varies.
    """
    features = text_features(model.trace.tokens)
    if not features:
        return None
    stored = [
        (f"layer {number}, {signal.name}", store(signal))
        for number, layer in enumerate(model.trace.layers, 1)
        for signal in layer.signals
        if signal.name in _LISTED_SIGNALS
    ]
    return Table(
        title=f"{model.name}: neurons that follow the text",
        columns=("feature", *(where for where, _ in stored)),
        rows=tuple(
            (feature.title, *(_best(signal, feature) for _, signal in stored))
            for feature in features
        ),
        note=f"The neuron with the largest correlation r, over the {len(model.trace.tokens):,} "
        "characters read; numbered from 1.",
    )


def _best(signal: StoredSignal, feature: TextFeature) -> str:
    best = rank_by_feature(signal, feature.values)[0]
    return f"neuron {best.neuron + 1}, r = {best.correlation:+.3f}"
