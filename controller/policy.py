"""The controller's policy: a recurrent network that writes architectures and scores them.

Two LSTM layers of 35 units; every decision has its own softmax, its token is fed in as the next
step's input; skip connections are drawn from anchor points by set-selection attention
(Zoph & Le, 2016, sections 3.1 to 3.3).

Legend: m architectures, T steps, V choices, L layers, H hidden units.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nas_with_rl.controller.compiled_function import BATCH, CompiledFunction, spec
from nas_with_rl.controller.configuration import PolicyConfig
from nas_with_rl.controller.encoding import (
    ABSENT,
    EncodedArchitectures,
    decode_architectures,
    encode_architectures,
    encode_space,
    max_choices,
    padded,
)
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.randomness import trial_generator
from nas_with_rl.search_spaces.space import SearchSpace


class Rollout(NamedTuple):
    """What one walk through the steps gives.

    Attributes:
      choices: `[T, m]` tokens, -1 where a step is no choice or does not exist.
      skips: `[L, L, m]` 1 where layer i takes layer j.
      log_prob: `[m]` Σ_t log P(a_t | a_(t-1):1).
      entropies: `[T, m]` of each step's distribution, in nats; 0 where a step does not exist.
    """

    choices: tf.Tensor
    skips: tf.Tensor
    log_prob: tf.Tensor
    entropies: tf.Tensor


class SampledArchitectures(NamedTuple):
    """Drawn architectures with their log-probabilities `[m]` and step entropies `[T, m]`."""

    architectures: list[Architecture]
    log_prob: np.ndarray
    entropies: np.ndarray


class _Carry(NamedTuple):
    """What a step hands to the next one."""

    step: tf.Tensor  # []
    inputs: tf.Tensor  # [m, H]
    states: list[list[tf.Tensor]]  # per LSTM layer h and c, each [m, H]
    anchors: tf.Tensor  # [L, m, H] hidden states at the anchor points
    projected_anchors: tf.Tensor  # [L, m, H] the same times W_prev
    rollout: Rollout


class Policy(keras.layers.Layer):
    """P(architecture), to sample from and to differentiate.

    Sampling and scoring are the same walk, `walk`: where tokens are given they are scored, else
    they are drawn from given uniform numbers. A loop, not an unrolled graph, walks the steps: one
    trace serves every depth up to `max_depth`. Every step has its own softmax, so every layer too;
    those of layers beyond the present depth wait with their first values.

    P(layer j is an input of layer i) = sigmoid(v · tanh(W_prev h_j + W_curr h_i)). What follows an
    anchor point is fed with the mean of the anchor states that were selected, zero if none were.
    """

    def __init__(self, space: SearchSpace, config: PolicyConfig, *, max_depth: int, seed: int):
        # Of its own: a policy of Keras's that is set for children does not reach the controller.
        super().__init__(name="policy", dtype="float32")
        self.space, self.config, self.max_depth = space, config, max_depth
        self._max_layers = max(max_depth, 1)
        self._max_steps = len(padded(space, max_depth).steps)
        self._encoded: dict[int, tuple] = {}
        self._seeds = trial_generator(seed, 0, "weights")
        units, steps, choices = config.num_units, self._max_steps, max_choices(space)
        self.cells = [
            keras.layers.LSTMCell(
                units,
                kernel_initializer=self._uniform(),
                recurrent_initializer=self._uniform(),
                bias_initializer=self._uniform(),
                # Paper: all weights uniform in ±0.08; Keras would set a part of the bias to 1.
                unit_forget_bias=False,
                dtype="float32",
                name=f"lstm_{layer}",
            )
            for layer in range(config.num_layers)
        ]
        for cell in self.cells:
            cell.build((None, units))
        self.start = self._weight("start", (units,))
        self.embeddings = self._weight("embeddings", (steps, choices, units))
        self.softmax_kernels = self._weight("softmax_kernels", (steps, units, choices))
        self.softmax_biases = self._weight("softmax_biases", (steps, choices))
        self.w_prev = self._weight("w_prev", (units, units))
        self.w_curr = self._weight("w_curr", (units, units))
        self.v = self._weight("v", (units,))
        # All weights are there: Keras would take the layer for unbuilt until its first call.
        self.built = True
        self._sampled, self._scored = self._programs()

    def _programs(self) -> tuple[CompiledFunction, CompiledFunction]:
        """Return the walk as the two programs that draw from noise and that score what is given."""
        space, *given = self.given_specs()
        noise = [tf.TensorSpec(each.shape, tf.float32) for each in given]
        jit = self.config.jit_compile
        return (
            CompiledFunction(
                lambda encoded, choices, skips: self.walk(encoded, choices, skips, None, None),
                (space, *noise),
                jit_compile=jit,
            ),
            CompiledFunction(
                lambda encoded, choices, skips: self.walk(encoded, None, None, choices, skips),
                (space, *given),
                jit_compile=jit,
            ),
        )

    def given_specs(self) -> tuple[Any, ...]:
        """Return what a compiled function of given architectures takes.

        That is the encoded space, choices `[T, m]` and skips `[L, L, m]`, of any m.
        """
        layers = self._max_layers
        return (
            encoded_specs(self.space, self.max_depth),
            spec(self._max_steps, BATCH, dtype=tf.int32),
            spec(layers, layers, BATCH),
        )

    def _uniform(self) -> keras.initializers.Initializer:
        scale, seed = self.config.init_scale, int(self._seeds.integers(2**31))
        return keras.initializers.RandomUniform(-scale, scale, seed=seed)

    def _weight(self, name: str, shape: tuple[int, ...]) -> keras.Variable:
        return self.add_weight(name=name, shape=shape, initializer=self._uniform())

    def sample(
        self, space: SearchSpace, *, seed: int, trials: Sequence[int]
    ) -> SampledArchitectures:
        """Draw one architecture per trial; the draws are keyed by (seed, trial number)."""
        noise = [self._noise(seed, trial) for trial in trials]
        choice_noise = np.stack([choice for choice, _ in noise], -1)
        skip_noise = np.stack([skip for _, skip in noise], -1)
        rollout = self.draw(space, choice_noise, skip_noise)
        encoded = EncodedArchitectures(rollout.choices.numpy(), rollout.skips.numpy())
        return SampledArchitectures(
            decode_architectures(encoded, space),
            rollout.log_prob.numpy(),
            rollout.entropies.numpy()[: len(space.steps)],
        )

    def draw(self, space: SearchSpace, choice_noise: np.ndarray, skip_noise: np.ndarray) -> Rollout:
        """Draw m architectures from noise of the shapes `noise_shapes`, with m behind them."""
        return self._sampled(self.encoded(space), choice_noise, skip_noise)

    @property
    def noise_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of one architecture's noise: of its choices `[T]`, of its skips `[L, L]`."""
        # As many as the greatest depth may need, so that a trial's draws do not hang on its depth.
        return (self._max_steps,), (self._max_layers, self._max_layers)

    def score(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the log-probabilities of architectures of one depth, `[m]`, in nats."""
        encoded = encode_architectures(architectures, self.max_depth)
        space = self.encoded(architectures[0].space)
        return self._scored(space, encoded.choices, encoded.skips).log_prob.numpy()

    def traces(self) -> int:
        """Return how often sampling was traced: once, whatever the depths."""
        return self._sampled.traces()

    def encoded(self, space: SearchSpace) -> tuple:
        """Return the space as arrays for `walk`; kept, as a search asks for few depths."""
        if space.depth not in self._encoded:
            arrays = encode_space(space, self.max_depth).tensors()
            self._encoded[space.depth] = tuple(tf.constant(array) for array in arrays)
        return self._encoded[space.depth]

    def _noise(self, seed: int, trial: int) -> tuple[np.ndarray, np.ndarray]:
        generator = trial_generator(seed, trial, "sampling")
        choices, skips = self.noise_shapes
        return generator.random(choices, np.float32), generator.random(skips, np.float32)

    def walk(
        self,
        encoded: tuple,
        choice_noise: tf.Tensor | None,
        skip_noise: tf.Tensor | None,
        given_choices: tf.Tensor | None,
        given_skips: tf.Tensor | None,
    ) -> Rollout:
        """Walk through the steps: draw tokens from noise, or score given ones.

        Args:
          encoded: `EncodedSpace.tensors()`.
          choice_noise, skip_noise: `[T, m]`, `[L, L, m]` uniform in [0, 1), to draw; else None.
          given_choices, given_skips: `[T, m]`, `[L, L, m]` as in `Rollout`, to score; else None.
        """
        drawing = given_choices is None
        program = _Program(self, encoded, choice_noise, skip_noise, given_choices, given_skips)
        num_steps, max_steps = encoded[0], self._max_steps
        m = tf.shape(choice_noise if drawing else given_choices)[1]
        layers, zeros = self._max_layers, tf.zeros([m, self.config.num_units])
        carry = _Carry(
            step=tf.constant(0),
            inputs=zeros + self.start.value,
            states=[[zeros, zeros] for _ in self.cells],
            anchors=tf.zeros([layers, m, self.config.num_units]),
            projected_anchors=tf.zeros([layers, m, self.config.num_units]),
            rollout=Rollout(
                choices=tf.fill([max_steps, m], ABSENT),
                skips=tf.zeros([layers, layers, m]),
                log_prob=tf.zeros([m]),
                entropies=tf.zeros([max_steps, m]),
            ),
        )
        final = tf.while_loop(
            lambda carry: carry.step < num_steps,
            lambda carry: [program.step(carry)],
            [carry],
            # XLA asks for it: the gradient keeps every step's values in a list of fixed length.
            maximum_iterations=max_steps,
        )
        return final[0].rollout


class _Answer(NamedTuple):
    """What a step answers: log-probability `[m]`, entropy `[m]`, the next inputs `[m, H]`."""

    log_prob: tf.Tensor
    entropy: tf.Tensor
    next_inputs: tf.Tensor


class _Program:
    """One walk's step, as a function of the carry."""

    def __init__(self, policy: Policy, encoded: tuple, *tokens: Any):
        self._policy = policy
        _, self._layers, self._is_anchor, self._valid, parents, exists_if = encoded
        self._conditions = list(zip(tf.unstack(parents), tf.unstack(exists_if), strict=True))
        self._choice_noise, self._skip_noise, self._choices, self._skips = tokens
        # Read once, outside the loop: inside it they are only sliced.
        self._kernels = tf.convert_to_tensor(policy.softmax_kernels.value)  # [T, H, V]
        self._biases = tf.convert_to_tensor(policy.softmax_biases.value)  # [T, V]
        self._embeddings = tf.convert_to_tensor(policy.embeddings.value)  # [T, V, H]

    def step(self, carry: _Carry) -> _Carry:
        """Answer one decision and hand its answer on."""
        t = carry.step
        hidden, states = carry.inputs, []
        for cell, state in zip(self._policy.cells, carry.states, strict=True):
            hidden, new_state = cell(hidden, state)
            states.append(new_state)
        exists = self._exists(t, carry.rollout.choices)
        # Both answers, whichever the step is: the program serves every space, and its steps are
        # data.
        token, choice = self._choose(t, hidden)
        selected, anchor = self._connect(t, hidden, carry)

        is_anchor = tf.cast(self._is_anchor[t], tf.float32)
        is_choice, exists_here = exists * (1 - is_anchor), exists[:, None]  # [m], [m, 1]
        here = is_anchor * tf.one_hot(self._layers[t] - 1, carry.anchors.shape[0])[:, None, None]
        projected = hidden @ self._policy.w_prev.value
        rollout = Rollout(
            choices=_write(carry.rollout.choices, t, tf.where(is_choice > 0, token, ABSENT)),
            skips=_add(carry.rollout.skips, self._layers[t] - 1, selected * is_anchor),
            log_prob=carry.rollout.log_prob
            + is_choice * choice.log_prob
            + is_anchor * anchor.log_prob,
            entropies=_write(
                carry.rollout.entropies,
                t,
                is_choice * choice.entropy + is_anchor * anchor.entropy,
            ),
        )
        next_inputs = is_anchor * anchor.next_inputs + (1 - is_anchor) * choice.next_inputs
        # A decision that does not exist leaves no trace in the controller's state.
        return _Carry(
            step=t + 1,
            inputs=exists_here * next_inputs + (1 - exists_here) * carry.inputs,
            states=tf.nest.map_structure(
                lambda new, old: exists_here * new + (1 - exists_here) * old, states, carry.states
            ),
            anchors=carry.anchors + here * hidden,
            projected_anchors=carry.projected_anchors + here * projected,
            rollout=rollout,
        )

    def _exists(self, t: tf.Tensor, choices: tf.Tensor) -> tf.Tensor:
        """Return `[m]` 1.0 where the step's conditions hold. ABSENT, -1, reads the last column."""
        holds = [
            tf.gather(allowed[t], choices[parents[t]] % allowed.shape[1])
            for parents, allowed in self._conditions
        ]
        return tf.cast(functools.reduce(tf.logical_and, holds), tf.float32)

    def _choose(self, t: tf.Tensor, hidden: tf.Tensor) -> tuple[tf.Tensor, _Answer]:
        """Answer a choice among options: softmax, inverse distribution function."""
        valid = self._valid[t]
        # Not minus infinity: the entropy would have 0 · ∞, which is NaN.
        logits = tf.where(valid, hidden @ self._kernels[t] + self._biases[t], -1e9)  # [m, V]
        log_probs = tf.nn.log_softmax(logits)
        probs = tf.exp(log_probs)
        if self._choices is None:
            # How many options lie below the draw; their sum may round to less than a draw just
            # below 1, hence the minimum.
            passed = tf.cumsum(probs, axis=-1) <= self._choice_noise[t][:, None]
            last = tf.reduce_sum(tf.cast(valid, tf.int32)) - 1
            token = tf.minimum(tf.reduce_sum(tf.cast(passed, tf.int32), -1), last)  # [m]
        else:
            # ABSENT reads any: `step` leaves what does not exist out of the sums.
            token = tf.maximum(self._choices[t], 0)  # [m]
        one_hot = tf.one_hot(token, valid.shape[0])  # [m, V]
        return token, _Answer(
            log_prob=tf.reduce_sum(one_hot * log_probs, -1),
            entropy=-tf.reduce_sum(probs * log_probs, -1),
            next_inputs=one_hot @ self._embeddings[t],
        )

    def _connect(self, t: tf.Tensor, hidden: tf.Tensor, carry: _Carry) -> tuple[tf.Tensor, _Answer]:
        """Answer an anchor point: one Bernoulli draw per earlier layer (section 3.3)."""
        layer, policy = self._layers[t], self._policy
        num_layers = carry.anchors.shape[0]
        earlier = tf.cast(tf.range(1, num_layers + 1) < layer, tf.float32)[:, None]  # [L, 1]
        attention = tf.tanh(carry.projected_anchors + hidden @ policy.w_curr.value)  # [L, m, H]
        logits = tf.reduce_sum(attention * policy.v.value, -1)  # [L, m]
        probs = tf.sigmoid(logits)
        if self._skips is None:
            selected = tf.cast(self._skip_noise[layer - 1] < probs, tf.float32) * earlier
        else:
            selected = self._skips[layer - 1] * earlier  # [L, m]
        mean = (
            tf.reduce_sum(selected[:, :, None] * carry.anchors, 0)
            / tf.maximum(tf.reduce_sum(selected, 0), 1.0)[:, None]  # [m, H]
        )

        def cross_entropy(targets: tf.Tensor) -> tf.Tensor:
            # TensorFlow's own fails for one architecture of at most one layer, in a graph.
            return tf.nn.softplus(logits) - targets * logits

        return selected, _Answer(
            # The nll of a Bernoulli draw is its cross entropy with the answer, and its entropy that
            # with the probability.
            log_prob=-tf.reduce_sum(earlier * cross_entropy(selected), 0),
            entropy=tf.reduce_sum(earlier * cross_entropy(probs), 0),
            next_inputs=mean,
        )


def encoded_specs(space: SearchSpace, max_depth: int) -> tuple[tf.TensorSpec, ...]:
    """Return what a compiled function takes as the encoded space, at any depth."""
    arrays = encode_space(space, max_depth).tensors()
    return tuple(tf.TensorSpec(array.shape, array.dtype) for array in arrays)


def _write(rows: tf.Tensor, index: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    return tf.tensor_scatter_nd_update(rows, [[index]], row[None])


def _add(rows: tf.Tensor, index: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    return tf.tensor_scatter_nd_add(rows, [[tf.maximum(index, 0)]], row[None])
