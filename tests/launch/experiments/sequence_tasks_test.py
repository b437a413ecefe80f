"""The tasks' experiments: sizes of the post, one real training, and texts of any length."""

import dataclasses

import numpy as np
import pytest

from nas_with_rl.child_models.data.sequences import TASKS
from nas_with_rl.child_models.data.text import Corpus, load_corpus
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.training import check_corpus, train_language_model
from nas_with_rl.launch.experiments.catalogue import find_experiment
from nas_with_rl.launch.experiments.sequence_tasks import fitted_to
from nas_with_rl.search_spaces.errors import InputError

TEXT = find_experiment("text").child


@pytest.mark.parametrize(
    ("name", "num_layers", "units"),
    [
        ("counter", 1, 10),
        ("selective_counter", 1, 20),
        ("state_memorizer", 1, 20),
        ("copy_machine", 2, 20),
        ("copy_machine_held_out", 2, 20),
    ],
)
def test_every_task_has_an_experiment_of_the_posts_size(name, num_layers, units):
    experiment = find_experiment(name)
    assert (experiment.child.num_layers, experiment.child.units) == (num_layers, units)
    assert experiment.search is None and name in TASKS
    corpus = load_corpus(experiment.data)
    check_corpus(corpus, experiment.child)
    longest = max(len(sample.line) for sample in TASKS[name].training)
    assert experiment.child.num_steps > 1.5 * longest


def test_a_net_of_ten_units_learns_in_an_epoch_that_as_many_bs_follow():
    experiment = find_experiment("counter")
    once = dataclasses.replace(experiment.child, epochs=1, jit_compile=False)
    result = train_language_model("lstm", load_corpus(experiment.data), once, seed=0)
    # In a line of N, N drawn from ten, there are 2N + 2 characters and log(10) nats to be known:
    # 0.177 a character. Without counting: the first b too is followed by b or newline.
    assert result.validation_perplexity[-1] < np.exp(0.35)


def corpus_of(num_training, num_validation):
    tokens = np.zeros(num_training, np.int32), np.zeros(num_validation, np.int32)
    return Corpus(*tokens, vocabulary=("a", "b"), provenance=())


def test_a_long_text_is_trained_as_the_experiment_says():
    assert fitted_to(TEXT, corpus_of(10**6, 10**5)) == TEXT


@pytest.mark.parametrize("size", [120, 1_000, 5_000, 30_000, 150_000])
def test_a_short_text_is_passed_more_often(size):
    corpus = corpus_of(size - size // 10, size // 10)
    with pytest.raises(InputError):  # one batch alone is longer than a tenth of 15,000
        check_corpus(corpus_of(13_500, 1_500), TEXT)
    fitted = fitted_to(TEXT, corpus)
    check_corpus(corpus, fitted)
    segments = (corpus.train.size // fitted.batch_size - 1) // fitted.num_steps
    updates = fitted.epochs * min(segments, fitted.steps_per_epoch)
    wanted = TEXT.epochs * TEXT.steps_per_epoch
    assert wanted <= updates < wanted + segments
    assert fitted.batch_size == TEXT.batch_size or size < 20_000
    last = [each.learning_rate_of(each.epochs) for each in (TEXT, fitted)]
    assert last[1] == pytest.approx(last[0], rel=0.2)


def test_passes_are_kept_where_no_number_of_segments_is_asked_for():
    whole = LanguageModelTraining(epochs=7, decay_factor=0.5, decay_after=3)
    fitted = fitted_to(whole, corpus_of(900, 100))
    assert (fitted.epochs, fitted.decay_factor, fitted.decay_after) == (7, 0.5, 3)
    assert fitted.batch_size == 2


def test_the_search_trains_on_the_counters_text_and_is_judged_a_little_beyond_it():
    search, counter = find_experiment("cells_that_count"), find_experiment("counter")
    for name in ("num_layers", "units"):
        assert getattr(search.child, name) == getattr(counter.child, name)
    judged, trained = load_corpus(search.data), load_corpus(counter.data)
    np.testing.assert_array_equal(judged.train, trained.train)
    assert judged.vocabulary == trained.vocabulary
    lines = "".join(judged.vocabulary[number] for number in judged.validation).splitlines()
    assert {line.count("a") for line in lines} == set(range(1, 14))
    assert {line.count("a") - line.count("b") for line in lines} == {0}
