"""Generated text: greedy, by temperature, by seed; what is never written; what is refused."""

import keras
import numpy as np
import pytest

from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.language_models.size import LanguageModelSize
from nas_with_rl.child_models.traces.generation import generate
from nas_with_rl.search_spaces.errors import InputError

VOCABULARY = ("a", "b", "<unk>", "X", "\n")


def model_of(cell="lstm", num_layers=2, init_scale=0.9):
    size = LanguageModelSize(len(VOCABULARY), 8, num_layers=num_layers)
    return LanguageModel(cell, size, init_scale=init_scale, seed=1)


def written(model, prompt="aX", vocabulary=VOCABULARY, **changes):
    settings = {"length": 30, "temperature": 1.0, "seed": 0} | changes
    return generate(model, vocabulary, prompt, **settings)


def logits_after(model, text):
    numbers = np.array([[VOCABULARY.index(each) for each in text]])
    return keras.ops.convert_to_numpy(model(numbers))[0, -1].astype(float)


@pytest.mark.parametrize("cell", ["lstm", "gru_reset_before"])
def test_temperature_zero_writes_the_most_probable_character_each_time(cell):
    model, text = model_of(cell), "aX"
    for _ in range(8):
        logits = logits_after(model, text)
        logits[VOCABULARY.index("<unk>")] = -np.inf
        text += VOCABULARY[logits.argmax()]
    assert written(model, length=8, temperature=0) == text[2:]
    assert written(model, length=8, temperature=0, seed=5) == text[2:]
    assert written(model, length=8, temperature=1e-6) == text[2:]


def test_equal_seeds_give_equal_texts_and_others_others():
    model = model_of()
    assert written(model) == written(model)
    assert len(written(model)) == 30
    assert written(model) != written(model, seed=1)
    assert written(model)[:10] == written(model, length=10)
    assert written(model, length=0) == ""


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_characters_are_drawn_as_the_model_says(temperature):
    model = model_of(num_layers=1)
    bias = np.array([1.0, 0.0, 2.0, -1.0, 0.5])
    model.softmax_kernel.assign(np.zeros((8, 5), np.float32))  # the same at every step
    model.softmax_bias.assign(bias.astype(np.float32))
    weights = np.exp(bias / temperature)
    weights[VOCABULARY.index("<unk>")] = 0  # its probability is the others'
    drawn = written(model, length=1000, temperature=temperature)
    shares = [drawn.count(each) / len(drawn) for each in VOCABULARY]
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=0.05)  # 3 deviations


def test_a_favoured_unknown_is_never_written_yet_read():
    model = model_of()
    model.softmax_bias.assign(np.array([0, 0, 50, 0, 0], np.float32))
    assert set(written(model, length=50)) <= set(VOCABULARY) - {"<unk>"}
    model = model_of(init_scale=3.0)
    assert written(model, "a?X") == written(model, "a!X") != written(model, "abX")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": ""}, "the prompt is"),
        ({"temperature": -0.5}, "temperature is -0.5, not a number of at least 0"),
        ({"temperature": float("nan")}, "temperature is nan, not a number of at least 0"),
        ({"length": -1}, "length is -1, below 0"),
        ({"vocabulary": "ab"}, "the vocabulary has 2 tokens, the model 5"),
        ({"vocabulary": "abcdX", "prompt": "a?"}, "the prompt has '?', which the model's text "),
    ],
)
def test_what_cannot_be_generated_is_one_clear_line(changes, message):
    with pytest.raises(InputError) as error:
        written(model_of(), **changes)
    assert str(error.value).startswith(message)


def test_a_diverged_model_writes_nothing():
    model = model_of()
    model.softmax_bias.assign(np.full(5, np.nan, np.float32))
    with pytest.raises(InputError, match=r"its training has diverged$"):
        written(model)
