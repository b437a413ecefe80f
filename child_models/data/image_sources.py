"""Where whole data sets of images come from: tensorflow_datasets, an .npz file, scikit-learn.

CIFAR-10 is read through TensorFlow from what `tensorflow_datasets` has prepared, or from a file
`cifar10.npz` in the same place, which needs NumPy alone. Its arrays are x_train, y_train, x_test
and y_test, as `keras.datasets.cifar10.load_data()` gives them. `write_cifar10_npz` makes it from a
prepared data set, in the same order, so that a seed's split is the same from either:

    python -c "import nas_with_rl as nas; nas.write_cifar10_npz('tfds', 'data/cifar10.npz')"

A split is its images [N, H, W, C] of type uint8 and their labels [N] of type int32.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

import numpy as np

from nas_with_rl.search_spaces.errors import LONGEST_PATH, InputError, shortened, shown, shown_path

Split = tuple[np.ndarray, np.ndarray]
SplitName = Literal["train", "test"]

NPZ_FILE = "cifar10.npz"
NUM_CLASSES = 10  # of either data set
NUM_DIGITS_FOR_TEST = 297  # of 1,797
DIGITS_TEST_SEED = 0  # the test images are the same whatever the seed of a search
# What TensorFlow and its data sets say before an error's own message.
_IN_FRONT = re.compile(r'^(\{\{.*?\}\} |.*builder_kwargs ".*?": )')


def read_split(dataset: str, split: SplitName, data_dir: str | None) -> Split:
    """Return a split of CIFAR-10 or of the digits, whole.

    Args:
      dataset: "cifar10" or "digits".
      split: which one.
      data_dir: as in `load_images`.

    Raises:
      InputError: there is no data set, a file that holds another, or one that is damaged.
    """
    if dataset == "digits":
        return _read_digits(split)
    if data_dir is not None and os.path.isfile(path := os.path.join(data_dir, NPZ_FILE)):
        return _read_npz(path, split)
    return _read_tfds(dataset, split, _prepared_in(data_dir))


def _prepared_in(data_dir: str | None) -> str | None:
    """Return the directory `tfds` in a data directory, where there is one."""
    below = os.path.join(data_dir or "", "tfds")
    return below if data_dir and os.path.isdir(below) else data_dir


def write_cifar10_npz(data_dir: str, path: str | Path) -> None:
    """Write CIFAR-10, prepared by `tensorflow_datasets` in `data_dir`, as one .npz file."""
    x_train, y_train = _read_tfds("cifar10", "train", data_dir)
    x_test, y_test = _read_tfds("cifar10", "test", data_dir)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


def permutation(size: int, seed: int) -> np.ndarray:
    """Return the numbers below `size` in an order keyed by the seed."""
    return np.random.Generator(np.random.Philox(key=seed)).permutation(size)


def _read_npz(path: str, split: SplitName) -> Split:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images, labels = arrays[f"x_{split}"], arrays[f"y_{split}"]
    except Exception as error:  # what a damaged file makes NumPy, zipfile and zlib raise
        raise InputError(
            f"{shown_path(path)} cannot be read as CIFAR-10: {_reason(error)}"
        ) from None
    if images.dtype != np.uint8 or images.shape[1:] != (32, 32, 3):
        raise InputError(
            f"{shown_path(path)} is not CIFAR-10: x_{split} is {_described(images)}, not uint8 "
            "[N, 32, 32, 3]"
        )
    return images, _checked_labels(labels, len(images), f"y_{split} of {shown_path(path)}")


def _checked_labels(labels: np.ndarray, num_images: int, where: str) -> np.ndarray:
    """Return labels as int32 [N]; InputError unless there is one of the classes per image."""
    if labels.dtype.kind not in "iu" or labels.shape not in ((num_images,), (num_images, 1)):
        raise InputError(
            f"{where} is {_described(labels)}, not integers [{num_images}], one for each image"
        )
    if not num_images:
        raise InputError(f"{where} is empty: there is no image")
    least, greatest = int(labels.min()), int(labels.max())
    if least < 0 or greatest >= NUM_CLASSES:
        raise InputError(
            f"{where} has labels from {least} to {greatest}, not from 0 to {NUM_CLASSES - 1}"
        )
    return labels.reshape(-1).astype(np.int32)


def _described(array: np.ndarray) -> str:
    return f"{shortened(str(array.dtype))} {list(array.shape)}"


def _reason(error: Exception) -> str:
    """Return an error's first line, without what is in front of its message."""
    text = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return shortened(re.sub(_IN_FRONT, "", text), LONGEST_PATH)


def _read_digits(split: SplitName) -> Split:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError(
            "dataset 'digits' needs scikit-learn, the extra 'digits' of this package: "
            "pip install 'nas_with_rl[digits]'"
        ) from error
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]  # was 0 to 16
    order = permutation(len(images), DIGITS_TEST_SEED)
    test, train = np.split(order, [NUM_DIGITS_FOR_TEST])
    chosen = test if split == "test" else train
    return images[chosen], digits.target[chosen].astype(np.int32)


def _read_tfds(dataset: str, split: SplitName, data_dir: str | None) -> Split:
    try:
        # Inside: slow to import, and nothing else here needs them.
        import tensorflow as tf
        import tensorflow_datasets as tfds
    except ImportError:
        raise InputError(
            f"data set {dataset!r} is read through TensorFlow and tensorflow_datasets, which are "
            f"not installed; without them data_dir is a directory that holds {NPZ_FILE}"
        ) from None
    try:
        is_there = data_dir is None or tf.io.gfile.isdir(data_dir)
    except ValueError:  # TensorFlow takes no names that are not UTF-8
        is_there = False
    if not is_there:
        raise InputError(f"data_dir is {shown(data_dir, LONGEST_PATH)}, which is no directory")
    try:
        builder = tfds.builder(dataset, data_dir=data_dir)
    except Exception as error:  # of the library, of its JSON and its protocol buffers
        place = f"{data_dir}'s dataset_info.json" if data_dir else "its public address"
        raise _not_had(dataset, place, error) from error
    if data_dir is not None:  # a directory that was named is never written to
        _check_prepared(builder, data_dir)
    try:
        builder.download_and_prepare()  # returns at once where the data set is prepared
        # As one batch: the library decodes in parallel, 50,000 images in 4 s on 2 cores.
        batch = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
    except Exception as error:  # of the library, of TensorFlow and of the network
        raise _not_had(dataset, f"{builder.data_dir}, split {split!r}", error) from error
    images = batch["image"]
    where = f"label of {builder.data_dir}, split {split!r},"
    return images, _checked_labels(batch["label"], len(images), where)


def _not_had(dataset: str, where: str, error: Exception) -> InputError:
    return InputError(
        f"data set {dataset!r} cannot be had from {shown_path(where)} (data_dir names a directory "
        f"where it is prepared): {_reason(error)}"
    )


def _check_prepared(builder, data_dir: str) -> None:
    if not builder.is_prepared():
        raise InputError(
            f"data_dir is {shown(data_dir, LONGEST_PATH)}, which does not hold the data set "
            f"{builder.name!r}: looked for {builder.data_dir}/dataset_info.json and {NPZ_FILE}"
        )
