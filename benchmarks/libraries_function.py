"""The own function of `libraries.py`, the same for all libraries; with what goes wrong in it.

Needs the standard library alone. `LIBRARIES_LOG` names a file that gets a line for each evaluation:
the time of day, the process's CPU seconds so far, the arguments. `LIBRARIES_FAULTS` is an object of
evaluations' numbers, from 1 over all processes of a search, to what becomes of them: "kill" (-9, of
its own process), "raise" or "nan".
"""

from __future__ import annotations

import json
import math
import os
import signal
import time

MESSAGE = "broken on purpose"
LOG, FAULTS = "LIBRARIES_LOG", "LIBRARIES_FAULTS"


def score(
    *,
    optimizer: str,
    rate: float,
    layers: int,
    units: int,
    activation: str,
    dropout: float,
    momentum: float | None = None,
) -> float:
    """Return what is to be maximised, at once."""
    if LOG in os.environ:
        arguments: list[object] = [optimizer, momentum, rate, layers, units, activation, dropout]
        fault = _noted(arguments)
        if fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "raise":
            raise ValueError(MESSAGE)
        if fault == "nan":
            return math.nan
    slope = {"relu": 0.2, "tanh": 0.1, "gelu": 0.3, "silu": 0.25}[activation]
    momentum_gain = 0.2 * (momentum if momentum is not None else 0.8)
    distance = abs(math.log10(rate) + 2.5) + 0.1 * abs(layers - 3)
    return slope + momentum_gain + math.log2(units) / 8 - 0.3 * distance - abs(dropout - 0.2)


def _noted(arguments: list[object]) -> str | None:
    """Write a line about an evaluation; return what is to become of it."""
    line = json.dumps([time.time(), time.process_time(), arguments]) + "\n"
    with open(os.environ[LOG], "a+", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        file.seek(0)
        number = sum(1 for _ in file)
    faults: dict[str, str] = json.loads(os.environ.get(FAULTS, "{}"))
    return faults.get(str(number))
