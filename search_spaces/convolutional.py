"""ConvNets: the CIFAR-10 spaces (Zoph & Le, 2016, sections 3.3 and 4.1)."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.convnet import (
    BatchNormalizationLayer,
    ConvNet,
    ConvolutionalLayer,
    Layer,
    LocalContrastNormalizationLayer,
    PoolingLayer,
    check_pool_after,
)
from nas_with_rl.search_spaces.drawing import draw_blocks, draw_convnet
from nas_with_rl.search_spaces.errors import InputError, shown
from nas_with_rl.search_spaces.field_checks import check_fields, check_range
from nas_with_rl.search_spaces.space import Choice, Decision, SearchSpace, Skips

# The decisions that a layer of each type cannot do without (section 3.3 names the types).
LAYER_TYPES: dict[str, tuple[str, ...]] = {
    "convolution": ("filter_height", "filter_width", "filters"),
    "max_pooling": ("pool_size", "pool_stride"),
    "average_pooling": ("pool_size", "pool_stride"),
    "local_contrast_normalization": ("window",),
    "batch_normalization": (),
}
_LAYERS: dict[str, Callable[..., Layer]] = {
    "convolution": ConvolutionalLayer,
    "max_pooling": functools.partial(PoolingLayer, "max_pooling"),
    "average_pooling": functools.partial(PoolingLayer, "average_pooling"),
    "local_contrast_normalization": LocalContrastNormalizationLayer,
    "batch_normalization": BatchNormalizationLayer,
}
# Paper: no choices given for these; here: the common ones, and Jarrett et al.'s window of 9.
POOL_SIZES = (2, 3)
POOL_STRIDES = (1, 2)
WINDOWS = (3, 5, 9)

MAX_WIDTH = 1000
MAX_SIZE, MAX_FILTERS, MAX_BLOCK = 1_000, 100_000, 100  # pixels, filters, convolutions


@dataclasses.dataclass(frozen=True)
class ConvolutionalSpace:
    """The choices of a ConvNet's layers; the defaults are the paper's first space.

    Attributes:
      filter_sizes: of height and of width, in pixels.
      filters: numbers of filters.
      skips: whether skip connections are predicted; without them each layer takes the one before.
      strides: of height and of width; a decision where there is more than one.
      learning_rates: if any, the training's learning rate is predicted, before the layers.
      layer_types: of `LAYER_TYPES`; if any, each layer's type is predicted first and then that
        type's hyper-parameters alone. None: only convolutions.
      block_size: each prediction stands for a block of that many convolutions. The first takes
        the predicted inputs, each other one all earlier convolutions of its block; the last is
        the block's output. A stride is the first one's.
      pool_after: numbers of layers, counted after the blocks are expanded. All that has been made
        up to such a layer, the image too, is max-pooled (2x2, stride 2) for the layers after it.
        It may lie inside a block, as 13, the paper's first, in the fifth of three. Numbers above
        an architecture's layers wait for deeper ones.
      width_multiplier: a convolution has round(filters · width_multiplier) filters, at least 1.
      extra_filters: added to each convolution's filters after that (the paper's "+40").
    """

    noun: ClassVar[str] = "ConvNet"

    filter_sizes: tuple[int, ...] = (1, 3, 5, 7)
    filters: tuple[int, ...] = (24, 36, 48, 64)
    skips: bool = True
    strides: tuple[int, ...] = (1,)
    learning_rates: tuple[float, ...] = ()
    layer_types: tuple[str, ...] = ()
    block_size: int = 1
    pool_after: tuple[int, ...] = ()
    width_multiplier: float = 1.0
    extra_filters: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        for name, most in (
            ("filter_sizes", MAX_SIZE),
            ("filters", MAX_FILTERS),
            ("strides", MAX_SIZE),
        ):
            values = getattr(self, name)
            if not values or min(values) < 1 or max(values) > most:
                raise InputError(
                    f"{name} is {shown(values)}; each must be at least 1 and at most {most:,}"
                )
        for rate in self.learning_rates:
            if not 0 < rate < math.inf:
                raise InputError(f"learning_rates has {rate}, not above 0 and finite")
        if unknown := [kind for kind in self.layer_types if kind not in LAYER_TYPES]:
            raise InputError(
                f"layer_types has {shown(unknown[0])}, not one of {', '.join(LAYER_TYPES)}"
            )
        check_range(self, ["block_size"], least=1, most=MAX_BLOCK)
        if self.block_size > 1 and self.layer_types:
            raise InputError(
                f"block_size is {self.block_size} with layer_types; blocks are of convolutions "
                "alone, so one of the two has to go"
            )
        check_pool_after(self.pool_after)
        if not 0 < self.width_multiplier <= MAX_WIDTH:
            raise InputError(
                f"width_multiplier is {self.width_multiplier}, not above 0 and at most {MAX_WIDTH}"
            )
        check_range(self, ["extra_filters"], least=0, most=MAX_FILTERS)
        _ = tuple(self._layer_decisions())  # options that are there twice

    def search_space(self, depth: int = 1) -> SearchSpace:
        """Return the decisions for a depth, in the paper's order (Figures 2 and 4).

        The anchor point comes after the strides and before the number of filters. The size of
        the first space is 64^L · 2^(L(L-1)/2) for L layers with skips.
        """
        rate = (Choice("learning_rate", self.learning_rates),) if self.learning_rates else ()
        return SearchSpace(
            decisions=rate,
            layer_decisions=tuple(self._layer_decisions()),
            depth=depth,
            name="convolutional"
            if self.block_size == 1
            else f"convolutional_blocks_of_{self.block_size}",
            reader=self,
        )

    def _layer_decisions(self) -> Iterator[Decision]:
        options = {
            "filter_height": self.filter_sizes,
            "filter_width": self.filter_sizes,
            "stride_height": self.strides,
            "stride_width": self.strides,
            "pool_size": POOL_SIZES,
            "pool_stride": POOL_STRIDES,
            "window": WINDOWS,
            "inputs": (),
            "filters": self.filters,
        }
        if self.layer_types:
            yield Choice("type", self.layer_types)
        for name, choices in options.items():
            if name == "inputs":
                yield from (Skips("inputs"),) if self.skips else ()
            elif owners := self._owners(name):
                yield Choice(name, choices, ("type", owners) if self.layer_types else None)

    def _owners(self, name: str) -> tuple[str, ...]:
        """The types of layer that have a decision; none where it is not made."""
        if name in ("stride_height", "stride_width"):
            owners = self._owners("filters")
            return owners if len(self.strides) > 1 else ()
        types = self.layer_types or ("convolution",)
        return tuple(kind for kind in types if name in LAYER_TYPES[kind])

    def convnet(self, architecture: Architecture) -> ConvNet:
        """Read an architecture of this space, of any depth, or of one with fewer decisions.

        What an architecture leaves open is stride 1 (this space's own where it has only one), a
        chain instead of skip connections, convolutions, and the training's learning rate.

        Raises:
          InputError: an architecture that is no ConvNet, or whose predictions are blocks of
            another size than this space's.
        """
        space = architecture.space
        reader = space.reader
        if not isinstance(reader, ConvolutionalSpace):  # like decisions do not make one
            raise InputError(f"an architecture of {space.name!r} is no ConvNet")
        if reader.block_size != self.block_size:
            raise InputError(
                f"an architecture of {space.name!r} predicts {_unit(reader.block_size)}, "
                f"the space {_unit(self.block_size)} (block_size)"
            )
        predicted = predicted_layers(
            architecture, default_stride=self.strides[0] if len(self.strides) == 1 else 1
        )
        layers = tuple(
            itertools.chain.from_iterable(
                self._expanded(layer, number) for number, layer in enumerate(predicted, start=1)
            )
        )
        pool_after = tuple(number for number in self.pool_after if number <= len(layers))
        return ConvNet(layers, pool_after, predicted_learning_rate(architecture))

    def draw(self, architecture: Architecture) -> str:
        """Return the layers or blocks of an architecture of this space as they were predicted."""
        layers, rate = predicted_layers(architecture), predicted_learning_rate(architecture)
        if self.block_size == 1:
            return draw_convnet(ConvNet(layers, learning_rate=rate))
        return draw_blocks(layers, self.block_size, learning_rate=rate)

    def _expanded(self, layer: Layer, number: int) -> Iterator[Layer]:
        """Yield the layers that a prediction, numbered from 1, stands for."""
        if isinstance(layer, ConvolutionalLayer):
            filters = max(1, round(layer.filters * self.width_multiplier)) + self.extra_filters
            layer = dataclasses.replace(layer, filters=filters)
        outputs = tuple(self.block_size * source for source in layer.inputs)  # the blocks' last
        yield dataclasses.replace(layer, inputs=outputs)
        first = self.block_size * (number - 1) + 1
        for later in range(first + 1, first + self.block_size):
            assert isinstance(layer, ConvolutionalLayer)
            yield dataclasses.replace(
                layer, inputs=tuple(range(first, later)), stride_height=1, stride_width=1
            )


def _unit(block_size: int) -> str:
    return "single layers" if block_size == 1 else f"blocks of {block_size} convolutions"


def predicted_learning_rate(architecture: Architecture) -> float | None:
    """Return the learning rate that an architecture chose, if it is one of its decisions."""
    names = {decision.name for decision in architecture.space.decisions}
    rate: Any = architecture["learning_rate"] if "learning_rate" in names else None
    return rate


def predicted_layers(architecture: Architecture, *, default_stride: int = 1) -> tuple[Layer, ...]:
    """Return what was predicted for each layer or block; `inputs` count predictions.

    Args:
      architecture: of a `ConvolutionalSpace`.
      default_stride: of convolutions whose stride is no decision.
    """
    space = architecture.space
    chosen: dict[str, Any] = {d.name: architecture[d.name] for d in space.layer_decisions}
    chosen.setdefault("type", ("convolution",) * space.depth)
    chosen.setdefault("inputs", tuple((n,) if n else () for n in range(space.depth)))
    for name in ("stride_height", "stride_width"):
        chosen.setdefault(name, (default_stride,) * space.depth)
    layers: list[Layer] = []
    for index, kind in enumerate(chosen["type"]):
        strides = ("stride_height", "stride_width") if kind == "convolution" else ()
        names = ("inputs", *LAYER_TYPES[kind], *strides)
        layers.append(_LAYERS[kind](**{name: chosen[name][index] for name in names}))
    return tuple(layers)
