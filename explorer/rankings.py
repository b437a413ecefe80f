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
UNEVEN = 0.05  # by how much ranks have to follow a feature better than values
_LISTED_SIGNALS = ("cell", "hidden")  # what every cell has; gates and nodes are on the page


@dataclasses.dataclass(frozen=True)
class Correlated:
    """How a neuron follows a feature.

    Attributes:
      neuron: from 0.
      correlation: Pearson's r, 0 where either does not vary.
      ranks: the same of their ranks, Spearman's.
    """

    neuron: int
    correlation: float
    ranks: float

    @property
    def is_uneven(self) -> bool:
        """Whether the neuron counts, but not in even steps."""
        return abs(self.ranks) > abs(self.correlation) + UNEVEN

    @property
    def score(self) -> float:
        """What neurons are ranked by."""
        return self.ranks if self.is_uneven else self.correlation

    def describe(self) -> str:
        """Return it in a table's cell."""
        name = "rank r" if self.is_uneven else "r"
        return f"neuron {self.neuron + 1}, {name} = {self.score:+.3f}"


def rank_by_feature(signal: StoredSignal, values: np.ndarray) -> tuple[Correlated, ...]:
    """Return all neurons, the largest |score| with a feature, integers [T] from 0, first."""
    rows = [
        Correlated(neuron, correlation(codes, values), rank_correlation(codes, values))
        for neuron, codes in enumerate(signal.codes)
    ]
    return tuple(sorted(rows, key=lambda row: (-abs(row.score), row.neuron)))


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


def rank_correlation(codes: np.ndarray, values: np.ndarray) -> float:
    """Return Spearman's rank correlation of one neuron's codes, uint8 [T], and integers [T]."""
    finite = codes != NOT_FINITE
    x, y = _centred_ranks(codes[finite]), _centred_ranks(np.asarray(values)[finite])
    variations = float((x * x).sum()) * float((y * y).sum())
    return float((x * y).sum()) / math.sqrt(variations) if variations > 0 else 0.0


def _centred_ranks(values: np.ndarray) -> np.ndarray:
    """Return twice the rank of each value, less the mean: integers; equal ones share theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: np.ndarray = 2 * np.cumsum(counts) - counts - len(values)
    return ranks[places]


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
        "characters read, or rank correlation where that is clearly larger (a neuron that counts, "
        "but not in even steps); numbered from 1.",
    )


def _best(signal: StoredSignal, feature: TextFeature) -> str:
    return rank_by_feature(signal, feature.values)[0].describe()
