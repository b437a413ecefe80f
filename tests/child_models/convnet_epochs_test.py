"""Tests of a ConvNet's epochs on TensorFlow: the draws of crops and flips."""

import numpy as np
import tensorflow as tf

from nas_with_rl.child_models.convnet_epochs import augment


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
