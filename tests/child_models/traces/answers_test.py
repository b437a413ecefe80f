"""Answers against step-by-step generation, and against models made by hand."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models.data.sequences import TASKS, Sample, draw_text
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.language_models.size import LanguageModelSize
from nas_with_rl.child_models.traces import answers as module
from nas_with_rl.child_models.traces.answers import AnsweredSample, Answers, answers
from nas_with_rl.search_spaces.errors import InputError

VOCABULARY = ("a", "b", "X", "\n", "<unk>")


def repeating_model(follower):
    """Return a model whose most probable next character depends on the last one alone."""
    size = LanguageModelSize(len(VOCABULARY), units=len(VOCABULARY))
    model = LanguageModel("rnn", size)
    for weight in model.trainable_variables:
        weight.assign(np.zeros(weight.shape))
    one_hot = 5 * np.eye(len(VOCABULARY))
    model.embedding.assign(one_hot)
    for layer in model.recurrent_layers:
        layer.cell.kernel.assign(one_hot)
    kernel = np.zeros_like(one_hot)
    for last, following in follower.items():
        kernel[VOCABULARY.index(last), VOCABULARY.index(following)] = 1
    model.softmax_kernel.assign(kernel)
    return model


def make_greedy(model):
    """Return what continues a prompt one character at a time."""
    step = tf.function(model.predict_next)

    def greedy(prompt, length):
        state, written = model.initial_state(1), ""
        for place in range(len(prompt) + length - 1):
            character = (prompt + written)[place]
            logits, state = step(tf.constant([[VOCABULARY.index(character)]]), state)
            if place >= len(prompt) - 1:
                written += VOCABULARY[np.argmax(logits[0, 0])]
        return written

    return greedy


def test_a_net_that_writes_one_b_answers_the_line_of_one_a_alone():
    found = answers(repeating_model({"X": "b", "b": "\n"}), VOCABULARY, TASKS["counter"].training)
    assert [each.share for each in found.samples] == [1] + 9 * [0]
    assert (found.num_right, found.counted_to, found.share) == (1, 1, pytest.approx(0.1))


def test_one_b_too_many_and_no_newline_are_wrong():
    found = answers(repeating_model({"X": "b", "b": "b"}), VOCABULARY, TASKS["counter"].training)
    assert found.counted_to == 0 and found.share == 0


def test_a_net_whose_predictions_are_no_numbers_answers_nothing():
    model = repeating_model({})
    model.softmax_bias.assign(np.full(len(VOCABULARY), np.nan))
    newline_first = ("\n", "a", "b", "X", "<unk>")
    assert answers(model, newline_first, [Sample("aX", "", 1)]).share == 0


def test_shares_equal_those_of_greedy_continuation_in_every_context():
    # Untrained, so that some answers are right in some contexts and wrong in others.
    size = LanguageModelSize(len(VOCABULARY), units=8)
    model = LanguageModel("lstm", size, init_scale=2.0, seed=3)
    model.softmax_bias.assign([0, 0, 0, 0, -100])  # never <unk>
    lines = TASKS["counter"].training
    contexts = [draw_text(lines, module.CONTEXT_LINES, seed=2 * 8 + number) for number in range(8)]
    greedy = make_greedy(model)
    # What it writes up to the first newline in one of the contexts is the answer wanted of it.
    prompts = ["".join(letters) for letters in itertools.product("abX", repeat=2)]
    samples = [
        Sample(prompt, greedy(contexts[number % 8] + prompt, 9).split("\n")[0], 1)
        for number, prompt in enumerate(prompts)
    ]
    found = answers(model, VOCABULARY, samples, context=lines, seed=2)
    for each in found.samples:
        wanted = each.sample.answer + "\n"
        right = [greedy(c + each.sample.prompt, len(wanted)) == wanted for c in contexts]
        assert each.share == np.mean(right), each
    assert len({each.share for each in found.samples}) > 2


def test_counting_stops_at_the_first_size_that_is_not_right_everywhere():
    shares = {1: (1, 1), 2: (1, 1), 3: (1, 0.875), 4: (1, 1)}
    found = Answers(
        tuple(
            AnsweredSample(Sample("a" * size, "b" * size, size), share)
            for size, pair in shares.items()
            for share in pair
        )
    )
    assert found.counted_to == 2 and found.num_right == 7
    assert found.share_by_size == {1: 1, 2: 1, 3: 0.9375, 4: 1}


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ((), "no samples"),
        (TASKS["state_memorizer"].training[:1], "'A', which is not in the vocabulary"),
    ],
)
def test_impossible_questions_are_one_clear_line(samples, message):
    with pytest.raises(InputError) as error:
        answers(repeating_model({}), VOCABULARY, samples)
    assert message in str(error.value) and "\n" not in str(error.value)
