"""The training of a search's ConvNets on TensorFlow: of networks that few epochs are spent on.

A new network is traced once as a step and once for validation, in plain operations (`tf_network`);
what does not depend on it, such as crops and flips, is one function for all networks. Numbers and
draws are those of `tf_epochs`, to rounding.

Shapes: B images in a batch, N images, S height and width, C channels, P weights, K normalised
channels.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import math
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager

import tensorflow as tf

from nas_with_rl.child_models.convnets.config import BATCH_NORM_MOMENTUM, ImageTraining
from nas_with_rl.child_models.convnets.tf_epochs import augment, key_of, tensors_of, traced
from nas_with_rl.child_models.convnets.tf_network import Network
from nas_with_rl.child_models.data.images import Images, central_crop, whiten
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure
from nas_with_rl.child_models.tensorflow_internals import unoptimized_calls
from nas_with_rl.search_spaces.convnet import ConvNet

_ops = tf.raw_ops
_NUM_KEPT = 4  # programs; 2 MB each, and two numbers for each weight


class ConvNetProgram:
    """One network's compiled step and validation, with the weights of the child in training.

    Attributes:
      num_parameters: how many numbers are trained.
      weights, velocities: `[P]`.
      averages: the moving averages, `[2K]`.
    """

    def __init__(self, convnet: ConvNet, images: Images, config: ImageTraining, *, seed: int):
        """Begin a child; the seed is the key of its weights and of every draw."""
        self._network = Network(
            convnet,
            images.image_shape,
            num_classes=images.num_classes,
            epsilon=config.batch_norm_epsilon,
        )
        self.num_parameters = self._network.num_parameters
        self._config = config
        self._on_gpu = bool(tf.config.list_logical_devices("GPU"))
        self.weights, self.velocities = (tf.Variable(tf.zeros([self.num_parameters])) for _ in "12")
        self.averages = tf.Variable(self._network.first_averages())
        self._learn, self._logits = self._learned, self._inferred
        if config.jit_compile:  # without the crops, for which XLA has no kernel
            self._learn, self._logits = (
                tf.function(part, autograph=False, jit_compile=True)
                for part in (self._learned, self._inferred)
            )
        self._step: Callable[..., tf.Tensor] | None = None
        self._validation: Callable[..., tf.Tensor] | None = None
        self.start_over(images, seed=seed)

    def start_over(self, images: Images, *, seed: int) -> None:
        """Begin another child of the same network; compile nothing.

        Args:
          images: as many as before, and as large.
          seed: the key of the weights and of every draw.
        """
        self.weights.assign(self._network.first_weights(seed))
        self.velocities.assign(tf.zeros_like(self.velocities))
        self.averages.assign(self._network.first_averages())
        self._seed = key_of(seed)
        self._train, self._validated = tensors_of(images.train), tensors_of(images.validation)

    def let_images_go(self) -> None:
        """Hold no images until `start_over`."""
        self._train = self._validated = ()

    def train_epoch(self, epoch: int) -> float:
        """Train for an epoch, counted from 1, and return its mean cross-entropy in nats.

        Raises:
          ChildFailure: "diverged" where the loss is not finite, "out_of_memory".
        """
        images, labels = self._train
        with out_of_memory_is_a_failure(), self._calls():
            seed = tf.random.experimental.stateless_fold_in(self._seed, epoch)
            order = tf.random.experimental.stateless_shuffle(tf.range(images.shape[0]), seed)
            rate = tf.constant(self._config.learning_rate_at(epoch))
            constant = images, labels, order, seed, rate
            if self._step is None:
                self._step = traced(self._train_step, *constant, tf.constant(0))
            num_steps = images.shape[0] // self._config.batch_size  # no last partial batch
            losses = [self._step(*constant, tf.constant(step)) for step in range(num_steps)]
            loss = float(tf.add_n(losses)) / num_steps
        if not math.isfinite(loss):
            raise ChildFailure("diverged", f"the loss of epoch {epoch} is {loss}")
        return loss

    def validate(self) -> float:
        """Return the accuracy on every validation image, in [0, 1]."""
        images, labels = self._validated
        with out_of_memory_is_a_failure(), self._calls():
            if self._validation is None:
                any_batch = [tf.TensorSpec([None, *t.shape[1:]], t.dtype) for t in (images, labels)]
                self._validation = traced(self._num_correct, *any_batch)
            size = self._config.batch_size
            starts = range(0, len(labels), size)
            correct = [self._validation(images[i : i + size], labels[i : i + size]) for i in starts]
            return int(tf.add_n(correct)) / len(labels)

    def _calls(self) -> AbstractContextManager[None]:
        # On GPUs it is the optimiser that puts channels first.
        return contextlib.nullcontext() if self._on_gpu else unoptimized_calls()

    def _train_step(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        order: tf.Tensor,
        seed: tf.Tensor,
        rate: tf.Tensor,
        step: tf.Tensor,
    ) -> tf.Tensor:
        """Return the loss of a batch, and take a step against its gradient."""
        config = self._config
        draw = _batches(config.batch_size, config.upsampled_size, config.flip, images.shape)
        inputs, taken = draw(images, labels, order, seed, step)
        return self._learn(inputs, taken, rate)

    def _learned(self, inputs: tf.Tensor, labels: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        weights = self.weights.read_value()
        apart = self._network.apart(weights)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(apart)
            logits, moments = self._network.trained(inputs, apart, on_gpu=self._on_gpu)
        nll, gradient = _ops.SparseSoftmaxCrossEntropyWithLogits(features=logits, labels=labels)
        upstream = gradient * (1 / labels.shape[0])
        gradient = self._network.together(tape.gradient(logits, apart, upstream))
        # Weight decay as in `tf_epochs`.
        self._update(gradient + self._config.weight_decay * weights, rate)
        averages = self.averages.read_value() * BATCH_NORM_MOMENTUM
        self.averages.assign(averages + moments * (1 - BATCH_NORM_MOMENTUM))
        return _ops.Mean(input=nll, axis=[0])

    def _update(self, gradient: tf.Tensor, rate: tf.Tensor) -> None:
        if not self._config.momentum:
            self.weights.assign_sub(rate * gradient)
            return
        _ops.ResourceApplyKerasMomentum(
            var=self.weights.handle,
            accum=self.velocities.handle,
            lr=rate,
            grad=gradient,
            momentum=self._config.momentum,
            use_nesterov=True,
        )

    def _inferred(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the logits `[B, classes]` of images that are not trained on."""
        weights, averages = self.weights.read_value(), self.averages.read_value()
        return self._network.inferred(inputs, weights, averages)

    def _num_correct(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Count the images of a batch that are classified right."""
        inputs = _centres(self._config.upsampled_size, images.shape)(images)
        predicted = tf.argmax(self._logits(inputs), -1, output_type=tf.int32)
        return tf.math.count_nonzero(predicted == labels, dtype=tf.int32)


class KeptPrograms:
    """Compiled children of the networks that were trained last, by what they were compiled for.

    A child is taken out while it trains, so what fails is not kept.
    """

    def __init__(self, most: int = _NUM_KEPT):
        """Keep at most so many."""
        self._most = most
        self._children: collections.OrderedDict[Hashable, ConvNetProgram] = (
            collections.OrderedDict()
        )

    def take(self, program: Hashable) -> ConvNetProgram | None:
        """Return the child that was compiled for this, to be started over, or None."""
        return self._children.pop(program, None)

    def keep(self, program: Hashable, child: ConvNetProgram) -> None:
        """Keep a child that is not needed any more, in the place of the oldest."""
        child.let_images_go()
        self._children[program] = child
        while len(self._children) > self._most:
            self._children.popitem(last=False)


PROGRAMS = KeptPrograms()  # the process's


@functools.lru_cache(maxsize=_NUM_KEPT)
def _batches(
    batch_size: int, upsampled_size: int, flip: bool, shape: tf.TensorShape
) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    """Return what makes a step's batch `[B, S, S, C]` and its labels of images `[N, S, S, C]`."""

    def batch(
        images: tf.Tensor, labels: tf.Tensor, order: tf.Tensor, seed: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        taken = tf.slice(order, [step * batch_size], [batch_size])
        key = tf.random.experimental.stateless_fold_in(seed, step)
        inputs = whiten(tf.gather(images, taken))
        return augment(inputs, upsampled_size, flip=flip, seed=key), tf.gather(labels, taken)

    num_images = shape[0]
    with tf.init_scope():  # not a part of the network that is being traced
        return traced(
            batch,
            tf.TensorSpec(shape, tf.uint8),
            tf.TensorSpec([num_images], tf.int32),
            tf.TensorSpec([num_images], tf.int32),
            tf.TensorSpec([2], tf.int32),
            tf.TensorSpec([], tf.int32),
        )


@functools.lru_cache(maxsize=_NUM_KEPT)
def _centres(upsampled_size: int, shape: tf.TensorShape) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return what prepares images `[B, S, S, C]` that are not trained on."""
    with tf.init_scope():
        return traced(
            lambda images: central_crop(whiten(images), upsampled_size),
            tf.TensorSpec(shape, tf.uint8),
        )
