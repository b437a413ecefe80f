"""A named experiment from request to end result: what the `search` binary does."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path

from nas_with_rl.launch import comparison, summary
from nas_with_rl.launch.child_groups import ChildData, trainer_of
from nas_with_rl.launch.children import LanguageModelTrainer
from nas_with_rl.launch.configuration import as_json
from nas_with_rl.launch.evaluation import Evaluator
from nas_with_rl.launch.experiment import Experiment
from nas_with_rl.launch.experiments import check_overrides, configured
from nas_with_rl.launch.local_children import LocalChildren, check_limits, local_children
from nas_with_rl.launch.plans import AUTO, Plan
from nas_with_rl.launch.request import Request, completed
from nas_with_rl.launch.results import SearchResult
from nas_with_rl.launch.runs import Run, execute, opened
from nas_with_rl.launch.search_loop import SearchConfig
from nas_with_rl.launch.workdir import Workdir
from nas_with_rl.search_spaces.errors import InputError, shown

_METRICS = {
    "ImageTraining": "validation_accuracy",
    "LanguageModelTraining": "validation_perplexity",
    "TableLookup": "validation_accuracy",
}


def run_experiment(request: Request) -> bool:
    """Run a search to its end result, printed; return whether Ctrl-C ended it early."""
    request = completed(request)
    experiment, search = with_search(request)
    if not request.resume:
        check_effect(request, experiment, "one process has a single one")
        check_limits(experiment.child, search, request.plan or AUTO)
    data = ChildData(experiment, request.data_dir, request.seed or 0)
    trainer = trainer_of(data)
    assert request.workdir is not None
    if not request.resume:
        Workdir(request.workdir).check_unused()  # before anything is measured
    with local_children(data, search, request.plan or AUTO) as children:
        run = described_run(request, data, plan=children.plan, evaluator=children.evaluator)
        with opened(run, request.workdir, resume=request.resume) as place:
            print_beginning(request, experiment)
            print(children.reason, flush=True)
            result = execute(run, place, progress=True)
        if result.interrupted:
            print_interruption(result, search, f"continue with: {resume_command(request)}")
            return True
        print_result(result, experiment)
        if isinstance(trainer, LanguageModelTrainer):
            _print_comparison(result, trainer, children)
        print_places(result)
    return False


def with_search(request: Request) -> tuple[Experiment, SearchConfig]:
    """Return the experiment that is asked for, and its search.

    Raises:
      InputError: there is no such experiment, or it has no search.
    """
    experiment = configured(request.experiment, request.overrides, evaluate=request.evaluate)
    if experiment.search is None:
        raise InputError(
            f"--experiment={experiment.name} has no search, it trains a given architecture: "
            f"python -m nas_with_rl.launch.{experiment.command}"
        )
    if request.num_samples is None:
        return experiment, experiment.search
    search = dataclasses.replace(experiment.search, num_samples=request.num_samples)
    return dataclasses.replace(experiment, search=search), search


def check_effect(request: Request, experiment: Experiment, replicas: str | None = None) -> None:
    """Raise InputError for settings that have no effect in a run that is begun.

    Args:
      request: of a run that is begun; one that is continued keeps what it has.
      experiment: that is asked for.
      replicas: why replicas of the controller have none, if they have none.
    """
    search = experiment.search
    assert search is not None
    check_overrides(experiment, request.overrides)
    set_here = [override.partition("=")[0].strip() for override in request.overrides]
    if replicas and search.num_replicas and "search.num_replicas" in set_here:
        raise InputError(
            f"search.num_replicas is {search.num_replicas}, which has no effect: of replicas of "
            f"the controller, {replicas}"
        )
    if search.depth is not None and not experiment.search_space().depth:
        raise InputError(
            f"search.depth is {shown(search.depth)}, which has no effect: the space has no layers"
        )


def described_run(request: Request, data: ChildData, *, plan: Plan, evaluator: Evaluator) -> Run:
    """Return the run that is asked for, which can be continued here or on a cluster.

    Args:
      request: completed.
      data: the experiment with its search.
      plan: by which program its children are trained.
      evaluator: what measures them.
    """
    experiment = data.experiment
    assert experiment.search is not None
    return Run(
        name=request.experiment or experiment.name,  # as --resume finds it again
        source=experiment.source,
        space=experiment.search_space(),
        config=experiment.search,
        controller=experiment.controller,
        seed=data.seed,
        evaluator=evaluator,
        description={
            "overrides": list(request.overrides),
            "evaluate": request.evaluate,
            "space": as_json(experiment.space),
            "child": as_json(experiment.child),
            "data": as_json(experiment.data),
            "data_found": trainer_of(data).data,
            # Programs round differently; how many processes run them changes nothing.
            "program": [plan.program, plan.num_children],
        },
        location={"data_dir": request.data_dir, "plan": str(plan)},
    )


def resume_command(request: Request) -> str:
    """Return the command that continues a run."""
    python, workdir = shlex.quote(sys.executable), shlex.quote(str(request.workdir))
    return f"{python} -m nas_with_rl.launch.search --resume --workdir={workdir}"


def print_beginning(request: Request, experiment: Experiment) -> None:
    """Say what is searched and where it is kept."""
    print(f"{experiment.name}: {experiment.source}\nworkdir: {request.workdir}")


def print_interruption(result: SearchResult, search: SearchConfig, how: str) -> None:
    """Say how far the search came, and how it is continued."""
    num_done = sum(trial.status != "running" for trial in result.trials)
    print(f"stopped after {num_done} of {search.num_samples} trials;\n{how}")


def print_result(result: SearchResult, experiment: Experiment) -> None:
    """Say what the search has found."""
    print()
    print(summary.describe(result, metric=_METRICS.get(type(experiment.child).__name__)))


def print_places(result: SearchResult) -> None:
    """Say where everything lies."""
    print(f"\neverything lies in {Path(str(result.workdir)).resolve()}:")
    print("  trials.sqlite  checkpoints/  experiment.json  report.html")
    print(f"  curves: tensorboard --logdir={result.workdir}/tensorboard")


def _print_comparison(
    result: SearchResult, trainer: LanguageModelTrainer, children: LocalChildren
) -> None:
    """Train the best cell, and what it is compared with, for several seeds each."""
    data = children.work.data
    num_seeds = data.experiment.num_compared
    if num_seeds and any(trial.status == "completed" for trial in result.trials):
        print(f"\ntraining each with {num_seeds} fresh seeds ...", flush=True)
        compared = comparison.compare(
            result, trainer, children.train_cells, num_seeds=num_seeds, seed=data.seed
        )
        print(comparison.describe(compared))
