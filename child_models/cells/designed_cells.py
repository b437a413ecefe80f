"""Recurrent cells that people designed, as Keras cells that hand out every signal.

Shapes: B sequences, D inputs, H units, G·H the width of a cell's products (G: 4 for an LSTM, 3
for a GRU, 1 for a basic RNN). x_t is [B, D], h_t and c_t are [B, H].

`signals` of a built cell takes what `call` takes and returns all that the step computes, [B, H]
each; every leading extent may stand where B does. Names in brackets are those of Chen's "Exploring
LSTMs".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from nas_with_rl.child_models.tensors import Tensor
from nas_with_rl.search_spaces.errors import InputError


class RNNSignals(NamedTuple):
    """What a basic RNN computes at a step, [B, H]."""

    hidden: Tensor


class LSTMSignals(NamedTuple):
    """What an LSTM computes at a step, [B, H] each: i_t, f_t, g_t, o_t, c_t and h_t."""

    input_gate: Tensor
    forget_gate: Tensor
    candidate: Tensor
    output_gate: Tensor
    cell: Tensor
    hidden: Tensor


class GRUSignals(NamedTuple):
    """What a GRU computes at a step, [B, H] each: z_t, r_t, h'_t and h_t."""

    update_gate: Tensor
    reset_gate: Tensor
    candidate: Tensor
    hidden: Tensor


def rnn_signals(projected_input: Tensor, projected_state: Tensor) -> RNNSignals:
    """Return the signals of a basic RNN, from x_t W + b and h_(t-1) U, [B, H] each."""
    return RNNSignals(keras.ops.tanh(projected_input + projected_state))


def lstm_signals(
    projected_input: Tensor,
    projected_state: Tensor,
    cell_state: Tensor,
    peepholes: Tensor | None = None,
) -> LSTMSignals:
    """Return the signals of an LSTM; see `LSTMCell` and `PeepholeLSTMCell` for the equations.

    Args:
      projected_input: x_t W + b, [B, 4H], in Keras's order i, f, g, o.
      projected_state: h_(t-1) U, [B, 4H].
      cell_state: c_(t-1), [B, H].
      peepholes: p_i, p_f and p_o, [3, H]; None without.
    """
    products = keras.ops.split(projected_input + projected_state, 4, axis=-1)
    to_input, to_forget, to_candidate, to_output = products
    if peepholes is not None:
        to_input = to_input + peepholes[0] * cell_state
        to_forget = to_forget + peepholes[1] * cell_state
    input_gate, forget_gate = keras.ops.sigmoid(to_input), keras.ops.sigmoid(to_forget)
    candidate = keras.ops.tanh(to_candidate)
    cell = forget_gate * cell_state + input_gate * candidate
    if peepholes is not None:
        to_output = to_output + peepholes[2] * cell
    output_gate = keras.ops.sigmoid(to_output)
    hidden = output_gate * keras.ops.tanh(cell)
    return LSTMSignals(input_gate, forget_gate, candidate, output_gate, cell, hidden)


def gru_signals(
    projected_input: Tensor, projected_state: Tensor, hidden_state: Tensor, recurrent_bias: Tensor
) -> GRUSignals:
    """Return the signals of a GRU whose reset gate acts after the product, as in cuDNN.

    Args:
      projected_input: x_t W + b, [B, 3H], in Keras's order z, r, h'.
      projected_state: h_(t-1) U, [B, 3H].
      hidden_state: h_(t-1), which the update gate mixes in without recurrent dropout.
      recurrent_bias: d, added to h_(t-1) U, [3H].
    """
    from_input = keras.ops.split(projected_input, 3, axis=-1)
    from_state = keras.ops.split(projected_state + recurrent_bias, 3, axis=-1)
    update_gate = keras.ops.sigmoid(from_input[0] + from_state[0])
    reset_gate = keras.ops.sigmoid(from_input[1] + from_state[1])
    candidate = keras.ops.tanh(from_input[2] + reset_gate * from_state[2])
    return _mixed(update_gate, reset_gate, candidate, hidden_state)


def gru_reset_before_signals(
    projected_input: Tensor, hidden_state: Tensor, recurrent_kernel: Tensor
) -> GRUSignals:
    """Return the signals of a GRU whose reset gate acts on h_(t-1), before the product.

    Args:
      projected_input: x_t W + b, [B, 3H], in Keras's order z, r, h'.
      hidden_state: h_(t-1), [B, H].
      recurrent_kernel: U, [H, 3H].
    """
    to_gates, to_candidate = keras.ops.split(recurrent_kernel, [2 * hidden_state.shape[-1]], axis=1)
    from_input = keras.ops.split(projected_input, 3, axis=-1)
    from_state = keras.ops.split(keras.ops.matmul(hidden_state, to_gates), 2, axis=-1)
    update_gate = keras.ops.sigmoid(from_input[0] + from_state[0])
    reset_gate = keras.ops.sigmoid(from_input[1] + from_state[1])
    from_reset = keras.ops.matmul(reset_gate * hidden_state, to_candidate)
    candidate = keras.ops.tanh(from_input[2] + from_reset)
    return _mixed(update_gate, reset_gate, candidate, hidden_state)


def _mixed(update: Tensor, reset: Tensor, candidate: Tensor, hidden_state: Tensor) -> GRUSignals:
    return GRUSignals(update, reset, candidate, update * hidden_state + (1 - update) * candidate)


@keras.saving.register_keras_serializable(package="nas_with_rl")
class BasicRNNCell(keras.layers.SimpleRNNCell):
    """Keras's basic recurrent cell (Elman, 1990), with its signal.

      h_t = tanh(x_t W + h_(t-1) U + b)     hidden

    Weights: kernel W [D, H], recurrent_kernel U [H, H], bias b [H].
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(units, **kwargs)
        _check_functions(self)

    def signals(self, inputs: Tensor, states: Sequence[Tensor]) -> RNNSignals:
        """Return what a step from h_(t-1), the first of the states, computes."""
        return rnn_signals(
            keras.ops.matmul(inputs, self.kernel) + self.bias,
            keras.ops.matmul(states[0], self.recurrent_kernel),
        )


@keras.saving.register_keras_serializable(package="nas_with_rl")
class LSTMCell(keras.layers.LSTMCell):
    """Keras's LSTM (Hochreiter & Schmidhuber, 1997; Gers et al., 2000), with its signals.

      i_t = σ(x_t W_i + h_(t-1) U_i + b_i)        input_gate (save)
      f_t = σ(x_t W_f + h_(t-1) U_f + b_f)        forget_gate (remember)
      g_t = tanh(x_t W_g + h_(t-1) U_g + b_g)     candidate (candidate long-term memory)
      o_t = σ(x_t W_o + h_(t-1) U_o + b_o)        output_gate (focus)
      c_t = f_t ⊙ c_(t-1) + i_t ⊙ g_t             cell (long-term memory)
      h_t = o_t ⊙ tanh(c_t)                       hidden (working memory)

    Weights, in the order i, f, g, o: kernel W [D, 4H], recurrent_kernel U [H, 4H], bias b [4H].
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(units, **kwargs)
        _check_functions(self)

    def signals(self, inputs: Tensor, states: Sequence[Tensor]) -> LSTMSignals:
        """Return what a step from the states h_(t-1) and c_(t-1) computes."""
        hidden, cell_state = states
        return lstm_signals(
            keras.ops.matmul(inputs, self.kernel) + self.bias,
            keras.ops.matmul(hidden, self.recurrent_kernel),
            cell_state,
        )


@keras.saving.register_keras_serializable(package="nas_with_rl")
class GRUCell(keras.layers.GRUCell):
    """Keras's GRU (Cho et al., 2014), with its signals.

      z_t = σ(x_t W_z + b_z + h_(t-1) U_z + d_z)                update_gate
      r_t = σ(x_t W_r + b_r + h_(t-1) U_r + d_r)                reset_gate
      h'_t = tanh(x_t W_h + b_h + r_t ⊙ (h_(t-1) U_h + d_h))    candidate
      h_t = z_t ⊙ h_(t-1) + (1 - z_t) ⊙ h'_t                    hidden

    So z_t says how much is kept; the literature's z is 1 - z_t. With `reset_after=False`, the
    original, there is no d and h'_t = tanh(x_t W_h + b_h + (r_t ⊙ h_(t-1)) U_h).

    Weights, in the order z, r, h: kernel W [D, 3H], recurrent_kernel U [H, 3H], bias b and d
    [2, 3H], or b [3H] alone.
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(units, **kwargs)
        _check_functions(self)

    def signals(self, inputs: Tensor, states: Sequence[Tensor]) -> GRUSignals:
        """Return what a step from h_(t-1), the first of the states, computes."""
        hidden, projected = states[0], keras.ops.matmul(inputs, self.kernel)
        if not self.reset_after:
            return gru_reset_before_signals(projected + self.bias, hidden, self.recurrent_kernel)
        return gru_signals(
            projected + self.bias[0],
            keras.ops.matmul(hidden, self.recurrent_kernel),
            hidden,
            self.bias[1],
        )


@keras.saving.register_keras_serializable(package="nas_with_rl")
class PeepholeLSTMCell(keras.layers.Layer):
    """An LSTM whose gates see the cell (Gers et al., 2002), for `keras.layers.RNN(cell)`.

      i_t = σ(x_t W_i + h_(t-1) U_i + p_i ⊙ c_(t-1) + b_i)    input_gate (save)
      f_t = σ(x_t W_f + h_(t-1) U_f + p_f ⊙ c_(t-1) + b_f)    forget_gate (remember)
      g_t = tanh(x_t W_g + h_(t-1) U_g + b_g)                 candidate (candidate long-term memory)
      c_t = f_t ⊙ c_(t-1) + i_t ⊙ g_t                         cell (long-term memory)
      o_t = σ(x_t W_o + h_(t-1) U_o + p_o ⊙ c_t + b_o)        output_gate (focus)
      h_t = o_t ⊙ tanh(c_t)                                   hidden (working memory)

    Weights, in the order i, f, g, o as Keras's: kernel W [D, 4H], recurrent_kernel U [H, 4H],
    bias b [4H], peepholes p_i, p_f, p_o [3, H].

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

    def signals(self, inputs: Tensor, states: Sequence[Tensor]) -> LSTMSignals:
        """Return what a step from the states h_(t-1) and c_(t-1) computes."""
        hidden, cell_state = states
        return lstm_signals(
            keras.ops.matmul(inputs, self.kernel) + self.bias,
            keras.ops.matmul(hidden, self.recurrent_kernel),
            cell_state,
            self.peepholes,
        )

    def call(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Return h_t and the new states [h_t, c_t], for x_t [B, D] and (h, c) [B, H] each."""
        signals = self.signals(inputs, states)
        return signals.hidden, [signals.hidden, signals.cell]

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return super().get_config() | {"units": self.units}


def _check_functions(cell: Any) -> None:
    """Raise InputError where one of Keras's cells was given what its equations here do not say."""
    kind = type(cell).__name__
    for name, wanted in (("activation", "tanh"), ("recurrent_activation", "sigmoid")):
        # Compared as functions: to ask Keras for the name would import TensorFlow beside JAX.
        function = getattr(cell, name, None)
        if function not in (None, getattr(keras.activations, wanted)):
            raise InputError(f"{kind}: {name} is {function.__name__!r}, not {wanted!r}")
    if not cell.use_bias:
        raise InputError(f"{kind}: use_bias is False, not True")
