"""Ctrl-C at once, even within an epoch that is one long call into compiled code."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

_Result = TypeVar("_Result")


def run_interruptibly(function: Callable[[], _Result]) -> _Result:
    """Return what a function returns, run in a thread of its own.

    Python hears of Ctrl-C in the main thread alone and between calls alone; so that one has to be
    free. Where this raises KeyboardInterrupt, the function runs on: what follows is `leave_now`,
    and the function writes nothing that a kill could damage.
    """
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def leave_now(status: int) -> NoReturn:
    """End the process without waiting for its threads."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


USAGE_STATUS = 2


INTERRUPTED_STATUS = 130


BROKEN_PIPE_STATUS = 141
