"""The tree cell: closed forms, a NumPy twin, the LSTM inside the space, serialisation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models import operations
from nas_with_rl.child_models.recurrent_cell import TreeCell, cell_step
from nas_with_rl.search_spaces.architecture import Architecture, parse_architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import (
    Node,
    RecurrentCell,
    RecurrentCellSpace,
    cell_of,
)

# Shapes: B sequences, H units, D inputs.
NAS_CELL = (
    "add sigmoid add relu add sigmoid elem_mult relu add tanh add sigmoid add tanh add sigmoid "
    "elem_mult tanh add tanh elem_mult tanh add sigmoid elem_mult identity add tanh "
    "elem_mult tanh add tanh 12 8"
)
LSTM = (
    "add sigmoid add tanh add identity add identity add identity add identity add identity "
    "add identity elem_mult identity add sigmoid add identity add identity add tanh add sigmoid "
    "elem_mult identity elem_mult identity 12 9"
)
FIGURE_5 = "add tanh elem_mult relu elem_mult sigmoid add relu 1 0"


def read_cell(text: str, base: int) -> RecurrentCell:
    return cell_of(parse_architecture(text, RecurrentCellSpace(base).search_space()))


def random_cell(rng: np.random.Generator, base: int) -> RecurrentCell:
    space = RecurrentCellSpace(base).search_space()
    tokens = tuple(int(rng.integers(len(step.decision.options))) for step in space.steps)
    return cell_of(Architecture(space, tokens))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


COMBINE = {"add": np.add, "elem_mult": np.multiply}
ACTIVATE = {
    "identity": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda x: np.maximum(x, 0),
}


def numpy_step(cell: RecurrentCell, x, h, c, weights):
    """The NumPy twin, by recursion from the root instead of a pass over the nodes."""
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

    return value(len(cell.nodes) - 1), before_activation(cell.output_node)


def draw(rng, *shape):
    return rng.uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("base", [2, 4, 8])
def test_equals_numpy_twin_on_random_architectures(base):
    rng = np.random.default_rng(base)
    for _ in range(20):
        cell = random_cell(rng, base)
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


def test_figure_5_written_out():
    rng = np.random.default_rng(0)
    p0, p1, q0, q1, c = (draw(rng, 4, 3) for _ in range(5))
    h, new_c = cell_step(np.hstack([p0, p1]), np.hstack([q0, q1]), c, read_cell(FIGURE_5, 2))
    a0_new = np.maximum(np.tanh(p0 + q0) + c, 0)
    a1 = np.maximum(p1 * q1, 0)
    np.testing.assert_allclose(h, sigmoid(a0_new * a1), rtol=1e-6)
    np.testing.assert_allclose(new_c, p1 * q1, rtol=1e-6)


@pytest.mark.parametrize(
    ("x", "expected_h", "expected_c"),
    [(1, 0.576751, 0.7157977), (2, 0.618936, 0.7804162), (3, 0.627393, 0.7945764)],
)
def test_nas_cell_reproduces_the_constants_of_tensorflow_addons(x, expected_h, expected_c):
    layer = TreeCell(read_cell(NAS_CELL, 8), 6)
    layer.build((None, 4))
    layer.set_weights([np.full(weight.shape, 0.5) for weight in layer.get_weights()])
    state = np.full((1, 6), 0.1, np.float32)
    h, (_, c) = layer(np.full((1, 4), x, np.float32), [state, state])
    np.testing.assert_allclose(h, np.full((1, 6), expected_h), atol=1e-6)
    np.testing.assert_allclose(c, np.full((1, 6), expected_c), atol=1e-6)


def test_lstm_in_base_8_equals_keras_lstm_cell():
    rng = np.random.default_rng(1)
    tree, lstm = TreeCell(read_cell(LSTM, 8), 3), keras.layers.LSTMCell(3)
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
        cell = random_cell(rng, base)
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
    cell = read_cell(NAS_CELL, 8)
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
    with pytest.raises(InputError, match="combination is 'minus', not one of add, elem_mult"):
        operations.combination("minus")
    with pytest.raises(InputError, match="activation is 'sine', not one of identity"):
        operations.activation("sine")
