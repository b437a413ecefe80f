"""The choice of a plan: a few timed steps of each program, kept for the next run."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.populations.memory import PopulationTooLarge
from nas_with_rl.launch.evaluators.child_process import name_of
from nas_with_rl.launch.evaluators.kinds.kind import (
    ChildProgram,
    LocatedExperiment,
    PopulationKind,
    Timing,
)
from nas_with_rl.launch.evaluators.kinds.rows import trainer_of
from nas_with_rl.launch.evaluators.plans import MAX_CHILDREN, Plan, parse_plan
from nas_with_rl.launch.evaluators.process_pool import ProcessPool
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.host import backend, compilation, resources
from nas_with_rl.launch.host.terminal import say
from nas_with_rl.launch.records.workdir import versions
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.whole_files import write_whole

_FILE = "plans.json"
# What a program for several children saved of a search's time, at most, where it was measured
# (quickstart: 33 s became 27). Where compiling the others takes longer none of them is tried.
SAVING = 0.2


@dataclasses.dataclass(frozen=True)
class PlanChoice:
    """A plan that was chosen, and why.

    Attributes:
      seconds: by plan, what the whole search would take; of plans that could not be measured none.
      is_remembered: whether they were measured in an earlier run.
      is_short: whether the search is too short for a try of the other plans.
    """

    plan: Plan
    seconds: Mapping[Plan, float]
    is_remembered: bool = False
    is_short: bool = False

    def describe(self) -> str:
        """Return the choice in a line."""
        compared = ", ".join(f"{plan} {_duration(s)}" for plan, s in self.seconds.items())
        if not self.seconds:
            return f"plan {self.plan}: {self.plan.describe()} (no program could be measured)"
        when = "measured earlier" if self.is_remembered else "measured"
        if self.is_short:
            compared += ", too short for a try of others to pay"
        return f"plan {self.plan}: {self.plan.describe()} ({when}: {compared}; --plan overrides)"


def choose_plan(
    kind: PopulationKind,
    data: LocatedExperiment,
    *,
    search: SearchConfig,
    processes: ProcessPool,
    memory_gib: float,
) -> PlanChoice:
    """Choose how children are trained: what a whole search by each plan would take.

    Measured once for an experiment on a machine; `compilation.cache_directory` remembers it. The
    first that can be measured alone, where compiling another would take longer than it may save.

    Args:
      kind: of children that can be trained together.
      data: what is trained, and on what.
      search: its batches and samples.
      processes: where it is measured, and will be trained.
      memory_gib: what each of them may have.
    """
    key = _key(data, search, processes.num_processes, memory_gib)
    if remembered := _remembered(key):
        return remembered
    say("measuring how children train fastest, once per experiment and machine ...")
    works = {
        plan: ChildProgram(data, plan.program, plan.num_children, memory_gib)
        for plan in _candidates(search.update_size, processes.num_processes)
    }
    works = {plan: work for plan, work in works.items() if _fits(kind, work)}
    first, *others = works
    timings = dict(zip([first], _timings(kind, [works[first]], processes), strict=True))
    is_short = _is_short(first, timings[first], search, num_others=len(others))
    if not is_short:
        found = _timings(kind, [works[plan] for plan in others], processes)
        timings |= zip(others, found, strict=True)
    seconds = {
        plan: _search_seconds(plan, timing, search)
        for plan, timing in timings.items()
        if timing is not None
    }
    if not seconds:  # all that was tried diverged; the search will say so of each child
        return PlanChoice(Plan("single", 1, processes.num_processes), {})
    best = min(seconds, key=seconds.__getitem__)
    choice = PlanChoice(best, seconds, is_short=is_short)
    _remember(key, choice)
    return choice


def _is_short(plan: Plan, timing: Timing | None, search: SearchConfig, *, num_others: int) -> bool:
    """Say whether a search takes so little by a plan that to try others takes longer than it saves.

    Each of the others is taken to need as long for its compilation as this one.
    """
    if timing is None:
        return False
    return num_others * timing.once > SAVING * _search_seconds(plan, timing, search)


def _candidates(batch_size: int, num_processes: int) -> list[Plan]:
    """One child at a time, a process's share of a batch at a time, and each child by itself."""
    share = min(math.ceil(batch_size / num_processes), MAX_CHILDREN)
    populations = [Plan("population", size, num_processes) for size in dict.fromkeys((1, share))]
    return [*populations, Plan("single", 1, num_processes)]


def _fits(kind: PopulationKind, work: ChildProgram) -> bool:
    try:
        kind.check_memory(work)
    except PopulationTooLarge:
        return False
    return True


def _timings(
    kind: PopulationKind, works: list[ChildProgram], processes: ProcessPool
) -> list[Timing | None]:
    try:
        return processes.call(name_of(kind.measure), works)
    except ChildFailure:  # which one is not known: each by itself
        return [_timing(kind, work, processes) for work in works]


def _timing(kind: PopulationKind, work: ChildProgram, processes: ProcessPool) -> Timing | None:
    with contextlib.suppress(ChildFailure):
        return processes.call(name_of(kind.measure), [work])[0]
    return None


def _search_seconds(plan: Plan, timing: Timing, search: SearchConfig) -> float:
    """What all batches take if every architecture is new: a batch waits for its last group."""
    num_groups = math.ceil(search.update_size / plan.num_children)
    rounds = math.ceil(num_groups / plan.num_processes)
    num_batches = math.ceil(search.most_children / search.update_size)
    return timing.once + num_batches * rounds * timing.each


def _key(
    data: LocatedExperiment, search: SearchConfig, num_processes: int, memory_gib: float
) -> str:
    from nas_with_rl.launch.evaluators.kinds.timing import CELLS_TRIED, TIMED_SEGMENTS

    experiment = data.experiment
    told: list[Any] = [as_json(each) for each in (experiment.space, experiment.child)]
    told += [as_json(experiment.data), search.update_size, search.most_children, num_processes]
    told += [memory_gib, trainer_of(data).data, compilation.processor(), resources.visible_gpus()]
    told += [os.environ.get(name) for name in ("XLA_FLAGS", "TF_XLA_FLAGS")]
    told += [versions(), CELLS_TRIED, TIMED_SEGMENTS, backend.of_children()]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _remembered(key: str) -> PlanChoice | None:
    try:
        found = _all_remembered()[key]
        seconds = {parse_plan(text): float(value) for text, value in found["seconds"].items()}
        plan, is_short = parse_plan(found["plan"]), bool(found.get("is_short"))
        return PlanChoice(plan, seconds, is_remembered=True, is_short=is_short)
    except (KeyError, TypeError, ValueError, AttributeError, InputError):
        return None  # as if nothing had been measured


def _remember(key: str, choice: PlanChoice) -> None:
    """Write the choice; where nothing can be written the next run measures again."""
    seconds = {str(plan): value for plan, value in choice.seconds.items()}
    found = {"plan": str(choice.plan), "seconds": seconds, "is_short": choice.is_short}
    kept = {**_all_remembered(), key: found}
    path = _path()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(json.dumps(kept, indent=1), path)


def _all_remembered() -> dict[str, Any]:
    try:
        kept = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _path() -> Path:
    return compilation.cache_directory() / _FILE


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
