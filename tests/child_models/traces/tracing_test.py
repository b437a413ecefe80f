"""Traces: the identities of gates, NumPy twins of every signal, the model's own predictions."""

import keras
import numpy as np
import pytest

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS
from nas_with_rl.child_models.cells.signal_kinds import SignalKind
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.language_models.size import LanguageModelSize
from nas_with_rl.child_models.traces.trace import LayerTrace, Signal, Trace
from nas_with_rl.child_models.traces.tracing import trace
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.published import published
from nas_with_rl.search_spaces.recurrent_cell import (
    ACTIVATIONS,
    COMBINATIONS,
    Node,
    RecurrentCell,
    RecurrentCellSpace,
    cell_of,
)

# Shapes: T tokens, H units, V vocabulary.
T, H = 40, 6
VOCABULARY = ("a", "b", "X", "\n", "<unk>")
NUMBERS = np.random.default_rng(0).integers(0, len(VOCABULARY), T).astype(np.int32)
LSTMS = ("lstm", "peephole_lstm")


def model_of(cell, num_layers=2, init_scale=0.8, **size):
    widths = LanguageModelSize(len(VOCABULARY), H, num_layers=num_layers, **size)
    return LanguageModel(cell, widths, init_scale=init_scale, seed=3)


def random_tree(base, seed):
    space = RecurrentCellSpace(base, COMBINATIONS, ACTIVATIONS).search_space()
    return cell_of(random_architecture(space, np.random.default_rng(seed)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_signals(name, weights, x, h, c):
    """All signals of a known cell at all steps, from what was before each, [T, H] each."""
    kernel, recurrent_kernel, *further = weights
    gates = kernel.shape[1] // H
    if name == "rnn":
        return (np.tanh(x @ kernel + h @ recurrent_kernel + further[0]),)
    by_input = further[0][0] if name == "gru" else further[0]
    from_input = np.split(x @ kernel + by_input, gates, axis=-1)
    from_state = np.split(h @ recurrent_kernel, gates, axis=-1)
    if name.startswith("gru"):
        biases = np.split(further[0][1], 3) if name == "gru" else (0.0, 0.0, 0.0)
        z, r = (sigmoid(from_input[i] + from_state[i] + biases[i]) for i in range(2))
        reset = r * (from_state[2] + biases[2])
        if name == "gru_reset_before":
            reset = (r * h) @ recurrent_kernel[:, 2 * H :]
        candidate = np.tanh(from_input[2] + reset)
        return z, r, candidate, z * h + (1 - z) * candidate
    peepholes = further[1] if name == "peephole_lstm" else np.zeros((3, H))
    i, f, g, o = (one + other for one, other in zip(from_input, from_state, strict=True))
    i, f, g = sigmoid(i + peepholes[0] * c), sigmoid(f + peepholes[1] * c), np.tanh(g)
    new_c = f * c + i * g
    o = sigmoid(o + peepholes[2] * new_c)
    return i, f, g, o, new_c, o * np.tanh(new_c)


COMBINE = {"add": np.add, "elem_mult": np.multiply, "max": np.maximum}
ACTIVATE = {
    "identity": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "sin": np.sin,
}


def numpy_tree_signals(cell, weights, x, h, c):
    """Each node's value, c_t and h_t of a tree at all steps, [T, H] each."""
    leaves = [np.split(each, cell.base, axis=-1) for each in (x @ weights[0], h @ weights[1])]
    values, combined = [], []
    for index, node in enumerate(cell.nodes):
        left, right = (
            (leaves[0][index], leaves[1][index])
            if index < cell.base
            else (values[child] for child in cell.inputs_of(index))
        )
        combined.append(COMBINE[node.combination](left, right))
        values.append(ACTIVATE[node.activation](combined[-1]))
        if index == cell.inject_node:
            injected = COMBINE[cell.inject.combination](values[-1], c)
            values[-1] = ACTIVATE[cell.inject.activation](injected)
    return *values, combined[cell.output_node], values[-1]


def one_step_before(values):
    return np.vstack([np.zeros((1, values.shape[1])), values[:-1]]).astype(float)


GATED_TREE = RecurrentCell(
    (Node("add", "tanh"), Node("add", "sigmoid"), Node("elem_mult", "tanh")),
    Node("add", "tanh"),
    output_node=2,
    inject_node=0,
)
CELLS = {
    **{name: name for name in KNOWN_CELLS},
    **{f"base_{base}": random_tree(base, seed=base) for base in (2, 4, 8)},
    "nas_cell": cell_of(published("nas_cell").architecture),
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_every_signal_is_what_numpy_makes_of_the_states_before(cell):
    model = model_of(cell)
    traced = trace(model, NUMBERS, VOCABULARY)
    inputs = np.asarray(model.embedding)[NUMBERS].astype(float)
    for layer, recurrent in zip(traced.layers, model.recurrent_layers, strict=True):
        values = {signal.name: signal.values for signal in layer.signals}
        hidden = one_step_before(values["hidden"])
        cell_state = one_step_before(values.get("cell", values["hidden"]))
        weights = [each.astype(float) for each in recurrent.cell.get_weights()]
        twin = numpy_tree_signals if isinstance(cell, RecurrentCell) else numpy_signals
        expected = twin(cell, weights, inputs, hidden, cell_state)
        for signal, wanted in zip(layer.signals, expected, strict=True):
            np.testing.assert_allclose(
                signal.values, wanted, rtol=1e-5, atol=1e-5, err_msg=signal.name
            )
        inputs = values["hidden"].astype(float)


@pytest.mark.parametrize("cell", LSTMS)
@pytest.mark.parametrize("num_layers", [1, 3])
def test_the_gates_of_a_step_made_its_states(cell, num_layers):
    # The forget gates of a bias of 4 keep, so that c grows far beyond 1.
    model = model_of(cell, num_layers)
    for layer in model.recurrent_layers:
        layer.cell.bias.assign(np.repeat(np.array([4.0, 4.0, 0.5, 1.0], np.float32), H))
    largest = 0.0
    for layer in trace(model, NUMBERS, VOCABULARY).layers:
        i, f, g, o, c, h = (signal.values.astype(float) for signal in layer.signals)
        made = f * one_step_before(c) + i * g
        assert np.all(np.abs(c - made) <= 1e-6 * np.maximum(1, np.abs(c)))
        assert np.all(np.abs(h - o * np.tanh(c)) <= 1e-6 * np.maximum(1, np.abs(c)))
        largest = max(largest, np.abs(c).max())
    assert largest > 3


@pytest.mark.parametrize(
    ("cell", "tie_embeddings"),
    [("gru", False), ("gru_reset_before", False), (GATED_TREE, True)],
)
def test_the_probabilities_are_the_models(cell, tie_embeddings):
    model = model_of(cell, num_layers=2, init_scale=0.8, tie_embeddings=tie_embeddings)
    traced = trace(model, NUMBERS, VOCABULARY)
    expected = keras.ops.softmax(model(NUMBERS[None]))[0]
    assert np.ptp(expected, axis=0).max() > 1e-3, "one distribution for all steps proves nothing"
    np.testing.assert_allclose(traced.probabilities, expected, atol=1e-6)


def test_a_trace_says_what_it_is_of():
    traced = trace(model_of("lstm"), NUMBERS, VOCABULARY)
    assert traced.tokens == tuple(VOCABULARY[number] for number in NUMBERS)
    assert traced.vocabulary == VOCABULARY
    assert [layer.units for layer in traced.layers] == [H, H]
    gate = traced.layers[1].signal("forget_gate")
    assert (gate.values.shape, gate.values.dtype) == ((T, H), np.float32)
    assert (gate.name, gate.low, gate.high, gate.kind.symbol) == ("forget_gate", 0, 1, "f")
    assert [signal.name for signal in traced.layers[0].signals] == (
        ["input_gate", "forget_gate", "candidate", "output_gate", "cell", "hidden"]
    )
    with pytest.raises(
        InputError, match=r"^signal is 'reset_gate', not one of input_gate, forget_"
    ):
        traced.layers[0].signal("reset_gate")


def test_a_longer_text_begins_as_the_shorter_one():
    model = model_of("gru")
    longer, shorter = trace(model, NUMBERS, VOCABULARY), trace(model, NUMBERS[:1], VOCABULARY)
    for one, other in zip(longer.layers, shorter.layers, strict=True):
        for signal in other.signals:
            np.testing.assert_allclose(one.signal(signal.name).values[:1], signal.values, atol=1e-6)


@pytest.mark.parametrize(
    ("numbers", "vocabulary", "message"),
    [
        ([], VOCABULARY, "the text is empty"),
        ([0, 5], VOCABULARY, "the text has the token number 5, not one of the model's, 0 to 4"),
        ([0, -1], VOCABULARY, "the text has the token number -1, not one of the model's, 0 to 4"),
        ([[0, 1]], VOCABULARY, "the text is int64 [1, 2], not integers [T]"),
        ([0.5], VOCABULARY, "the text is float64 [1], not integers [T]"),
        ([0], "ab", "the vocabulary has 2 tokens, the model 5"),
    ],
)
def test_a_text_that_is_not_the_models_is_one_clear_line(numbers, vocabulary, message):
    with pytest.raises(InputError) as error:
        trace(model_of("rnn"), np.array(numbers), vocabulary)
    assert str(error.value) == message


def test_shapes_that_do_not_fit_are_refused():
    kind = SignalKind("hidden", "h", "hidden state", -1, 1, "state")
    signal = Signal(kind, np.zeros((3, 2), np.float32))
    with pytest.raises(InputError, match=r"^forget_gate: a gate's range is 0 to 1, not -1 to 1$"):
        SignalKind("forget_gate", "f", "forget gate", -1, 1, "gate")
    with pytest.raises(InputError, match=r"^hidden: values are float64 \[3, 2\], not float32"):
        Signal(kind, np.zeros((3, 2)))
    with pytest.raises(InputError, match=r"^layer 1 has 3 steps, the text 2$"):
        Trace(("a", "b"), ("a", "b"), (LayerTrace((signal,)),), np.zeros((2, 2), np.float32))
    with pytest.raises(InputError, match=r"^probabilities are \[2, 1\], not \[2, 2\]"):
        Trace(("a", "b"), ("a", "b"), (), np.zeros((2, 1), np.float32))
