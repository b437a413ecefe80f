"""From predicted layers to a ConvNet (Zoph & Le, 2016, sections 3.3 and 4.1).

Each layer is convolution, batch normalisation, ReLU; its inputs are concatenated in depth. The
classifier is global average pooling and one linear layer, which the parameter count of Figure 7
forces. Three rules keep any architecture from failing: a layer without inputs takes the image;
outputs that no layer takes go to the classifier together; and smaller inputs are padded with
zeros up to the largest.

Shapes: B images, H height, W width, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from nas_with_rl.search_spaces.convolutional import ConvolutionalLayer
from nas_with_rl.search_spaces.errors import InputError

# The moving averages' momentum. Keras's default of 0.99 has forgotten too little of its first
# value after the few hundred steps of a short child; 0.9 is what Huang et al.'s code runs with.
BATCH_NORM_MOMENTUM = 0.9


def build_convnet(
    layers: Sequence[ConvolutionalLayer],
    *,
    image_shape: tuple[int, int, int],
    num_classes: int,
    batch_norm_epsilon: float = 1e-3,
    seed: int = 0,
) -> keras.Model:
    """Build the network of the given layers.

    Args:
      layers: as predicted, the first next to the image.
      image_shape: (H, W, C).
      num_classes: the number of logits.
      batch_norm_epsilon: what is added to the variance.
      seed: the key of the weights' first values, layer by layer.

    Returns:
      A model from `[B, H, W, C]` to logits `[B, num_classes]`.

    Raises:
      InputError: there are no layers, or one takes a layer that is not before it.
    """
    _check_layers(layers)
    seeds = iter(np.random.SeedSequence(seed).generate_state(len(layers) + 1).tolist())
    image = keras.Input(image_shape, name="image")
    outputs: list[keras.KerasTensor] = []
    for number, layer in enumerate(layers, start=1):
        name = f"layer_{number}"
        inputs = _concatenated([outputs[j - 1] for j in layer.inputs] or [image], name)
        outputs.append(
            _block(inputs, layer, name=name, epsilon=batch_norm_epsilon, seed=next(seeds))
        )
    unconnected = [outputs[j - 1] for j in unconnected_layers(layers)]
    features = _concatenated(unconnected, "classifier")
    features = keras.layers.GlobalAveragePooling2D(name="classifier_pooling")(features)
    logits = keras.layers.Dense(
        num_classes,
        kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
        name="classifier",
    )(features)
    return keras.Model(image, logits, name="convnet")


def unconnected_layers(layers: Sequence[ConvolutionalLayer]) -> tuple[int, ...]:
    """Return the numbers, from 1, of the layers that no layer takes: the classifier's inputs."""
    taken = {j for layer in layers for j in layer.inputs}
    return tuple(j for j in range(1, len(layers) + 1) if j not in taken)


def _check_layers(layers: Sequence[ConvolutionalLayer]) -> None:
    if not layers:
        raise InputError("a ConvNet needs at least 1 layer, and there are 0")
    for number, layer in enumerate(layers, start=1):
        for j in layer.inputs:
            if not 0 < j < number:
                raise InputError(
                    f"layer {number} takes layer {j}, which is not between 1 and {number - 1}"
                    if number > 1
                    else f"layer 1 takes layer {j}, and there is none before it"
                )


def _block(
    inputs: keras.KerasTensor, layer: ConvolutionalLayer, *, name: str, epsilon: float, seed: int
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
        kernel_initializer=keras.initializers.HeNormal(seed=seed),
        name=f"{name}_convolution",
    )(inputs)
    x = keras.layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=epsilon, name=f"{name}_normalization"
    )(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


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
