"""Images and their labels: CIFAR-10, and scikit-learn's digits for quick runs.

The training set is split at random, keyed by the seed, into what trains a child and what its
reward is measured on (Zoph & Le, 2016, section 4.1: 45,000 and 5,000). The test set is loaded by
a function of its own, because it is to be used once, on the final network. What a child sees of
an image is at the end: `whiten`, then a random `upsampled_crop` in training and `central_crop`
elsewhere, on whichever backend Keras runs. (The draws are the training's, for each backend has
random numbers of its own.)

Shapes: N images in a data set, B in a batch, H height, W width (S where both are the same),
C channels.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np

from nas_with_rl.child_models.data.image_sources import NUM_CLASSES, permutation, read_split
from nas_with_rl.child_models.tensors import Tensor
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields

DatasetName = Literal["cifar10", "digits"]
SIDES = {"cifar10": 32, "digits": 8}  # pixels
CHANNELS = {"cifar10": 3, "digits": 1}


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

    dataset: DatasetName = "cifar10"
    num_train: int = 45_000
    num_validation: int = 5_000
    resolution: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("num_train", "num_validation"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}, below 1")
        if not 0 <= self.resolution <= SIDES[self.dataset]:
            raise InputError(
                f"resolution is {self.resolution}, not between 1 and the {SIDES[self.dataset]} "
                f"pixels of {self.dataset} (0 keeps them)"
            )

    @property
    def has_test(self) -> bool:
        """Whether there is a test split."""
        return True

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the images as they are loaded."""
        side = self.resolution or SIDES[self.dataset]
        return side, side, CHANNELS[self.dataset]


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
      data_dir: where `tensorflow_datasets` has prepared the data set, or the directory of a
        `cifar10.npz` (`image_sources`); it is used as it is. None: the library's own directory,
        into which the data set is downloaded unless it is there. Digits come with scikit-learn
        and need none.
      seed: the key of the split.

    Raises:
      InputError: more images are asked for than there are, or there is no data set.
    """
    everything = LabelledImages(*read_split(config.dataset, "train", data_dir))
    wanted = config.num_train + config.num_validation
    if wanted > len(everything):
        raise InputError(
            f"num_train + num_validation is {config.num_train} + {config.num_validation} = "
            f"{wanted}, above the {len(everything)} training images of {config.dataset}"
        )
    order = permutation(len(everything), seed)
    return Images(
        train=_reduced(_take(everything, order[: config.num_train]), config.resolution),
        validation=_reduced(_take(everything, order[config.num_train : wanted]), config.resolution),
        num_classes=NUM_CLASSES,
    )


def load_test_images(config: ImageDataConfig, data_dir: str | None) -> LabelledImages:
    """Load the whole test set: for one final measurement, never for a search.

    Args and errors are those of `load_images`.
    """
    everything = LabelledImages(*read_split(config.dataset, "test", data_dir))
    return _reduced(everything, config.resolution)


def check_test_images(config: ImageDataConfig, data_dir: str | None) -> None:
    """Raise the InputError that `load_test_images` would: now, not after the last epoch."""
    read_split(config.dataset, "test", data_dir)


def _take(images: LabelledImages, indices: np.ndarray) -> LabelledImages:
    return LabelledImages(images.images[indices], images.labels[indices])


def _reduced(images: LabelledImages, resolution: int) -> LabelledImages:
    size = images.images.shape[1]
    if resolution in (0, size):
        return images
    means = _area_means(size, resolution)  # [R, S]
    parts = []
    for part in np.array_split(images.images, -(-len(images) // 1000)):  # floats are larger
        batch, _, _, channels = part.shape
        rows = means @ part.reshape(batch, size, size * channels)  # [B, R, S·C]
        parts.append(means @ rows.reshape(batch, resolution, size, channels))  # [B, R, R, C]
    return LabelledImages(np.rint(np.concatenate(parts)).astype(np.uint8), images.labels)


def _area_means(size: int, resolution: int) -> np.ndarray:
    """Return `[R, S]`: the share of each of S pixels in each of R stretches of S/R pixels."""
    starts = np.arange(resolution)[:, np.newaxis] * size / resolution  # [R, 1]
    pixels = np.arange(size)
    overlap = np.minimum(pixels + 1, starts + size / resolution) - np.maximum(pixels, starts)
    return np.clip(overlap, 0, 1) * resolution / size


def whiten(images: Tensor) -> Tensor:
    """Give each image `[H, W, C]` of B mean 0 and variance 1, as float32.

    The divisor is at least 1 / sqrt(H·W·C), for images of one colour.

    Paper: "whitening all the images"; here: per image, by what TensorFlow then called
    `per_image_whitening` and now `tf.image.per_image_standardization`.
    """
    import keras

    images = keras.ops.cast(images, "float32")
    centred = images - keras.ops.mean(images, axis=(1, 2, 3), keepdims=True)
    variance = keras.ops.mean(keras.ops.square(centred), axis=(1, 2, 3), keepdims=True)
    smallest = 1 / math.sqrt(math.prod(images.shape[1:]))
    return centred / keras.ops.maximum(keras.ops.sqrt(variance), smallest)


def num_offsets(upsampled_size: int, size: int) -> int:
    """Return how many offsets a crop of S pixels has in each direction of an upsampled image."""
    return max(upsampled_size - size, 0) + 1


def central_crop(images: Tensor, upsampled_size: int) -> Tensor:
    """Upsample `[B, S, S, C]` and crop the middle, so that things are as large as in training."""
    if not upsampled_size:
        return images
    import keras

    batch_size, size = keras.ops.shape(images)[0], images.shape[1]
    offsets = keras.ops.full((batch_size, 2), (upsampled_size - size) // 2, dtype="int32")
    flips = keras.ops.zeros((batch_size,), dtype="bool")
    return upsampled_crop(images, upsampled_size, offsets=offsets, flips=flips)


def upsampled_crop(
    images: Tensor, upsampled_size: int, *, offsets: Tensor, flips: Tensor
) -> Tensor:
    """Upsample bilinearly, cut out `[S, S]` and flip, in one interpolation per image.

    The pixel x of a crop at offset o of an image upsampled from S to U lies at (x + o + ½)·S/U - ½
    of that image, and at the same with S - 1 - x in the place of x if the crop is flipped.

    Args:
      images: `[B, S, S, C]`.
      upsampled_size: U, at least S.
      offsets: `[B, 2]`, of each crop's upper left corner, (row, column), from 0 to U - S.
      flips: `[B]`, whether each crop is flipped left to right.
    """
    import keras

    size = images.shape[1]
    scale = size / upsampled_size
    offsets = keras.ops.cast(offsets, "float32") + 0.5
    rows, columns = offsets[:, 0], offsets[:, 1]
    direction = keras.ops.where(flips, -1.0, 1.0)
    columns = keras.ops.where(flips, columns + (size - 1), columns)
    zeros, ones = keras.ops.zeros_like(rows), keras.ops.ones_like(rows)
    # [B, 8]: x_in = a0·x + a1·y + a2, y_in = b0·x + b1·y + b2, and no perspective
    x_in = (direction * scale, zeros, columns * scale - 0.5)
    y_in = (zeros, ones * scale, rows * scale - 0.5)
    transforms = keras.ops.stack([*x_in, *y_in, zeros, zeros], axis=1)
    return keras.ops.image.affine_transform(
        images, transforms, fill_mode="nearest", data_format="channels_last"
    )
