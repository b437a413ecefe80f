"""Signals as a page stores them: one byte for each value.

Shapes: T tokens, H units. A value is `origin + code * step` of its neuron, code 0 to 254; 255
stands for a value that is not finite, as in a cell that diverged.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nas_with_rl.child_models.traces import Signal, SignalKind

NOT_FINITE = 255
_LAST_CODE = 254


@dataclasses.dataclass(frozen=True, eq=False)
class StoredSignal:
    """A signal as bytes.

    Attributes:
      kind: which of the cell's vectors.
      codes: uint8 [H, T].
      origins, steps: float64 [H]; a step is 0 where a neuron has one value only.
      low, high: the range that colours show, the same for every neuron of the layer: the natural
        one, or symmetric about 0 where there is none.
    """

    kind: SignalKind
    codes: np.ndarray
    origins: np.ndarray
    steps: np.ndarray
    low: float
    high: float

    def values(self) -> np.ndarray:
        """Return what the page shows, float64 [H, T], NaN where the signal was not finite."""
        values = self.origins[:, None] + self.codes * self.steps[:, None]
        return np.where(self.codes == NOT_FINITE, np.nan, values)

    def is_stored_as(self, other: StoredSignal) -> bool:
        """Whether another signal has the same codes and the same values."""
        return all(
            np.array_equal(one, another)
            for one, another in (
                (self.codes, other.codes),
                (self.origins, other.origins),
                (self.steps, other.steps),
            )
        )


def store(signal: Signal) -> StoredSignal:
    """Round a signal to bytes: by its natural range, or by each neuron's own where it has none."""
    values = signal.values.T.astype(np.float64)
    finite = np.isfinite(values)
    if signal.kind.bounded:
        low, high = float(signal.kind.low), float(signal.kind.high)
        origins = np.full(len(values), low)
        steps = np.full(len(values), (high - low) / _LAST_CODE)
    else:
        any_finite = finite.any(axis=1)
        least = np.where(finite, values, np.inf).min(axis=1, initial=np.inf)
        most = np.where(finite, values, -np.inf).max(axis=1, initial=-np.inf)
        origins = np.where(any_finite, least, 0.0)
        steps = np.where(any_finite, most - origins, 0.0) / _LAST_CODE
        high = float(np.abs(values, where=finite, out=np.zeros_like(values)).max(initial=0)) or 1.0
        low = -high
    spread = np.where(steps > 0, steps, 1.0)[:, None]
    scaled = np.rint((np.where(finite, values, origins[:, None]) - origins[:, None]) / spread)
    # float32 rounds a sigmoid or tanh to its limit, never beyond; clipping is for other traces.
    codes = np.where(finite, np.clip(scaled, 0, _LAST_CODE), NOT_FINITE).astype(np.uint8)
    return StoredSignal(signal.kind, codes, origins, steps, low, high)
