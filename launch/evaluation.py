"""What turns an architecture into a measurement or a named failure: the evaluator's interface."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from typing import Protocol

from nas_with_rl.child_models.failures import FAILURE_REASONS, ChildFailure, FailureReason
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure
from nas_with_rl.launch.trials import Metrics
from nas_with_rl.search_spaces.architecture import Architecture

MOST_CHARACTERS = 10_000  # of a failure's message
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # but for tabs and ends of lines


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What is to be evaluated: an architecture for a trial, with its child's seed."""

    trial: int
    architecture: Architecture
    seed: int


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What a child measured.

    Attributes:
      reward: finite; what the controller maximises.
      metrics: named measurements, a sequence where there is one per epoch.
      num_parameters: trainable weights, where there are any.
    """

    reward: float
    metrics: Metrics = dataclasses.field(default_factory=dict)
    num_parameters: int | None = None


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a child has no measurement.

    Attributes:
      reason: from a closed list.
      message: any text; what a terminal or the store would not take is written as \\x1b, and of
        more than `MOST_CHARACTERS` the middle is left out.
    """

    reason: FailureReason
    message: str

    def __post_init__(self) -> None:
        if self.reason not in FAILURE_REASONS:
            raise ValueError(f"reason is {self.reason!r}, not one of {', '.join(FAILURE_REASONS)}")
        object.__setattr__(self, "message", _printable(self.message))


def _printable(text: str) -> str:
    half = MOST_CHARACTERS // 2
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:half]}\n... {len(text) - 2 * half} characters ...\n{text[-half:]}"
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


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


EvaluateFunction = Callable[..., "float | Measurement | tuple[float, Mapping[str, float]]"]


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class InProcess:
    """Evaluates one architecture after the other by calling a function in this process.

    The function takes `(architecture)` or `(architecture, seed)` and returns the reward, a pair of
    the reward and named measurements, or a `Measurement`. It raises `ChildFailure` where the child
    has failed; a reward that is not finite is the failure "diverged". Any other exception stops
    the search.
    """

    def __init__(self, function: EvaluateFunction):
        self._function = function
        parameters = inspect.signature(function).parameters.values()
        self._seed_by_name = any(parameter.name == "seed" for parameter in parameters)
        required = [p for p in parameters if p.default is p.empty and p.kind in _POSITIONAL]
        self._seed_by_place = not self._seed_by_name and len(required) > 1
        self._worker = socket.gethostname()

    def evaluate(self, queue: deque[Evaluation]) -> Generator[Outcome, None, None]:
        """Yield the outcomes in the order of the queue."""
        while queue:
            evaluation = queue.popleft()
            started = time.time()
            result = self._result(evaluation)
            yield Outcome(evaluation, result, self._worker, started, time.time())

    def _called(self, evaluation: Evaluation) -> object:
        if self._seed_by_name:
            return self._function(evaluation.architecture, seed=evaluation.seed)
        if self._seed_by_place:
            return self._function(evaluation.architecture, evaluation.seed)
        return self._function(evaluation.architecture)

    def _result(self, evaluation: Evaluation) -> Measurement | Failure:
        try:
            with out_of_memory_is_a_failure():
                measurement = _measurement(self._called(evaluation))
        except ChildFailure as failure:
            return Failure(failure.reason, str(failure))
        return finite(measurement)


def finite(result: Measurement | Failure) -> Measurement | Failure:
    """Return the failure "diverged" for a measurement whose reward is not finite."""
    if isinstance(result, Measurement) and not math.isfinite(result.reward):
        return Failure("diverged", f"the reward is {result.reward}")
    return result


def _measurement(returned: object) -> Measurement:
    if isinstance(returned, Measurement):
        return returned
    if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], Mapping):
        reward, metrics = returned
        return Measurement(float(reward), {name: float(value) for name, value in metrics.items()})
    try:
        return Measurement(float(returned))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(
            "evaluate must return the reward, (reward, {name: measurement}) or a Measurement, "
            f"not {returned!r}"
        ) from None
