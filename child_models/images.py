"""Images and their labels: CIFAR-10, and scikit-learn's digits for quick runs.

The training set is split at random, keyed by the seed, into what trains a child and what its
reward is measured on (Zoph & Le, 2016, section 4.1: 45,000 and 5,000). The test set is loaded by
a function of its own, because it is to be used once, on the final network. What a child sees of
an image is at the end: `whiten`, then `augment` in training and `central_crop` elsewhere.

Shapes: N images in a data set, B in a batch, H height, W width (S where both are the same),
C channels.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

import keras
import numpy as np
import tensorflow as tf

from nas_with_rl.search_spaces.errors import InputError

DatasetName = Literal["cifar10", "digits"]
DATASETS: tuple[str, ...] = get_args(DatasetName)
NUM_CLASSES = 10  # of either
SIDES = {"cifar10": 32, "digits": 8}  # pixels
NUM_DIGITS_FOR_TEST = 297  # of 1,797
DIGITS_TEST_SEED = 0  # the test images are the same whatever the seed of a search


@dataclasses.dataclass(frozen=True)
class ImageDataConfig:
    """Which images, and how many.

    Attributes:
      dataset: "cifar10" (50,000 + 10,000 for the test, 32x32x3) or "digits" (1,500 + 297 for the
        test, 8x8x1).
      num_train: images that train a child. The paper's: 45,000.
      num_validation: images that its reward is measured on, none of the former. The paper's: 5,000.
      resolution: height and width that the images are reduced to once, at load time, each pixel
        the mean of the area it covers; 0 keeps the data set's own.
    """

    dataset: str = "cifar10"
    num_train: int = 45_000
    num_validation: int = 5_000
    resolution: int = 0

    def __post_init__(self) -> None:
        if self.dataset not in DATASETS:
            raise InputError(f"dataset is {self.dataset!r}, not one of {', '.join(DATASETS)}")
        for name in ("num_train", "num_validation"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}, below 1")
        if not 0 <= self.resolution <= SIDES[self.dataset]:
            raise InputError(
                f"resolution is {self.resolution}, not between 1 and the {SIDES[self.dataset]} "
                f"pixels of {self.dataset} (0 keeps them)"
            )


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images `[N, H, W, C]` of type uint8 and their labels `[N]` of type int32."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """What trains a child and what its reward is measured on; disjoint."""

    train: LabelledImages
    validation: LabelledImages
    num_classes: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels


def load_images(config: ImageDataConfig, *, data_dir: str | None, seed: int) -> Images:
    """Load the training set and split it at random.

    Args:
      config: which images, and how many.
      data_dir: where `tensorflow_datasets` has prepared the data set; it is used as it is. None:
        the library's own directory, into which the data set is downloaded unless it is there.
        Digits come with scikit-learn and need none.
      seed: the key of the split.

    Raises:
      InputError: more images are asked for than there are, or there is no data set.
    """
    everything = _load(config.dataset, "train", data_dir)
    wanted = config.num_train + config.num_validation
    if wanted > len(everything):
        raise InputError(
            f"num_train + num_validation is {config.num_train} + {config.num_validation} = "
            f"{wanted}, above the {len(everything)} training images of {config.dataset}"
        )
    order = _permutation(len(everything), seed)
    return Images(
        train=_reduced(_take(everything, order[: config.num_train]), config.resolution),
        validation=_reduced(_take(everything, order[config.num_train : wanted]), config.resolution),
        num_classes=NUM_CLASSES,
    )


def load_test_images(config: ImageDataConfig, data_dir: str | None) -> LabelledImages:
    """Load the whole test set: for one final measurement, never for a search.

    Args and errors are those of `load_images`.
    """
    return _reduced(_load(config.dataset, "test", data_dir), config.resolution)


def _load(dataset: str, split: Literal["train", "test"], data_dir: str | None) -> LabelledImages:
    return _load_digits(split) if dataset == "digits" else _load_tfds(dataset, split, data_dir)


def _load_digits(split: Literal["train", "test"]) -> LabelledImages:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError(
            "dataset 'digits' needs scikit-learn, the extra 'digits' of this package: "
            "pip install 'nas_with_rl[digits]'"
        ) from error
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]  # was 0 to 16
    everything = LabelledImages(images, digits.target.astype(np.int32))
    order = _permutation(len(everything), DIGITS_TEST_SEED)
    test, train = np.split(order, [NUM_DIGITS_FOR_TEST])
    return _take(everything, test if split == "test" else train)


def _load_tfds(
    dataset: str, split: Literal["train", "test"], data_dir: str | None
) -> LabelledImages:
    import tensorflow_datasets as tfds  # inside: slow to import, and digits need none of it

    if data_dir is not None and not tf.io.gfile.isdir(data_dir):
        raise InputError(f"--data_dir is {data_dir!r}, which is no directory")
    try:
        builder = tfds.builder(dataset, data_dir=data_dir)
        if data_dir is not None:  # a directory that was named is never written to
            _check_prepared(builder, data_dir)
        builder.download_and_prepare()  # returns at once where the data set is prepared
        # As one batch: the library decodes in parallel, 50,000 images in 4 s on 2 cores.
        batch = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
    except InputError:
        raise
    except (OSError, ValueError, tf.errors.OpError, tfds.download.DownloadError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"data set {dataset!r} cannot be had from {data_dir or 'its public address'} "
            f"(--data_dir names a directory where it is prepared): {reason}"
        ) from error
    return LabelledImages(batch["image"], batch["label"].astype(np.int32))


def _check_prepared(builder, data_dir: str) -> None:
    if not builder.is_prepared():
        raise InputError(
            f"--data_dir is {data_dir!r}, which does not hold the data set {builder.name!r}: "
            f"looked for {builder.data_dir}/dataset_info.json"
        )


def _permutation(size: int, seed: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=seed)).permutation(size)


def _take(images: LabelledImages, indices: np.ndarray) -> LabelledImages:
    return LabelledImages(images.images[indices], images.labels[indices])


def _reduced(images: LabelledImages, resolution: int) -> LabelledImages:
    if resolution in (0, images.images.shape[1]):
        return images
    parts = [  # in parts, because as float32 the whole is four times as large
        tf.image.resize(part, (resolution, resolution), method="area").numpy()
        for part in np.array_split(images.images, -(-len(images) // 1000))
    ]
    return LabelledImages(np.rint(np.concatenate(parts)).astype(np.uint8), images.labels)


def whiten(images: tf.Tensor) -> tf.Tensor:
    """Give each image mean 0 and variance 1 over its pixels and channels, as float32.

    Paper: "whitening all the images"; here: per image, by what TensorFlow then called
    `per_image_whitening`.
    """
    return tf.image.per_image_standardization(images)


def augment(images: tf.Tensor, upsampled_size: int, *, flip: bool, seed: tf.Tensor) -> tf.Tensor:
    """Upsample, crop at random and flip at random, each image `[S, S, C]` of B on its own.

    Args:
      images: `[B, S, S, C]`.
      upsampled_size: height and width after upsampling, at least S; 0 for neither that nor a crop.
      flip: whether to flip left to right with probability 1/2.
      seed: `[2]`, the key of the draws.
    """
    if not upsampled_size and not flip:
        return images
    batch_size, size = images.shape[0], images.shape[1]
    num_offsets = max(upsampled_size - size, 0) + 1
    crop_seed, flip_seed = (tf.random.experimental.stateless_fold_in(seed, i) for i in range(2))
    offsets = tf.random.stateless_uniform([batch_size, 2], crop_seed, 0, num_offsets, tf.int32)
    flips = tf.random.stateless_uniform([batch_size], flip_seed) < (0.5 if flip else 0.0)
    return upsampled_crop(images, upsampled_size or size, offsets=offsets, flips=flips)


def central_crop(images: tf.Tensor, upsampled_size: int) -> tf.Tensor:
    """Upsample `[B, S, S, C]` and crop the middle, so that things are as large as in training."""
    if not upsampled_size:
        return images
    batch_size, size = tf.shape(images)[0], images.shape[1]
    offsets = tf.fill([batch_size, 2], (upsampled_size - size) // 2)
    flips = tf.zeros([batch_size], tf.bool)
    return upsampled_crop(images, upsampled_size, offsets=offsets, flips=flips)


def upsampled_crop(
    images: tf.Tensor, upsampled_size: int, *, offsets: tf.Tensor, flips: tf.Tensor
) -> tf.Tensor:
    """Upsample bilinearly, cut out `[S, S]` and flip, in one interpolation per image.

    The pixel x of a crop at offset o of an image upsampled from S to U lies at (x + o + ½)·S/U - ½
    of that image, and at the same with S - 1 - x in the place of x if the crop is flipped.

    Args:
      images: `[B, S, S, C]`.
      upsampled_size: U, at least S.
      offsets: `[B, 2]`, of each crop's upper left corner, (row, column), from 0 to U - S.
      flips: `[B]`, whether each crop is flipped left to right.
    """
    size = images.shape[1]
    scale = size / upsampled_size
    rows, columns = tf.unstack(tf.cast(offsets, tf.float32) + 0.5, axis=1)
    direction = tf.where(flips, -1.0, 1.0)
    columns = tf.where(flips, columns + (size - 1), columns)
    zeros, ones = tf.zeros_like(rows), tf.ones_like(rows)
    # [B, 8]: x_in = a0·x + a1·y + a2, y_in = b0·x + b1·y + b2, and no perspective
    x_in = (direction * scale, zeros, columns * scale - 0.5)
    y_in = (zeros, ones * scale, rows * scale - 0.5)
    transforms = tf.stack([*x_in, *y_in, zeros, zeros], axis=1)
    return keras.ops.image.affine_transform(
        images, transforms, fill_mode="nearest", data_format="channels_last"
    )
