"""A text as parallel streams: every token once, in order, and the figure of the one stream."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_with_rl.child_models.data.text import Corpus
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_models import streams, tf_epochs
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.streams import cut_into_streams, summed_nll
from nas_with_rl.child_models.language_models.tf_epochs import LanguageModelInTraining
from nas_with_rl.child_models.language_models.tf_softmax import LEAST_VOCABULARY
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell

CONFIG = LanguageModelTraining(
    units=6,
    batch_size=4,
    num_steps=10,
    init_scale=0.5,
    learning_rate=0.1,
    tie_embeddings=True,
)
# c_t = c_(t-1) + tanh(x W_0 + h U_0) + tanh(x W_1 + h U_1): without U it forgets nothing.
COUNTING_CELL = RecurrentCell(
    (Node("add", "tanh"),) * 3, Node("add", "identity"), output_node=2, inject_node=0
)


def counted(cut):
    """Return all targets that count, stream by stream."""
    columns = zip(cut.tokens[1:].T, cut.weights.T, strict=True)
    return np.concatenate([targets[weights == 1] for targets, weights in columns])


@settings(max_examples=200)
@given(st.integers(2, 6000), st.integers(1, 3000))
def test_every_token_counts_once_and_in_order(length, num_rows):
    data = np.arange(length, dtype=np.int32)
    cut = cut_into_streams(data, num_rows)
    if cut is None:
        assert num_rows < 2 or length - 1 < 2 * 2 * streams.WARM_UP
        return
    np.testing.assert_array_equal(counted(cut), data[1:])
    assert set(np.unique(cut.weights)) <= {0, 1}
    steps, num_streams = cut.weights.shape
    assert 2 <= num_streams <= streams.MOST_STREAMS and num_streams * cut.num_steps <= num_rows
    assert steps % cut.num_steps == 0 and len(cut.before) % cut.num_steps == 0
    assert len(cut.before) >= min(streams.WARM_UP, steps)
    # What a stream warms up on is what stands before its first input.
    np.testing.assert_array_equal(cut.before[-1] + 1, cut.tokens[0, 1:])
    np.testing.assert_array_equal(np.diff(cut.before, axis=0), 1)


def test_a_short_text_stays_one_stream():
    assert cut_into_streams(np.zeros(2 * streams.WARM_UP, np.int32), 100) is None
    assert cut_into_streams(np.zeros(2 * streams.WARM_UP + 1, np.int32), 100) is not None


def test_streams_that_began_wrongly_are_read_again_from_where_those_before_them_ended():
    cut = cut_into_streams(np.arange(3 * streams.WARM_UP + 1, dtype=np.int32), 100)
    begun = []

    def measure(_, first):
        begun.append(first)
        return 7.0, np.full_like(first, 0.5)  # wherever they begin

    assert summed_nll(cut, lambda _: np.zeros((1, 2, 2, 3)), measure) == 7.0
    assert [first[0, 0, :, 0].tolist() for first in begun] == [[0, 0, 0], [0, 0.5, 0.5]]


def test_streams_that_do_not_settle_are_given_up():
    cut = cut_into_streams(np.arange(3 * streams.WARM_UP + 1, dtype=np.int32), 100)
    passes = []

    def measure(_, first):
        passes.append(first)
        return 7.0, first + 1

    assert summed_nll(cut, lambda _: np.zeros((1, 2, 2, 3)), measure) is None
    assert len(passes) == streams.PASSES


def trained(cell, vocabulary, **changes):
    """Return a child that has learned a little of a text in which words follow one another."""
    rng = np.random.default_rng(0)
    text = np.cumsum(rng.integers(1, 4, 4000)) % vocabulary
    corpus = Corpus(text.astype(np.int32), text[:200].astype(np.int32), ("",) * vocabulary, ())
    child = LanguageModelInTraining(cell, corpus, dataclasses.replace(CONFIG, **changes), seed=0)
    child.train_epoch(1)
    return child, text[:3001].astype(np.int32)


def without_streams(child, text, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(tf_epochs, "cut_into_streams", lambda *_: None)
        return child.test(text)


def kept_totals(monkeypatch):
    """Return a list that what the streams sum up to, or None, is added to."""
    totals = []

    def keep(*arguments):
        totals.append(summed_nll(*arguments))
        return totals[-1]

    monkeypatch.setattr(tf_epochs, "summed_nll", keep)
    return totals


@pytest.mark.parametrize(
    ("cell", "vocabulary", "jit_compile"),
    [
        ("lstm", 5, False),
        ("lstm", 5, True),
        ("lstm", LEAST_VOCABULARY, False),
        ("gru_reset_before", 5, False),
    ],
)
def test_the_figure_is_the_one_streams(cell, vocabulary, jit_compile, monkeypatch):
    child, text = trained(cell, vocabulary, jit_compile=jit_compile)
    one = without_streams(child, text, monkeypatch)
    totals = kept_totals(monkeypatch)
    assert child.test(text) == pytest.approx(one, rel=1e-6)
    if cell == "lstm":  # others may have settled or not
        assert totals[0] / (len(text) - 1) == pytest.approx(one, rel=1e-6)


def test_a_cell_that_forgets_nothing_is_read_as_one_stream(monkeypatch):
    child, text = trained(COUNTING_CELL, 5)
    for layer in child.model.recurrent_layers:
        layer.cell.recurrent_kernel.assign(np.zeros(layer.cell.recurrent_kernel.shape))
    totals = kept_totals(monkeypatch)
    figure = child.test(text)
    assert totals == [None] and figure == without_streams(child, text, monkeypatch)


def test_a_test_that_diverges_is_a_named_failure():
    child, text = trained("lstm", 5)
    child.model.set_weights([weight * np.nan for weight in child.model.get_weights()])
    with pytest.raises(ChildFailure, match="the loss became nan in the test") as failure:
        child.test(text)
    assert failure.value.reason == "diverged"
