"""Continuing a search: what has to agree with the run that is there, and what is taken over.

`nas.search` and the binaries continue each other's runs, where one's own function evaluates: seed,
settings and decisions have to agree; the run's name and its function's are each side's own.
"""

from __future__ import annotations

import dataclasses
import datetime
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.launch.experiments.named_modules import naming_flags
from nas_with_rl.launch.experiments.search_config import SearchConfig, trials_for
from nas_with_rl.launch.records import resumption
from nas_with_rl.launch.records.resumption import (
    STORED,
    Description,
    RunKind,
    SearchRequest,
    read_run,
)
from nas_with_rl.launch.records.workdir import EXPERIMENT_FILE, Workdir
from nas_with_rl.search_spaces.errors import InputError, shown

# What a resumed search may change of its settings.
EXTENDABLE = (
    "num_samples",
    "num_children",
    "num_replicas",
    "on_repeats",
    "child_seconds",
    "child_memory_gib",
    "on_error",
)


def _current(stored: Description) -> Description:
    """Return a search's description with what it would say today.

    A run that does not say by which statistic it reads a table's seeds was begun when there was the
    median alone, and goes on with that.
    """
    child, overrides = stored.get("child"), stored.get("overrides")
    if not isinstance(child, dict) or not isinstance(overrides, list):
        return stored
    if child.get("kind") != "TableLookup" or "statistic" in child:
        return stored
    return stored | {"overrides": ["child.statistic=median", *overrides]}


SEARCH = RunKind(
    "search",
    None,
    {
        **STORED,
        "num_samples": ("search.num_samples",),
        "evaluate": ("evaluate",),
        "plan": ("location.plan",),
    },
    # The settings that overrides give are compared, and decisions say the same as the space.
    # A table may lie elsewhere: its cells are compared.
    may_change=("overrides", "decisions", "space.path", *(f"search.{name}" for name in EXTENDABLE)),
    groups=("search", "controller", "space"),
    current=_current,
)
_HANDED_OVER = ("seed", "search", "controller")  # what both sides know, beside the decisions
COMMAND = "python -m nas_with_rl.launch.search --resume"


def stored_search(place: Workdir) -> Description:
    """Return the description of the search that is here; InputError for another kind of run."""
    return read_run(place, SEARCH)


def is_of_python(description: Mapping[str, Any]) -> bool:
    """Say whether a run was begun by `nas.search`."""
    return "overrides" not in description


def is_own_evaluation(description: Mapping[str, Any]) -> bool:
    """Say whether a function of one's own evaluates a run's children."""
    child = description.get("child")
    return child is None or (isinstance(child, dict) and child.get("kind") == "OwnEvaluation")


def metric_of(description: Mapping[str, Any]) -> str | None:
    """Return the measurement that a run of `nas.search` is thought of in; None for the reward."""
    location = description.get("location")
    metric = location.get("metric") if isinstance(location, dict) else None
    return metric if isinstance(metric, str) else None


def complete_search(request: SearchRequest) -> SearchRequest:
    """Return a request with what a resumed search's own `experiment.json` says, or a new workdir.

    Raises:
      InputError: --resume without --workdir, or a workdir without a run of a named experiment.
    """
    if not request.resume:
        if request.workdir is None and request.experiment is not None:
            name = request.experiment.rpartition(":")[2]  # of module:attribute
            return dataclasses.replace(request, workdir=resumption.new_workdir(name))
        return request
    stored = resumption.stored_run(request, SEARCH)
    if not is_of_python(stored):  # runs did not always say their plan
        plan = stored.get("location", {}).get("plan", "here")
        request = dataclasses.replace(request, plan=request.plan or plan)
    elif request.experiment is None:
        raise InputError(
            f"--workdir={request.workdir} holds a run that was begun in Python: continue it there, "
            "with nas.search(..., options=nas.SearchOptions(resume=True)), or here with "
            "--experiment=MODULE:ATTRIBUTE, an nas.Experiment of the same space and settings that "
            "has your function"
        )
    return resumption.complete(_with_more_trials(request, stored), stored, SEARCH)


def _with_more_trials(request: SearchRequest, stored: Description) -> SearchRequest:
    """Return a request for more children alone with trials enough for them."""
    asked = asked_children(request)
    there = stored["search"].get("num_samples")
    if asked in (None, stored["search"].get("num_children")) or not isinstance(there, int):
        return request
    return dataclasses.replace(request, num_samples=max(there, trials_for(asked or 0)))


def asked_children(request: SearchRequest) -> int | None:
    """Return the children that a request asks for, where it says nothing of trials; or None."""
    given = {
        name.strip(): value.strip()
        for name, _, value in (override.partition("=") for override in request.overrides)
    }
    value = given.get("search.num_children", "")
    if request.num_samples is not None or "search.num_samples" in given or not value.isdecimal():
        return None
    return int(value[:10]) or None


def taken_over(
    config: SearchConfig, controller: ReinforceConfig, stored: Description
) -> tuple[SearchConfig, ReinforceConfig]:
    """Return settings with what a continued search takes over from the run that is there.

    That is the compilation of the controller, since programs round differently and nothing else
    does, and the reward of failures where the settings leave it to the search.
    """
    policy, reward = stored["controller"].get("policy"), stored["search"].get("failure_reward")
    compiled = policy.get("jit_compile") if isinstance(policy, dict) else None
    if isinstance(compiled, bool):
        changed = dataclasses.replace(controller.policy, jit_compile=compiled)
        controller = dataclasses.replace(controller, policy=changed)
    if config.failure_reward is None and isinstance(reward, int | float):
        config = dataclasses.replace(config, failure_reward=reward)
    return config, controller


def check_same_search(stored: Description, wanted: Description, workdir: Path) -> None:
    """Raise InputError unless a search continues the run that is there, apart from its length.

    Args:
      stored: of the run that is there.
      wanted: of the search, with what it has taken over.
      workdir: for the message.
    """
    there, here = stored, wanted
    if is_of_python(stored) != is_of_python(wanted):
        check_evaluation(stored, wanted, workdir)
        there, here = (
            {key: one.get(key) for key in _HANDED_OVER} | {"space": _decisions(one, workdir)}
            for one in (stored, wanted)
        )
    if is_own_evaluation(stored) and is_own_evaluation(wanted):
        there, here = map(_without_digest, (there, here))
    resumption.check_same(there, here, kind=SEARCH, workdir=workdir)


def check_evaluation(stored: Description, wanted: Description, workdir: str | Path) -> None:
    """Raise InputError where a run of `nas.search` and a binary's lack a function of one's own."""
    if is_of_python(stored) == is_of_python(wanted):
        return
    if not is_own_evaluation(wanted):
        raise InputError(
            f"--workdir={workdir} holds a run that was begun in Python, with a function of one's "
            f"own that evaluates, and {wanted['experiment']} trains by "
            f"{wanted['child']['kind']}: name the function, --evaluate=MODULE:FUNCTION"
        )
    if not is_own_evaluation(stored):
        raise InputError(
            f"--workdir={workdir} holds a run of {shown(stored.get('experiment'))}, which no "
            f"function of one's own evaluates: continue it with {_command(stored, workdir)}"
        )


def _decisions(description: Description, workdir: Path) -> Description:
    """Return what is decided in a run, without the depth where a schedule says it."""
    space = description["space"]
    decisions = space if "decisions" in space else description.get("decisions")
    if not isinstance(decisions, dict):
        raise InputError(
            f"--workdir={workdir} does not say which decisions its {space.get('kind')} has, as it "
            f"was begun by an earlier version: continue it with {_command(description, workdir)}"
        )
    has_schedule = description["search"].get("depth") is not None
    decided = {key: decisions.get(key) for key in ("decisions", "layer_decisions", "depth")}
    return decided | ({"depth": None} if has_schedule else {})


def _command(stored: Description, workdir: str | Path) -> str:
    """Return the command that continues a binary's run."""
    words = naming_flags(
        stored.get("experiment"),
        evaluate=stored.get("evaluate"),
        overrides=stored.get("overrides") or (),
    )
    return f"{COMMAND} {shlex.join((f'--workdir={workdir}', *words))}"


def _without_digest(description: Description) -> Description:
    """Return a description in which the source of one's own function is not compared."""
    found = description.get("data_found")
    if not isinstance(found, dict):
        return description
    return description | {"data_found": {**found, "sha256": None}}


def continued(stored: Description, wanted: Description, num_trials: int) -> Description:
    """Return what `experiment.json` says from now on of a run that is continued.

    Who began a run by name stays, since the names are needed to find its function again. Each
    change of what evaluates is kept in `changes`, with the number of trials at that time.

    Args:
      stored: of the run that is there.
      wanted: of the search, which `check_same_search` has let pass.
      num_trials: that the run has.
    """
    if is_of_python(wanted) and not is_of_python(stored):
        extended = {name: wanted["search"][name] for name in EXTENDABLE}
        merged = stored | {"search": {**stored["search"], **extended}}
    else:
        merged = stored | wanted
    if change := change_of(stored, wanted):
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        merged["changes"] = [*_changes(stored), {"at": now, "trial": num_trials, **change}]
    return merged


def change_of(stored: Description, wanted: Description) -> dict[str, dict[str, Any]]:
    """Return what evaluates before and after: its name and its source's digest, if they differ."""
    before, after = _evaluating(stored), _evaluating(wanted)
    differing = [name for name in after if name in before and before[name] != after[name]]
    if not differing:
        return {}
    return {
        "before": {name: before[name] for name in differing},
        "after": {name: after[name] for name in differing},
    }


def _evaluating(description: Description) -> dict[str, Any]:
    """Return by which name a run was continued last, and the digest of its own function's file."""
    named = [change["after"].get("experiment") for change in _changes(description)]
    found = {"experiment": next(filter(None, reversed(named)), description.get("experiment"))}
    if is_own_evaluation(description) and isinstance(description.get("data_found"), dict):
        found["sha256"] = description["data_found"].get("sha256")
    return found


def _changes(stored: Description) -> list[dict[str, Any]]:
    changes = stored.get("changes", [])
    if not isinstance(changes, list) or not all(
        isinstance(change, dict) and isinstance(change.get("after"), dict) for change in changes
    ):
        raise InputError(f"{EXPERIMENT_FILE}: changes is {shown(changes)}, no list of changes")
    return changes
