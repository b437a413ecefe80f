"""The best cell beside an LSTM of equal size and beside the best of the first samples.

A search picks the lowest of many perplexities, which is partly luck. So each candidate is trained
again with fresh seeds, and a difference within their spread is not called one.
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
        say(f"\ntraining each with {seeds} ...")
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

    The LSTM has the hidden size whose model comes closest in parameters, and as many steps.

    Args:
      result: of the search.
      trainer: of its children.
      train_cells: trains (cell, training, seed) each, None for what fails.
      num_seeds: for each.
      seed: of the search.
    """
    contestants = _contestants(result, trainer)
    # Fresh seeds: none that a trial of the search had.
    seeds = [child_seed(seed, len(result.trials) + index) for index in range(num_seeds)]
    # All in one call, which keeps every process busy to the end.
    trained = iter(train_cells([(c.cell, c.training, each) for c in contestants for each in seeds]))
    return tuple(
        _candidate(each.title, [t for t in itertools.islice(trained, num_seeds) if t])
        for each in contestants
    )


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


def _candidate(title: str, trained: Sequence[LanguageModelResult]) -> Candidate:
    num_parameters = trained[-1].num_parameters if trained else 0
    perplexities = tuple(each.validation_perplexity[-1] for each in trained)
    return Candidate(title, num_parameters, perplexities)
