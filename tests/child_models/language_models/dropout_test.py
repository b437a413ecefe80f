"""Dropout masks: extents, rates and scale in closed form, and what each one is multiplied with."""

import numpy as np
import pytest

from nas_with_rl.child_models.language_models.dropout import (
    Dropout,
    DropoutMasks,
    MaskShapes,
    draw_masks,
    no_dropout,
)
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.language_models.size import LanguageModelSize
from nas_with_rl.search_spaces.errors import InputError

# Shapes: T steps, B sequences, V vocabulary, E embedding width, H hidden units.
T, B, V, E, H = 4, 50, 7, 5, 6
SHAPES = MaskShapes(
    num_steps=T, batch_size=B, vocabulary=V, embedding_width=E, units=H, num_layers=2
)


def numpy_uniform(number, shape):
    return np.random.default_rng(number).uniform(size=shape).astype(np.float32)


def test_variational_masks_are_one_per_sequence_and_scaled():
    dropout = Dropout(embedding=0.1, input=0.25, recurrent=0.2, output=0.5)
    masks = draw_masks(dropout, SHAPES, numpy_uniform)
    expected = [
        (masks.embedding, (B, V), 0.1),
        (masks.input[0], (1, B, E), 0.25),  # one for all steps
        (masks.input[1], (1, B, H), 0.25),
        (masks.recurrent[0], (B, H), 0.2),
        (masks.recurrent[1], (B, H), 0.2),
        (masks.output, (1, B, H), 0.5),
    ]
    for number, (mask, shape, rate) in enumerate(expected):
        twin = np.where(numpy_uniform(number, shape) < rate, 0, 1 / (1 - rate))
        np.testing.assert_allclose(mask, twin, rtol=1e-6)
        assert np.mean(twin) == pytest.approx(1, abs=0.15)  # dropping keeps the mean


def test_zaremba_masks_differ_by_step_and_leave_the_recurrence_alone():
    masks = draw_masks(Dropout("zaremba", input=0.5, output=0.5), SHAPES, numpy_uniform)
    assert masks.embedding is None and masks.recurrent == (None, None)
    assert masks.input[0].shape == (T, B, E) and masks.input[1].shape == (T, B, H)
    for mask in (*masks.input, masks.output):
        steps = np.asarray(mask)
        assert all(np.any(steps[t] != steps[0]) for t in range(1, T))
        assert set(np.unique(steps)) == {0.0, 2.0}


def test_no_rate_draws_nothing():
    def uniform(number, shape):
        raise AssertionError("nothing is to be drawn")

    assert draw_masks(Dropout(), SHAPES, uniform) == no_dropout(2)


def numpy_model(model, tokens, masks):
    """The NumPy twin of a model of two basic RNNs, for tokens [T, B] from a zero state."""
    embedding, bias, softmax_kernel, *cells = (weight.numpy() for weight in model.weights)
    num_steps, batch_size = tokens.shape
    values = embedding[tokens].copy()
    for t, b in np.ndindex(num_steps, batch_size):
        values[t, b] *= masks.embedding[b, tokens[t, b]]
    for layer in range(2):
        kernel, recurrent_kernel, cell_bias = cells[3 * layer : 3 * layer + 3]
        hidden, outputs = np.zeros((batch_size, len(recurrent_kernel))), []
        for t in range(num_steps):
            entering = values[t] * masks.input[layer][t % len(masks.input[layer])]
            read = hidden * masks.recurrent[layer]
            hidden = np.tanh(entering @ kernel + read @ recurrent_kernel + cell_bias)
            outputs.append(hidden)
        values = np.stack(outputs)
    return values * masks.output @ softmax_kernel + bias


def test_every_mask_acts_where_it_says():
    rng = np.random.default_rng(0)
    num_steps, batch_size = 3, 2

    def mask(*shape):
        return rng.uniform(0, 2, shape).astype(np.float32)

    masks = DropoutMasks(
        embedding=mask(batch_size, V),
        input=(mask(num_steps, batch_size, E), mask(1, batch_size, H)),
        recurrent=(mask(batch_size, H), mask(batch_size, H)),
        output=mask(num_steps, batch_size, H),
    )
    model = LanguageModel("rnn", LanguageModelSize(V, H, E), init_scale=1.0, seed=0)
    tokens = rng.integers(0, V, (num_steps, batch_size)).astype(np.int32)
    logits, _ = model.predict_next(tokens, model.initial_state(batch_size), masks)
    np.testing.assert_allclose(logits, numpy_model(model, tokens, masks), atol=1e-4)


def test_a_word_type_is_dropped_wherever_it_stands_in_a_sequence():
    # With word 3 dropped in the second sequence, its embedding does not matter there.
    model = LanguageModel("lstm", LanguageModelSize(V, H), init_scale=1.0, seed=0)
    tokens = np.array([[3, 3], [1, 1], [3, 3]], np.int32)
    mask = np.ones((2, V), np.float32)
    mask[1, 3] = 0

    def logits():
        return model.predict_next(
            tokens, model.initial_state(2), no_dropout(2)._replace(embedding=mask)
        )[0].numpy()

    before = logits()
    embedding = model.embedding.numpy()
    embedding[3] += 1
    model.embedding.assign(embedding)
    after = logits()
    np.testing.assert_array_equal(after[:, 1], before[:, 1])
    assert np.all(np.any(after[:, 0] != before[:, 0], axis=-1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dropout(input=1), "dropout.input is 1.0, not at least 0 and below 1"),
        (lambda: Dropout(embedding=-0.1), "dropout.embedding is -0.1, not at least 0"),
        (lambda: Dropout("zaremba", recurrent=0.1), "dropout.kind zaremba needs"),
        (lambda: Dropout("zaremba", embedding=0.1), "dropout.embedding is 0.1, not 0 as"),
        (lambda: Dropout("gal"), "dropout.kind is 'gal', not one of variational, zaremba"),
    ],
)
def test_bad_values_are_one_clear_line(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert message in str(error.value) and "\n" not in str(error.value)
