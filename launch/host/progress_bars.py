"""How far something is, wherever somebody looks on: a terminal, a notebook, the lines of a log.

A bar is drawn on a terminal, and in a notebook below its cell (Jupyter, Colab and what else has
IPython's display, without any extension). Elsewhere the standard error is taken for a log, which
gets a line a minute, and none from what is done within the first.
"""

from __future__ import annotations

import contextlib
import datetime
import html
import io
import os
import sys
import time
from typing import Any, Protocol

import tqdm

from nas_with_rl.launch.host.terminal import warn

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_LINES = 60.0
SHOWN_VARIABLE = "NAS_WITH_RL_PROGRESS"  # set where a pipe ends at a terminal


class Bar(Protocol):
    """Shows how far something is.

    Attributes:
      n: how much is done.
      seconds_between_looks: how often something can be seen of it.
      is_shown: whether anything has been, or can be.
    """

    seconds_between_looks: float

    @property
    def n(self) -> int:
        """See above."""

    @property
    def is_shown(self) -> bool:
        """See above."""

    def update(self, number: int = 1) -> None:
        """Count what is done."""

    def describe(self, text: str) -> None:
        """Set what is said beside it, from the next time on that it is shown."""

    def close(self) -> None:
        """Leave what is shown."""


def make_bar(total: int | None, *, unit: str, initial: int = 0, title: str = "") -> Bar:
    """Return what shows progress here.

    Args:
      total: of what is to be done; None where that is not known.
      unit: what is counted, as one of it.
      initial: of it, what is done already.
      title: before it.
    """
    given = {
        "total": total,
        "unit": unit,
        "initial": initial,
        "desc": title or None,
        "mininterval": SECONDS_BETWEEN_LOOKS,
    }
    if SHOWN_VARIABLE in os.environ:
        return _Drawn(tqdm.tqdm(**given, dynamic_ncols=True, disable=False))
    if in_notebook():
        return _Drawn(_NotebookBar(**given))
    if is_terminal():
        return _Drawn(tqdm.tqdm(**given, dynamic_ncols=True))
    return _Logged(total, unit=unit, initial=initial, title=title)


def is_terminal() -> bool:
    """Say whether the standard error is one."""
    with contextlib.suppress(AttributeError, ValueError):  # there is none; it is closed
        return sys.stderr.isatty()
    return False


def in_notebook() -> bool:
    """Say whether this is a notebook's kernel, which shows what is displayed."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython and hasattr(ipython, "get_ipython") else None
    return getattr(shell, "kernel", None) is not None


class NoBar:
    """Shows nothing; it counts alone."""

    seconds_between_looks = float("inf")
    is_shown = False

    def __init__(self) -> None:
        self.n = 0

    def update(self, number: int = 1) -> None:
        """See `Bar`."""
        self.n += number

    def describe(self, text: str) -> None:
        """See `Bar`."""

    def close(self) -> None:
        """See `Bar`."""


class _Drawn:
    """A bar of tqdm's."""

    seconds_between_looks = SECONDS_BETWEEN_LOOKS

    is_shown = True

    def __init__(self, bar: Any):
        self._bar = bar

    @property
    def n(self) -> int:
        """See `Bar`."""
        return int(self._bar.n)

    def update(self, number: int = 1) -> None:
        """See `Bar`."""
        self._bar.update(number)

    def describe(self, text: str) -> None:
        """See `Bar`."""
        self._bar.set_postfix_str(text, refresh=False)

    def close(self) -> None:
        """See `Bar`."""
        self._bar.close()


class _NotebookBar(tqdm.tqdm):
    """A bar below a notebook's cell, which is kept with it when the notebook is saved."""

    def __init__(self, **given: Any):
        self._handle: Any = None
        super().__init__(**given, file=io.StringIO(), disable=False)

    def display(self, msg: str | None = None, pos: int | None = None, **_: Any) -> None:
        """Draw it anew."""
        from IPython.display import display

        shown = {"text/plain": str(self), "text/html": self._html()}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def _html(self) -> str:
        wanted = "{n_fmt} of {total_fmt} [{elapsed}<{remaining}, {rate_fmt}]"
        text = self.format_meter(**{**self.format_dict, "postfix": None, "bar_format": wanted})
        values = f"value='{self.n}' max='{self.total}'" if self.total else ""
        parts = (html.escape(each) for each in (self.desc, text, self.postfix or "") if each)
        return (
            f"<div class='nas-progress'><progress {values} style='width: 14em'></progress> "
            f"{' '.join(parts)}</div>"
        )


class _Logged:
    """A line a minute."""

    seconds_between_looks = SECONDS_BETWEEN_LINES

    def __init__(self, total: int | None, *, unit: str, initial: int, title: str):
        self.n = self._initial = initial
        self._total, self._unit, self._title, self._text = total, unit, title, ""
        self._began = self._said = time.monotonic()
        self.is_shown = False

    def update(self, number: int = 1) -> None:
        """See `Bar`."""
        self.n += number
        if time.monotonic() - self._said >= SECONDS_BETWEEN_LINES:
            self._say()

    def describe(self, text: str) -> None:
        """See `Bar`."""
        self._text = text

    def close(self) -> None:
        """Say how it ended, where something has been said of it."""
        if self.is_shown:
            self._say()

    def _say(self) -> None:
        self._said, self.is_shown = time.monotonic(), True
        seconds, done = self._said - self._began, self.n - self._initial
        of_all = "" if self._total is None else f" of {self._total:,}"
        parts = [f"{self._title}{': ' if self._title else ''}{self.n:,}{of_all}"]
        parts[0] += f" {self._unit}{_plural(self._unit)} in {_minutes(seconds)}"
        left = 0 if self._total is None else self._total - self.n
        if done and left > 0:
            parts.append(f"about {_minutes(seconds / done * left)} left")
        parts += [self._text] if self._text else []
        warn(f"{datetime.datetime.now():%H:%M:%S} {', '.join(parts)}")


def _plural(unit: str) -> str:
    return "ren" if unit == "child" else "s"


def _minutes(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes:.1f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
