"""The best cell beside an LSTM of equal size and beside the best of the first samples.

A search picks the lowest of many perplexities, which is partly luck. So each candidate is trained
again with fresh seeds, and a difference within their spread is not called one. A search also fits
cells to its own learning rate: each candidate has the best of several, the same for all, found with
one further seed.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence

from nas_with_rl.child_models.cells.known_cells import Cell
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.size import closest_units
from nas_with_rl.child_models.language_models.training import LanguageModelResult
from nas_with_rl.launch.evaluators.kinds import language_models
from nas_with_rl.launch.evaluators.kinds.language_models import LanguageModelTrainer
from nas_with_rl.launch.evaluators.local import LocalEvaluator
from nas_with_rl.launch.host.terminal import say
from nas_with_rl.launch.records.ranking import ranked
from nas_with_rl.launch.results.candidates import (
    Candidate,
    counted_seeds,
    describe_candidates,
    keep,
    kept,
)
from nas_with_rl.launch.results.search_result import SearchResult, finding
from nas_with_rl.launch.searches.run import Claim, report
from nas_with_rl.search_spaces.randomness import child_seed
from nas_with_rl.search_spaces.recurrent_cell import cell_of

TrainCells = Callable[
    [Sequence[tuple[Cell, LanguageModelTraining, int]]], list[LanguageModelResult | None]
]

LSTM = "lstm"
FIRST_SAMPLES = 24  # the controller draws them nearly uniformly: it has hardly learned
RATES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # times the search's own learning rate


@dataclasses.dataclass(frozen=True)
class _Contestant:
    """A kind of cell before it is trained."""

    title: str
    cell: Cell
    training: LanguageModelTraining


def compare_again(result: SearchResult, claimed: Claim, children: LocalEvaluator) -> None:
    """Compare the best cell with others, once for each length of the search; say it and report it.

    Args:
      result: of the search; without a completed trial there is nothing to compare.
      claimed: its run.
      children: where its children were trained; its experiment says with how many seeds.
    """
    data, path = children.work.data, claimed.place.comparison
    num_seeds, num_trials = data.experiment.num_compared, len(result.trials)
    if not num_seeds or all(trial.status != "completed" for trial in result.trials):
        return
    seeds = counted_seeds(num_seeds, "fresh")
    measured = kept(path, num_trials=num_trials, num_seeds=num_seeds)
    if measured is not None:
        say(f"\neach trained with {seeds}, of {path.name}:")
    else:
        say(f"\ntraining each at {len(RATES)} learning rates, then at its best with {seeds} ...")
        trainer, train = language_models.language_model_trainer(data), children.train_cells
        measured = compare(result, trainer, train, num_seeds=num_seeds, seed=data.seed)
        keep(measured, path, num_trials=num_trials, num_seeds=num_seeds)
    say(describe_candidates(measured))
    report(claimed.run, result, claimed.place)


def compare(
    result: SearchResult,
    trainer: LanguageModelTrainer,
    train_cells: TrainCells,
    *,
    num_seeds: int,
    seed: int,
) -> tuple[Candidate, ...]:
    """Train the best cell, an LSTM of equal size, and the best of the first samples.

    The LSTM has the hidden size whose model comes closest in parameters, and as many steps. All
    have the same learning rates to choose from.

    Args:
      result: of the search.
      trainer: of its children.
      train_cells: trains (cell, training, seed) each, None for what fails.
      num_seeds: for each.
      seed: of the search.
    """
    # Fresh seeds: none that a trial of the search had, and another one for the learning rates.
    tuning, *seeds = (child_seed(seed, len(result.trials) + n) for n in range(num_seeds + 1))
    contestants = _tuned(_contestants(result, trainer), train_cells, tuning)
    trained = _trained(contestants, train_cells, seeds)
    return tuple(
        _candidate(contestant, [each for each in results if each])
        for contestant, results in zip(contestants, trained, strict=True)
    )


def _tuned(
    contestants: Sequence[_Contestant], train_cells: TrainCells, seed: int
) -> list[_Contestant]:
    """Give each the one of `RATES` at which it is best; its own where it fails at all of them."""
    varied = [_at_rate(each, factor) for each in contestants for factor in RATES]
    measured = iter(zip(varied, _trained(varied, train_cells, [seed]), strict=True))
    tuned = []
    for contestant in contestants:
        found = list(itertools.islice(measured, len(RATES)))
        at_rates = [(each.validation_perplexity[-1], one) for one, (each,) in found if each]
        best = min(at_rates, key=lambda pair: pair[0], default=(0.0, contestant))
        tuned.append(best[1])
    return tuned


def _at_rate(contestant: _Contestant, factor: float) -> _Contestant:
    rate = factor * contestant.training.learning_rate
    training = dataclasses.replace(contestant.training, learning_rate=rate)
    return dataclasses.replace(contestant, training=training)


def _trained(
    contestants: Sequence[_Contestant], train_cells: TrainCells, seeds: Sequence[int]
) -> list[list[LanguageModelResult | None]]:
    """Return what each measured with each seed; what is there twice is trained once."""
    wanted = [[(each.cell, each.training, seed) for seed in seeds] for each in contestants]
    # All in one call, which keeps every process busy to the end.
    tasks = list(dict.fromkeys(task for of_one in wanted for task in of_one))
    measured = dict(zip(tasks, train_cells(tasks), strict=True))
    return [[measured[task] for task in of_one] for of_one in wanted]


def _contestants(result: SearchResult, trainer: LanguageModelTrainer) -> list[_Contestant]:
    best, training = result.best, trainer.training
    first = ranked(result.trials[:FIRST_SAMPLES])
    best_cell = cell_of(best.architecture)
    contestants = [_Contestant("best cell of the search", best_cell, training)]
    size = training.size(len(trainer.corpus.vocabulary), best_cell)
    units = closest_units(best.trial.num_parameters or 0, LSTM, size)
    lstm_training = dataclasses.replace(training, units=units, num_parameters=0)
    contestants.append(_Contestant(f"LSTM, {units} units", LSTM, lstm_training))
    if first:
        random_best = finding(first[0], result.space)
        title = f"best of the first {min(FIRST_SAMPLES, len(result.trials))} samples"
        contestants.append(_Contestant(title, cell_of(random_best.architecture), training))
    return contestants


def _candidate(contestant: _Contestant, trained: Sequence[LanguageModelResult]) -> Candidate:
    num_parameters = trained[-1].num_parameters if trained else 0
    perplexities = tuple(each.validation_perplexity[-1] for each in trained)
    rate = contestant.training.learning_rate
    return Candidate(contestant.title, num_parameters, perplexities, rate)
