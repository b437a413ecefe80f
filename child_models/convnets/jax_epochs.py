"""Epochs of a ConvNet's training on Keras's JAX backend; `tf_epochs` is TensorFlow's.

The arithmetic is the same. The order of the images and the draws of
crops and flips are keyed by (seed, epoch, step) as there, but are JAX's and NumPy's own: a seed
gives one child on TensorFlow and another on JAX.

Shapes: B images in a batch, N images, S height and width, C channels.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import keras
import numpy as np

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
from nas_with_rl.child_models.jax_training import (
    TrainedVariables,
    Values,
    cross_entropy,
    random_key,
    unless_diverged,
)
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure

_Data = tuple[jax.Array, jax.Array]  # images [N, S, S, C] of type uint8, labels [N]
NO_LABEL = -1  # of the images that fill the last batch; no logit has this index


class ConvNetInTraining:
    """One ConvNet with its optimizer, its data and its compiled epoch; a `ChildInTraining`."""

    def __init__(
        self,
        model: keras.Model,
        images: Images,
        config: ImageTraining,
        *,
        seed: int,
        whole_epochs: bool | None = None,
    ):
        """Take a model to train in place.

        Args:
          model, images, config: what, on what and how.
          seed: the key of every draw.
          whole_epochs: whether an epoch is one call of a compiled loop, or each step is a call.
            None: one call except on CPUs, where XLA's loops run a convolution's gradient 20 times
            slower than single calls do.
        """
        self.model = model
        self.num_parameters = sum(math.prod(weight.shape) for weight in model.trainable_variables)
        self.multiply_adds = multiply_adds(model)
        self._config = config
        self._seed = seed
        self._optimizer = keras.optimizers.SGD(
            config.learning_rate, momentum=config.momentum, nesterov=True
        )
        self._trained = TrainedVariables(model, self._optimizer)
        with out_of_memory_is_a_failure():
            self._data = jnp.asarray(images.train.images), jnp.asarray(images.train.labels)
            self._validation = _batches(images.validation, config.batch_size)
        self._num_validation = len(images.validation)
        if whole_epochs is None:
            whole_epochs = jax.default_backend() != "cpu"
        self._train = jax.jit(self._train_steps) if whole_epochs else self._train_one_by_one
        self._step = jax.jit(self._train_step)
        self._count = jax.jit(self._num_correct)

    def train_epoch(self, epoch: int) -> float:
        """Train for an epoch, counted from 1, and return its mean cross-entropy in nats."""
        self._optimizer.learning_rate = self._config.learning_rate_at(epoch)
        order = epoch_order(len(self._data[1]), self._seed, epoch)
        num_steps = len(order) // self._config.batch_size  # the last partial batch is left out
        steps = order[: num_steps * self._config.batch_size].reshape(num_steps, -1)
        key = jax.random.fold_in(random_key(self._seed), epoch)
        with out_of_memory_is_a_failure():
            values, loss = self._train(self._trained.values(), self._data, steps, key)
            loss = float(loss)
        self._trained.assign(values)
        if not math.isfinite(loss):
            raise ChildFailure("diverged", f"the loss of epoch {epoch} is {loss}")
        return loss

    def validate(self) -> float:
        """Return the accuracy on the validation images, in [0, 1]."""
        return self._accuracy(self._validation, self._num_validation)

    def test(self, data: LabelledImages) -> float:
        """Return the accuracy on other images, in [0, 1]."""
        return self._accuracy(_batches(data, self._config.batch_size), len(data))

    def variables(self) -> list[keras.Variable]:
        """Return the weights, the moving averages and the optimizer's variables."""
        return [*self.model.variables, *self._optimizer.variables]

    def _accuracy(self, batches: _Data, num_images: int) -> float:
        with out_of_memory_is_a_failure():
            return int(self._count(self._trained.values(), batches)) / num_images

    def _train_steps(
        self, values: Values, data: _Data, steps: jax.Array, key: jax.Array
    ) -> tuple[Values, jax.Array]:
        """Return the values after an epoch of the batches `[steps, B]`, and its mean loss."""

        def step(values: Values, at: tuple[jax.Array, jax.Array]) -> tuple[Values, jax.Array]:
            number, batch = at
            return self._train_step(values, data, batch, jax.random.fold_in(key, number))

        values, losses = jax.lax.scan(step, values, (jnp.arange(len(steps)), steps))
        return values, unless_diverged(jnp.mean(losses), values.weights)

    def _train_one_by_one(
        self, values: Values, data: _Data, steps: np.ndarray, key: jax.Array
    ) -> tuple[Values, jax.Array]:
        """Return what `_train_steps` returns, by a call for each step."""
        losses = []
        for number, batch in enumerate(steps):
            values, loss = self._step(values, data, batch, jax.random.fold_in(key, number))
            losses.append(loss)
        mean_loss = jnp.asarray(np.mean(jax.device_get(losses)))
        return values, unless_diverged(mean_loss, values.weights)

    def _train_step(
        self, values: Values, data: _Data, batch: jax.Array, key: jax.Array
    ) -> tuple[Values, jax.Array]:
        """Return the values after a step, and its loss, for the numbers `[B]` of the images."""
        images, labels = (each[batch] for each in data)
        inputs = augment(
            whiten(images), self._config.upsampled_size, flip=self._config.flip, key=key
        )

        def loss_of(weights: list[jax.Array]) -> tuple[jax.Array, list[jax.Array]]:
            logits, others = self.model.stateless_call(
                weights, values.others, inputs, training=True
            )  # [B, classes]
            return jnp.mean(cross_entropy(labels, logits)), others

        (loss, others), gradients = jax.value_and_grad(loss_of, has_aux=True)(values.weights)
        # As in `tf_epochs`: an L2 term in the gradient, through the momentum.
        decay = self._config.weight_decay
        gradients = [g + decay * w for g, w in zip(gradients, values.weights, strict=True)]
        weights, optimizer = self._optimizer.stateless_apply(
            values.optimizer, gradients, values.weights
        )
        return Values(weights, others, optimizer), loss

    def _num_correct(self, values: Values, batches: _Data) -> jax.Array:
        """Count what is classified right in images `[batches, B, S, S, C]` and their labels."""

        def count(batch: tuple[jax.Array, jax.Array]) -> jax.Array:
            images, labels = batch
            inputs = central_crop(whiten(images), self._config.upsampled_size)
            logits, _ = self.model.stateless_call(
                values.weights, values.others, inputs, training=False
            )
            return jnp.sum(jnp.argmax(logits, axis=-1) == labels)

        return jnp.sum(jax.lax.map(count, batches))


def epoch_order(num_images: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order in which an epoch takes the training images."""
    return np.random.default_rng((seed, epoch)).permutation(num_images).astype(np.int32)


def augment(images: jax.Array, upsampled_size: int, *, flip: bool, key: jax.Array) -> jax.Array:
    """Upsample, crop at random and flip at random, each image `[S, S, C]` of B on its own.

    Args:
      images: `[B, S, S, C]`.
      upsampled_size: height and width after upsampling, at least S; 0 for neither that nor a crop.
      flip: whether to flip left to right with probability 1/2.
      key: of the draws.
    """
    if not upsampled_size and not flip:
        return images
    batch_size, size = images.shape[:2]
    crop_key, flip_key = jax.random.split(key)
    offsets = jax.random.randint(crop_key, (batch_size, 2), 0, num_offsets(upsampled_size, size))
    flips = jax.random.bernoulli(flip_key, 0.5 if flip else 0.0, (batch_size,))
    return upsampled_crop(images, upsampled_size or size, offsets=offsets, flips=flips)


def _batches(images: LabelledImages, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """Return images `[batches, B, S, S, C]` and labels `[batches, B]`, the last batch filled up."""
    missing = -len(images) % batch_size
    padded = np.pad(images.images, [(0, missing), (0, 0), (0, 0), (0, 0)])
    labels = np.pad(images.labels, (0, missing), constant_values=NO_LABEL)
    shape = (-1, batch_size)
    return (
        jnp.asarray(padded.reshape(*shape, *padded.shape[1:])),
        jnp.asarray(labels.reshape(shape)),
    )
