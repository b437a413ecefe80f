"""A two-layer recurrent language model around any Keras cell (Zoph & Le, 2016, section 4.2).

Embedding, two recurrent layers, softmax. Inside, everything is time-major, so that a step reads
and writes one contiguous block. Shapes: T steps, B sequences, V vocabulary, E embedding width,
H hidden units, G·H the width of a cell's products (G: the leaves of a tree, 4 for an LSTM).
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nas_with_rl.child_models.recurrent_cell import TreeCell, cell_step
from nas_with_rl.child_models.unrolling import Step, lstm_step, make_unroll, masked, product
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

NUM_LAYERS = 2

CellFactory = Callable[[int], keras.layers.Layer]  # from a number of units to a new cell
State = Sequence[Sequence[tf.Tensor]]  # by layer, by state of its cell: [B, H]


def tree_cells(cell: RecurrentCell) -> CellFactory:
    """Return the factory of one architecture's cells."""
    return lambda units: TreeCell(cell, units)


def lstm_cells(units: int) -> keras.layers.LSTMCell:
    """Build Keras's own LSTM cell: the factory of the comparison."""
    return keras.layers.LSTMCell(units)


@dataclasses.dataclass(frozen=True)
class LanguageModelSize:
    """The widths of a model.

    Attributes:
      vocabulary: V.
      units: H.
      embedding_units: E; 0 for as many as units.
      tie_embeddings: the softmax's kernel is the embedding transposed (the paper's "shared
        embeddings": Inan et al., 2016; Press & Wolf, 2016).
    """

    vocabulary: int
    units: int
    embedding_units: int = 0
    tie_embeddings: bool = False

    def __post_init__(self) -> None:
        if self.tie_embeddings and self.embedding_width != self.units:
            raise InputError(
                f"embedding_units is {self.embedding_units} and units {self.units}: "
                "tie_embeddings needs them equal (embedding_units 0)"
            )

    @property
    def embedding_width(self) -> int:
        """E, resolved."""
        return self.embedding_units or self.units


class DropoutMasks(NamedTuple):
    """What activations are multiplied by: 0 or 1 / (1 - rate); None drops nothing.

    Attributes:
      input: for the embedding's output, [T or 1, B, E].
      recurrent: by layer, for h where the recurrent product reads it, [B, H].
      output: by layer, for its output, [T or 1, B, H].
    """

    input: tf.Tensor | None = None
    recurrent: tuple[tf.Tensor | None, ...] = (None,) * NUM_LAYERS
    output: tuple[tf.Tensor | None, ...] = (None,) * NUM_LAYERS


NO_DROPOUT = DropoutMasks()


class LanguageModel(keras.layers.Layer):
    """Predicts each next token: embedding, two recurrent layers, softmax with a bias.

    Attributes:
      size: the widths.
      num_parameters: how many numbers are trained.
    """

    def __init__(
        self, make_cell: CellFactory, size: LanguageModelSize, *, init_scale: float, seed: int
    ):
        """Build the model, all weights drawn from U[-init_scale, init_scale] by `seed` alone."""
        super().__init__()
        self.size = size
        self.layers = _recurrent_layers(make_cell, size)
        self.embedding = self.add_weight(
            shape=(size.vocabulary, size.embedding_width), initializer="zeros", name="embedding"
        )
        self.softmax_bias = self.add_weight(
            shape=(size.vocabulary,), initializer="zeros", name="softmax_bias"
        )
        self.softmax_kernel = None
        if not size.tie_embeddings:
            self.softmax_kernel = self.add_weight(
                shape=(size.units, size.vocabulary), initializer="zeros", name="softmax_kernel"
            )
        self.built = True
        self._draw_weights(init_scale, np.random.default_rng(seed))

    def _draw_weights(self, init_scale: float, rng: np.random.Generator) -> None:
        for weight in self.trainable_variables:
            weight.assign(rng.uniform(-init_scale, init_scale, weight.shape).astype(np.float32))

    @property
    def num_parameters(self) -> int:
        return sum(int(np.prod(weight.shape)) for weight in self.trainable_variables)

    def initial_state(self, batch_size: int) -> State:
        """Return zeros, [B, H] per layer and state."""
        return [
            [tf.zeros((batch_size, width)) for width in _widths(layer.cell.state_size)]
            for layer in self.layers
        ]

    def call(
        self, tokens: tf.Tensor, state: State, masks: DropoutMasks = NO_DROPOUT
    ) -> tuple[tf.Tensor, State]:
        """Return logits [T, B, V] and the last state, for tokens [T, B]."""
        values = masked(tf.gather(self.embedding.value, tokens), masks.input)  # [T, B, E]
        last = []
        for layer, layer_state, recurrent, output in zip(
            self.layers, state, masks.recurrent, masks.output, strict=True
        ):
            values, layer_last = layer(values, layer_state, recurrent)
            values = masked(values, output)  # [T, B, H]
            last.append(layer_last)
        kernel = self.softmax_kernel
        kernel = tf.transpose(self.embedding.value) if kernel is None else kernel.value
        return product(values, kernel) + self.softmax_bias.value, last


def lstm_units_for(num_parameters: int, size: LanguageModelSize) -> int:
    """Return the H whose two-layer LSTM model comes closest to a number of parameters.

    Args:
      num_parameters: as a model of another cell counts them.
      size: vocabulary, embedding and tying of the LSTM model; its units are not read.
    """

    def count(units: int) -> int:
        return _lstm_parameters(dataclasses.replace(size, units=units))

    larger = bisect.bisect_left(range(num_parameters), num_parameters, lo=1, key=count)
    return min((max(larger - 1, 1), larger), key=lambda units: abs(count(units) - num_parameters))


def _lstm_parameters(size: LanguageModelSize) -> int:
    units, width = size.units, size.embedding_width
    softmax_kernel = 0 if size.tie_embeddings else units * size.vocabulary
    lstm = sum(4 * units * (inputs + units + 1) for inputs in (width, units))
    return size.vocabulary * width + lstm + softmax_kernel + size.vocabulary


class RecurrentLayer(keras.layers.Layer):
    """Unrolls one cell over T steps through `keras.layers.RNN`: the route of any Keras cell."""

    def __init__(self, cell: keras.layers.Layer, width: int):
        super().__init__()
        self.cell = cell
        self._rnn = keras.layers.RNN(cell, return_sequences=True, return_state=True)
        self._rnn.build((None, None, width))
        self.built = True

    def call(
        self, inputs: tf.Tensor, state: Sequence[tf.Tensor], mask: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Return outputs [T, B, H] and the last state, for inputs [T, B, E]."""
        if mask is not None:
            raise InputError(
                f"dropout.recurrent is for tree and LSTM cells, not for {self.cell.name!r}"
            )
        outputs, *last = self._rnn(tf.transpose(inputs, (1, 0, 2)), initial_state=list(state))
        return tf.transpose(outputs, (1, 0, 2)), last


class HoistedRecurrentLayer(keras.layers.Layer):
    """Unrolls one cell over T steps with x W computed for all steps at once.

    Equal to `RecurrentLayer`, and faster: see `make_unroll`.
    """

    def __init__(self, cell: keras.layers.Layer, width: int, unroll: Callable[..., Any]):
        super().__init__()
        self.cell = cell
        self.cell.build((None, width))
        self.built = True
        self._unroll = unroll

    def call(
        self, inputs: tf.Tensor, state: Sequence[tf.Tensor], mask: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Return outputs [T, B, H] and the last (h, c), for inputs [T, B, E]."""
        projected = product(inputs, self.cell.kernel.value)  # [T, B, G·H]
        if getattr(self.cell, "bias", None) is not None:
            projected += self.cell.bias.value
        hidden, cell_state = state
        recurrent_kernel = tf.convert_to_tensor(self.cell.recurrent_kernel)
        outputs, last_cell_state = self._unroll(
            projected, recurrent_kernel, hidden, cell_state, mask
        )
        return outputs, [outputs[-1], last_cell_state]


def _recurrent_layers(make_cell: CellFactory, size: LanguageModelSize) -> list[Any]:
    cells = [make_cell(size.units) for _ in range(NUM_LAYERS)]
    widths = (size.embedding_width, *(size.units,) * (NUM_LAYERS - 1))
    step = _step_of(cells[0])
    if step is None:
        return [RecurrentLayer(cell, width) for cell, width in zip(cells, widths, strict=True)]
    unroll = make_unroll(step)  # shared, so that its loops are traced once for all layers
    return [HoistedRecurrentLayer(*pair, unroll) for pair in zip(cells, widths, strict=True)]


def _step_of(cell: keras.layers.Layer) -> Step | None:
    if isinstance(cell, TreeCell):
        return functools.partial(cell_step, cell=cell.cell)
    return lstm_step if type(cell) is keras.layers.LSTMCell else None


def _widths(state_size: int | Sequence[int]) -> Sequence[int]:
    return (state_size,) if isinstance(state_size, int) else state_size
