"""Running a grid search: every point, then the winner, each a final training of its own.

<workdir>/experiment.json   what is searched; written before the first point
<workdir>/points/<n>/       one final training each, without the test set
<workdir>/final/            the winner's, with the test figure
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.experiments.named_modules import check_named, naming_flags
from nas_with_rl.launch.host.interruption import INTERRUPTED_STATUS, leave_now, run_interruptibly
from nas_with_rl.launch.host.terminal import say
from nas_with_rl.launch.records.continuation import is_of_python
from nas_with_rl.launch.records.ranking import ranked
from nas_with_rl.launch.records.resumption import (
    ExperimentRequest,
    RunKind,
    claim_workdir,
    complete,
    stored_run,
)
from nas_with_rl.launch.records.training_result import FinalResult, figure, read_result
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.records.workdir import FINAL, GRID_SEARCH, POINTS, Workdir
from nas_with_rl.launch.trainings.grid import GridSearch, default_axes, grid_from_json, parse_axis
from nas_with_rl.launch.trainings.trainees import FinalTraining, make_trainee
from nas_with_rl.launch.trainings.training import train
from nas_with_rl.launch.trainings.training_run import FAILED_STATUS
from nas_with_rl.search_spaces.errors import InputError, shown

NUM_BEST = 3
GRID = RunKind(
    "grid search",
    GRID_SEARCH,
    {
        "experiment": ("grid.experiment",),
        "seed": ("grid.seed",),
        "data_dir": ("grid.data_dir",),
        "search": ("search.workdir",),
        "axes": ("grid.axes",),
        "num_points": ("grid.num_points",),
        "final_overrides": ("grid.final_overrides",),
    },
    may_change=("grid.data_dir", "search.finished_trials"),
    groups=("grid",),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridRequest(ExperimentRequest):
    """What is asked of a grid search.

    Attributes:
      search: the workdir of the search whose best architectures are tuned.
      experiment: of the search.
      num_best: how many of them; None for 3.
      axes: as `parse_axis` reads them; none for the defaults.
      num_points: how many of their combinations; None for all.
      final_overrides: of the winner's training beside.
    """

    search: str | None = None
    num_best: int | None = None
    axes: tuple[str, ...] = ()
    num_points: int | None = None
    final_overrides: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class GridPoint:
    """A point that has been trained."""

    number: int
    architecture: str
    assignments: tuple[str, ...]
    result: FinalResult


def new_grid(request: GridRequest) -> GridSearch:
    """Return the grid over the best architectures of a search, with that search's settings.

    Raises:
      InputError: no search there, none of its children completed, or an impossible setting.
    """
    place = _search_place(request)
    stored = place.read() if place.is_begun() else {}
    if "search" not in stored or not place.trials.exists():
        raise InputError(f"--search={request.search} holds no search of architectures")
    if is_of_python(stored):
        raise InputError(
            f"--search={request.search} was begun in Python, with a function of one's own that "
            "evaluates: there is nothing to tune"
        )
    with contextlib.closing(TrialStore(place.trials, read_only=True)) as store:
        best = ranked(store.all())[: request.num_best or NUM_BEST]
    if not best:
        raise InputError(f"--search={request.search} has no completed trial")
    overrides = (*stored.get("overrides", ()), *request.overrides)
    try:
        name, seed = stored["experiment"], stored["seed"]
        data_dir = request.data_dir or stored["location"]["data_dir"]
    except KeyError:
        raise InputError(f"--search={request.search} is not a run of a named experiment") from None
    name = _named(request, name)
    return GridSearch(
        experiment=name,
        architectures=tuple(each.trial.architecture for each in best),
        axes=tuple(map(parse_axis, request.axes)) or default_axes(configure(name, overrides)),
        overrides=overrides,
        final_overrides=request.final_overrides,
        seed=seed if request.seed is None else request.seed,
        data_dir=data_dir,
        num_points=request.num_points or 0,
    )


def _named(request: GridRequest, stored: object) -> str:
    """Return the experiment by the name that the search and, for one's own, the flag has.

    Raises:
      InputError: they differ, or the flag is missing.
    """
    where = f"--search={request.search}"
    left_out = naming_flags(None if request.experiment else stored)
    check_named(left_out, str(request.search), flag="--search")
    if request.experiment not in (None, stored):
        raise InputError(f"--experiment={request.experiment}: {where} is of {shown(stored)}")
    return str(stored)


def stored_grid(request: GridRequest) -> tuple[GridSearch, dict[str, Any]]:
    """Return the grid of a run that is resumed, and what is kept of its search.

    Raises:
      InputError: there is no such run, or it has another number of architectures.
    """
    stored = stored_run(request, GRID)
    request = complete(request, stored, GRID)
    try:
        grid = grid_from_json(stored["grid"])
        kept = stored.get("search", {}) | {"workdir": str(_search_place(request).path.resolve())}
    except (KeyError, TypeError):
        raise InputError(f"--workdir={request.workdir} holds no whole {GRID.name}") from None
    if request.num_best not in (None, len(grid.architectures)):
        raise InputError(
            f"--num_best={request.num_best}: --workdir={request.workdir} holds another run, of "
            f"{len(grid.architectures)} architectures"
        )
    grid = dataclasses.replace(
        grid,
        experiment=request.experiment or grid.experiment,
        axes=tuple(map(parse_axis, request.axes)),
        overrides=request.overrides,
        final_overrides=request.final_overrides,
        seed=grid.seed if request.seed is None else request.seed,
        data_dir=request.data_dir,
        num_points=request.num_points or 0,
    )
    return grid, kept


def _check_data(grid: GridSearch) -> None:
    """Raise InputError where a training could not even begin: before the first, not after days."""
    architecture = grid.architectures[0]
    trainings = [grid.training(architecture, point) for _, _, point in grid.points()]
    trainings.append(grid.training(architecture, next(grid.points())[2], final=True))
    checked = []
    for training in trainings:
        experiment = training.experiment
        batch_size = getattr(experiment.child, "batch_size", 0)
        loaded = (experiment.data, experiment.space, batch_size)
        if loaded not in checked:
            make_trainee(training)
            checked.append(loaded)


def _searched(request: GridRequest) -> dict[str, Any]:
    """Return what is kept of the search: where it lies, and how far it had come."""
    place = _search_place(request)
    with contextlib.closing(TrialStore(place.trials, read_only=True)) as store:
        return {"workdir": str(place.path.resolve()), "finished_trials": store.num_finished()}


def _search_place(request: GridRequest) -> Workdir:
    if not request.search:
        raise InputError("--search is missing: the workdir of the search whose best are tuned")
    return Workdir(request.search, flag="--search")


def _describe(grid: GridSearch, search: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": GRID.kind,
        "experiment": grid.experiment,
        "grid": grid.as_json(),
        "search": search,
    }


def train_points(
    grid: GridSearch, workdir: Path, *, all_may_fail: bool = False
) -> tuple[GridPoint, ...]:
    """Train every point, continuing what a killed run has left; return them, the best first.

    A point whose child has failed stands last.

    Raises:
      InputError: every point has failed, unless they all may.
    """
    planned = list(grid.points())
    points = []
    for number, architecture, assignments in planned:
        say(f"\npoint {number} of {len(planned)}: {' '.join(assignments)}")
        training = grid.training(architecture, assignments)
        result = _trained(training, workdir / POINTS / str(number), test="never")
        points.append(GridPoint(number, architecture, assignments, result))
    if not all_may_fail and all(_rank(point) == math.inf for point in points):
        raise InputError(f"all {len(points)} points of the grid have failed; see {workdir}")
    return tuple(sorted(points, key=_rank))


def train_winner(grid: GridSearch, winner: GridPoint, workdir: Path) -> FinalResult:
    """Train the winner anew and test it, once: a finished one is read, not looked at again."""
    training = grid.training(winner.architecture, winner.assignments, final=True)
    return _trained(training, workdir / FINAL, test="once")


def _trained(
    training: FinalTraining, workdir: Path, *, test: Literal["once", "never"]
) -> FinalResult:
    """Train, continue, or read what has been trained to the end."""
    result = read_result(workdir)
    if result is not None and result.status != "training":
        return result
    return train(training, workdir, resume=Workdir(workdir).is_begun(), test=test)


def _rank(point: GridPoint) -> float:
    """Lower is better: the error or the perplexity; a failed point is last."""
    value = point.result.best_validation
    if point.result.status == "failed" or value is None:
        return math.inf
    return -value if point.result.metric == "accuracy" else value


def describe_points(points: Sequence[GridPoint]) -> str:
    """Return the points as a table, the best first."""
    lines = [f"{'point':>5}  {'validation':24}  settings and architecture"]
    for point in points:
        value, metric = point.result.best_validation, point.result.metric
        failed = value is None or point.result.status == "failed"
        shown = "failed" if failed else figure(value or 0.0, metric)
        settings = " ".join(point.assignments)
        lines.append(f"{point.number:>5}  {shown:24}  {settings}  '{point.architecture}'")
    return "\n".join(lines)


def run(request: GridRequest) -> int:
    """Run a grid search to its test figure, printed; return the exit status.

    Raises:
      InputError: an impossible request.
    """
    path = request.place().path
    if request.resume:
        grid, search = stored_grid(request)
    else:
        grid, search = new_grid(request), _searched(request)
        _check_data(grid)
    with claim_workdir(path, _describe(grid, search), kind=GRID, resume=request.resume):
        try:
            return run_interruptibly(lambda: _run(grid, path))
        except KeyboardInterrupt:
            begun = dataclasses.replace(request, experiment=grid.experiment, overrides=())
            say(f"stopped; continue with: {begun.resume_command('grid_search')}")
            leave_now(INTERRUPTED_STATUS)


def _run(grid: GridSearch, workdir: Path) -> int:
    say(f"the {len(grid.architectures)} best of the search, {len(list(grid.points()))} points")
    points = train_points(grid, workdir)
    say(f"\n{describe_points(points)}\n\nthe winner is point {points[0].number}:")
    final = train_winner(grid, points[0], workdir)
    say(_summary(points[0], final, workdir))
    return FAILED_STATUS if final.status == "failed" else 0


def _summary(winner: GridPoint, final: FinalResult, workdir: Path) -> str:
    if final.status == "failed" or final.best_validation is None:
        return f"the winner's training has failed: {final.failure}"
    lines = [
        f"--architecture='{final.architecture}'",
        *(f"  --override={assignment}" for assignment in winner.assignments),
        f"validation: {figure(final.best_validation, final.metric)} (epoch {final.best_epoch})",
        "test: none, the data has no test split"
        if final.test is None
        else f"test, looked at once: {figure(final.test, final.metric)}",
        f"everything lies in {workdir.resolve()}; the winner's in {FINAL}/",
    ]
    return "\n".join(lines)
