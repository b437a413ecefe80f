"""The language model: carry-over, shared embeddings, files, and Keras's JAX backend."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models.language_models.model import LanguageModel, draw_weights
from nas_with_rl.child_models.language_models.size import (
    LanguageModelSize,
    tree_weight_names,
    tree_weight_shapes,
)
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell

# Shapes: T steps, B sequences, V vocabulary.
ROOT = Path(__file__).resolve().parents[3]
GATED_CELL = RecurrentCell(
    (Node("add", "tanh"), Node("add", "sigmoid"), Node("elem_mult", "tanh")),
    Node("add", "tanh"),
    output_node=2,
    inject_node=0,
)
TOKENS = np.random.default_rng(0).integers(0, 5, (2, 6)).astype(np.int32)  # [B, T]


@pytest.mark.parametrize("cell", [GATED_CELL, "gru"])
def test_state_carried_over_equals_one_long_segment(cell):
    model = LanguageModel(cell, LanguageModelSize(5, 3), init_scale=1.0, seed=0)
    tokens = TOKENS.T
    whole, _ = model.predict_next(tokens, model.initial_state(2))
    first, state = model.predict_next(tokens[:3], model.initial_state(2))
    second, _ = model.predict_next(tokens[3:], state)
    np.testing.assert_allclose(tf.concat([first, second], 0), whole, atol=1e-6)


def test_a_call_takes_whole_sequences_from_a_zero_state():
    model = LanguageModel(GATED_CELL, LanguageModelSize(5, 3), init_scale=1.0, seed=0)
    logits, _ = model.predict_next(TOKENS.T, model.initial_state(2))
    np.testing.assert_allclose(model(TOKENS), tf.transpose(logits, (1, 0, 2)), atol=1e-6)
    predicted = model.predict(TOKENS, batch_size=1, verbose=0)  # by Keras's own loop
    np.testing.assert_allclose(predicted, model(TOKENS), atol=1e-6)


@pytest.mark.parametrize(("num_layers", "tie_embeddings"), [(1, False), (2, True), (3, False)])
def test_every_weight_gets_a_gradient(num_layers, tie_embeddings):
    size = LanguageModelSize(5, 3, tie_embeddings=tie_embeddings, num_layers=num_layers)
    model = LanguageModel(GATED_CELL, size, init_scale=0.5, seed=0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(TOKENS) ** 2)
    assert len(model.recurrent_layers) == num_layers
    for gradient in tape.gradient(loss, [v.value for v in model.trainable_variables]):
        assert np.any(tf.convert_to_tensor(gradient).numpy() != 0)


def test_shared_embeddings_are_one_variable_with_the_gradient_of_both_uses():
    rng = np.random.default_rng(1)
    embedding, bias = rng.uniform(-1, 1, (5, 3)), rng.uniform(-1, 1, 5)
    kernels = [rng.uniform(-1, 1, (3, 6)) for _ in range(4)]

    def gradient(model, weights, name):
        model.set_weights(weights)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(TOKENS) ** 2)
        return tf.convert_to_tensor(tape.gradient(loss, getattr(model, name).value)).numpy()

    shared = LanguageModel(GATED_CELL, LanguageModelSize(5, 3, tie_embeddings=True))
    shapes = [tuple(variable.shape) for variable in shared.variables]
    assert shapes == [(5, 3), (5,), *[(3, 6)] * 4] and shared.softmax_kernel is None
    of_both = gradient(shared, [embedding, bias, *kernels], "embedding")
    apart = LanguageModel(GATED_CELL, LanguageModelSize(5, 3))
    weights = [embedding, bias, embedding.T, *kernels]
    as_input = gradient(apart, weights, "embedding")
    as_output = gradient(apart, weights, "softmax_kernel")
    assert np.any(as_input != 0) and np.any(as_output != 0)
    np.testing.assert_allclose(of_both, as_input + as_output.T, atol=1e-4)


def test_multiply_adds_are_those_of_the_products_per_token():
    model = LanguageModel("lstm", LanguageModelSize(5, 3, 2))
    assert model.multiply_adds == 4 * 3 * (2 + 3) + 4 * 3 * (3 + 3) + 3 * 5


LOAD = """
import sys
import keras
import numpy as np
import nas_with_rl.child_models.language_models.model
import nas_with_rl.child_models.language_models.training
directory, *names = sys.argv[1:]
tokens = np.load(f"{directory}/tokens.npy")
for name in names:
    model = keras.models.load_model(f"{directory}/{name}.keras")
    np.save(f"{directory}/{keras.backend.backend()}-{name}.npy", np.asarray(model(tokens)))
print("tensorflow" in sys.modules)
"""


@pytest.mark.parametrize(
    ("backend", "tolerance"),
    [("tensorflow", 0.0), pytest.param("jax", 1e-6, marks=pytest.mark.slow)],
)
def test_a_keras_file_loads_in_a_fresh_process_on_either_backend(tmp_path, backend, tolerance):
    tied, plain = LanguageModelSize(5, 3, tie_embeddings=True), LanguageModelSize(5, 3, 2)
    models = {
        "tree": LanguageModel(GATED_CELL, tied, init_scale=1.0, seed=1),
        "gru": LanguageModel("gru", plain, init_scale=1.0, seed=1),
        "peephole": LanguageModel("peephole_lstm", plain, init_scale=1.0, seed=1),
    }
    np.save(tmp_path / "tokens.npy", TOKENS)
    for name, model in models.items():
        for variable in model.trainable_variables:  # no longer as its seed drew it
            variable.assign(variable + 0.1)
        model.save(tmp_path / f"{name}.keras")
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"needs {backend}")
    run = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path), *models],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split()[-1] == str(backend == "tensorflow")  # nothing else imports it
    for name, model in models.items():
        restored = np.load(tmp_path / f"{backend}-{name}.npy")
        np.testing.assert_allclose(restored, model(TOKENS), rtol=0, atol=tolerance)


def test_a_config_rebuilds_the_model():
    for cell in (GATED_CELL, "rnn"):
        model = LanguageModel(cell, LanguageModelSize(5, 3, 2), init_scale=0.7, seed=4)
        again = LanguageModel.from_config(model.get_config())
        assert (again.cell, again.size) == (cell, model.size)
        for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    assert isinstance(again, keras.Model)


def test_keras_usual_start_has_the_same_distributions_and_biases():
    size = LanguageModelSize(60, 24, 20, num_layers=2)
    model = LanguageModel("lstm", size, init_scale=0.0, seed=3)
    same = LanguageModel("lstm", size, init_scale=0.0, seed=3)
    usual = keras.layers.LSTMCell(24)
    usual.build((None, 20))
    for weight, again in zip(model.trainable_variables, same.trainable_variables, strict=True):
        np.testing.assert_array_equal(weight.numpy(), again.numpy())
    first, second = (layer.cell for layer in model.recurrent_layers)
    for cell, width in ((first, 20), (second, 24)):
        limit = np.sqrt(6 / (width + 96))
        assert 0.95 * limit < np.abs(cell.kernel.numpy()).max() <= limit
        square = cell.recurrent_kernel.numpy()
        np.testing.assert_allclose(square @ square.T, np.eye(24), atol=1e-5)
        np.testing.assert_array_equal(cell.bias.numpy(), usual.bias.numpy())  # forget gate: 1
    assert np.abs(model.embedding.numpy()).max() <= 0.05
    assert not model.softmax_bias.numpy().any()
    other = LanguageModel("lstm", size, init_scale=0.0, seed=4)
    assert np.abs(other.embedding.numpy() - model.embedding.numpy()).max() > 0


@pytest.mark.parametrize("tied", [False, True])
def test_a_tree_s_weights_have_these_names(tied):
    size = LanguageModelSize(7, 4, tie_embeddings=tied, num_layers=3)
    model = LanguageModel(GATED_CELL, size)
    names = [weight.name for weight in model.trainable_variables]
    assert tree_weight_names(size) == names
    shapes = tree_weight_shapes(size, GATED_CELL.base)
    assert shapes == [tuple(weight.shape) for weight in model.trainable_variables]
    drawn = draw_weights(shapes, 0.0, 5, names=names)
    built = LanguageModel(GATED_CELL, size, init_scale=0.0, seed=5)
    for weight, values in zip(built.trainable_variables, drawn, strict=True):
        np.testing.assert_array_equal(weight.numpy(), values)
