"""Epochs of a Keras ConvNet's training, compiled by TensorFlow.

A whole epoch is one call of one compiled function, over images that stay in memory as one uint8
tensor. Every random draw is keyed by (seed, epoch, step). A network that is trained for a few
seconds has a program of its own (`tf_program`).

Shapes: B images in a batch, N images, S height and width, C channels.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nas_with_rl.child_models.convnets.builder import multiply_adds
from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import (
    Images,
    LabelledImages,
    central_crop,
    num_offsets,
    upsampled_crop,
    whiten,
)
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure

Data = tuple[tf.Tensor, ...]  # images [N, S, S, C] of type uint8, labels [N]

# Once for all children of a search; they go with the images that they are copies of.
_resident: weakref.WeakKeyDictionary[LabelledImages, Data] = weakref.WeakKeyDictionary()


class ConvNetInTraining:
    """One ConvNet with its optimizer, its data and its compiled epoch; a `ChildInTraining`."""

    def __init__(self, model: keras.Model, images: Images, config: ImageTraining, *, seed: int):
        """Take a model to train in place; the seed is the key of every draw."""
        self.model = model
        self.num_parameters = sum(math.prod(w.shape) for w in model.trainable_variables)
        self.multiply_adds = multiply_adds(model)
        self._config = config
        self._seed = key_of(seed)
        self._optimizer = keras.optimizers.SGD(
            config.learning_rate, momentum=config.momentum, nesterov=True
        )
        self._optimizer.build(model.trainable_variables)
        self._train, self._validation = tensors_of(images.train), tensors_of(images.validation)
        self._num_validation = len(images.validation)
        self._train_loop: Callable[..., tf.Tensor] | None = None
        self._validation_loop: Callable[..., tf.Tensor] | None = None
        self._learn, self._logits = self._learned, self._inferred
        if config.jit_compile:  # without the crops, for which XLA has no kernel
            self._learn, self._logits = (
                tf.function(part, autograph=False, jit_compile=True)
                for part in (self._learned, self._inferred)
            )

    def train_epoch(self, epoch: int) -> float:
        """Train for an epoch from 1; see `ChildInTraining`."""
        self._optimizer.learning_rate = self._config.learning_rate_at(epoch)
        with out_of_memory_is_a_failure():
            arguments: tuple[tf.Tensor, ...] = (self._seed, tf.constant(epoch), *self._train)
            if self._train_loop is None:
                self._train_loop = traced(self._train_images, *arguments)
            loss = float(self._train_loop(*arguments))
        if not math.isfinite(loss):
            raise ChildFailure("diverged", f"the loss of epoch {epoch} is {loss}")
        return loss

    def validate(self) -> float:
        """Return the accuracy on every validation image, in [0, 1]."""
        with out_of_memory_is_a_failure():
            if self._validation_loop is None:
                self._validation_loop = traced(self._num_correct, *self._validation)
            return int(self._validation_loop(*self._validation)) / self._num_validation

    def test(self, data: LabelledImages) -> float:
        """Return the accuracy on every one of other images, in [0, 1]."""
        tensors = tensors_of(data)
        with out_of_memory_is_a_failure():
            return int(traced(self._num_correct, *tensors)(*tensors)) / len(data)

    def variables(self) -> list[keras.Variable]:
        """Return the weights, the moving averages, and the optimizer's variables."""
        return [*self.model.variables, *self._optimizer.variables]

    def _train_images(
        self, seed: tf.Tensor, epoch: tf.Tensor, images: tf.Tensor, labels: tf.Tensor
    ) -> tf.Tensor:
        """Return the mean loss of an epoch."""
        batch_size = self._config.batch_size
        num_steps = images.shape[0] // batch_size  # the last partial batch is left out
        seed = tf.random.experimental.stateless_fold_in(seed, epoch)
        order = tf.random.experimental.stateless_shuffle(tf.range(images.shape[0]), seed)

        def one_step(step: tf.Tensor, total_loss: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            batch = tf.slice(order, [step * batch_size], [batch_size])
            step_seed = tf.random.experimental.stateless_fold_in(seed, step)
            loss = self._train_step(tf.gather(images, batch), tf.gather(labels, batch), step_seed)
            return step + 1, total_loss + loss

        _, total_loss = tf.while_loop(
            lambda step, _: step < num_steps, one_step, (tf.constant(0), tf.constant(0.0))
        )
        return total_loss / num_steps

    def _train_step(self, images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        inputs = augment(
            whiten(images), self._config.upsampled_size, flip=self._config.flip, seed=seed
        )
        return self._learn(inputs, labels)

    def _learned(self, inputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Return the loss of a batch `[B, S, S, C]`, and take a step against its gradient."""
        weights = self.model.trainable_variables
        with tf.GradientTape() as tape:
            logits = self.model(inputs, training=True)  # [B, classes]
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            )
        gradients = tape.gradient(loss, weights)
        # Weight decay as in Huang et al.'s code, an L2 term in the gradient that passes through
        # the momentum. Keras's `weight_decay` is another thing: it shrinks the weights apart.
        decay = tf.constant(self._config.weight_decay)
        self._update([g + decay * w for g, w in zip(gradients, weights, strict=True)])
        return loss

    def _update(self, gradients: list[tf.Tensor]) -> None:
        """Take the optimizer's step.

        Not by `optimizer.apply`: in a graph it registers, for good, a gradient function that holds
        the graph (tf.distribute's all-reduce), 8 MiB a child. And `optimizer.update_step` makes 12
        nodes of each weight where this makes one, which gives the same numbers to the bit and
        saves a quarter of the graph.
        """
        optimizer, weights = self._optimizer, self.model.trainable_variables
        rate, momentum = tf.convert_to_tensor(optimizer.learning_rate), self._config.momentum
        if not momentum:  # Keras has no velocities then
            for gradient, weight in zip(gradients, weights, strict=True):
                optimizer.update_step(gradient, weight, rate)
            return
        momentum = tf.constant(momentum)
        for g, weight, velocity in zip(gradients, weights, optimizer.momentums, strict=True):
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=weight.value.handle,
                accum=velocity.value.handle,
                lr=rate,
                grad=g,
                momentum=momentum,
                use_nesterov=True,
            )

    def _inferred(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the logits `[B, classes]` of images that are not trained on."""
        return self.model(inputs, training=False)

    def _num_correct(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Count the images `[N, S, S, C]` that the model classifies right, batch by batch."""
        num_images, batch_size = images.shape[0], self._config.batch_size

        def one_batch(start: tf.Tensor, correct: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            batch = slice(start, start + batch_size)  # the last one may be smaller
            inputs = central_crop(whiten(images[batch]), self._config.upsampled_size)
            predicted = tf.argmax(self._logits(inputs), -1, output_type=tf.int32)
            return start + batch_size, correct + tf.math.count_nonzero(
                predicted == labels[batch], dtype=tf.int32
            )

        return tf.while_loop(
            lambda start, _: start < num_images, one_batch, (tf.constant(0), tf.constant(0))
        )[1]


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
    crop_seed, flip_seed = (tf.random.experimental.stateless_fold_in(seed, i) for i in range(2))
    offsets = tf.random.stateless_uniform(
        [batch_size, 2], crop_seed, 0, num_offsets(upsampled_size, size), tf.int32
    )
    flips = tf.random.stateless_uniform([batch_size], flip_seed) < (0.5 if flip else 0.0)
    return upsampled_crop(images, upsampled_size or size, offsets=offsets, flips=flips)


def tensors_of(images: LabelledImages) -> Data:
    """Return the images and the labels on the device."""
    if images not in _resident:
        _resident[images] = tf.constant(images.images), tf.constant(images.labels)
    return _resident[images]


def key_of(seed: int) -> tf.Tensor:
    """Return a seed as the key `[2]` of stateless draws."""
    return tf.constant(np.random.SeedSequence(seed).generate_state(2).view(np.int32))


def traced(function: Callable[..., Any], *arguments: tf.Tensor) -> Callable[..., tf.Tensor]:
    """Return a function compiled for arguments like these, of Python code that says all loops."""
    # One function a child, so that it goes with the child; traced by name, because TensorFlow
    # warns of functions that are traced by their calls again and again. Loops are written out,
    # since conversion by AutoGraph takes as long as the tracing itself.
    return tf.function(function, autograph=False).get_concrete_function(*arguments)
