"""A named experiment from request to end result: what the `search` binary does."""

from __future__ import annotations

import dataclasses
import datetime
import shlex
import sys
from pathlib import Path

from nas_with_rl.launch import comparison, summary
from nas_with_rl.launch.child_groups import ChildData, trainer_of
from nas_with_rl.launch.children import LanguageModelTrainer, Trainer
from nas_with_rl.launch.configuration import as_json
from nas_with_rl.launch.experiment import Experiment
from nas_with_rl.launch.experiments import configured
from nas_with_rl.launch.local_children import LocalChildren, local_children
from nas_with_rl.launch.plans import AUTO
from nas_with_rl.launch.results import SearchResult
from nas_with_rl.launch.runs import Run, execute, opened
from nas_with_rl.launch.search_loop import SearchConfig
from nas_with_rl.launch.workdir import Workdir
from nas_with_rl.search_spaces.errors import InputError

_METRICS = {
    "ImageTraining": "validation_accuracy",
    "LanguageModelTraining": "validation_perplexity",
    "TableLookup": "validation_accuracy",
}


@dataclasses.dataclass(frozen=True)
class Request:
    """What the flags say; None where a flag was not given."""

    experiment: str | None = None
    workdir: str | None = None
    data_dir: str | None = None
    num_samples: int | None = None
    seed: int | None = None
    overrides: tuple[str, ...] = ()
    resume: bool = False
    plan: str | None = None


def run_experiment(request: Request) -> bool:
    """Run a search to its end result, printed; return whether Ctrl-C ended it early."""
    request = _completed(request)
    experiment, search = _with_search(request)
    data = ChildData(experiment, request.data_dir, request.seed or 0)
    trainer = trainer_of(data)
    assert request.workdir is not None
    if not request.resume:
        Workdir(request.workdir).check_unused()  # before anything is measured
    with local_children(data, search, request.plan or AUTO) as children:
        run = _run(request, experiment, search, trainer, children)
        with opened(run, request.workdir, resume=request.resume) as place:
            print(f"{experiment.name}: {experiment.source}\nworkdir: {request.workdir}")
            print(children.reason, flush=True)
            result = execute(run, place, progress=True)
        if result.interrupted:
            print(f"stopped after {_num_done(result)} of {search.num_samples} trials;")
            print(f"continue with: {resume_command(request)}")
            return True
        _print_result(result, experiment, children)
    return False


def _with_search(request: Request) -> tuple[Experiment, SearchConfig]:
    experiment = configured(request.experiment, request.overrides)
    if experiment.search is None:
        raise InputError(
            f"--experiment={experiment.name} has no search, it trains a given architecture: "
            f"python -m nas_with_rl.launch.{experiment.command}"
        )
    if request.num_samples is None:
        return experiment, experiment.search
    search = dataclasses.replace(experiment.search, num_samples=request.num_samples)
    return dataclasses.replace(experiment, search=search), search


def _run(
    request: Request,
    experiment: Experiment,
    search: SearchConfig,
    trainer: Trainer,
    children: LocalChildren,
) -> Run:
    return Run(
        name=experiment.name,
        source=experiment.source,
        space=experiment.search_space(),
        config=search,
        controller=experiment.controller,
        seed=request.seed or 0,
        evaluator=children.evaluator,
        description={
            "overrides": list(request.overrides),
            "space": as_json(experiment.space),
            "child": as_json(experiment.child),
            "data": as_json(experiment.data),
            "data_found": trainer.data,
            # Programs round differently; how many processes run them changes nothing.
            "program": [children.plan.program, children.plan.num_children],
        },
        location={"data_dir": request.data_dir, "plan": str(children.plan)},
    )


def _completed(request: Request) -> Request:
    """Fill in what a resumed run's own `experiment.json` says, or the default workdir."""
    if not request.resume:
        if not request.workdir and request.experiment is not None:
            now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
            return dataclasses.replace(request, workdir=f"runs/{request.experiment}-{now}")
        return request
    if not request.workdir:
        raise InputError("--resume needs --workdir, the run to continue")
    stored = Workdir(request.workdir).read()
    try:
        return dataclasses.replace(
            request,
            experiment=request.experiment or stored["experiment"],
            data_dir=request.data_dir or stored["location"]["data_dir"],
            num_samples=request.num_samples or stored["search"]["num_samples"],
            seed=stored["seed"] if request.seed is None else request.seed,
            overrides=request.overrides or tuple(stored["overrides"]),
            plan=request.plan or stored["location"].get("plan", "here"),
        )
    except (KeyError, TypeError):
        raise InputError(
            f"--workdir={request.workdir} is not a run of a named experiment"
        ) from None


def resume_command(request: Request) -> str:
    """Return the command that continues a run."""
    python, workdir = shlex.quote(sys.executable), shlex.quote(str(request.workdir))
    return f"{python} -m nas_with_rl.launch.search --resume --workdir={workdir}"


def _num_done(result: SearchResult) -> int:
    return sum(trial.status != "running" for trial in result.trials)


def _print_result(result: SearchResult, experiment: Experiment, children: LocalChildren) -> None:
    print()
    print(summary.describe(result, metric=_METRICS[type(experiment.child).__name__]))
    trainer = trainer_of(children.work.data)
    completed = any(trial.status == "completed" for trial in result.trials)
    if experiment.num_compared and isinstance(trainer, LanguageModelTrainer) and completed:
        num_seeds = experiment.num_compared
        print(f"\ntraining each with {num_seeds} fresh seeds ...", flush=True)
        compared = comparison.compare(
            result, trainer, children.train_cells, num_seeds=num_seeds, seed=children.work.data.seed
        )
        print(comparison.describe(compared))
    print(f"\neverything lies in {Path(str(result.workdir)).resolve()}:")
    print("  trials.sqlite  checkpoints/  experiment.json  report.html")
    print(f"  curves: tensorboard --logdir={result.workdir}/tensorboard")
