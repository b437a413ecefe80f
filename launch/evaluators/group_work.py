"""What a child process does with a group of children: train them by the plan's program."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.launch.evaluators.evaluation import Evaluation, note_child
from nas_with_rl.launch.evaluators.kinds.kind import (
    ChildProgram,
    EvaluateGroup,
    LocatedExperiment,
    Trainer,
)
from nas_with_rl.launch.evaluators.kinds.rows import kind_of, trainer_of
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement


def make_evaluate(work: ChildProgram) -> EvaluateGroup:
    """Return what evaluates groups of children; data and compiled programs stay in the process.

    Raises:
      InputError: data that is missing, damaged or too small; more children than memory holds.
    """
    populations = kind_of(work.data.experiment).populations
    if work.program == "population" and populations:
        return populations.make_evaluate(work)
    return functools.partial(_one_by_one, trainer_of(work.data))


def load_data(data: LocatedExperiment) -> dict[str, Any]:
    """Load what is trained on, in the process that this is called in, before its first group.

    Returns:
      What `experiment.json` says of it: its digests and the like.

    Raises:
      InputError: data that is missing, damaged or too small.
    """
    return trainer_of(data).data


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
