"""The tree cell: closed forms, a NumPy twin, the LSTM inside the space, serialisation."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models.cells import operations
from nas_with_rl.child_models.cells.known_cells import cell_kind
from nas_with_rl.child_models.cells.tree_cell import TreeCell, cell_step
from nas_with_rl.child_models.language_models.tf_unrolling import make_unroll
from nas_with_rl.search_spaces.architecture import Architecture
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

# Shapes: T steps, B sequences, H units, D inputs.
SPACES = {
    "base_2": RecurrentCellSpace(2),
    "base_4": RecurrentCellSpace(4),
    "base_8": RecurrentCellSpace(8),
    "base_2_max_sin": RecurrentCellSpace(2, COMBINATIONS, ACTIVATIONS),
    "base_8_max_sin": RecurrentCellSpace(8, COMBINATIONS, ACTIVATIONS),
    "only_max_sin": RecurrentCellSpace(4, ("max",), ("sin",)),
}
spaces = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


def published_cell(name: str) -> RecurrentCell:
    return cell_of(published(name).architecture)


def random_cell(rng: np.random.Generator, space: RecurrentCellSpace) -> RecurrentCell:
    steps = space.search_space().steps
    tokens = tuple(int(rng.integers(len(step.decision.options))) for step in steps)
    return cell_of(Architecture(space.search_space(), tokens))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


COMBINE = {"add": np.add, "elem_mult": np.multiply, "max": np.maximum}
ACTIVATE = {
    "identity": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "sin": np.sin,
}


def numpy_step(cell: RecurrentCell, x, h, c, weights):
    """The NumPy twin: (h_t, c_t)."""
    nodes, new_c = numpy_nodes(cell, x, h, c, weights)
    return nodes[-1], new_c


def numpy_nodes(cell: RecurrentCell, x, h, c, weights):
    """The values of all nodes and c_t, by recursion instead of a pass over the nodes."""
    kernel, recurrent_kernel = weights
    units = h.shape[-1]

    def before_activation(index):
        node = cell.nodes[index]
        if index < cell.base:
            columns = slice(index * units, (index + 1) * units)
            pair = x @ kernel[:, columns], h @ recurrent_kernel[:, columns]
        else:
            first = 2 * (index - cell.base)
            pair = value(first), value(first + 1)
        return COMBINE[node.combination](*pair)

    def value(index):
        activated = ACTIVATE[cell.nodes[index].activation](before_activation(index))
        if index != cell.inject_node:
            return activated
        inject = cell.inject
        return ACTIVATE[inject.activation](COMBINE[inject.combination](activated, c))

    return [value(index) for index in range(len(cell.nodes))], before_activation(cell.output_node)


def draw(rng, *shape):
    return rng.uniform(-1, 1, shape).astype(np.float32)


@spaces
def test_equals_numpy_twin_on_random_architectures(space):
    rng = np.random.default_rng(base := space.base)
    for _ in range(20):
        cell = random_cell(rng, space)
        layer = TreeCell(cell, 3)
        layer.build((None, 2))
        weights = draw(rng, 2, 3 * base), draw(rng, 3, 3 * base)
        layer.set_weights(weights)
        x, h, c = draw(rng, 5, 2), draw(rng, 5, 3), draw(rng, 5, 3)
        output, (new_h, new_c) = layer(x, [h, c])
        expected_h, expected_c = numpy_step(cell, x, h, c, weights)
        np.testing.assert_allclose(output, expected_h, atol=1e-5, rtol=1e-5)
        np.testing.assert_array_equal(output, new_h)
        np.testing.assert_allclose(new_c, expected_c, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("base", [2, 4, 8])
def test_every_signal_equals_numpy_wherever_c_leaves_and_enters(base):
    rng = np.random.default_rng(base)
    weights = draw(rng, 2, 3 * base), draw(rng, 3, 3 * base)
    x, h, c = draw(rng, 5, 2), draw(rng, 5, 3), draw(rng, 5, 3)
    leaf, inner, root = 1, base, 2 * base - 2
    for output_node, inject_node in itertools.product((leaf, inner, root), repeat=2):
        cell = dataclasses.replace(
            random_cell(rng, RecurrentCellSpace(base, COMBINATIONS, ACTIVATIONS)),
            output_node=output_node,
            inject_node=inject_node,
        )
        layer = TreeCell(cell, 3)
        layer.build((None, 2))
        layer.set_weights(weights)
        signals = layer.signals(x, (h, c))
        kinds = cell_kind(cell).signals
        assert signals._fields == tuple(kind.name for kind in kinds)
        wide = [each.astype(float) for each in (x, h, c)]
        nodes, new_c = numpy_nodes(cell, wide[0], wide[1], wide[2], weights)
        for value, expected in zip(signals, (*nodes, new_c, nodes[-1]), strict=True):
            np.testing.assert_allclose(value, expected, atol=1e-5, rtol=1e-5)
        for value, kind in zip(signals, kinds, strict=True):
            assert np.all(value >= kind.low) and np.all(value <= kind.high), kind


def test_the_kinds_and_the_equations_of_figure_5():
    kind = cell_kind(published_cell("figure_5"))
    assert kind.equations == (
        "a_0 = relu(tanh(x_t W_0 + h_(t-1) U_0) + c_(t-1))",
        "a_1 = relu((x_t W_1) ⊙ (h_(t-1) U_1))",
        "a_2 = σ(a_0 ⊙ a_1)",
        "c_t = (x_t W_1) ⊙ (h_(t-1) U_1)    cell state (long-term memory): "
        "node 1 before its activation",
        "h_t = a_2    hidden state (working memory)",
    )
    shown = [(each.symbol, each.kind, each.high) for each in kind.signals]
    assert shown == [
        ("a_0", "state", np.inf),
        ("a_1", "state", np.inf),
        ("a_2", "gate", 1),
        ("c", "state", np.inf),
        ("h", "state", 1),
    ]


def test_figure_5_written_out():
    rng = np.random.default_rng(0)
    p0, p1, q0, q1, c = (draw(rng, 4, 3) for _ in range(5))
    h, new_c = cell_step(np.hstack([p0, p1]), np.hstack([q0, q1]), c, published_cell("figure_5"))
    a0_new = np.maximum(np.tanh(p0 + q0) + c, 0)
    a1 = np.maximum(p1 * q1, 0)
    np.testing.assert_allclose(h, sigmoid(a0_new * a1), rtol=1e-6)
    np.testing.assert_allclose(new_c, p1 * q1, rtol=1e-6)


def test_the_max_cell_written_out():
    rng = np.random.default_rng(0)
    p, q, c = (
        [draw(rng, 4, 3) for _ in range(8)],
        [draw(rng, 4, 3) for _ in range(8)],
        draw(rng, 4, 3),
    )
    h, new_c = cell_step(np.hstack(p), np.hstack(q), c, published_cell("max_cell"))
    expected_c = np.maximum(p[1], q[1]) + np.tanh(np.maximum(p[0], q[0])) + c
    expected_c *= sigmoid(np.tanh(p[2] + q[2]) + np.maximum(p[3] + q[3], 0))
    right = sigmoid(np.tanh(p[4] + q[4]) + (p[5] + q[5]))
    right *= sigmoid(np.tanh(p[6] + q[6]) + np.tanh(np.maximum(p[7], q[7])))
    np.testing.assert_allclose(new_c, expected_c, rtol=1e-5)
    np.testing.assert_allclose(h, np.tanh(expected_c * sigmoid(right)), rtol=1e-5)


def run_and_differentiate(run, tensors, scale):
    """All h, the last c, and the gradients of a sum of both."""
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        hiddens, last_cell_state = run(*tensors)
        loss = tf.reduce_sum(hiddens * scale) + tf.reduce_sum(last_cell_state * scale[0])
    return hiddens, last_cell_state, *tape.gradient(loss, tensors, unconnected_gradients="zero")


@spaces
def test_the_unrolling_and_its_gradient_equal_keras_rnn(space):
    rng = np.random.default_rng(space.base)
    for _ in range(3):
        cell = random_cell(rng, space)
        width = 3 * space.base
        shapes = ((4, 5, 2), (2, width), (3, width), (5, 3), (5, 3))  # x, W, U, h_0, c_0
        tensors = [tf.constant(draw(rng, *shape)) for shape in shapes]
        unroll = make_unroll(cell_kind(cell).step)

        def fast(x, kernel, recurrent_kernel, hidden, cell_state, unroll=unroll):
            projected = tf.einsum("tbd,dg->tbg", x, kernel)
            return unroll(projected, recurrent_kernel, hidden, cell_state, None)

        def through_keras(x, kernel, recurrent_kernel, hidden, cell_state, cell=cell):
            layer = TreeCell(cell, 3)
            layer.kernel, layer.recurrent_kernel, layer.built = kernel, recurrent_kernel, True
            rnn = keras.layers.RNN(layer, return_sequences=True, return_state=True, unroll=True)
            outputs = rnn(tf.transpose(x, (1, 0, 2)), initial_state=[hidden, cell_state])
            return tf.transpose(outputs[0], (1, 0, 2)), outputs[2]

        scale = tf.constant(draw(rng, 4, 5, 3))
        routes = [run_and_differentiate(run, tensors, scale) for run in (fast, through_keras)]
        for ours, theirs in zip(*routes, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-4)


def test_the_gradient_of_max_goes_to_the_greater_and_that_of_sin_is_cos():
    left, right = tf.constant([1.0, 5.0]), tf.constant([2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch([left, right])
        value = operations.activation("sin")(operations.combination("max")(left, right))
    np.testing.assert_allclose(value, np.sin([2.0, 5.0]), rtol=1e-6)
    to_left, to_right = tape.gradient(value, [left, right])
    np.testing.assert_allclose(to_left, [0, np.cos(5.0)], rtol=1e-6)
    np.testing.assert_allclose(to_right, [np.cos(2.0), 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("x", "expected_h", "expected_c"),
    [(1, 0.576751, 0.7157977), (2, 0.618936, 0.7804162), (3, 0.627393, 0.7945764)],
)
def test_nas_cell_reproduces_the_constants_of_tensorflow_addons(x, expected_h, expected_c):
    layer = TreeCell(published_cell("nas_cell"), 6)
    layer.build((None, 4))
    layer.set_weights([np.full(weight.shape, 0.5) for weight in layer.get_weights()])
    state = np.full((1, 6), 0.1, np.float32)
    h, (_, c) = layer(np.full((1, 4), x, np.float32), [state, state])
    np.testing.assert_allclose(h, np.full((1, 6), expected_h), atol=1e-6)
    np.testing.assert_allclose(c, np.full((1, 6), expected_c), atol=1e-6)


def test_lstm_in_base_8_equals_keras_lstm_cell():
    rng = np.random.default_rng(1)
    tree, lstm = TreeCell(published_cell("figure_8_lstm"), 3), keras.layers.LSTMCell(3)
    mapped = []
    for layer in (tree, lstm):
        layer.build((None, 2))
    for rows in (2, 3):  # kernel, recurrent kernel
        leaves = [draw(rng, rows, 3) for _ in range(8)]
        mapped.append((leaves, np.hstack(leaves)))
    tree.set_weights([block for _, block in mapped])
    gates = [
        np.hstack([leaf[0], leaf[2] + leaf[3], leaf[1], leaf[4] + leaf[5] + leaf[6] + leaf[7]])
        for leaf, _ in mapped
    ]  # Keras's order: input, forget, candidate, output
    lstm.set_weights([*gates, np.zeros(12)])
    x, state = draw(rng, 5, 2), [draw(rng, 5, 3), draw(rng, 5, 3)]
    for ours, theirs in zip(tree(x, state)[1], lstm(x, state)[1], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_same_node_for_both_indices_takes_the_value_without_the_earlier_cell_state():
    cell = RecurrentCell(
        (Node("add", "tanh"), Node("add", "relu"), Node("elem_mult", "identity")),
        inject=Node("add", "identity"),
        output_node=2,
        inject_node=2,
    )
    h, c = cell_step(np.full((1, 2), 1.0), np.full((1, 2), 1.0), np.full((1, 1), 5.0), cell)
    np.testing.assert_allclose(c, [[2 * np.tanh(2)]], rtol=1e-6)
    np.testing.assert_allclose(h, [[2 * np.tanh(2) + 5]], rtol=1e-6)


@pytest.mark.parametrize("base", [2, 4, 8])
def test_every_leaf_gets_a_gradient_where_no_relu_is_dead(base):
    # The tree is complete: every leaf lies below the root, so every column of W and U can move
    # h. Only relu and the product with an exact zero stop a gradient; neither occurs here.
    rng = np.random.default_rng(base)
    for _ in range(5):
        cell = random_cell(rng, RecurrentCellSpace(base))
        smooth = tuple(
            Node(node.combination, "tanh" if node.activation == "relu" else node.activation)
            for node in cell.nodes
        )
        layer = TreeCell(
            RecurrentCell(smooth, Node("add", "tanh"), cell.output_node, cell.inject_node), 3
        )
        x, h, c = (tf.constant(draw(rng, 5, 3)) for _ in range(3))
        layer.build((None, 3))
        layer.set_weights([draw(rng, *weight.shape) for weight in layer.get_weights()])
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x, [h, c])[0])
        for gradient in tape.gradient(loss, [v.value for v in layer.trainable_variables]):
            assert np.all(np.any(gradient.numpy() != 0, axis=0))


def test_config_round_trip_through_a_keras_file(tmp_path):
    cell = published_cell("nas_cell")
    assert TreeCell.from_config(TreeCell(cell, 5).get_config()).cell == cell
    inputs = keras.Input((4, 2))
    model = keras.Model(inputs, keras.layers.RNN(TreeCell(cell, 3))(inputs))
    path = tmp_path / "model.keras"
    model.save(path)
    restored = keras.saving.load_model(path)
    x = draw(np.random.default_rng(0), 5, 4, 2)
    np.testing.assert_array_equal(model(x), restored(x))
    assert restored.layers[-1].cell.cell == cell


def test_unknown_operations_are_input_errors():
    with pytest.raises(InputError, match="combination is 'minus', not one of add, elem_mult, max"):
        operations.combination("minus")
    with pytest.raises(InputError, match="activation is 'sine', not one of identity"):
        operations.activation("sine")
