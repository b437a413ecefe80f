"""Writing a report: its file, whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.reports.page import report_html
from nas_with_rl.launch.reports.subject import Subject
from nas_with_rl.search_spaces.whole_files import write_whole

LEAST_SECONDS = 30.0  # between two reports of a search that is under way
SHARE = 0.01  # of a search's time that they may take


def write_report(subject: Subject, path: Path) -> None:
    """Write a search's report."""
    write_whole(report_html(subject), path)


class ReportSoFar:
    """An observer of a search that renews its report, in at most a hundredth of its time."""

    def __init__(self, write: Callable[[], None], *, clock: Callable[[], float] = time.monotonic):
        """Begin to wait.

        Args:
          write: reads the trials and writes the report.
          clock: seconds from any moment on.
        """
        self._write, self._clock = write, clock
        self._due = clock() + LEAST_SECONDS

    def finished(self, trial: Trial) -> None:
        """Write where it is due."""
        began = self._clock()
        if began < self._due:
            return
        self._write()
        ended = self._clock()
        self._due = ended + max(LEAST_SECONDS, (ended - began) * (1 / SHARE - 1))

    def learned(self, update: object, trials: object, store: object) -> None:
        """Nothing is shown of an update by itself."""

    def close(self) -> None:
        """The last report is the search's own."""
