"""A ConvNet as data: its layers, and which of them each layer takes.

Layers are numbered from 1, the first next to the image. `inputs` of a layer are earlier ones;
none means the image.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

from nas_with_rl.search_spaces.errors import InputError


@dataclasses.dataclass(frozen=True)
class ConvolutionalLayer:
    """A convolution, followed by batch normalisation and ReLU; sizes in pixels."""

    filter_height: int
    filter_width: int
    filters: int
    inputs: tuple[int, ...] = ()
    stride_height: int = 1
    stride_width: int = 1

    def __post_init__(self) -> None:
        for name in ("filter_height", "filter_width", "filters", "stride_height", "stride_width"):
            _check_at_least_1(name, getattr(self, name))


@dataclasses.dataclass(frozen=True)
class PoolingLayer:
    """The greatest or the mean value of a square of pixels."""

    kind: Literal["max_pooling", "average_pooling"]
    pool_size: int
    pool_stride: int
    inputs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("max_pooling", "average_pooling"):
            raise InputError(f"kind is {self.kind!r}, not one of max_pooling, average_pooling")
        for name in ("pool_size", "pool_stride"):
            _check_at_least_1(name, getattr(self, name))


@dataclasses.dataclass(frozen=True)
class LocalContrastNormalizationLayer:
    """Local contrast normalisation over a square window of an odd number of pixels."""

    window: int
    inputs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.window < 1 or self.window % 2 == 0:
            raise InputError(f"window is {self.window}, not odd and at least 1")


@dataclasses.dataclass(frozen=True)
class BatchNormalizationLayer:
    """Batch normalisation by itself."""

    inputs: tuple[int, ...] = ()


Layer = (
    ConvolutionalLayer | PoolingLayer | LocalContrastNormalizationLayer | BatchNormalizationLayer
)


@dataclasses.dataclass(frozen=True)
class ConvNet:
    """Everything that an architecture says of a network.

    Attributes:
      layers: the first next to the image.
      pool_after: numbers of layers after which all that has been made so far, the image too, is
        max-pooled (2x2, stride 2, sizes rounded up) for what comes later.
      learning_rate: the training's, where the architecture chose one.
    """

    layers: tuple[Layer, ...]
    pool_after: tuple[int, ...] = ()
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "pool_after", tuple(self.pool_after))
        if not self.layers:
            raise InputError("a ConvNet needs at least 1 layer, and there are 0")
        for number, layer in enumerate(self.layers, start=1):
            for source in layer.inputs:
                if not 0 < source < number:
                    raise InputError(
                        f"layer {number} takes layer {source}, which is not between 1 and "
                        f"{number - 1}"
                        if number > 1
                        else f"layer 1 takes layer {source}, and there is none before it"
                    )
        check_pool_after(self.pool_after)
        if self.pool_after and self.pool_after[-1] > len(self.layers):
            raise InputError(
                f"pool_after has {self.pool_after[-1]}, above the {len(self.layers)} layers"
            )
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate is {self.learning_rate}, not above 0 and finite")

    @property
    def unconnected(self) -> tuple[int, ...]:
        """The numbers of the layers that no layer takes: the classifier's inputs."""
        taken = {source for layer in self.layers for source in layer.inputs}
        return tuple(n for n in range(1, len(self.layers) + 1) if n not in taken)


def check_pool_after(numbers: Sequence[int]) -> None:
    """Raise InputError unless these are numbers of layers, each once and in order."""
    if any(number < 1 for number in numbers) or list(numbers) != sorted(set(numbers)):
        raise InputError(
            f"pool_after is {tuple(numbers)}; it takes numbers of layers, from 1, in rising order"
        )


def _check_at_least_1(name: str, value: int) -> None:
    if value < 1:
        raise InputError(f"{name} is {value}, below 1")
