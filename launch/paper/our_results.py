"""This project's own results: what lies in the workdirs of finished trainings.

A run counts for a row of a table only if it is that row's run. It has to be a finished final
training that has looked at the test set, and to share with what the row's command resolves to

- the experiment's name and, where the row has one, the architecture; where it has none, the run
  is the winner of a grid search over a search of at least the row's number of trials;
- all of `data` and all of `space`, so that no smaller data set and no thinner network counts;
- all of `child`, so epochs, steps, hidden units or number of parameters, tied embeddings, batch
  size and the rest, apart from `TUNED`: the settings over which the paper's grid searches run and
  those that only change speed. A run that departs in one of these counts, and the table says so;
- for the Penn Treebank, the published files, by their digests.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.paper.printed_tables import PrintedMetric
from nas_with_rl.launch.records.resumption import read_run
from nas_with_rl.launch.records.training_result import TRAINING, FinalResult, read_result
from nas_with_rl.launch.records.workdir import (
    EXPERIMENT_FILE,
    FINAL,
    GRID_SEARCH,
    POINTS,
    RESULT_FILE,
    Workdir,
)
from nas_with_rl.search_spaces.errors import InputError

TUNED = frozenset(
    {
        "child.learning_rate",
        "child.weight_decay",
        "child.batch_norm_epsilon",
        "child.decay_epochs",
        "child.decay_factor",
        "child.decay_after",
        "child.init_scale",
        "child.dropout.embedding",
        "child.dropout.input",
        "child.dropout.recurrent",
        "child.dropout.output",
        "child.jit_compile",
    }
)
_METRICS: Mapping[PrintedMetric, str] = {
    "error": "accuracy",
    "perplexity": "perplexity",
    "bits_per_character": "bits_per_character",
}


@dataclasses.dataclass(frozen=True)
class OurRun:
    """One final training, as its workdir has it.

    Attributes:
      workdir: where.
      description: its `experiment.json`.
      result: its `result.json`.
      grid: of a grid search's winner, that search's `experiment.json`.
    """

    workdir: Path
    description: Mapping[str, Any]
    result: FinalResult
    grid: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a run has to be to count for a row.

    Attributes:
      experiment: what the row's command resolves to.
      architecture: as text, or a designed cell's name; None for any.
      metric: of the row's table.
      files: SHA-256 digests of the data by name of file; a run's data has to agree with those
        that it names.
    """

    experiment: Experiment
    architecture: str | None
    metric: PrintedMetric
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def is_meant_by(self, run: OurRun) -> bool:
        """Whether a run trains the row's architecture in the row's experiment."""
        named = (run.description.get("architecture"), run.description.get("named"))
        return run.description.get("experiment") == self.experiment.name and (
            self.architecture is None or self.architecture in named
        )

    def why_not(self, run: OurRun) -> str | None:
        """Say why a run that is meant for the row does not count; None where it counts."""
        wanted = _METRICS[self.metric]
        if run.result.status != "finished":
            return f"status {run.result.status}"
        if run.result.test is None:
            return "the test set was not looked at"
        if run.result.metric != wanted:
            return f"metric {run.result.metric}, not {wanted}"
        if self.architecture is None and (reason := self._why_not_found(run)):
            return reason
        for path, (there, here) in self._differences(run).items():
            if path not in TUNED:
                return f"{path} {_shown(there)}, not {_shown(here)}"
        for name, digest in _digests(run.description.get("data_found")).items():
            if self.files.get(name, digest) != digest:
                return f"its {name} is not the published file"
        return None

    def _why_not_found(self, run: OurRun) -> str | None:
        """Say why a run's architecture is not what the row's whole search has found."""
        if run.grid is None:
            return "its architecture is not a grid search's winner"
        search = self.experiment.search
        finished = run.grid.get("search", {}).get("finished_trials", 0)
        if search and finished < search.num_samples:
            return f"its search had {finished:,} of {search.num_samples:,} trials"
        return None

    def departures(self, run: OurRun) -> tuple[str, ...]:
        """Name the tuned settings in which a run departs from the row's command."""
        return tuple(
            f"{path} {_shown(there)} ({_shown(here)})"
            for path, (there, here) in self._differences(run).items()
            if path in TUNED
        )

    def figure(self, run: OurRun) -> float:
        """Return a counting run's test figure in the table's metric."""
        assert run.result.test is not None
        return 100 * (1 - run.result.test) if self.metric == "error" else run.result.test

    def _differences(self, run: OurRun) -> dict[str, tuple[Any, Any]]:
        """The settings, by dotted path, that differ: the run's value and the row's."""
        groups = ("data", "space", "child")
        there = _flat({name: run.description.get(name) for name in groups})
        here = _flat({name: as_json(getattr(self.experiment, name)) for name in groups})
        return {
            path: (there.get(path), here.get(path))
            for path in dict.fromkeys([*here, *there])
            if there.get(path) != here.get(path)
        }


@dataclasses.dataclass(frozen=True)
class RowResult:
    """What there is for one row.

    Attributes:
      figures: one per counting run, in the table's metric.
      runs: the counting runs.
      rejected: runs of the row's experiment and architecture that do not count, with the reason.
    """

    figures: tuple[float, ...] = ()
    runs: tuple[OurRun, ...] = ()
    rejected: tuple[tuple[OurRun, str], ...] = ()

    @property
    def looked_again(self) -> bool:
        """Whether a run's test set was looked at more than once."""
        return any(run.result.test_looks > 1 for run in self.runs)

    def shown(self, decimals: int) -> str:
        """Return the figure; of several the mean, sample standard deviation and number."""
        if not self.figures:
            return "not run"
        shown = f"{statistics.fmean(self.figures):.{decimals}f}"
        if len(self.figures) > 1:
            deviation = statistics.stdev(self.figures)
            shown += f" ± {deviation:.{decimals}f} ({len(self.figures)})"
        return shown + ("†" if self.looked_again else "")


def read_runs(folder: Path) -> tuple[tuple[OurRun, ...], tuple[str, ...]]:
    """Read every final training below a directory, in the order of their paths.

    A copy of a workdir, equal to the byte, is read once.

    Returns:
      the runs, and one line for each workdir that is damaged.
    """
    runs, warnings = [], []
    seen: set[tuple[bytes, ...]] = set()
    for path in sorted(folder.rglob(RESULT_FILE)):
        if path.parent.parent.name == POINTS:  # never tested, so never a row's run
            continue
        try:
            run = _read_run(path.parent)
            content = tuple(
                (path.parent / name).read_bytes() for name in (EXPERIMENT_FILE, RESULT_FILE)
            )
        except (InputError, OSError) as error:
            warnings.append(f"{path.parent} is left out: {error}")
            continue
        if content not in seen:
            seen.add(content)
            runs.append(run)
    return tuple(runs), tuple(warnings)


def _read_run(workdir: Path) -> OurRun:
    """Read one workdir; InputError where it is damaged."""
    description = read_run(Workdir(workdir), TRAINING)
    result = read_result(workdir)
    assert result is not None
    for name in ("experiment", "architecture"):
        if description.get(name) != getattr(result, name):
            raise InputError(
                f"{EXPERIMENT_FILE} has {name} {description.get(name)!r}, "
                f"{RESULT_FILE} {getattr(result, name)!r}"
            )
    _check_figure(result)
    return OurRun(workdir, description, result, _grid_of(workdir))


def _grid_of(workdir: Path) -> Mapping[str, Any] | None:
    """Return the `experiment.json` of the grid search whose winner was trained here."""
    above = Workdir(workdir.parent)
    if workdir.name != FINAL or not above.is_begun():
        return None
    description = above.read()
    return description if description.get("kind") == GRID_SEARCH else None


def _check_figure(result: FinalResult) -> None:
    """Raise InputError unless the test figure is one of its metric, and the test set looked at."""
    figure, looks = result.test, result.test_looks
    if figure is None:
        return
    highest = 1.0 if result.metric == "accuracy" else math.inf
    if not 0 <= figure <= highest or math.isinf(figure):
        raise InputError(f"test is {figure!r}, no {result.metric}")
    if not looks:
        raise InputError(f"test is {figure!r}, but test_looks is 0")


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by dotted path."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{prefix}{name}"
        flat |= _flat(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return flat


def _digests(data_found: Any) -> dict[str, str]:
    """Return the SHA-256 digests of the files that a run has read, by name."""
    files = data_found if isinstance(data_found, list) else []
    return {
        file["name"]: file["sha256"]
        for file in files
        if isinstance(file, dict) and isinstance(file.get("name"), str) and "sha256" in file
    }


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def our_result_of(wanted: Wanted, runs: Sequence[OurRun]) -> RowResult:
    """Return what the runs say of a row."""
    meant = [(run, wanted.why_not(run)) for run in runs if wanted.is_meant_by(run)]
    counting = tuple(run for run, why in meant if why is None)
    return RowResult(
        figures=tuple(wanted.figure(run) for run in counting),
        runs=counting,
        rejected=tuple((run, why) for run, why in meant if why is not None),
    )
