"""A named experiment from request to end result: what the `search` binary does."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Any

from nas_with_rl.launch import comparison, summary
from nas_with_rl.launch.child_groups import ChildData, trainer_of
from nas_with_rl.launch.children import LanguageModelTrainer
from nas_with_rl.launch.configuration import as_json
from nas_with_rl.launch.continuation import check_evaluation, stored_search
from nas_with_rl.launch.evaluation import Evaluator
from nas_with_rl.launch.experiment import Experiment
from nas_with_rl.launch.experiments import configured
from nas_with_rl.launch.local_children import LocalChildren, local_children
from nas_with_rl.launch.named_modules import naming_flags
from nas_with_rl.launch.own_evaluation import OwnEvaluation
from nas_with_rl.launch.plans import AUTO, Plan
from nas_with_rl.launch.request import Request, completed
from nas_with_rl.launch.results import SearchResult
from nas_with_rl.launch.runs import Claim, Run, execute, opened
from nas_with_rl.launch.search_loop import SearchConfig
from nas_with_rl.launch.workdir import EXPERIMENT_FILE, Workdir
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import SearchSpace

_METRICS = {
    "ImageTraining": "validation_accuracy",
    "LanguageModelTraining": "validation_perplexity",
    "TableLookup": "validation_accuracy",
}


def run_experiment(request: Request) -> bool:
    """Run a search to its end result, printed; return whether Ctrl-C ended it early."""
    request = completed(request)
    experiment, search = with_search(request)
    data = ChildData(experiment, request.data_dir, request.seed or 0)
    trainer = trainer_of(data)
    assert request.workdir is not None
    place = Workdir(request.workdir)
    if request.resume:  # before anything is measured
        check_evaluation(stored_search(place), _described(request, experiment), place.path)
    else:
        place.check_unused()
    with local_children(data, search, request.plan or AUTO) as children:
        run = described_run(request, data, plan=children.plan, evaluator=children.evaluator)
        with opened(run, request.workdir, resume=request.resume) as claim:
            print_beginning(request, experiment, claim)
            print(children.reason, flush=True)
            result = execute(claim.run, claim.place, progress=True)
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
        name=request.experiment or experiment.name,
        source=experiment.source,
        space=experiment.search_space(),
        config=experiment.search,
        controller=experiment.controller,
        seed=data.seed,
        evaluator=evaluator,
        description={
            **_described(request, experiment),
            "data_found": trainer_of(data).data,
            # Programs round differently; how many processes run them changes nothing.
            "program": [plan.program, plan.num_children],
        },
        location={"data_dir": request.data_dir, "plan": str(plan)},
    )


def _described(request: Request, experiment: Experiment) -> dict[str, Any]:
    """Return what a binary says of a run beside its settings, before its data is looked at."""
    described = {
        "experiment": request.experiment or experiment.name,  # as --resume finds it again
        "overrides": list(request.overrides),
        "evaluate": request.evaluate,
        "space": as_json(experiment.space),
        "child": as_json(experiment.child),
        "data": as_json(experiment.data),
    }
    if isinstance(experiment.space, SearchSpace):
        return described
    return described | {"decisions": as_json(experiment.search_space())}  # as Python compares them


def resume_command(request: Request) -> str:
    """Return the command that continues a run."""
    named = naming_flags(request.experiment, evaluate=request.evaluate, overrides=request.overrides)
    flags = ("--resume", f"--workdir={request.workdir}", *named)
    return shlex.join((sys.executable, "-m", "nas_with_rl.launch.search", *flags))


def print_beginning(request: Request, experiment: Experiment, claim: Claim) -> None:
    """Say what is searched, where it is kept, and what evaluates now that did not before."""
    print(f"{experiment.name}: {experiment.source}\nworkdir: {request.workdir}")
    if "sha256" in claim.changed.get("after", {}):
        assert isinstance(experiment.child, OwnEvaluation)
        module = experiment.child.function.partition(":")[0]
        print(
            f"the file of {module} has changed since its last trials: the next are evaluated as it "
            f"is now ({EXPERIMENT_FILE} keeps when, and both digests)"
        )


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
