"""The epochs of a language model in TensorFlow: whole loops over segments, compiled.

An epoch is one call of one compiled graph, by default without XLA: on one core a base-2 cell of
32 units needs 1 s to build and trace and 4 to 7 ms a step; with XLA 3 to 5 s and 2 to 3 ms, so
that XLA pays beyond some 1,000 steps (`jit_compile`). It also keeps 10 MB of every child.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nas_with_rl.child_models.cells.known_cells import Cell
from nas_with_rl.child_models.data.text import Corpus
from nas_with_rl.child_models.keyed_draws import keyed_uniform
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.dropout import DropoutMasks, draw_masks
from nas_with_rl.child_models.language_models.model import LanguageModel, State
from nas_with_rl.child_models.language_models.streams import cut_into_streams, summed_nll
from nas_with_rl.child_models.language_models.tf_softmax import LEAST_VOCABULARY, softmax_nll
from nas_with_rl.child_models.language_models.tf_streams import StreamLoops
from nas_with_rl.child_models.language_models.training import finite_nll, segments_of
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure
from nas_with_rl.search_spaces.errors import InputError


class LanguageModelInTraining:
    """A `ChildInTraining`: one language model with its optimizer, its text, its compiled loops."""

    def __init__(self, cell: Cell, corpus: Corpus, config: LanguageModelTraining, *, seed: int):
        """Build the model and the optimizer; the splits as `check_corpus` accepts them.

        Raises:
          InputError: a size that no model meets.
        """
        self._config, self._seed = config, (seed, seed >> 32)  # words
        self._training = segments_of(corpus.train, config, most=config.steps_per_epoch)
        self._validation = segments_of(corpus.validation, config)
        size = config.size(len(corpus.vocabulary), cell)
        self.model = LanguageModel(cell, size, init_scale=config.init_scale, seed=seed)
        self.num_parameters = self.model.num_parameters
        self.multiply_adds = self.model.multiply_adds
        kinds = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}
        self._optimizer = kinds[config.optimizer](config.learning_rate)
        self._optimizer.build(self.model.trainable_variables)
        compiled = {"autograph": False, "jit_compile": config.jit_compile or None}
        self._train_loop = tf.function(self._train_segments, **compiled)
        self._validation_loop = tf.function(self._evaluate_segments, **compiled)
        self._test_loop = tf.function(self._test_segments, **compiled)
        has_gpu = bool(tf.config.list_physical_devices("GPU"))
        # cuDNN's kernel, which XLA does not compile.
        self._fused = not config.jit_compile and has_gpu
        # XLA has a good softmax of its own, and so has a GPU.
        many_words = size.vocabulary >= LEAST_VOCABULARY
        is_plain = self.model.compute_dtype == "float32" and not config.jit_compile
        self._own_softmax = many_words and is_plain and not has_gpu
        self._streams = StreamLoops(self.model, self._nlls, fused=self._fused, compiled=compiled)

    def train_epoch(self, epoch: int) -> float:
        """Train for an epoch, counted from 1, and return its mean nll in nats per token.

        Raises:
          ChildFailure: "diverged" or "out_of_memory".
        """
        self._optimizer.learning_rate.assign(self._config.learning_rate_of(epoch))
        return self._mean_nll(self._train_loop, self._training, f"training, epoch {epoch}")

    def validate(self) -> float:
        """Return the mean nll of the validation text in nats per token: B parallel sequences."""
        return self._mean_nll(self._validation_loop, self._validation, "validation")

    def test(self, data: np.ndarray) -> float:
        """Return the mean nll of a text in nats per token, read as one stream from a zero state.

        Every token counts but the first, which has none before it. A long text is read as parallel
        streams where these are seen to leave the same states: see `streams`.

        Args:
          data: token numbers, int32, one dimension.

        Raises:
          InputError: fewer than two tokens.
          ChildFailure: as `train_epoch`.
        """
        if data.size < 2:
            raise InputError(f"the test text has {data.size} tokens, below 2")
        streams = cut_into_streams(data, self._config.batch_size * self._config.num_steps)
        if streams is not None:
            with out_of_memory_is_a_failure():
                nll = summed_nll(streams, self._streams.warm_up, self._streams.measure)
            if nll is not None:
                return finite_nll(nll / (len(data) - 1), "the test")
        return self._mean_nll(self._test_loop, data[:, np.newaxis], "the test")

    def variables(self) -> list[keras.Variable]:
        """Return the weights and the optimizer's variables."""
        return [*self.model.variables, *self._optimizer.variables]

    def _mean_nll(self, loop: Any, tokens: np.ndarray, when: str) -> float:
        with out_of_memory_is_a_failure():
            # Traced by name: TensorFlow warns of functions that calls trace again and again.
            traced = loop.get_concrete_function(tf.TensorSpec(tokens.shape, tokens.dtype))
            total, nll_of_rest = map(float, traced(tf.constant(tokens)))
        num_steps = self._config.num_steps
        rest = (len(tokens) - 1) % num_steps
        return finite_nll((total * num_steps + nll_of_rest * rest) / (len(tokens) - 1), when)

    def _train_segments(self, tokens: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        variables = self.model.trainable_variables

        def train(inputs: tf.Tensor, targets: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
            masks = self._masks(self._optimizer.iterations)
            with tf.GradientTape() as tape:
                nll, state = self._nll(inputs, targets, state, masks)
                summed = nll * self._config.num_steps  # over the steps, as the training documents
            gradients = tape.gradient(summed, [variable.value for variable in variables])
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
            self._update(gradients)
            return nll, state

        return self._over_segments(train, tokens)

    def _update(self, gradients: list[tf.Tensor]) -> None:
        """Apply the optimizer's rule to the clipped gradients, then the weight decay."""
        # Not optimizer.apply: its reduction over replicas is a tf.custom_gradient, which enters
        # the graph into a table of the process for good (7 MB a child), and traces for longer.
        gradients, _ = tf.clip_by_global_norm(gradients, self._config.clip_norm)
        for gradient, variable in zip(gradients, self.model.trainable_variables, strict=True):
            self._optimizer.update_step(gradient, variable, self._optimizer.learning_rate)
            if self._config.weight_decay:
                variable.assign(variable * (1 - self._config.weight_decay))
        self._optimizer.iterations.assign_add(1)

    def _evaluate_segments(self, tokens: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self._over_segments(self._nll, tokens)

    def _test_segments(self, tokens: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Of some thousand segments, whose sum as float32 would be off in the sixth digit.
        return self._over_segments(self._nll, tokens, tf.float64)

    def _over_segments(
        self, function: Any, tokens: tf.Tensor, sum_type: tf.DType = tf.float32
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the sum of the segments' mean nll, and that of a last, shorter one, 0 without.

        Stops where the sum is not finite.

        Args:
          function: from inputs [T, B], targets [T, B] and the state to mean nll and state.
          tokens: [steps + 1, B].
          sum_type: of the sum.
        """
        num_steps, (length, batch_size) = self._config.num_steps, tokens.shape
        num_segments, rest = divmod(length - 1, num_steps)

        def segment(first: tf.Tensor, steps: int, state: State) -> tuple[tf.Tensor, State]:
            shape = (steps, batch_size)
            inputs = tf.slice(tokens, (first, 0), shape)
            return function(inputs, tf.slice(tokens, (first + 1, 0), shape), state)

        def body(index: tf.Tensor, total: tf.Tensor, state: State) -> Any:
            nll, state = segment(index * num_steps, num_steps, state)
            return index + 1, total + tf.cast(nll, sum_type), state

        def unfinished(index: tf.Tensor, total: tf.Tensor, state: State) -> tf.Tensor:
            return tf.logical_and(index < num_segments, tf.math.is_finite(total))

        start = (0, tf.constant(0, sum_type), self.model.initial_state(batch_size))
        # One segment at a time: the weights of the last one's update are read by the next.
        _, total, state = tf.while_loop(unfinished, body, start, parallel_iterations=1)
        if not rest:
            return total, tf.constant(0.0)
        return total, segment(num_segments * num_steps, rest, state)[0]

    def _nll(
        self,
        inputs: tf.Tensor,
        targets: tf.Tensor,
        state: State,
        masks: DropoutMasks | None = None,
    ) -> tuple[tf.Tensor, State]:
        """Return the mean nll in nats per token and the last state, for tokens [T, B]."""
        nlls, state = self._nlls(inputs, targets, state, masks)
        return tf.reduce_mean(nlls), state

    def _nlls(
        self,
        inputs: tf.Tensor,
        targets: tf.Tensor,
        state: State,
        masks: DropoutMasks | None = None,
    ) -> tuple[tf.Tensor, State]:
        """Return the nll of each target, [T, B] or [T·B], and the last state."""
        if self._own_softmax:
            hidden, state = self.model.hidden_states(inputs, state, masks)
            kernel = tf.convert_to_tensor(self.model.softmax_weights())
            rows = tf.reshape(hidden, (-1, hidden.shape[-1]))  # [T·B, H]
            targets = tf.reshape(targets, (-1,))
            return softmax_nll(rows, kernel, self.model.softmax_bias.value, targets), state
        logits, state = self.model.predict_next(inputs, state, masks, fused=self._fused)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits), state

    def _masks(self, step: tf.Tensor) -> DropoutMasks:
        """Draw the masks of a training step, from its number and the seed alone."""
        shapes = self._config.mask_shapes(self.model.size)

        def uniform(number: int, shape: tuple[int, ...]) -> tf.Tensor:
            return keyed_uniform((*self._seed, step, number), shape)

        return draw_masks(self._config.dropout, shapes, uniform)
