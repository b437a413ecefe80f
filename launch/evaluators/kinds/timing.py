"""What children cost by a program, timed on a few steps in a child process."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np

from nas_with_rl.child_models.child_in_training import ChildInTraining
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_models.training import begin_training, segments_of
from nas_with_rl.child_models.memory import release_child
from nas_with_rl.child_models.populations.population import Member, PopulationInTraining
from nas_with_rl.launch.evaluators.kinds.kind import ChildProgram, Timing
from nas_with_rl.launch.evaluators.kinds.language_models import language_model_trainer
from nas_with_rl.launch.evaluators.kinds.populations import (
    population_of,
    with_sound_programs,
)
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell, cell_of

_Result = TypeVar("_Result")
TIMED_SEGMENTS = 10  # at most, of each text
CELLS_TRIED = 5  # for one that does not diverge


class _Seconds(NamedTuple):
    """What a group costs: compilation, its own start, a step of training, one of validation."""

    once: float
    start: float
    step: float
    validated: float


def measure(work: ChildProgram) -> Timing:
    """Time a program on random cells, by a few steps of an experiment of language models.

    Raises:
      ChildFailure: "diverged", if several cells do; "out_of_memory".
    """
    space = work.data.experiment.search_space()
    num_trained, num_validated = _num_segments(work)
    timed = _timed_population if work.program == "population" else _timed_single
    for number in range(CELLS_TRIED):
        cell = cell_of(random_architecture(space, np.random.default_rng(number)))
        try:
            seconds = timed(work, cell)
        except ChildFailure as failure:
            if failure.reason != "diverged":
                raise
            continue
        epoch = num_trained * seconds.step + num_validated * seconds.validated
        return Timing(
            seconds.once, seconds.start + language_model_trainer(work.data).training.epochs * epoch
        )
    raise ChildFailure("diverged", f"each of {CELLS_TRIED} random cells diverged")


def _num_segments(work: ChildProgram) -> tuple[int, int]:
    """Return the segments of an epoch's training, and of a validation."""
    trainer = language_model_trainer(work.data)
    training, corpus = trainer.training, trainer.corpus
    trained = segments_of(corpus.train, training, most=training.steps_per_epoch)
    validated = segments_of(corpus.validation, training)
    return len(trained) // training.num_steps, len(validated) // training.num_steps


def _timed_population(work: ChildProgram, cell: RecurrentCell) -> _Seconds:
    population = population_of(work)
    members = [Member(cell, seed) for seed in range(work.num_children)]
    num_trained, num_validated = (min(n, TIMED_SEGMENTS) for n in _num_segments(work))

    def begun() -> PopulationInTraining:
        return population.begin(members)

    def compiled() -> None:
        group = begun()
        group.train_epoch(1, most=1)
        group.validate(most=1)

    once, _ = _clocked(functools.partial(with_sound_programs, compiled))
    start, group = _clocked(begun)
    step, nll = _clocked(lambda: group.train_epoch(1, most=num_trained))
    if not np.isfinite(nll).all():
        raise ChildFailure("diverged")
    validated, _ = _clocked(lambda: group.validate(most=num_validated))
    return _Seconds(once, start, step / num_trained, validated / num_validated)


def _timed_single(work: ChildProgram, cell: RecurrentCell) -> _Seconds:
    trainer = language_model_trainer(work.data)
    num_trained, num_validated = (min(n, TIMED_SEGMENTS) for n in _num_segments(work))
    training = dataclasses.replace(trainer.training, steps_per_epoch=num_trained)
    num_tokens = training.batch_size * (num_validated * training.num_steps + 1)
    corpus = dataclasses.replace(trainer.corpus, validation=trainer.corpus.validation[:num_tokens])

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
    # What a child pays besides: to be built, traced and freed again.
    start = first - step - validated + released
    return _Seconds(0.0, start, step / num_trained, validated / num_validated)


def _clocked(function: Callable[[], _Result]) -> tuple[float, _Result]:
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result
