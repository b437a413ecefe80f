"""Training of one ConvNet child (Zoph & Le, 2016, section 4.1), on either backend.

The main path is `evaluate_convnet`: build, train, measure, forget, on TensorFlow without a Keras
model (`tf_program`). The epochs of a model are the backend's (`tf_epochs`, `jax_epochs`). Every
random draw is keyed by (seed, epoch, step), so the same seed gives the same child.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from nas_with_rl.child_models.child_in_training import ChildInTraining, EpochByEpoch, Report
from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import Images
from nas_with_rl.child_models.failures import Stopped
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure, release_child
from nas_with_rl.search_spaces.convnet import ConvNet
from nas_with_rl.search_spaces.errors import InputError

if TYPE_CHECKING:  # a search imports Keras where it trains
    import keras


@dataclasses.dataclass(frozen=True)
class ConvNetResult:
    """What a trained child measured.

    Attributes:
      validation_accuracy: after each epoch, in [0, 1].
      train_loss: mean cross-entropy of each epoch, in nats, without the weight decay.
      num_parameters: trainable ones.
      seconds: of training and measuring, the time to compile included.
    """

    validation_accuracy: tuple[float, ...]
    train_loss: tuple[float, ...]
    num_parameters: int
    seconds: float


def evaluate_convnet(
    convnet: ConvNet,
    images: Images,
    config: ImageTraining,
    *,
    seed: int,
    report: Report | None = None,
) -> ConvNetResult:
    """Build a ConvNet, train it, and leave nothing behind but, on TensorFlow, its program.

    The programs of the last few networks are kept: the same network, with the same config and as
    many images, is not compiled again.

    Args:
      convnet: as predicted; a learning rate of its own replaces the config's.
      images: what to train and measure on.
      config: how to train.
      seed: the key of the weights' first values and of every draw of the training.
      report: called after each epoch; what it raises ends the training, `Stopped` with what was
        measured until then.

    Raises:
      ChildFailure: "diverged" when an epoch's loss is not finite, "out_of_memory".
      InputError: the images do not fit the config (`check_images`).
    """
    check_images(images, config)
    config = training_of(convnet, config)
    try:
        with out_of_memory_is_a_failure():
            return _evaluated(convnet, images, config, seed=seed, report=report)
    finally:
        release_child()


def _evaluated(
    convnet: ConvNet, images: Images, config: ImageTraining, *, seed: int, report: Report | None
) -> ConvNetResult:
    """Do the work of `evaluate_convnet`; its own function, so that no local outlives the child."""
    import keras

    if keras.backend.backend() == "jax":
        model = new_convnet(convnet, images, config, seed=seed)
        return train_convnet(model, images, config, seed=seed, report=report)
    from nas_with_rl.child_models.convnets.tf_program import PROGRAMS, ConvNetProgram

    start = time.perf_counter()
    sizes = images.train.images.shape, images.validation.images.shape, images.num_classes
    program = (convnet, config, *sizes)
    child = PROGRAMS.take(program)
    if child is None:
        child = ConvNetProgram(convnet, images, config, seed=seed)
    else:
        child.start_over(images, seed=seed)
    result = _trained(child, config, report, start)
    PROGRAMS.keep(program, child)
    return result


def training_of(convnet: ConvNet, config: ImageTraining) -> ImageTraining:
    """Return the config with the learning rate that the architecture chose, if it chose one."""
    if convnet.learning_rate is None:
        return config
    return dataclasses.replace(config, learning_rate=convnet.learning_rate)


def new_convnet(
    convnet: ConvNet, images: Images, config: ImageTraining, *, seed: int
) -> keras.Model:
    """Build the untrained network for the given images."""
    from nas_with_rl.child_models.convnets.builder import build_convnet

    return build_convnet(
        convnet,
        image_shape=images.image_shape,
        num_classes=images.num_classes,
        batch_norm_epsilon=config.batch_norm_epsilon,
        seed=seed,
    )


def train_convnet(
    model: keras.Model,
    images: Images,
    config: ImageTraining,
    *,
    seed: int,
    report: Report | None = None,
) -> ConvNetResult:
    """Train a model in place and measure it after each epoch; see `evaluate_convnet`."""
    check_images(images, config)
    start = time.perf_counter()
    with out_of_memory_is_a_failure():
        child = in_training(model, images, config, seed=seed)
        return _trained(child, config, report, start)


def _trained(
    child: EpochByEpoch, config: ImageTraining, report: Report | None, start: float
) -> ConvNetResult:
    """Train a child from the first epoch to the last; `start` is when the time began."""
    losses: list[float] = []
    accuracies: list[float] = []
    for epoch in range(1, config.epochs + 1):
        losses.append(child.train_epoch(epoch))
        accuracies.append(child.validate())
        try:
            if report is not None:
                report(epoch, losses[-1], accuracies[-1])
        except Stopped:
            break
    return ConvNetResult(
        validation_accuracy=tuple(accuracies),
        train_loss=tuple(losses),
        num_parameters=child.num_parameters,
        seconds=time.perf_counter() - start,
    )


def in_training(
    model: keras.Model, images: Images, config: ImageTraining, *, seed: int
) -> ChildInTraining:
    """Return a model with its optimizer, its data and the epochs of Keras's backend."""
    import keras

    if keras.backend.backend() == "jax":
        from nas_with_rl.child_models.convnets import jax_epochs

        return jax_epochs.ConvNetInTraining(model, images, config, seed=seed)
    from nas_with_rl.child_models.convnets import tf_epochs

    return tf_epochs.ConvNetInTraining(model, images, config, seed=seed)


def check_images(images: Images, config: ImageTraining) -> None:
    """Raise InputError unless the images can train a child as configured."""
    if len(images.train) < config.batch_size:
        raise InputError(
            f"batch_size is {config.batch_size}, above the {len(images.train)} images that train "
            "a child (num_train)"
        )
    if not len(images.validation):
        raise InputError("num_validation is 0: without images there is no reward")
    height, width, _ = images.image_shape
    if config.upsampled_size and (height != width or not 1 <= config.upsampled_size / height <= 2):
        raise InputError(
            f"upsampled_size is {config.upsampled_size}, not between once and twice the "
            f"{height}x{width} pixels of the images (0 for no upsampling)"
        )
