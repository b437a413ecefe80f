"""The compiled program of a population in JAX: the twin of `tf_program` and `tf_unrolling`.

The same arithmetic and dropout masks; no operation mixes children. Layers are unrolled one after
the other, each over time by a scan whose gradient is written out: the step is computed again in the
backward scan, and the gradients of W and U are one product over all steps.

Shapes: C children, T steps, B sequences, V vocabulary, E embedding width, H hidden units, N leaves.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nas_with_rl.child_models.keyed_draws import keyed_uniform
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.dropout import (
    DropoutMasks,
    draw_masks,
    masked,
    no_dropout,
)
from nas_with_rl.child_models.language_models.size import LanguageModelSize
from nas_with_rl.child_models.populations.states import (
    MAX_ONE_HOT,
    Settings,
    TrainState,
    Weights,
)
from nas_with_rl.child_models.populations.universal_cell import Cells, step, step_gradient

State = tuple[jax.Array, jax.Array]  # h and c of a layer, [C, B, H] each


@dataclasses.dataclass(frozen=True)
class PopulationProgram:
    """See `tf_program.PopulationProgram`.

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
        tokens: jax.Array,
        segments: jax.Array,
    ) -> tuple[TrainState, jax.Array]:
        """Train on some segments; return each child's mean nll too, [C], in nats per token.

        It is NaN for those that had diverged before.

        Args:
          training: where they start.
          settings: the children's own; `seed` as two words of 32 bits, [2, C], as JAX has no 64.
          cells: which cells.
          tokens: [segments·T + 1, B], the same for all.
          segments: [2], the first to train on and the one after the last.
        """

        def summed(weights: Weights, *segment: Any) -> tuple[jax.Array, tuple]:
            nll, state = self._nll(weights, cells, *segment)
            return jnp.sum(nll) * self.config.num_steps, (nll, state)

        def is_unfinished(carry: tuple) -> jax.Array:
            index, training, *_ = carry
            # Where all have diverged the rest would change nothing.
            return jnp.logical_and(index < segments[1], jnp.any(training.alive))

        def body(carry: tuple) -> tuple:
            index, training, state, total = carry
            masks = self._masks(settings.seed, training.step)
            segment = (*_segment(tokens, index, self.config.num_steps), state, masks)
            gradients, (nll, state) = jax.grad(summed, has_aux=True)(training.weights, *segment)
            total = jnp.where(training.alive, total + nll, total)
            # Before the update: the step whose loss is not finite is not taken.
            alive = jnp.logical_and(training.alive, jnp.isfinite(total))
            training = self._updated(training._replace(alive=alive), gradients, settings)
            return index + 1, training, state, total

        # Those that diverged before have measured nothing here.
        total = jnp.where(training.alive, jnp.zeros_like(settings.learning_rate), jnp.nan)
        state = tuple(zip(training.hidden, training.cell_state, strict=True))
        start = (segments[0], training, state, total)
        _, training, state, total = jax.lax.while_loop(is_unfinished, body, start)
        hidden, cell_state = map(jnp.stack, zip(*state, strict=True))
        training = training._replace(hidden=hidden, cell_state=cell_state)
        # Also where the loop has ended early: no total is finite then.
        return training, total / (segments[1] - segments[0]).astype(total.dtype)

    def evaluate(
        self, weights: Weights, cells: Cells, tokens: jax.Array, num_segments: jax.Array
    ) -> jax.Array:
        """Return the mean nll of each child, [C], for the first segments of tokens, as `train`."""

        def body(index: jax.Array, carry: tuple) -> tuple:
            state, total = carry
            masks = no_dropout(self.size.num_layers)
            segment = _segment(tokens, index, self.config.num_steps)
            nll, state = self._nll(weights, cells, *segment, state, masks)
            return state, total + nll

        total = jnp.zeros_like(weights[1][:, 0])  # [C], of the softmax's bias [C, V]
        start = (self._zero_state(tokens, total), total)
        _, total = jax.lax.fori_loop(0, num_segments, body, start)
        return total / num_segments.astype(total.dtype)

    def _zero_state(self, tokens: jax.Array, by_child: jax.Array) -> tuple[State, ...]:
        shape = (by_child.shape[0], tokens.shape[1], self.size.units)
        return ((jnp.zeros(shape, by_child.dtype),) * 2,) * self.size.num_layers

    def _nll(
        self,
        weights: Weights,
        cells: Cells,
        inputs: jax.Array,
        targets: jax.Array,
        state: tuple[State, ...],
        masks: DropoutMasks,
    ) -> tuple[jax.Array, tuple[State, ...]]:
        """Return each child's mean nll, [C], and the last state, for tokens [T, B]."""
        embedding, softmax_bias, *others = weights
        # The embedding is the softmax's kernel too, unless there is one.
        softmax_kernel = embedding.swapaxes(1, 2) if self.size.tie_embeddings else others.pop(0)
        # [C, T, B, E]; a dropped word type is a row of zeros wherever it stands in a sequence.
        values = masked(self._embedded(embedding, inputs), _by_token(masks.embedding, inputs))
        last = []
        # Each layer has W and then U, as a Keras cell makes them.
        for layer, (kernel, recurrent_kernel) in enumerate(
            zip(others[::2], others[1::2], strict=True)
        ):
            projected = _product(masked(values, _with_steps(masks.input[layer])), kernel)
            values, *ends = _unroll(
                projected, recurrent_kernel, *state[layer], masks.recurrent[layer], cells
            )
            last.append((ends[0], ends[1]))
        values = masked(values, _with_steps(masks.output))
        logits = _product(values, softmax_kernel) + softmax_bias[:, None, None]  # [C, T, B, V]
        right = jnp.take_along_axis(
            logits, jnp.broadcast_to(targets, logits.shape[:-1])[..., None], axis=-1
        )[..., 0]
        nll = jax.nn.logsumexp(logits, axis=-1) - right
        return jnp.mean(nll, (1, 2)), tuple(last)

    def _embedded(self, embedding: jax.Array, tokens: jax.Array) -> jax.Array:
        """Return [C, T, B, E] for tokens [T, B]."""
        if self.size.vocabulary > MAX_ONE_HOT:
            return jnp.take(embedding, tokens, axis=1)
        one_hot = jax.nn.one_hot(tokens, self.size.vocabulary, dtype=embedding.dtype)
        return _product(jnp.broadcast_to(one_hot, (len(embedding), *one_hot.shape)), embedding)

    def _updated(self, training: TrainState, gradients: Weights, settings: Settings) -> TrainState:
        """Apply the optimizer's rule to the clipped gradients of those alive, then the decay."""
        gradients = _clipped(gradients, settings.clip_norm)
        step_number = training.step + 1
        rate, decay = settings.learning_rate, self.config.weight_decay
        if self.config.optimizer == "adam":
            slots, changes = _adam(training.slots, gradients, rate, step_number)
        else:
            slots, changes = (), tuple(_by_child(rate, g) * g for g in gradients)
        weights = tuple(
            (weight - change) * (1 - decay)
            for weight, change in zip(training.weights, changes, strict=True)
        )
        # Chosen, not multiplied by 0 or 1: 0 times the NaN of a child that has diverged is NaN.
        weights, slots = jax.tree.map(
            lambda new, old: jnp.where(_by_child(training.alive, new), new, old),
            (weights, slots),
            (training.weights, training.slots),
        )
        return training._replace(weights=weights, slots=slots, step=step_number)

    def _masks(self, seeds: jax.Array, step_number: jax.Array) -> DropoutMasks:
        """Draw each child's masks of a training step as `language_models.jax_epochs` does."""
        shapes = self.config.mask_shapes(self.size)

        def uniform(number: int, shape: tuple[int, ...]) -> jax.Array:
            return keyed_uniform((*seeds, step_number, number), shape)

        return draw_masks(self.config.dropout, shapes, uniform)


@jax.custom_vjp
def _unroll(
    projected: jax.Array,
    recurrent_kernel: jax.Array,
    hidden: jax.Array,
    cell_state: jax.Array,
    mask: jax.Array | None,
    cells: Cells,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return h of all steps, [C, T, B, H], and the last h and c, [C, B, H].

    Back-propagation ends with the segment: to what stands after U goes no gradient.

    Args:
      projected: x W, [C, T, B, N·H].
      recurrent_kernel: U, [C, H, N·H].
      hidden, cell_state: h_0 and c_0, [C, B, H].
      mask: of h where U's product reads it, [C, B, H]; None drops nothing.
      cells: which cells.
    """
    return _unroll_forward(projected, recurrent_kernel, hidden, cell_state, mask, cells)[0]


def _unroll_forward(
    projected: jax.Array,
    recurrent_kernel: jax.Array,
    hidden: jax.Array,
    cell_state: jax.Array,
    mask: jax.Array | None,
    cells: Cells,
) -> tuple[tuple[jax.Array, jax.Array, jax.Array], tuple]:
    def body(state: State, here: jax.Array) -> tuple[State, tuple]:
        projected_state = masked(state[0], mask) @ recurrent_kernel
        after = step(here, projected_state, state[1], cells)
        return after, (projected_state, state, after[0])

    steps = projected.swapaxes(0, 1)  # [T, C, B, N·H]
    last, (states, before, hiddens) = jax.lax.scan(body, (hidden, cell_state), steps)
    past = (steps, states, before, recurrent_kernel, mask, cells)
    return (hiddens.swapaxes(0, 1), *last), past


def _unroll_backward(past: tuple, d_outputs: tuple) -> tuple:
    steps, states, (hiddens, cell_states), recurrent_kernel, mask, cells = past
    d_hiddens, *_ = d_outputs
    transposed = recurrent_kernel.swapaxes(1, 2)

    def body(d_state: State, here: tuple) -> tuple[State, tuple[jax.Array, jax.Array]]:
        *inputs, d_output = here
        d_hidden, d_cell_state = d_state
        d_input, d_projected, d_cell_state = step_gradient(
            tuple(inputs), d_hidden + d_output, d_cell_state, cells
        )
        return (masked(d_projected @ transposed, mask), d_cell_state), (d_input, d_projected)

    nothing = jnp.zeros_like(hiddens[0])
    along = (steps, states, cell_states, d_hiddens.swapaxes(0, 1))
    _, (d_steps, d_states) = jax.lax.scan(body, (nothing, nothing), along, reverse=True)
    # One product over all steps, not one added up at every step.
    d_kernel = jnp.einsum("tcbh,tcbn->chn", masked(hiddens, mask), d_states)
    return (d_steps.swapaxes(0, 1), d_kernel, nothing, nothing, *_no_gradients(mask, cells))


def _no_gradients(*values: Any) -> tuple[Any, ...]:
    return tuple(jax.tree.map(jnp.zeros_like, each) for each in values)


_unroll.defvjp(_unroll_forward, _unroll_backward)


def _segment(tokens: jax.Array, index: jax.Array, num_steps: int) -> tuple[jax.Array, jax.Array]:
    """Return inputs and targets, [T, B] each; targets are the inputs one step later."""
    both = jax.lax.dynamic_slice_in_dim(tokens, index * num_steps, num_steps + 1)
    return both[:-1], both[1:]


def _product(values: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return each child's values [C, T, B, D] times its kernel [C, D, G]."""
    num_children, *extents, width = values.shape
    flat = values.reshape(num_children, -1, width) @ kernel
    return flat.reshape(num_children, *extents, -1)


def _with_steps(mask: jax.Array | None) -> jax.Array | None:
    """Return a mask [C, B, D] as [C, 1, B, D]."""
    return mask if mask is None or mask.ndim == 4 else mask[:, None]


def _by_token(mask: jax.Array | None, tokens: jax.Array) -> jax.Array | None:
    """Return a mask of word types [C, B, V] as one of tokens, [C, T, B, 1]."""
    if mask is None:
        return None
    return mask[:, jnp.arange(tokens.shape[1]), tokens][..., None]


def _by_child(values: jax.Array, like: jax.Array) -> jax.Array:
    """Return [C] as [C, 1, ...]."""
    return values.reshape(-1, *(1,) * (like.ndim - 1))


def _clipped(gradients: Weights, clip_norm: jax.Array) -> Weights:
    """Scale each child's gradients as `tf.clip_by_global_norm` does."""
    squares = [jnp.sum(g * g, axis=tuple(range(1, g.ndim))) for g in gradients]
    norm = jnp.sqrt(sum(squares))  # [C]
    scale = clip_norm * jnp.minimum(1 / norm, 1 / clip_norm)
    scale = jnp.where(jnp.isfinite(norm), scale, jnp.nan)  # the child has diverged
    return tuple(g * _by_child(scale, g) for g in gradients)


def _adam(
    slots: tuple[Weights, ...], gradients: Weights, rate: jax.Array, step_number: jax.Array
) -> tuple[tuple[Weights, ...], Weights]:
    """Return the moments and the changes of Keras's Adam with its defaults."""
    beta_1, beta_2, epsilon = 0.9, 0.999, 1e-7
    powers = [jnp.asarray(beta, rate.dtype) ** step_number for beta in (beta_1, beta_2)]
    rate = rate * jnp.sqrt(1 - powers[1]) / (1 - powers[0])
    means = tuple(m + (g - m) * (1 - beta_1) for m, g in zip(slots[0], gradients, strict=True))
    squares = tuple(
        v + (g * g - v) * (1 - beta_2) for v, g in zip(slots[1], gradients, strict=True)
    )
    changes = tuple(
        m * _by_child(rate, m) / (jnp.sqrt(v) + epsilon)
        for m, v in zip(means, squares, strict=True)
    )
    return (means, squares), changes


@functools.cache
def loops(
    size: LanguageModelSize, config: LanguageModelTraining
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the loops of training and validation; see `tf_program.loops`."""
    program = PopulationProgram(size, config)
    compiled, evaluate = jax.jit(program.train), jax.jit(program.evaluate)

    def train(
        training: TrainState,
        settings: Settings,
        cells: Cells,
        tokens: np.ndarray,
        segments: np.ndarray,
    ) -> tuple[TrainState, jax.Array]:
        seeds = np.stack([settings.seed & 0xFFFFFFFF, settings.seed >> 32]).astype(np.uint32)
        return compiled(training, settings._replace(seed=seeds), cells, tokens, segments)

    return train, evaluate
