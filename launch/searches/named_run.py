"""A named experiment from request to end result: what the `search` binary does."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas_with_rl.launch.evaluators.evaluation import Evaluator
from nas_with_rl.launch.evaluators.kinds import language_models
from nas_with_rl.launch.evaluators.kinds.kind import LocatedExperiment
from nas_with_rl.launch.evaluators.kinds.rows import kind_of, trainer_of
from nas_with_rl.launch.evaluators.local import LocalEvaluator, check_limits, local_children
from nas_with_rl.launch.evaluators.plans import AUTO, Plan
from nas_with_rl.launch.experiments.catalogue import check_overrides, configure
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.named_modules import naming_flags
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.records.continuation import check_evaluation, stored_search
from nas_with_rl.launch.records.resumption import Request, completed
from nas_with_rl.launch.records.search_result import SearchResult
from nas_with_rl.launch.records.workdir import EXPERIMENT_FILE, Workdir
from nas_with_rl.launch.searches import fresh_seeds, summary
from nas_with_rl.launch.searches.run import Claim, Run, execute, opened, report
from nas_with_rl.search_spaces.errors import InputError, shown


def run_experiment(request: Request) -> bool:
    """Run a search to its end result, printed; return whether Ctrl-C ended it early."""
    request = completed(request)
    experiment, search = with_search(request)
    if not request.resume:
        check_effect(request, experiment, "one process has a single one")
        check_limits(experiment, search, request.plan or AUTO)
    data = LocatedExperiment(experiment, request.data_dir, request.seed or 0)
    trainer_of(data)  # missing or damaged data: before anything is measured
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
            with telling_how_to_go_on(search, f"continue with: {resume_command(request)}"):
                result = execute(claim.run, claim.place, progress=True)
            if result.interrupted:
                print_interruption(result, search, f"continue with: {resume_command(request)}")
                return True
            print_result(result, experiment)
            if experiment.num_compared:
                compared = _compared(result, children, claim.place)
                if compared:
                    print(compared)
                    report(claim.run, result, claim.place, comparison=compared)
            print_places(result)
    return False


@contextlib.contextmanager
def telling_how_to_go_on(search: SearchConfig, how: str) -> Iterator[None]:
    """Say how far a search came that an exception ends, and how it is continued."""
    try:
        yield
    except Exception as error:
        result = getattr(error, "search_result", None)
        if isinstance(result, SearchResult):
            print_interruption(result, search, f"once what follows is mended, {how}")
            sys.stdout.flush()
        raise


def with_search(request: Request) -> tuple[Experiment, SearchConfig]:
    """Return the experiment that is asked for, and its search.

    Raises:
      InputError: there is no such experiment, or it has no search.
    """
    experiment = configure(request.experiment, request.overrides, evaluate=request.evaluate)
    if experiment.search is None:
        raise InputError(
            f"--experiment={experiment.name} has no search, it trains a given architecture: "
            f"python -m nas_with_rl.launch.{experiment.command}"
        )
    if request.num_samples is None or request.num_samples == experiment.search.num_samples:
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


def described_run(
    request: Request, data: LocatedExperiment, *, plan: Plan, evaluator: Evaluator
) -> Run:
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
    described: dict[str, Any] = {
        "experiment": request.experiment or experiment.name,  # as --resume finds it again
        "overrides": list(request.overrides),
        "evaluate": request.evaluate,
        "space": as_json(experiment.space),
        "child": as_json(experiment.child),
        "data": as_json(experiment.data),
    }
    if "decisions" in described["space"]:
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
        module = claim.run.description["data_found"]["function"].partition(":")[0]
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
    print(summary.describe(result, metric=kind_of(experiment).metric))


def print_places(result: SearchResult) -> None:
    """Say where everything lies."""
    print(f"\neverything lies in {Path(str(result.workdir)).resolve()}:")
    compared = "  comparison.json" if Workdir(str(result.workdir)).comparison.exists() else ""
    print(f"  trials.sqlite  checkpoints/  experiment.json{compared}  report.html")
    print(f"  curves: tensorboard --logdir={result.workdir}/tensorboard")


def _compared(result: SearchResult, children: LocalEvaluator, place: Workdir) -> str:
    """Return the best cell beside others, trained for several seeds each, once for each length."""
    data = children.work.data
    num_seeds, num_trials = data.experiment.num_compared, len(result.trials)
    if all(trial.status != "completed" for trial in result.trials):
        return ""
    kept = fresh_seeds.kept(place.comparison, num_trials=num_trials, num_seeds=num_seeds)
    if kept is not None:
        print(f"\neach trained with {num_seeds} fresh seeds, of {place.comparison.name}:")
        return fresh_seeds.describe(kept)
    print(f"\ntraining each with {num_seeds} fresh seeds ...", flush=True)
    compared = fresh_seeds.compare(
        result,
        language_models.trainer_of(data),
        children.train_cells,
        num_seeds=num_seeds,
        seed=data.seed,
    )
    fresh_seeds.keep(compared, place.comparison, num_trials=num_trials, num_seeds=num_seeds)
    return fresh_seeds.describe(compared)
