"""The contestant of `children.py` in JAX: one cell by hand, its gradient too.

Needs JAX and NumPy alone. Shapes as in `children_task`, N leaves of a cell.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from children_task import (
    BATCH_SIZE,
    BETA_1,
    BETA_2,
    CLIP_NORM,
    EPSILON,
    LEARNING_RATE,
    NUM_LAYERS,
    NUM_STEPS,
    VOCABULARY,
    Task,
    initial_weights,
    segments,
)
from jax import Array

from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

COMBINATIONS = {"add": jnp.add, "elem_mult": jnp.multiply}
ACTIVATIONS = {
    "identity": lambda value: value,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "relu": jax.nn.relu,
}
Pairs = list[tuple[Array, Array]]


class JaxChild:
    """Time-major, x W hoisted, scans over the steps, one program for a whole training step."""

    def __init__(self, task: Task, cells: Sequence[RecurrentCell]):
        (cell,) = cells
        self._splits = [_pairs(split) for split in (task.train, task.validation)]
        weights = [jnp.asarray(weight) for weight in initial_weights(task.units, task.base)]
        zeros = [[jnp.zeros_like(weight) for weight in weights] for _ in range(2)]
        self._training = (weights, *zeros, jnp.zeros(()))
        self._zeros = [jnp.zeros((BATCH_SIZE, task.units))] * (2 * NUM_LAYERS)
        # What has been trained takes the place of what it was.
        self._train_step = jax.jit(partial(_step_of_training, cell), donate_argnums=0)
        self._validation_step = jax.jit(partial(_nll, cell))

    def train_epoch(self) -> list[float]:
        nlls, state = [], self._zeros
        for pair in self._splits[0]:
            self._training, nll, state = self._train_step(self._training, *pair, state)
            nlls.append(nll)
        return [float(np.mean(nlls)) / NUM_STEPS]  # read after the last: nothing waits

    def validate(self) -> list[float]:
        nlls, state = [], self._zeros
        for pair in self._splits[1]:
            nll, state = self._validation_step(self._training[0], *pair, state)
            nlls.append(nll)
        return [float(np.mean(nlls)) / NUM_STEPS]


def release() -> None:
    """Free what a child held, its programs too."""
    gc.collect()


def _step_of_training(
    cell: RecurrentCell, training: tuple, inputs: Array, targets: Array, state: list[Array]
) -> tuple[tuple, Array, list[Array]]:
    """Return the weights, moments and number of updates after a step, the nll and the state."""
    weights, means, squares, updates = training
    with_state = jax.value_and_grad(partial(_nll, cell), has_aux=True)
    (nll, state), gradients = with_state(weights, inputs, targets, state)
    norm = jnp.sqrt(sum(jnp.vdot(gradient, gradient) for gradient in gradients))
    gradients = [gradient * (CLIP_NORM / jnp.maximum(norm, CLIP_NORM)) for gradient in gradients]
    updates += 1
    rate = jnp.sqrt(1 - BETA_2**updates) / (1 - BETA_1**updates) * LEARNING_RATE
    means = [BETA_1 * m + (1 - BETA_1) * g for m, g in zip(means, gradients, strict=True)]
    squares = [BETA_2 * v + (1 - BETA_2) * g**2 for v, g in zip(squares, gradients, strict=True)]
    weights = [
        weight - rate * mean / (jnp.sqrt(square) + EPSILON)
        for weight, mean, square in zip(weights, means, squares, strict=True)
    ]
    return (weights, means, squares, updates), nll, state


def _nll(
    cell: RecurrentCell, weights: list[Array], inputs: Array, targets: Array, state: list[Array]
) -> tuple[Array, list[Array]]:
    """Return the nll summed over steps, averaged over sequences, and the last state."""
    embedding, bias, *kernels = weights
    # Products with one-hot rows: XLA adds up the gradient of gathered rows one after the other.
    values, last = jax.nn.one_hot(inputs.ravel(), VOCABULARY) @ embedding, []  # [T·B, H]
    for number in range(NUM_LAYERS):
        pair = slice(2 * number, 2 * number + 2)
        kernel, recurrent_kernel = kernels[pair]
        projected = (values @ kernel).reshape(NUM_STEPS, BATCH_SIZE, -1)  # [T, B, N·H]
        hiddens, cell_state = _unroll(cell, projected, recurrent_kernel, *state[pair])
        values = hiddens.reshape(values.shape)
        last += [hiddens[-1], cell_state]
    logits = values @ embedding.T + bias
    wanted = jnp.sum(logits * jax.nn.one_hot(targets.ravel(), VOCABULARY), axis=-1)
    nll = jnp.mean(jax.nn.logsumexp(logits, axis=-1) - wanted)
    return nll * NUM_STEPS, last


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _unroll(
    cell: RecurrentCell, projected: Array, recurrent_kernel: Array, hidden: Array, cell_state: Array
) -> tuple[Array, Array]:
    """Return all h [T, B, H] and the last c, for x W [T, B, N·H], U and the first h and c."""
    return _forward(cell, projected, recurrent_kernel, hidden, cell_state)[0]


def _forward(
    cell: RecurrentCell, projected: Array, recurrent_kernel: Array, hidden: Array, cell_state: Array
) -> tuple[tuple[Array, Array], Any]:
    """Return what `_unroll` does, and what its gradient needs."""

    def step(state, projected):
        hidden, cell_state = state
        from_state = hidden @ recurrent_kernel  # one product for all leaves
        after = _cell_step(cell, projected, from_state, cell_state)
        return after, (*after, from_state)

    (_, last), (hiddens, cell_states, from_states) = jax.lax.scan(
        step, (hidden, cell_state), projected
    )
    before = [
        jnp.concatenate([first[None], values[:-1]])  # of the steps before
        for first, values in ((hidden, hiddens), (cell_state, cell_states))
    ]
    return (hiddens, last), (projected, from_states, *before, recurrent_kernel)


def _backward(
    cell: RecurrentCell, past: Any, gradients: tuple[Array, Array]
) -> tuple[Array, Array, None, None]:
    """Return the gradients of x W and U; none goes back beyond the segment."""
    *of_steps, hiddens, cell_states, recurrent_kernel = past
    transposed = recurrent_kernel.T

    def step(state, inputs):
        d_from_above, *inputs = inputs
        d_hidden, d_cell_state = state
        # The step is computed again: cheaper than keeping the value of every node.
        _, gradient = jax.vjp(partial(_cell_step, cell), *inputs)
        d_projected, d_from_state, d_cell_state = gradient((d_hidden + d_from_above, d_cell_state))
        return (d_from_state @ transposed, d_cell_state), (d_projected, d_from_state)

    nothing = jnp.zeros_like(hiddens[0])
    inputs = (gradients[0], *of_steps, cell_states)
    _, (d_projected, d_from_states) = jax.lax.scan(step, (nothing,) * 2, inputs, reverse=True)
    # One product over all steps.
    rows = [values.reshape(-1, values.shape[-1]) for values in (hiddens, d_from_states)]
    return d_projected, rows[0].T @ rows[1], None, None


_unroll.defvjp(_forward, _backward)


def _cell_step(
    cell: RecurrentCell, projected: Array, from_state: Array, cell_state: Array
) -> tuple[Array, Array]:
    """Return h_t and c_t; `TreeCell` has the equations."""
    leaves = [jnp.split(each, cell.base, axis=-1) for each in (projected, from_state)]
    pairs = list(zip(*leaves, strict=True))
    values: list[Array] = []
    new_cell_state = cell_state
    for index, node in enumerate(cell.nodes):
        if index < cell.base:
            left, right = pairs[index]
        else:
            left, right = (values[child] for child in cell.inputs_of(index))
        before = COMBINATIONS[node.combination](left, right)
        value = ACTIVATIONS[node.activation](before)
        if index == cell.output_node:
            new_cell_state = before
        if index == cell.inject_node:
            injected = COMBINATIONS[cell.inject.combination](value, cell_state)
            value = ACTIVATIONS[cell.inject.activation](injected)
        values.append(value)
    return values[-1], new_cell_state


def _pairs(tokens: np.ndarray) -> Pairs:
    inputs, targets = map(jnp.asarray, segments(tokens))
    return list(zip(inputs, targets, strict=True))
