"""From a ConvNet's layers to a Keras model (Zoph & Le, 2016, sections 3.3 and 4.1).

A convolution is followed by batch normalisation and ReLU; a layer's inputs are concatenated in
depth. The classifier is global average pooling and one linear layer, which the parameter count of
Figure 7 forces. Four rules keep any architecture from failing: a layer without inputs takes the
image; outputs that no layer takes go to the classifier together; smaller inputs are padded with
zeros up to the largest; and strides divide sizes rounding up (padding is "same"), so that no map
becomes smaller than 1 x 1, however many strides there are.

Shapes: B images, H height, W width, C channels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import keras
import numpy as np

from nas_with_rl.child_models.convnets.contrast_normalization import LocalContrastNormalization
from nas_with_rl.search_spaces.convnet import (
    BatchNormalizationLayer,
    ConvNet,
    ConvolutionalLayer,
    LocalContrastNormalizationLayer,
    PoolingLayer,
)

# The moving averages' momentum. Keras's default of 0.99 has forgotten too little of its first
# value after the few hundred steps of a short child; 0.9 is what Huang et al.'s code runs with.
BATCH_NORM_MOMENTUM = 0.9
_IMAGE = 0  # the number of what is no layer's output


def build_convnet(
    convnet: ConvNet,
    *,
    image_shape: tuple[int, int, int],
    num_classes: int,
    batch_norm_epsilon: float = 1e-3,
    seed: int = 0,
) -> keras.Model:
    """Build the network.

    Args:
      convnet: its layers, and after which of them the maps are pooled. The classifier comes
        after all of them, so what it takes has been pooled as often as there is a pooling.
      image_shape: (H, W, C).
      num_classes: the number of logits.
      batch_norm_epsilon: what is added to the variance.
      seed: the key of the weights' first values, layer by layer.

    Returns:
      A model from `[B, H, W, C]` to logits `[B, num_classes]`.
    """
    num_layers = len(convnet.layers)
    seeds = np.random.SeedSequence(seed).generate_state(num_layers + 1).tolist()
    image = keras.Input(image_shape, name="image")
    outputs = _Outputs(image, convnet.pool_after)
    for number, layer in enumerate(convnet.layers, start=1):
        place = _Place(f"layer_{number}", batch_norm_epsilon, seeds[number - 1])
        inputs = _concatenated(outputs.taken(layer.inputs or (_IMAGE,), by=number), place.name)
        outputs.append(_BUILDERS[type(layer)](inputs, layer, place))
    features = _concatenated(outputs.taken(convnet.unconnected, by=num_layers + 1), "classifier")
    features = keras.layers.GlobalAveragePooling2D(name="classifier_pooling")(features)
    logits = keras.layers.Dense(
        num_classes,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seeds[-1]),
        name="classifier",
    )(features)
    return keras.Model(image, logits, name="convnet")


def multiply_adds(model: keras.Model) -> int:
    """Return the multiply-adds of one image: those of convolutions and dense layers alone.

    A convolution has H · W · filters · (filter height · filter width · C) for its output of H x W
    pixels, the padding's products included; biases, normalisation, ReLU and pooling count nothing.
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            pixels = layer.output.shape[1:-1]
            total += math.prod(layer.kernel.shape) * math.prod(pixels)
    return total


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a layer stands: the start of its parts' names, ε, the key of its first weights."""

    name: str
    epsilon: float
    seed: int


class _Outputs:
    """What has been made so far, the image first, pooled on its way to later layers."""

    def __init__(self, image: keras.KerasTensor, pool_after: Sequence[int]):
        self._outputs = [image]
        self._pool_after = pool_after
        self._pooled: dict[tuple[int, int], keras.KerasTensor] = {}  # by source, after which layer

    def append(self, output: keras.KerasTensor) -> None:
        """Enter the next layer's output."""
        self._outputs.append(output)

    def taken(self, sources: Sequence[int], *, by: int) -> list[keras.KerasTensor]:
        """Return what a layer gets of the layers that it takes."""
        return [self._taken(source, by) for source in sources]

    def _taken(self, source: int, by: int) -> keras.KerasTensor:
        output = self._outputs[source]
        for after in self._pool_after:
            if source <= after < by:
                if (source, after) not in self._pooled:
                    origin = f"layer_{source}" if source else "image"
                    pooling = keras.layers.MaxPooling2D(
                        2, 2, padding="same", name=f"{origin}_pooling_after_{after}"
                    )
                    self._pooled[source, after] = pooling(output)
                output = self._pooled[source, after]
        return output


def _convolution(
    inputs: keras.KerasTensor, layer: ConvolutionalLayer, place: _Place
) -> keras.KerasTensor:
    """Convolution, batch normalisation, ReLU.

    Paper: no order given; here: the order of Ioffe & Szegedy (2015), who introduced batch
    normalisation. The convolution has no bias, since the normalisation adds one.
    """
    x = keras.layers.Conv2D(
        layer.filters,
        (layer.filter_height, layer.filter_width),
        strides=(layer.stride_height, layer.stride_width),
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(seed=place.seed),
        name=f"{place.name}_convolution",
    )(inputs)
    return keras.layers.ReLU(name=f"{place.name}_relu")(_batch_normalization(x, layer, place))


def _pooling(inputs: keras.KerasTensor, layer: PoolingLayer, place: _Place) -> keras.KerasTensor:
    kinds = {
        "max_pooling": keras.layers.MaxPooling2D,
        "average_pooling": keras.layers.AveragePooling2D,
    }
    return kinds[layer.kind](
        layer.pool_size, layer.pool_stride, padding="same", name=f"{place.name}_{layer.kind}"
    )(inputs)


def _contrast_normalization(
    inputs: keras.KerasTensor, layer: LocalContrastNormalizationLayer, place: _Place
) -> keras.KerasTensor:
    name = f"{place.name}_contrast_normalization"
    return LocalContrastNormalization(layer.window, name=name)(inputs)


def _batch_normalization(
    inputs: keras.KerasTensor, layer: BatchNormalizationLayer | ConvolutionalLayer, place: _Place
) -> keras.KerasTensor:
    return keras.layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=place.epsilon, name=f"{place.name}_normalization"
    )(inputs)


_BUILDERS: Mapping[type, Callable[..., keras.KerasTensor]] = MappingProxyType(
    {
        ConvolutionalLayer: _convolution,
        PoolingLayer: _pooling,
        LocalContrastNormalizationLayer: _contrast_normalization,
        BatchNormalizationLayer: _batch_normalization,
    }
)


def _concatenated(inputs: Sequence[keras.KerasTensor], name: str) -> keras.KerasTensor:
    """Concatenate in depth, after padding up to the largest height and the largest width."""
    if len(inputs) == 1:
        return inputs[0]
    height = max(x.shape[1] for x in inputs)
    width = max(x.shape[2] for x in inputs)
    padded = [_padded(x, height, width, f"{name}_padding_{i}") for i, x in enumerate(inputs, 1)]
    return keras.layers.Concatenate(name=f"{name}_concatenation")(padded)


def _padded(x: keras.KerasTensor, height: int, width: int, name: str) -> keras.KerasTensor:
    """Pad with zeros on all sides.

    Paper: "padded with zeros so that the concatenated layers have the same sizes"; here: the
    smaller input in the middle, an odd row or column at the bottom or the right.
    """
    missing = (height - x.shape[1], width - x.shape[2])
    if missing == (0, 0):
        return x
    sides = tuple((m // 2, m - m // 2) for m in missing)
    return keras.layers.ZeroPadding2D(sides, name=name)(x)
