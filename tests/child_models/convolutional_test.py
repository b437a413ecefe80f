"""Tests of the ConvNet builder: Figure 7's count, the three rules, every weight in use."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_with_rl.child_models.convolutional import build_convnet, unconnected_layers
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.convolutional import (
    ConvolutionalLayer,
    ConvolutionalSpace,
    layers_of,
)
from nas_with_rl.search_spaces.errors import InputError

# Zoph & Le (2016), Figure 7: filter height, filter width, filters, inputs of each layer.
FIGURE_7 = (
    (3, 3, 36, ()),
    (3, 3, 48, (1,)),
    (3, 3, 36, (1, 2)),
    (5, 5, 36, (1, 2, 3)),
    (3, 7, 48, (3, 4)),
    (7, 7, 48, (2, 3, 4, 5)),
    (7, 7, 48, (2, 3, 4, 5, 6)),
    (7, 3, 36, (1, 6, 7)),
    (7, 1, 36, (1, 5, 6, 8)),
    (7, 7, 36, (1, 3, 4, 5, 6, 7, 8, 9)),
    (5, 7, 36, (1, 2, 5, 6, 7, 8, 9, 10)),
    (7, 7, 48, (1, 2, 3, 4, 6, 11)),
    (7, 5, 48, (1, 3, 6, 7, 8, 9, 10, 11, 12)),
    (7, 5, 48, (3, 7, 12, 13)),
    (7, 5, 48, (2, 7, 11, 12, 13, 14)),
)


def _num_trainable(model: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)


def test_figure_7_has_the_papers_4_2_million_parameters():
    layers = [ConvolutionalLayer(*row) for row in FIGURE_7]
    model = build_convnet(layers, image_shape=(32, 32, 3), num_classes=10)
    assert unconnected_layers(layers) == (15,)
    assert _num_trainable(model) == 4_199_868 + 1_272 + 490 == 4_201_630


def test_layers_without_inputs_take_the_image_and_loose_ends_go_to_the_classifier():
    layers = [
        ConvolutionalLayer(1, 1, 4),
        ConvolutionalLayer(3, 1, 5),  # takes the image
        ConvolutionalLayer(1, 3, 6, (1,)),
    ]
    model = build_convnet(layers, image_shape=(8, 8, 2), num_classes=3)
    assert unconnected_layers(layers) == (2, 3)
    shapes = [tuple(w.shape) for w in model.trainable_variables if len(w.shape) > 1]
    assert shapes == [(1, 1, 2, 4), (3, 1, 2, 5), (1, 3, 4, 6), (5 + 6, 3)]


def test_smaller_inputs_are_padded_with_zeros_before_they_are_concatenated():
    layers = [
        ConvolutionalLayer(1, 1, 2),  # 7 x 7
        ConvolutionalLayer(1, 1, 3, (1,), stride_height=2, stride_width=3),  # 4 x 3
        ConvolutionalLayer(1, 1, 4, (1, 2)),
    ]
    model = build_convnet(layers, image_shape=(7, 7, 1), num_classes=2)
    names = ("layer_1_relu", "layer_2_relu", "layer_3_concatenation")
    inside = keras.Model(model.input, [model.get_layer(name).output for name in names])
    one, two, both = inside(np.random.default_rng(0).normal(size=(2, 7, 7, 1)).astype("float32"))
    assert two.shape == (2, 4, 3, 3) and both.shape == (2, 7, 7, 5)
    np.testing.assert_array_equal(both[..., :2], one)
    padded = np.zeros((2, 7, 7, 3), np.float32)
    padded[:, 1:5, 2:5] = two  # of 3 missing rows 1 above, 2 below; of 4 columns 2 and 2
    np.testing.assert_array_equal(both[..., 2:], padded)


def test_one_layer_against_numpy():
    model = build_convnet(
        [ConvolutionalLayer(1, 1, 3)], image_shape=(4, 4, 2), num_classes=2, batch_norm_epsilon=0.5
    )
    images = np.random.default_rng(0).normal(size=(5, 4, 4, 2)).astype("float32")
    kernel, _, _, weights, biases = (w.numpy() for w in model.trainable_variables)
    x = images @ kernel[0, 0]
    x = (x - x.mean(axis=(0, 1, 2))) / np.sqrt(x.var(axis=(0, 1, 2)) + 0.5)
    twin = np.maximum(x, 0).mean(axis=(1, 2)) @ weights + biases
    np.testing.assert_allclose(model(images, training=True), twin, atol=1e-5)


def test_the_first_weights_are_keyed_by_the_seed():
    layers = [ConvolutionalLayer(3, 3, 8), ConvolutionalLayer(3, 3, 8)]

    def kernels(seed: int) -> list[np.ndarray]:
        model = build_convnet(layers, image_shape=(8, 8, 1), num_classes=10, seed=seed)
        return [w.numpy() for w in model.trainable_variables if len(w.shape) > 1]

    first, again, other = kernels(1), kernels(1), kernels(2)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    assert not np.array_equal(first[0], first[1])  # layers of the same shape differ


@settings(max_examples=5, deadline=None)
@given(key=st.integers(0, 2**32), depth=st.integers(1, 5))
def test_every_weight_of_any_architecture_gets_a_gradient(key, depth):
    space = ConvolutionalSpace(filters=(4, 6)).search_space(depth)
    layers = layers_of(random_architecture(space, np.random.default_rng(key)))
    model = build_convnet(layers, image_shape=(8, 8, 1), num_classes=10, seed=key)
    images = np.random.default_rng(key).normal(size=(16, 8, 8, 1)).astype("float32")
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(np.arange(16) % 10, logits)
        )
    assert np.isfinite(loss)
    gradients = tape.gradient(loss, model.trainable_variables)
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None and np.any(gradient.numpy()), weight.path


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "at least 1 layer"),
        ([ConvolutionalLayer(1, 1, 1, (1,))], "layer 1 takes layer 1, and there is none before"),
        (
            [ConvolutionalLayer(1, 1, 1)] * 2 + [ConvolutionalLayer(1, 1, 1, (3,))],
            "between 1 and 2",
        ),
    ],
)
def test_layers_that_cannot_be_built(layers, message):
    with pytest.raises(InputError, match=message):
        build_convnet(layers, image_shape=(8, 8, 1), num_classes=10)
