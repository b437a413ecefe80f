"""Tests of a ConvNet's epochs on TensorFlow: crops and flips, steps, XLA."""

import dataclasses

import numpy as np
import tensorflow as tf

from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.convnets.tf_epochs import ConvNetInTraining, augment
from nas_with_rl.child_models.convnets.training import new_convnet
from nas_with_rl.child_models.data.images import Images, LabelledImages, whiten
from nas_with_rl.search_spaces.convnet import ConvNet, ConvolutionalLayer

CONVNET = ConvNet((ConvolutionalLayer(3, 3, 4), ConvolutionalLayer(1, 3, 6, (1,))))
CONFIG = ImageTraining(batch_size=16, upsampled_size=9)


def _images(seed: int) -> Images:
    generator = np.random.default_rng(seed)
    train, validation = (
        LabelledImages(
            generator.integers(0, 256, (size, 8, 8, 1), dtype=np.uint8),
            generator.integers(0, 10, size, dtype=np.int32),
        )
        for size in (50, 20)
    )
    return Images(train, validation, num_classes=10)


def _child(seed: int, config: ImageTraining = CONFIG, images: Images | None = None):
    images = images or _images(seed)
    model = new_convnet(CONVNET, images, config, seed=seed)
    return ConvNetInTraining(model, images, config, seed=seed)


def _trained(child: ConvNetInTraining) -> list[float]:
    return [child.train_epoch(1), child.validate(), child.train_epoch(2), child.validate()]


def test_xla_trains_alike():
    graph, xla = (_child(3, dataclasses.replace(CONFIG, jit_compile=jit)) for jit in (False, True))
    np.testing.assert_allclose(_trained(xla), _trained(graph), rtol=1e-4, atol=0.051)
    for a, b in zip(xla.variables(), graph.variables(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-4, err_msg=a.path)


def test_a_step_without_momentum_is_that_of_gradient_descent():
    config = ImageTraining(
        batch_size=50, momentum=0.0, weight_decay=0.05, upsampled_size=0, flip=False
    )
    child, twin = _child(4, config), _child(4, config).model
    child.train_epoch(1)
    train = _images(4).train
    with tf.GradientTape() as tape:
        logits = twin(whiten(tf.constant(train.images)), training=True)
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(train.labels, logits)
        loss = tf.reduce_mean(nll)
    weights = twin.trainable_variables
    for a, b, g in zip(
        child.model.trainable_variables, weights, tape.gradient(loss, weights), strict=True
    ):
        expected = b.numpy() - 0.1 * (g.numpy() + 0.05 * b.numpy())
        np.testing.assert_allclose(a.numpy(), expected, atol=1e-5, err_msg=a.path)


def test_flips_alone_leave_or_mirror_each_image():
    images = np.random.default_rng(0).normal(size=(40, 8, 8, 1)).astype(np.float32)
    flipped = augment(tf.constant(images), 0, flip=True, seed=tf.constant([1, 2])).numpy()
    mirrored = [np.allclose(x, y[:, ::-1], atol=1e-5) for x, y in zip(flipped, images, strict=True)]
    left = [np.allclose(x, y, atol=1e-5) for x, y in zip(flipped, images, strict=True)]
    assert all(np.logical_xor(mirrored, left))
    assert 8 < sum(mirrored) < 32  # 20 expected, standard deviation 3.2
    unchanged = augment(tf.constant(images), 0, flip=False, seed=tf.constant([1, 2]))
    np.testing.assert_array_equal(unchanged, images)


def test_augmentation_reaches_every_corner_and_is_keyed_by_the_seed():
    image = np.random.default_rng(0).normal(size=(1, 8, 8, 1)).astype(np.float32)
    images = tf.constant(np.tile(image, (100, 1, 1, 1)))
    crops = augment(images, 9, flip=False, seed=tf.constant([3, 4])).numpy()
    assert len(np.unique(np.round(crops, 3), axis=0)) == 4  # 2 rows times 2 columns
    again = augment(images, 9, flip=False, seed=tf.constant([3, 4])).numpy()
    other = augment(images, 9, flip=False, seed=tf.constant([3, 5])).numpy()
    np.testing.assert_array_equal(crops, again)
    assert (crops != other).any()
