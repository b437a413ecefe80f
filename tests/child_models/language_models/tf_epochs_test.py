"""A language model in training: measured exactly, updated in closed form, resumed to the bit."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models.data.text import Corpus
from nas_with_rl.child_models.language_models import tf_epochs
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.dropout import Dropout
from nas_with_rl.child_models.language_models.tf_epochs import LanguageModelInTraining
from nas_with_rl.child_models.language_models.tf_softmax import LEAST_VOCABULARY
from nas_with_rl.child_models.language_models.training import segments_of
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell

# Shapes: T steps, B sequences.
SMALL = LanguageModelTraining(
    units=3,
    batch_size=2,
    num_steps=3,
    steps_per_epoch=2,
    optimizer="adam",
    learning_rate=0.01,
    init_scale=0.5,
)
GATED_CELL = RecurrentCell(
    (Node("add", "tanh"), Node("add", "sigmoid"), Node("elem_mult", "tanh")),
    Node("add", "tanh"),
    output_node=2,
    inject_node=0,
)


def random_corpus(num_tokens=400):
    tokens = np.random.default_rng(0).integers(0, 5, num_tokens).astype(np.int32)
    return Corpus(tokens, tokens[: num_tokens // 4], tuple("abcde"), ())


def numpy_nll(child, tokens):
    """The mean nll of tokens [steps + 1, B], each column read from a zero state in one go."""
    logits, _ = child.model.predict_next(tokens[:-1], child.model.initial_state(tokens.shape[1]))
    log_probs = tf.nn.log_softmax(logits).numpy()
    return -np.take_along_axis(log_probs, tokens[1:, :, np.newaxis], axis=-1).mean()


def test_validation_is_the_mean_over_segments_with_carry_over():
    corpus = random_corpus(80)
    child = LanguageModelInTraining(GATED_CELL, corpus, SMALL, seed=0)
    expected = numpy_nll(child, segments_of(corpus.validation, SMALL))
    assert child.validate() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("num_tokens", [2, 3, 4, 7, 24])  # T = 3: with and without a rest
def test_the_test_is_the_mean_over_every_token_as_one_stream(num_tokens):
    child = LanguageModelInTraining(GATED_CELL, random_corpus(), SMALL, seed=0)
    tokens = np.random.default_rng(1).integers(0, 5, num_tokens).astype(np.int32)
    assert child.test(tokens) == pytest.approx(numpy_nll(child, tokens[:, np.newaxis]), rel=1e-5)


def test_a_test_text_of_one_token_is_one_clear_line():
    child = LanguageModelInTraining(GATED_CELL, random_corpus(), SMALL, seed=0)
    with pytest.raises(InputError, match="the test text has 1 tokens, below 2"):
        child.test(np.zeros(1, np.int32))


def test_a_uniform_model_has_the_perplexity_of_its_vocabulary():
    child = LanguageModelInTraining("lstm", random_corpus(), SMALL, seed=0)
    child.model.set_weights([np.zeros(weight.shape) for weight in child.model.weights])
    assert math.exp(child.validate()) == pytest.approx(5, rel=1e-6)
    assert math.exp(child.test(random_corpus().train)) == pytest.approx(5, rel=1e-6)


@pytest.mark.parametrize("tied", [True, False])
def test_the_loss_over_many_words_trains_and_measures_as_tensorflows(tied, monkeypatch):
    rng = np.random.default_rng(0)
    words = rng.integers(0, LEAST_VOCABULARY, 400).astype(np.int32)
    corpus = Corpus(words, words[:100], tuple(map(str, range(LEAST_VOCABULARY))), ())
    config = dataclasses.replace(
        SMALL, tie_embeddings=tied, dropout=Dropout(output=0.3), steps_per_epoch=20
    )

    def figures(least):
        monkeypatch.setattr(tf_epochs, "LEAST_VOCABULARY", least)
        child = LanguageModelInTraining("lstm", corpus, config, seed=0)
        losses = child.train_epoch(1), child.validate(), child.test(words[:50])
        return child._own_softmax, losses, child.model.get_weights()

    own, losses, weights = figures(LEAST_VOCABULARY)
    others, expected_losses, expected = figures(LEAST_VOCABULARY + 1)
    assert own and not others
    np.testing.assert_allclose(losses, expected_losses, rtol=2e-6)
    for found, wanted in zip(weights, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def changes_of_an_epoch(config, seed=0):
    child = LanguageModelInTraining(GATED_CELL, random_corpus(), config, seed=seed)
    before = child.model.get_weights()
    child.train_epoch(1)
    return before, child.model.get_weights()


def sgd_step(clip_norm):
    """The change of every weight in one step of rate 0.5."""
    config = dataclasses.replace(
        SMALL, optimizer="sgd", learning_rate=0.5, clip_norm=clip_norm, steps_per_epoch=1
    )
    return [new - old for old, new in zip(*changes_of_an_epoch(config), strict=True)]


def global_norm(changes):
    return math.sqrt(sum(float(np.sum(change**2)) for change in changes))


def test_an_sgd_step_follows_the_nll_summed_over_steps_and_averaged_over_sequences():
    corpus = random_corpus()
    child = LanguageModelInTraining(GATED_CELL, corpus, SMALL, seed=0)
    tokens = segments_of(corpus.train, SMALL)[: SMALL.num_steps + 1]  # [T + 1, B]
    logits, _ = child.model.predict_next(tokens[:-1], child.model.initial_state(SMALL.batch_size))
    errors = tf.nn.softmax(logits).numpy() - np.eye(5)[tokens[1:]]  # of each logit, [T, B, V]
    names = [weight.name for weight in child.model.weights]
    bias = sgd_step(clip_norm=1e6)[names.index("softmax_bias")]
    np.testing.assert_allclose(bias, -0.5 * errors.sum(axis=0).mean(axis=0), rtol=1e-4)


def test_clipping_shortens_a_step_and_keeps_its_direction():
    whole, clipped = sgd_step(clip_norm=1e6), sgd_step(clip_norm=1e-2)
    assert global_norm(whole) > 0.1
    share = 0.5 * 1e-2 / global_norm(whole)
    for one, other in zip(clipped, whole, strict=True):
        np.testing.assert_allclose(one, share * other, rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_weight_decay_takes_a_share_of_each_weight_after_each_update(optimizer):
    plain = dataclasses.replace(SMALL, optimizer=optimizer, steps_per_epoch=1)
    decayed = dataclasses.replace(plain, weight_decay=0.1)
    _, expected = changes_of_an_epoch(plain)
    _, found = changes_of_an_epoch(decayed)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, 0.9 * other, rtol=1e-5, atol=1e-7)


def test_weight_decay_alone_is_a_power_of_the_number_of_updates():
    config = dataclasses.replace(
        SMALL, optimizer="sgd", learning_rate=1e-12, weight_decay=0.01, steps_per_epoch=5
    )
    before, after = changes_of_an_epoch(config)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new, 0.99**5 * old, rtol=1e-5, atol=1e-8)


def test_masks_are_keyed_by_seed_and_step():
    config = dataclasses.replace(
        SMALL,
        batch_size=50,
        units=6,
        dropout=Dropout(embedding=0.25, input=0.25, recurrent=0.25, output=0.5),
    )
    corpus = random_corpus(2000)
    one, same, other_seed = (
        LanguageModelInTraining(GATED_CELL, corpus, config, seed=seed) for seed in (1, 1, 2)
    )

    def drawn(child, step):
        masks = child._masks(tf.constant(step))
        flat = [masks.embedding, *masks.input, *masks.recurrent, masks.output]
        return [mask.numpy() for mask in flat]

    first = drawn(one, 2)
    for mask, again in zip(first, drawn(same, 2), strict=True):
        np.testing.assert_array_equal(mask, again)
    for others in (drawn(one, 3), drawn(other_seed, 2)):
        assert all(np.any(mask != each) for mask, each in zip(first, others, strict=True))
    assert np.any(first[1] != first[2]) and np.any(first[3] != first[4])  # each layer has its own
    assert np.mean(first[0] == 0) == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize(
    ("cell", "optimizer"),
    [
        (GATED_CELL, "sgd"),
        ("lstm", "adam"),
        pytest.param(GATED_CELL, "adam", marks=pytest.mark.slow),
        pytest.param("lstm", "sgd", marks=pytest.mark.slow),
    ],
)
def test_a_restored_child_continues_to_the_bit(cell, optimizer):
    config = dataclasses.replace(
        SMALL,
        optimizer=optimizer,
        decay_factor=0.5,
        decay_after=1,
        dropout=Dropout(embedding=0.1, input=0.2, recurrent=0.2, output=0.5),
    )
    corpus = random_corpus()
    unbroken = LanguageModelInTraining(cell, corpus, config, seed=3)
    unbroken.train_epoch(1)
    saved = [variable.numpy() for variable in unbroken.variables()]
    expected = unbroken.train_epoch(2), unbroken.validate()
    restarted = LanguageModelInTraining(cell, corpus, config, seed=3)
    for variable, value in zip(restarted.variables(), saved, strict=True):
        variable.assign(value)
    assert (restarted.train_epoch(2), restarted.validate()) == expected
    for one, other in zip(restarted.variables(), unbroken.variables(), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_a_child_says_its_size():
    child = LanguageModelInTraining("lstm", random_corpus(), SMALL, seed=0)
    assert child.num_parameters == 5 * 3 + 2 * (4 * 3 * 7) + 3 * 5 + 5
    assert child.multiply_adds == 2 * (4 * 3 * 6) + 3 * 5
