"""The language model: the fast unrolling against Keras's, carry-over against NumPy, training."""

import dataclasses
import gc
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas_with_rl.child_models import language_model, language_model_training
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_model import (
    DropoutMasks,
    HoistedRecurrentLayer,
    LanguageModel,
    LanguageModelSize,
    RecurrentLayer,
    lstm_cells,
    lstm_units_for,
    tree_cells,
)
from nas_with_rl.child_models.language_model_training import (
    Dropout,
    LanguageModelTraining,
    draw_masks,
    perplexity,
    train_language_model,
)
from nas_with_rl.child_models.text import Corpus
from nas_with_rl.child_models.unrolling import make_unroll
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import (
    Node,
    RecurrentCell,
    RecurrentCellSpace,
    cell_of,
)

# Shapes: T steps, B sequences, H units, E embedding width, V vocabulary.
SMALL = LanguageModelTraining(
    units=3, batch_size=2, num_steps=3, steps_per_epoch=2, optimizer="adam", learning_rate=0.01
)
# h grows without bound once it is positive: h_t = (x W_0 + h U_0) + (x W_1 + h U_1) + c.
ADDING_CELL = RecurrentCell(
    (Node("add", "identity"),) * 3, Node("add", "identity"), output_node=2, inject_node=0
)
GATED_CELL = RecurrentCell(
    (Node("add", "tanh"), Node("add", "sigmoid"), Node("elem_mult", "tanh")),
    Node("add", "tanh"),
    output_node=2,
    inject_node=0,
)


def cell_from_tokens(base, draw_token):
    space = RecurrentCellSpace(base).search_space()
    tokens = tuple(draw_token(len(step.decision.options)) for step in space.steps)
    return cell_of(Architecture(space, tokens))


def cycle_corpus(num_tokens=400, vocabulary=5):
    tokens = (np.arange(num_tokens) % vocabulary).astype(np.int32)
    return Corpus(tokens, tokens[: num_tokens // 4], tuple("abcde"[:vocabulary]), ())


def layers_of(cell, units=3, width=2, seed=0):
    """Both routes of one cell, with the same weights."""
    rng = np.random.default_rng(seed)
    step = language_model._step_of(cell(units))
    hoisted = HoistedRecurrentLayer(cell(units), width, make_unroll(step))
    through_keras = RecurrentLayer(cell(units), width)
    weights = [rng.uniform(-1, 1, w.shape) for w in hoisted.cell.get_weights()]
    hoisted.cell.set_weights(weights)
    through_keras.cell.set_weights(weights)
    return hoisted, through_keras


def outputs_and_gradients(layer, inputs, state, scale):
    """Outputs, last state, and the gradients of a sum of all of them."""
    variables = [v.value for v in layer.cell.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch([inputs, *state])
        outputs, last = layer(inputs, state)
        loss = tf.reduce_sum(outputs * scale) + tf.reduce_sum(last[1] * scale[0])
        loss += tf.reduce_sum(last[0])
    return outputs, *last, *tape.gradient(loss, [inputs, *state, *variables])


@pytest.mark.parametrize(
    ("name", "compiled"),
    [("tree 2", False), ("tree 4", False), ("tree 8", False), ("lstm", False), ("tree 2", True)],
)
def test_hoisted_unrolling_equals_keras_rnn(name, compiled):
    rng = np.random.default_rng(3)
    for _ in range(1 if name == "lstm" else 2):
        cell = lstm_cells
        if name != "lstm":
            base = int(name[-1])
            cell = tree_cells(cell_from_tokens(base, lambda n: int(rng.integers(n))))
        shapes = ((4, 5, 2), (5, 3), (5, 3), (4, 5, 3))  # inputs, h, c, scale of the loss
        inputs, *state, scale = (
            tf.constant(rng.uniform(-1, 1, shape), tf.float32) for shape in shapes
        )
        run = tf.function(outputs_and_gradients) if compiled else outputs_and_gradients
        routes = [run(layer, inputs, state, scale) for layer in layers_of(cell)]
        for ours, theirs in zip(*routes, strict=True):
            theirs = tf.zeros_like(ours) if theirs is None else theirs
            np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=1e-5)


def test_recurrent_mask_enters_only_the_recurrent_product():
    hoisted, through_keras = layers_of(tree_cells(GATED_CELL))
    rng = np.random.default_rng(0)
    inputs, mask = rng.uniform(-1, 1, (4, 5, 2)).astype("f"), rng.uniform(0, 2, (5, 3)).astype("f")
    h = c = np.zeros((5, 3), np.float32)
    outputs, _ = hoisted(tf.constant(inputs), [h, c], tf.constant(mask))
    for t in range(4):
        h, (_, c) = through_keras.cell(inputs[t], [h * mask, c])
        np.testing.assert_allclose(outputs[t], h, atol=1e-5)


def test_any_other_keras_cell_trains_without_recurrent_dropout():
    result = train_language_model(keras.layers.GRUCell, cycle_corpus(), SMALL, seed=0)
    assert math.isfinite(result.validation_perplexity[0])
    config = dataclasses.replace(SMALL, dropout=Dropout(recurrent=0.5))
    with pytest.raises(InputError, match=r"dropout\.recurrent is for tree and LSTM cells"):
        train_language_model(keras.layers.GRUCell, cycle_corpus(), config, seed=0)


def test_state_carried_over_equals_one_long_segment():
    model = LanguageModel(tree_cells(GATED_CELL), LanguageModelSize(5, 3), init_scale=1.0, seed=0)
    tokens = tf.constant(np.random.default_rng(0).integers(0, 5, (6, 2)))
    whole, _ = model(tokens, model.initial_state(2))
    first, state = model(tokens[:3], model.initial_state(2))
    second, _ = model(tokens[3:], state)
    np.testing.assert_allclose(tf.concat([first, second], 0), whole, atol=1e-6)


def test_segments_pair_every_token_with_its_successor():
    tokens = np.arange(23, dtype=np.int32)
    segments = language_model_training._segments(tokens, "validation", SMALL)
    # B = 2 streams of 11: the first ten inputs make three segments of 3; a rest is dropped.
    np.testing.assert_array_equal(segments, np.stack([np.arange(10), np.arange(11, 21)], axis=1))


def test_evaluation_is_the_mean_over_segments_with_carry_over():
    corpus = cycle_corpus(80)
    child = language_model_training._Child(GATED_CELL, 5, SMALL, seed=0)
    segments = language_model_training._segments(corpus.validation, "validation", SMALL)
    logits, _ = child.model(tf.constant(segments[:-1]), child.model.initial_state(2))
    log_probs = tf.nn.log_softmax(logits).numpy()
    picked = np.take_along_axis(log_probs, segments[1:, :, np.newaxis], axis=-1)
    assert child.evaluate(segments) == pytest.approx(-picked.mean(), rel=1e-5)


@pytest.mark.parametrize(("clip_norm", "expected"), [(1e-3, 1e-3), (1e6, None)])
def test_clipping_bounds_the_global_norm_of_an_sgd_step(clip_norm, expected):
    config = dataclasses.replace(
        SMALL, optimizer="sgd", learning_rate=1.0, clip_norm=clip_norm, steps_per_epoch=1
    )
    corpus = cycle_corpus()
    child = language_model_training._Child(GATED_CELL, 5, config, seed=0)
    before = child.model.get_weights()
    child.train_epoch(language_model_training._segments(corpus.train, "training", config), 1)
    changes = [new - old for new, old in zip(child.model.get_weights(), before, strict=True)]
    norm = math.sqrt(sum(float(np.sum(change**2)) for change in changes))
    if expected is None:
        assert norm > 0.01
    else:
        assert norm == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("tie_embeddings", [False, True])
def test_every_weight_gets_a_gradient(tie_embeddings):
    size = LanguageModelSize(5, 3, tie_embeddings=tie_embeddings)
    model = LanguageModel(tree_cells(GATED_CELL), size, init_scale=0.5, seed=0)
    tokens = tf.constant([[0, 1], [2, 3], [4, 0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(tokens, model.initial_state(2))[0] ** 2)
    for gradient in tape.gradient(loss, [v.value for v in model.trainable_variables]):
        assert np.any(tf.convert_to_tensor(gradient).numpy() != 0)


@pytest.mark.parametrize("base", [2, 4, 8])
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_token_sequence_builds_and_trains(base, data):
    cell = cell_from_tokens(base, lambda n: data.draw(st.integers(0, n - 1)))
    try:
        result = train_language_model(cell, cycle_corpus(40), SMALL, seed=0)
    except ChildFailure as failure:
        assert failure.reason == "diverged"
    else:
        assert math.isfinite(result.validation_perplexity[0])


def test_a_tiny_model_learns_and_equal_seeds_give_equal_results():
    config = LanguageModelTraining(
        units=8,
        epochs=2,
        batch_size=4,
        num_steps=5,
        optimizer="adam",
        learning_rate=0.03,
        tie_embeddings=True,
        dropout=Dropout(input=0.1, recurrent=0.1, output=0.1),
    )
    corpus = cycle_corpus(1000)
    first, again = (
        train_language_model(GATED_CELL, corpus, config, seed=3, test_tokens=corpus.validation)
        for _ in range(2)
    )
    assert first.validation_perplexity[-1] < 1.5  # of a vocabulary of 5
    assert first.test_perplexity == first.validation_perplexity[-1]
    assert dataclasses.replace(first, seconds=0) == dataclasses.replace(again, seconds=0)
    other = train_language_model(GATED_CELL, corpus, config, seed=4)
    assert other.validation_perplexity != first.validation_perplexity


def test_a_trained_child_leaves_no_graph_behind():
    def graphs():
        gc.collect()
        return sum(isinstance(each, tf.Graph) for each in gc.get_objects())

    before = graphs()
    train_language_model(GATED_CELL, cycle_corpus(), SMALL, seed=0)
    # The graph of a kept tf.custom_gradient would be five or more: loops, bodies, conditions.
    assert graphs() <= before + 1


def test_every_epoch_is_reported():
    reported = []
    config = dataclasses.replace(SMALL, epochs=2)
    result = train_language_model(
        GATED_CELL, cycle_corpus(), config, seed=0, report=lambda *epoch: reported.append(epoch)
    )
    measured = zip((1, 2), result.train_perplexity, result.validation_perplexity, strict=True)
    assert reported == list(measured)


def test_divergence_is_a_named_failure():
    config = dataclasses.replace(
        SMALL, num_steps=40, init_scale=1e3, optimizer="sgd", learning_rate=1e3, clip_norm=1e9
    )
    with pytest.raises(ChildFailure) as failure:
        train_language_model(ADDING_CELL, cycle_corpus(), config, seed=0)
    assert failure.value.reason == "diverged"


def test_running_out_of_memory_is_a_named_failure():
    def greedy_cell(units):
        raise tf.errors.ResourceExhaustedError(None, None, "no memory for 8 TiB")

    with pytest.raises(ChildFailure, match="no memory for 8 TiB") as failure:
        train_language_model(greedy_cell, cycle_corpus(), SMALL, seed=0)
    assert failure.value.reason == "out_of_memory"


def test_perplexity_does_not_overflow():
    assert perplexity(math.log(80)) == pytest.approx(80)
    assert perplexity(1e9) == math.exp(20)


@pytest.mark.parametrize("tie_embeddings", [False, True])
def test_lstm_of_equal_parameters_is_the_closest(tie_embeddings):
    size = LanguageModelSize(11, 6, tie_embeddings=tie_embeddings)

    def count(make_cell, units):
        of_units = dataclasses.replace(size, units=units)
        return LanguageModel(make_cell, of_units, init_scale=0.1, seed=0).num_parameters

    wanted = count(tree_cells(GATED_CELL), 6)
    units = lstm_units_for(wanted, size)
    distances = {each: abs(count(lstm_cells, each) - wanted) for each in range(1, 9)}
    assert distances[units] == min(distances.values())
    assert lstm_units_for(count(lstm_cells, 7), size) == 7


def test_zaremba_medium_has_its_published_number_of_parameters():
    assert language_model._lstm_parameters(LanguageModelSize(10_000, 650)) == 19_775_200


def test_masks_are_keyed_by_seed_and_step():
    size, shape = LanguageModelSize(7, 6), (4, 50)
    dropout = Dropout(input=0.25, recurrent=0.25, output=0.5)
    first, again, next_step, other_seed = (
        draw_masks(dropout, size, shape, key=key) for key in [(1, 2), (1, 2), (1, 3), (2, 2)]
    )
    assert first.input.shape == (1, 50, 6) and first.recurrent[0].shape == (50, 6)
    np.testing.assert_array_equal(first.input, again.input)
    for other in (next_step.input, other_seed.input):
        assert np.any(first.input.numpy() != other.numpy())
    assert np.any(first.output[0].numpy() != first.output[1].numpy())
    assert set(np.unique(first.output[0])) == {0.0, 2.0}
    assert np.mean(first.input.numpy() == 0) == pytest.approx(0.25, abs=0.1)


def test_zaremba_masks_differ_by_step_and_leave_the_recurrence_alone():
    masks = draw_masks(
        Dropout("zaremba", input=0.5, output=0.5), LanguageModelSize(7, 6), (4, 5), key=(0, 0)
    )
    assert masks.input.shape == (4, 5, 6) and masks.recurrent == (None, None)
    assert np.any(masks.input[0].numpy() != masks.input[1].numpy())
    assert draw_masks(Dropout(), LanguageModelSize(7, 6), (4, 5), key=(0, 0)) == DropoutMasks()


def test_learning_rate_decays_after_an_epoch():
    config = LanguageModelTraining(learning_rate=1.0, decay_factor=0.5, decay_after=2)
    assert [config.learning_rate_of(epoch) for epoch in (1, 2, 3, 4)] == [1, 1, 0.5, 0.25]


def test_xla_gives_the_same_training():
    graph, xla = (
        train_language_model(
            GATED_CELL, cycle_corpus(), dataclasses.replace(SMALL, jit_compile=jit), seed=0
        )
        for jit in (False, True)
    )
    np.testing.assert_allclose(graph.validation_perplexity, xla.validation_perplexity, rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LanguageModelTraining(units=0), "units is 0, below 1"),
        (lambda: LanguageModelTraining(steps_per_epoch=-1), "steps_per_epoch is -1, below 0"),
        (lambda: LanguageModelTraining(learning_rate=0), "learning_rate is 0, not a number above"),
        (lambda: LanguageModelTraining(optimizer="lion"), "'lion', not one of sgd, adam"),
        (lambda: Dropout(input=1), "dropout.input is 1, not at least 0 and below 1"),
        (lambda: Dropout("zaremba", recurrent=0.1), "not 0 as dropout.kind zaremba needs"),
        (lambda: Dropout("gal"), "dropout.kind is 'gal', not variational or zaremba"),
        (lambda: LanguageModelSize(5, 3, 4, True), "tie_embeddings needs them equal"),
    ],
)
def test_bad_values_are_one_clear_line(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_split_too_small_for_one_segment_is_refused_before_training():
    with pytest.raises(InputError, match="the validation text has 7 tokens, below the 8 of one"):
        corpus = dataclasses.replace(cycle_corpus(), validation=np.arange(7, dtype=np.int32))
        train_language_model(GATED_CELL, corpus, SMALL, seed=0)
