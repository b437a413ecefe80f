"""Which neurons tell selected characters from the others, or follow a feature of the text.

Computed on the stored codes, as the page's own rankings are: all sums are integers below 2^53, so
that JavaScript's numbers hold them exactly and both orders are the same to the last neuron.

Shapes: T characters, H neurons. Codes that stand for a value that is not finite are left out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from nas_with_rl.explorer.exploration import ExploredModel, Table
from nas_with_rl.explorer.stored_signals import NOT_FINITE, StoredSignal, store
from nas_with_rl.explorer.text_features import TextFeature, text_features

MOST_EXACT = 2**53
_LISTED_SIGNALS = ("cell", "hidden")  # what every cell has; gates and nodes are on the page


@dataclasses.dataclass(frozen=True)
class Ranked:
    """A neuron's scores for a selection of characters.

    Attributes:
      neuron: from 0; people are shown it from 1.
      on_off: the share of the selected characters where the neuron is on, less the share of the
        others; it is on above the middle between its least and its greatest value in the text.
      correlation: Pearson's r of value and membership.
    """

    neuron: int
    on_off: float
    correlation: float


@dataclasses.dataclass(frozen=True)
class Correlated:
    """A neuron's correlation with a feature: Pearson's r, 0 where either does not vary."""

    neuron: int
    correlation: float


def rank_by_on_off(signal: StoredSignal, selected: np.ndarray) -> tuple[Ranked, ...]:
    """Return all neurons, the largest |on/off score| first, for bool [T]."""
    return tuple(sorted(_scores(signal, selected), key=lambda row: (-abs(row.on_off), row.neuron)))


def rank_by_correlation(signal: StoredSignal, selected: np.ndarray) -> tuple[Ranked, ...]:
    """Return all neurons, the largest |r| with membership first, for bool [T]."""
    return tuple(
        sorted(_scores(signal, selected), key=lambda row: (-abs(row.correlation), row.neuron))
    )


def rank_by_feature(signal: StoredSignal, values: np.ndarray) -> tuple[Correlated, ...]:
    """Return all neurons, the largest |r| with a feature, integers [T], first."""
    rows = [
        Correlated(neuron, correlation(codes, values)) for neuron, codes in enumerate(signal.codes)
    ]
    return tuple(sorted(rows, key=lambda row: (-abs(row.correlation), row.neuron)))


def _scores(signal: StoredSignal, selected: np.ndarray) -> list[Ranked]:
    return [
        Ranked(neuron, on_off(codes, selected), correlation(codes, selected))
        for neuron, codes in enumerate(signal.codes)
    ]


def on_off(codes: np.ndarray, selected: np.ndarray) -> float:
    """Return one neuron's on/off score, for uint8 [T] and bool [T]; an empty side's share is 0."""
    finite = codes != NOT_FINITE
    if not finite.any():
        return 0.0
    known = codes[finite].astype(np.int64)
    on = 2 * known > known.min() + known.max()
    inside = np.asarray(selected, bool)[finite]
    return _share(on[inside]) - _share(on[~inside])


def _share(on: np.ndarray) -> float:
    return int(on.sum()) / len(on) if len(on) else 0.0


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


def matched(tokens: Sequence[str], text: str) -> tuple[int, np.ndarray]:
    """Return how often a text occurs, overlaps included, and bool [T], all of its characters."""
    inside = np.zeros(len(tokens), bool)
    starts, length = {}, 0
    for index, token in enumerate(tokens):
        starts[length] = index
        length += len(token)
    starts[length] = len(tokens)
    whole, count = "".join(tokens), 0
    at = whole.find(text) if text else -1
    while at >= 0:
        end = at + len(text)
        if at in starts and end in starts:
            inside[starts[at] : starts[end]] = True
            count += 1
        at = whole.find(text, at + 1)
    return count, inside


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
