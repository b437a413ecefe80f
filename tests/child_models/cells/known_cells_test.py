"""Known cells: NumPy twins, Keras's own loop, the fused kernel, closed-form sizes."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models.cells.designed_cells import (
    BasicRNNCell,
    GRUCell,
    LSTMCell,
    PeepholeLSTMCell,
)
from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS, cell_kind
from nas_with_rl.child_models.language_models.model import RecurrentLayer
from nas_with_rl.child_models.language_models.tf_unrolling import make_unroll
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace, cell_of

# Shapes: T steps, B sequences, D inputs, H units.
T, B, D, H = 4, 5, 2, 3


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_lstm(x, h, read, c, weights):
    kernel, recurrent_kernel, bias = weights
    i, f, g, o = np.split(x @ kernel + read @ recurrent_kernel + bias, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def numpy_peephole_lstm(x, h, read, c, weights):
    kernel, recurrent_kernel, bias, (p_i, p_f, p_o) = weights
    i, f, g, o = np.split(x @ kernel + read @ recurrent_kernel + bias, 4, axis=-1)
    c = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * np.tanh(g)
    return sigmoid(o + p_o * c) * np.tanh(c), c


def numpy_rnn(x, h, read, c, weights):
    kernel, recurrent_kernel, bias = weights
    h = np.tanh(x @ kernel + read @ recurrent_kernel + bias)
    return h, h


def numpy_gru(x, h, read, c, weights):
    kernel, recurrent_kernel, (bias, recurrent_bias) = weights
    x_z, x_r, x_h = np.split(x @ kernel + bias, 3, axis=-1)
    h_z, h_r, h_h = np.split(read @ recurrent_kernel + recurrent_bias, 3, axis=-1)
    z = sigmoid(x_z + h_z)
    h = z * h + (1 - z) * np.tanh(x_h + sigmoid(x_r + h_r) * h_h)
    return h, h


def numpy_gru_reset_before(x, h, read, c, weights):
    kernel, recurrent_kernel, bias = weights
    x_z, x_r, x_h = np.split(x @ kernel + bias, 3, axis=-1)
    u_z, u_r, u_h = np.split(recurrent_kernel, 3, axis=-1)
    z, r = sigmoid(x_z + read @ u_z), sigmoid(x_r + read @ u_r)
    h = z * h + (1 - z) * np.tanh(x_h + (r * read) @ u_h)
    return h, h


TWINS = {
    "lstm": numpy_lstm,
    "rnn": numpy_rnn,
    "gru": numpy_gru,
    "gru_reset_before": numpy_gru_reset_before,
    "peephole_lstm": numpy_peephole_lstm,
}


def layer_of(cell, rng):
    kind = cell_kind(cell)
    unroll = None if kind.step is None else make_unroll(kind.step)
    layer = RecurrentLayer(kind, unroll, units=H, width=D)
    layer.cell.set_weights([rng.uniform(-1, 1, w.shape) for w in layer.cell.get_weights()])
    return layer


def keras_unroll(cell):
    """Keras's own loop, with the signature of RecurrentLayer.unroll."""
    rnn = keras.layers.RNN(cell, return_sequences=True, return_state=True)
    has_cell_state = not isinstance(cell.state_size, int)

    def unroll(inputs, state):
        state = list(state) if has_cell_state else [state[0]]
        outputs, *last = rnn(tf.transpose(inputs, (1, 0, 2)), initial_state=state)
        return tf.transpose(outputs, (1, 0, 2)), (last[0], last[-1])

    return unroll


def outputs_and_gradients(unroll, cell, inputs, state, scale):
    """Outputs, last state, and the gradients of a sum of all of them."""
    variables = [v.value for v in cell.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch([inputs, *state])
        outputs, last = unroll(inputs, state)
        loss = tf.reduce_sum(outputs * scale) + tf.reduce_sum(last[1] * scale[0])
        loss += tf.reduce_sum(last[0])
    return outputs, *last, *tape.gradient(loss, [inputs, *variables, *state])


def drawn_call(rng, has_cell_state=True):
    """Inputs, state and the scale of the loss."""
    draw = [rng.uniform(-1, 1, shape) for shape in ((T, B, D), (B, H), (B, H), (T, B, H))]
    inputs, hidden, cell_state, scale = (tf.constant(each, tf.float32) for each in draw)
    return inputs, (hidden, cell_state if has_cell_state else tf.identity(hidden)), scale


def random_tree(base, rng):
    space = RecurrentCellSpace(base).search_space()
    tokens = tuple(int(rng.integers(len(step.decision.options))) for step in space.steps)
    return cell_of(Architecture(space, tokens))


CELLS = [*KNOWN_CELLS, 2, 4, 8]  # a number: a random tree of this base


@pytest.mark.parametrize(
    ("name", "compiled"), [*((name, False) for name in CELLS), (2, True), ("gru", True)]
)
def test_hoisted_unrolling_equals_keras_rnn(name, compiled):
    rng = np.random.default_rng(3)
    for _ in range(2 if isinstance(name, int) else 1):
        layer = layer_of(random_tree(name, rng) if isinstance(name, int) else name, rng)
        has_cell_state = not isinstance(layer.cell.state_size, int)
        call = drawn_call(rng, has_cell_state)
        run = tf.function(outputs_and_gradients) if compiled else outputs_and_gradients
        ours, theirs = (
            run(unroll, layer.cell, *call) for unroll in (layer.unroll, keras_unroll(layer.cell))
        )
        if not has_cell_state:  # the gradient of h is that of both places in which it stands
            by_h, by_c = ours[-2:]
            ours = *ours[:-2], by_h if by_c is None else by_h + by_c
            theirs = theirs[:-1]
        for one, other in zip(ours, theirs, strict=True):
            other = tf.zeros_like(one) if other is None else other
            np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", KNOWN_CELLS)
def test_known_cells_equal_their_numpy_twins_under_a_recurrent_mask(name):
    rng = np.random.default_rng(0)
    layer = layer_of(name, rng)
    inputs, (hidden, cell_state), _ = drawn_call(rng)
    if isinstance(layer.cell.state_size, int):
        cell_state = hidden
    mask, given = 1.0, None
    if layer._kind.step is not None:
        mask = rng.integers(0, 2, (B, H)) * 2.0
        given = tf.constant(mask, tf.float32)
    outputs, last = layer.unroll(inputs, (hidden, cell_state), given)
    h, c = hidden.numpy(), cell_state.numpy()
    for t in range(T):
        h, c = TWINS[name](inputs[t].numpy(), h, h * mask, c, layer.cell.get_weights())
        np.testing.assert_allclose(outputs[t], h, atol=1e-5)
    np.testing.assert_allclose(last[0], h, atol=1e-5)
    np.testing.assert_allclose(last[1], c, atol=1e-5)


@pytest.mark.parametrize("name", ["gru", "peephole_lstm", 4])
def test_gradients_under_a_recurrent_mask_equal_those_of_a_plain_loop(name):
    rng = np.random.default_rng(1)
    layer = layer_of(random_tree(name, rng) if isinstance(name, int) else name, rng)
    mask = tf.constant(rng.integers(0, 2, (B, H)) * 2.0, tf.float32)

    def plain(inputs, state):
        hidden, cell_state = state
        bias, weights = layer._kind.weights(layer.cell)
        outputs = []
        for t in range(T):
            projected = inputs[t] @ layer.cell.kernel.value + (0.0 if bias is None else bias)
            recurrent = (hidden * mask) @ layer.cell.recurrent_kernel.value
            hidden, cell_state = layer._kind.step(projected, recurrent, cell_state, *weights)
            outputs.append(hidden)
        return tf.stack(outputs), (hidden, cell_state)

    call = drawn_call(rng)
    ours = outputs_and_gradients(
        lambda inputs, state: layer.unroll(inputs, state, mask), layer.cell, *call
    )
    for one, other in zip(ours, outputs_and_gradients(plain, layer.cell, *call), strict=True):
        other = tf.zeros_like(one) if other is None else other
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


def test_the_fused_lstm_equals_the_hoisted_one():
    # On a CPU Keras's layer falls back to its loop; weights, gate order and states are the same.
    rng = np.random.default_rng(2)
    layer, call = layer_of("lstm", rng), drawn_call(rng)
    routes = [
        outputs_and_gradients(
            lambda inputs, state, fused=fused: layer.unroll(inputs, state, fused=fused),
            layer.cell,
            *call,
        )
        for fused in (True, False)
    ]
    for fused, hoisted in zip(*routes, strict=True):
        np.testing.assert_allclose(fused, hoisted, atol=1e-5, rtol=1e-5)
    called = []
    layer._fused = lambda *_: called.append(True)
    layer.unroll(*call[:2], tf.ones((B, H)), fused=True)
    assert not called, "cuDNN knows no recurrent mask"
    layer.unroll(*call[:2], fused=True)
    assert called


@pytest.mark.parametrize("name", CELLS)
def test_parameters_are_counted_without_building(name):
    cell = random_tree(name, np.random.default_rng(0)) if isinstance(name, int) else name
    kind = cell_kind(cell)
    for inputs, units in ((2, 3), (7, 7), (5, 1)):
        built = kind.make(units)
        built.build((None, inputs))
        assert kind.num_parameters(inputs, units) == built.count_params()


def test_a_peephole_lstm_without_peepholes_is_an_lstm():
    rng = np.random.default_rng(4)
    peephole, lstm = PeepholeLSTMCell(H), keras.layers.LSTMCell(H)
    for cell in (peephole, lstm):
        cell.build((None, D))
    weights = [rng.uniform(-1, 1, weight.shape) for weight in lstm.get_weights()]
    lstm.set_weights(weights)
    peephole.set_weights([*weights, np.zeros((3, H))])
    inputs, state, _ = drawn_call(rng)
    for ours, theirs in zip(peephole(inputs[0], state)[1], lstm(inputs[0], state)[1], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


LAYERS = {  # Keras's own, with the weights of our cell
    "lstm": keras.layers.LSTM,
    "rnn": keras.layers.SimpleRNN,
    "gru": keras.layers.GRU,
    "gru_reset_before": functools.partial(keras.layers.GRU, reset_after=False),
}


@pytest.mark.parametrize("name", LAYERS)
def test_signals_step_by_step_equal_keras_layers(name):
    rng = np.random.default_rng(5)
    layer, cell = LAYERS[name](H, return_sequences=True), KNOWN_CELLS[name].make(H)
    inputs = rng.uniform(-1, 1, (B, 10, D)).astype(np.float32)
    for each in (layer, cell):
        each.build((B, 10, D) if each is layer else (B, D))
    weights = [rng.uniform(-1, 1, weight.shape) for weight in cell.get_weights()]
    layer.set_weights(weights)
    cell.set_weights(weights)
    expected = layer(inputs)
    states = (np.zeros((B, H), np.float32),) * 2
    for step in range(10):
        signals = cell.signals(inputs[:, step], states)
        output, _ = cell(inputs[:, step], list(states[: 2 if hasattr(signals, "cell") else 1]))
        np.testing.assert_allclose(signals.hidden, expected[:, step], atol=1e-6)
        np.testing.assert_allclose(signals.hidden, output, atol=1e-6)
        states = signals.hidden, getattr(signals, "cell", signals.hidden)


def test_an_lstm_remembers_saves_and_focuses_by_its_gates():
    # By its biases alone: i = 1, f = 0, o = 1/2 and a candidate of tanh(1).
    cell = LSTMCell(1)
    cell.build((None, D))
    cell.set_weights([np.zeros((D, 4)), np.zeros((1, 4)), np.array([99.0, -99.0, 1.0, 0.0])])
    ones = np.ones((1, 1), np.float32)
    signals = cell.signals(np.zeros((1, D), np.float32), (ones, ones))
    expected = (1, 0, np.tanh(1), 0.5, np.tanh(1), 0.5 * np.tanh(np.tanh(1)))
    np.testing.assert_allclose(np.ravel(signals), expected, atol=1e-6)


@pytest.mark.parametrize("reset_after", [True, False])
def test_a_gru_in_closed_form(reset_after):
    # All weights of x and the biases are 0: z = σ(h), r = σ(2h), h' = tanh(r · 3h), either way.
    cell = GRUCell(1, reset_after=reset_after)
    cell.build((None, D))
    zeros = [np.zeros(weight.shape) for weight in cell.get_weights()]
    cell.set_weights([zeros[0], np.array([[1.0, 2.0, 3.0]]), zeros[2]])
    h = np.array([[0.5]], np.float32)
    signals = cell.signals(np.zeros((1, D), np.float32), (h,))
    z, r = sigmoid(0.5), sigmoid(1.0)
    candidate = np.tanh(r * 1.5)
    expected = z, r, candidate, z * 0.5 + (1 - z) * candidate
    np.testing.assert_allclose(np.ravel(signals), expected, atol=1e-6)


@pytest.mark.parametrize("name", KNOWN_CELLS)
def test_a_known_cell_says_what_its_signals_are(name):
    kind = KNOWN_CELLS[name]
    cell = kind.make(H)
    cell.build((None, D))
    signals = cell.signals(np.ones((B, D), np.float32), (np.full((B, H), 0.5, np.float32),) * 2)
    assert signals._fields == tuple(each.name for each in kind.signals)
    for value, each in zip(signals, kind.signals, strict=True):
        assert value.shape == (B, H)
        assert np.all(value >= each.low) and np.all(value <= each.high), each
    left_sides = {line.partition(" = ")[0] for line in kind.equations}
    assert left_sides == {f"{each.symbol}_t" for each in kind.signals}


def test_a_recurrent_mask_where_h_goes_through_a_gate_first_is_one_clear_line():
    rng = np.random.default_rng(0)
    layer, call = layer_of("gru_reset_before", rng), drawn_call(rng)
    with pytest.raises(InputError) as error:
        layer.unroll(*call[:2], tf.ones((B, H)))
    assert str(error.value) == (
        "dropout.recurrent is above 0, not 0 as the cell asks for (GRU, reset before the "
        "product): its h goes through a gate before the product"
    )


@pytest.mark.parametrize("make", [BasicRNNCell, LSTMCell, GRUCell])
def test_functions_that_the_equations_do_not_name_are_refused(make):
    with pytest.raises(InputError, match=f"^{make.__name__}: activation is 'relu', not 'tanh'$"):
        make(H, activation="relu")
    with pytest.raises(InputError, match=f"^{make.__name__}: use_bias is False, not True$"):
        make(H, use_bias=False)


@pytest.mark.parametrize("name", KNOWN_CELLS)
def test_a_known_cell_comes_back_from_a_keras_file(name, tmp_path):
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, keras.layers.RNN(KNOWN_CELLS[name].make(H))(inputs))
    model.set_weights([np.random.default_rng(0).uniform(-1, 1, w.shape) for w in model.weights])
    path = tmp_path / "model.keras"
    model.save(path)
    x = np.ones((B, T, D), np.float32)
    restored = keras.models.load_model(path)
    np.testing.assert_array_equal(model(x), restored(x))
    assert type(restored.layers[-1].cell) is type(model.layers[-1].cell)


def test_an_unknown_cell_is_one_clear_line():
    with pytest.raises(InputError) as error:
        cell_kind("lsmt")
    assert str(error.value) == (
        "cell is 'lsmt', not one of lstm, rnn, gru, gru_reset_before, peephole_lstm"
    )
