"""What the epochs of both kinds of children share on Keras's JAX backend.

An epoch is one call of one compiled function: a `jax.lax.scan` over its steps, with the data on
the device and everything that changes carried along as `Values`, written back into the Keras
variables at its end. (ConvNets on CPUs are the exception.)

Products of float32 are as precise as JAX takes them to be on the device: TF32 on recent GPUs. The
environment decides otherwise: JAX_DEFAULT_MATMUL_PRECISION=float32 for all 24 bits, BF16_BF16_F32
for bfloat16 factors summed as float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np


class Values(NamedTuple):
    """The values of all variables that a training changes, each list in Keras's order.

    Attributes:
      weights: what is trained.
      others: the model's other variables, such as moving averages.
      optimizer: the optimizer's variables.
    """

    weights: list[jax.Array]
    others: list[jax.Array]
    optimizer: list[jax.Array]


class TrainedVariables:
    """A model's and its optimizer's variables, read as `Values` and written back."""

    def __init__(self, model: keras.layers.Layer, optimizer: keras.optimizers.Optimizer):
        """Build the optimizer for the model's weights."""
        optimizer.build(model.trainable_variables)
        self._variables = (
            model.trainable_variables,
            model.non_trainable_variables,
            optimizer.variables,
        )

    def values(self) -> Values:
        """Return the variables' values."""
        return Values(*([variable.value for variable in group] for group in self._variables))

    def replaced(
        self, weights: Sequence[jax.Array], others: Sequence[jax.Array]
    ) -> keras.StatelessScope:
        """Return a context in which the model's variables have other values."""
        values = (*weights, *others)
        variables = (*self._variables[0], *self._variables[1])
        return keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True)))

    def assign(self, values: Values) -> None:
        """Give the variables new values."""
        for group, group_values in zip(self._variables, values, strict=True):
            for variable, value in zip(group, group_values, strict=True):
                variable.assign(value)


def random_key(seed: int) -> jax.Array:
    """Return JAX's key for a seed of any size."""
    words = np.random.SeedSequence(seed).generate_state(2)
    return jax.random.wrap_key_data(words, impl="threefry2x32")


def cross_entropy(labels: jax.Array, logits: jax.Array) -> jax.Array:
    """Return -log softmax(logits)[label], in nats, for labels [...] and logits [..., classes]."""
    log_probs = jax.nn.log_softmax(logits)
    return -jnp.take_along_axis(log_probs, labels[..., jnp.newaxis], axis=-1)[..., 0]


def clipped_by_global_norm(gradients: Sequence[jax.Array], clip_norm: float) -> list[jax.Array]:
    """Return gradients whose global norm is at most `clip_norm`; NaN where it is not finite."""
    norm = jnp.sqrt(sum(jnp.sum(jnp.square(gradient)) for gradient in gradients))
    scale = jnp.where(jnp.isfinite(norm), clip_norm / jnp.maximum(norm, clip_norm), jnp.nan)
    return [gradient * scale for gradient in gradients]


@jax.jit
def unless_diverged(loss: jax.Array, weights: Sequence[jax.Array]) -> jax.Array:
    """Return the loss, NaN where a weight is not finite.

    The loss alone does not tell: a ReLU as XLA compiles it on CPU may take NaN for 0.
    """
    finite = jnp.stack([jnp.all(jnp.isfinite(weight)) for weight in weights])
    return jnp.where(jnp.all(finite), loss, jnp.nan)
