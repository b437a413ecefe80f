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
from tensorflow.python.eager import record

from nas_with_rl.child_models.recurrent_cell import TreeCell, cell_step
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

NUM_LAYERS = 2

CellFactory = Callable[[int], keras.layers.Layer]  # from a number of units to a new cell
State = Sequence[Sequence[tf.Tensor]]  # by layer, by state of its cell: [B, H]
Step = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


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
        values = _masked(tf.gather(self.embedding.value, tokens), masks.input)  # [T, B, E]
        last = []
        for layer, layer_state, recurrent, output in zip(
            self.layers, state, masks.recurrent, masks.output, strict=True
        ):
            values, layer_last = layer(values, layer_state, recurrent)
            values = _masked(values, output)  # [T, B, H]
            last.append(layer_last)
        kernel = self.softmax_kernel
        kernel = tf.transpose(self.embedding.value) if kernel is None else kernel.value
        return _product(values, kernel) + self.softmax_bias.value, last


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
        projected = _product(inputs, self.cell.kernel.value)  # [T, B, G·H]
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


def lstm_step(
    projected_input: tf.Tensor, projected_state: tf.Tensor, cell_state: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return (h_t, c_t) of `keras.layers.LSTMCell`; the arguments as in `cell_step`."""
    gates = tf.split(projected_input + projected_state, 4, axis=-1)
    write, keep, read = (tf.sigmoid(gates[index]) for index in (0, 1, 3))
    new_cell_state = keep * cell_state + write * tf.tanh(gates[2])
    return read * tf.tanh(new_cell_state), new_cell_state


class _Unrolling(NamedTuple):
    """What an unrolling reads: x W [T, B, G·H], U [H, G·H], h_0 and c_0 [B, H], mask of h."""

    projected: tf.Tensor
    recurrent_kernel: tf.Tensor
    hidden: tf.Tensor
    cell_state: tf.Tensor
    mask: tf.Tensor | None


def make_unroll(step: Step) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    """Return unroll(projected, recurrent_kernel, hidden, cell_state, mask) -> (h [T, B, H], c_T).

    The gradient is written out, since the one that TensorFlow derives from a loop stacks every
    intermediate value and adds to U's gradient at every step; see `_backward`.
    """
    forward = tf.function(functools.partial(_forward, step), autograph=False)
    backward = tf.function(functools.partial(_backward, step), autograph=False)

    def unroll(*tensors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        inputs = _Unrolling(*tensors)
        with record.stop_recording():
            states = forward(inputs)
            outputs = [states[0], states[1][-1]]
        # Not tf.custom_gradient: it enters every gradient traced into a table of the process for
        # good, and with it the graph of every child of a search (4 MB each).
        record.record_operation(
            "Unroll",
            outputs,
            list(inputs[:-1]),
            lambda *upstream: backward(inputs, states, upstream),
        )
        return outputs[0], outputs[1]

    return unroll


def _forward(step: Step, inputs: _Unrolling) -> tuple[tf.Tensor, tf.Tensor]:
    """Return h and c of all steps, [T, B, H] each."""
    num_steps = inputs.projected.shape[0]

    def body(t, hidden, cell_state, hiddens, cell_states):
        projected_state = tf.matmul(_masked(hidden, inputs.mask), inputs.recurrent_kernel)
        hidden, cell_state = step(inputs.projected[t], projected_state, cell_state)
        return t + 1, hidden, cell_state, hiddens.write(t, hidden), cell_states.write(t, cell_state)

    arrays = [_array(num_steps, inputs.hidden.shape) for _ in range(2)]
    *_, hiddens, cell_states = tf.while_loop(
        lambda t, *_: t < num_steps, body, (0, inputs.hidden, inputs.cell_state, *arrays)
    )
    return hiddens.stack(), cell_states.stack()


def _backward(
    step: Step,
    inputs: _Unrolling,
    states: tuple[tf.Tensor, tf.Tensor],
    upstream: tuple[tf.Tensor, tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the gradients of x W, U, h_0 and c_0, from those of h [T, B, H] and c_T [B, H].

    Apart from its products a step is element-wise. So its derivatives are one factor per
    element, computed for all steps at once, and the loop back through time only multiplies.
    """
    num_steps, batch_size, width = inputs.projected.shape
    by_product = (num_steps, batch_size, -1, inputs.hidden.shape[-1])  # [T, B, G, H]
    before, cells_before = (
        tf.concat([first[tf.newaxis], rest[:-1]], axis=0)
        for first, rest in zip((inputs.hidden, inputs.cell_state), states, strict=True)
    )  # h_(t-1) and c_(t-1), [T, B, H]
    before = _masked(before, inputs.mask)
    read = inputs.projected, _product(before, inputs.recurrent_kernel), cells_before
    factors = []  # of h_t and of c_t, each by x W, h U and c_(t-1)
    for written in step(*read):
        *by_products, by_cell = tf.gradients(written, read, unconnected_gradients="zero")
        factors.append((*(tf.reshape(each, by_product) for each in by_products), by_cell))
    (h_by_input, h_by_state, h_by_cell), (c_by_input, c_by_state, c_by_cell) = factors

    def body(t, d_hidden, d_cell, d_hiddens, d_cells):
        d_hidden += upstream[0][t]
        d_hiddens, d_cells = d_hiddens.write(t, d_hidden), d_cells.write(t, d_cell)
        d_state = (
            h_by_state[t] * d_hidden[:, tf.newaxis] + c_by_state[t] * d_cell[:, tf.newaxis]
        )  # [B, G, H]
        d_cell = h_by_cell[t] * d_hidden + c_by_cell[t] * d_cell
        d_state = tf.reshape(d_state, (batch_size, width))
        d_hidden = tf.matmul(d_state, inputs.recurrent_kernel, transpose_b=True)
        return t - 1, _masked(d_hidden, inputs.mask), d_cell, d_hiddens, d_cells

    arrays = [_array(num_steps, inputs.hidden.shape) for _ in range(2)]
    start = (num_steps - 1, tf.zeros_like(inputs.hidden), upstream[1], *arrays)
    _, d_hidden, d_cell, d_hiddens, d_cells = tf.while_loop(lambda t, *_: t >= 0, body, start)
    d_hiddens, d_cells = (each.stack()[:, :, tf.newaxis] for each in (d_hiddens, d_cells))
    d_inputs = tf.reshape(h_by_input * d_hiddens + c_by_input * d_cells, inputs.projected.shape)
    d_states = tf.reshape(h_by_state * d_hiddens + c_by_state * d_cells, inputs.projected.shape)
    d_kernel = tf.matmul(_flat(before), _flat(d_states), transpose_a=True)
    return d_inputs, d_kernel, d_hidden, d_cell


def _array(num_steps: int, element_shape: Any) -> tf.TensorArray:
    return tf.TensorArray(tf.float32, num_steps, element_shape=element_shape)


def _flat(values: tf.Tensor) -> tf.Tensor:
    return tf.reshape(values, (-1, values.shape[-1]))  # [T·B, ...]


def _product(values: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    # One two-dimensional product: faster on CPU than a batch of T products.
    return tf.reshape(tf.matmul(_flat(values), kernel), (*values.shape[:-1], kernel.shape[-1]))


def _masked(values: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    return values if mask is None else values * mask


def _widths(state_size: int | Sequence[int]) -> Sequence[int]:
    return (state_size,) if isinstance(state_size, int) else state_size
