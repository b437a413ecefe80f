"""Given architectures side by side: what the `compare_architectures` binary does.

<workdir>/experiment.json   what is compared; written before the first training
<workdir>/<name>/           each architecture's final training
<workdir>/curves.svg        their validation figures by epoch
"""

from __future__ import annotations

import dataclasses
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
    claim_workdir,
    complete,
    stored_run,
)
from nas_with_rl.launch.records.training_result import FinalResult, Metric, figure
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.trainings.trainees import (
    FinalTraining,
    draw_training,
    make_trainee,
    read_named,
)
from nas_with_rl.launch.trainings.training import Test, train
from nas_with_rl.launch.trainings.training_run import FAILED_STATUS
from nas_with_rl.search_spaces.errors import InputError, shortened
from nas_with_rl.search_spaces.published import current_name, current_names
from nas_with_rl.search_spaces.whole_files import written_whole

RENAMED = "renamed"  # of `experiment.json`: directories by the names that are used today
CURVES = "curves.svg"

_AXIS: Mapping[Metric, str] = {
    "accuracy": "validation error, %",
    "perplexity": "validation perplexity",
    "bits_per_character": "validation, bits per character",
}


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
    {**STORED, "architectures": ("architectures",)},
    may_change=(RENAMED,),
    current=_with_current_names,
)


@dataclasses.dataclass(frozen=True)
class ComparisonRequest(ExperimentRequest):
    """What is asked of a comparison.

    Attributes:
      architectures: lines of text, or names.
      test: whether to look at the test set after each training.
    """

    architectures: tuple[str, ...] = ()
    test: Test = dataclasses.field(default="once", kw_only=True)


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
    names = directories(request.architectures, experiment)
    trainings = {
        str(renamed.get(name, name)): FinalTraining(
            experiment, text, request.seed or 0, request.data_dir, request.overrides
        )
        for name, text in names.items()
    }
    if not request.resume:
        for training in trainings.values():  # before anything is written, not after hours
            make_trainee(training)
    wanted = _describe(request)
    with claim_workdir(path, wanted, kind=COMPARISON, resume=request.resume) as place:
        say(f"{experiment.name}: {experiment.source}")
        try:
            results = run_interruptibly(lambda: _train_each(trainings, place.path, request.test))
        except KeyboardInterrupt:
            say(f"stopped; continue with: {request.resume_command('compare_architectures')}")
            leave_now(INTERRUPTED_STATUS)
        say("\n" + table(results))
        if not experiment.has_test:
            say("no test figures: the data has no test split")
        say(_drawn(results, place.path / CURVES))
        say(f"everything lies in {place.path.resolve()}: {'  '.join(trainings)}")
    return FAILED_STATUS if any(r.status == "failed" for r in results.values()) else 0


def directories(architectures: Sequence[str], experiment: Experiment) -> dict[str, str]:
    """Return each architecture by its name, of those without one architecture_1 and so on.

    Raises:
      InputError: fewer than two, one that is none, or one that is there twice.
    """
    if len(architectures) < 2:
        raise InputError(
            f"--architecture is given {len(architectures)} times, and two at least are compared"
        )
    found: dict[str, str] = {}
    texts: set[str] = set()
    for text in architectures:
        named = read_named(text, experiment)
        if named.text in texts:
            raise InputError(f"--architecture={shortened(text)} is there twice")
        texts.add(named.text)
        unnamed = sum(name.startswith("architecture_") for name in found)
        found[named.name or f"architecture_{unnamed + 1}"] = text
    return found


def _describe(request: ComparisonRequest) -> dict[str, Any]:
    return {
        "kind": COMPARISON.kind,
        "experiment": request.experiment,
        "architectures": [current_name(text.strip()) for text in request.architectures],
        RENAMED: {},
        "seed": request.seed or 0,
        "overrides": list(request.overrides),
        "location": {"data_dir": request.data_dir},
    }


def _train_each(
    trainings: Mapping[str, FinalTraining], workdir: Path, test: Test
) -> dict[str, FinalResult]:
    results = {}
    for number, (name, training) in enumerate(trainings.items(), start=1):
        say(f"\n{number} of {len(trainings)}: {name}\n{draw_training(training)}")
        begun = Workdir(workdir / name).is_begun()
        results[name] = train(training, workdir / name, resume=begun, test=test)
        say(_outcome(results[name]))
    return results


def _outcome(result: FinalResult) -> str:
    if result.status == "failed":
        return f"failed: {result.failure}"
    assert result.best_validation is not None
    best = figure(result.best_validation, result.metric)
    found = f"best epoch {result.best_epoch}: validation {best}"
    return found if result.test is None else f"{found}, test {figure(result.test, result.metric)}"


def table(results: Mapping[str, FinalResult]) -> str:
    """Return the results side by side, one line each."""
    metric = next(iter(results.values())).metric
    heading = ("", "parameters", "multiply-adds", "s per epoch", _AXIS[metric], "epoch", "test")
    rows: list[tuple[str, ...]] = [heading]
    rows += [(name, *_cells(result)) for name, result in results.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in rows
    )


def _cells(result: FinalResult) -> tuple[str, ...]:
    seconds, best = result.seconds_per_epoch, result.best_validation
    return (
        f"{result.num_parameters:,}",
        f"{result.multiply_adds:,}",
        "-" if seconds is None else f"{seconds:.1f}",
        "-" if best is None else _value(best, result.metric),
        str(result.best_epoch or "-"),
        "failed"
        if result.status == "failed"
        else "-"
        if result.test is None
        else _value(result.test, result.metric),
    )


def _value(value: float, metric: Metric) -> str:
    shown = _plotted(value, metric)
    return f"{shown:.4f}" if metric == "bits_per_character" else f"{shown:.2f}"


def _plotted(value: float, metric: Metric) -> float:
    """Return a figure in the unit of `_AXIS`."""
    return 100 * (1 - value) if metric == "accuracy" else value


def _drawn(results: Mapping[str, FinalResult], path: Path) -> str:
    try:
        draw_curves(results, path)
    except ImportError:
        return f"no {path.name}: it needs matplotlib, pip install 'nas_with_rl[plots]'"
    return f"curves: {path}"


def draw_curves(results: Mapping[str, FinalResult], path: Path) -> None:
    """Draw the validation figures by epoch as SVG; perplexities on a logarithmic axis."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, MaxNLocator, ScalarFormatter

    metric = next(iter(results.values())).metric
    with rc_context({"font.size": 12, "svg.hashsalt": "curves"}):
        picture = Figure(figsize=(8, 5), layout="constrained")
        axes = picture.add_subplot(xlabel="epoch", ylabel=_AXIS[metric])
        for index, (name, result) in enumerate(results.items()):
            values = [_plotted(value, metric) for value in result.validation]
            style = ("-", "--", ":", "-.")[index // 10 % 4]  # the colours come back after ten
            axes.plot(range(1, len(values) + 1), values, f"{style}o", markersize=3, label=name)
        if metric == "perplexity":
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
            axes.yaxis.set_major_formatter(ScalarFormatter())
            axes.yaxis.set_minor_locator(LogLocator(subs=()))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
        with written_whole(path) as temporary:
            picture.savefig(temporary, format="svg", metadata={"Date": None})
