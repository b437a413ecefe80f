"""One final training from request to end result: what the `train_architecture` binary does."""

from __future__ import annotations

import dataclasses
import datetime
import shlex
import sys
from typing import Any

from nas_with_rl.launch.evaluators.kinds.kind import LocatedExperiment
from nas_with_rl.launch.evaluators.kinds.rows import kind_of, trainer_of
from nas_with_rl.launch.experiments.catalogue import check_overrides, configure
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.named_modules import check_named, naming_flags
from nas_with_rl.launch.experiments.overrides import difference
from nas_with_rl.launch.host.interruption import INTERRUPTED_STATUS, leave_now, run_interruptibly
from nas_with_rl.launch.records.training_result import FinalResult, read_result, read_training
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.trainings.summary import describe
from nas_with_rl.launch.trainings.trainees import SPLIT_SEED, draw_training, read_named
from nas_with_rl.launch.trainings.training import FinalTraining, Test, has_diverged, train
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.drawing import draw
from nas_with_rl.search_spaces.errors import InputError

FAILED_STATUS = 1


@dataclasses.dataclass(frozen=True)
class Request:
    """What the flags say; None where a flag was not given."""

    experiment: str | None = None
    architecture: str | None = None
    workdir: str | None = None
    data_dir: str | None = None
    seed: int | None = None
    overrides: tuple[str, ...] = ()
    resume: bool = False
    test: Test = "once"


def run(request: Request) -> int:
    """Train what is asked for to its end result, printed; return the exit status.

    Raises:
      InputError: an impossible request, or a second look at the test set that was not asked for.
    """
    if request.resume:
        request = _completed(request)
    experiment = configure(request.experiment, request.overrides)
    if request.resume:
        _check_same(request, experiment.name)
    else:
        check_overrides(experiment, request.overrides)
    if request.architecture is None:
        raise InputError(
            "--architecture is missing: a line of text as a search prints it, or a name"
        )
    if kind_of(experiment).final is None:
        print(_measured(request.architecture, experiment, request))
        return 0
    training = FinalTraining(
        experiment, request.architecture, request.seed or 0, request.data_dir, request.overrides
    )
    workdir = request.workdir or _default_workdir(training)
    if request.resume and (done := _done(request, workdir, experiment)):
        return _end(done, workdir, experiment)
    print(f"{experiment.name}: {experiment.source}\n{draw_training(training)}\nworkdir: {workdir}")
    try:
        result = run_interruptibly(
            lambda: train(training, workdir, resume=request.resume, test=request.test)
        )
    except KeyboardInterrupt:
        print(_interrupted(request, workdir))
        leave_now(INTERRUPTED_STATUS)
    return _end(result, workdir, experiment)


def _end(result: FinalResult, workdir: str, experiment: Experiment) -> int:
    print(describe(result, workdir, has_test=experiment.data.has_test), flush=True)
    return FAILED_STATUS if result.status == "failed" else 0


def _done(request: Request, workdir: str, experiment: Experiment) -> FinalResult | None:
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
    return None if request.test == "once" and experiment.data.has_test else result


def _completed(request: Request) -> Request:
    """Fill in what the training's own `experiment.json` says."""
    if not request.workdir:
        raise InputError("--resume needs --workdir, the training to continue")
    stored = read_training(Workdir(request.workdir))
    left_out = naming_flags(
        None if request.experiment else stored.get("experiment"),
        overrides=() if request.overrides else stored.get("overrides", ()),
    )
    check_named(left_out, request.workdir)
    try:
        return dataclasses.replace(
            request,
            experiment=request.experiment or stored["experiment"],
            architecture=request.architecture or stored["named"] or stored["architecture"],
            data_dir=request.data_dir or stored["location"]["data_dir"],
            seed=stored["seed"] if request.seed is None else request.seed,
            overrides=request.overrides or tuple(stored["overrides"]),
        )
    except KeyError:
        raise InputError(
            f"--workdir={request.workdir} is not a training of a named experiment"
        ) from None


def _check_same(request: Request, name: str) -> None:
    """Raise InputError where a resumed training is asked to be another one.

    Args:
      request: completed.
      name: of its experiment, by which a training knows one's own too.
    """
    assert request.workdir is not None
    stored = {"named": None, "architecture": None, **read_training(Workdir(request.workdir))}
    wanted = {
        "experiment": name,
        "seed": request.seed,
        "overrides": list(request.overrides),
    }
    if request.architecture not in (stored["named"], stored["architecture"]):
        wanted["architecture"] = request.architecture
    if found := difference({name: stored.get(name) for name in wanted}, wanted):
        raise InputError(
            f"--workdir={request.workdir} holds another training, it cannot be resumed as this "
            f"one; there / here: {found}"
        )


def _default_workdir(training: FinalTraining) -> str:
    name = read_named(training.architecture, training.experiment).name or "architecture"
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return f"runs/{training.experiment.name}-{name}-{now}"


def _interrupted(request: Request, workdir: str) -> str:
    if not Workdir(workdir).is_begun():
        return "stopped before the training began"
    named = naming_flags(request.experiment, overrides=request.overrides)
    return f"stopped; continue with: {module_command('train_architecture', workdir, *named)}"


def module_command(module: str, workdir: str, *flags: str) -> str:
    """Return the command that continues a run of a binary.

    Args:
      module: the binary.
      workdir: of the run.
      flags: further ones.
    """
    words = ("--resume", f"--workdir={workdir}", *flags)
    return shlex.join((sys.executable, "-m", f"nas_with_rl.launch.{module}", *words))


def _measured(text: str, experiment: Experiment, request: Request) -> str:
    """Return what a table or a function of one's own says of an architecture; nothing is kept."""
    architecture = parse_architecture(text, experiment.search_space(), any_depth=True)
    located = LocatedExperiment(experiment, request.data_dir, SPLIT_SEED)
    measurement = trainer_of(located)(architecture, request.seed or 0)
    metrics: dict[str, Any] = dict(measurement.metrics)
    lines = [f"{name.replace('_', ' ')}: {value:.4g}" for name, value in metrics.items()]
    return "\n".join([draw(architecture), *lines, f"reward: {measurement.reward:.4f}"])
