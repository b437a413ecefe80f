"""Signals as a page stores them: one byte for each value, and two more where one hides too much.

Shapes: T tokens, H units. A value is `origin + code * step` of its neuron, code 0 to 254; 255
stands for a value that is not finite, as in a cell that diverged. Of a wide signal, whose values
span orders of magnitude, a page has the rest within the step as well, in 65,534ths: a value is
`origin + (code + (fine - 32767) / 65534) * step`.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nas_with_rl.child_models.cells.signal_kinds import SignalKind
from nas_with_rl.child_models.traces.trace import Signal

NOT_FINITE = 255
FINE_PARTS = 65534  # of a step; even, so that the middle one means no rest
_LAST_CODE = 254
# A wide signal's values are mostly below this share of the largest: on a linear scale they have
# the colour of 0.
_SMALL = 0.01


@dataclasses.dataclass(frozen=True, eq=False)
class StoredSignal:
    """A signal as bytes.

    Attributes:
      kind: which of the cell's vectors.
      codes: uint8 [H, T].
      origins, steps: float64 [H]; a step is 0 where a neuron has one value only.
      low, high: the range that colours show, the same for every neuron of the layer: the natural
        one, or symmetric about 0 where there is none.
      fine: uint16 [H, T], the rests within the step of a wide signal; None of any other.
    """

    kind: SignalKind
    codes: np.ndarray
    origins: np.ndarray
    steps: np.ndarray
    low: float
    high: float
    fine: np.ndarray | None = None

    def values(self) -> np.ndarray:
        """Return what the page shows, float64 [H, T], NaN where the signal was not finite."""
        places: np.ndarray = self.codes
        if self.fine is not None:
            places = self.codes + (self.fine.astype(np.float64) - FINE_PARTS // 2) / FINE_PARTS
        values = self.origins[:, None] + places * self.steps[:, None]
        return np.where(self.codes == NOT_FINITE, np.nan, values)

    def is_stored_as(self, other: StoredSignal) -> bool:
        """Whether another signal has the same codes and the same values."""
        mine, others = self._arrays(), other._arrays()
        return len(mine) == len(others) and all(map(np.array_equal, mine, others))

    def _arrays(self) -> tuple[np.ndarray, ...]:
        rests = () if self.fine is None else (self.fine,)
        return self.codes, self.origins, self.steps, *rests


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
    exact = (np.where(finite, values, origins[:, None]) - origins[:, None]) / spread
    scaled = np.rint(exact)
    # float32 rounds a sigmoid or tanh to its limit, never beyond; clipping is for other traces.
    codes = np.where(finite, np.clip(scaled, 0, _LAST_CODE), NOT_FINITE).astype(np.uint8)
    fine = None
    if not signal.kind.bounded and _is_wide(np.abs(values[finite])):
        rests = np.clip(exact - scaled, -0.5, 0.5)
        fine = np.rint(rests * FINE_PARTS + FINE_PARTS // 2).astype(np.uint16)
    return StoredSignal(signal.kind, codes, origins, steps, low, high, fine)


def _is_wide(sizes: np.ndarray) -> bool:
    """Whether most sizes other than 0 are small beside the largest."""
    sizes = sizes[sizes > 0]
    return bool(sizes.size) and bool(np.median(sizes) <= _SMALL * sizes.max())
