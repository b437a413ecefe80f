"""The size of a ConvNet, counted without building it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from nas_with_rl.child_models.data.images import NUM_CLASSES
from nas_with_rl.search_spaces.convnet import ConvNet, ConvolutionalLayer


class ConvNetCounts(NamedTuple):
    """Trainable numbers of a ConvNet, and multiply-adds per image."""

    num_parameters: int
    multiply_adds: int


class _Map(NamedTuple):
    """The extents of a layer's output."""

    height: int
    width: int
    channels: int


def convnet_counts(convnet: ConvNet, image: tuple[int, int, int]) -> ConvNetCounts:
    """Count a ConvNet of convolutions as `build_convnet` and `multiply_adds` do, unbuilt.

    A hundred of them are counted in the time in which one is built.

    Args:
      convnet: its layers.
      image: (H, W, C).
    """
    maps = [_Map(*image)]
    parameters = products = 0

    def taken(sources: Sequence[int], by: int) -> _Map:
        pooled = [_pooled(maps[s], sum(s <= p < by for p in convnet.pool_after)) for s in sources]
        height, width, _ = map(max, zip(*pooled, strict=True))
        return _Map(height, width, sum(one.channels for one in pooled))

    for number, layer in enumerate(convnet.layers, start=1):
        assert isinstance(layer, ConvolutionalLayer)
        inputs = taken(layer.inputs or (0,), number)
        kernel = layer.filter_height * layer.filter_width * inputs.channels * layer.filters
        height = math.ceil(inputs.height / layer.stride_height)
        width = math.ceil(inputs.width / layer.stride_width)
        maps.append(_Map(height, width, layer.filters))
        parameters += kernel + 2 * layer.filters  # batch normalisation's two
        products += kernel * height * width
    linear = taken(convnet.unconnected, len(convnet.layers) + 1).channels * NUM_CLASSES
    return ConvNetCounts(parameters + linear + NUM_CLASSES, products + linear)


def _pooled(one: _Map, times: int) -> _Map:
    for _ in range(times):
        one = _Map(math.ceil(one.height / 2), math.ceil(one.width / 2), one.channels)
    return one
