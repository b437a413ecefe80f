"""The best cell beside an LSTM of equal size and beside the best of the first samples.

A search picks the lowest of many perplexities, which is partly luck. So each candidate is trained
again with fresh seeds, and a difference within their spread is not called one.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_model import (
    CellFactory,
    lstm_cells,
    lstm_units_for,
)
from nas_with_rl.child_models.language_model_training import train_language_model
from nas_with_rl.launch.children import LanguageModelTrainer
from nas_with_rl.launch.results import SearchResult, finding
from nas_with_rl.search_spaces.randomness import child_seed
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell, cell_of

_Contestant = tuple[str, RecurrentCell | CellFactory, int]  # title, cell, units

FIRST_SAMPLES = 24  # the controller draws them nearly uniformly: it has hardly learned


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One kind of cell, trained with several seeds.

    Attributes:
      title: what it is.
      num_parameters: of the whole model.
      perplexities: validation perplexity after the last epoch, one per seed; a failed seed has
        none.
    """

    title: str
    num_parameters: int
    perplexities: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return statistics.fmean(self.perplexities)

    @property
    def spread(self) -> float:
        """The sample standard deviation over the seeds; 0 for one."""
        return statistics.stdev(self.perplexities) if len(self.perplexities) > 1 else 0.0


def compare(
    result: SearchResult, trainer: LanguageModelTrainer, *, num_seeds: int, seed: int
) -> tuple[Candidate, ...]:
    """Train the best cell, an LSTM of equal size, and the best of the first samples.

    The LSTM has the hidden size whose model comes closest in parameters, and as many steps.
    """
    best = result.best
    first = [t for t in result.trials[:FIRST_SAMPLES] if t.status == "completed"]
    contestants: list[_Contestant] = [
        ("best cell of the search", cell_of(best.architecture), trainer.training.units)
    ]
    size = trainer.training.size(len(trainer.corpus.vocabulary))
    lstm_units = lstm_units_for(best.trial.num_parameters or 0, size)
    contestants.append((f"LSTM, {lstm_units} units", lstm_cells, lstm_units))
    if first:
        random_best = finding(max(first, key=lambda t: t.reward or 0.0), result.space)
        title = f"best of the first {min(FIRST_SAMPLES, len(result.trials))} samples"
        cell = cell_of(random_best.architecture)
        contestants.append((title, cell, trainer.training.units))
    # Fresh seeds: none that a trial of the search had.
    seeds = [child_seed(seed, len(result.trials) + index) for index in range(num_seeds)]
    return tuple(_candidate(trainer, contestant, seeds) for contestant in contestants)


def _candidate(
    trainer: LanguageModelTrainer, contestant: _Contestant, seeds: Sequence[int]
) -> Candidate:
    title, cell, units = contestant
    training = dataclasses.replace(trainer.training, units=units)
    perplexities, num_parameters = [], 0
    for seed in seeds:
        try:
            trained = train_language_model(cell, trainer.corpus, training, seed=seed)
        except ChildFailure:
            continue
        perplexities.append(trained.validation_perplexity[-1])
        num_parameters = trained.num_parameters
    return Candidate(title, num_parameters, tuple(perplexities))


def describe(candidates: Sequence[Candidate]) -> str:
    """Return the comparison as a table, with what can be said of the differences."""
    width = max(len(candidate.title) for candidate in candidates)
    lines = [
        f"{c.title:{width}}  {c.num_parameters:>9,} parameters  perplexity "
        f"{c.mean:6.2f} ± {c.spread:.2f} ({len(c.perplexities)} seeds)"
        if c.perplexities
        else f"{c.title:{width}}  failed with every seed"
        for c in candidates
    ]
    best, *others = candidates
    compared = [other for other in others if best.perplexities and other.perplexities]
    return "\n".join([*lines, *(_verdict(best, other) for other in compared)])


def _verdict(best: Candidate, other: Candidate) -> str:
    """Say which is better, or that the seeds do not tell."""
    low, high = sorted((best, other), key=lambda candidate: max(candidate.perplexities))
    if best.perplexities == other.perplexities:
        return f"The {best.title} is the {other.title}."
    overlap = max(low.perplexities) >= min(high.perplexities)
    if overlap or min(len(best.perplexities), len(other.perplexities)) < 2:
        return f"{best.title} and {other.title}: no difference beyond the spread of seeds."
    word = "lower" if best is low else "higher"
    ratio = abs(other.mean - best.mean) / other.mean
    return f"{best.title}: {ratio:.1%} {word} than {other.title}, on every seed."
