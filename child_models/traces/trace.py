"""What a language model did on one text: every signal of every layer, and its predictions.

Shapes: T tokens, H units, V vocabulary. NumPy alone, so that whoever only reads traces does not
import Keras.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from nas_with_rl.child_models.cells.signal_kinds import SignalKind
from nas_with_rl.search_spaces.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class Signal:
    """One vector of a cell at every step of a text.

    Attributes:
      kind: which of the cell's vectors.
      values: float32 [T, H].
    """

    kind: SignalKind
    values: np.ndarray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.dtype != np.float32:
            raise InputError(
                f"{self.kind.name}: values are {self.values.dtype} {list(self.values.shape)}, "
                "not float32 [T, H]"
            )

    @property
    def name(self) -> str:
        """As in "forget_gate"."""
        return self.kind.name

    @property
    def low(self) -> float:
        """The least value that the equations allow."""
        return self.kind.low

    @property
    def high(self) -> float:
        """The greatest value that the equations allow."""
        return self.kind.high


@dataclasses.dataclass(frozen=True, eq=False)
class LayerTrace:
    """All signals of one layer, in the order of the cell's equations."""

    signals: tuple[Signal, ...]

    def __post_init__(self) -> None:
        if not self.signals:
            raise InputError("a layer's trace has no signals")
        shapes = {signal.values.shape for signal in self.signals}
        if len(shapes) > 1:
            raise InputError(f"a layer's signals have the shapes {sorted(shapes)}, not one")

    @functools.cached_property
    def _by_name(self) -> dict[str, Signal]:
        return {signal.name: signal for signal in self.signals}

    def signal(self, name: str) -> Signal:
        """Return one signal.

        Raises:
          InputError: the cell has none of this name.
        """
        if name not in self._by_name:
            raise InputError(f"signal is {name!r}, not one of {', '.join(self._by_name)}")
        return self._by_name[name]

    @property
    def units(self) -> int:
        """H."""
        return self.signals[0].values.shape[1]


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """A language model on one text, from the zero state.

    Attributes:
      tokens: the text, T of them.
      vocabulary: the token of each number, V of them.
      layers: first to last.
      probabilities: float32 [T, V], of the token after each.
    """

    tokens: tuple[str, ...]
    vocabulary: tuple[str, ...]
    layers: tuple[LayerTrace, ...]
    probabilities: np.ndarray

    def __post_init__(self) -> None:
        wanted = (len(self.tokens), len(self.vocabulary))
        if self.probabilities.shape != wanted:
            raise InputError(
                f"probabilities are {list(self.probabilities.shape)}, not {list(wanted)} as "
                "tokens and vocabulary ask for"
            )
        for number, layer in enumerate(self.layers, 1):
            steps = len(layer.signals[0].values)
            if steps != len(self.tokens):
                raise InputError(f"layer {number} has {steps} steps, the text {len(self.tokens)}")
