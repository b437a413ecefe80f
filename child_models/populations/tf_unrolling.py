"""Unrolling a population's layers over time, for XLA, with the gradient written out.

A loop over the layers around a loop over the steps: what compiles is one step, not one per layer.

Shapes: C children, L layers, T steps, B sequences, H hidden units, N leaves. Children come before
steps, so that the products with the weights over all steps at once are plain batched ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from nas_with_rl.child_models.populations.universal_cell import Cells, step, step_gradient
from nas_with_rl.child_models.tensorflow_internals import written_into


class Layers(NamedTuple):
    """What an unrolling reads beside the first layer's x W.

    Attributes:
      kernels: W of the layers above the first, [L - 1, C, H, N·H].
      recurrent_kernels: U, [L, C, H, N·H].
    """

    kernels: tf.Tensor
    recurrent_kernels: tf.Tensor


class Surroundings(NamedTuple):
    """What an unrolling needs that no gradient goes to.

    Attributes:
      hidden, cell_state: h_0 and c_0, [L, C, B, H].
      input_masks: of what the layers above the first read, [L - 1, C, T or 1, B, H]; None drops
        nothing.
      recurrent_masks: of h where U's product reads it, [L, C, B, H].
      cells: which cells.
    """

    hidden: tf.Tensor
    cell_state: tf.Tensor
    input_masks: tf.Tensor | None
    recurrent_masks: tf.Tensor | None
    cells: Cells


class _Past(NamedTuple):
    """What the gradient needs of all layers and steps: x W and h_(t-1) U [L, C, T, B, N·H], h and
    c [L, C, T, B, H]."""

    projected: tf.Tensor
    states: tf.Tensor
    hiddens: tf.Tensor
    cell_states: tf.Tensor


def unroll(
    projected: tf.Tensor, layers: Layers, around: Surroundings
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the last layer's h of all steps, [C, T, B, H], and the last h and c, [L, C, B, H].

    Args:
      projected: x W of the first layer, [C, T, B, N·H].
      layers: the weights.
      around: the rest.
    """

    # TensorFlow keeps each traced gradient for good (see `tf_unrolling`), which costs nothing here:
    # one trace serves all children of a base.
    @tf.custom_gradient
    def unrolled(projected: tf.Tensor, kernels: tf.Tensor, recurrent_kernels: tf.Tensor) -> Any:
        past = _forward(projected, Layers(kernels, recurrent_kernels), around)

        def gradient(d_outputs: tf.Tensor, *truncated: tf.Tensor) -> tuple[tf.Tensor, ...]:
            del truncated  # back-propagation ends with the segment
            return _backward(d_outputs, past, Layers(kernels, recurrent_kernels), around)

        # [L, C, B, H] each
        last = past.hiddens[:, :, -1], past.cell_states[:, :, -1]
        return (past.hiddens[-1], *last), gradient

    return unrolled(projected, *layers)


def _forward(projected: tf.Tensor, layers: Layers, around: Surroundings) -> _Past:
    num_layers = around.hidden.shape[0]

    def body(layer: tf.Tensor, projected: tf.Tensor, past: _Past) -> tuple:
        past = past._replace(projected=_put_all(past.projected, layer, projected))
        past = _steps_forward(layer, projected, past, layers, around)

        def next_projected() -> tf.Tensor:
            values = _masked(_of(past.hiddens, layer), around.input_masks, layer)
            # That of the layer above: the first layer's is not among the kernels.
            product = tf.matmul(_rows(values), _of(layers.kernels, layer))
            return tf.reshape(product, projected.shape)

        # Nothing reads the last layer's: its product would be wasted.
        projected = tf.cond(layer + 1 < num_layers, next_projected, lambda: projected)
        return layer + 1, projected, past

    wide, narrow = (
        tf.zeros((num_layers, *projected.shape[:-1], width), projected.dtype)
        for width in (projected.shape[-1], around.hidden.shape[-1])
    )
    start = (0, projected, _Past(wide, wide, narrow, narrow))
    return tf.while_loop(lambda layer, *_: layer < num_layers, body, start)[-1]


def _steps_forward(
    layer: tf.Tensor, projected: tf.Tensor, past: _Past, layers: Layers, around: Surroundings
) -> _Past:
    """Return the past with one layer's steps, for its x W [C, T, B, N·H]."""
    # Taken out of the stack once, outside the loop over the steps.
    num_steps, recurrent_kernel = projected.shape[1], _of(layers.recurrent_kernels, layer)

    def body(t: tf.Tensor, hidden: tf.Tensor, cell_state: tf.Tensor, past: _Past) -> tuple:
        read = _masked(hidden, around.recurrent_masks, layer)
        projected_state = tf.matmul(read, recurrent_kernel)  # [C, B, N·H]
        # As if it were of one layer: [1, C, T, B, N·H].
        here = _at(projected[tf.newaxis], 0, t)
        hidden, cell_state = step(here, projected_state, cell_state, around.cells)
        past = past._replace(
            states=_put(past.states, layer, t, projected_state),
            hiddens=_put(past.hiddens, layer, t, hidden),
            cell_states=_put(past.cell_states, layer, t, cell_state),
        )
        return t + 1, hidden, cell_state, past

    start = (0, _of(around.hidden, layer), _of(around.cell_state, layer), past)
    return tf.while_loop(lambda t, *_: t < num_steps, body, start)[-1]


def _backward(
    d_outputs: tf.Tensor, past: _Past, layers: Layers, around: Surroundings
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the gradients of the first layer's x W, of the kernels and recurrent kernels.

    Args:
      d_outputs: the gradient of the last layer's h, [C, T, B, H].
      past: what `_forward` returned.
      layers, around: as `_forward` takes them.
    """

    def body(layer: tf.Tensor, d_hiddens: tf.Tensor, kernels: Layers, _: tf.Tensor) -> tuple:
        d_projected, d_states = _steps_backward(layer, d_hiddens, past, layers, around)
        read = _before(past.hiddens, around.hidden, layer)
        if around.recurrent_masks is not None:
            read *= _of(around.recurrent_masks, layer)[:, tf.newaxis]
        # One product over all steps, not one added up at every step: that is what keeping h is for.
        d_recurrent = tf.matmul(_rows(read), _rows(d_states), transpose_a=True)
        kernels = kernels._replace(
            recurrent_kernels=_put_all(kernels.recurrent_kernels, layer, d_recurrent)
        )

        def below() -> tuple[tf.Tensor, tf.Tensor]:
            values = _masked(_of(past.hiddens, layer - 1), around.input_masks, layer - 1)
            d_kernel = tf.matmul(_rows(values), _rows(d_projected), transpose_a=True)
            kernel = _of(layers.kernels, layer - 1)
            d_values = tf.matmul(_rows(d_projected), kernel, transpose_b=True)
            d_values = tf.reshape(d_values, d_hiddens.shape)
            d_values = _masked(d_values, around.input_masks, layer - 1)
            return d_values, _put_all(kernels.kernels, layer - 1, d_kernel)

        # Below the first layer is x, whose gradient goes on outside through `projected`.
        d_hiddens, d_kernels = tf.cond(layer > 0, below, lambda: (d_hiddens, kernels.kernels))
        return layer - 1, d_hiddens, kernels._replace(kernels=d_kernels), d_projected

    zeros = Layers(*map(tf.zeros_like, layers)), tf.zeros_like(past.projected[0])
    start = (around.hidden.shape[0] - 1, d_outputs, *zeros)
    # The last one handed on is the first layer's, since the layers are walked from the top.
    *_, d_layers, d_projected = tf.while_loop(lambda layer, *_: layer >= 0, body, start)
    return d_projected, *d_layers


def _steps_backward(
    layer: tf.Tensor,
    d_hiddens: tf.Tensor,
    past: _Past,
    layers: Layers,
    around: Surroundings,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the gradients of one layer's x W and h U of all steps, [C, T, B, N·H] each."""
    cells_before = _before(past.cell_states, around.cell_state, layer)
    # Transposed once, not at every step.
    transposed = tf.transpose(_of(layers.recurrent_kernels, layer), (0, 2, 1))

    def body(t, d_hidden, d_cell_state, d_projected, d_states):
        inputs = (
            _at(past.projected, layer, t),
            _at(past.states, layer, t),
            _at(cells_before[tf.newaxis], 0, t),
        )
        d_hidden += _at(d_hiddens[tf.newaxis], 0, t)
        d_input, d_state, d_cell_state = step_gradient(inputs, d_hidden, d_cell_state, around.cells)
        d_hidden = _masked(tf.matmul(d_state, transposed), around.recurrent_masks, layer)
        written = _put(d_projected, 0, t, d_input), _put(d_states, 0, t, d_state)
        return t - 1, d_hidden, d_cell_state, *written

    zeros = tf.zeros_like(past.projected[:1])
    # h and c after the last step go to the next segment, from which no gradient comes back.
    nothing = tf.zeros_like(around.hidden[0])
    start = (d_hiddens.shape[1] - 1, nothing, nothing, zeros, zeros)
    *_, d_projected, d_states = tf.while_loop(lambda t, *_: t >= 0, body, start)
    return d_projected[0], d_states[0]


def _of(values: tf.Tensor, layer: tf.Tensor) -> tf.Tensor:
    """Return one layer's values."""
    begin = (layer, *(0,) * (values.shape.rank - 1))
    return tf.reshape(tf.slice(values, begin, (1, *values.shape[1:])), values.shape[1:])


def _put_all(values: tf.Tensor, layer: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Write one layer's values."""
    begin = tf.stack([layer, *(0,) * (values.shape.rank - 1)])
    return written_into(values, value[tf.newaxis], begin)


def _at(values: tf.Tensor, layer: tf.Tensor | int, t: tf.Tensor) -> tf.Tensor:
    """Return a layer's step t of values [L, C, T, B, D]."""
    _, num_children, _, batch_size, width = values.shape
    there = tf.slice(values, (layer, 0, t, 0, 0), (1, num_children, 1, batch_size, width))
    return tf.reshape(there, (num_children, batch_size, width))


def _put(values: tf.Tensor, layer: tf.Tensor | int, t: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Write a layer's step t of values [L, C, T, B, D]."""
    begin = tf.stack([layer, 0, t, 0, 0])
    return written_into(values, value[tf.newaxis, :, tf.newaxis], begin)


def _before(values: tf.Tensor, first: tf.Tensor, layer: tf.Tensor) -> tf.Tensor:
    """Return a layer's values of the steps before, [C, T, B, H], the first from outside."""
    first = _of(first, layer)[:, tf.newaxis]
    return tf.concat([first, _of(values, layer)[:, :-1]], axis=1)


def _masked(values: tf.Tensor, masks: tf.Tensor | None, layer: tf.Tensor) -> tf.Tensor:
    return values if masks is None else values * _of(masks, layer)


def _rows(values: tf.Tensor) -> tf.Tensor:
    """Return all steps of each child as rows, [C, T·B, D]."""
    return tf.reshape(values, (values.shape[0], -1, values.shape[-1]))
