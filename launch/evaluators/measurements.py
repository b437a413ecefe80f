"""What a child measured, in Python's own numbers, whatever an evaluation returned it as.

Numbers are Python's, NumPy's, and the scalars of TensorFlow, JAX, PyTorch and Keras, none of which
is imported here: they are asked for their value by `item`, `numpy`, `__index__` or `__float__`.
"""

from __future__ import annotations

import dataclasses
import math
import operator
import re
from collections.abc import Collection, Mapping, Set
from typing import Any

from nas_with_rl.child_models.failures import FAILURE_REASONS, FailureReason
from nas_with_rl.launch.records.trial_store import Metrics
from nas_with_rl.search_spaces.errors import InputError, shown

LONGEST_MESSAGE = 10_000  # of a failure's message
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # but for tabs and ends of lines
_MOST_PARAMETERS = 2**63 - 1  # an integer of SQLite


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What a child measured.

    Attributes:
      reward: finite; what the controller maximises.
      metrics: named measurements, a sequence where there is one per epoch. NaN and infinities are
        stored as they are, and left out of curves.
      num_parameters: trainable weights, where there are any.
      is_stopped: whether the child was stopped early; the reward is what it reported last.
    """

    reward: float
    metrics: Metrics = dataclasses.field(default_factory=dict)
    num_parameters: int | None = None
    is_stopped: bool = False


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a child has no measurement.

    Attributes:
      reason: from a closed list.
      message: any text; what a terminal or the store would not take is written as \\x1b, and of
        more than `LONGEST_MESSAGE` the middle is left out.
    """

    reason: FailureReason
    message: str

    def __post_init__(self) -> None:
        if self.reason not in FAILURE_REASONS:
            raise ValueError(f"reason is {self.reason!r}, not one of {', '.join(FAILURE_REASONS)}")
        object.__setattr__(self, "message", _printable(self.message))


def _printable(text: str) -> str:
    half = LONGEST_MESSAGE // 2
    if len(text) > LONGEST_MESSAGE:
        text = f"{text[:half]}\n... {len(text) - 2 * half} characters ...\n{text[-half:]}"
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def result_of(returned: object) -> Measurement | Failure:
    """Return what an evaluation came to, as it is stored.

    A reward that is not finite is the failure "diverged"; a metric may be. True and False count
    as 1 and 0, an integer stays one, and an array of one element is a number.

    Args:
      returned: the reward, a pair of the reward and a mapping of metrics, or a `Measurement`.

    Raises:
      InputError: it is something else, or a metric is neither a number nor a sequence of numbers.
    """
    measurement = measurement_of(returned)
    if not math.isfinite(measurement.reward):
        return Failure("diverged", f"the reward is {measurement.reward}")
    return measurement


def measurement_of(returned: Any) -> Measurement:
    """Return a measurement of Python's own numbers; see `result_of`."""
    is_stopped = isinstance(returned, Measurement) and bool(returned.is_stopped)
    if isinstance(returned, Measurement):
        reward, metrics, count = returned.reward, returned.metrics, returned.num_parameters
    elif _is_pair(returned):
        (reward, metrics), count = returned, None
    elif (number := number_of(returned)) is not None:
        return Measurement(float(number))
    else:
        raise InputError(
            f"evaluate returned {_shown(returned)}; it must return the reward, which is a number, "
            f"(reward, {{name: measurement}}) or a Measurement{_advice(returned)}"
        )
    number = number_of(reward)
    if number is None:
        raise InputError(f"the reward that evaluate returned is {_shown(reward)}, not a number")
    if not isinstance(metrics, Mapping):
        raise InputError(
            f"the metrics that evaluate returned are {_shown(metrics)}, not a mapping of names to "
            "measurements"
        )
    return Measurement(
        float(number),
        dict(_metric(*item) for item in metrics.items()),
        _parameters(count),
        is_stopped,
    )


def _is_pair(returned: Any) -> bool:
    is_pair = isinstance(returned, tuple | list) and len(returned) == 2
    return is_pair and isinstance(returned[1], Mapping)


def last_number(measured: object) -> float | None:
    """Return a stored metric's finite number, the last epoch's of several; None without one.

    Stores of earlier versions may hold what is no number.
    """
    value = measured[-1] if isinstance(measured, list | tuple) and measured else measured
    number = number_of(value) if isinstance(value, int | float) else None
    return float(number) if number is not None and math.isfinite(number) else None


def _metric(name: object, measured: object) -> tuple[str, int | float | list[int | float]]:
    if not isinstance(name, str):
        raise InputError(f"a metric that evaluate returned is named {_shown(name)}, not by a text")
    # Of what is derived from str, an enumeration's member too; half a surrogate pair is no text.
    name = str.__str__(name).encode(errors="replace").decode()
    values = _values(measured)
    if values is None:
        return name, _metric_number(name, measured, "")
    numbers = [
        _metric_number(name, value, f"a sequence whose item {index} is ")
        for index, value in enumerate(values)
    ]
    return name, numbers


def _metric_number(name: str, value: object, where: str) -> int | float:
    number = number_of(value)
    if number is None:
        raise InputError(
            f"the metric {shown(name)} that evaluate returned is {where}{_shown(value)}; a "
            "metric is a number, or a sequence of numbers, one per epoch"
        )
    return number


def _values(measured: Any) -> list[Any] | None:
    """Return the items of what has an order; None for what is to be read as a number."""
    if not hasattr(measured, "shape"):
        is_series = isinstance(measured, Collection) and not isinstance(
            measured, str | bytes | bytearray | Mapping | Set
        )
        return list(measured) if is_series else None
    try:
        if len(measured.shape) == 0:
            return None
        has_list = hasattr(measured, "tolist")  # which TensorFlow's and Keras's have not
        return list(measured.tolist() if has_list else measured.numpy().tolist())
    except (TypeError, ValueError, AttributeError):  # it is no array after all
        return None


def _parameters(count: object) -> int | None:
    if count is None:
        return None
    number = number_of(count)
    if number is None or not 0 <= number <= _MOST_PARAMETERS or number != int(number):
        raise InputError(
            f"the num_parameters that evaluate returned is {_shown(count)}, not an integer from 0"
        )
    return int(number)


def number_of(value: Any) -> int | float | None:
    """Return Python's own number of the same value; None for what is none.

    An integer beyond the range of float is infinite, of whatever type it comes.
    """
    if isinstance(value, str | bytes | bytearray):  # float() would read "1e3"
        return None
    if isinstance(value, int | float):
        return _in_range(int(value) if isinstance(value, int) else float(value))
    shape = getattr(value, "shape", None)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    is_time = kind in ("m", "M")  # whose item may be an integer
    try:
        if is_time or (shape is not None and math.prod(shape) != 1):
            return None
        mask = getattr(value, "mask", False)  # NumPy's; a method of pandas's
        if not callable(mask) and bool(mask):  # `item` would make it 0
            return None
        for name in ("item", "numpy"):
            if callable(method := getattr(value, name, None)):
                inner = method()
                # Types that Python lacks, as longdouble and bfloat16, give themselves.
                if type(inner) is not type(value):
                    return number_of(inner)
                break
        if hasattr(value, "__index__"):
            return _in_range(operator.index(value))
        return float(value) if hasattr(value, "__float__") else None
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError, AttributeError):  # it is no number after all
        return None


def _in_range(number: int | float) -> int | float:
    try:
        float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
    return number


def _advice(returned: Any) -> str:
    if returned is None:
        return "; does it lack a return?"
    history = getattr(returned, "history", None)
    if isinstance(history, Mapping):  # Keras's, which has one list for each quantity
        return f", as in {_best_of(history)}, history.history"
    if isinstance(returned, Mapping):
        return "; say which of these is the reward"
    if isinstance(returned, list | tuple) or bool(getattr(returned, "shape", ())):
        return "; say which of these is the reward, as in values[-1]"
    return ""


def _best_of(history: Mapping[Any, Any]) -> str:
    """Return what to maximise of Keras's quantities: the accuracy, or else minus the loss."""
    names = sorted(map(str, history), key=lambda name: not name.startswith("val_"))
    accuracy = next((name for name in names if "acc" in name), None)
    if accuracy is None and (loss := next((name for name in names if "loss" in name), None)):
        return f"-min(history.history[{loss!r}])"
    return f"max(history.history[{accuracy or 'val_accuracy'!r}])"


def _shown(value: object) -> str:
    """Return a value with its type, in a line that is cut short."""
    text, kind = shown(value), f"of type {type(value).__name__}"
    is_told = value is None or isinstance(value, bool | float) or text.endswith(kind)
    return text if is_told else f"{text}, {kind}"
