"""Dropout of a language model: Zaremba et al. (2014), or variational, of Gal & Ghahramani (2015).

Shapes: T steps, B sequences, V vocabulary, E embedding width, H hidden units.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple

from nas_with_rl.child_models.tensors import Tensor
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields

RATES = ("embedding", "input", "recurrent", "output")


@dataclasses.dataclass(frozen=True)
class Dropout:
    """Rates of dropping, each in [0, 1).

    Attributes:
      kind: "variational": one mask per sequence and segment, the same at every step; "zaremba":
        a new mask at every step, on `input` and `output` alone.
      embedding: on word types: a row of the embedding is dropped wherever the word stands in a
        sequence's segment.
      input: on every layer's input.
      recurrent: on h where the cell's recurrent product reads it.
      output: on the last layer's output, before the softmax.
    """

    kind: Literal["variational", "zaremba"] = "variational"
    embedding: float = 0.0
    input: float = 0.0
    recurrent: float = 0.0
    output: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self, "dropout")
        for name in RATES:
            rate = getattr(self, name)
            if not 0 <= rate < 1:
                raise InputError(f"dropout.{name} is {rate}, not at least 0 and below 1")
        for name in ("embedding", "recurrent"):
            if self.kind == "zaremba" and getattr(self, name):
                raise InputError(
                    f"dropout.{name} is {getattr(self, name)}, not 0 as dropout.kind zaremba needs"
                )


class DropoutMasks(NamedTuple):
    """What activations are multiplied by: 0 or 1 / (1 - rate); None drops nothing.

    Attributes:
      embedding: by word type, [B, V].
      input: by layer, [T or 1, B, the width of its input].
      recurrent: by layer, [B, H].
      output: [T or 1, B, H].
    """

    embedding: Tensor | None
    input: tuple[Tensor | None, ...]
    recurrent: tuple[Tensor | None, ...]
    output: Tensor | None


def no_dropout(num_layers: int) -> DropoutMasks:
    """Return masks that drop nothing."""
    return DropoutMasks(None, (None,) * num_layers, (None,) * num_layers, None)


class MaskShapes(NamedTuple):
    """The extents of one segment's masks: T, B, V, E, H and the number of layers."""

    num_steps: int
    batch_size: int
    vocabulary: int
    embedding_width: int
    units: int
    num_layers: int


def draw_masks(
    dropout: Dropout, shapes: MaskShapes, uniform: Callable[[int, tuple[int, ...]], Tensor]
) -> DropoutMasks:
    """Draw the masks of one segment.

    Args:
      dropout: the rates.
      shapes: of the segment and the model.
      uniform: from a mask's number and shape to draws from U[0, 1). It holds the key: the same
        function draws the same.
    """
    import keras  # not for the rates, which every experiment has

    times = shapes.num_steps if dropout.kind == "zaremba" else 1
    batch_size, units = shapes.batch_size, shapes.units

    def draw(number: int, shape: tuple[int, ...], rate: float) -> Tensor | None:
        if not rate:
            return None
        return keras.ops.cast(uniform(number, shape) >= rate, keras.config.floatx()) / (1 - rate)

    num_layers = shapes.num_layers
    widths = (shapes.embedding_width, *(units,) * (num_layers - 1))
    return DropoutMasks(
        embedding=draw(0, (batch_size, shapes.vocabulary), dropout.embedding),
        input=tuple(
            draw(1 + layer, (times, batch_size, width), dropout.input)
            for layer, width in enumerate(widths)
        ),
        recurrent=tuple(
            draw(1 + num_layers + layer, (batch_size, units), dropout.recurrent)
            for layer in range(num_layers)
        ),
        output=draw(1 + 2 * num_layers, (times, batch_size, units), dropout.output),
    )


def masked(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return values times a mask, if there is one."""
    return values if mask is None else values * mask
