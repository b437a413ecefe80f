"""Tests of where images come from: CIFAR-10 as an .npz file."""

import os
import re

import numpy as np
import pytest

from nas_with_rl.child_models.image_sources import NPZ_FILE, read_split, write_npz
from nas_with_rl.child_models.images import ImageDataConfig, load_images, load_test_images
from nas_with_rl.search_spaces.errors import InputError


def _arrays() -> dict[str, np.ndarray]:
    """A small CIFAR-10 with the shapes and types of `keras.datasets`."""
    generator = np.random.default_rng(0)
    arrays = {}
    for split, size in (("train", 30), ("test", 10)):
        arrays[f"x_{split}"] = generator.integers(0, 256, (size, 32, 32, 3), dtype=np.uint8)
        arrays[f"y_{split}"] = generator.integers(0, 10, (size, 1), dtype=np.uint8)
    return arrays


def test_an_npz_file_as_keras_gives_its_arrays(tmp_path):
    arrays = _arrays()
    np.savez(tmp_path / NPZ_FILE, **arrays)
    test = load_test_images(ImageDataConfig(), str(tmp_path))
    np.testing.assert_array_equal(test.images, arrays["x_test"])
    np.testing.assert_array_equal(test.labels, arrays["y_test"][:, 0])
    assert test.labels.dtype == np.int32

    config = ImageDataConfig(num_train=20, num_validation=10)
    images = load_images(config, data_dir=str(tmp_path), seed=3)
    rows = [image.tobytes() for part in (images.train, images.validation) for image in part.images]
    assert sorted(rows) == sorted(image.tobytes() for image in arrays["x_train"])
    by_image = dict(zip(rows, [*images.train.labels, *images.validation.labels], strict=True))
    for image, label in zip(arrays["x_train"], arrays["y_train"][:, 0], strict=True):
        assert by_image[image.tobytes()] == label


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_test": None}, "cannot be read as CIFAR-10: .*x_test"),
        ({"y_test": np.zeros(9, int)}, r"x_test is uint8 \[10, 32, 32, 3\], not uint8 \[9, 32,"),
        ({"x_test": np.zeros((10, 32, 32, 3))}, "x_test is float64"),
        ({"y_test": np.array([{}] * 10)}, "cannot be read as CIFAR-10: .*allow_pickle"),
    ],
)
def test_an_npz_file_of_something_else(tmp_path, change, message):
    arrays = {name: array for name, array in (_arrays() | change).items() if array is not None}
    np.savez(tmp_path / NPZ_FILE, **arrays)
    with pytest.raises(InputError, match=re.escape(str(tmp_path)) + ".*" + message):
        read_split("cifar10", "test", str(tmp_path))


def test_an_npz_file_that_is_none(tmp_path):
    (tmp_path / NPZ_FILE).write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(InputError, match="cannot be read as CIFAR-10"):
        read_split("cifar10", "train", str(tmp_path))


def test_the_npz_file_of_a_prepared_data_set_gives_the_same_images(tmp_path):
    if "NAS_WITH_RL_DATA_DIR" not in os.environ:
        pytest.skip("NAS_WITH_RL_DATA_DIR, the folder of the real data, is not set")
    prepared = os.path.join(os.environ["NAS_WITH_RL_DATA_DIR"], "tfds")
    write_npz(prepared, tmp_path / NPZ_FILE)
    for split in ("train", "test"):
        for original, copy in zip(
            read_split("cifar10", split, prepared),
            read_split("cifar10", split, str(tmp_path)),
            strict=True,
        ):
            np.testing.assert_array_equal(original, copy)
