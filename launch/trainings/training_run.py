"""One final training from request to end result: what the `train_architecture` binary does."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS
from nas_with_rl.launch.evaluators.kinds.kind import LocatedExperiment
from nas_with_rl.launch.evaluators.kinds.rows import kind_of, trainer_of
from nas_with_rl.launch.experiments.catalogue import check_overrides, configure
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.named_modules import check_named, naming_flags
from nas_with_rl.launch.host.interruption import INTERRUPTED_STATUS, leave_now, run_interruptibly
from nas_with_rl.launch.host.terminal import say
from nas_with_rl.launch.records.continuation import is_of_python
from nas_with_rl.launch.records.resumption import (
    ExperimentRequest,
    check_same,
    complete,
    new_workdir,
    stored_run,
    with_given,
)
from nas_with_rl.launch.records.training_result import TRAINING, FinalResult, read_result
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.results.retrained import best_of
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
from nas_with_rl.search_spaces.errors import InputError, shown_path
from nas_with_rl.search_spaces.published import PUBLISHED, current_name

FAILED_STATUS = 1


@dataclasses.dataclass(frozen=True)
class TrainingRequest(ExperimentRequest):
    """What is asked of a final training.

    Attributes:
      architecture: a line of text, a name, or the workdir of a search, which stands for its best.
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
    request = _with_best_of_search(request)
    experiment = configure(request.experiment, request.overrides)
    if request.architecture is None:
        raise InputError(
            "--architecture is missing: a line of text as a search prints it, a name, or a "
            "search's workdir"
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


def _with_best_of_search(request: TrainingRequest) -> TrainingRequest:
    """Return a request in which a search's workdir is its best architecture, and say which.

    Without --experiment it is trained as the search's children are: by its experiment, overrides
    and data.

    Raises:
      InputError: a directory that is no search's, or has no completed trial; an experiment of one's
        own that the request does not name.
    """
    path = request.architecture or ""
    if not path or _is_name(path) or not _is_directory(path):
        return request
    place = Workdir(path, flag="--architecture")
    stored = place.read() if place.is_begun() else {}
    if "search" not in stored or not place.trials.exists():
        raise InputError(f"--architecture={shown_path(path)} is no workdir of a search")
    best, measured = best_of(place)
    if best is None:
        raise InputError(f"--architecture={shown_path(path)}: the search has no completed trial")
    text = best.trial.architecture
    say(f"the best of {shown_path(path)}: trial {best.trial.number}, {measured}")
    if request.experiment is not None:
        return dataclasses.replace(request, architecture=text)
    if is_of_python(stored):
        raise InputError(
            f"--architecture={shown_path(path)} was begun in Python, with a function of one's own "
            "that evaluates: --experiment is missing, which says how to train"
        )
    check_named(naming_flags(stored.get("experiment")), path, flag="--architecture")
    location = stored.get("location", {})
    return dataclasses.replace(
        request,
        architecture=text,
        experiment=stored.get("experiment"),
        overrides=with_given(_of_training(stored.get("overrides", ())), request.overrides),
        data_dir=request.data_dir or location.get("data_dir"),
    )


def _of_training(overrides: Sequence[str]) -> list[str]:
    """Return the overrides of a search that say something of its children's training."""
    groups = ("child", "data", "space")
    return [each for each in overrides if each.partition(".")[0].strip() in groups]


def _is_name(text: str) -> bool:
    name = current_name(text.strip())
    return name in PUBLISHED or name in KNOWN_CELLS


def _is_directory(text: str) -> bool:
    """Say whether a text names one; an architecture's may be longer than any path."""
    try:
        return os.path.isdir(os.path.expanduser(text))
    except ValueError:  # a NUL in it
        return False


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
