"""The epochs of a language model in JAX: whole loops over segments, compiled.

The twin of `tf_epochs`: the same arithmetic and the same dropout masks.

Shapes: T steps, B sequences, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from nas_with_rl.child_models.cells.known_cells import Cell
from nas_with_rl.child_models.data.text import Corpus
from nas_with_rl.child_models.jax_training import (
    TrainedVariables,
    Values,
    clipped_by_global_norm,
    cross_entropy,
    unless_diverged,
)
from nas_with_rl.child_models.keyed_draws import keyed_uniform
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.dropout import DropoutMasks, draw_masks
from nas_with_rl.child_models.language_models.model import LanguageModel, State
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
        self._training = jnp.asarray(segments_of(corpus.train, config, most=config.steps_per_epoch))
        self._validation = jnp.asarray(segments_of(corpus.validation, config))
        size = config.size(len(corpus.vocabulary), cell)
        self.model = LanguageModel(cell, size, init_scale=config.init_scale, seed=seed)
        self.num_parameters = self.model.num_parameters
        self.multiply_adds = self.model.multiply_adds
        kinds = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}
        self._optimizer = kinds[config.optimizer](config.learning_rate)
        self._trained = TrainedVariables(self.model, self._optimizer)
        self._train_loop = jax.jit(self._train_segments)
        self._evaluation_loop = jax.jit(self._evaluate_segments)

    def train_epoch(self, epoch: int) -> float:
        """Train for an epoch, counted from 1, and return its mean nll in nats per token.

        Raises:
          ChildFailure: "diverged" or "out_of_memory".
        """
        self._optimizer.learning_rate.assign(self._config.learning_rate_of(epoch))
        first_step = (epoch - 1) * (len(self._training) // self._config.num_steps)
        with out_of_memory_is_a_failure():
            values, nll = self._train_loop(self._trained.values(), self._training, first_step)
            nll = float(nll)
        self._trained.assign(values)
        return finite_nll(nll, f"training, epoch {epoch}")

    def validate(self) -> float:
        """Return the mean nll of the validation text in nats per token: B parallel sequences."""
        return self._evaluate(self._validation, "validation")

    def test(self, data: np.ndarray) -> float:
        """Return the mean nll of a text in nats per token, read as one stream from a zero state.

        Every token counts but the first, which has none before it.

        Args:
          data: token numbers, int32, one dimension.

        Raises:
          InputError: fewer than two tokens.
          ChildFailure: as `train_epoch`.
        """
        if data.size < 2:
            raise InputError(f"the test text has {data.size} tokens, below 2")
        return self._evaluate(jnp.asarray(data[:, np.newaxis]), "the test")

    def variables(self) -> list[keras.Variable]:
        """Return the weights and the optimizer's variables."""
        return [*self.model.variables, *self._optimizer.variables]

    def _evaluate(self, tokens: jax.Array, when: str) -> float:
        with out_of_memory_is_a_failure():
            nll = float(self._evaluation_loop(self._trained.values(), tokens))
        return finite_nll(nll, when)

    def _train_segments(
        self, values: Values, tokens: jax.Array, first_step: jax.Array
    ) -> tuple[Values, jax.Array]:
        """Return the values after an epoch, and its mean nll, for tokens [segments·T + 1, B].

        Args:
          values: before it.
          tokens: the text.
          first_step: the number of its first step.
        """
        inputs, targets, _ = self._segments(tokens)

        def train(carry: tuple[Values, State], segment: tuple) -> tuple[tuple, jax.Array]:
            (values, state), (number, *tokens) = carry, segment
            masks = self._masks(first_step + number)
            (summed, state), gradients = jax.value_and_grad(self._summed_nll, has_aux=True)(
                values.weights, values.others, tokens, state, masks
            )
            return (self._updated(values, gradients), state), summed / self._config.num_steps

        start = (values, self.model.initial_state(tokens.shape[1]))
        (values, _), nlls = jax.lax.scan(train, start, (jnp.arange(len(inputs)), inputs, targets))
        return values, unless_diverged(jnp.mean(nlls), values.weights)

    def _updated(self, values: Values, gradients: list[jax.Array]) -> Values:
        """Apply the optimizer's rule to the clipped gradients, then the weight decay."""
        gradients = clipped_by_global_norm(gradients, self._config.clip_norm)
        weights, optimizer = self._optimizer.stateless_apply(
            values.optimizer, gradients, values.weights
        )
        if self._config.weight_decay:
            weights = [weight * (1 - self._config.weight_decay) for weight in weights]
        return Values(weights, values.others, optimizer)

    def _evaluate_segments(self, values: Values, tokens: jax.Array) -> jax.Array:
        """Return the mean nll of tokens [steps + 1, B], whose last segment may be shorter."""
        inputs, targets, rest = self._segments(tokens)

        def evaluate(state: State, segment: tuple[jax.Array, jax.Array]) -> tuple[State, jax.Array]:
            nll, state = self._nll(values.weights, values.others, segment, state)
            return state, nll

        state = self.model.initial_state(tokens.shape[1])
        state, nlls = jax.lax.scan(evaluate, state, (inputs, targets))
        total = jnp.sum(nlls) * self._config.num_steps
        if len(rest) > 1:
            _, nll = evaluate(state, (rest[:-1], rest[1:]))
            total += nll * (len(rest) - 1)
        return total / (len(tokens) - 1)

    def _segments(self, tokens: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return inputs and targets [segments, T, B] of tokens [steps + 1, B], and what is left."""
        num_steps, (length, batch_size) = self._config.num_steps, tokens.shape
        last = (length - 1) // num_steps * num_steps
        shape = (-1, num_steps, batch_size)
        return tokens[:last].reshape(shape), tokens[1 : last + 1].reshape(shape), tokens[last:]

    def _nll(
        self,
        weights: list[jax.Array],
        others: list[jax.Array],
        tokens: tuple[jax.Array, jax.Array],
        state: State,
        masks: DropoutMasks | None = None,
    ) -> tuple[jax.Array, State]:
        """Return the mean nll in nats per token and the last state, of inputs, targets [T, B]."""
        inputs, targets = tokens
        with self._trained.replaced(weights, others):
            logits, state = self.model.predict_next(inputs, state, masks)
        return jnp.mean(cross_entropy(targets, logits)), state

    def _summed_nll(self, *arguments: Any) -> tuple[jax.Array, State]:
        """Return the nll summed over the steps, averaged over the sequences; see `_nll`."""
        nll, state = self._nll(*arguments)
        return nll * self._config.num_steps, state

    def _masks(self, step: jax.Array) -> DropoutMasks:
        """Draw the masks of a training step, from its number and the seed alone."""
        shapes = self._config.mask_shapes(self.model.size)

        def uniform(number: int, shape: tuple[int, ...]) -> jax.Array:
            return keyed_uniform((*self._seed, step, number), shape)

        return draw_masks(self._config.dropout, shapes, uniform)
