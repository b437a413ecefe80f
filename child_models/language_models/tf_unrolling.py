"""Unrolling a recurrent cell over time, fast: x W hoisted, the gradient written out.

Shapes: T steps, B sequences, H hidden units, G·H the width of a cell's products (see
`known_cells`). Everything is time-major, so that a step reads and writes one block.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from nas_with_rl.child_models.cells.known_cells import CellStep
from nas_with_rl.child_models.cells.tree_cell import product
from nas_with_rl.child_models.language_models.dropout import masked
from nas_with_rl.child_models.tensorflow_internals import record_operation, unrecorded


class _Unrolling(NamedTuple):
    """What an unrolling reads.

    Attributes:
      projected: x W, [T, B, G·H].
      recurrent_kernel: U, [H, G·H].
      hidden, cell_state: h_0 and c_0, [B, H].
      mask: of h where U's product reads it, [B, H]; None drops nothing.
      weights: what the step takes beside the products and c.
    """

    projected: tf.Tensor
    recurrent_kernel: tf.Tensor
    hidden: tf.Tensor
    cell_state: tf.Tensor
    mask: tf.Tensor | None
    weights: tuple[tf.Tensor, ...]


def make_unroll(step: CellStep) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    """Return unroll(projected, recurrent_kernel, h_0, c_0, mask, *weights) -> (all h, c_T).

    The gradient is written out, since the one that TensorFlow derives from a loop stacks every
    intermediate value and adds to U's gradient at every step; see `_backward`.
    """
    forward = tf.function(functools.partial(_forward, step), autograph=False)
    backward = tf.function(functools.partial(_backward, step), autograph=False)

    def unroll(
        projected: tf.Tensor,
        recurrent_kernel: tf.Variable,
        hidden: tf.Tensor,
        cell_state: tf.Tensor,
        mask: tf.Tensor | None,
        *weights: tf.Tensor | tf.Variable,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # Read here, while the tape sees it: its gradient is to reach the variables.
        kernel, *others = (tf.convert_to_tensor(each) for each in (recurrent_kernel, *weights))
        inputs = _Unrolling(projected, kernel, hidden, cell_state, mask, tuple(others))
        # The tape is to see the one operation below, and nothing of what is inside it.
        with unrecorded():
            states = forward(inputs)
            # All h, [T, B, H], and c_T, [B, H].
            outputs = [states[0], states[1][-1]]
        record_operation(
            "Unroll",
            outputs,
            [*inputs[:4], *inputs.weights],
            lambda *upstream: backward(inputs, states, upstream),
        )
        return outputs[0], outputs[1]

    return unroll


def _forward(step: CellStep, inputs: _Unrolling) -> tuple[tf.Tensor, tf.Tensor]:
    """Return h and c of all steps, [T, B, H] each."""
    num_steps = keras.ops.shape(inputs.projected)[0]

    def body(t, hidden, cell_state, hiddens, cell_states):
        projected_state = tf.matmul(masked(hidden, inputs.mask), inputs.recurrent_kernel)
        hidden, cell_state = step(inputs.projected[t], projected_state, cell_state, *inputs.weights)
        return t + 1, hidden, cell_state, hiddens.write(t, hidden), cell_states.write(t, cell_state)

    arrays = [_array(num_steps, inputs.hidden) for _ in range(2)]
    *_, hiddens, cell_states = tf.while_loop(
        lambda t, *_: t < num_steps, body, (0, inputs.hidden, inputs.cell_state, *arrays)
    )
    return hiddens.stack(), cell_states.stack()  # [T, B, H]


def _backward(
    step: CellStep,
    inputs: _Unrolling,
    states: tuple[tf.Tensor, tf.Tensor],
    upstream: tuple[tf.Tensor, tf.Tensor],
) -> list[tf.Tensor]:
    """Return the gradients of x W, U, h_0, c_0 and the weights, from those of all h and of c_T.

    Apart from its products a step is element-wise. So its derivatives are one factor per
    element, computed for all steps at once, and the loop back through time only multiplies.
    """
    shape = num_steps, batch_size, width = keras.ops.shape(inputs.projected)
    by_product = (num_steps, batch_size, -1, inputs.hidden.shape[-1])  # [T, B, G, H]
    before, cells_before = (
        tf.concat([first[tf.newaxis], rest[:-1]], axis=0)
        for first, rest in zip((inputs.hidden, inputs.cell_state), states, strict=True)
    )  # h_(t-1) and c_(t-1), [T, B, H]
    # As U's product has read it; the step itself is not masked.
    before = masked(before, inputs.mask)
    read = inputs.projected, product(before, inputs.recurrent_kernel), cells_before
    written = step(*read, *inputs.weights)  # h_t and c_t, [T, B, H]
    # `tf.gradients` adds up over all of its first argument. Each element of a product enters one
    # element of h_t and of c_t alone, so that the sum has one term: the derivative itself.
    factors = []  # of h_t and of c_t, each by x W, h U and c_(t-1)
    for each in written:
        *by_products, by_cell = tf.gradients(each, read, unconnected_gradients="zero")
        factors.append((*(tf.reshape(factor, by_product) for factor in by_products), by_cell))
    (h_by_input, h_by_state, h_by_cell), (c_by_input, c_by_state, c_by_cell) = factors

    def body(t, d_hidden, d_cell, d_hiddens, d_cells):
        d_hidden += upstream[0][t]
        # From above and from step t + 1 together: what every weight's gradient is made of.
        d_hiddens, d_cells = d_hiddens.write(t, d_hidden), d_cells.write(t, d_cell)
        d_state = (
            h_by_state[t] * d_hidden[:, tf.newaxis] + c_by_state[t] * d_cell[:, tf.newaxis]
        )  # [B, G, H]
        d_cell = h_by_cell[t] * d_hidden + c_by_cell[t] * d_cell
        d_state = tf.reshape(d_state, (batch_size, width))
        d_hidden = tf.matmul(d_state, inputs.recurrent_kernel, transpose_b=True)
        return t - 1, masked(d_hidden, inputs.mask), d_cell, d_hiddens, d_cells

    arrays = [_array(num_steps, inputs.hidden) for _ in range(2)]
    start = (num_steps - 1, tf.zeros_like(inputs.hidden), upstream[1], *arrays)
    _, d_hidden, d_cell, d_hiddens, d_cells = tf.while_loop(lambda t, *_: t >= 0, body, start)
    d_written = [d_hiddens.stack(), d_cells.stack()]
    d_weights = []
    if inputs.weights:
        d_weights = tf.gradients(written, inputs.weights, d_written, unconnected_gradients="zero")
    d_hiddens, d_cells = (each[:, :, tf.newaxis] for each in d_written)
    d_inputs = tf.reshape(h_by_input * d_hiddens + c_by_input * d_cells, shape)
    d_states = tf.reshape(h_by_state * d_hiddens + c_by_state * d_cells, shape)
    # Over all steps at once, [H, T·B] times [T·B, G·H].
    d_kernel = tf.matmul(_flat(before), _flat(d_states), transpose_a=True)
    return [d_inputs, d_kernel, d_hidden, d_cell, *d_weights]


def _array(num_steps: int, like: tf.Tensor) -> tf.TensorArray:
    return tf.TensorArray(like.dtype, num_steps, element_shape=like.shape)


def _flat(values: tf.Tensor) -> tf.Tensor:
    """Return all steps as rows."""
    return tf.reshape(values, (-1, values.shape[-1]))  # [T·B, ...]
