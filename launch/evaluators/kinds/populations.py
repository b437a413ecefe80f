"""Language models of trees, trained many together by one program that is compiled once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TypeVar

import keras

from nas_with_rl.child_models.cells.known_cells import Cell
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.training import (
    LanguageModelResult,
    train_language_model,
)
from nas_with_rl.child_models.populations.memory import check_memory
from nas_with_rl.child_models.populations.population import Member, Population
from nas_with_rl.child_models.populations.universal_cell import UniversalCell
from nas_with_rl.launch.evaluators.evaluation import Evaluation
from nas_with_rl.launch.evaluators.kinds.kind import ChildProgram, EvaluateGroup
from nas_with_rl.launch.evaluators.kinds.language_models import (
    LanguageModelTrainer,
    language_model_trainer,
)
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement
from nas_with_rl.launch.host import compilation
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell, RecurrentCellSpace, cell_of

_Result = TypeVar("_Result")


def make_population_evaluate(work: ChildProgram) -> EvaluateGroup:
    """Return what evaluates groups of children; the compiled program stays in the process.

    Raises:
      InputError: more children than memory holds.
    """
    population = population_of(work)

    def evaluate(evaluations: Sequence[Evaluation]) -> list[Measurement | Failure]:
        members = [Member(cell_of(e.architecture), e.seed) for e in evaluations]
        return [
            Failure(result.reason, str(result))
            if isinstance(result, ChildFailure)
            else LanguageModelTrainer.measurement(result)
            for result in with_sound_programs(functools.partial(population.train, members))
        ]

    return evaluate


@dataclasses.dataclass(frozen=True)
class CellTraining:
    """A language model that is to be trained on an experiment's text.

    Attributes:
      work: the experiment, and by which program its own children are trained.
      cell: a tree, or the name of a known cell.
      training: its size and training.
      seed: of its weights and dropout masks.
    """

    work: ChildProgram
    cell: Cell
    training: LanguageModelTraining
    seed: int


def train_cell(task: CellTraining) -> LanguageModelResult | None:
    """Train a language model and return what it measured; None where it failed.

    A tree that differs from the search's children in its learning rate alone takes their program.
    """
    trainer = language_model_trainer(task.work.data)
    cell, rate = task.cell, task.training.learning_rate
    as_in_the_search = task.training == dataclasses.replace(trainer.training, learning_rate=rate)
    if isinstance(cell, RecurrentCell) and as_in_the_search and task.work.program == "population":
        population = population_of(task.work)
        members = [Member(cell, task.seed, learning_rate=rate)]
        (result,) = with_sound_programs(functools.partial(population.train, members))
        return None if isinstance(result, ChildFailure) else result
    try:
        return train_language_model(cell, trainer.corpus, task.training, seed=task.seed)
    except ChildFailure:
        return None


def with_sound_programs(function: Callable[[], _Result]) -> _Result:
    """Return a function's result; if it fails, once more without the programs kept on disk.

    A damaged file is an error of TensorFlow's like any other. An error of the program comes again.
    """
    try:
        return function()
    except ChildFailure:
        raise
    except Exception:
        if keras.backend.backend() != "tensorflow" or not compilation.forget_programs():
            raise
    return function()


def check_memory_of(work: ChildProgram) -> None:
    """Raise PopulationTooLarge where a population does not fit into its process."""
    if work.program != "population":
        return
    trainer, space = language_model_trainer(work.data), work.data.experiment.space
    check_memory(
        work.num_children,
        trainer.training.size(len(trainer.corpus.vocabulary), _operations(space).any_cell()),
        trainer.training,
        base=space.base,
        memory_gib=work.memory_gib,
    )


def _operations(space: RecurrentCellSpace) -> UniversalCell:
    return UniversalCell(space.base, space.combinations, space.activations)


@functools.cache
def population_of(work: ChildProgram) -> Population:
    """Return the population of an experiment, compiled at its first group."""
    trainer, space = language_model_trainer(work.data), work.data.experiment.space
    return Population(
        _operations(space),
        trainer.corpus,
        trainer.training,
        num_children=work.num_children,
        memory_gib=work.memory_gib,
    )
