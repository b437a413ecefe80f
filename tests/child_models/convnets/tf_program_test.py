"""Tests of the program of a search's ConvNets: Keras's numbers, XLA, what is kept."""

import dataclasses
import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.python.eager import context

from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.convnets.tf_epochs import ConvNetInTraining
from nas_with_rl.child_models.convnets.tf_program import ConvNetProgram, KeptPrograms
from nas_with_rl.child_models.convnets.training import new_convnet
from nas_with_rl.child_models.data.images import Images, LabelledImages
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.convnet import (
    BatchNormalizationLayer,
    ConvNet,
    ConvolutionalLayer,
    PoolingLayer,
)
from nas_with_rl.search_spaces.convolutional import LAYER_TYPES, ConvolutionalSpace

CONVNET = ConvNet((ConvolutionalLayer(3, 3, 4), ConvolutionalLayer(1, 3, 6, (1,))))
CONFIG = ImageTraining(batch_size=16, upsampled_size=9)
FILTERS = (3, 4, 6, 8, 16, 24)  # some that have a fused normalisation, some that have none
SPACES = {
    "plain": ConvolutionalSpace(filters=FILTERS),
    "strides": ConvolutionalSpace(filters=FILTERS, strides=(1, 2, 3)),
    "layer_types": ConvolutionalSpace(
        filters=FILTERS, strides=(1, 2), layer_types=tuple(LAYER_TYPES)
    ),
    "no_convolutions": ConvolutionalSpace(layer_types=tuple(LAYER_TYPES)[1:]),
    "blocks": ConvolutionalSpace(
        filters=FILTERS, block_size=3, pool_after=(2, 4, 6, 8), extra_filters=1
    ),
}


def _images(seed: int, shape: tuple[int, int, int] = (8, 8, 1)) -> Images:
    generator = np.random.default_rng(seed)
    train, validation = (
        LabelledImages(
            generator.integers(0, 256, (size, *shape), dtype=np.uint8),
            generator.integers(0, 10, size, dtype=np.int32),
        )
        for size in (50, 37)
    )
    return Images(train, validation, num_classes=10)


def _named(program: ConvNetProgram) -> dict[str, np.ndarray]:
    """Return a program's variables by the paths of the Keras model's."""
    network = program._network
    layers, channels = network._normalized, network._channels
    weights = [weight.numpy() for weight in network.apart(program.weights.value())]
    means, variances = np.split(program.averages.numpy(), 2)
    ends = np.cumsum(channels)[:-1]
    names = [f"layer_{layer.number}_normalization" for layer in layers]
    vectors = {
        "gamma": weights[: len(layers)],
        "beta": weights[len(layers) : 2 * len(layers)],
        "moving_mean": np.split(means, ends),
        "moving_variance": np.split(variances, ends),
    }
    found = {
        f"{name}/{part}": value
        for part, values in vectors.items()
        for name, value in zip(names, values, strict=False)  # [one empty] of no layers
    }
    kernels = iter(weights[2 * len(layers) : -2])
    for layer in layers:
        if layer.kernel:
            found[f"layer_{layer.number}_convolution/kernel"] = next(kernels)
    return found | {"classifier/kernel": weights[-2], "classifier/bias": weights[-1]}


def _same(program: ConvNetProgram, model: keras.Model, *, rtol: float, atol: float) -> None:
    ours = _named(program)
    assert set(ours) == {variable.path for variable in model.variables}
    for variable in model.variables:
        np.testing.assert_allclose(
            ours[variable.path], variable.numpy(), rtol, atol, err_msg=variable.path
        )


@pytest.mark.parametrize("name", SPACES)
@settings(max_examples=3)
@given(data=st.data(), depth=st.integers(1, 4))
def test_any_architecture_trains_as_its_keras_model(name, data, depth):
    key = data.draw(st.integers(0, 2**32))
    config = dataclasses.replace(
        CONFIG,
        learning_rate=0.01,
        weight_decay=0.01,
        momentum=data.draw(st.sampled_from((0.9, 0.0))),
        upsampled_size=data.draw(st.sampled_from((9, 0))),
        batch_norm_epsilon=data.draw(st.sampled_from((1e-3, 0.1))),
        decay_epochs=(0.02,),  # after the first of 50
    )
    space, images = SPACES[name], _images(key, (9, 9, 2))
    architecture = random_architecture(space.search_space(depth), np.random.default_rng(key))
    convnet = space.convnet(architecture)
    model = new_convnet(convnet, images, config, seed=key)
    keras_child = ConvNetInTraining(model, images, config, seed=key)
    program = ConvNetProgram(convnet, images, config, seed=key)
    _same(program, model, rtol=0, atol=0)  # the first values, to the last bit
    assert program.num_parameters == keras_child.num_parameters
    for epoch in (1, 2):
        losses = program.train_epoch(epoch), keras_child.train_epoch(epoch)
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        _same(program, model, rtol=1e-4, atol=1e-5)
    # One image of 37 may lie on the border of two classes.
    assert abs(program.validate() - keras_child.validate()) < 1.5 / 37


def test_an_accuracy_hangs_on_every_weight_and_moving_average():
    images = _images(1)
    convnet = ConvNet(
        (
            ConvolutionalLayer(3, 3, 8),
            BatchNormalizationLayer((1,)),
            PoolingLayer("average_pooling", 2, 1, (2,)),
            ConvolutionalLayer(3, 1, 5, (1, 3)),
        )
    )
    program = ConvNetProgram(convnet, images, CONFIG, seed=1)
    program.train_epoch(1)
    before, generator = program.validate(), np.random.default_rng(0)
    model = new_convnet(convnet, images, CONFIG, seed=1)
    keras_child = ConvNetInTraining(model, images, CONFIG, seed=1)
    for variable in (program.weights, program.averages):
        variable.assign(np.abs(generator.normal(size=variable.shape)) + 0.1)
    for variable in model.variables:
        variable.assign(_named(program)[variable.path])
    assert program.validate() == keras_child.validate() != before


def test_xla_trains_alike():
    images = _images(3)
    plain, xla = (
        ConvNetProgram(CONVNET, images, dataclasses.replace(CONFIG, jit_compile=jit), seed=3)
        for jit in (False, True)
    )
    assert xla.train_epoch(1) == pytest.approx(plain.train_epoch(1), rel=1e-4)
    assert abs(xla.validate() - plain.validate()) < 1.5 / 37
    for a, b in zip(_named(xla).values(), _named(plain).values(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def _trained(program: ConvNetProgram) -> list[float]:
    return [program.train_epoch(1), program.validate(), program.train_epoch(2), program.validate()]


def _functions() -> set[str]:
    """Return the names of what has been compiled, single operations aside."""
    return {n for n in context.context().list_function_names() if not n.startswith("__wrapped__")}


def test_a_child_that_starts_over_is_another_child_that_needs_no_tracing():
    program, images = ConvNetProgram(CONVNET, _images(1), CONFIG, seed=1), _images(2)
    first = _trained(program)
    program.let_images_go()
    names = _functions()
    program.start_over(images, seed=2)
    second = _trained(program)
    assert _functions() == names
    assert second == _trained(ConvNetProgram(CONVNET, images, CONFIG, seed=2)) != first


def test_another_network_traces_no_crops_again():
    images = _images(1)
    _trained(ConvNetProgram(CONVNET, images, CONFIG, seed=1))
    names = _functions()
    wider = ConvNet((ConvolutionalLayer(3, 3, 5),))
    program = ConvNetProgram(wider, images, CONFIG, seed=1)
    _trained(program)
    assert len(_functions() - names) == 2  # its step and its validation


def test_the_oldest_program_is_not_kept():
    programs, images = KeptPrograms(2), _images(0)
    children = [ConvNetProgram(CONVNET, images, CONFIG, seed=seed) for seed in range(3)]
    for number, child in enumerate(children):
        programs.keep(number, child)
    assert programs.take(0) is None
    assert programs.take(1) is children[1]
    assert programs.take(1) is None  # while it is in use
    programs.keep(1, children[1])
    programs.keep(3, children[0])
    assert programs.take(2) is None
    assert programs.take(1) is children[1]


def test_children_share_images_that_go_with_the_last_of_them():
    images = _images(0)
    one, other = (ConvNetProgram(CONVNET, images, CONFIG, seed=seed) for seed in (0, 1))
    on_device = weakref.ref(one._train[0])
    assert other._train[0] is on_device()
    one.let_images_go()
    del other, images
    gc.collect()
    assert on_device() is None


def test_a_loss_that_is_not_finite_is_a_failure_and_no_neighbour_is_harmed():
    images = _images(4)
    well = _trained(ConvNetProgram(CONVNET, images, CONFIG, seed=4))
    program = ConvNetProgram(CONVNET, images, CONFIG, seed=4)
    program.weights.assign(tf.fill(program.weights.shape, float("nan")))
    with pytest.raises(Exception, match="loss of epoch 1 is nan"):
        program.train_epoch(1)
    program.start_over(images, seed=4)
    assert _trained(program) == well


def test_another_dtype_of_kerass_leaves_a_search_its_own():
    found = []
    for dtype in ("float32", "float64"):
        keras.config.set_floatx(dtype)
        try:
            child = ConvNetProgram(CONVNET, _images(0), CONFIG, seed=3)
            found.append((child.train_epoch(1), child.validate()))
        finally:
            keras.config.set_floatx("float32")
    assert found[0] == found[1]
