"""A ConvNet in plain TensorFlow operations: the numbers of `build_convnet`'s model, to rounding.

A search trains a network for seconds and forgets it, and a Keras model takes longer than that to be
built, traced and optimised. Here all weights are one vector and all moving averages another, so
that a step's update is one operation whatever the network.

Shapes: B images, H height, W width, C channels, P weights, L layers with batch normalisation,
K channels that they normalise, all together.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from nas_with_rl.child_models.convnets.builder import (
    classifier_initializer,
    convolution_initializer,
    layer_seeds,
)
from nas_with_rl.child_models.convnets.contrast_normalization import LocalContrastNormalization
from nas_with_rl.child_models.convnets.size import convnet_shapes
from nas_with_rl.child_models.convnets.tf_batch_normalization import BatchNormalization
from nas_with_rl.child_models.convnets.wiring import Sides, classifier_inputs
from nas_with_rl.search_spaces.convnet import (
    ConvNet,
    ConvolutionalLayer,
    Layer,
    LocalContrastNormalizationLayer,
    PoolingLayer,
)

_ops = tf.raw_ops


class Weights(NamedTuple):
    """A network's weights, apart.

    Attributes:
      scales, offsets: γ and β of each layer with batch normalisation.
      kernels: of each of them that has a convolution, the rest None.
      classifier: kernel and bias.
    """

    scales: Sequence[tf.Tensor]
    offsets: Sequence[tf.Tensor]
    kernels: Sequence[tf.Tensor | None]
    classifier: tuple[tf.Tensor, tf.Tensor]


class Network:
    """The sizes of a network's weights, and what it makes of images.

    Attributes:
      num_parameters: P.
      num_normalized: K.
    """

    def __init__(
        self,
        convnet: ConvNet,
        image_shape: tuple[int, int, int],
        *,
        num_classes: int,
        epsilon: float,
    ):
        self._convnet, self._epsilon = convnet, epsilon
        self._normalized, features = convnet_shapes(convnet, image_shape)
        self._channels = [one.channels for one in self._normalized]
        kernels = [one.kernel for one in self._normalized if one.kernel]
        vectors = [(size,) for size in self._channels]
        self._shapes = [*vectors, *vectors, *kernels, (features, num_classes), (num_classes,)]
        self._sizes = [math.prod(shape) for shape in self._shapes]
        self.num_parameters = sum(self._sizes)
        self.num_normalized = sum(self._channels)

    def first_weights(self, seed: int) -> tf.Tensor:
        """Draw weights `[P]`: those of `build_convnet` with this seed."""
        *seeds, last = layer_seeds(self._convnet, seed)
        kernels = [
            convolution_initializer(seeds[one.number - 1])(one.kernel, "float32")
            for one in self._normalized
            if one.kernel
        ]
        *_, classifier, bias = self._shapes
        kernels.append(classifier_initializer(last)(classifier, "float32"))
        ones, zeros = tf.ones([self.num_normalized]), tf.zeros([self.num_normalized])
        parts = [ones, zeros, *(tf.reshape(kernel, [-1]) for kernel in kernels), tf.zeros(bias)]
        return tf.concat(parts, 0)

    def first_averages(self) -> tf.Tensor:
        """Return moving averages `[2K]` to begin with: all means 0, then all variances 1."""
        return tf.concat([tf.zeros([self.num_normalized]), tf.ones([self.num_normalized])], 0)

    def apart(self, weights: tf.Tensor) -> list[tf.Tensor]:
        """Return each weight of a vector `[P]`: all γ, all β, the kernels, the classifier's two."""
        parts = _ops.SplitV(
            value=weights, size_splits=self._sizes, axis=0, num_split=len(self._sizes)
        )
        return [
            part if len(shape) == 1 else _ops.Reshape(tensor=part, shape=shape)
            for part, shape in zip(parts, self._shapes, strict=True)
        ]

    def together(self, weights: Sequence[tf.Tensor]) -> tf.Tensor:
        """Return the vector `[P]` of weights that are apart."""
        parts = [
            part if len(shape) == 1 else _ops.Reshape(tensor=part, shape=[-1])
            for part, shape in zip(weights, self._shapes, strict=True)
        ]
        return _ops.ConcatV2(values=parts, axis=0)

    def trained(
        self, images: tf.Tensor, apart: Sequence[tf.Tensor], *, on_gpu: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return logits `[B, classes]` of a batch, and its means and variances `[2K]`."""
        normalization = BatchNormalization(self._epsilon, on_gpu=on_gpu)
        weights, means, variances = self._named(apart), [], []

        def layer(x: tf.Tensor, place: int, strides: tuple[int, int] | None) -> tf.Tensor:
            if strides:
                x = _convolution(x, weights.kernels[place], strides)
            scale, offset = weights.scales[place], weights.offsets[place]
            x, mean, variance = normalization(x, scale, offset, rectified=bool(strides))
            means.append(mean)
            variances.append(variance)
            return x

        logits = self._logits(images, layer, weights)
        return logits, tf.concat([*means, *variances] or [tf.zeros([0])], 0)

    def inferred(self, images: tf.Tensor, weights: tf.Tensor, averages: tf.Tensor) -> tf.Tensor:
        """Return logits `[B, classes]` by the moving averages `[2K]`.

        A layer's normalisation is a multiple of its convolution, and a bias.
        """
        named = self._named(self.apart(weights))
        num = self.num_normalized
        scales, offsets, _ = tf.split(weights, [num, num, self.num_parameters - 2 * num])
        means, variances = tf.split(averages, 2)
        factors = scales * tf.math.rsqrt(variances + self._epsilon)
        channels = self._channels or [0]
        biases = tf.split(offsets - means * factors, channels)
        multiples = tf.split(factors, channels)

        def layer(x: tf.Tensor, place: int, strides: tuple[int, int] | None) -> tf.Tensor:
            if not strides:
                return x * multiples[place] + biases[place]
            x = _convolution(x, named.kernels[place] * multiples[place], strides)
            return _ops.Relu(features=_ops.BiasAdd(value=x, bias=biases[place]))

        return self._logits(images, layer, named)

    def _named(self, apart: Sequence[tf.Tensor]) -> Weights:
        count = len(self._channels)
        remaining = iter(apart[2 * count : -2])
        kernels = [next(remaining) if one.kernel else None for one in self._normalized]
        return Weights(apart[:count], apart[count : 2 * count], kernels, (apart[-2], apart[-1]))

    def _logits(self, images: tf.Tensor, layer: _WeightedLayer, weights: Weights) -> tf.Tensor:
        x = classifier_inputs(self._convnet, images, _PlainParts(layer))
        kernel, bias = weights.classifier
        features = _ops.Mean(input=x, axis=[1, 2])
        return _ops.BiasAdd(value=_ops.MatMul(a=features, b=kernel), bias=bias)


# From a map, a layer's place among those with weights, and its strides; None for batch
# normalisation by itself, without convolution and ReLU.
_WeightedLayer = Callable[[tf.Tensor, int, tuple[int, int] | None], tf.Tensor]


class _PlainParts:
    """TensorFlow's operations, as `wiring.Parts`."""

    def __init__(self, weighted: _WeightedLayer):
        self._weighted = weighted
        self._places = itertools.count()

    def layer(self, inputs: tf.Tensor, layer: Layer, number: int) -> tf.Tensor:
        """Return a layer's output."""
        if isinstance(layer, PoolingLayer):
            pool = {"max_pooling": tf.nn.max_pool2d, "average_pooling": tf.nn.avg_pool2d}[
                layer.kind
            ]
            return pool(inputs, layer.pool_size, layer.pool_stride, "SAME")
        if isinstance(layer, LocalContrastNormalizationLayer):
            return LocalContrastNormalization(layer.window).call(inputs)
        strides = None
        if isinstance(layer, ConvolutionalLayer):
            strides = layer.stride_height, layer.stride_width
        return self._weighted(inputs, next(self._places), strides)

    def max_pooled(self, x: tf.Tensor, source: int, after: int) -> tf.Tensor:
        """Return what a layer made, pooled after another."""
        return tf.nn.max_pool2d(x, 2, 2, "SAME")

    def padded(self, x: tf.Tensor, sides: Sides, name: str) -> tf.Tensor:
        """Pad with zeros."""
        return _ops.Pad(input=x, paddings=[(0, 0), *sides, (0, 0)])

    def concatenated(self, inputs: Sequence[tf.Tensor], name: str) -> tf.Tensor:
        """Concatenate in depth."""
        return _ops.ConcatV2(values=inputs, axis=3)


def _convolution(x: tf.Tensor, kernel: tf.Tensor, strides: tuple[int, int]) -> tf.Tensor:
    return _ops.Conv2D(input=x, filter=kernel, strides=[1, *strides, 1], padding="SAME")
