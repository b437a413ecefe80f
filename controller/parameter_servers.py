"""The controller on parameter servers (Zoph & Le, 2016, section 3.2, Figure 3).

The servers hold its weights and Adam's moments, each server a share of them. A replica sends the
gradient that it has taken to the servers, where Adam applies it, and gets the new weights back.

All replicas compute in the chief. A worker's closure is run again when the worker dies, and a
gradient must not be applied twice; nor should it wait in the workers' queue behind children.

Legend: N weights, S servers with a share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nas_with_rl.controller.compiled_function import BATCH, CompiledFunction, spec
from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.controller.reinforce import Reinforce, policy_gradient
from nas_with_rl.search_spaces.space import SearchSpace

# A server with a share costs the chief 0.8 ms of CPU an update, 20 of them as much as the gradient:
# a message of 64 KiB is little more than an empty one. (TensorFlow's own partitioner would leave
# whole what has less than 256 KiB.)
LEAST_SHARE = 2**14  # weights
LEAST_SERVERS = 2  # with a share, where there are so many


class SharedReinforce(Reinforce):
    """REINFORCE whose state lies on parameter servers; files and results are `Reinforce`'s.

    A lost server is a `tf.errors.OpError` at the next use; what was on it is in the checkpoints
    and in the store of trials.
    """

    def __init__(
        self,
        space: SearchSpace,
        config: ReinforceConfig,
        *,
        max_depth: int,
        seed: int,
        strategy: tf.distribute.Strategy,
    ):
        super().__init__(space, config, max_depth=max_depth, seed=seed)
        self._shares = _Shares(self.policy.trainable_variables, self._optimizer, strategy)
        self._gradient = CompiledFunction(
            self._local_gradient,
            (*self.policy.given_specs(), spec(BATCH)),
            jit_compile=config.policy.jit_compile,
        )
        # Traced once: to look for the variables at each checkpoint is 4/5 of its time. That pays
        # from the tenth on.
        self._traced_write = tf.function(
            self._written, [tf.TensorSpec([], tf.string)], autograph=False
        )

    def _step(self, *batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        gradient, norm, entropies = self._gradient(*batch)
        # Decided here: a server applies whatever it is sent.
        if np.isfinite(norm):
            self._shares.apply(gradient)
        return norm, entropies

    def _local_gradient(self, encoded, choices, skips, advantages):
        gradient, entropies = policy_gradient(
            self.policy, (encoded, choices, skips), advantages, self._config.entropy_weight
        )
        return _flat(gradient), tf.linalg.global_norm(gradient), entropies

    def save(self, directory: Path) -> None:
        """Fetch the moments and write all on this machine: servers have no disk in common."""
        self._shares.fetch_moments()
        super().save(directory)

    def _write(self, path: str) -> None:
        self._traced_write(tf.constant(path))

    def _written(self, path: tf.Tensor) -> None:
        with tf.device(self.policy.trainable_variables[0].value.device):  # all in one file
            self._checkpoint.write(path)

    def restore(self, directory: Path) -> None:
        """Read what `save` or `Reinforce.save` wrote, and send it to the servers."""
        super().restore(directory)
        self._shares.send()


class _Shares:
    """Weights and Adam's moments on the servers: each a vector of all N values, cut into S shares.

    This process keeps a copy of the weights, as nothing else changes them, and the number of steps.
    """

    def __init__(
        self,
        variables: Sequence[keras.Variable],
        optimizer: keras.optimizers.Adam,
        strategy: tf.distribute.Strategy,
    ):
        self._optimizer = optimizer
        self._weights = [variable.value for variable in variables]
        self._momentums = _of_optimizer(optimizer, "momentum")
        self._velocities = _of_optimizer(optimizer, "velocity")
        weights = _flat(self._weights).numpy()
        self._sizes = share_sizes(len(weights), _num_servers())
        self._shares: list[tuple[tf.Variable, tf.Variable, tf.Variable]] = []
        with strategy.scope():
            for values in np.split(weights, np.cumsum(self._sizes)[:-1]):
                share = tf.Variable(values, name="share")
                with strategy.extended.colocate_vars_with(share):
                    zeros = np.zeros_like(values)
                    moments = (tf.Variable(zeros, name="m"), tf.Variable(zeros, name="v"))
                self._shares.append((share, *moments))
        # Outside of the strategy's scope, so that it takes the chief for an ordinary process.
        self._applied = tf.function(self._apply, autograph=False)
        self._fetched_moments = tf.function(self._fetch_moments, autograph=False)

    def apply(self, gradient: tf.Tensor) -> None:
        """Send a gradient `[N]` and take the new weights over, all in one call."""
        self._applied(gradient)

    def _apply(self, gradient: tf.Tensor) -> None:
        adam = self._optimizer
        step = tf.cast(adam.iterations.value + 1, tf.float32)
        # As Keras's Adam computes it, operation by operation: to the last bit.
        first, second = tf.pow(adam.beta_1, step), tf.pow(adam.beta_2, step)
        alpha = adam.learning_rate.value * tf.sqrt(1 - second) / (1 - first)
        adam.iterations.value.assign_add(1)
        new = []
        for part, (share, m, v) in zip(tf.split(gradient, self._sizes), self._shares, strict=True):
            with tf.device(share.device):
                momentum = m.assign_add((part - m) * (1 - adam.beta_1))
                velocity = v.assign_add((tf.square(part) - v) * (1 - adam.beta_2))
                change = momentum * alpha / (tf.sqrt(velocity) + adam.epsilon)
                new.append(tf.identity(share.assign_sub(change)))
        _assign(self._weights, tf.concat(new, 0))

    def fetch_moments(self) -> None:
        """Take the servers' moments over into the optimizer of this process."""
        self._fetched_moments()

    def _fetch_moments(self) -> None:
        for index, local in ((1, self._momentums), (2, self._velocities)):
            _assign(local, tf.concat([tf.identity(share[index]) for share in self._shares], 0))

    def send(self) -> None:
        """Give the servers this process's values."""
        for index, local in enumerate((self._weights, self._momentums, self._velocities)):
            parts = tf.split(_flat(local), self._sizes)
            for share, part in zip(self._shares, parts, strict=True):
                share[index].assign(part.numpy())


def share_sizes(num_weights: int, num_servers: int) -> list[int]:
    """Return how many weights each server with a share holds; they differ by one at most."""
    most = max(math.ceil(num_weights / LEAST_SHARE), LEAST_SERVERS)
    count = min(num_servers, most, num_weights)
    least, more = divmod(num_weights, count)
    return [least + (index < more) for index in range(count)]


def _num_servers() -> int:
    """Return how many parameter servers this process is connected to; a strategy does not say."""
    devices = tf.config.list_logical_devices("CPU")
    return max(1, sum("/job:ps/" in device.name for device in devices))


def _of_optimizer(optimizer: keras.optimizers.Optimizer, name: str) -> list[tf.Variable]:
    """Return one of Adam's two moments, of each weight in their order."""
    return [each.value for each in optimizer.variables if each.name.endswith(name)]


def _flat(tensors: Sequence[tf.Tensor | tf.Variable]) -> tf.Tensor:
    """Return the values of all in one vector `[N]`."""
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], 0)


def _assign(variables: Sequence[tf.Variable], flat: tf.Tensor) -> None:
    """Give variables the values of a vector `[N]`."""
    parts = tf.split(flat, [variable.shape.num_elements() for variable in variables])
    for variable, part in zip(variables, parts, strict=True):
        variable.assign(tf.reshape(part, variable.shape))
