"""The loops that read a text as parallel streams in TensorFlow; see `streams`.

Shapes as there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from nas_with_rl.child_models.language_models.model import LanguageModel, State
from nas_with_rl.child_models.language_models.streams import States, Streams

# From inputs, targets [T, S] and the state to the nll of each target, [T·S] or [T, S], and the
# last state.
Nlls = Callable[[tf.Tensor, tf.Tensor, State], tuple[tf.Tensor, State]]


class StreamLoops:
    """What `streams.summed_nll` calls: segments in a loop, compiled once for texts of one shape."""

    def __init__(
        self, model: LanguageModel, nlls: Nlls, *, fused: bool, compiled: Mapping[str, Any]
    ):
        """Keep the model, what measures a segment, and how `tf.function` compiles."""
        self._model, self._nlls, self._fused = model, nlls, fused
        self._warm_up = tf.function(self._warm_up_segments, **compiled)
        self._measure = tf.function(self._measure_segments, **compiled)

    def warm_up(self, streams: Streams) -> States:
        """Return the states that the tokens before each stream leave, [layers, 2, S - 1, H]."""
        states: States = _call(self._warm_up, streams.num_steps, streams.before).numpy()
        return states

    def measure(self, streams: Streams, first: States) -> tuple[float, States]:
        """Return the nll of all targets in nats and the last states, [layers, 2, S, H]."""
        text = streams.tokens, streams.weights
        total, last = _call(self._measure, streams.num_steps, *text, first)
        return float(total), last.numpy()

    def _warm_up_segments(self, num_steps: int, tokens: tf.Tensor) -> tf.Tensor:
        num_tokens, num_streams = tokens.shape

        def body(first: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
            inputs = tf.slice(tokens, (first, 0), (num_steps, num_streams))
            _, state = self._model.hidden_states(inputs, state, fused=self._fused)
            return first + num_steps, state

        start = (0, self._model.initial_state(num_streams))
        _, state = tf.while_loop(lambda first, _: first < num_tokens, body, start)
        return tf.stack([tf.stack(layer) for layer in state])

    def _measure_segments(
        self, num_steps: int, tokens: tf.Tensor, weights: tf.Tensor, states: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        num_targets, num_streams = weights.shape
        shape = (num_steps, num_streams)

        def body(first: tf.Tensor, total: tf.Tensor, state: State) -> Any:
            inputs = tf.slice(tokens, (first, 0), shape)
            targets = tf.slice(tokens, (first + 1, 0), shape)
            nll, state = self._nlls(inputs, targets, state)
            counted = tf.slice(weights, (first, 0), shape)
            # Summed in float64: the sum of all as float32 would be off in the sixth digit.
            nll = tf.cast(
                tf.reduce_sum(tf.reshape(nll, shape) * tf.cast(counted, nll.dtype)), tf.float64
            )
            return first + num_steps, total + nll, state

        state = [tuple(tf.unstack(layer)) for layer in tf.unstack(states)]
        start = (0, tf.constant(0.0, tf.float64), state)
        # One segment at a time: its logits are the largest array of all.
        _, total, state = tf.while_loop(
            lambda first, *_: first < num_targets, body, start, parallel_iterations=1
        )
        return total, tf.stack([tf.stack(layer) for layer in state])


def _call(function: Any, num_steps: int, *arrays: Any) -> Any:
    """Call a compiled function, traced by name: TensorFlow warns of what calls trace again."""
    specs = [tf.TensorSpec(array.shape, array.dtype) for array in arrays]
    traced = function.get_concrete_function(num_steps, *specs)
    return traced(*map(tf.constant, arrays))
