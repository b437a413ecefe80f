"""Tests that need Keras's JAX backend; `jax_training_test` runs them where TensorFlow is not.

Shapes: B images in a batch, S height and width.
"""

import math
import sys

import jax
import keras
import numpy as np
import pytest

from nas_with_rl.child_models.convnets.builder import build_convnet
from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.convnets.jax_epochs import ConvNetInTraining, augment, epoch_order
from nas_with_rl.child_models.data import images
from nas_with_rl.child_models.data.images import Images, LabelledImages
from nas_with_rl.child_models.data.text import Corpus
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.jax_training import (
    clipped_by_global_norm,
    cross_entropy,
    random_key,
)
from nas_with_rl.child_models.language_models import training
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.dropout import Dropout
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure, release_child
from nas_with_rl.search_spaces.convnet import ConvNet, ConvolutionalLayer
from nas_with_rl.search_spaces.errors import InputError

VOCABULARY = 30
# Compiled as a whole, each in a third of the time that its operations take one by one.
drawn = jax.jit(augment, static_argnums=1, static_argnames="flip")
cropped = jax.jit(images.upsampled_crop, static_argnums=1)
whitened = jax.jit(images.whiten)


def _new_convnet(**options: bool) -> tuple[ConvNetInTraining, LabelledImages]:
    """Return a ConvNet in training, and its validation images."""
    generator = np.random.default_rng(0)
    parts = []
    for size in (40, 37):  # validation: two batches of 16 and one of 5
        pixels = generator.integers(0, 256, (size, 8, 8, 1), dtype=np.uint8)
        parts.append(LabelledImages(pixels, generator.integers(0, 10, size, dtype=np.int32)))
    network = ConvNet((ConvolutionalLayer(3, 3, 4),))
    model = build_convnet(network, image_shape=(8, 8, 1), num_classes=10)
    config = ImageTraining(batch_size=16, upsampled_size=9)
    return ConvNetInTraining(
        model, Images(parts[0], parts[1], num_classes=10), config, seed=5, **options
    ), parts[1]


@pytest.fixture(scope="module")
def language_model():
    """A language model in training, with every dropout."""
    config = LanguageModelTraining(
        units=6, batch_size=4, num_steps=5, dropout=Dropout("variational", 0.1, 0.2, 0.3, 0.4)
    )
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, 170, dtype=np.int32)
    corpus = Corpus(tokens, tokens[:60], tuple(map(str, range(VOCABULARY))), ())
    return training.begin_training("lstm", corpus, config, seed=5)


def test_tensorflow_is_not_there():
    assert keras.backend.backend() == "jax"
    with pytest.raises(ModuleNotFoundError):
        import tensorflow  # noqa: F401
    assert "tensorflow" not in sys.modules


def test_keys_of_seeds_of_any_size():
    keys = [jax.random.key_data(random_key(seed)).tolist() for seed in (0, 1, 2**32, 2**63 - 1)]
    assert len({tuple(key) for key in keys}) == 4


def test_the_clipped_norm_against_numpy():
    gradients = [np.float32([3.0, 0.0]), np.float32([[4.0]])]  # of norm 5
    for ceiling, scale in ((1.0, 0.2), (5.0, 1.0), (7.0, 1.0)):
        clipped = clipped_by_global_norm(gradients, ceiling)
        np.testing.assert_allclose(clipped[0], scale * gradients[0], rtol=1e-6)
        np.testing.assert_allclose(clipped[1], scale * gradients[1], rtol=1e-6)
    infinite = clipped_by_global_norm([np.float32([np.inf]), np.float32([1.0])], 1.0)
    assert np.isnan(infinite).all()


def test_cross_entropy_against_numpy():
    generator = np.random.default_rng(0)
    logits, labels = generator.normal(size=(5, 3, 7)) * 4, generator.integers(0, 7, (5, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    twin = -np.log(np.take_along_axis(probabilities, labels[..., None], -1)[..., 0])
    np.testing.assert_allclose(cross_entropy(labels, logits), twin, rtol=1e-4)


def test_an_epoch_takes_every_image_once_in_an_order_of_its_own():
    orders = [tuple(epoch_order(50, seed, epoch)) for seed, epoch in ((0, 1), (0, 2), (1, 1))]
    assert len(set(orders)) == 3 and all(sorted(order) == list(range(50)) for order in orders)
    assert tuple(epoch_order(50, 0, 2)) == orders[1]


def test_whitened_crops_against_numpy():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 2), dtype=np.uint8)
    mean, deviation = (f(pixels, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.std))
    white = (pixels - mean) / deviation
    np.testing.assert_allclose(whitened(pixels), white, atol=1e-5)
    offsets, flips = np.array([[0, 3], [2, 0], [3, 1]]), np.array([False, True, False])
    crops = cropped(np.float32(white), 11, offsets=offsets, flips=flips)
    for image, crop, offset, flip in zip(white, crops, offsets, flips, strict=True):
        rows, columns = (np.clip((np.arange(8) + o + 0.5) * 8 / 11 - 0.5, 0, 7) for o in offset)
        weights = [np.maximum(0, 1 - np.abs(x[:, None] - np.arange(8))) for x in (rows, columns)]
        twin = np.einsum("ij,jkc,lk->ilc", weights[0], image, weights[1])
        np.testing.assert_allclose(crop, twin[:, ::-1] if flip else twin, atol=1e-4)


def test_flips_alone_leave_or_mirror_each_image():
    pixels = np.random.default_rng(0).normal(size=(40, 8, 8, 1)).astype(np.float32)
    flipped = np.asarray(drawn(pixels, 0, flip=True, key=random_key(1)))
    mirrored = [np.allclose(x, y[:, ::-1], atol=1e-5) for x, y in zip(flipped, pixels, strict=True)]
    left = [np.allclose(x, y, atol=1e-5) for x, y in zip(flipped, pixels, strict=True)]
    assert all(np.logical_xor(mirrored, left))
    assert 8 < sum(mirrored) < 32  # 20 expected, standard deviation 3.2
    unchanged = drawn(pixels, 0, flip=False, key=random_key(1))
    np.testing.assert_array_equal(unchanged, pixels)


def test_crops_reach_every_corner_and_are_keyed():
    image = np.random.default_rng(0).normal(size=(1, 8, 8, 1)).astype(np.float32)
    pixels = np.tile(image, (100, 1, 1, 1))
    crops, again, other = (
        np.asarray(drawn(pixels, 9, flip=False, key=random_key(seed))) for seed in (3, 3, 4)
    )
    assert len(np.unique(np.round(crops, 3), axis=0)) == 4  # 2 rows times 2 columns
    np.testing.assert_array_equal(crops, again)
    assert (crops != other).any()


def _check_epochs(child) -> None:
    """Check that an epoch is keyed by its number, and by nothing that a restart would lose."""
    child.train_epoch(1)
    kept = [keras.ops.convert_to_numpy(variable) for variable in child.variables()]
    losses, values = [], []
    for epoch in (2, 2, 3):
        for variable, value in zip(child.variables(), kept, strict=True):
            variable.assign(value)
        losses.append(child.train_epoch(epoch))
        values.append([keras.ops.convert_to_numpy(variable) for variable in child.variables()])
    assert losses[0] == losses[1] != losses[2]
    for one, two in zip(*values[:2], strict=True):
        np.testing.assert_array_equal(one, two)
    assert any((one != two).any() for one, two in zip(*values[1:], strict=True))


def test_epochs_as_one_call_and_step_by_step():
    whole, by_steps = (_new_convnet(whole_epochs=whole)[0] for whole in (True, False))
    for epoch in (1, 2):
        assert whole.train_epoch(epoch) == pytest.approx(by_steps.train_epoch(epoch), rel=1e-5)
    for one, other in zip(whole.variables(), by_steps.variables(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, err_msg=one.path)


def test_a_convnet():
    child, validation = _new_convnet()
    _check_epochs(child)
    seen = images.central_crop(images.whiten(validation.images), 9)
    accuracy = np.mean(np.argmax(child.model(seen), axis=-1) == validation.labels)
    assert child.validate() == child.test(validation) == pytest.approx(accuracy)
    child.model.trainable_variables[0].assign(np.full((3, 3, 1, 4), np.nan))
    with pytest.raises(ChildFailure, match="the loss of epoch 4 is nan") as failure:
        child.train_epoch(4)
    assert failure.value.reason == "diverged"


def test_a_language_model(language_model):
    child = language_model
    _check_epochs(child)
    text = np.random.default_rng(2).integers(0, VOCABULARY, 33, dtype=np.int32)
    logits = np.float64(child.model(text[np.newaxis, :-1]))[0]  # [T, V], from a zero state
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    nll = -np.mean(log_probs[np.arange(32), text[1:]])  # of every token but the first
    assert child.test(text) == pytest.approx(nll, rel=1e-5)
    for weight in child.model.trainable_variables:
        weight.assign(np.zeros(weight.shape))
    assert child.test(text) == pytest.approx(math.log(VOCABULARY), rel=1e-6)
    assert child.validate() == pytest.approx(math.log(VOCABULARY), rel=1e-6)
    child.model.embedding.assign(np.full(child.model.embedding.shape, np.nan))
    for diverging in (lambda: child.train_epoch(4), child.validate, lambda: child.test(text)):
        with pytest.raises(ChildFailure, match="the loss became nan") as failure:
            diverging()
        assert failure.value.reason == "diverged"
    with pytest.raises(InputError, match="the test text has 1 tokens, below 2"):
        child.test(text[:1])


def test_too_little_memory_is_a_named_failure():
    with pytest.raises(ChildFailure) as failure, out_of_memory_is_a_failure():
        jax.numpy.zeros((2**20, 2**20, 64)).block_until_ready()  # 256 TiB
    assert failure.value.reason == "out_of_memory"
    with pytest.raises(ZeroDivisionError), out_of_memory_is_a_failure():
        print(1 // 0)
    release_child()
