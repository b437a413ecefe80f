"""The cells that a language model can have: trees, and those that people designed.

Shapes: B sequences, D inputs, H units, G·H the width of a cell's products (G: the leaves of a
tree, 4 for an LSTM, 3 for a GRU, 1 for a basic RNN).

A step is element-wise once x W and h U are known, but for the one cell that has no `step`. Where
a cell has no c of its own, c is h.

Their names, equations and sizes are there without Keras, which is imported where one is made.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nas_with_rl.child_models.cells import equations as text
from nas_with_rl.child_models.cells.signal_kinds import SignalKind
from nas_with_rl.child_models.tensors import Tensor
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

if TYPE_CHECKING:
    import keras

Cell = RecurrentCell | str  # a tree, or the name of a known cell

# (x W + b, h U, c_(t-1), further weights...) -> (h_t, c_t): [B, G·H], [B, G·H], [B, H] -> [B, H]
CellStep = Callable[..., tuple[Tensor, Tensor]]


def lstm_step(
    projected_input: Tensor,
    projected_state: Tensor,
    cell_state: Tensor,
    peepholes: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return (h_t, c_t) of an LSTM; the arguments as in `lstm_signals`."""
    from nas_with_rl.child_models.cells.designed_cells import lstm_signals

    signals = lstm_signals(projected_input, projected_state, cell_state, peepholes)
    return signals.hidden, signals.cell


def rnn_step(
    projected_input: Tensor, projected_state: Tensor, cell_state: Tensor
) -> tuple[Tensor, Tensor]:
    """Return (h_t, h_t) of a basic RNN."""
    from nas_with_rl.child_models.cells.designed_cells import rnn_signals

    del cell_state
    hidden = rnn_signals(projected_input, projected_state).hidden
    return hidden, hidden


def gru_step(
    projected_input: Tensor, projected_state: Tensor, cell_state: Tensor, recurrent_bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Return (h_t, h_t) of a GRU; the arguments as in `gru_signals`."""
    from nas_with_rl.child_models.cells.designed_cells import gru_signals

    hidden = gru_signals(projected_input, projected_state, cell_state, recurrent_bias).hidden
    return hidden, hidden


@dataclasses.dataclass(frozen=True)
class CellKind:
    """What a language model needs to know of a cell, and what an explorer shows of it.

    Attributes:
      title: in words.
      make: from a number of units to a new Keras cell, whose `signals(inputs, states)` returns
        all that a step computes.
      signals: what they are, in the order in which the cell returns them.
      equations: lines of text.
      step: its element-wise part; None where h goes through a gate before its product.
      num_parameters: from (D, H), without building it.
      weights: from a built cell to the bias of x W, None without, and what `step` takes beside
        the products and c.
      fused: Keras's layer that runs all steps in one kernel (cuDNN), given the same weights.
    """

    title: str
    make: Callable[[int], keras.layers.Layer]
    signals: tuple[SignalKind, ...]
    equations: tuple[str, ...]
    step: CellStep | None
    num_parameters: Callable[[int, int], int]
    weights: Callable[[Any], tuple[Tensor | None, tuple[Tensor, ...]]]
    fused: Callable[..., keras.layers.Layer] | None = None


def _designed(name: str, **settings: Any) -> Callable[[int], keras.layers.Layer]:
    """Return what makes cells of a class of `designed_cells`, with settings of its own."""

    def make(units: int) -> keras.layers.Layer:
        from nas_with_rl.child_models.cells import designed_cells

        return getattr(designed_cells, name)(units, **settings)

    return make


def _fused_lstm(units: int, **settings: Any) -> keras.layers.Layer:
    import keras

    return keras.layers.LSTM(units, **settings)


def _tree(cell: RecurrentCell, units: int) -> keras.layers.Layer:
    from nas_with_rl.child_models.cells.tree_cell import TreeCell

    return TreeCell(cell, units)


def _tree_step(
    projected_input: Tensor, projected_state: Tensor, cell_state: Tensor, *, cell: RecurrentCell
) -> tuple[Tensor, Tensor]:
    from nas_with_rl.child_models.cells.tree_cell import cell_step

    return cell_step(projected_input, projected_state, cell_state, cell)


KNOWN_CELLS: Mapping[str, CellKind] = MappingProxyType(
    {
        "lstm": CellKind(
            title="LSTM",
            make=_designed("LSTMCell"),
            signals=text.LSTM_SIGNALS,
            equations=text.LSTM_EQUATIONS,
            step=lstm_step,
            num_parameters=lambda inputs, units: 4 * units * (inputs + units + 1),
            weights=lambda cell: (cell.bias, ()),
            fused=_fused_lstm,
        ),
        "rnn": CellKind(
            title="basic RNN",
            make=_designed("BasicRNNCell"),
            signals=text.RNN_SIGNALS,
            equations=text.RNN_EQUATIONS,
            step=rnn_step,
            num_parameters=lambda inputs, units: units * (inputs + units + 1),
            weights=lambda cell: (cell.bias, ()),
        ),
        "gru": CellKind(
            title="GRU",
            make=_designed("GRUCell"),
            signals=text.GRU_SIGNALS,
            equations=text.GRU_EQUATIONS,
            step=gru_step,
            num_parameters=lambda inputs, units: 3 * units * (inputs + units + 2),
            weights=lambda cell: (cell.bias[0], (cell.bias[1],)),
        ),
        "gru_reset_before": CellKind(
            title="GRU, reset before the product",
            make=_designed("GRUCell", reset_after=False),
            signals=text.GRU_SIGNALS,
            equations=text.GRU_RESET_BEFORE_EQUATIONS,
            step=None,
            num_parameters=lambda inputs, units: 3 * units * (inputs + units + 1),
            weights=lambda cell: (cell.bias, ()),
        ),
        "peephole_lstm": CellKind(
            title="peephole LSTM",
            make=_designed("PeepholeLSTMCell"),
            signals=text.LSTM_SIGNALS,
            equations=text.PEEPHOLE_LSTM_EQUATIONS,
            step=lstm_step,
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
            make=functools.partial(_tree, cell),
            signals=text.tree_signal_kinds(cell),
            equations=text.tree_equations(cell),
            step=functools.partial(_tree_step, cell=cell),
            num_parameters=lambda inputs, units: cell.base * units * (inputs + units),
            weights=lambda _: (None, ()),
        )
    if cell not in KNOWN_CELLS:
        raise InputError(f"cell is {cell!r}, not one of {', '.join(KNOWN_CELLS)}")
    return KNOWN_CELLS[cell]
