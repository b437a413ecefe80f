"""What looks on at a search: a part that fails is left out, and the search and its result stay."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

from nas_with_rl.controller.searcher import Update
from nas_with_rl.launch.host.terminal import warn
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.searches.loop import Observer
from nas_with_rl.search_spaces.errors import line_of


class ClosingObserver(Observer, Protocol):
    """An observer with something to finish at the end."""

    def close(self) -> None:
        """Finish."""


def attempt(what: str, action: Callable[[], object]) -> bool:
    """Return whether an action succeeded; if not, one line on the standard error says so.

    Args:
      what: the action's product, as in "the report".
      action: whatever it raises is no reason to lose a result; Ctrl-C is raised.
    """
    try:
        action()
    except Exception as error:
        with contextlib.suppress(OSError, ValueError):  # there may be nobody to tell
            said = f"warning: left out {what}, which failed: {line_of(error)}"
            warn(said)
        return False
    return True


class Dispensable:
    """An observer that is left out from the moment on when it fails."""

    def __init__(self, what: str, make: Callable[[], ClosingObserver]):
        """Make an observer, if that can be done.

        Args:
          what: it is, for the warning.
          make: returns it.
        """
        self._what = what
        self._observer: ClosingObserver | None = None
        attempt(what, lambda: self._take(make()))

    def finished(self, trial: Trial) -> None:
        """A trial has its outcome."""
        self._do(lambda observer: observer.finished(trial))

    def learned(self, update: Update, trials: Sequence[Trial], store: TrialStore) -> None:
        """The controller has learned from trials for the first time."""
        self._do(lambda observer: observer.learned(update, trials, store))

    def close(self) -> None:
        """Finish."""
        self._do(lambda observer: observer.close())

    def _take(self, observer: ClosingObserver) -> None:
        self._observer = observer

    def _do(self, action: Callable[[ClosingObserver], None]) -> None:
        observer = self._observer
        if observer is not None and not attempt(self._what, lambda: action(observer)):
            self._observer = None
            with contextlib.suppress(Exception):  # the same reason once more
                observer.close()
