"""Running a grid search: every point, then the winner, each a final training of its own.

<workdir>/experiment.json   what is searched; written before the first point
<workdir>/points/<n>/       one final training each, without the test set
<workdir>/final/            the winner's, with the test figure
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.experiments.named_modules import check_named, naming_flags
from nas_with_rl.launch.host.interruption import INTERRUPTED_STATUS, leave_now, run_interruptibly
from nas_with_rl.launch.records.continuation import is_of_python
from nas_with_rl.launch.records.ranking import ranked
from nas_with_rl.launch.records.training_result import FinalResult, figure, read_result
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.records.workdir import FINAL, GRID_SEARCH, POINTS, Workdir
from nas_with_rl.launch.trainings.grid import Axis, GridSearch, default_axes, grid_from_json
from nas_with_rl.launch.trainings.named_run import FAILED_STATUS, module_command
from nas_with_rl.launch.trainings.trainees import FinalTraining, make_trainee
from nas_with_rl.launch.trainings.training import train
from nas_with_rl.search_spaces.errors import InputError, shown

NUM_BEST = 3


@dataclasses.dataclass(frozen=True)
class Request:
    """What the flags say; None where a flag was not given.

    Attributes:
      search: the workdir of the search whose best architectures are tuned.
      experiment: of the search.
      num_best: how many of them; None for 3.
      axes: none for the defaults.
    """

    workdir: str | None = None
    search: str | None = None
    experiment: str | None = None
    data_dir: str | None = None
    num_best: int | None = None
    axes: tuple[Axis, ...] = ()
    overrides: tuple[str, ...] = ()
    final_overrides: tuple[str, ...] = ()
    resume: bool = False


@dataclasses.dataclass(frozen=True)
class GridPoint:
    """A point that has been trained."""

    number: int
    architecture: str
    assignments: tuple[str, ...]
    result: FinalResult


def new_grid(request: Request) -> GridSearch:
    """Return the grid over the best architectures of a search, with that search's settings.

    Raises:
      InputError: no search there, none of its children completed, or an impossible setting.
    """
    if not request.search:
        raise InputError("--search is missing: the workdir of the search whose best are tuned")
    place = Workdir(request.search, flag="--search")
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
    name = _named(request, name, request.search, flag="--search")
    return GridSearch(
        experiment=name,
        architectures=tuple(each.trial.architecture for each in best),
        axes=request.axes or default_axes(configure(name, overrides)),
        overrides=overrides,
        final_overrides=request.final_overrides,
        seed=seed,
        data_dir=data_dir,
    )


@contextlib.contextmanager
def opened(request: Request) -> Iterator[tuple[GridSearch, Path]]:
    """Claim the workdir, for a new grid search or to continue the one that it holds."""
    if not request.workdir:
        raise InputError("--workdir is missing: the directory that keeps the grid search")
    place = Workdir(request.workdir)
    with contextlib.closing(place):
        if request.resume:
            _check_resumed(request)
            description = place.resume()
            _named(request, description.get("grid", {}).get("experiment"), request.workdir)
            grid = _stored(description, place)
            if request.data_dir:
                grid = dataclasses.replace(grid, data_dir=request.data_dir)
        else:
            grid = new_grid(request)
            _check_data(grid)
            place.start(
                {
                    "kind": GRID_SEARCH,
                    "experiment": grid.experiment,
                    "grid": grid.as_json(),
                    "search": _searched(str(request.search)),
                }
            )
        yield grid, place.path


def _named(request: Request, stored: object, workdir: str, *, flag: str = "--workdir") -> str:
    """Return the experiment by the name that a workdir and, for one's own, the flag has.

    Raises:
      InputError: they differ, or the flag is missing.
    """
    check_named(naming_flags(None if request.experiment else stored), workdir, flag=flag)
    if request.experiment not in (None, stored):
        raise InputError(
            f"--experiment={request.experiment}: {flag}={workdir} is of {shown(stored)}"
        )
    return str(stored)


def _check_resumed(request: Request) -> None:
    """Raise InputError where a resumed grid search is asked to be another one."""
    for flag in ("search", "num_best", "axes", "overrides", "final_overrides"):
        if getattr(request, flag):
            name = {"axes": "grid", "overrides": "override", "final_overrides": "final_override"}
            raise InputError(
                f"--{name.get(flag, flag)} with --resume: a grid search is continued as it was "
                "begun; leave the flag out, or begin another one in another --workdir"
            )


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


def _searched(workdir: str) -> dict[str, Any]:
    """Return what is kept of the search: where it lies, and how far it had come."""
    place = Workdir(workdir, flag="--search")
    with contextlib.closing(TrialStore(place.trials, read_only=True)) as store:
        return {"workdir": str(place.path.resolve()), "finished_trials": store.num_finished()}


def _stored(description: dict[str, Any], place: Workdir) -> GridSearch:
    try:
        return grid_from_json(description["grid"])
    except (KeyError, TypeError):
        raise InputError(f"--workdir={place.path} holds no grid search") from None


def train_points(grid: GridSearch, workdir: Path) -> tuple[GridPoint, ...]:
    """Train every point, continuing what a killed run has left; return them, the best first.

    A point whose child has failed stands last.

    Raises:
      InputError: every point has failed.
    """
    planned = list(grid.points())
    points = []
    for number, architecture, assignments in planned:
        print(f"\npoint {number} of {len(planned)}: {' '.join(assignments)}", flush=True)
        training = grid.training(architecture, assignments)
        result = _trained(training, workdir / POINTS / str(number), test="never")
        points.append(GridPoint(number, architecture, assignments, result))
    if all(_rank(point) == math.inf for point in points):
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


def run(request: Request) -> int:
    """Run a grid search to its test figure, printed; return the exit status."""
    with opened(request) as (grid, workdir):
        try:
            return run_interruptibly(lambda: _run(grid, workdir))
        except KeyboardInterrupt:
            named = naming_flags(grid.experiment)
            print(f"stopped; continue with: {module_command('grid_search', str(workdir), *named)}")
            leave_now(INTERRUPTED_STATUS)


def _run(grid: GridSearch, workdir: Path) -> int:
    print(f"the {len(grid.architectures)} best of the search, {len(list(grid.points()))} points")
    points = train_points(grid, workdir)
    print(f"\n{describe_points(points)}\n\nthe winner is point {points[0].number}:", flush=True)
    final = train_winner(grid, points[0], workdir)
    print(_summary(points[0], final, workdir))
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
