"""What finished lately in a search: how many children, by whom, and how idle their workers were."""

from __future__ import annotations

import collections
import dataclasses

from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.results.times import child_seconds

WINDOW_SECONDS = 600.0


@dataclasses.dataclass(frozen=True)
class _Finished:
    """When the search heard of a child; what its worker spent on it and, if known, before it."""

    heard: float
    worker: str
    seconds: float
    idle_seconds: float | None


@dataclasses.dataclass
class _Worker:
    """A worker: when its last child ended, by its own clock, and its sums within the window."""

    ended: float
    num_children: int = 0
    seconds: float = 0.0
    idle_seconds: float = 0.0


class RecentChildren:
    """The children that finished within the last ten minutes, or within two of their durations.

    A worker is idle between the end of one child and the start of the next, by its own clock; of
    its first child since the search was started or resumed only the next one's gap is known.
    """

    def __init__(self, now: float):
        self._began = now
        self._finished: collections.deque[_Finished] = collections.deque()
        self._workers: dict[str, _Worker] = {}
        self._seconds = 0.0

    @property
    def num_workers(self) -> int:
        """Workers that have ever finished a child."""
        return len(self._workers)

    @property
    def num_active(self) -> int:
        """Workers that finished a child lately."""
        return sum(worker.num_children > 0 for worker in self._workers.values())

    def add(self, trial: Trial, now: float) -> None:
        """Count a finished trial, unless it took over an earlier outcome."""
        seconds = child_seconds(trial)
        if seconds is None or trial.started is None or trial.ended is None:
            return
        name = trial.worker or "unnamed"
        worker = self._workers.get(name)
        # An outcome that took another way may come late: no gap is negative.
        idle = None if worker is None else max(trial.started - worker.ended, 0.0)
        worker = self._workers.setdefault(name, _Worker(trial.ended))
        worker.ended = max(worker.ended, trial.ended)
        self._finished.append(_Finished(now, name, seconds, idle))
        self._count(self._finished[-1], 1)

    def forget(self, now: float) -> None:
        """Drop what finished before the window."""
        while self._finished and now - self._finished[0].heard > self._window():
            self._count(self._finished.popleft(), -1)

    def per_hour(self, now: float) -> float:
        """Return the evaluations per hour; of the very first second as if it were whole."""
        span = min(now - self._began, self._window())
        return 3600.0 * len(self._finished) / max(span, 1.0)

    def idle_shares(self) -> dict[str, float]:
        """Return idle / (idle + busy) of each worker that finished two children, one lately."""
        return {
            name: worker.idle_seconds / (worker.idle_seconds + worker.seconds)
            for name, worker in sorted(self._workers.items())
            if worker.idle_seconds + worker.seconds > 0
        }

    def _window(self) -> float:
        count = len(self._finished)
        return max(WINDOW_SECONDS, 2 * self._seconds / count if count else 0.0)

    def _count(self, child: _Finished, sign: int) -> None:
        self._seconds += sign * child.seconds
        worker = self._workers[child.worker]
        worker.num_children += sign
        if not worker.num_children:
            worker.seconds = worker.idle_seconds = 0.0  # no rounding is left of what was taken off
        elif child.idle_seconds is not None:
            worker.seconds = max(worker.seconds + sign * child.seconds, 0.0)
            worker.idle_seconds = max(worker.idle_seconds + sign * child.idle_seconds, 0.0)
