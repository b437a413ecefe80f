"""What a child process does with a group of children: train them by the plan's program."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

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
from nas_with_rl.launch.evaluators.evaluation import Evaluation, note_child
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement
from nas_with_rl.launch.evaluators.plans import Program
from nas_with_rl.launch.evaluators.trainers import LanguageModelTrainer, Trainer, make_trainer
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.host import compilation
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell, RecurrentCellSpace, cell_of

Result = TypeVar("Result")
EvaluateGroup = Callable[[Sequence[Evaluation]], list[Measurement | Failure]]


@dataclasses.dataclass(frozen=True)
class LocatedExperiment:
    """What is trained, and on what.

    Attributes:
      experiment: its space, child and data.
      data_dir: where the data lies.
      seed: of the split of images.
    """

    experiment: Experiment
    data_dir: str | None
    seed: int


@dataclasses.dataclass(frozen=True)
class ChildProgram:
    """What a child process is to do.

    Attributes:
      data: what is trained, and on what.
      program: the plan's.
      num_children: C of a population.
      memory_gib: what the process may have.
    """

    data: LocatedExperiment
    program: Program
    num_children: int = 1
    memory_gib: float = math.inf


def make_evaluate(work: ChildProgram) -> EvaluateGroup:
    """Return what evaluates groups of children; data and compiled programs stay in the process.

    Raises:
      InputError: data that is missing, damaged or too small; more children than memory holds.
    """
    trainer = trainer_of(work.data)
    if work.program != "population":
        return functools.partial(_one_by_one, trainer)
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


def load_data(data: LocatedExperiment) -> dict[str, Any]:
    """Load what is trained on, in the process that this is called in, before its first group.

    Returns:
      What `experiment.json` says of it: its digests and the like.

    Raises:
      InputError: data that is missing, damaged or too small.
    """
    return trainer_of(data).data


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
    """Train a language model and return what it measured; None where it failed."""
    trainer = trainer_of(task.work.data)
    assert isinstance(trainer, LanguageModelTrainer)
    cell, as_in_the_search = task.cell, task.training == trainer.training
    if isinstance(cell, RecurrentCell) and as_in_the_search and task.work.program == "population":
        population = population_of(task.work)
        members = [Member(cell, task.seed)]
        (result,) = with_sound_programs(functools.partial(population.train, members))
        return None if isinstance(result, ChildFailure) else result
    try:
        return train_language_model(cell, trainer.corpus, task.training, seed=task.seed)
    except ChildFailure:
        return None


def _one_by_one(trainer: Trainer, evaluations: Sequence[Evaluation]) -> list[Measurement | Failure]:
    results: list[Measurement | Failure] = []
    for evaluation in evaluations:
        try:
            results.append(trainer(evaluation.architecture, evaluation.seed))
        except ChildFailure as failure:
            results.append(Failure(failure.reason, str(failure)))
        except Exception as error:
            note_child(error, evaluation)
            raise
    return results


def with_sound_programs(function: Callable[[], Result]) -> Result:
    """Return a function's result; if it fails, once more without the programs kept on disk.

    A damaged file is an error of TensorFlow's like any other. An error of the program comes again.
    """
    try:
        return function()
    except ChildFailure:
        raise
    except Exception:
        if not compilation.forget_programs():
            raise
    return function()


def check_memory_of(work: ChildProgram) -> None:
    """Raise InputError where a population does not fit into its process."""
    trainer, space = trainer_of(work.data), work.data.experiment.space
    if work.program == "population":
        assert isinstance(trainer, LanguageModelTrainer) and isinstance(space, RecurrentCellSpace)
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
def trainer_of(data: LocatedExperiment) -> Trainer:
    """Return what trains an experiment's children one by one; its data is loaded once."""
    return make_trainer(data.experiment, data_dir=data.data_dir, seed=data.seed)


@functools.cache
def population_of(work: ChildProgram) -> Population:
    """Return the population of an experiment, compiled at its first group."""
    trainer, space = trainer_of(work.data), work.data.experiment.space
    assert isinstance(trainer, LanguageModelTrainer) and isinstance(space, RecurrentCellSpace)
    return Population(
        _operations(space),
        trainer.corpus,
        trainer.training,
        num_children=work.num_children,
        memory_gib=work.memory_gib,
    )
