"""The controller on parameter servers (Zoph & Le, 2016, section 3.2, Figure 3).

The servers hold its weights and Adam's moments, each server a share of the variables. A replica
fetches the weights, samples or takes a gradient with them, and sends the gradient to the servers,
where Adam applies it.

All replicas compute in the chief. A worker's closure is run again when the worker dies, and a
gradient must not be applied twice; nor should it wait in the workers' queue behind children.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nas_with_rl.controller.compiled_function import BATCH, CompiledFunction, spec
from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.controller.policy import Rollout
from nas_with_rl.controller.reinforce import Reinforce, policy_gradient
from nas_with_rl.controller.searcher import Proposal
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.space import SearchSpace


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
        with strategy.scope():
            # From NumPy: Keras would otherwise keep the local variable, not copy its value.
            self._shared = [
                keras.Variable(weight.numpy(), name=weight.name, dtype=weight.dtype)
                for weight in self.policy.trainable_variables
            ]
            self._shared_optimizer = keras.optimizers.Adam(config.learning_rate)
            self._shared_optimizer.build(self._shared)
        self._weights = _Copies(self.policy.trainable_variables, self._shared)
        self._moments = _Copies(self._optimizer.variables, self._shared_optimizer.variables)
        self._gradient = CompiledFunction(
            self._local_gradient,
            (*self.policy.given_specs(), spec(BATCH)),
            jit_compile=config.policy.jit_compile,
        )
        # Outside of the strategy's scope, so that Keras takes the chief for an ordinary replica.
        self._send = tf.function(
            lambda gradient: self._shared_optimizer.apply(gradient, self._shared), autograph=False
        )

    def ask(self, space: SearchSpace, trials: Sequence[int]) -> list[Proposal]:
        """Fetch the weights, if they have changed, and sample one architecture for each trial."""
        self._weights.fetch()
        return super().ask(space, trials)

    def draw(self, space: SearchSpace, choice_noise: np.ndarray, skip_noise: np.ndarray) -> Rollout:
        """Fetch the weights, if they have changed, and draw."""
        self._weights.fetch()
        return super().draw(space, choice_noise, skip_noise)

    def score(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Fetch the weights, if they have changed, and score."""
        self._weights.fetch()
        return super().score(architectures)

    def _step(self, *batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        self._weights.fetch()
        gradient, norm, entropies = self._gradient(*batch)
        # Decided here: a server applies whatever it is sent.
        if np.isfinite(norm):
            self._send(gradient)
            self._weights.forget()
            self._moments.forget()
        return norm, entropies

    def _local_gradient(self, encoded, choices, skips, advantages):
        gradient, entropies = policy_gradient(
            self.policy, (encoded, choices, skips), advantages, self._config.entropy_weight
        )
        return gradient, tf.linalg.global_norm(gradient), entropies

    def save(self, directory: Path) -> None:
        """Fetch all and write it on this machine: servers have no disk in common."""
        self._weights.fetch()
        self._moments.fetch()
        super().save(directory)

    def restore(self, directory: Path) -> None:
        """Read what `save` or `Reinforce.save` wrote, and send it to the servers."""
        super().restore(directory)
        self._weights.send()
        self._moments.send()


class _Copies:
    """Variables of this process with their counterparts on the servers."""

    def __init__(self, local: Sequence[keras.Variable], shared: Sequence[keras.Variable]):
        self._local = [variable.value for variable in local]
        self._shared = [variable.value for variable in shared]
        self._is_old = True  # whether the servers may have other values
        self._assign = tf.function(self._assigned, autograph=False)

    def _assigned(self) -> None:
        for variable, shared in zip(self._local, self._shared, strict=True):
            variable.assign(tf.identity(shared))

    def fetch(self) -> None:
        """Take over the servers' values, all in one call; nothing else changes them."""
        # Between two updates every sample sees the same weights: one fetch serves all replicas.
        if self._is_old:
            self._assign()
        self._is_old = False

    def forget(self) -> None:
        """Note that the servers have changed their values."""
        self._is_old = True

    def send(self) -> None:
        """Give the servers this process's values."""
        for variable, value in zip(self._shared, self._local, strict=True):
            variable.assign(value.numpy())
        self._is_old = False
