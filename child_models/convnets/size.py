"""The sizes of a ConvNet's weights, and its counts, without building it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from nas_with_rl.child_models.convnets.wiring import Sides, classifier_inputs
from nas_with_rl.child_models.data.images import NUM_CLASSES
from nas_with_rl.search_spaces.convnet import (
    BatchNormalizationLayer,
    ConvNet,
    ConvolutionalLayer,
    Layer,
    PoolingLayer,
)


class ConvNetCounts(NamedTuple):
    """Trainable numbers of a ConvNet, and multiply-adds per image."""

    num_parameters: int
    multiply_adds: int


class Normalized(NamedTuple):
    """A layer with batch normalisation.

    Attributes:
      number: the layer's, from 1.
      kernel: the shape of the convolution's; () where there is none.
      channels: how many are normalised.
      pixels: height times width of the layer's output.
    """

    number: int
    kernel: tuple[int, ...]
    channels: int
    pixels: int


class ConvNetShapes(NamedTuple):
    """The layers that have weights, in order, and the classifier's inputs."""

    normalized: tuple[Normalized, ...]
    features: int


def convnet_shapes(convnet: ConvNet, image: tuple[int, int, int]) -> ConvNetShapes:
    """Return the shapes of a ConvNet's weights as `build_convnet` makes them, unbuilt.

    Args:
      convnet: its layers.
      image: (H, W, C).
    """
    sizes = _Sizes()
    features = classifier_inputs(convnet, _Map(*image), sizes)
    return ConvNetShapes(tuple(sizes.normalized), features.channels)


def convnet_counts(convnet: ConvNet, image: tuple[int, int, int]) -> ConvNetCounts:
    """Count a ConvNet as `build_convnet` and `multiply_adds` do, unbuilt.

    A hundred of them are counted in the time in which one is built.

    Args:
      convnet: its layers.
      image: (H, W, C).
    """
    normalized, features = convnet_shapes(convnet, image)
    parameters = products = 0
    for one in normalized:
        kernel = math.prod(one.kernel) if one.kernel else 0
        parameters += kernel + 2 * one.channels
        products += kernel * one.pixels
    linear = features * NUM_CLASSES
    return ConvNetCounts(parameters + linear + NUM_CLASSES, products + linear)


class _Map(NamedTuple):
    """The extents of a layer's output."""

    height: int
    width: int
    channels: int

    @property
    def shape(self) -> tuple[int | None, ...]:
        """[B, H, W, C], B unknown."""
        return (None, *self)

    def strided(self, height: int, width: int, channels: int) -> _Map:
        """Return the extents after strides."""
        return _Map(math.ceil(self.height / height), math.ceil(self.width / width), channels)


class _Sizes:
    """Sizes alone, as `wiring.Parts`."""

    def __init__(self) -> None:
        self.normalized: list[Normalized] = []

    def layer(self, inputs: _Map, layer: Layer, number: int) -> _Map:
        """Return the extents of a layer's output, and note its weights."""
        kernel: tuple[int, ...] = ()
        made = inputs
        if isinstance(layer, PoolingLayer):
            return inputs.strided(layer.pool_stride, layer.pool_stride, inputs.channels)
        if isinstance(layer, ConvolutionalLayer):
            kernel = (layer.filter_height, layer.filter_width, inputs.channels, layer.filters)
            made = inputs.strided(layer.stride_height, layer.stride_width, layer.filters)
        if isinstance(layer, ConvolutionalLayer | BatchNormalizationLayer):
            pixels = made.height * made.width
            self.normalized.append(Normalized(number, kernel, made.channels, pixels))
        return made

    def max_pooled(self, x: _Map, source: int, after: int) -> _Map:
        """Return half the extents."""
        return x.strided(2, 2, x.channels)

    def padded(self, x: _Map, sides: Sides, name: str) -> _Map:
        """Return the extents with the zeros."""
        rows, columns = map(sum, sides)
        return _Map(x.height + rows, x.width + columns, x.channels)

    def concatenated(self, inputs: Sequence[_Map], name: str) -> _Map:
        """Return the extents of all."""
        return inputs[0]._replace(channels=sum(x.channels for x in inputs))
