"""Figure 6 of Zoph & Le (2016) from a comparison of searchers: each beside random search, by seed.

Searches of the same seed are compared, and the differences averaged over the seeds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from nas_with_rl.launch.comparisons.contest import COMPARISON, SEARCHES, search_file
from nas_with_rl.launch.paper.top_models import (
    TOP,
    ModelMetric,
    RunModel,
    interval,
    metric_of,
    run_models,
    top_averages,
)
from nas_with_rl.launch.records.resumption import read_run
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.search_spaces.errors import InputError

RANDOM = "random"
FLAG = "--comparison"
Sign = Literal["better", "worse", "not told"]


class UnfinishedError(InputError):
    """A comparison lacks searches that it is to have."""


@dataclasses.dataclass(frozen=True)
class ContestModels:
    """The models of every search of a contest.

    Attributes:
      experiment: its name.
      description: its `experiment.json`.
      metric: see `FinishedSearch`.
      models: by searcher and, in it, by seed: those that were run, repeated and failed ones too.
    """

    experiment: str
    description: Mapping[str, Any]
    metric: ModelMetric
    models: Mapping[str, tuple[tuple[RunModel, ...], ...]]


@dataclasses.dataclass(frozen=True)
class Point:
    """How far random search's top k lies above a searcher's, after so many models.

    Attributes:
      num_models: that both have run.
      differences: by seed, in the metric; above 0 the searcher is better.
    """

    num_models: int
    differences: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return statistics.fmean(self.differences)

    @property
    def sign(self) -> Sign:
        """Which is better, where every seed says the same."""
        if all(difference > 0 for difference in self.differences):
            return "better"
        return "worse" if all(difference < 0 for difference in self.differences) else "not told"


def read_contest(workdir: str | Path) -> ContestModels:
    """Read the models of a comparison of searchers.

    Raises:
      InputError: no comparison there, one without random search or another searcher beside it, a
        search that has not ended, or none whose children have a perplexity or an accuracy.
    """
    place = Workdir(workdir, flag=FLAG)
    if not place.is_begun():
        raise InputError(f"{FLAG}={workdir} holds no comparison of searchers")
    try:
        told = read_run(place, COMPARISON)
    except InputError as error:
        raise InputError(str(error).replace("--workdir", FLAG, 1)) from None
    names, number = list(told["searchers"]), told["search"]["num_children"]
    if RANDOM not in names or len(names) < 2:
        raise InputError(
            f"{FLAG}={workdir} compares {', '.join(names)}: Figure 6 has a searcher beside random"
        )
    folder = place.path / SEARCHES / f"{number}-children"
    found = {
        name: tuple(_models(search_file(folder, name, seed)) for seed in range(told["seeds"]))
        for name in names
    }
    metrics = {metric for of_one in found.values() for metric, _ in of_one} - {None}
    if len(metrics) != 1:
        raise InputError(f"{FLAG}={workdir} holds no completed trial")
    models = {name: tuple(models for _, models in of_one) for name, of_one in found.items()}
    return ContestModels(told["experiment"], told, metrics.pop(), models)


def _models(path: Path) -> tuple[Any, tuple[RunModel, ...]]:
    if not path.exists():
        raise UnfinishedError(f"{path} is not there yet: the comparison has not ended")
    with contextlib.closing(TrialStore(path, read_only=True)) as store:
        trials = [trial for trial in store.all() if trial.status != "running"]
    return metric_of(trials), run_models(trials, path)


def curves_of(
    contest: ContestModels, searcher: str, *, top: Sequence[int] = TOP
) -> Mapping[int, tuple[Point, ...]]:
    """Return by k the points of a searcher's curve, every `interval` models.

    A curve ends with the shortest of the searches, and begins where each has k unique models.
    """
    pairs = list(zip(contest.models[searcher], contest.models[RANDOM], strict=True))
    shortest = min(len(models) for pair in pairs for models in pair)
    counts = range(interval(shortest), shortest + 1, interval(shortest))
    curves = {}
    for k in top:
        found = [[top_averages(models, counts, k) for models in pair] for pair in pairs]
        curves[k] = tuple(
            Point(n, tuple(drawn[n] - own[n] for own, drawn in found))
            for n in counts
            if all(n in each for of_seed in found for each in of_seed)
        )
    return curves
