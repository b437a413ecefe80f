"""Training of one ConvNet child (Zoph & Le, 2016, section 4.1).

The main path is `evaluate_convnet`: build, train, measure, forget. A whole epoch is one call of
one compiled function, over images that stay in memory as one uint8 tensor. Every random draw is
keyed by (seed, epoch, step), so the same seed gives the same child.

Shapes: B images in a batch, N images, S height and width, C channels.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from nas_with_rl.child_models.convolutional import build_convnet
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.images import (
    Images,
    LabelledImages,
    augment,
    central_crop,
    whiten,
)
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure, release_child
from nas_with_rl.search_spaces.convolutional import ConvolutionalLayer
from nas_with_rl.search_spaces.errors import InputError

# Called after each epoch with (epoch from 1, training loss, validation accuracy).
Report = Callable[[int, float, float], None]
_Data = tuple[tf.Tensor, tf.Tensor]  # images [N, S, S, C] of type uint8, labels [N]


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "decay_epochs", tuple(self.decay_epochs))
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}, below 1")
        for name in ("learning_rate", "decay_factor", "batch_norm_epsilon"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}, not above 0 and finite")
        for name in ("weight_decay", "upsampled_size"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}, below 0 or not finite")
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
    layers: Sequence[ConvolutionalLayer],
    images: Images,
    config: ImageTraining,
    *,
    seed: int,
    report: Report | None = None,
) -> ConvNetResult:
    """Build the ConvNet of the given layers, train it, and leave nothing behind.

    Args:
      layers: as predicted.
      images: what to train and measure on.
      config: how to train.
      seed: the key of the weights' first values and of every draw of the training.
      report: called after each epoch; what it raises ends the training.

    Raises:
      ChildFailure: "diverged" when an epoch's loss is not finite, "out_of_memory".
      InputError: the images do not fit the config (`check_images`).
    """
    check_images(images, config)
    try:
        with out_of_memory_is_a_failure():
            model = build_convnet(
                layers,
                image_shape=images.image_shape,
                num_classes=images.num_classes,
                batch_norm_epsilon=config.batch_norm_epsilon,
                seed=seed,
            )
        return train_convnet(model, images, config, seed=seed, report=report)
    finally:
        model = None
        release_child()


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
    losses: list[float] = []
    accuracies: list[float] = []
    with out_of_memory_is_a_failure():
        training = _Training(model, images, config, seed)
        for epoch in range(1, config.epochs + 1):
            loss, accuracy = training.run_epoch(epoch)
            if not math.isfinite(loss):
                raise ChildFailure("diverged", f"the loss of epoch {epoch} is {loss}")
            losses.append(loss)
            accuracies.append(accuracy)
            if report is not None:
                report(epoch, loss, accuracy)
    return ConvNetResult(
        validation_accuracy=tuple(accuracies),
        train_loss=tuple(losses),
        num_parameters=sum(math.prod(weight.shape) for weight in model.trainable_variables),
        seconds=time.perf_counter() - start,
    )


def measure_accuracy(model: keras.Model, images: LabelledImages, config: ImageTraining) -> float:
    """Return a model's accuracy in [0, 1] on images that did not train it, such as the test's."""

    @tf.function(autograph=False)
    def num_correct(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return _num_correct(model, images, labels, config)

    return int(num_correct(*_tensors(images))) / len(images)


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


def _tensors(images: LabelledImages) -> _Data:
    return tf.constant(images.images), tf.constant(images.labels)


class _Training:
    """The state of one child's training: its optimiser, its data, its compiled epoch."""

    def __init__(self, model: keras.Model, images: Images, config: ImageTraining, seed: int):
        self._model = model
        self._config = config
        self._seed = tf.constant(np.random.SeedSequence(seed).generate_state(2).view(np.int32))
        self._optimizer = keras.optimizers.SGD(
            config.learning_rate, momentum=config.momentum, nesterov=True
        )
        self._optimizer.build(model.trainable_variables)
        self._train = _tensors(images.train)
        self._validation = _tensors(images.validation)
        # One function a child, so that it goes with the child; traced here, because TensorFlow
        # warns of functions that are traced by their calls again and again. Loops are written
        # out, since conversion by AutoGraph takes as long as the tracing itself.
        self._epoch = tf.function(self._run_epoch, autograph=False).get_concrete_function(
            tf.constant(1), self._train, self._validation
        )

    def run_epoch(self, epoch: int) -> tuple[float, float]:
        """Return the mean training loss and the validation accuracy of an epoch from 1."""
        self._optimizer.learning_rate = self._config.learning_rate_at(epoch)
        loss, num_correct = self._epoch(tf.constant(epoch), self._train, self._validation)
        return float(loss), int(num_correct) / len(self._validation[1])

    def _run_epoch(
        self, epoch: tf.Tensor, train: _Data, validation: _Data
    ) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = train
        batch_size = self._config.batch_size
        num_steps = images.shape[0] // batch_size  # the last partial batch is left out
        seed = tf.random.experimental.stateless_fold_in(self._seed, epoch)
        order = tf.random.experimental.stateless_shuffle(tf.range(images.shape[0]), seed)

        def one_step(step: tf.Tensor, total_loss: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            batch = tf.slice(order, [step * batch_size], [batch_size])
            step_seed = tf.random.experimental.stateless_fold_in(seed, step)
            loss = self._train_step(tf.gather(images, batch), tf.gather(labels, batch), step_seed)
            return step + 1, total_loss + loss

        _, total_loss = tf.while_loop(
            lambda step, _: step < num_steps, one_step, (tf.constant(0), tf.constant(0.0))
        )
        num_correct = _num_correct(self._model, *validation, self._config)
        return total_loss / num_steps, num_correct

    def _train_step(self, images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        inputs = augment(
            whiten(images), self._config.upsampled_size, flip=self._config.flip, seed=seed
        )
        weights = self._model.trainable_variables
        with tf.GradientTape() as tape:
            logits = self._model(inputs, training=True)  # [B, classes]
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            )
        gradients = tape.gradient(loss, weights)
        # Weight decay as in Huang et al.'s code, an L2 term in the gradient that passes through
        # the momentum. Keras's `weight_decay` is another thing: it shrinks the weights apart.
        decay = self._config.weight_decay
        gradients = [g + decay * w for g, w in zip(gradients, weights, strict=True)]
        # Not `optimizer.apply`: in a graph it registers, for good, a gradient function that holds
        # the graph (tf.distribute's all-reduce), 8 MiB a child.
        for gradient, weight in zip(gradients, weights, strict=True):
            self._optimizer.update_step(gradient, weight, self._optimizer.learning_rate)
        return loss


def _num_correct(
    model: keras.Model, images: tf.Tensor, labels: tf.Tensor, config: ImageTraining
) -> tf.Tensor:
    """Count the images `[N, S, S, C]` that a model classifies right, batch by batch."""
    num_images, batch_size = images.shape[0], config.batch_size

    def one_batch(start: tf.Tensor, correct: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = slice(start, start + batch_size)  # the last one may be smaller
        inputs = central_crop(whiten(images[batch]), config.upsampled_size)
        predicted = tf.argmax(model(inputs, training=False), axis=-1, output_type=tf.int32)
        return start + batch_size, correct + tf.math.count_nonzero(
            predicted == labels[batch], dtype=tf.int32
        )

    return tf.while_loop(
        lambda start, _: start < num_images, one_batch, (tf.constant(0), tf.constant(0))
    )[1]
