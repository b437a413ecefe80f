"""What a layer's neurons did, as numbers: correlations, shares near zero, how far groups lie apart.

Shapes: T tokens, H units, n and m some of the tokens. A value that is not finite, as a diverging
cell may have, is left out wherever it stands.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from nas_with_rl.child_models.traces.trace import Trace

NEAR_ZERO = 0.1  # a smaller size counts as nothing: a hidden value is off, a gate is shut
LEAST_DEVIATION = 1e-3  # of a group, so that equal values are not infinitely far from others


@dataclasses.dataclass(frozen=True, eq=False)
class Memory:
    """What one layer remembers and how it decides to, whatever its cell is.

    Attributes:
      cell: [T, H], the long-term memory; the hidden state where a cell has no other.
      hidden: [T, H].
      keep: [T, H], the share of the old memory that stays; None for a cell without gates.
      write: [T, H], the share of the candidate that is added; None for a cell without gates.
      cell_name, keep_name, write_name: what they are called in this cell.
    """

    cell: np.ndarray
    hidden: np.ndarray
    keep: np.ndarray | None
    write: np.ndarray | None
    cell_name: str
    keep_name: str = ""
    write_name: str = ""

    @property
    def has_cell(self) -> bool:
        """Whether the memory is another vector than the hidden state."""
        return self.cell is not self.hidden

    @property
    def is_finite(self) -> bool:
        """Whether all its values are numbers."""
        return bool(np.isfinite(self.cell).all() and np.isfinite(self.hidden).all())


def memory_of(trace: Trace, layer: int) -> Memory:
    """Return the memory of one layer, numbered from 0 or, as -1, from the end."""
    signals = {
        signal.name: np.where(np.isfinite(signal.values), signal.values, np.nan).astype(np.float64)
        for signal in trace.layers[layer].signals
    }
    hidden = signals["hidden"]
    keep, write, keep_name, write_name = None, None, "", ""
    if "forget_gate" in signals and "input_gate" in signals:
        keep, write = signals["forget_gate"], signals["input_gate"]
        keep_name, write_name = "forget gate", "input gate"
    elif "update_gate" in signals:
        # Keras's convention: 1 keeps the old state.
        keep, write = signals["update_gate"], 1 - signals["update_gate"]
        keep_name, write_name = "update gate z", "1 - z"
    return Memory(
        cell=signals.get("cell", hidden),
        hidden=hidden,
        keep=keep,
        write=write,
        cell_name="cell" if "cell" in signals else "hidden state",
        keep_name=keep_name,
        write_name=write_name,
    )


def mean(values: np.ndarray) -> np.ndarray:
    """Return the mean of each neuron [H] over the first axis; NaN where it has no value."""
    known = np.isfinite(values)
    number = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def share_near_zero(values: np.ndarray, limit: float = NEAR_ZERO) -> float:
    """Return the share of all finite values whose size is below the limit; NaN of none."""
    known = values[np.isfinite(values)]
    return float(np.mean(np.abs(known) < limit)) if known.size else float("nan")


def correlations(values: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return each neuron's Pearson r [H] with a target [n]; 0 where one of them is constant."""
    return np.array([_correlation(neuron, target) for neuron in values.T])


def rank_correlations(values: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return each neuron's Spearman r [H] with a target [n]; 0 where one of them is constant."""
    return np.array([_correlation(_ranks(neuron), _ranks(target)) for neuron in values.T])


def _correlation(values: np.ndarray, target: np.ndarray) -> float:
    known = np.isfinite(values) & np.isfinite(target)
    values, target = values[known], target[known]
    if not known.any() or np.ptp(values) == 0 or np.ptp(target) == 0:
        return 0.0
    return float(np.corrcoef(values, target)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks [n], equal values sharing their mean rank; what is not finite stays so."""
    ranks = np.full(len(values), np.nan)
    known = np.isfinite(values)
    _, place, number = np.unique(values[known], return_inverse=True, return_counts=True)
    ranks[known] = (np.cumsum(number) - (number - 1) / 2)[place]
    return ranks


def slope(values: np.ndarray, target: np.ndarray) -> float:
    """Return the change of one neuron's values [n] for each unit of the target [n]."""
    known = np.isfinite(values)
    centred = target[known] - np.mean(target[known]) if known.any() else np.zeros(1)
    if not np.any(centred):
        return float("nan")
    return float(centred @ values[known] / (centred @ centred))


def separations(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return each neuron's d' [H] between two groups [n, H] and [m, H].

    d' is the difference of the means over the root of the mean variance; positive where the first
    group is higher. A deviation below `LEAST_DEVIATION` counts as that.
    """
    variances = [mean((group - mean(group)) ** 2) for group in (values, others)]
    deviation = np.sqrt((variances[0] + variances[1]) / 2)
    return (mean(values) - mean(others)) / np.maximum(deviation, LEAST_DEVIATION)


def agreements(values: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the cosine [H] between each neuron's values [n, H] and what is expected of it [n]."""
    values = np.where(np.isfinite(values), values, 0.0)
    lengths = np.linalg.norm(values, axis=0) * np.linalg.norm(expected)
    return expected @ values / np.where(lengths > 0, lengths, np.inf)


def standing_apart(group: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """Return how far the group's mean lies beyond every other group's, of each neuron [H].

    Positive above all of them, negative below all of them, 0 between them.
    """
    distances = np.stack([mean(group) - mean(other) for other in others])
    above, below = np.all(distances > 0, axis=0), np.all(distances < 0, axis=0)
    nearest = np.min(np.abs(distances), axis=0)
    return np.where(above, nearest, np.where(below, -nearest, 0.0))


def spans(values: np.ndarray) -> np.ndarray:
    """Return the greatest less the least value of each neuron [H]; NaN where it has none."""
    known = np.isfinite(values)
    high = np.where(known, values, -np.inf).max(axis=0)
    low = np.where(known, values, np.inf).min(axis=0)
    return np.where(known.any(axis=0), high - low, np.nan)


def strongest(scores: np.ndarray) -> int:
    """Return the neuron of the greatest score; a NaN is below all."""
    return int(np.argmax(np.where(np.isfinite(scores), scores, -np.inf)))
