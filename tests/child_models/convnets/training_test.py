"""Tests of a ConvNet child's training."""

import dataclasses
import gc

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.python.eager import context

from nas_with_rl.child_models.convnets.builder import build_convnet
from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.convnets.training import evaluate_convnet, in_training, train_convnet
from nas_with_rl.child_models.data.images import (
    ImageDataConfig,
    Images,
    LabelledImages,
    load_images,
    whiten,
)
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.convnet import ConvNet, ConvolutionalLayer
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError

CONVNET = ConvNet((ConvolutionalLayer(3, 3, 8), ConvolutionalLayer(3, 3, 12, (1,))))
QUICK = ImageTraining(epochs=2, batch_size=16, upsampled_size=9, flip=True)


def _noise(num_train: int = 40, num_validation: int = 10) -> Images:
    generator = np.random.default_rng(0)

    def part(size: int) -> LabelledImages:
        images = generator.integers(0, 256, (size, 8, 8, 1), dtype=np.uint8)
        return LabelledImages(images, generator.integers(0, 10, size, dtype=np.int32))

    return Images(part(num_train), part(num_validation), num_classes=10)


def test_the_paper_and_huang_et_al_in_the_defaults():
    config = ImageTraining()
    rates = [config.learning_rate_at(epoch) for epoch in range(1, 51)]
    np.testing.assert_allclose(rates, [0.1] * 25 + [0.01] * 12 + [0.001] * 13)  # 37.5 epochs


def test_digits_are_learned():
    images = load_images(ImageDataConfig("digits", 1200, 300), data_dir=None, seed=0)
    config = ImageTraining(epochs=3, batch_size=32, upsampled_size=0, flip=False)
    seen: list[tuple[int, float, float]] = []
    result = evaluate_convnet(CONVNET, images, config, seed=0, report=lambda *x: seen.append(x))
    assert result.validation_accuracy[-1] > 0.3  # chance is 0.1
    assert result.train_loss[-1] < result.train_loss[0]
    assert seen == [(i + 1, result.train_loss[i], result.validation_accuracy[i]) for i in range(3)]
    assert result.num_parameters == 9 * 8 + 16 + 9 * 8 * 12 + 24 + 130
    assert result.seconds > 0


def test_the_same_seed_gives_the_same_child_and_another_seed_another():
    images = _noise()
    first, again, other = (evaluate_convnet(CONVNET, images, QUICK, seed=s) for s in (5, 5, 6))
    assert first.train_loss == again.train_loss  # to the last bit
    assert first.validation_accuracy == again.validation_accuracy
    assert first.train_loss != other.train_loss


def test_the_accuracy_is_that_of_the_trained_weights_on_every_image():
    images = _noise(num_validation=37)  # two batches of 16 and one of 5
    model = build_convnet(CONVNET, image_shape=(8, 8, 1), num_classes=10)
    config = dataclasses.replace(QUICK, upsampled_size=0)
    result = train_convnet(model, images, config, seed=0)
    logits = model(whiten(tf.constant(images.validation.images)), training=False)
    accuracy = np.mean(np.argmax(logits, axis=-1) == images.validation.labels)
    assert result.validation_accuracy[-1] == pytest.approx(accuracy)
    child = in_training(model, images, config, seed=0)
    assert child.validate() == child.test(images.validation) == pytest.approx(accuracy)
    assert child.num_parameters == result.num_parameters
    assert child.multiply_adds == 64 * (9 * 8 + 9 * 8 * 12) + 12 * 10


def test_a_child_with_anothers_variables_continues_like_it():
    images, config = _noise(), dataclasses.replace(QUICK, epochs=4)

    def child(seed: int):
        model = build_convnet(CONVNET, image_shape=(8, 8, 1), num_classes=10, seed=seed)
        return in_training(model, images, config, seed=5)

    whole = child(seed=5)
    losses = [whole.train_epoch(epoch) for epoch in (1, 2, 3)]
    begun, continued = child(seed=5), child(seed=6)
    assert begun.train_epoch(1) == losses[0]
    for variable, value in zip(continued.variables(), begun.variables(), strict=True):
        variable.assign(value)
    assert [continued.train_epoch(epoch) for epoch in (2, 3)] == losses[1:]  # to the last bit
    assert continued.validate() == whole.validate()
    without_momentum = child(seed=6)
    for variable, value in zip(
        without_momentum.model.variables, begun.model.variables, strict=True
    ):
        variable.assign(value)
    assert without_momentum.train_epoch(2) != losses[1]


def test_a_chosen_learning_rate_replaces_the_configs():
    chosen = dataclasses.replace(CONVNET, learning_rate=0.01)
    slower = dataclasses.replace(QUICK, learning_rate=0.01)
    by_choice = evaluate_convnet(chosen, _noise(), QUICK, seed=5)
    assert by_choice.train_loss == evaluate_convnet(CONVNET, _noise(), slower, seed=5).train_loss
    assert by_choice.train_loss != evaluate_convnet(CONVNET, _noise(), QUICK, seed=5).train_loss


def test_nesterov_momentum_and_weight_decay_against_numpy():
    images = _noise(num_train=16)  # one batch: whatever the order, the same gradient
    config = ImageTraining(
        epochs=4,
        batch_size=16,
        weight_decay=0.05,
        decay_epochs=(0.5,),
        upsampled_size=0,
        flip=False,
    )
    trained = build_convnet(CONVNET, image_shape=(8, 8, 1), num_classes=10, seed=1)
    train_convnet(trained, images, config, seed=0)

    twin = build_convnet(CONVNET, image_shape=(8, 8, 1), num_classes=10, seed=1)
    inputs = whiten(tf.constant(images.train.images))
    velocities = [np.zeros(w.shape, np.float32) for w in twin.trainable_variables]
    for rate in (0.1, 0.1, 0.01, 0.01):
        with tf.GradientTape() as tape:
            nll = tf.nn.sparse_softmax_cross_entropy_with_logits(
                images.train.labels, twin(inputs, training=True)
            )
            loss = tf.reduce_mean(nll)
        for i, gradient in enumerate(tape.gradient(loss, twin.trainable_variables)):
            weight = twin.trainable_variables[i]
            gradient = gradient.numpy() + 0.05 * weight.numpy()
            velocities[i] = 0.9 * velocities[i] - rate * gradient
            weight.assign(weight.numpy() + 0.9 * velocities[i] - rate * gradient)
    for a, b in zip(trained.trainable_variables, twin.trainable_variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=2e-4, err_msg=a.path)


@settings(max_examples=2)
@given(key=st.integers(0, 2**32), depth=st.integers(1, 4))
def test_any_architecture_trains_a_step(key, depth):
    space = ConvolutionalSpace(filters=(4, 6))
    architecture = random_architecture(space.search_space(depth), np.random.default_rng(key))
    config = dataclasses.replace(QUICK, epochs=1)
    result = evaluate_convnet(space.convnet(architecture), _noise(num_train=16), config, seed=key)
    assert np.isfinite(result.train_loss[0]) and 0 <= result.validation_accuracy[0] <= 1


def test_the_same_network_again_is_not_compiled_again():
    images = _noise()
    first = evaluate_convnet(CONVNET, images, QUICK, seed=5)
    names = _functions()
    other, again = (evaluate_convnet(CONVNET, images, QUICK, seed=seed) for seed in (6, 5))
    assert _functions() <= names
    assert (again.train_loss, again.validation_accuracy) == (
        first.train_loss,
        first.validation_accuracy,
    )
    alone = build_convnet(CONVNET, image_shape=(8, 8, 1), num_classes=10, seed=6)
    assert other.train_loss == train_convnet(alone, images, QUICK, seed=6).train_loss
    wider = dataclasses.replace(QUICK, weight_decay=0.5)
    assert evaluate_convnet(CONVNET, images, wider, seed=5).train_loss != first.train_loss


def test_children_leave_only_the_last_graphs_behind():
    config = dataclasses.replace(QUICK, epochs=1)
    gc.collect()  # what other tests have left
    before, counts = _functions(), []
    for filters in range(2, 8):
        convnet = ConvNet((ConvolutionalLayer(3, 3, filters),))
        evaluate_convnet(convnet, _noise(num_train=16), config, seed=0)
        counts.append(len(_functions() - before))
    assert 0 < counts[0] < counts[3] == counts[5]


def test_a_failed_child_leaves_with_the_next():
    config = dataclasses.replace(QUICK, epochs=1)
    gc.collect()  # what other tests have left
    evaluate_convnet(CONVNET, _noise(), config, seed=0)
    left = _functions()
    with pytest.raises(ChildFailure):
        evaluate_convnet(CONVNET, _noise(), dataclasses.replace(config, learning_rate=1e30), seed=0)
    evaluate_convnet(CONVNET, _noise(), config, seed=0)
    assert _functions() <= left


def _functions() -> set[str]:
    """Return the names of what has been compiled, single operations aside."""
    return {n for n in context.context().list_function_names() if not n.startswith("__wrapped__")}


def test_a_loss_that_is_not_finite_is_a_named_failure():
    config = dataclasses.replace(QUICK, learning_rate=1e6, epochs=30)
    with pytest.raises(ChildFailure, match="loss of epoch") as failure:
        evaluate_convnet(CONVNET, _noise(), config, seed=0)
    assert failure.value.reason == "diverged"


@pytest.mark.parametrize(
    "error", [MemoryError("8 GiB"), tf.errors.ResourceExhaustedError(None, None, "8 GiB")]
)
def test_too_little_memory_is_a_named_failure(error):
    def report(*_) -> None:  # a real failure of the allocator takes 10 s of retries
        raise error

    with pytest.raises(ChildFailure, match="8 GiB") as failure:
        evaluate_convnet(CONVNET, _noise(), QUICK, seed=0, report=report)
    assert failure.value.reason == "out_of_memory"


def test_images_that_do_not_fit_the_config():
    with pytest.raises(InputError, match="batch_size is 16, above the 15 images"):
        evaluate_convnet(CONVNET, _noise(num_train=15), QUICK, seed=0)
    with pytest.raises(
        InputError, match="upsampled_size is 36, not between once and twice the 8x8"
    ):
        evaluate_convnet(CONVNET, _noise(), ImageTraining(batch_size=16), seed=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs is 0, below 1"),
        ({"batch_size": 0}, "batch_size is 0, below 1"),
        ({"learning_rate": float("nan")}, "learning_rate is nan, not above 0"),
        ({"momentum": 1.0}, "momentum is 1.0, not at least 0 and below 1"),
        ({"weight_decay": -1e-4}, "weight_decay is -0.0001, below 0"),
        ({"decay_epochs": (25,)}, "decay_epochs has 25.0, not above 0 and at most 1"),
    ],
)
def test_values_that_cannot_be_used(values, message):
    with pytest.raises(InputError, match=message):
        ImageTraining(**values)
