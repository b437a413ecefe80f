"""The compiled program of a population: C language models of one base, trained side by side.

Its inputs are the cells, so it is compiled once for all of them. The arithmetic is that of
`LanguageModel` and `language_models.tf_epochs`, with C in front; no operation mixes children.

Shapes: C children, L layers, T steps, B sequences, V vocabulary, E embedding width,
H hidden units, N leaves of a cell; a layer's input is as wide as E or H.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nas_with_rl.child_models.keyed_draws import keyed_uniform
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.dropout import (
    DropoutMasks,
    draw_masks,
    no_dropout,
)
from nas_with_rl.child_models.language_models.size import LanguageModelSize
from nas_with_rl.child_models.populations.states import (
    MAX_ONE_HOT,
    Settings,
    TrainState,
    Weights,
)
from nas_with_rl.child_models.populations.tf_unrolling import Layers, Surroundings, unroll
from nas_with_rl.child_models.populations.universal_cell import Cells

States = tuple[tf.Tensor, tf.Tensor]  # h and c of all layers, [L, C, B, H] each


@dataclasses.dataclass(frozen=True)
class PopulationProgram:
    """Two functions for XLA: an epoch of training, and an evaluation.

    Attributes:
      size: every child's widths.
      config: how they are trained; learning rate, clip and seed are the children's own.
    """

    size: LanguageModelSize
    config: LanguageModelTraining

    def train(
        self,
        training: TrainState,
        settings: Settings,
        cells: Cells,
        tokens: tf.Tensor,
        segments: tf.Tensor,
    ) -> tuple[TrainState, tf.Tensor]:
        """Train on some segments; return each child's mean nll too, [C], in nats per token.

        It is NaN for those that had diverged before.

        Args:
          training: where they start.
          settings, cells: the children's own.
          tokens: [segments·T + 1, B], the same for all.
          segments: [2], the first to train on and the one after the last.
        """

        def unfinished(index: tf.Tensor, training: TrainState, *_: object) -> tf.Tensor:
            # Where all have diverged the rest would change nothing.
            return tf.logical_and(index < segments[1], tf.reduce_any(training.alive))

        def body(index: tf.Tensor, training: TrainState, state: States, total: tf.Tensor) -> tuple:
            masks = self._masks(settings.seed, training.step)
            segment = (*_segment(tokens, index, self.config.num_steps), state, masks)
            with tf.GradientTape() as tape:
                tape.watch(training.weights)
                nll, state = self._nll(training.weights, cells, *segment)  # [C]
                summed = nll * self.config.num_steps  # as `LanguageModelTraining` documents
            gradients = tape.gradient(summed, training.weights)
            total = tf.where(training.alive, total + nll, total)
            # Before the update: the step whose loss is not finite is not taken. What h and c become
            # then stays the child's own.
            alive = tf.logical_and(training.alive, tf.math.is_finite(total))
            training = self._updated(training._replace(alive=alive), gradients, settings)
            return index + 1, training, state, total

        # Those that diverged before have measured nothing here.
        total = tf.where(training.alive, tf.zeros_like(settings.learning_rate), np.nan)
        start = (segments[0], training, (training.hidden, training.cell_state), total)
        _, training, state, total = tf.while_loop(unfinished, body, start)
        training = training._replace(hidden=state[0], cell_state=state[1])
        # Also where the loop has ended early: no total is finite then.
        return training, total / tf.cast(segments[1] - segments[0], total.dtype)

    def evaluate(
        self, weights: Weights, cells: Cells, tokens: tf.Tensor, num_segments: tf.Tensor
    ) -> tf.Tensor:
        """Return the mean nll of each child, [C], for the first segments of tokens, as `train`."""

        def body(index: tf.Tensor, state: States, total: tf.Tensor) -> tuple:
            masks = no_dropout(self.size.num_layers)
            segment = (*_segment(tokens, index, self.config.num_steps), state, masks)
            nll, state = self._nll(weights, cells, *segment)
            return index + 1, state, total + nll

        # [C], of the softmax's bias [C, V]: C and the type of numbers are nowhere else at hand.
        total = tf.zeros_like(weights[1][:, 0])
        start = (0, self._zero_state(tokens, total), total)
        *_, total = tf.while_loop(lambda index, *_: index < num_segments, body, start)
        return total / tf.cast(num_segments, total.dtype)

    def _zero_state(self, tokens: tf.Tensor, by_child: tf.Tensor) -> States:
        shape = (self.size.num_layers, by_child.shape[0], tokens.shape[1], self.size.units)
        return (tf.zeros(shape, by_child.dtype),) * 2

    def _nll(
        self,
        weights: Weights,
        cells: Cells,
        inputs: tf.Tensor,
        targets: tf.Tensor,
        state: States,
        masks: DropoutMasks,
    ) -> tuple[tf.Tensor, States]:
        """Return each child's mean nll, [C], and the last state, for tokens [T, B]."""
        embedding, softmax_bias, *others = weights
        softmax_kernel = None if self.size.tie_embeddings else others.pop(0)
        # [C, T, B, E]; a dropped word type is a row of zeros wherever it stands in a sequence.
        values = _masked(self._embedded(embedding, inputs), _by_token(masks.embedding, inputs))
        first, *above = masks.input
        around = Surroundings(
            *state,
            input_masks=_stacked([_with_steps(mask) for mask in above]),
            recurrent_masks=_stacked(masks.recurrent),
            cells=cells,
        )
        # Each layer has W and then U, as a Keras cell makes them.
        kernels, recurrent_kernels = others[::2], others[1::2]
        # XLA wants one even where no layer is above the first; it is never read.
        above_first = kernels[1:] or [tf.zeros_like(recurrent_kernels[0])]
        layers = Layers(tf.stack(above_first), tf.stack(recurrent_kernels))
        projected = _product(_masked(values, first), kernels[0])  # [C, T, B, N·H]
        values, *last = unroll(projected, layers, around)
        values = _masked(values, masks.output)
        if softmax_kernel is None:
            # The embedding is the softmax's kernel too.
            logits = _product(values, embedding, transposed=True)
        else:
            logits = _product(values, softmax_kernel)
        logits += softmax_bias[:, tf.newaxis, tf.newaxis]  # [C, T, B, V]
        # All children read the same text.
        labels = tf.broadcast_to(targets, logits.shape[:-1])
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        return tf.reduce_mean(nll, (1, 2)), (last[0], last[1])

    def _embedded(self, embedding: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        """Return [C, T, B, E] for tokens [T, B]."""
        if self.size.vocabulary > MAX_ONE_HOT:
            return tf.gather(embedding, tokens, axis=1)
        one_hot = tf.one_hot(tokens, self.size.vocabulary, dtype=embedding.dtype)
        return _product(tf.broadcast_to(one_hot, (embedding.shape[0], *one_hot.shape)), embedding)

    def _updated(self, training: TrainState, gradients: Weights, settings: Settings) -> TrainState:
        """Apply the optimizer's rule to the clipped gradients of those alive, then the decay."""
        gradients = _clipped(gradients, settings.clip_norm)
        step = training.step + 1
        rate = settings.learning_rate
        if self.config.optimizer == "adam":
            slots, changes = _adam(training.slots, gradients, rate, step)
        else:
            slots, changes = (), [_by_child(rate, g) * g for g in gradients]
        weights = [
            (weight - change) * (1 - self.config.weight_decay)
            if self.config.weight_decay
            else weight - change
            for weight, change in zip(training.weights, changes, strict=True)
        ]
        # Chosen, not multiplied by 0 or 1: 0 times the NaN of a child that has diverged is NaN.
        before, after = (training.weights, training.slots), (tuple(weights), slots)
        weights, slots = tf.nest.map_structure(
            lambda new, old: tf.where(_by_child(training.alive, new), new, old), after, before
        )
        return training._replace(weights=weights, slots=slots, step=step)

    def _masks(self, seeds: tf.Tensor, step: tf.Tensor) -> DropoutMasks:
        """Draw each child's masks of a training step as `language_models.tf_epochs` draws them."""
        shapes = self.config.mask_shapes(self.size)
        # `keyed_uniform` takes 32 bits of each number: a seed has two of them.
        words = seeds, tf.bitwise.right_shift(seeds, tf.constant(32, tf.int64))

        def uniform(number: int, shape: tuple[int, ...]) -> tf.Tensor:
            return keyed_uniform((*words, step, number), shape)

        return draw_masks(self.config.dropout, shapes, uniform)


def _segment(tokens: tf.Tensor, index: tf.Tensor, num_steps: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return inputs and targets, [T, B] each."""
    # Targets are the inputs one step later. `tf.slice`, as XLA has to know all extents beforehand.
    first, shape = index * num_steps, (num_steps, tokens.shape[1])
    return tf.slice(tokens, (first, 0), shape), tf.slice(tokens, (first + 1, 0), shape)


def _product(values: tf.Tensor, kernel: tf.Tensor, *, transposed: bool = False) -> tf.Tensor:
    """Return each child's values [T, B, D] times its kernel [D, G], or [G, D] transposed."""
    num_children, *extents, width = values.shape
    flat = tf.reshape(values, (num_children, -1, width))
    flat = tf.matmul(flat, kernel, transpose_b=transposed)
    return tf.reshape(flat, (num_children, *extents, -1))


def _masked(values: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Return values [C, T, B, D] times a mask [C, T or 1, B, D or 1] or [C, B, D]."""
    if mask is None:
        return values
    return values * tf.cast(mask if mask.shape.rank == 4 else mask[:, tf.newaxis], values.dtype)


def _with_steps(mask: tf.Tensor | None) -> tf.Tensor | None:
    """Return a mask [C, B, D] as [C, 1, B, D]."""
    return mask if mask is None or mask.shape.rank == 4 else mask[:, tf.newaxis]


def _stacked(masks: Sequence[tf.Tensor | None]) -> tf.Tensor | None:
    return tf.stack(masks) if masks and all(mask is not None for mask in masks) else None


def _by_token(mask: tf.Tensor | None, tokens: tf.Tensor) -> tf.Tensor | None:
    """Return a mask of word types [C, B, V] as one of tokens, [C, T, B, 1]."""
    if mask is None:
        return None
    # Gathered sequence by sequence, since each has a mask of its own and all children one text.
    by_type = tf.transpose(mask, (1, 0, 2))  # [B, C, V]
    return tf.transpose(tf.gather(by_type, tf.transpose(tokens), axis=2, batch_dims=1), (1, 2, 0))[
        ..., tf.newaxis
    ]


def _by_child(values: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Return [C] as [C, 1, ...]."""
    return tf.reshape(values, (-1, *(1,) * (like.shape.rank - 1)))


def _clipped(gradients: Weights, clip_norm: tf.Tensor) -> Weights:
    """Scale each child's gradients as `tf.clip_by_global_norm` does."""
    squares = [tf.reduce_sum(g * g, range(1, g.shape.rank)) for g in gradients]
    norm = tf.sqrt(tf.add_n(squares))  # [C]
    scale = clip_norm * tf.minimum(1 / norm, 1 / clip_norm)
    scale = tf.where(tf.math.is_finite(norm), scale, norm - norm)  # NaN: the child has diverged
    return tuple(g * _by_child(scale, g) for g in gradients)


def _adam(
    slots: tuple[Weights, ...], gradients: Weights, rate: tf.Tensor, step: tf.Tensor
) -> tuple[tuple[Weights, ...], list[tf.Tensor]]:
    """Return the moments and the changes of Keras's Adam with its defaults."""
    beta_1, beta_2, epsilon = 0.9, 0.999, 1e-7
    # Keras rounds the powers' bases to float32, also where weights are float64.
    powers = [
        tf.cast(np.float32(beta), rate.dtype) ** tf.cast(step, rate.dtype)
        for beta in (beta_1, beta_2)
    ]
    rate = rate * tf.sqrt(1 - powers[1]) / (1 - powers[0])
    means = [m + (g - m) * (1 - beta_1) for m, g in zip(slots[0], gradients, strict=True)]
    squares = [v + (g * g - v) * (1 - beta_2) for v, g in zip(slots[1], gradients, strict=True)]
    changes = [
        m * _by_child(rate, m) / (tf.sqrt(v) + epsilon) for m, v in zip(means, squares, strict=True)
    ]
    return (tuple(means), tuple(squares)), changes


@functools.cache
def loops(size: LanguageModelSize, config: LanguageModelTraining) -> tuple[Any, Any]:
    """Return the loops of training and validation.

    TensorFlow compiles them once for each C, base, set of operations and length of the text.

    Args:
      size: every child's.
      config: what `common_config` returns, so that a population of the same sizes compiles nothing.
    """
    program = PopulationProgram(size, config)
    functions = program.train, program.evaluate
    train, evaluate = (tf.function(f, autograph=False, jit_compile=True) for f in functions)
    return train, evaluate
