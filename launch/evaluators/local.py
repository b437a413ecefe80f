"""Children on this machine: a search's evaluator, by a plan that is given, remembered or measured.

one process, or child processes -> group_work -> `trainers`
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

from nas_with_rl.child_models.cells.known_cells import Cell
from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.training import LanguageModelResult
from nas_with_rl.launch.evaluators.child_process import Setup
from nas_with_rl.launch.evaluators.evaluation import Evaluator, InProcess
from nas_with_rl.launch.evaluators.group_work import (
    CellTraining,
    ChildProgram,
    LocatedExperiment,
    check_memory_of,
    train_cell,
    trainer_of,
)
from nas_with_rl.launch.evaluators.own_function import check_function
from nas_with_rl.launch.evaluators.plan_choice import choose_plan
from nas_with_rl.launch.evaluators.plans import AUTO, Plan, parse_plan
from nas_with_rl.launch.evaluators.process_pool import Limits, ProcessPool
from nas_with_rl.launch.experiments.children import OwnEvaluation, TableLookup
from nas_with_rl.launch.experiments.experiment import Child
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.host import resources
from nas_with_rl.search_spaces.errors import InputError

_EVALUATE = "nas_with_rl.launch.evaluators.group_work:make_evaluate"
_EVALUATE_OWN = "nas_with_rl.launch.evaluators.own_function:make_evaluate"
_LOAD_DATA = "nas_with_rl.launch.evaluators.group_work:load_data"
_CHECK_OWN = "nas_with_rl.launch.evaluators.own_function:check_function"
_TRAIN_CELL = "nas_with_rl.launch.evaluators.group_work:train_cell"
IMPORT_SECONDS = 300.0  # for the module of one's own function, the first time
PROCESS_GIB = 1.5  # that a child process needs at least
CellTask = tuple[Cell, LanguageModelTraining, int]  # a cell, its training and its seed


@dataclasses.dataclass(frozen=True)
class LocalEvaluator:
    """Where children are trained.

    Attributes:
      plan: by which program, how many together, in how many processes.
      reason: the plan in a line.
      evaluator: for the search.
      work: what is trained, on what, by which program.
      processes: None where all is done in this process.
    """

    plan: Plan
    reason: str
    evaluator: Evaluator
    work: ChildProgram
    processes: ProcessPool | None = None

    def train_cells(self, tasks: Sequence[CellTask]) -> list[LanguageModelResult | None]:
        """Train language models of given cells on the experiment's text; None for what fails.

        Trees of the experiment's own size are trained by the plan's program, as in the search.
        """
        trainings = [CellTraining(self.work, *task) for task in tasks]
        if self.processes is None:
            return [train_cell(training) for training in trainings]
        try:
            return self.processes.call(_TRAIN_CELL, trainings)
        except ChildFailure:  # a process has died, of which model is not known: each by itself
            return [self._trained(training) for training in trainings]

    def _trained(self, training: CellTraining) -> LanguageModelResult | None:
        assert self.processes
        with contextlib.suppress(ChildFailure):
            return self.processes.call(_TRAIN_CELL, [training])[0]
        return None


@contextlib.contextmanager
def local_children(
    data: LocatedExperiment, search: SearchConfig, plan: str
) -> Iterator[LocalEvaluator]:
    """Yield where an experiment's children are trained; at the end its processes are gone.

    Args:
      data: what is trained, and on what.
      search: how many children at a time, and their ceilings.
      plan: as `parse_plan` reads it, or "auto": language models by the fastest program, measured;
        images in a process per core or GPU; tables in this process.

    Raises:
      InputError: a plan that the experiment does not allow.
    """
    given = _given(data, search, plan)
    if given is not None and given.program == "here":
        work = ChildProgram(data, given.program)
        if isinstance(data.experiment.child, OwnEvaluation):
            check_function(data.experiment.child)  # before the search has begun
        yield LocalEvaluator(
            given, _described(given), InProcess(trainer_of(data), on_error=search.on_error), work
        )
        return
    num_processes = given.num_processes if given else _num_processes(search)
    leave_gpus_to_the_processes()
    processes = ProcessPool(
        Setup(_EVALUATE),
        num_processes=num_processes,
        group_size=1,
        limits=Limits(search.child_seconds, search.child_memory_gib),
        on_error=search.on_error,
    )
    # A GPU's own memory is not known here; what does not fit there is the failure "out_of_memory".
    memory_gib = math.inf if resources.visible_gpus() else processes.memory_gib
    with processes:
        if given:
            chosen, reason = given, _described(given)
        else:
            choice = choose_plan(data, search, processes, memory_gib=memory_gib)
            chosen, reason = choice.plan, choice.describe()
        work = ChildProgram(data, chosen.program, chosen.num_children, memory_gib)
        check_memory_of(work)
        processes.work = work_of(work)
        processes.group_size = chosen.num_children
        if isinstance(data.experiment.child, OwnEvaluation):
            _checked_own(processes, data.experiment.child)  # before the search has begun
        yield LocalEvaluator(chosen, reason, processes, work, processes)


def check_limits(child: Child, search: SearchConfig, plan: str) -> None:
    """Raise InputError for ceilings of child processes where a plan has none."""
    if plan != "here" and (plan != AUTO or not isinstance(child, TableLookup)):
        return
    for name in ("child_seconds", "child_memory_gib"):
        if value := getattr(search, name):
            raise InputError(
                f"search.{name} is {value}, which has no effect: --plan=here evaluates children "
                "in this process, which has no such ceiling"
            )


def work_of(work: ChildProgram) -> Setup:
    """Return what child processes are told to do."""
    child = work.data.experiment.child
    if isinstance(child, OwnEvaluation):
        return Setup(_EVALUATE_OWN, child, backends=())  # what it needs it imports itself
    return Setup(_EVALUATE, work)


def start_process(processes: ProcessPool, data: LocatedExperiment) -> dict[str, Any]:
    """Start one process before its first child; return what it found as data.

    Raises:
      InputError: it could not train any child.
    """
    child = data.experiment.child
    if isinstance(child, OwnEvaluation):
        return _checked_own(processes, child)
    (found,) = processes.call(_LOAD_DATA, [data])
    return found


def _checked_own(processes: ProcessPool, child: OwnEvaluation) -> dict[str, Any]:
    """Import an own function in a child process; return what `experiment.json` says of it."""
    try:
        (found,) = processes.call(_CHECK_OWN, [child], seconds=IMPORT_SECONDS)
    except ChildFailure as failure:  # it has no end, or has ended the process
        raise InputError(
            f"--evaluate={child.function}: its module cannot be imported: {failure} (what takes "
            "long belongs into the function)"
        ) from None
    return found


def _given(data: LocatedExperiment, search: SearchConfig, text: str) -> Plan | None:
    """Return the plan that is asked for or goes without saying; None where it is to be chosen."""
    child = data.experiment.child
    plan = None if text == AUTO else parse_plan(text)
    if plan and plan.program == "population" and not isinstance(child, LanguageModelTraining):
        raise InputError(
            f"--plan={text}: populations are of recurrent cells, not of images or tables"
        )
    if plan:
        return plan
    if isinstance(child, TableLookup):
        return Plan("here")
    if isinstance(child, ImageTraining | OwnEvaluation):
        return Plan("single", 1, _num_processes(search))
    return None


def _num_processes(search: SearchConfig) -> int:
    """Return one for each core or GPU, but no more than a batch keeps busy or memory holds."""
    most = min(resources.default_num_processes(), search.update_size)
    if search.child_memory_gib or resources.visible_gpus():
        return most
    return max(1, min(most, int(resources.memory_gib() / PROCESS_GIB) - 1))  # and this process


def cluster_plan(child: Child) -> Plan:
    """Return the plan of a cluster's worker: one child at a time, in one child process.

    A table's is what one process would do, as it says the same everywhere.
    """
    if isinstance(child, LanguageModelTraining):
        return Plan("population", 1, 1)
    return Plan("here") if isinstance(child, TableLookup) else Plan("single", 1, 1)


def _described(plan: Plan) -> str:
    return f"plan {plan}: {plan.describe()}"


def leave_gpus_to_the_processes() -> None:
    """Hide GPUs from this process, which would otherwise take the memory of all."""
    if resources.visible_gpus():
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")
