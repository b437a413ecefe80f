"""One final training from request to end result: what the `train_architecture` binary does."""

from __future__ import annotations

import dataclasses
from typing import Any

from nas_with_rl.launch.evaluators.kinds.kind import LocatedExperiment
from nas_with_rl.launch.evaluators.kinds.rows import kind_of, trainer_of
from nas_with_rl.launch.experiments.catalogue import check_overrides, configure
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.host.interruption import INTERRUPTED_STATUS, leave_now, run_interruptibly
from nas_with_rl.launch.host.terminal import say
from nas_with_rl.launch.records.resumption import (
    ExperimentRequest,
    check_same,
    complete,
    new_workdir,
    stored_run,
)
from nas_with_rl.launch.records.training_result import TRAINING, FinalResult, read_result
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.trainings.summary import describe_end
from nas_with_rl.launch.trainings.trainees import (
    SPLIT_SEED,
    FinalTraining,
    describe_training,
    draw_training,
    read_named,
)
from nas_with_rl.launch.trainings.training import Test, has_diverged, train
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.drawing import draw
from nas_with_rl.search_spaces.errors import InputError

FAILED_STATUS = 1


@dataclasses.dataclass(frozen=True)
class TrainingRequest(ExperimentRequest):
    """What is asked of a final training.

    Attributes:
      architecture: a line of text, or a name.
      test: whether to look at the test set.
    """

    architecture: str | None = None
    test: Test = dataclasses.field(default="once", kw_only=True)


def run(request: TrainingRequest) -> int:
    """Train what is asked for to its end result, printed; return the exit status.

    Raises:
      InputError: an impossible request, or a second look at the test set that was not asked for.
    """
    stored = stored_run(request, TRAINING) if request.resume else None
    if stored:
        request = complete(request, stored, TRAINING)
    experiment = configure(request.experiment, request.overrides)
    if request.architecture is None:
        raise InputError(
            "--architecture is missing: a line of text as a search prints it, or a name"
        )
    if kind_of(experiment).final is None:
        check_overrides(experiment, request.overrides)  # as `FinalTraining` does
        say(_measured(request.architecture, experiment, request))
        return 0
    training = FinalTraining(
        experiment, request.architecture, request.seed or 0, request.data_dir, request.overrides
    )
    workdir = _default_workdir(training) if request.workdir is None else request.workdir
    if stored:  # before its data is loaded, and its result shown
        check_same(stored, describe_training(training), kind=TRAINING, workdir=workdir)
        if done := _done(request, workdir, experiment):
            return _end(done, workdir, experiment)
    say(f"{experiment.name}: {experiment.source}\n{draw_training(training)}\nworkdir: {workdir}")
    try:
        result = run_interruptibly(
            lambda: train(training, workdir, resume=request.resume, test=request.test)
        )
    except KeyboardInterrupt:
        say(_interrupted(request, workdir))
        leave_now(INTERRUPTED_STATUS)
    return _end(result, workdir, experiment)


def _end(result: FinalResult, workdir: str, experiment: Experiment) -> int:
    say(describe_end(result, workdir, has_test=experiment.has_test))
    return FAILED_STATUS if result.status == "failed" else 0


def _done(request: TrainingRequest, workdir: str, experiment: Experiment) -> FinalResult | None:
    """Return the result of a training with which there is nothing left to do."""
    result = read_result(workdir)
    if result is None:
        return None
    if has_diverged(result):
        return result
    if result.status != "finished" or request.test == "again":
        return None
    if request.test == "once" and result.test_looks:
        raise InputError(
            f"--workdir={workdir} is finished, and its test set was looked at on "
            f"{result.test_looked_at}: --test=again looks again, --test=never prints the result"
        )
    return None if request.test == "once" and experiment.has_test else result


def _default_workdir(training: FinalTraining) -> str:
    name = read_named(training.architecture, training.experiment).name or "architecture"
    return new_workdir(f"{training.experiment.name}-{name}")


def _interrupted(request: TrainingRequest, workdir: str) -> str:
    if not Workdir(workdir).is_begun():
        return "stopped before the training began"
    begun = dataclasses.replace(request, workdir=workdir)
    return f"stopped; continue with: {begun.resume_command('train_architecture')}"


def _measured(text: str, experiment: Experiment, request: TrainingRequest) -> str:
    """Return what a table or a function of one's own says of an architecture; nothing is kept."""
    architecture = parse_architecture(text, experiment.search_space(), any_depth=True)
    located = LocatedExperiment(experiment, request.data_dir, SPLIT_SEED)
    measurement = trainer_of(located)(architecture, request.seed or 0)
    metrics: dict[str, Any] = dict(measurement.metrics)
    lines = [f"{name.replace('_', ' ')}: {value:.4g}" for name, value in metrics.items()]
    return "\n".join([draw(architecture), *lines, f"reward: {measurement.reward:.4f}"])
