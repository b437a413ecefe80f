"""Training of one ConvNet child (Zoph & Le, 2016, section 4.1), on either backend.

The main path is `evaluate_convnet`: build, train, measure, forget. The epochs themselves are the
backend's (`tf_epochs`, `jax_epochs`). Every random draw is keyed by (seed, epoch,
step), so the same seed gives the same child.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable

import keras

from nas_with_rl.child_models.child_in_training import ChildInTraining
from nas_with_rl.child_models.convnets.builder import build_convnet
from nas_with_rl.child_models.data.images import Images
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure, release_child
from nas_with_rl.search_spaces.convnet import ConvNet
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields, check_range

# Called after each epoch with (epoch from 1, training loss, validation accuracy).
Report = Callable[[int, float, float], None]

MAX_EPOCHS, MAX_BATCH, MAX_UPSAMPLED = 1_000_000, 1_000_000, 1_024


@dataclasses.dataclass(frozen=True)
class ImageTraining:
    """How a ConvNet child is trained.

    The paper states the epochs, the optimiser (Nesterov momentum 0.9), the learning rate, the
    weight decay, whitening, "upsample, then random 32x32 crop", and flips. It leaves open what
    is marked "here", for which it refers to Huang et al. (2016a), whose code is followed.

    Attributes:
      epochs: passes over the training images. The paper's: 50.
      batch_size: here 64.
      learning_rate: at the start. The paper's: 0.1.
      momentum: Nesterov's. The paper's: 0.9.
      weight_decay: λ of the λw that is added to each weight's gradient. The paper's: 1e-4.
      decay_epochs: fractions of `epochs` after which the learning rate is multiplied by
        `decay_factor`. Here 1/2 and 3/4.
      decay_factor: here 0.1.
      upsampled_size: height and width to which images are upsampled before the crop, 0 for
        neither. Here 36, which moves a 32x32 crop by 4 pixels at most.
      flip: whether images are flipped left to right at random. The paper's: yes. (Never digits.)
      batch_norm_epsilon: what batch normalisation adds to the variance. Here Keras's 1e-3; the
        paper searches it for its final network.
      jit_compile: XLA in the place of TensorFlow's own kernels, in all of a step but its crops. On
        CPUs a child takes 2 to 3 s longer to compile, and its steps up to twice as long; on GPUs
        it has not been measured. Keras's JAX backend has XLA whatever this says.
    """

    epochs: int = 50
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    decay_epochs: tuple[float, ...] = (0.5, 0.75)
    decay_factor: float = 0.1
    upsampled_size: int = 36
    flip: bool = True
    batch_norm_epsilon: float = 1e-3
    jit_compile: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        check_range(self, ["epochs"], least=1, most=MAX_EPOCHS)
        check_range(self, ["batch_size"], least=1, most=MAX_BATCH)
        check_range(self, ["upsampled_size"], least=0, most=MAX_UPSAMPLED)
        for name in ("learning_rate", "decay_factor", "batch_norm_epsilon"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}, not above 0 and finite")
        if not 0 <= self.weight_decay < math.inf:
            raise InputError(f"weight_decay is {self.weight_decay}, below 0 or not finite")
        if not 0 <= self.momentum < 1:
            raise InputError(f"momentum is {self.momentum}, not at least 0 and below 1")
        for fraction in self.decay_epochs:
            if not 0 < fraction <= 1:
                raise InputError(f"decay_epochs has {fraction}, not above 0 and at most 1")

    def learning_rate_at(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 1."""
        decays = sum(epoch > fraction * self.epochs for fraction in self.decay_epochs)
        return self.learning_rate * self.decay_factor**decays


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
      report: called after each epoch; what it raises ends the training.

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
    model = new_convnet(convnet, images, config, seed=seed)
    if keras.backend.backend() == "jax":
        return train_convnet(model, images, config, seed=seed, report=report)
    from nas_with_rl.child_models.convnets.tf_epochs import PROGRAMS, ConvNetInTraining

    start = time.perf_counter()
    sizes = images.train.images.shape, images.validation.images.shape, images.num_classes
    program = (convnet, config, *sizes)
    child = PROGRAMS.take(program)
    if child is None:
        child = ConvNetInTraining(model, images, config, seed=seed)
    else:
        child.start_over(model, images, seed=seed)
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
    child: ChildInTraining, config: ImageTraining, report: Report | None, start: float
) -> ConvNetResult:
    """Train a child from the first epoch to the last; `start` is when the time began."""
    losses: list[float] = []
    accuracies: list[float] = []
    for epoch in range(1, config.epochs + 1):
        losses.append(child.train_epoch(epoch))
        accuracies.append(child.validate())
        if report is not None:
            report(epoch, losses[-1], accuracies[-1])
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
