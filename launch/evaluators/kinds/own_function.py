"""Children that a function of one's own measures, named as `--evaluate=my_module:train`.

The function is called as `evaluation.InProcess` calls one: with `(architecture)`, `(architecture,
seed)` or `(architecture, trial)`; it returns the reward, (reward, {name: measurement}) or a
`Measurement`. Its module is imported where children are evaluated, and no earlier: the process that
leads a search need not have what the function needs. Nothing here imports Keras.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.launch.evaluators.child_process import Setup, name_of
from nas_with_rl.launch.evaluators.evaluation import Evaluation, InProcess
from nas_with_rl.launch.evaluators.kinds.kind import ChildProgram, LocatedExperiment
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement
from nas_with_rl.launch.evaluators.process_pool import ProcessPool
from nas_with_rl.launch.evaluators.running_trial import RunningTrial
from nas_with_rl.launch.experiments.children import OwnEvaluation
from nas_with_rl.launch.experiments.named_modules import (
    imported,
    importing,
    not_imported,
)
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.errors import InputError

_FLAG = "--evaluate"
IMPORT_SECONDS = 300.0  # for the module of one's own function, the first time


class OwnTrainer:
    """Calls a function of one's own for each child.

    Attributes:
      data: the function's name and the digest of its module's file, None where it has no file.
        What that module imports in its turn is not in the digest.
    """

    def __init__(self, child: OwnEvaluation):
        self._child = child
        self.data = {"function": child.function, "sha256": _digest(child.function)}

    def __call__(
        self, architecture: Architecture, seed: int, trial: RunningTrial | None = None
    ) -> Measurement:
        """Measure one child."""
        evaluator = self._evaluator
        if trial is None:
            result = evaluator.measured(Evaluation(0, architecture, seed))
        else:
            result = evaluator.returned(architecture, trial)
        if isinstance(result, Failure):
            raise ChildFailure(result.reason, result.message)
        return result

    @functools.cached_property
    def _evaluator(self) -> InProcess:
        return InProcess(imported_function(self._child))


def make_own_evaluate(
    child: OwnEvaluation,
) -> Callable[[Sequence[Evaluation]], list[Measurement | Failure]]:
    """Return what evaluates groups of children in a child process that needs no Keras.

    Raises:
      InputError: the function cannot be imported.
    """
    evaluator = InProcess(imported_function(child))
    return lambda group: [outcome.result for outcome in evaluator.evaluate(deque(group))]


def load(data: LocatedExperiment) -> OwnTrainer:
    """Find the function's module, which is not imported yet; InputError where there is none."""
    return OwnTrainer(data.experiment.child)


def setup(work: ChildProgram) -> Setup:
    """Return what child processes are told to do: what the function needs it imports itself."""
    return Setup(name_of(make_own_evaluate), work.data.experiment.child, backends=())


def check_in_process(processes: ProcessPool, data: LocatedExperiment) -> dict[str, Any]:
    """Import the function in a child process; return what `experiment.json` says of it.

    Raises:
      InputError: that cannot be done, or does not end.
    """
    child: OwnEvaluation = data.experiment.child
    found: dict[str, Any]
    try:
        (found,) = processes.call(name_of(check_function), [child], seconds=IMPORT_SECONDS)
    except ChildFailure as failure:  # it has no end, or has ended the process
        raise InputError(
            f"--evaluate={child.function}: its module cannot be imported: {failure} (what takes "
            "long belongs into the function)"
        ) from None
    return found


def check_function(child: OwnEvaluation) -> dict[str, Any]:
    """Import the function, in the process that this is called in.

    Returns:
      What `experiment.json` says of it.

    Raises:
      InputError: that cannot be done.
    """
    imported_function(child)
    return OwnTrainer(child).data


def imported_function(child: OwnEvaluation) -> Callable[..., Any]:
    """Return the function; InputError where its module or the function is missing."""
    function: Callable[..., Any] = imported(child.function, flag=_FLAG)
    if not callable(function):
        raise InputError(
            f"{_FLAG}={child.function}: it is of type {type(function).__name__}, no function"
        )
    return function


def _digest(text: str) -> str | None:
    """Return the SHA-256 of the file of a name's module, which is found but not imported."""
    module = text.partition(":")[0]
    with importing(text, _FLAG):
        try:
            spec = importlib.util.find_spec(module)  # imports the packages that it lies in
        except ValueError:  # one that Python was started with, and knows no file of
            return None
    if spec is None:
        missing = ModuleNotFoundError(f"No module named {module!r}", name=module)
        raise not_imported(missing, text, _FLAG)
    if not spec.has_location or spec.origin is None:
        return None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
