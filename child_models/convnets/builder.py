"""From a ConvNet's layers to a Keras model (Zoph & Le, 2016, sections 3.3 and 4.1).

A convolution is followed by batch normalisation and ReLU; a layer's inputs are concatenated in
depth (`wiring` has the rules). The classifier is global average pooling and one linear layer, which
the parameter count of Figure 7 forces.

Shapes: B images, H height, W width, C channels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import keras
import numpy as np

from nas_with_rl.child_models.convnets.config import BATCH_NORM_MOMENTUM
from nas_with_rl.child_models.convnets.contrast_normalization import LocalContrastNormalization
from nas_with_rl.child_models.convnets.wiring import Sides, classifier_inputs
from nas_with_rl.search_spaces.convnet import (
    BatchNormalizationLayer,
    ConvNet,
    ConvolutionalLayer,
    Layer,
    LocalContrastNormalizationLayer,
    PoolingLayer,
)


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
      convnet: its layers, and after which of them the maps are pooled.
      image_shape: (H, W, C).
      num_classes: the number of logits.
      batch_norm_epsilon: what is added to the variance.
      seed: the key of the weights' first values, layer by layer.

    Returns:
      A model from `[B, H, W, C]` to logits `[B, num_classes]`.
    """
    seeds = layer_seeds(convnet, seed)
    image = keras.Input(image_shape, name="image")
    features = classifier_inputs(convnet, image, _KerasParts(batch_norm_epsilon, seeds))
    features = keras.layers.GlobalAveragePooling2D(name="classifier_pooling")(features)
    logits = keras.layers.Dense(
        num_classes,
        kernel_initializer=classifier_initializer(seeds[-1]),
        name="classifier",
    )(features)
    return keras.Model(image, logits, name="convnet")


def layer_seeds(convnet: ConvNet, seed: int) -> list[int]:
    """Return the keys of each layer's first weights, the classifier's last."""
    return np.random.SeedSequence(seed).generate_state(len(convnet.layers) + 1).tolist()


def convolution_initializer(seed: int) -> keras.Initializer:
    """Return what draws a convolution's first weights: He et al. (2015)."""
    return keras.initializers.HeNormal(seed=seed)


def classifier_initializer(seed: int) -> keras.Initializer:
    """Return what draws the classifier's first weights: Glorot & Bengio (2010)."""
    return keras.initializers.GlorotUniform(seed=seed)


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


class _KerasParts:
    """Keras's layers, as `wiring.Parts`."""

    def __init__(self, epsilon: float, seeds: Sequence[int]):
        self._epsilon, self._seeds = epsilon, seeds

    def layer(self, inputs: keras.KerasTensor, layer: Layer, number: int) -> keras.KerasTensor:
        """Return a layer's output."""
        place = _Place(f"layer_{number}", self._epsilon, self._seeds[number - 1])
        return _BUILDERS[type(layer)](inputs, layer, place)

    def max_pooled(self, x: keras.KerasTensor, source: int, after: int) -> keras.KerasTensor:
        """Return what a layer made, pooled after another."""
        origin = f"layer_{source}" if source else "image"
        name = f"{origin}_pooling_after_{after}"
        return keras.layers.MaxPooling2D(2, 2, padding="same", name=name)(x)

    def padded(self, x: keras.KerasTensor, sides: Sides, name: str) -> keras.KerasTensor:
        """Pad with zeros."""
        return keras.layers.ZeroPadding2D(sides, name=name)(x)

    def concatenated(self, inputs: Sequence[keras.KerasTensor], name: str) -> keras.KerasTensor:
        """Concatenate in depth."""
        return keras.layers.Concatenate(name=name)(inputs)


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
        kernel_initializer=convolution_initializer(place.seed),
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
