"""Tests of the ConvNet builder: Figure 7's counts, the rules, each type of layer, every space."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_with_rl.child_models.convnets.builder import build_convnet, multiply_adds
from nas_with_rl.search_spaces.architecture import parse_architecture, random_architecture
from nas_with_rl.search_spaces.convnet import (
    BatchNormalizationLayer,
    ConvNet,
    ConvolutionalLayer,
    LocalContrastNormalizationLayer,
    PoolingLayer,
)
from nas_with_rl.search_spaces.convolutional import LAYER_TYPES, ConvolutionalSpace
from nas_with_rl.search_spaces.published import published


def _num_trainable(model: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)


def test_figure_7_has_the_papers_4_2_million_parameters():
    convnet = ConvolutionalSpace().convnet(published("figure_7").architecture)
    model = build_convnet(convnet, image_shape=(32, 32, 3), num_classes=10)
    assert convnet.unconnected == (15,)
    assert _num_trainable(model) == 4_199_868 + 1_272 + 490 == 4_201_630
    assert multiply_adds(model) == 4_199_868 * 32 * 32 + 48 * 10


@pytest.mark.parametrize(
    ("name", "inputs_of"),
    [
        ("figure_7_dense", lambda filters, layer: sum(filters[: layer - 1]) or 3),
        ("figure_7_no_skips", lambda filters, layer: filters[layer - 2] if layer > 1 else 3),
    ],
)
def test_the_perturbed_figure_7_counts_what_its_connections_need(name, inputs_of):
    convnet = ConvolutionalSpace().convnet(published(name).architecture)
    model = build_convnet(convnet, image_shape=(32, 32, 3), num_classes=10)
    filters = [layer.filters for layer in convnet.layers]
    weights = sum(
        layer.filter_height * layer.filter_width * layer.filters * inputs_of(filters, number)
        for number, layer in enumerate(convnet.layers, start=1)
    )
    assert _num_trainable(model) == weights + 2 * sum(filters) + 48 * 10 + 10
    assert multiply_adds(model) == weights * 32 * 32 + 48 * 10
    assert _num_trainable(model) == {"figure_7_dense": 6_630_910}.get(name, 809_134)


def test_layers_without_inputs_take_the_image_and_loose_ends_go_to_the_classifier():
    convnet = ConvNet(
        (
            ConvolutionalLayer(1, 1, 4),
            ConvolutionalLayer(3, 1, 5),  # takes the image
            ConvolutionalLayer(1, 3, 6, (1,)),
        )
    )
    model = build_convnet(convnet, image_shape=(8, 8, 2), num_classes=3)
    assert convnet.unconnected == (2, 3)
    shapes = [tuple(w.shape) for w in model.trainable_variables if len(w.shape) > 1]
    assert shapes == [(1, 1, 2, 4), (3, 1, 2, 5), (1, 3, 4, 6), (5 + 6, 3)]


def test_smaller_inputs_are_padded_with_zeros_before_they_are_concatenated():
    convnet = ConvNet(
        (
            ConvolutionalLayer(1, 1, 2),  # 7 x 7
            ConvolutionalLayer(1, 1, 3, (1,), stride_height=2, stride_width=3),  # 4 x 3
            ConvolutionalLayer(1, 1, 4, (1, 2)),
        )
    )
    model = build_convnet(convnet, image_shape=(7, 7, 1), num_classes=2)
    images = np.random.default_rng(0).normal(size=(2, 7, 7, 1)).astype("float32")
    names = ("layer_1_relu", "layer_2_relu", "layer_3_concatenation")
    one, two, both = _inside(model, names, images)
    assert two.shape == (2, 4, 3, 3) and both.shape == (2, 7, 7, 5)
    np.testing.assert_array_equal(both[..., :2], one)
    padded = np.zeros((2, 7, 7, 3), np.float32)
    padded[:, 1:5, 2:5] = two  # of 3 missing rows 1 above, 2 below; of 4 columns 2 and 2
    np.testing.assert_array_equal(both[..., 2:], padded)


def test_one_layer_against_numpy():
    model = build_convnet(
        ConvNet((ConvolutionalLayer(1, 1, 3),)),
        image_shape=(4, 4, 2),
        num_classes=2,
        batch_norm_epsilon=0.5,
    )
    images = np.random.default_rng(0).normal(size=(5, 4, 4, 2)).astype("float32")
    kernel, _, _, weights, biases = (w.numpy() for w in model.trainable_variables)
    x = images @ kernel[0, 0]
    x = (x - x.mean(axis=(0, 1, 2))) / np.sqrt(x.var(axis=(0, 1, 2)) + 0.5)
    twin = np.maximum(x, 0).mean(axis=(1, 2)) @ weights + biases
    np.testing.assert_allclose(model(images, training=True), twin, atol=1e-5)


def test_the_first_weights_are_keyed_by_the_seed():
    convnet = ConvNet((ConvolutionalLayer(3, 3, 8), ConvolutionalLayer(3, 3, 8)))

    def kernels(seed: int) -> list[np.ndarray]:
        model = build_convnet(convnet, image_shape=(8, 8, 1), num_classes=10, seed=seed)
        return [w.numpy() for w in model.trainable_variables if len(w.shape) > 1]

    first, again, other = kernels(1), kernels(1), kernels(2)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    assert not np.array_equal(first[0], first[1])  # layers of the same shape differ


def _max_pooled(maps: np.ndarray) -> np.ndarray:
    """2x2 max pooling with stride 2 of `[B, H, W, C]`, an odd last row or column by itself."""
    height, width = maps.shape[1:3]
    odd = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
    maps = np.pad(maps, odd, constant_values=-np.inf)
    corners = [maps[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    return np.max(corners, axis=0)


def test_pooling_layers_against_numpy():
    convnet = ConvNet((PoolingLayer("max_pooling", 2, 2), PoolingLayer("average_pooling", 2, 2)))
    model = build_convnet(convnet, image_shape=(5, 6, 2), num_classes=2)
    images = np.random.default_rng(0).normal(size=(3, 5, 6, 2)).astype("float32")
    greatest, mean = _inside(model, ("layer_1_max_pooling", "layer_2_average_pooling"), images)
    np.testing.assert_array_equal(greatest, _max_pooled(images))
    corners = np.stack([images[:, i:4:2, j::2] for i in (0, 1) for j in (0, 1)])
    np.testing.assert_allclose(mean[:, :2], corners.mean(axis=0), atol=1e-6)
    last = (images[:, 4, 0::2] + images[:, 4, 1::2]) / 2  # of the pixels that are there
    np.testing.assert_allclose(mean[:, 2], last, atol=1e-6)


def test_each_type_of_layer_becomes_its_keras_layer():
    convnet = ConvNet(
        (
            LocalContrastNormalizationLayer(3),
            BatchNormalizationLayer((1,)),
            PoolingLayer("average_pooling", 3, 1, (2,)),
            ConvolutionalLayer(1, 3, 4, (1, 3)),
        )
    )
    model = build_convnet(convnet, image_shape=(6, 6, 2), num_classes=2, batch_norm_epsilon=0.5)
    assert model.get_layer("layer_1_contrast_normalization").window == 3
    assert model.get_layer("layer_2_normalization").epsilon == 0.5
    assert model.get_layer("layer_3_average_pooling").strides == (1, 1)
    shapes = [tuple(w.shape) for w in model.trainable_variables if len(w.shape) > 1]
    assert shapes == [(1, 3, 4, 4), (4, 2)]


def test_what_was_made_before_a_pooling_reaches_later_layers_pooled():
    convnet = ConvNet(
        (
            ConvolutionalLayer(1, 1, 2),  # 9 x 7
            ConvolutionalLayer(1, 1, 3, (1,)),  # 5 x 4, after the first pooling
            ConvolutionalLayer(1, 1, 4),  # of the image, pooled
            ConvolutionalLayer(1, 1, 5, (1, 2)),  # 3 x 2, after the second
            ConvolutionalLayer(1, 1, 6),
        ),
        pool_after=(1, 3),
    )
    model = build_convnet(convnet, image_shape=(9, 7, 1), num_classes=2)
    images = np.random.default_rng(0).normal(size=(2, 9, 7, 1)).astype("float32")
    one, two, three, five = _inside(model, [f"layer_{n}_relu" for n in (1, 2, 3, 5)], images)
    assert [x.shape[1:3] for x in (one, two, three, five)] == [(9, 7), (5, 4), (5, 4), (3, 2)]
    inputs = {n: model.get_layer(f"layer_{n}_convolution").input for n in range(2, 6)}
    second, third, fourth, fifth = keras.Model(model.input, list(inputs.values()))(images)
    once = _max_pooled(one)
    np.testing.assert_array_equal(second, once)
    np.testing.assert_array_equal(third, _max_pooled(images))
    both = np.concatenate([_max_pooled(once), _max_pooled(two)], axis=-1)
    np.testing.assert_array_equal(fourth, both)
    np.testing.assert_array_equal(fifth, _max_pooled(_max_pooled(images)))
    assert convnet.unconnected == (3, 4, 5)  # the classifier gets layer 3 pooled as well
    assert model.get_layer("classifier_concatenation").output.shape[1:] == (3, 2, 4 + 5 + 6)


def test_a_pooling_inside_a_block_and_the_papers_sizes():
    space = ConvolutionalSpace(
        (1,), (2, 3), skips=False, block_size=3, pool_after=(13, 24), extra_filters=1
    )
    text = " | ".join(["1 1 2"] * 13)
    convnet = space.convnet(parse_architecture(text, space.search_space(13)))
    model = build_convnet(convnet, image_shape=(32, 32, 3), num_classes=10)
    sizes = [model.get_layer(f"layer_{n}_relu").output.shape[1:] for n in range(1, 40)]
    assert sizes == [(32, 32, 3)] * 13 + [(16, 16, 3)] * 11 + [(8, 8, 3)] * 15
    # Layers 13, 14 and 15 are the fifth block: 15 takes 13, pooled, and 14.
    assert model.get_layer("layer_15_concatenation").output.shape[1:] == (16, 16, 3 + 3)


@pytest.mark.parametrize("pooling", [False, True])
def test_twenty_layers_of_stride_3_end_at_one_pixel(pooling):
    layers = [ConvolutionalLayer(3, 3, 2, (), 3, 3)]
    layers += [ConvolutionalLayer(3, 3, 2, (n,), 3, 3) for n in range(1, 20)]
    convnet = ConvNet(tuple(layers), pool_after=tuple(range(1, 21)) if pooling else ())
    model = build_convnet(convnet, image_shape=(32, 32, 3), num_classes=10)
    heights = [model.get_layer(f"layer_{n}_relu").output.shape[1] for n in range(1, 21)]
    assert heights == ([11, 2] if pooling else [11, 4, 2]) + [1] * (18 - (not pooling))
    _trains_a_step(model, (32, 32, 3))


def test_multiply_adds_in_closed_form():
    convnet = ConvNet(
        (
            ConvolutionalLayer(3, 5, 4, (), stride_height=2, stride_width=3),
            PoolingLayer("max_pooling", 2, 2, (1,)),
            ConvolutionalLayer(1, 1, 6, (2,)),
            BatchNormalizationLayer((3,)),
        )
    )
    model = build_convnet(convnet, image_shape=(9, 10, 2), num_classes=7)
    # 9 x 10 pixels become 5 x 4, then 3 x 2.
    assert multiply_adds(model) == (5 * 4) * (3 * 5 * 2 * 4) + (3 * 2) * (4 * 6) + 6 * 7
    dense = keras.Sequential([keras.Input((5, 3)), keras.layers.Dense(4)])
    assert multiply_adds(dense) == 5 * 3 * 4


@settings(max_examples=5)
@given(key=st.integers(0, 2**32), depth=st.integers(1, 5))
def test_every_weight_of_any_architecture_gets_a_gradient(key, depth):
    # Without strides: a strided layer may see nothing but the zeros that pad a smaller input.
    space = ConvolutionalSpace(filters=(4, 6))
    architecture = random_architecture(space.search_space(depth), np.random.default_rng(key))
    model = build_convnet(
        space.convnet(architecture), image_shape=(8, 8, 1), num_classes=10, seed=key
    )
    for weight, gradient in zip(model.trainable_variables, _gradients(model), strict=True):
        assert gradient is not None and np.any(gradient.numpy()), weight.path


SPACES = {
    "strides": ConvolutionalSpace(filters=(4, 6), strides=(1, 2, 3)),
    "learning_rate": ConvolutionalSpace(filters=(4, 6), learning_rates=(0.1, 0.01)),
    "layer_types": ConvolutionalSpace(
        filters=(4, 6), strides=(1, 2), layer_types=tuple(LAYER_TYPES)
    ),
    "no_convolutions": ConvolutionalSpace(layer_types=tuple(LAYER_TYPES)[1:]),
    "blocks": ConvolutionalSpace(
        filters=(4, 6), block_size=3, pool_after=(2, 4, 6, 8), width_multiplier=0.5, extra_filters=1
    ),
}


@pytest.mark.parametrize("name", SPACES)
@settings(max_examples=4)
@given(data=st.data(), depth=st.integers(1, 4))
def test_every_token_sequence_builds_and_trains_a_step(name, data, depth):
    space = SPACES[name]
    key = data.draw(st.integers(0, 2**32))
    architecture = random_architecture(space.search_space(depth), np.random.default_rng(key))
    convnet = space.convnet(architecture)
    model = build_convnet(convnet, image_shape=(8, 8, 1), num_classes=10, seed=key)
    _trains_a_step(model, (8, 8, 1), convnet.learning_rate or 0.1)


def test_pooling_never_leads_to_less_than_a_pixel():
    space = dataclasses.replace(SPACES["blocks"], pool_after=tuple(range(1, 10)))
    architecture = parse_architecture("3 3 - 4 | 1 5 - 6 | 7 7 1,2 4", space.search_space(3))
    model = build_convnet(space.convnet(architecture), image_shape=(8, 8, 1), num_classes=10)
    assert model.get_layer("layer_9_relu").output.shape[1:3] == (1, 1)
    _trains_a_step(model, (8, 8, 1))


def _gradients(model: keras.Model, size: tuple[int, ...] = (8, 8, 1)) -> list[tf.Tensor | None]:
    images = np.random.default_rng(0).normal(size=(16, *size)).astype("float32")
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(np.arange(16) % 10, logits)
        )
    assert np.isfinite(loss)
    return tape.gradient(loss, model.trainable_variables)


def _trains_a_step(model: keras.Model, size: tuple[int, ...], learning_rate: float = 0.1) -> None:
    for weight, gradient in zip(model.trainable_variables, _gradients(model, size), strict=True):
        assert np.all(np.isfinite(gradient)), weight.path
        weight.assign(weight - learning_rate * gradient)
    _gradients(model, size)  # its loss is finite as well


def _inside(model: keras.Model, names, images: np.ndarray) -> list[np.ndarray]:
    """What the named layers put out."""
    inside = keras.Model(model.input, [model.get_layer(name).output for name in names])
    return [np.asarray(output) for output in inside(images)]
