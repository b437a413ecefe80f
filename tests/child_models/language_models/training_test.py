"""Training of language models: configurations, schedules, segments, learning, failures."""

import dataclasses
import gc
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS
from nas_with_rl.child_models.data.text import Corpus
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_models import model
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.dropout import Dropout
from nas_with_rl.child_models.language_models.training import (
    bits_per_character,
    perplexity,
    segments_of,
    train_language_model,
)
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import (
    ACTIVATIONS,
    COMBINATIONS,
    Node,
    RecurrentCell,
    RecurrentCellSpace,
    cell_of,
)

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
ALL_DROPOUT = Dropout(embedding=0.1, input=0.1, recurrent=0.1, output=0.1)


def cycle_corpus(num_tokens=400, vocabulary=5):
    tokens = (np.arange(num_tokens) % vocabulary).astype(np.int32)
    return Corpus(tokens, tokens[: num_tokens // 4], tuple("abcde"[:vocabulary]), ())


def test_segments_pair_every_token_with_its_successor():
    tokens = np.arange(23, dtype=np.int32)
    # B = 2 streams of 11: the first ten inputs make three segments of 3; a rest is dropped.
    expected = np.stack([np.arange(10), np.arange(11, 21)], axis=1)
    np.testing.assert_array_equal(segments_of(tokens, SMALL), expected)
    np.testing.assert_array_equal(segments_of(tokens, SMALL, most=2), expected[:7])


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(RecurrentCellSpace(2), id="base_2"),
        pytest.param(RecurrentCellSpace(4), id="base_4", marks=pytest.mark.slow),
        pytest.param(RecurrentCellSpace(8), id="base_8", marks=pytest.mark.slow),
        pytest.param(RecurrentCellSpace(8, COMBINATIONS, ACTIVATIONS), id="base_8_max_sin"),
    ],
)
@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_token_sequence_builds_and_trains(cells, data):
    space = cells.search_space()
    sizes = [len(step.decision.options) for step in space.steps]
    tokens = tuple(data.draw(st.integers(0, size - 1)) for size in sizes)
    try:
        result = train_language_model(
            cell_of(Architecture(space, tokens)), cycle_corpus(40), SMALL, seed=0
        )
    except ChildFailure as failure:
        assert failure.reason == "diverged"
    else:
        assert math.isfinite(result.validation_perplexity[0])


@pytest.mark.parametrize(
    "cell",
    [
        cell if cell in ("gru", "peephole_lstm") else pytest.param(cell, marks=pytest.mark.slow)
        for cell in KNOWN_CELLS
    ],
)
def test_every_known_cell_learns_with_every_dropout_that_it_takes(cell):
    element_wise = KNOWN_CELLS[cell].step is not None
    dropout = dataclasses.replace(ALL_DROPOUT, recurrent=0.1 if element_wise else 0.0)
    config = LanguageModelTraining(
        units=8,
        batch_size=4,
        num_steps=5,
        optimizer="adam",
        learning_rate=0.03,
        init_scale=0.3,
        dropout=dropout,
    )
    result = train_language_model(cell, cycle_corpus(2000), config, seed=0)
    assert result.validation_perplexity[-1] < 2.5  # of a vocabulary of 5


def test_a_tiny_model_learns_and_equal_seeds_give_equal_results():
    config = LanguageModelTraining(
        units=8,
        epochs=2,
        batch_size=4,
        num_steps=5,
        optimizer="adam",
        learning_rate=0.03,
        tie_embeddings=True,
        dropout=ALL_DROPOUT,
    )
    corpus = cycle_corpus(1000)
    first, again = (train_language_model(GATED_CELL, corpus, config, seed=3) for _ in range(2))
    assert first.validation_perplexity[-1] < 1.7  # of a vocabulary of 5
    assert dataclasses.replace(first, seconds=0) == dataclasses.replace(again, seconds=0)
    other = train_language_model(GATED_CELL, corpus, config, seed=4)
    assert other.validation_perplexity != first.validation_perplexity


def test_a_trained_child_leaves_no_graph_behind():
    def graphs():
        gc.collect()
        return sum(isinstance(each, tf.Graph) for each in gc.get_objects())

    before = graphs()
    train_language_model("gru", cycle_corpus(), SMALL, seed=0)
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


def test_running_out_of_memory_is_a_named_failure(monkeypatch):
    def greedy_cell(units):
        raise tf.errors.ResourceExhaustedError(None, None, "no memory for 8 TiB")

    greedy = dataclasses.replace(KNOWN_CELLS["lstm"], make=greedy_cell)
    monkeypatch.setattr(model, "cell_kind", lambda cell: greedy)
    with pytest.raises(ChildFailure, match="no memory for 8 TiB") as failure:
        train_language_model("lstm", cycle_corpus(), SMALL, seed=0)
    assert failure.value.reason == "out_of_memory"


def test_perplexity_and_bits_per_character():
    assert perplexity(math.log(80)) == pytest.approx(80)
    assert perplexity(1e9) == math.exp(20)
    assert bits_per_character(math.log(50)) == pytest.approx(math.log2(50))
    assert bits_per_character(1.0) == pytest.approx(math.log2(math.e))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (  # Zaremba's medium model: 39 epochs, divided by 1.2 after the sixth
            LanguageModelTraining(learning_rate=1.0, decay_factor=1 / 1.2, decay_after=6),
            {1: 1, 6: 1, 7: 1 / 1.2, 8: 1 / 1.44, 39: 1.2**-33},
        ),
        (  # the large one: 55 epochs, divided by 1.15 after the fourteenth
            LanguageModelTraining(learning_rate=1.0, decay_factor=1 / 1.15, decay_after=14),
            {1: 1, 14: 1, 15: 1 / 1.15, 55: 1.15**-41},
        ),
        (LanguageModelTraining(learning_rate=1e-3), {1: 1e-3, 1000: 1e-3}),
    ],
)
def test_the_learning_rate_by_epoch(config, expected):
    rates = {epoch: config.learning_rate_of(epoch) for epoch in expected}
    assert rates == pytest.approx(expected)


def test_the_hidden_size_follows_from_a_number_of_parameters():
    config = dataclasses.replace(SMALL, num_parameters=5_000, embedding_units=4)
    for cell in ("lstm", "rnn", GATED_CELL):
        size = config.size(5, cell)
        assert size.embedding_width == 4
        trained = train_language_model(cell, cycle_corpus(), config, seed=0)
        assert trained.num_parameters == pytest.approx(5_000, rel=0.05)
    units = dataclasses.replace(config, num_parameters=0, units=7)
    assert units.size(5, "lstm").units == 7


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
        (lambda: LanguageModelTraining(num_parameters=-1), "num_parameters is -1, below 0"),
        (lambda: LanguageModelTraining(learning_rate=0), "learning_rate is 0.0, not a number"),
        (lambda: LanguageModelTraining(weight_decay=1), "weight_decay is 1.0, not at least 0"),
        (lambda: LanguageModelTraining(optimizer="lion"), "'lion', not one of sgd, adam"),
        (
            lambda: LanguageModelTraining(tie_embeddings=True, embedding_units=128),
            "embedding_units is 128, not 0 (as many as units) as tie_embeddings needs",
        ),
        (
            lambda: train_language_model(
                GATED_CELL,
                cycle_corpus(),
                dataclasses.replace(SMALL, num_parameters=10),
                seed=0,
            ),
            "num_parameters is 10: the smallest model (1 unit) has 23",
        ),
        (
            lambda: train_language_model("lsmt", cycle_corpus(), SMALL, seed=0),
            "cell is 'lsmt', not one of lstm, ",
        ),
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


def test_a_backend_that_trains_no_language_model_is_named(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(InputError, match="KERAS_BACKEND is 'torch'"):
        train_language_model(GATED_CELL, cycle_corpus(), SMALL, seed=0)
