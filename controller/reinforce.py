"""REINFORCE with a moving-average baseline (Williams, 1992; Zoph & Le, 2016, section 3.2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.controller.encoding import encode_architectures
from nas_with_rl.controller.policy import Policy
from nas_with_rl.controller.searcher import Proposal, Update
from nas_with_rl.search_spaces.space import SearchSpace

WEIGHTS_FILE = "controller"
STATE_FILE = "reinforce.json"


def moving_average(average: float | None, rewards: Sequence[float], decay: float) -> float:
    """Return the exponential moving average after some rewards, taken one by one.

    Paper: "an exponential moving average of the previous architecture accuracies", its first
    value not said; here: `average` None starts it at the mean of the first rewards.
    """
    if average is None:
        return float(np.mean(rewards))
    for reward in rewards:
        average = decay * average + (1 - decay) * float(reward)
    return average


def policy_gradient(
    policy: Policy,
    batch: tuple[tuple, tf.Tensor, tf.Tensor],
    advantages: tf.Tensor,
    entropy_weight: float = 0.0,
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Return the gradient that an optimiser descends, and the step entropies `[T, m]`.

    It is -(1/m) Σ_k Σ_t ∇ log P(a_t | a_(t-1):1) (R_k - b), section 3.2, with the gradient of
    the entropy bonus taken off.

    Args:
      policy: its trainable variables are differentiated.
      batch: the encoded space, choices `[T, m]` and skips `[L, L, m]`.
      advantages: `[m]`, R_k - b.
      entropy_weight: of the bonus.
    """
    encoded, choices, skips = batch
    with tf.GradientTape() as tape:
        rollout = policy.walk(encoded, None, None, choices, skips)
        loss = -tf.reduce_mean(rollout.log_prob * advantages)
        if entropy_weight:
            loss -= entropy_weight * tf.reduce_mean(tf.reduce_sum(rollout.entropies, 0))
    variables = [variable.value for variable in policy.trainable_variables]
    gradient = tape.gradient(loss, variables, unconnected_gradients="zero")
    return gradient, rollout.entropies


class Reinforce:
    """The searcher of the paper: samples from the policy, takes one Adam step per batch."""

    def __init__(self, space: SearchSpace, config: ReinforceConfig, *, max_depth: int, seed: int):
        self._config, self._seed = config, seed
        self.policy = Policy(space, config.policy, max_depth=max_depth, seed=seed)
        self._optimizer = keras.optimizers.Adam(config.learning_rate)
        self._optimizer.build(self.policy.trainable_variables)
        self._checkpoint = tf.train.Checkpoint(policy=self.policy, optimizer=self._optimizer)
        self._baseline: float | None = None
        self._version = 0
        self._compiled_update = tf.function(
            self._update, autograph=False, jit_compile=config.policy.jit_compile
        )

    @property
    def version(self) -> int:
        """Updates made so far."""
        return self._version

    def ask(self, space: SearchSpace, trials: Sequence[int]) -> list[Proposal]:
        """Sample one architecture for each trial, in one compiled call."""
        sample = self.policy.sample(space, seed=self._seed, trials=trials)
        return [
            Proposal(trial, architecture, float(log_prob), self._version)
            for trial, architecture, log_prob in zip(
                trials, sample.architectures, sample.log_prob, strict=True
            )
        ]

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Update:
        """Take one step of REINFORCE, in one compiled call.

        The first batch is its own baseline; later ones take the average of all before them.
        """
        architectures = [proposal.architecture for proposal in proposals]
        space, decay = architectures[0].space, self._config.baseline_decay
        baseline = self._baseline
        if baseline is None:
            baseline = moving_average(None, rewards, decay)
        encoded = encode_architectures(architectures, self.policy.max_depth)
        advantages = np.asarray(rewards, np.float64) - baseline
        norm, entropies = self._step(
            self.policy.encoded(space),
            encoded.choices,
            encoded.skips,
            advantages.astype(np.float32),
        )
        self._baseline = moving_average(self._baseline, rewards, decay)
        self._version += 1
        names = _entropies_by_decision(space, entropies.numpy())
        return Update(self._version, baseline, names, float(norm))

    def _step(self, *batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Follow the gradient; return its norm, and the step entropies `[T, m]`."""
        return self._compiled_update(*batch)

    def _update(self, encoded, choices, skips, advantages):
        gradient, entropies = policy_gradient(
            self.policy, (encoded, choices, skips), advantages, self._config.entropy_weight
        )
        self._optimizer.apply(gradient, self.policy.trainable_variables)
        return tf.linalg.global_norm(gradient), entropies

    def update_traces(self) -> int:
        """Return how often the update was traced: once, whatever the depths."""
        return self._compiled_update.experimental_get_tracing_count()

    def save(self, directory: Path) -> None:
        """Write weights, Adam's moments, the baseline and the version."""
        self._checkpoint.write(str(directory / WEIGHTS_FILE))
        state = {"version": self._version, "baseline": self._baseline}
        (directory / STATE_FILE).write_text(json.dumps(state))

    def restore(self, directory: Path) -> None:
        """Read what `save` wrote; ValueError where it cannot be read."""
        try:
            state = json.loads((directory / STATE_FILE).read_text())
            self._checkpoint.read(str(directory / WEIGHTS_FILE)).assert_consumed()
        except (tf.errors.OpError, AssertionError, OSError) as error:
            raise ValueError(f"{directory}: {error}") from error
        self._version, self._baseline = state["version"], state["baseline"]


def _entropies_by_decision(space: SearchSpace, entropies: np.ndarray) -> dict[str, float]:
    """Return the mean entropy of each decision over its layers and the batch."""
    by_name: dict[str, list[float]] = {}
    for step, row in zip(space.steps, entropies, strict=False):
        by_name.setdefault(step.decision.name, []).append(float(row.mean()))
    return {name: float(np.mean(values)) for name, values in by_name.items()}
