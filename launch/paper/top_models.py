"""The best models of two searches side by side: Figure 6 of Zoph & Le (2016), control 2.

The figure shows, against the number of models run, how much worse the average of the top k unique
models is that random search has found than that of policy gradient, for k = 1, 5 and 15.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from nas_with_rl.child_models.rewards import LAST_EPOCHS
from nas_with_rl.launch.experiments.overrides import difference
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.records.workdir import EXPERIMENT_FILE, Workdir
from nas_with_rl.search_spaces.errors import InputError, shown

TOP = (1, 5, 15)  # k
INTERVAL = 400  # models between two points, as in the paper
MOST_POINTS = 40  # a run too short for that many gets a point every 1/40 of it

# What two searches must share, so that only what proposes the models differs. Of `search` that
# leaves how deep ConvNets are; the rest is the searcher's own or does not change a measurement.
_SHARED = ("space", "child", "data", "data_found")
_FLAGS = {"policy gradient": "--policy_gradient", "random search": "--random"}
_SEARCHERS = {"policy gradient": "reinforce", "random search": "random"}

ModelMetric = Literal["perplexity", "error"]
SearcherTitle = Literal["policy gradient", "random search"]
Curve = tuple[tuple[int, float], ...]  # models run, improvement


@dataclasses.dataclass(frozen=True)
class RunModel:
    """One model that was run, in the order of sampling; `value` is None where it failed."""

    architecture: str
    value: float | None


@dataclasses.dataclass(frozen=True)
class FinishedSearch:
    """What a search's workdir holds of the models it has run.

    Attributes:
      workdir: where.
      description: its `experiment.json`.
      metric: what `value` is, the lower the better: "perplexity" on the validation text after the
        last epoch, or the "error" in percent of the validation images, the least of the last five
        epochs, as the reward has it.
      models: the trials that have their outcome, repeated and failed ones too.
    """

    workdir: Path
    description: dict[str, Any]
    metric: ModelMetric
    models: tuple[RunModel, ...]

    @property
    def num_failed(self) -> int:
        """How many have no value."""
        return sum(model.value is None for model in self.models)


def read_search(workdir: str | Path, searcher: SearcherTitle) -> FinishedSearch:
    """Read a search's models.

    Raises:
      InputError: no search there, one by another searcher, or without a completed trial that has
        a validation perplexity or accuracy.
    """
    place = Workdir(workdir, flag=_FLAGS[searcher])
    for needed in (place.path / EXPERIMENT_FILE, place.trials):
        if not needed.exists():
            raise InputError(f"{place.path} holds no search: no {needed.name}")
    description = place.read()
    found = _group(description, "search").get("searcher")
    if found != _SEARCHERS[searcher]:
        raise InputError(
            f"{place.path} holds a search with search.searcher {found}, "
            f"not {_SEARCHERS[searcher]} as {searcher} is"
        )
    with contextlib.closing(TrialStore(place.trials, read_only=True)) as store:
        trials = [trial for trial in store.all() if trial.status != "running"]
    metric = metric_of(trials)
    if metric is None:
        raise InputError(f"{place.path} holds no completed trial")
    return FinishedSearch(Path(workdir), description, metric, run_models(trials, place.path))


def metric_of(trials: Sequence[Trial]) -> ModelMetric | None:
    """Return what the trials' models are compared by; None where none is completed."""
    completed = [trial for trial in trials if trial.status == "completed"]
    if not completed:
        return None
    return "perplexity" if "validation_perplexity" in completed[0].metrics else "error"


def run_models(trials: Sequence[Trial], workdir: Path) -> tuple[RunModel, ...]:
    """Return the models of trials in their order; InputError where one was not measured."""
    return tuple(RunModel(trial.architecture, _value(trial, workdir)) for trial in trials)


def _value(trial: Trial, workdir: Path) -> float | None:
    """Return a trial's validation perplexity or error in percent; None without a last epoch's."""
    if trial.status in ("failed", "stopped"):
        return None
    for name in ("validation_perplexity", "validation_accuracy"):
        if name in trial.metrics:
            measured = trial.metrics[name]
            values: list[Any] = measured if isinstance(measured, list) else [measured]
            if not values or not all(type(value) in (int, float) for value in values):
                raise InputError(
                    f"{workdir}: the {name} of trial {trial.number} is {shown(measured)}, which "
                    "are no numbers"
                )
            accuracy = name == "validation_accuracy"
            return 100 * (1 - max(values[-LAST_EPOCHS:])) if accuracy else values[-1]
    raise InputError(
        f"{workdir}: trial {trial.number} has neither validation_perplexity nor "
        "validation_accuracy; there is nothing to compare"
    )


def check_comparable(one: FinishedSearch, other: FinishedSearch) -> None:
    """Raise InputError, which names the first difference, unless only the searchers differ."""
    if found := difference(_compared(one), _compared(other)):
        raise InputError(
            f"{one.workdir} and {other.workdir} differ in more than the searcher: {found}"
        )


def _compared(search: FinishedSearch) -> dict[str, Any]:
    depth = _group(search.description, "search").get("depth")
    return {name: search.description.get(name) for name in _SHARED} | {
        "search": {"depth": depth},
        "metric": search.metric,
    }


def _group(description: dict[str, Any], name: str) -> dict[str, Any]:
    found = description.get(name)
    return found if isinstance(found, dict) else {}


def interval(num_models: int) -> int:
    """Return how many models lie between two points, for the shorter run's number of models."""
    return min(INTERVAL, max(num_models // MOST_POINTS, 1))


def top_averages(models: Sequence[RunModel], counts: Iterable[int], k: int) -> dict[int, float]:
    """Return the average of the top k unique models among the first n, for each count n.

    A model is its architecture's text. One that was measured again keeps its first value, since
    the lowest of several would reward repetition. Failed models are no models, but were run.

    Returns:
      by count; a count with fewer than k unique models is left out.
    """
    averages: dict[int, float] = {}
    seen: set[str] = set()
    ordered: list[float] = []
    start = 0
    for count in sorted(counts):
        for model in models[start:count]:
            if model.value is not None and model.architecture not in seen:
                seen.add(model.architecture)
                bisect.insort(ordered, model.value)
        start = count
        if len(ordered) >= k:
            averages[count] = statistics.fmean(ordered[:k])
    return averages


def improvements(
    policy_gradient: FinishedSearch, random: FinishedSearch, *, top: Sequence[int] = TOP
) -> dict[int, Curve]:
    """Return by k how far random search's top k lies above policy gradient's, on average.

    The points are at every `interval` models, up to the shorter run's end. Above zero, policy
    gradient is better.
    """
    shorter = min(len(policy_gradient.models), len(random.models))
    step = interval(shorter)
    counts = range(step, shorter + 1, step)
    curves = {}
    for k in top:
        learned = top_averages(policy_gradient.models, counts, k)
        drawn = top_averages(random.models, counts, k)
        curves[k] = tuple(
            (count, drawn[count] - learned[count])
            for count in counts
            if count in learned and count in drawn
        )
    return curves
