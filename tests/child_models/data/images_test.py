"""Tests of the data: splits, sizes, what a child sees of an image."""

import os
import sys

import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models.data.images import (
    ImageDataConfig,
    central_crop,
    load_images,
    load_test_images,
    upsampled_crop,
    whiten,
)
from nas_with_rl.search_spaces.errors import InputError

DIGITS = ImageDataConfig("digits", num_train=1000, num_validation=500)


def _cifar10_dir() -> str:
    if "NAS_WITH_RL_DATA_DIR" not in os.environ:
        pytest.skip("NAS_WITH_RL_DATA_DIR, the folder of the real data, is not set")
    return os.path.join(os.environ["NAS_WITH_RL_DATA_DIR"], "tfds")


def _rows(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


def test_digits_are_split_into_disjoint_parts():
    images = load_images(DIGITS, data_dir=None, seed=1)
    test = load_test_images(DIGITS, None)
    assert images.train.images.shape == (1000, 8, 8, 1)
    assert images.validation.images.shape == (500, 8, 8, 1)
    assert test.images.shape == (297, 8, 8, 1)
    assert images.image_shape == (8, 8, 1) and images.num_classes == 10
    parts = [_rows(part.images) for part in (images.train, images.validation, test)]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 1797  # no two digits are the same
    assert images.train.images.dtype == np.uint8 and images.train.labels.dtype == np.int32
    assert images.train.images.max() == 255  # 16 was the largest


def test_the_split_is_keyed_by_the_seed():
    first, again, other = (load_images(DIGITS, data_dir=None, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.train.images, again.train.images)
    np.testing.assert_array_equal(first.validation.labels, again.validation.labels)
    assert _rows(first.validation.images) != _rows(other.validation.images)


def test_resolution_takes_the_mean_of_each_area():
    half = ImageDataConfig("digits", num_train=10, num_validation=5, resolution=4)
    whole = load_test_images(DIGITS, None).images.astype(np.float64)
    means = whole.reshape(297, 4, 2, 4, 2, 1).mean(axis=(2, 4))
    np.testing.assert_array_equal(load_test_images(half, None).images, np.rint(means))
    assert load_images(half, data_dir=None, seed=0).image_shape == (4, 4, 1)


@pytest.mark.parametrize("resolution", [1, 2, 3, 5, 7])
def test_resolution_as_tensorflow_reduces(resolution):
    config = ImageDataConfig("digits", num_train=10, num_validation=5, resolution=resolution)
    whole = load_test_images(DIGITS, None).images
    twin = tf.image.resize(whole, (resolution, resolution), method="area").numpy()
    images = load_test_images(config, None).images
    if 8 % resolution == 0:
        np.testing.assert_array_equal(images, np.rint(twin))
    else:  # where a mean is a half, the last bit of TensorFlow's decides which way it rounds
        assert np.abs(images - twin).max() < 0.501


def test_too_many_images_are_refused():
    with pytest.raises(InputError, match=r"45000 \+ 5000 = 50000, above the 1500 .* digits"):
        load_images(ImageDataConfig("digits"), data_dir=None, seed=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dataset": "imagenet"}, "dataset is 'imagenet', not one of cifar10, digits"),
        ({"num_train": 0}, "num_train is 0, below 1"),
        ({"num_validation": -1}, "num_validation is -1, below 1"),
        ({"resolution": 64}, "resolution is 64, not between 1 and the 32 pixels of cifar10"),
    ],
)
def test_values_that_cannot_be_used(values, message):
    with pytest.raises(InputError, match=message):
        ImageDataConfig(**values)


def test_a_data_dir_without_the_data_set(tmp_path):
    with pytest.raises(InputError, match=r"data_dir .* looked for .*cifar10.*dataset_info.json"):
        load_images(ImageDataConfig(), data_dir=str(tmp_path), seed=0)
    with pytest.raises(InputError, match="data_dir is '/no/such/place', which is no directory"):
        load_test_images(ImageDataConfig(), "/no/such/place")
    for name in ("a\0b", "\ud800", "x" * 5000, "~nosuchuser/x"):
        with pytest.raises(InputError, match=r"data_dir is .* no directory"):
            load_test_images(ImageDataConfig(), name)
    assert not list(tmp_path.iterdir())


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)  # an import of it now fails
    with pytest.raises(InputError, match="extra 'digits'"):
        load_test_images(DIGITS, None)


def test_cifar10_as_prepared():
    data_dir = _cifar10_dir()
    images = load_images(ImageDataConfig(), data_dir=data_dir, seed=0)
    assert images.train.images.shape == (45_000, 32, 32, 3)
    assert images.validation.images.shape == (5_000, 32, 32, 3)
    labels = np.concatenate([images.train.labels, images.validation.labels])
    np.testing.assert_array_equal(np.bincount(labels), [5_000] * 10)
    test = load_test_images(ImageDataConfig(), data_dir)
    np.testing.assert_array_equal(np.bincount(test.labels), [1_000] * 10)


def test_whitening_gives_each_image_mean_0_and_variance_1():
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    twin = (images - mean) / images.std(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(whiten(tf.constant(images)), twin, atol=1e-5)
    grey = np.full((1, 8, 8, 3), 7, np.uint8)
    grey[0, 0, 0, 0] = 8  # so alike that the divisor is its least value
    for each in (images, grey):
        standardized = tf.image.per_image_standardization(each)
        np.testing.assert_allclose(whiten(tf.constant(each)), standardized, atol=1e-6)
    spread = np.float32(grey - grey.mean()) * np.sqrt(192)
    np.testing.assert_allclose(whiten(tf.constant(grey)), spread, atol=1e-5)


def test_an_upsampled_crop_is_a_part_of_the_upsampled_image():
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype(np.float32)
    offsets = np.array([[0, 3], [2, 0], [3, 1]], np.int32)
    upsampled = tf.image.resize(images, (11, 11), method="bilinear").numpy()
    twin = [
        x[row : row + 8, column : column + 8]
        for x, (row, column) in zip(upsampled, offsets, strict=True)
    ]
    twin[1] = twin[1][:, ::-1]
    crops = upsampled_crop(
        tf.constant(images),
        11,
        offsets=tf.constant(offsets),
        flips=tf.constant([False, True, False]),
    )
    np.testing.assert_allclose(crops, twin, atol=1e-4)
    middle = central_crop(tf.constant(images), 12)
    upsampled = tf.image.resize(images, (12, 12), method="bilinear").numpy()
    np.testing.assert_allclose(middle, upsampled[:, 2:10, 2:10], atol=1e-4)
