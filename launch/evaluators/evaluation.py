"""What turns an architecture into a measurement or a named failure: the evaluator's interface."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import socket
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Protocol

from nas_with_rl.child_models.failures import ChildFailure, Stopped
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement, result_of
from nas_with_rl.launch.evaluators.running_trial import Rungs, RunningTrial
from nas_with_rl.launch.experiments.search_config import OnError
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.errors import MOST_SHOWN, InputError, line_of, shortened, shown


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What is to be evaluated: an architecture for a trial, with its child's seed.

    Attributes:
      directory: of the trial alone; None for a temporary one.
      rungs: at which it may be stopped early; None where nothing is.
    """

    trial: int
    architecture: Architecture
    seed: int
    directory: str | None = None
    rungs: Rungs | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of an evaluation, where and when (seconds since the epoch)."""

    evaluation: Evaluation
    result: Measurement | Failure
    worker: str
    started: float
    ended: float


class Evaluator(Protocol):
    """Evaluates architectures; the search loop never knows where."""

    def evaluate(self, queue: deque[Evaluation]) -> Generator[Outcome, None, None]:
        """Take evaluations off a queue and yield the outcome of each, as they come, in any order.

        More may be put on the queue whenever an outcome is yielded; it ends when none is left. A
        failed child is an outcome; an error of the program is raised.
        """


EvaluateFunction = Callable[..., Any]  # what it may return is in `measurements.result_of`

MOST_CRASHES_IN_A_ROW = 20  # failed children; then it is no chance, the set-up is broken
NO_TRIAL = (  # of early stopping
    "which has no effect: evaluate takes no trial, as evaluate(architecture, trial) does, to which "
    "it would report"
)
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class InProcess:
    """Evaluates one architecture after the other by calling a function in this process.

    The function takes `(architecture)`, `(architecture, seed)` or `(architecture, trial)`, which is
    a `RunningTrial` and known by its name, and returns the reward, a pair of the reward and named
    measurements, or a `Measurement`. It raises `ChildFailure` where the child has failed, and lets
    `Stopped` pass; a reward that is not finite is the failure "diverged". Any other exception stops
    the search, with a note that names the architecture; with `on_error="fail"` it is the failure
    "crashed", whose message has the traceback. `sys.exit` is such an exception.
    """

    def __init__(self, function: EvaluateFunction, *, on_error: OnError = "raise"):
        self._function, self._on_error = function, on_error
        self._named = named_arguments(function)
        parameters = inspect.signature(function).parameters.values()
        required = [p for p in parameters if p.default is p.empty and p.kind in _POSITIONAL]
        self._seed_by_place = not self._named and len(required) > 1
        self._worker = socket.gethostname()

    def evaluate(self, queue: deque[Evaluation]) -> Generator[Outcome, None, None]:
        """Yield the outcomes in the order of the queue."""
        while queue:
            evaluation = queue.popleft()
            started, begun = time.time(), time.monotonic()
            result = self._result(evaluation)
            seconds = time.monotonic() - begun  # whatever is done to the clock meanwhile
            yield Outcome(evaluation, result, self._worker, started, started + seconds)

    def measured(self, evaluation: Evaluation) -> Measurement | Failure:
        """Call the function for one child; what it raises besides `ChildFailure` is raised."""
        trial = RunningTrial(
            evaluation.trial, evaluation.seed, evaluation.directory, evaluation.rungs
        )
        with contextlib.closing(trial):
            return trial.result(self.returned(evaluation.architecture, trial))

    def returned(self, architecture: Architecture, trial: RunningTrial) -> Measurement | Failure:
        """Return the same as `measured`, without what the trial is told meanwhile.

        Raises:
          InputError: the child may be stopped early, and the function takes no trial.
        """
        if trial.is_watched and "trial" not in self._named:
            raise InputError(f"search.early_stopping is on, {NO_TRIAL}")
        try:
            with out_of_memory_is_a_failure():
                found = self._called(architecture, trial)
                is_left = found is None and trial.is_stopped  # `except Stopped: return`
                return trial.stopped() if is_left else result_of(found)
        except Stopped:
            return trial.stopped()
        except ChildFailure as failure:
            return Failure(failure.reason, str(failure))
        except SystemExit as left:  # which would end this program as if all were well
            name = getattr(self._function, "__name__", "")
            title = f"{self._function.__module__}:{name}" if name else "evaluate"
            raise RuntimeError(f"{title} called sys.exit({left.code!r})") from left

    def _called(self, architecture: Architecture, trial: RunningTrial) -> object:
        if self._seed_by_place:
            return self._function(architecture, trial.seed)
        known = {"seed": trial.seed, "trial": trial}
        return self._function(architecture, **{name: known[name] for name in self._named})

    def _result(self, evaluation: Evaluation) -> Measurement | Failure:
        try:
            return self.measured(evaluation)
        except Exception as error:
            if self._on_error == "fail":
                return Failure("crashed", f"{line_of(error)}\n{traceback.format_exc()}")
            if isinstance(error, InputError):  # of which a binary prints the message alone
                raise InputError(f"{error} ({_child(evaluation)})") from error
            note_child(error, evaluation)
            raise


def named_arguments(function: EvaluateFunction) -> tuple[str, ...]:
    """Return which of "seed" and "trial" a function takes by these names, after its first."""
    others = list(inspect.signature(function).parameters.values())[1:]
    names = [each.name for each in others if each.kind in _BY_NAME]
    return tuple(name for name in ("seed", "trial") if name in names)


def check_evaluate(evaluate: object) -> None:
    """Raise InputError unless this can be called in one of the ways that `search` knows."""
    if not callable(evaluate):
        raise InputError(f"evaluate is {shown(evaluate)}, no function")
    try:
        signature = inspect.signature(evaluate)
    except (TypeError, ValueError):
        raise InputError(
            f"evaluate is {shown(evaluate)}, whose parameters Python does not tell; wrap it, as in "
            "lambda architecture: ..."
        ) from None
    named = named_arguments(evaluate)
    for given in ((None,),) if named else ((None,), (None, 0)):
        with contextlib.suppress(TypeError):
            signature.bind(*given, **dict.fromkeys(named))
            return
    raise InputError(
        "evaluate is called with (architecture), (architecture, seed) or (architecture, trial), "
        f"and takes {shortened(str(signature))}"
    )


def note_child(error: Exception, evaluation: Evaluation) -> None:
    """Let an exception's traceback end with the child that it was raised for."""
    with contextlib.suppress(Exception):  # of an exception that takes none, as a frozen one
        error.add_note(f"raised for {_child(evaluation)}, seed {evaluation.seed}")


def _child(evaluation: Evaluation) -> str:
    return f"trial {evaluation.trial}, architecture '{evaluation.architecture}'"


class CrashLimit:
    """An evaluator that ends the search where too many children in a row have crashed."""

    def __init__(self, evaluator: Evaluator):
        self._evaluator = evaluator

    def evaluate(self, queue: deque[Evaluation]) -> Generator[Outcome, None, None]:
        """Yield the outcomes of another evaluator; those that have crashed as well.

        Raises:
          InputError: the last `MOST_CRASHES_IN_A_ROW` children have crashed.
        """
        in_a_row = 0
        with contextlib.closing(self._evaluator.evaluate(queue)) as outcomes:
            for outcome in outcomes:
                yield outcome
                result = outcome.result
                crashed = isinstance(result, Failure) and result.reason == "crashed"
                in_a_row = in_a_row + 1 if crashed else 0
                if isinstance(result, Failure) and in_a_row >= MOST_CRASHES_IN_A_ROW:
                    last = shortened(result.message.partition("\n")[0], MOST_SHOWN)
                    raise InputError(
                        f"{in_a_row} children in a row have crashed, the last with: {last}; the "
                        "set-up seems to be broken: mend it, then resume the run"
                    )


class MetricRequired:
    """An evaluator that ends the search where its first child lacks a measurement that it needs."""

    def __init__(self, evaluator: Evaluator, metric: str):
        self._evaluator, self._metric, self._is_known = evaluator, metric, False

    def evaluate(self, queue: deque[Evaluation]) -> Generator[Outcome, None, None]:
        """Yield the outcomes of another evaluator.

        Raises:
          InputError: the first child that has trained has no such measurement.
        """
        with contextlib.closing(self._evaluator.evaluate(queue)) as outcomes:
            for outcome in outcomes:
                result = outcome.result
                # One that was stopped early has come to no measurement of its own.
                if isinstance(result, Measurement) and not (result.is_stopped or self._is_known):
                    self._check(result)
                yield outcome

    def _check(self, measured: Measurement) -> None:
        names = shortened(", ".join(map(str, measured.metrics)) or "none", MOST_SHOWN)
        if self._metric not in measured.metrics:
            raise InputError(
                f"options.metric is {shown(self._metric)}, which evaluate has not returned: of "
                f"measurements there is {names}; return (reward, {{{self._metric!r}: value}})"
            )
        self._is_known = True
