"""The cells that a language model can have: trees, and four that people designed.

Shapes: B sequences, D inputs, H units, G·H the width of a cell's products (G: the leaves of a
tree, 4 for an LSTM, 3 for a GRU, 1 for a basic RNN).

A step is element-wise once x W and h U are known. Where a cell has no c of its own, c is h.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import keras

from nas_with_rl.child_models.operations import Tensor
from nas_with_rl.child_models.recurrent_cell import TreeCell, cell_step
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

Cell = RecurrentCell | str  # a tree, or the name of a known cell

# (x W + b, h U, c_(t-1), further weights...) -> (h_t, c_t): [B, G·H], [B, G·H], [B, H] -> [B, H]
Step = Callable[..., tuple[Tensor, Tensor]]


def lstm_step(
    projected_input: Tensor, projected_state: Tensor, cell_state: Tensor
) -> tuple[Tensor, Tensor]:
    """Return (h_t, c_t) of `keras.layers.LSTMCell`; the arguments as in `cell_step`."""
    write, keep, candidate, read = keras.ops.split(projected_input + projected_state, 4, axis=-1)
    kept = keras.ops.sigmoid(keep) * cell_state
    new_cell_state = kept + keras.ops.sigmoid(write) * keras.ops.tanh(candidate)
    return keras.ops.sigmoid(read) * keras.ops.tanh(new_cell_state), new_cell_state


def peephole_lstm_step(
    projected_input: Tensor, projected_state: Tensor, cell_state: Tensor, peepholes: Tensor
) -> tuple[Tensor, Tensor]:
    """Return (h_t, c_t) of `PeepholeLSTMCell`, for peepholes [3, H] of its three gates."""
    write, keep, candidate, read = keras.ops.split(projected_input + projected_state, 4, axis=-1)
    write = keras.ops.sigmoid(write + peepholes[0] * cell_state)
    keep = keras.ops.sigmoid(keep + peepholes[1] * cell_state)
    new_cell_state = keep * cell_state + write * keras.ops.tanh(candidate)
    read = keras.ops.sigmoid(read + peepholes[2] * new_cell_state)
    return read * keras.ops.tanh(new_cell_state), new_cell_state


def rnn_step(
    projected_input: Tensor, projected_state: Tensor, cell_state: Tensor
) -> tuple[Tensor, Tensor]:
    """Return (h_t, h_t) of `keras.layers.SimpleRNNCell`."""
    del cell_state
    hidden = keras.ops.tanh(projected_input + projected_state)
    return hidden, hidden


def gru_step(
    projected_input: Tensor, projected_state: Tensor, cell_state: Tensor, recurrent_bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Return (h_t, h_t) of `keras.layers.GRUCell`, for its recurrent bias [3H].

    The reset gate acts on h U + b, after the product (`reset_after`), as in cuDNN.

    Args:
      projected_input, projected_state: x W + b and h U, as in `cell_step`.
      cell_state: h_(t-1), which the update gate mixes in without recurrent dropout.
      recurrent_bias: added to h U.
    """
    keep, reset, candidate = keras.ops.split(projected_input, 3, axis=-1)
    from_state = keras.ops.split(projected_state + recurrent_bias, 3, axis=-1)
    keep = keras.ops.sigmoid(keep + from_state[0])
    reset = keras.ops.sigmoid(reset + from_state[1])
    candidate = keras.ops.tanh(candidate + reset * from_state[2])
    hidden = keep * cell_state + (1 - keep) * candidate
    return hidden, hidden


@keras.saving.register_keras_serializable(package="nas_with_rl")
class PeepholeLSTMCell(keras.layers.Layer):
    """An LSTM whose gates see the cell (Gers et al., 2002), for `keras.layers.RNN(cell)`.

      i_t = σ(x_t W_i + h_(t-1) U_i + p_i ⊙ c_(t-1) + b_i)
      f_t = σ(x_t W_f + h_(t-1) U_f + p_f ⊙ c_(t-1) + b_f)
      c_t = f_t ⊙ c_(t-1) + i_t ⊙ tanh(x_t W_c + h_(t-1) U_c + b_c)
      o_t = σ(x_t W_o + h_(t-1) U_o + p_o ⊙ c_t + b_o)
      h_t = o_t ⊙ tanh(c_t)

    Weights, gates in the order i, f, c, o as Keras's: kernel W [D, 4H], recurrent_kernel U
    [H, 4H], bias b [4H], peepholes p_i, p_f, p_o [3, H].

    Attributes:
      units: H.
      state_size: [H, H], for h and c.
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = [units, units]
        self.output_size = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights, for inputs [B, D]."""
        width = 4 * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(width,), initializer="zeros", name="bias")
        self.peepholes = self.add_weight(
            shape=(3, self.units), initializer="zeros", name="peepholes"
        )

    def call(
        self, inputs: Tensor, states: tuple[Tensor, Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Return h_t and the new states [h_t, c_t], for x_t [B, D] and (h, c) [B, H] each."""
        hidden, cell_state = states
        new_hidden, new_cell_state = peephole_lstm_step(
            keras.ops.matmul(inputs, self.kernel) + self.bias,
            keras.ops.matmul(hidden, self.recurrent_kernel),
            cell_state,
            self.peepholes,
        )
        return new_hidden, [new_hidden, new_cell_state]

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return super().get_config() | {"units": self.units}


@dataclasses.dataclass(frozen=True)
class CellKind:
    """What a language model needs to know of a cell.

    Attributes:
      title: in words.
      make: from a number of units to a new Keras cell.
      step: its element-wise part.
      num_parameters: from (D, H), without building it.
      weights: from a built cell to the bias of x W, None without, and what `step` takes beside
        the products and c.
      fused: Keras's layer that runs all steps in one kernel (cuDNN), given the same weights.
    """

    title: str
    make: Callable[[int], keras.layers.Layer]
    step: Step
    num_parameters: Callable[[int, int], int]
    weights: Callable[[Any], tuple[Tensor | None, tuple[Tensor, ...]]]
    fused: Callable[..., keras.layers.Layer] | None = None


KNOWN_CELLS: Mapping[str, CellKind] = MappingProxyType(
    {
        "baseline_lstm": CellKind(
            title="LSTM",
            make=keras.layers.LSTMCell,
            step=lstm_step,
            num_parameters=lambda inputs, units: 4 * units * (inputs + units + 1),
            weights=lambda cell: (cell.bias, ()),
            fused=keras.layers.LSTM,
        ),
        "baseline_rnn": CellKind(
            title="basic RNN",
            make=keras.layers.SimpleRNNCell,
            step=rnn_step,
            num_parameters=lambda inputs, units: units * (inputs + units + 1),
            weights=lambda cell: (cell.bias, ()),
        ),
        "baseline_gru": CellKind(
            title="GRU",
            make=keras.layers.GRUCell,
            step=gru_step,
            num_parameters=lambda inputs, units: 3 * units * (inputs + units + 2),
            weights=lambda cell: (cell.bias[0], (cell.bias[1],)),
        ),
        "baseline_peephole_lstm": CellKind(
            title="peephole LSTM",
            make=PeepholeLSTMCell,
            step=peephole_lstm_step,
            num_parameters=lambda inputs, units: units * (4 * (inputs + units + 1) + 3),
            weights=lambda cell: (cell.bias, (cell.peepholes.value,)),
        ),
    }
)


def cell_kind(cell: Cell) -> CellKind:
    """Return what a language model needs to know of a tree or of a known cell.

    Raises:
      InputError: no known cell has this name.
    """
    if isinstance(cell, RecurrentCell):
        return CellKind(
            title=f"tree of base {cell.base}",
            make=functools.partial(TreeCell, cell),
            step=functools.partial(cell_step, cell=cell),
            num_parameters=lambda inputs, units: cell.base * units * (inputs + units),
            weights=lambda _: (None, ()),
        )
    if cell not in KNOWN_CELLS:
        raise InputError(f"cell is {cell!r}, not one of {', '.join(KNOWN_CELLS)}")
    return KNOWN_CELLS[cell]
