"""What a child process does with a group of children: train them by the plan's program."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.known_cells import Cell
from nas_with_rl.child_models.language_model_training import (
    LanguageModelResult,
    LanguageModelTraining,
    begin_training,
    segments_of,
    train_language_model,
)
from nas_with_rl.child_models.memory import release_child
from nas_with_rl.child_models.population import Member, Population
from nas_with_rl.child_models.population_memory import check_memory
from nas_with_rl.child_models.training import ChildInTraining
from nas_with_rl.child_models.universal_cell import UniversalCell
from nas_with_rl.launch.children import LanguageModelTrainer, Trainer, make_trainer
from nas_with_rl.launch.evaluation import Evaluation, Failure, Measurement
from nas_with_rl.launch.experiment import Experiment
from nas_with_rl.launch.plans import Program
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell, RecurrentCellSpace, cell_of

Result = TypeVar("Result")
EvaluateGroup = Callable[[Sequence[Evaluation]], list[Measurement | Failure]]
TIMED_SEGMENTS = 10  # of a text, when a plan is measured


@dataclasses.dataclass(frozen=True)
class ChildData:
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
class GroupWork:
    """What a child process is to do.

    Attributes:
      data: what is trained, and on what.
      program: the plan's.
      num_children: C of a population.
      memory_gib: what the process may have.
    """

    data: ChildData
    program: Program
    num_children: int = 1
    memory_gib: float = math.inf


@dataclasses.dataclass(frozen=True)
class Timing:
    """What a child of an experiment costs by one program, in seconds.

    Attributes:
      once: in each process, before its first child: compilation.
      each: for each group of C children, all of their training and validation.
    """

    once: float
    each: float


def make_evaluate(work: GroupWork) -> EvaluateGroup:
    """Return what evaluates groups of children; data and compiled programs stay in the process.

    Raises:
      InputError: data that is missing, damaged or too small; more children than memory holds.
    """
    trainer = trainer_of(work.data)
    if work.program != "population":
        return functools.partial(_one_by_one, trainer)
    population = _population(work)

    def evaluate(evaluations: Sequence[Evaluation]) -> list[Measurement | Failure]:
        members = [Member(cell_of(e.architecture), e.seed) for e in evaluations]
        return [
            Failure(result.reason, str(result))
            if isinstance(result, ChildFailure)
            else LanguageModelTrainer.measurement(result)
            for result in population.train(members)
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

    work: GroupWork
    cell: Cell
    training: LanguageModelTraining
    seed: int


def train_cell(task: CellTraining) -> LanguageModelResult | None:
    """Train a language model and return what it measured; None where it failed."""
    trainer = trainer_of(task.work.data)
    assert isinstance(trainer, LanguageModelTrainer)
    cell, as_in_the_search = task.cell, task.training == trainer.training
    if isinstance(cell, RecurrentCell) and as_in_the_search and task.work.program == "population":
        population = _population(task.work)
        (result,) = population.train([Member(cell, task.seed)])
        return None if isinstance(result, ChildFailure) else result
    try:
        return train_language_model(cell, trainer.corpus, task.training, seed=task.seed)
    except ChildFailure:
        return None


def measure(work: GroupWork) -> Timing:
    """Time a program on random cells, by a few steps of an experiment of language models."""
    trainer, space = trainer_of(work.data), work.data.experiment.search_space()
    assert isinstance(trainer, LanguageModelTrainer)
    training, corpus = trainer.training, trainer.corpus
    timed = _timed_population if work.program == "population" else _timed_single
    for number in itertools.count():  # until one does not diverge
        cell = cell_of(random_architecture(space, np.random.default_rng(number)))
        try:
            seconds = timed(work, cell)
            break
        except ChildFailure:
            continue
    num_steps = len(segments_of(corpus.train, training, most=training.steps_per_epoch))
    num_validated = len(segments_of(corpus.validation, training))
    epoch = num_steps * seconds.step + num_validated * seconds.validated
    return Timing(seconds.once, seconds.start + training.epochs * epoch / training.num_steps)


def _one_by_one(trainer: Trainer, evaluations: Sequence[Evaluation]) -> list[Measurement | Failure]:
    results: list[Measurement | Failure] = []
    for evaluation in evaluations:
        try:
            results.append(trainer(evaluation.architecture, evaluation.seed))
        except ChildFailure as failure:
            results.append(Failure(failure.reason, str(failure)))
    return results


def check_memory_of(work: GroupWork) -> None:
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
def trainer_of(data: ChildData) -> Trainer:
    """Return what trains an experiment's children one by one; its data is loaded once."""
    return make_trainer(data.experiment, data_dir=data.data_dir, seed=data.seed)


@functools.cache
def _population(work: GroupWork) -> Population:
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


class _Seconds(NamedTuple):
    """What a group costs: compilation, its own start, a step of training, one of validation."""

    once: float
    start: float
    step: float
    validated: float


def _timed_population(work: GroupWork, cell: RecurrentCell) -> _Seconds:
    population = _population(work)
    members = [Member(cell, seed) for seed in range(work.num_children)]

    def begun() -> Any:
        return population.begin(members)

    def compiled() -> None:
        group = begun()
        group.train_epoch(1, most=1)
        group.validate(most=1)

    once, _ = _clocked(compiled)
    start, group = _clocked(begun)
    step, nll = _clocked(lambda: group.train_epoch(1, most=TIMED_SEGMENTS))
    if not np.isfinite(nll).all():
        raise ChildFailure("diverged")
    validated, _ = _clocked(lambda: group.validate(most=TIMED_SEGMENTS))
    return _Seconds(once, start, step / TIMED_SEGMENTS, validated / TIMED_SEGMENTS)


def _timed_single(work: GroupWork, cell: RecurrentCell) -> _Seconds:
    trainer = trainer_of(work.data)
    assert isinstance(trainer, LanguageModelTrainer)
    few = TIMED_SEGMENTS * trainer.training.num_steps + 1
    training = dataclasses.replace(trainer.training, steps_per_epoch=TIMED_SEGMENTS)
    validation = trainer.corpus.validation[: training.batch_size * few]
    corpus = dataclasses.replace(trainer.corpus, validation=validation)

    def trained() -> ChildInTraining:
        child = begin_training(cell, corpus, training, seed=0)
        child.train_epoch(1)
        child.validate()
        return child

    trained()  # the first in a process takes longer
    release_child()
    first, child = _clocked(trained)
    step, _ = _clocked(functools.partial(child.train_epoch, 1))
    validated, _ = _clocked(child.validate)
    del child
    released, _ = _clocked(release_child)
    start = first - step - validated + released
    num_validated = segments_of(validation, training).shape[0] // training.num_steps
    return _Seconds(0.0, start, step / TIMED_SEGMENTS, validated / num_validated)


def _clocked(function: Callable[[], Result]) -> tuple[float, Result]:
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result
