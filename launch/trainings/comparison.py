"""Given architectures side by side: what the `compare_architectures` binary does.

<workdir>/experiment.json   what is compared; written before the first training
<workdir>/<name>/           each architecture's final training; tuned or with several seeds: `tuned`
<workdir>/curves.svg        their validation figures by epoch
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.host.interruption import INTERRUPTED_STATUS, leave_now, run_interruptibly
from nas_with_rl.launch.host.terminal import say
from nas_with_rl.launch.records.resumption import (
    STORED,
    ExperimentRequest,
    RunKind,
    check_same,
    claim_workdir,
    complete,
    stored_run,
)
from nas_with_rl.launch.records.training_result import FinalResult, figure
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.trainings.side_by_side import CURVES, Results, drawn, table
from nas_with_rl.launch.trainings.trainees import (
    FinalTraining,
    draw_training,
    make_trainee,
    read_named,
)
from nas_with_rl.launch.trainings.training import Test
from nas_with_rl.launch.trainings.training_run import FAILED_STATUS
from nas_with_rl.launch.trainings.tuned import Tuning, grid_of, train_tuned
from nas_with_rl.search_spaces.errors import InputError, shortened
from nas_with_rl.search_spaces.published import current_name, current_names

RENAMED = "renamed"  # of `experiment.json`: directories by the names that are used today
_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)  # NAME=ARCHITECTURE


def _with_current_names(stored: dict[str, Any]) -> dict[str, Any]:
    """Return a comparison's description; one from before has today's names, and says `RENAMED`."""
    architectures = stored.get("architectures")
    if isinstance(stored.get(RENAMED), dict) or not isinstance(architectures, list):
        return {RENAMED: {}, **stored}
    given = [str(text).strip() for text in architectures]
    current = current_names(given)
    renamed = {new: old for new, old in zip(current, given, strict=True) if new != old}
    return stored | {"architectures": list(current), RENAMED: renamed}


COMPARISON = RunKind(
    "comparison of architectures",
    "comparison",
    {
        **STORED,
        "architectures": ("architectures",),
        "axes": ("tuning.axes",),
        "num_points": ("tuning.num_points",),
        "point_overrides": ("tuning.overrides",),
        "num_seeds": ("tuning.num_seeds",),
    },
    may_change=(RENAMED, "tuning.num_seeds"),
    current=_with_current_names,
)


@dataclasses.dataclass(frozen=True)
class ComparisonRequest(ExperimentRequest):
    """What is asked of a comparison.

    Attributes:
      architectures: lines of text, or names; "name=text" gives a text a name.
      test: whether to look at the test set after each training.
      axes, num_points, point_overrides, num_seeds: see `Tuning`; None for its defaults.
    """

    architectures: tuple[str, ...] = ()
    test: Test = dataclasses.field(default="once", kw_only=True)
    axes: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)
    num_points: int | None = dataclasses.field(default=None, kw_only=True)
    point_overrides: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)
    num_seeds: int | None = dataclasses.field(default=None, kw_only=True)

    @property
    def tuning(self) -> Tuning:
        """How each architecture is tuned; InputError for what has no effect."""
        seeds = 1 if self.num_seeds is None else self.num_seeds
        return Tuning(self.axes, self.num_points or 0, self.point_overrides, seeds)


def run(request: ComparisonRequest) -> int:
    """Train each architecture, print them side by side, draw their curves; return the status.

    Raises:
      InputError: an impossible request.
    """
    path = request.place().path
    renamed: Mapping[str, str] = {}
    if request.resume:
        stored = stored_run(request, COMPARISON)
        request, renamed = complete(request, stored, COMPARISON), stored[RENAMED]
    experiment = configure(request.experiment, request.overrides)
    trainings = {
        str(renamed.get(name, name)): FinalTraining(
            experiment, text, request.seed or 0, request.data_dir, request.overrides
        )
        for name, text in directories(request.architectures, experiment).items()
    }
    if not request.resume:
        _check(trainings, request)
    wanted = _describe(request)

    def take_up(stored: dict[str, Any], place: Workdir) -> dict[str, Any]:
        check_same(stored, wanted, kind=COMPARISON, workdir=place.path)
        return stored | {name: wanted[name] for name in ("location", "tuning") if name in wanted}

    with claim_workdir(
        path, wanted, kind=COMPARISON, resume=request.resume, take_up=take_up
    ) as place:
        say(f"{experiment.name}: {experiment.source}")
        try:
            results = run_interruptibly(lambda: _train_each(trainings, place.path, request))
        except KeyboardInterrupt:
            say(f"stopped; continue with: {request.resume_command('compare_architectures')}")
            leave_now(INTERRUPTED_STATUS)
        say("\n" + table(results))
        if not experiment.has_test:
            say("no test figures: the data has no test split")
        say(drawn(results, place.path / CURVES))
        say(f"everything lies in {place.path.resolve()}: {'  '.join(trainings)}")
    failed = [each for of_one in results.values() for each in of_one if each.status == "failed"]
    return FAILED_STATUS if failed else 0


def _check(trainings: Mapping[str, FinalTraining], request: ComparisonRequest) -> None:
    """Raise InputError for what cannot be trained, before anything is written, not after hours."""
    for training in trainings.values():
        make_trainee(training)
        if request.axes:
            grid_of(training, str(request.experiment), request.tuning)


def directories(architectures: Sequence[str], experiment: Experiment) -> dict[str, str]:
    """Return each architecture by its name, of those without one architecture_1 and so on.

    Raises:
      InputError: fewer than two, one that is none, or one that is there twice, as a name.
    """
    if len(architectures) < 2:
        raise InputError(
            f"--architecture is given {len(architectures)} times; at least two are compared"
        )
    found: dict[str, str] = {}
    texts: set[str] = set()
    for given in architectures:
        name, text = named_parts(given)
        named = read_named(text, experiment)
        unnamed = sum(each.startswith("architecture_") for each in found)
        name = name or named.name or f"architecture_{unnamed + 1}"
        if named.text in texts or name in found:
            raise InputError(f"--architecture={shortened(given)} is there twice")
        texts.add(named.text)
        found[name] = text
    return found


def named_parts(architecture: str) -> tuple[str | None, str]:
    """Return the name that an architecture is given, None without one, and what it is."""
    if match := _NAMED.fullmatch(architecture.strip()):
        return match[1], match[2].strip()
    return None, architecture


def _describe(request: ComparisonRequest) -> dict[str, Any]:
    return {
        "kind": COMPARISON.kind,
        "experiment": request.experiment,
        "architectures": [current_name(text.strip()) for text in request.architectures],
        RENAMED: {},
        "seed": request.seed or 0,
        "overrides": list(request.overrides),
        **request.tuning.as_json(),
        "location": {"data_dir": request.data_dir},
    }


def _train_each(
    trainings: Mapping[str, FinalTraining], workdir: Path, request: ComparisonRequest
) -> Results:
    results, experiment = {}, str(request.experiment)
    for number, (name, training) in enumerate(trainings.items(), start=1):
        say(f"\n{number} of {len(trainings)}: {name}\n{draw_training(training)}")
        results[name] = train_tuned(
            training, experiment, request.tuning, workdir / name, test=request.test
        )
        say("\n".join(map(_outcome, results[name])))
    return results


def _outcome(result: FinalResult) -> str:
    if result.status == "failed":
        return f"failed: {result.failure}"
    assert result.best_validation is not None
    best = figure(result.best_validation, result.metric)
    found = f"best epoch {result.best_epoch}: validation {best}"
    return found if result.test is None else f"{found}, test {figure(result.test, result.metric)}"
