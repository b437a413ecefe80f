"""What a signal of a cell is: its name, its shape, what it stands for."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from nas_with_rl.search_spaces.errors import InputError

SignalRole = Literal["gate", "state"]


@dataclasses.dataclass(frozen=True)
class SignalKind:
    """One of the vectors that a cell computes at each step.

    Attributes:
      name: as in "forget_gate".
      symbol: of the equations, as in "f".
      title: in words, the name of Chen's "Exploring LSTMs" in brackets.
      low, high: the range that the equations leave it; infinite where they bound nothing.
      kind: a "gate" lies in 0..1 and says how much passes, a "state" has a sign.
    """

    name: str
    symbol: str
    title: str
    low: float
    high: float
    kind: SignalRole

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InputError(f"{self.name}: low is {self.low}, not below high, {self.high}")
        if self.kind not in ("gate", "state"):
            raise InputError(f"{self.name}: kind is {self.kind!r}, not gate or state")
        if self.kind == "gate" and (self.low, self.high) != (0, 1):
            raise InputError(
                f"{self.name}: a gate's range is 0 to 1, not {self.low} to {self.high}"
            )

    @property
    def bounded(self) -> bool:
        """Whether the equations keep it within finite limits."""
        return math.isfinite(self.low) and math.isfinite(self.high)
