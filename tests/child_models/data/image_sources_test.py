"""Tests of where images come from: CIFAR-10 as an .npz file, or as prepared by another library."""

import json
import os
import re

import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models.data.image_sources import NPZ_FILE, read_split, write_cifar10_npz
from nas_with_rl.child_models.data.images import ImageDataConfig, load_images, load_test_images
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
        ({"x_test": None}, "as CIFAR-10: .*x_test"),
        ({"y_test": None}, "as CIFAR-10: .*y_test"),
        ({"x_test": np.zeros((10, 32, 32, 3))}, "x_test is float64"),
        ({"x_test": np.zeros((10, 32, 32), np.uint8)}, r"x_test is uint8 \[10, 32, 32\], not"),
        ({"x_test": np.zeros((), np.uint8)}, r"x_test is uint8 \[\], not"),
        ({"x_test": np.array([{}] * 10)}, "as CIFAR-10: .*allow_pickle"),
        ({"y_test": np.array([{}] * 10)}, "as CIFAR-10: .*allow_pickle"),
        ({"y_test": np.zeros(9, int)}, r"y_test of .* is int64 \[9\], not integers \[10\]"),
        ({"y_test": np.zeros((10, 10), int)}, r"is int64 \[10, 10\], not integers \[10\]"),
        ({"y_test": np.zeros((1, 10), int)}, r"is int64 \[1, 10\], not"),
        ({"y_test": np.zeros((), int)}, r"is int64 \[\], not"),
        ({"y_test": np.zeros(10)}, "is float64 .*, not integers"),
        ({"y_test": np.zeros(10, bool)}, "is bool .*, not integers"),
        ({"y_test": np.array(["cat"] * 10)}, "is <U3 .*, not integers"),
        ({"y_test": np.arange(1, 11)}, "y_test of .* has labels from 1 to 10, not from 0 to 9"),
        ({"y_test": np.arange(10) - 1}, "has labels from -1 to 8, not from 0 to 9"),
        ({"y_test": np.full(10, 2**64 - 1, np.uint64)}, "to 18446744073709551615, not from"),
        (
            {"x_test": np.zeros((0, 32, 32, 3), np.uint8), "y_test": np.zeros((0, 1), int)},
            "y_test of .* is empty",
        ),
    ],
)
def test_an_npz_file_of_something_else(tmp_path, change, message):
    arrays = {name: array for name, array in (_arrays() | change).items() if array is not None}
    np.savez(tmp_path / NPZ_FILE, **arrays)
    with pytest.raises(InputError, match=message) as error:
        read_split("cifar10", "test", str(tmp_path))
    assert str(tmp_path / NPZ_FILE) in str(error.value) and str(error.value).isprintable()


@pytest.mark.parametrize("damage", ["empty", "cut", "other", "text", "zeros", "changed"])
def test_a_damaged_npz_file(tmp_path, damage):
    path = tmp_path / NPZ_FILE
    np.savez_compressed(path, **_arrays())
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[:half],
            "other": b"PK\x03\x04 and no more",
            "text": b"no archive",
            "zeros": bytes(len(whole)),
            "changed": whole[:300] + bytes(1000) + whole[1300:],
        }[damage]
    )
    with pytest.raises(InputError, match=f"{re.escape(str(path))} .*as CIFAR-10"):
        read_split("cifar10", "train", str(tmp_path))


def test_one_array_in_the_place_of_an_npz_file(tmp_path):
    with open(tmp_path / NPZ_FILE, "wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(InputError, match="as CIFAR-10"):
        read_split("cifar10", "train", str(tmp_path))


def _prepared(directory, labels=range(10)):
    """Write CIFAR-10 of one image a label, as `tensorflow_datasets` prepares it; return where."""
    place = directory / "cifar10" / "3.0.2"
    place.mkdir(parents=True)
    image = tf.io.encode_png(np.zeros((32, 32, 3), np.uint8)).numpy()
    for split in ("train", "test"):
        with tf.io.TFRecordWriter(str(place / f"cifar10-{split}.tfrecord-00000-of-00001")) as file:
            for label in labels:
                features = {
                    "id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"1"])),
                    "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                file.write(example.SerializeToString())
    splits = [
        {
            "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            "name": name,
            "numBytes": "1",
            "shardLengths": [str(len(labels))],
        }
        for name in ("train", "test")
    ]
    info = {"name": "cifar10", "version": "3.0.2", "fileFormat": "tfrecord", "splits": splits}
    (place / "dataset_info.json").write_text(json.dumps(info))
    return place


def test_a_prepared_data_set_and_labels_that_begin_at_1(tmp_path):
    _prepared(tmp_path / "good")
    images, labels = read_split("cifar10", "test", str(tmp_path / "good"))
    assert images.shape == (10, 32, 32, 3) and labels.tolist() == list(range(10))
    _prepared(tmp_path / "shifted", range(1, 11))
    with pytest.raises(InputError, match=r"/3\.0\.2, split 'test', has labels from 1 to 10, not"):
        read_split("cifar10", "test", str(tmp_path / "shifted"))


RECORD = "cifar10-test.tfrecord-00000-of-00001"


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("dataset_info.json", lambda whole: b"", "dataset_info.json .*Failed to load JSON"),
        ("dataset_info.json", lambda whole: whole[:50], "dataset_info.json"),
        ("dataset_info.json", lambda whole: b"\xff", "dataset_info.json"),
        ("dataset_info.json", lambda whole: b"[]", "dataset_info.json"),
        ("dataset_info.json", lambda whole: b"{}", "dataset_info.json"),
        ("dataset_info.json", lambda whole: whole.replace(b"3.0.2", b"9.9.9"), "dataset_info.json"),
        ("dataset_info.json", lambda whole: whole.replace(b'"10"', b'"x"'), "dataset_info.json"),
        ("dataset_info.json", lambda whole: whole.replace(b'"test"', b'"best"'), "split 'test'"),
        ("dataset_info.json", lambda whole: whole.replace(b'"10"', b'"20"'), "split 'test'.*20"),
        (RECORD, lambda whole: None, f"split 'test' .*{RECORD}; No such file"),
        (RECORD, lambda whole: b"", "split 'test' .*contained only 0 elements"),
        (RECORD, lambda whole: whole[:500], "split 'test' .*truncated record"),
        (RECORD, lambda whole: b"junk" * 100, "split 'test' .*corrupted record"),
    ],
)
def test_a_damaged_prepared_data_set(tmp_path, name, damage, message):
    path = _prepared(tmp_path) / name
    damaged = damage(path.read_bytes())
    path.unlink()
    if damaged is not None:
        path.write_bytes(damaged)
    with pytest.raises(InputError, match=message) as error:
        read_split("cifar10", "test", str(tmp_path))
    assert str(tmp_path) in str(error.value) and str(error.value).isprintable()
    assert "{{" not in str(error.value)


@pytest.mark.parametrize("split", ["test", pytest.param("train", marks=pytest.mark.slow)])
def test_the_npz_file_of_a_prepared_data_set_gives_the_same_images(tmp_path, split):
    if "NAS_WITH_RL_DATA_DIR" not in os.environ:
        pytest.skip("NAS_WITH_RL_DATA_DIR, the folder of the real data, is not set")
    prepared = os.path.join(os.environ["NAS_WITH_RL_DATA_DIR"], "tfds")
    write_cifar10_npz(prepared, tmp_path / NPZ_FILE)
    for original, copy in zip(
        read_split("cifar10", split, prepared),
        read_split("cifar10", split, str(tmp_path)),
        strict=True,
    ):
        np.testing.assert_array_equal(original, copy)
