"""Unrolling a recurrent cell over time with JAX: the twin of `tf_unrolling`."""

from __future__ import annotations

from collections.abc import Callable

import jax

from nas_with_rl.child_models.cells.known_cells import CellStep
from nas_with_rl.child_models.language_models.dropout import masked

_State = tuple[jax.Array, jax.Array]


def make_unroll(step: CellStep) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """Return unroll(projected, recurrent_kernel, h_0, c_0, mask, *weights) -> (all h, c_T).

    The shapes are those of `unrolling.make_unroll`.
    """

    def unroll(
        projected: jax.Array,
        recurrent_kernel: jax.Array,
        hidden: jax.Array,
        cell_state: jax.Array,
        mask: jax.Array | None,
        *weights: jax.Array,
    ) -> tuple[jax.Array, jax.Array]:
        def body(state: _State, projected_input: jax.Array) -> tuple[_State, jax.Array]:
            projected_state = masked(state[0], mask) @ recurrent_kernel
            state = step(projected_input, projected_state, state[1], *weights)
            return state, state[0]

        (_, last_cell_state), outputs = jax.lax.scan(body, (hidden, cell_state), projected)
        return outputs, last_cell_state

    return unroll
