"""Children on this machine: a search's evaluator, by a plan that is given, remembered or measured.

one process, or child processes -> group_work -> kinds, a row for each kind of child
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nas_with_rl.child_models.cells.known_cells import Cell
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.training import LanguageModelResult
from nas_with_rl.launch.evaluators.child_process import Setup, name_of
from nas_with_rl.launch.evaluators.evaluation import (
    Evaluator,
    InProcess,
    named_arguments,
)
from nas_with_rl.launch.evaluators.group_work import make_evaluate, setup_of
from nas_with_rl.launch.evaluators.kinds.kind import (
    ChildKind,
    ChildProgram,
    LocatedExperiment,
    Trainer,
)
from nas_with_rl.launch.evaluators.kinds.rows import kind_of, trainer_of
from nas_with_rl.launch.evaluators.plan_choice import choose_plan
from nas_with_rl.launch.evaluators.plans import AUTO, Plan, parse_plan
from nas_with_rl.launch.evaluators.process_pool import (
    Limits,
    ProcessPool,
    leave_gpus_to_the_processes,
)
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.host import backend, resources
from nas_with_rl.search_spaces.errors import InputError

if TYPE_CHECKING:  # which imports Keras
    from nas_with_rl.launch.evaluators.kinds.populations import CellTraining

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

        Trees of the experiment's own size are trained by the plan's program, as in the search,
        at whatever learning rate.
        """
        from nas_with_rl.launch.evaluators.kinds.populations import CellTraining, train_cell

        trainings = [CellTraining(self.work, *task) for task in tasks]
        if self.processes is None:
            return [train_cell(training) for training in trainings]
        try:
            return self.processes.call(name_of(train_cell), trainings)
        except ChildFailure:  # a process has died, of which model is not known: each by itself
            return [self._trained(training) for training in trainings]

    def _trained(self, training: CellTraining) -> LanguageModelResult | None:
        from nas_with_rl.launch.evaluators.kinds.populations import train_cell

        assert self.processes
        with contextlib.suppress(ChildFailure):
            return self.processes.call(name_of(train_cell), [training])[0]
        return None


@contextlib.contextmanager
def local_children(data: LocatedExperiment, plan: str) -> Iterator[LocalEvaluator]:
    """Yield where an experiment's children are trained; at the end its processes are gone.

    Args:
      data: what is trained, and on what; its search says how many children at a time, and their
        ceilings.
      plan: as `parse_plan` reads it, or "auto": what the kind's row says, and where it has
        populations the fastest program, measured.

    Raises:
      InputError: a plan that the experiment does not allow.
    """
    kind, search = kind_of(data.experiment), data.experiment.search
    assert search is not None
    given = _given(kind, plan)
    if given and given.program == "population" and search.early_stopping != "none":
        raise InputError(
            f"--plan={given} trains children together, none of which can be stopped before the "
            f"others (search.early_stopping={search.early_stopping}): use --plan=single"
        )
    if given and given.program == "here":
        if kind.check:
            kind.check(data.experiment.child)  # before the search has begun
        if kind.default != "here" and backend.is_the_childrens_alone():  # a table needs none
            raise InputError(
                f"--plan={given} trains children in this process, in which the controller has "
                f"TensorFlow: on KERAS_BACKEND={backend.of_children()} they need processes"
            )
        evaluator = InProcess(trainer_of(data), on_error=search.on_error)
        yield LocalEvaluator(given, _described(given), evaluator, ChildProgram(data, "here"))
        return
    leave_gpus_to_the_processes()
    processes = ProcessPool(
        Setup(name_of(make_evaluate)),  # of what is known when the plan is
        num_processes=given.num_processes if given else _num_processes(search),
        group_size=1,
        limits=Limits(search.child_seconds, search.child_memory_gib),
        on_error=search.on_error,
    )
    with processes:
        yield _in_processes(data, search, given=given, processes=processes)


def _in_processes(
    data: LocatedExperiment, search: SearchConfig, *, given: Plan | None, processes: ProcessPool
) -> LocalEvaluator:
    """Set processes up for the plan that is given, or chosen."""
    kind = kind_of(data.experiment)
    # A GPU's own memory is not known here; what does not fit there is the failure "out_of_memory".
    memory_gib = math.inf if resources.visible_gpus() else processes.memory_gib
    if kind.populations and given is None and search.early_stopping == "none":
        processes.start()  # those that nothing is measured in import meanwhile
        choice = choose_plan(
            kind.populations(), data, search=search, processes=processes, memory_gib=memory_gib
        )
        chosen, reason = choice.plan, choice.describe()
    else:
        chosen = given or Plan(kind.default, 1, processes.num_processes)
        reason = _described(chosen)
    work = ChildProgram(data, chosen.program, chosen.num_children, memory_gib)
    if kind.populations:
        kind.populations().check_memory(work)
    processes.work, processes.group_size = setup_of(work), chosen.num_children
    if kind.check_in_process:
        kind.check_in_process(processes, data)  # before the search has begun
    return LocalEvaluator(chosen, reason, processes, work, processes)


def check_limits(experiment: Experiment, plan: str) -> None:
    """Raise InputError for ceilings of child processes where a plan has none."""
    if plan != "here" and (plan != AUTO or kind_of(experiment).default != "here"):
        return
    for name in ("child_seconds", "child_memory_gib"):
        if value := getattr(experiment.search, name):
            raise InputError(
                f"search.{name} is {value}, which has no effect: --plan=here evaluates children "
                "in this process, which has no such ceiling"
            )


def check_early_stopping(experiment: Experiment, trainer: Trainer) -> None:
    """Raise InputError for a rule that stops children which never report how good they are."""
    rule = experiment.search.early_stopping if experiment.search else "none"
    if rule != "none" and "trial" not in named_arguments(trainer):
        raise InputError(
            f"search.early_stopping is {rule}, which has no effect: children of "
            f"{type(experiment.child).__name__} report nothing before their end"
        )


def _given(kind: ChildKind, text: str) -> Plan | None:
    """Return the plan that is asked for or needs no processes; None for any other."""
    if text == AUTO:
        return Plan("here") if kind.default == "here" else None
    plan = parse_plan(text)
    if plan.program == "population" and not kind.populations:
        raise InputError(
            f"--plan={text}: children of this kind are trained one by one, not in populations"
        )
    return plan


def _num_processes(search: SearchConfig) -> int:
    """Return one for each core or GPU, but no more than a batch keeps busy or memory holds."""
    most = min(resources.default_num_processes(), search.update_size)
    if search.child_memory_gib or resources.visible_gpus():
        return most
    return max(1, min(most, int(resources.memory_gib() / PROCESS_GIB) - 1))  # and this process


def _described(plan: Plan) -> str:
    return f"plan {plan}: {plan.describe()}"
