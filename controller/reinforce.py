"""REINFORCE with a moving-average baseline (Williams, 1992; Zoph & Le, 2016, section 3.2)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nas_with_rl.controller.advantages import advantages_of, mean_reward
from nas_with_rl.controller.compiled_function import BATCH, CompiledFunction, spec
from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.controller.encoding import EncodedArchitectures, encode_architectures
from nas_with_rl.controller.outliers import WINDOW
from nas_with_rl.controller.policy import Policy, Rollout
from nas_with_rl.controller.searcher import NotFinite, Proposal, Update
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.space import SearchSpace

WEIGHTS_FILE = "controller"
STATE_FILE = "reinforce.json"


def moving_average(average: float | None, rewards: Sequence[float], decay: float) -> float:
    """Return the exponential moving average after some rewards, taken one by one.

    Paper: "an exponential moving average of the previous architecture accuracies", its first
    value not said; here: `average` None starts it at the mean of the first rewards.
    """
    if average is None:
        return mean_reward(rewards)
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
        self._rewards: list[float] = []  # the newest, as they were
        self._version = 0
        self._compiled_update = CompiledFunction(
            self._update,
            (*self.policy.given_specs(), spec(BATCH)),
            jit_compile=config.policy.jit_compile,
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

        The first batch is its own baseline; later ones take the average of all before them. What
        the rewards are worth, and how far outliers count, `advantages` says; a step that is not
        finite is not taken.
        """
        architectures = [proposal.architecture for proposal in proposals]
        space, kind = architectures[0].space, self._config.advantage
        rewards = [float(reward) for reward in rewards]
        found = advantages_of(kind, rewards, self._rewards, self._baseline)
        # As they were, not as they counted: an outlier that turns out to be usual counts in full
        # later.
        self._rewards = [*self._rewards, *rewards][-WINDOW:]
        encoded = encode_architectures(architectures, self.policy.max_depth)
        with np.errstate(over="ignore"):  # what has no float32 makes a step that is not taken
            advantages = found.values.astype(np.float32)
        norm, entropies = self.step(space, encoded, advantages)
        if kind != "ranks":  # which have no average
            # After the step: a batch is not compared with itself, but for the first.
            decay = self._config.baseline_decay
            self._baseline = moving_average(found.average, found.counted, decay)
        self._version += 1
        names = entropies_by_decision(space, entropies)
        notes = _notes(proposals, rewards, found.counted, norm)
        return Update(self._version, found.baseline, names, norm, notes)

    def draw(self, space: SearchSpace, choice_noise: np.ndarray, skip_noise: np.ndarray) -> Rollout:
        """Draw architectures from the policy as it is; see `Policy.draw`."""
        return self.policy.draw(space, choice_noise, skip_noise)

    def score(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the log-probabilities of architectures of one depth under the policy, `[m]`."""
        return self.policy.score(architectures)

    def step(
        self, space: SearchSpace, encoded: EncodedArchitectures, advantages: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Follow the gradient of m architectures once; it is not taken where it is not finite.

        Args:
          space: at their depth.
          encoded: the architectures.
          advantages: `[m]`.

        Returns:
          the gradient's global norm, and the entropies of each step `[T, m]` in nats.
        """
        norm, entropies = self._step(
            self.policy.encoded(space), encoded.choices, encoded.skips, advantages
        )
        return float(norm), entropies.numpy()

    def _step(self, *batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Follow the gradient; return its norm, and the step entropies `[T, m]`."""
        return self._compiled_update(*batch)

    def _update(self, encoded, choices, skips, advantages):
        gradient, entropies = policy_gradient(
            self.policy, (encoded, choices, skips), advantages, self._config.entropy_weight
        )
        norm = tf.linalg.global_norm(gradient)

        def apply() -> tf.Tensor:
            self._optimizer.apply(gradient, self.policy.trainable_variables)
            return norm

        # Not applied with a weight of 0: NaN times 0 would be in Adam's moments for good.
        return tf.cond(tf.math.is_finite(norm), apply, lambda: norm), entropies

    def update_traces(self) -> int:
        """Return how often the update was traced: once, whatever the depths."""
        return self._compiled_update.traces()

    def save(self, directory: Path) -> None:
        """Write weights, Adam's moments, the baseline and the version."""
        self._write(str(directory / WEIGHTS_FILE))
        state = {
            "version": self._version,
            "baseline": self._baseline,
            # Part of the state: what is an outlier hangs on them, also after a restart.
            "rewards": self._rewards,
        }
        (directory / STATE_FILE).write_text(json.dumps(state))

    def _write(self, path: str) -> None:
        self._checkpoint.write(path)

    def restore(self, directory: Path) -> None:
        """Read what `save` wrote; ValueError where it cannot be read.

        Raises:
          NotFinite: a weight, a moment or the baseline is not.
        """
        path = str(directory / WEIGHTS_FILE)
        try:
            state = json.loads((directory / STATE_FILE).read_text())
            version, baseline = int(state["version"]), state["baseline"]
            baseline = None if baseline is None else float(baseline)
            rewards = [float(reward) for reward in state.get("rewards", [])]  # 0.1 kept none
            _check_finite(path, baseline)
            self._checkpoint.read(path).assert_consumed()
        except (tf.errors.OpError, AssertionError, LookupError, OSError, TypeError) as error:
            raise ValueError(f"{directory}: {error}") from error
        self._version, self._baseline, self._rewards = version, baseline, rewards


def _check_finite(path: str, baseline: float | None) -> None:
    """Raise NotFinite where a state has learned from what is no number."""
    reader = tf.train.load_checkpoint(path)
    names = [name for name, kind in reader.get_variable_to_dtype_map().items() if kind.is_floating]
    if baseline is not None and not math.isfinite(baseline):
        raise NotFinite(f"{path}: the baseline is {baseline}")
    for name in names:
        if not np.all(np.isfinite(reader.get_tensor(name))):
            raise NotFinite(f"{path}: {name} is not finite")


def _notes(
    proposals: Sequence[Proposal],
    rewards: Sequence[float],
    bounded: Sequence[float],
    norm: float,
) -> tuple[str, ...]:
    """Say of which trials the rewards were bounded, and that the step was not taken."""
    notes = [
        f"trial {proposal.trial}: its reward {reward:.4g} is far from all others and counts as "
        f"{counted:.4g}"
        for proposal, reward, counted in zip(proposals, rewards, bounded, strict=True)
        if counted != reward
    ]
    if not math.isfinite(norm):
        trials = ", ".join(str(proposal.trial) for proposal in proposals)
        notes.append(
            f"nothing was learned from the trials {trials}: their gradient is not finite "
            f"(rewards from {min(rewards):.4g} to {max(rewards):.4g})"
        )
    return tuple(notes)


def entropies_by_decision(space: SearchSpace, entropies: np.ndarray) -> dict[str, float]:
    """Return the mean entropy of each decision over its layers and the batch."""
    by_name: dict[str, list[float]] = {}
    for step, mean in zip(space.steps, entropies.mean(1).tolist(), strict=False):
        by_name.setdefault(step.decision.name, []).append(mean)
    return {name: float(np.mean(values)) for name, values in by_name.items()}
