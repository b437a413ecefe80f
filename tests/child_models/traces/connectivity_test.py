"""Connectivity: finite differences, one gradient over the whole text, batches, the text's edges."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.language_models.size import LanguageModelSize
from nas_with_rl.child_models.traces import connectivity as module
from nas_with_rl.child_models.traces.connectivity import connectivity
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell

# Shapes: T tokens, V vocabulary, E embedding width, H units.
T, V, E, H = 14, 5, 3, 4
NUMBERS = np.random.default_rng(1).integers(0, V, T).astype(np.int32)
CELLS = {
    "lstm": "lstm",
    "gru": "gru",
    "gru_reset_before": "gru_reset_before",
    "tree": RecurrentCell(
        (Node("add", "tanh"), Node("add", "sigmoid"), Node("elem_mult", "tanh")),
        Node("add", "tanh"),
        output_node=2,
        inject_node=0,
    ),
}


def model_of(cell, num_layers=2):
    return LanguageModel(cell, LanguageModelSize(V, H, E, num_layers=num_layers), init_scale=0.9)


def log_probabilities(model, embedded):
    """Log-probabilities [B, T, V] by Keras's own loop over embedded tokens [B, T, E]."""
    values = embedded
    for layer in model.recurrent_layers:
        values = keras.layers.RNN(layer.cell, return_sequences=True)(values)
    return tf.nn.log_softmax(model.logits(values))


def gradients_over_the_whole_text(model):
    """The norms [T, T] of each prediction's gradient, by steps back: the text T times at once."""
    embedded = tf.gather(tf.convert_to_tensor(model.embedding), np.tile(NUMBERS, (T, 1)))
    with tf.GradientTape() as tape:
        tape.watch(embedded)
        likeliest = tf.reduce_max(log_probabilities(model, embedded), axis=-1)  # [T, T]
        of_each = tf.linalg.trace(likeliest)  # copy t is asked for its prediction t
    by_token = np.linalg.norm(tape.gradient(of_each, embedded), axis=-1)  # [T, T]
    norms = np.zeros((T, T), np.float32)
    for t in range(T):
        norms[t, : t + 1] = by_token[t, t::-1]
    return norms


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_windows_give_the_gradient_over_the_whole_text(cell, monkeypatch):
    model = model_of(cell)
    expected = gradients_over_the_whole_text(model)
    assert expected[-1, 5] > 1e-7, "nothing left to compare"
    # Five windows at once of fourteen, the last batch not full.
    monkeypatch.setattr(module, "_windows_at_once", lambda model, num_steps: 5)
    found = connectivity(model, NUMBERS, reach=6)
    assert (found.shape, found.dtype) == ((T, 6), np.float32)
    np.testing.assert_allclose(found, expected[:, :6], rtol=1e-4, atol=1e-7)


def test_a_finite_difference_along_the_gradient_is_its_norm():
    model, t, back = model_of("lstm", num_layers=1), 9, 3
    embedded = np.asarray(model.embedding)[NUMBERS][None]
    target = int(np.argmax(log_probabilities(model, embedded)[0, t]))
    slopes, width = np.zeros(E), 1e-2
    for axis in range(E):
        ends = []
        for sign in (-1, 1):
            moved = embedded.copy()
            moved[0, t - back, axis] += sign * width
            ends.append(float(log_probabilities(model, moved)[0, t, target]))
        slopes[axis] = (ends[1] - ends[0]) / (2 * width)
    found = connectivity(model, NUMBERS, reach=back + 1)[t, back]
    assert found == pytest.approx(np.linalg.norm(slopes), rel=1e-2)


def test_a_text_shorter_than_the_reach_has_zeros_where_there_is_no_text():
    model = model_of("rnn")
    found = connectivity(model, NUMBERS, reach=20)
    assert found.shape == (T, 20)
    steps_back, row = np.arange(20), np.arange(T)[:, None]
    assert not found[steps_back > row].any()
    assert found[steps_back <= row].all()
    np.testing.assert_allclose(found[:, :T], gradients_over_the_whole_text(model), rtol=1e-3)


def test_memory_is_bounded_by_smaller_batches_of_larger_models():
    sizes = [LanguageModelSize(V, units, num_layers=2) for units in (8, 300)]
    small, large = (LanguageModel("lstm", size) for size in sizes)
    assert module._windows_at_once(small, 50) == 256
    assert module._windows_at_once(large, 50) == 2**22 // (50 * 2 * 4 * 300)


def test_a_reach_below_one_and_an_empty_text_are_refused():
    with pytest.raises(InputError, match=r"^reach is 0, below 1$"):
        connectivity(model_of("rnn"), NUMBERS, reach=0)
    with pytest.raises(InputError, match=r"^the text is empty$"):
        connectivity(model_of("rnn"), NUMBERS[:0])
