"""A search's result read from its workdir, whoever began it and whether it goes on or not."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.experiments.overrides import (
    Config,
    as_json,
    difference,
    from_json,
    space_from_json,
)
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.records.continuation import metric_of, stored_search
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.records.workdir import EXPERIMENT_FILE, MODEL_FILE, Workdir
from nas_with_rl.launch.results.search_result import SearchResult
from nas_with_rl.launch.results.units import checked_unit
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.decisions import Options
from nas_with_rl.search_spaces.errors import InputError, shown_path
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import SearchSpace

# Which read their architectures as more than decisions, by the name that `experiment.json` has.
_READERS: Mapping[str, type] = MappingProxyType(
    {kind.__name__: kind for kind in (ConvolutionalSpace, RecurrentCellSpace, NasBench201Space)}
)
# Of children by whatever kind: what they are thought of in, where they have it.
_USUAL_METRICS = ("validation_perplexity", "validation_accuracy")


def load(
    workdir: str | Path,
    *,
    space: SearchSpace | Mapping[str, Options] | None = None,
    metric: str | None = None,
) -> SearchResult:
    """Return the result so far of a search in a workdir, of `nas.search` or of a binary.

    Nothing is written, and no module that the run names is imported. A search may go on there
    meanwhile; call this again to see more.

    Args:
      workdir: of the search.
      space: that was searched, where its options are classes, functions and the like: without it
        they are their names.
      metric: the measurement that the result speaks of; None for the run's own.

    Raises:
      InputError: there is no search, or it cannot be read; another space; no trial has the metric.
    """
    place = Workdir(workdir, flag="workdir")
    description = _description(place)
    trials = _trials(place)
    if metric is not None:
        metric = checked_unit(metric, trials).metric
    return SearchResult(
        _given_space(space, description, place)
        if space is not None
        else _space(description, place),
        trials,
        place.path,
        metric=metric or _metric(description, trials),
        config=_stored(SearchConfig, description["search"], place),
    )


def _description(place: Workdir) -> Mapping[str, Any]:
    """Return what `experiment.json` says of a search; InputError where there is none."""
    path = shown_path(place.path)
    if not place.is_begun():
        what = "no directory" if not place.path.is_dir() else f"no run in it: no {EXPERIMENT_FILE}"
        raise InputError(f"workdir={path}: there is {what}")
    kind = place.read().get("kind")
    if isinstance(kind, str):
        advice = f"; nas.load_model opens its {MODEL_FILE}" if place.model.exists() else ""
        kind = kind.replace("_", " ")
        raise InputError(f"workdir={path} holds a run of another kind, {kind}, no search{advice}")
    return stored_search(place)


def _trials(place: Workdir) -> tuple[Trial, ...]:
    if not place.trials.exists():  # it has just begun
        return ()
    with contextlib.closing(TrialStore(place.trials, read_only=True)) as store:
        return tuple(store.all())


def _metric(description: Mapping[str, Any], trials: Sequence[Trial]) -> str | None:
    if metric := metric_of(description):
        return metric
    completed = next((trial for trial in trials if trial.status == "completed"), None)
    child = description.get("child")
    kind = child.get("kind") if isinstance(child, dict) else None
    if completed is None or kind in (None, "OwnEvaluation"):
        return None
    usual = ("value",) if kind == "TabularLookup" else _USUAL_METRICS
    return next((name for name in usual if name in completed.metrics), None)


def _given_space(
    space: SearchSpace | Mapping[str, Options],
    description: Mapping[str, Any],
    place: Workdir,
) -> SearchSpace:
    """Return a space that is the one which was searched, as far as the run tells."""
    given = space if isinstance(space, SearchSpace) else SearchSpace(space)  # type: ignore[arg-type]
    stored = _decisions(description)
    if stored is not None:
        there, here = ({**each, "depth": None} for each in (stored, as_json(given)))
        if found := difference({name: there.get(name) for name in here}, here):
            raise InputError(
                f"workdir={shown_path(place.path)} holds a search of another space; "
                f"there / here: {found}"
            )
    return given


def read_space(values: Any) -> SearchSpace | None:
    """Return the space of one of this project's readers, as `experiment.json` has it.

    None for any other.
    """
    kind = _READERS.get(str(values.get("kind"))) if isinstance(values, dict) else None
    try:
        return None if kind is None else from_json(kind, values).search_space()
    except InputError:
        return None


def _space(description: Mapping[str, Any], place: Workdir) -> SearchSpace:
    """Return the space that was searched, with its reader where that is one of this project's."""
    space = stored_space(description, place)
    group = description["space"]
    kind = _READERS.get(str(group.get("kind")))
    if kind is None:
        return space
    read: SearchSpace = _stored(kind, group, place).search_space()
    same = (read.decisions, read.layer_decisions) == (space.decisions, space.layer_decisions)
    return read if same else space


def stored_space(description: Mapping[str, Any], place: Workdir) -> SearchSpace:
    """Return the space that was searched: its decisions say it, whoever defined them.

    Raises:
      InputError: they cannot be read.
    """
    if (values := _decisions(description)) is not None:
        try:
            return space_from_json(values)
        except InputError as error:
            raise InputError(f"{_file(place)}: {error}") from None
    name, overrides = description.get("experiment"), description.get("overrides")
    if isinstance(name, str) and ":" not in name and isinstance(overrides, list):
        return configure(name, overrides).search_space()  # of an earlier version
    raise InputError(f"{_file(place)} does not say which decisions the space has")


def _decisions(description: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for values in (description.get("decisions"), description["space"]):
        if isinstance(values, dict) and "decisions" in values:
            return values
    return None


def _stored(kind: type[Config], values: Any, place: Workdir) -> Config:
    try:
        return from_json(kind, values)
    except InputError as error:
        raise InputError(f"{_file(place)}: {error}") from None


def _file(place: Workdir) -> str:
    return shown_path(place.path / EXPERIMENT_FILE)
