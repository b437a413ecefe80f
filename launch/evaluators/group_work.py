"""What a child process does with a group of children: train them by the plan's program."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from nas_with_rl.launch.evaluators.child_process import Setup, name_of
from nas_with_rl.launch.evaluators.evaluation import Evaluation, InProcess, note_child
from nas_with_rl.launch.evaluators.kinds.kind import (
    ChildProgram,
    EvaluateGroup,
    LocatedExperiment,
)
from nas_with_rl.launch.evaluators.kinds.rows import kind_of, trainer_of
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement
from nas_with_rl.launch.evaluators.process_pool import ProcessPool


def make_evaluate(work: ChildProgram) -> EvaluateGroup:
    """Return what evaluates groups of children; data and compiled programs stay in the process.

    Raises:
      InputError: data that is missing, damaged or too small; more children than memory holds.
    """
    populations = kind_of(work.data.experiment).populations
    if work.program == "population" and populations:
        return populations().make_evaluate(work)
    return functools.partial(_one_by_one, InProcess(trainer_of(work.data)))


def setup_of(work: ChildProgram) -> Setup:
    """Return what child processes are told to do."""
    setup = kind_of(work.data.experiment).setup
    return setup(work) if setup else Setup(name_of(make_evaluate), work)


def start_process(processes: ProcessPool, data: LocatedExperiment) -> Any:
    """Start one process before its first child; return what it found as data.

    Raises:
      InputError: it could not train any child.
    """
    check = kind_of(data.experiment).check_in_process
    if check:
        return check(processes, data)
    (found,) = processes.call(name_of(load_data), [data])
    return found


def load_data(data: LocatedExperiment) -> dict[str, Any]:
    """Load what is trained on, in the process that this is called in, before its first group.

    Returns:
      What `experiment.json` says of it: its digests and the like.

    Raises:
      InputError: data that is missing, damaged or too small.
    """
    return trainer_of(data).data


def _one_by_one(
    evaluator: InProcess, evaluations: Sequence[Evaluation]
) -> list[Measurement | Failure]:
    results: list[Measurement | Failure] = []
    for evaluation in evaluations:
        try:
            results.append(evaluator.measured(evaluation))
        except Exception as error:
            note_child(error, evaluation)
            raise
    return results
