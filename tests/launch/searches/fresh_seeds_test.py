"""The comparison at the end of a search claims nothing that the seeds do not show."""

import numpy as np
import pytest

from nas_with_rl.child_models.data.text import Corpus
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.training import (
    LanguageModelResult,
    train_language_model,
)
from nas_with_rl.launch.api import SearchOptions, search
from nas_with_rl.launch.evaluators.kinds.language_models import LanguageModelTrainer
from nas_with_rl.launch.evaluators.measurements import Measurement
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.results.candidates import Candidate, describe_candidates
from nas_with_rl.launch.searches.fresh_seeds import compare
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace


def candidate(title, num_parameters, perplexities, learning_rate=0.02):
    return Candidate(title, num_parameters, perplexities, learning_rate)


def lines(*candidates):
    return describe_candidates(candidates).splitlines()


def test_a_difference_within_the_spread_is_no_difference():
    best = candidate("best cell", 1000, (7.0, 7.4, 7.2))
    lstm = candidate("LSTM", 1010, (7.3, 7.6, 7.9))
    assert lines(best, lstm)[-1] == (
        "best cell and LSTM: no difference beyond the spread of seeds."
    )


def test_a_difference_on_every_seed_is_said_either_way():
    best = candidate("best cell", 1000, (7.0, 7.1))
    lstm = candidate("LSTM", 1010, (8.0, 8.2))
    assert lines(best, lstm)[-1] == "best cell: 13.0% lower than LSTM, on every seed."
    assert lines(lstm, best)[-1] == "LSTM: 14.9% higher than best cell, on every seed."


def test_one_seed_shows_nothing():
    best, lstm = candidate("best cell", 1000, (7.0,)), candidate("LSTM", 1010, (9.0, 9.1))
    for pair in ((best, candidate("LSTM", 1010, (9.0,))), (best, lstm), (lstm, best)):
        assert "does not tell" in lines(*pair)[-1]
    first, second, _ = lines(best, lstm)
    assert first.endswith(
        "perplexity   7.00 (1 seed, learning rate 0.02)"
    )  # no spread was measured
    assert second.endswith("9.05 ± 0.07 (2 seeds, learning rate 0.02)")


def test_a_cell_that_fails_with_every_seed_has_no_verdict():
    failed, lstm = candidate("best cell", 0, ()), candidate("LSTM", 10, (7.0, 7.1))
    assert lines(failed, lstm)[0].endswith("with every seed")
    assert len(lines(failed, lstm)) == 2 and len(lines(lstm, failed)) == 2


def test_the_same_cell_is_named_as_such():
    pair = candidate("best cell", 10, (7.0, 7.1)), candidate("first", 10, (7.0, 7.1))
    assert lines(*pair)[-1] == "The best cell is the first."
    assert lines(*pair)[0].endswith(
        "10 parameters  perplexity   7.05 ± 0.07 (2 seeds, learning rate 0.02)"
    )


TOKENS = (np.arange(400) % 5).astype(np.int32)
TRAINING = LanguageModelTraining(
    num_parameters=2_000, batch_size=2, num_steps=3, steps_per_epoch=2, learning_rate=0.01
)


def searched(num_samples):
    trainer = LanguageModelTrainer(TRAINING, Corpus(TOKENS, TOKENS[:100], tuple("abcde"), ()))
    space = RecurrentCellSpace(2).search_space()
    config = SearchConfig(searcher="random")
    options = SearchOptions(search=config, progress=False)

    def evaluate(architecture, seed):  # the first sample is the best
        return Measurement(-float(seed % 7), {"validation_perplexity": [9.0]}, 1_955)

    return search(space, evaluate, num_samples=num_samples, options=options), trainer


def test_every_candidate_has_the_best_of_the_same_learning_rates():
    asked = []

    def train_cells(tasks):
        asked.append(tasks)
        return [measured(*task) for task in tasks]

    def measured(cell, training, seed):
        if training.learning_rate > 0.03:  # diverges
            return None
        best_rate = 0.02 if cell == "lstm" else 0.005
        away = abs(np.log2(training.learning_rate / best_rate))
        return LanguageModelResult((9.0 + away + seed * 1e-12,), (9.0,), 1_955, 0.1)

    result, trainer = searched(30)
    best, lstm, first = compare(result, trainer, train_cells, num_seeds=3, seed=0)
    assert (best.learning_rate, lstm.learning_rate, first.learning_rate) == (0.005, 0.02, 0.005)
    assert all(len(each.perplexities) == 3 for each in (best, lstm, first))
    assert max(*best.perplexities, *lstm.perplexities, *first.perplexities) < 9.1
    tuned, final = asked
    rates = {training.learning_rate for _, training, _ in tuned}
    assert rates == {0.0025, 0.005, 0.01, 0.02, 0.04, 0.08}
    seeds = [{seed for *_, seed in tasks} for tasks in asked]
    assert (len(seeds[0]), len(seeds[1])) == (1, 3) and not seeds[0] & seeds[1]
    assert len(set(tuned)) == len(tuned) and len(set(final)) == len(final)


def test_one_that_fails_at_every_learning_rate_keeps_the_searchs():
    result, trainer = searched(3)
    found = compare(result, trainer, lambda tasks: [None] * len(tasks), num_seeds=2, seed=0)
    assert {each.learning_rate for each in found} == {0.01}
    assert "failed with every seed" in lines(*found)[0]


@pytest.mark.slow
def test_the_lstm_has_the_size_that_comes_closest():
    trainer = LanguageModelTrainer(TRAINING, Corpus(TOKENS, TOKENS[:100], tuple("abcde"), ()))
    result = search(
        RecurrentCellSpace(2).search_space(),
        trainer,
        num_samples=2,
        options=SearchOptions(search=SearchConfig(searcher="random"), progress=False),
    )

    def train_cells(tasks):
        return [train_language_model(c, trainer.corpus, t, seed=seed) for c, t, seed in tasks]

    best, lstm, first = compare(result, trainer, train_cells, num_seeds=1, seed=0)
    assert best.num_parameters == result.best.trial.num_parameters == 1_955  # 21 units
    assert (lstm.title, lstm.num_parameters) == ("LSTM, 10 units", 1_785)  # 11 units have 2,101
    assert first.perplexities == best.perplexities and len(lstm.perplexities) == 1
