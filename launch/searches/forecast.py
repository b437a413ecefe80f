"""How long a search will take, from its first few children; again whenever the depth grows.

A layer is taken to cost what another does, so that the children of greater depths to come count as
many times more as they have layers more.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import statistics

from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.results.times import child_seconds, duration

FEW_CHILDREN = 4  # after each worker's first
LEAST_MEASURED, LEAST_SAID = 2.0, 60.0  # seconds of what is measured, and of what is worth a line


@dataclasses.dataclass
class Forecast:
    """Measures children as they finish, and says once for each depth what follows.

    Attributes:
      config: of the search: its samples, and how deep they are.
      has_layers: whether its space has.
    """

    config: SearchConfig
    has_layers: bool
    _depth: int = -1  # that is measured
    _ends: dict[str, list[float]] = dataclasses.field(default_factory=dict)  # by worker
    _is_said: bool = False

    def finished(self, trial: Trial, num_finished: int) -> str:
        """Take a trial; return a line where enough is known for one, else "".

        Args:
          trial: with its outcome.
          num_finished: trials that have theirs; trained children where these are the budget.
        """
        if trial.depth > self._depth:
            self._depth, self._ends, self._is_said = trial.depth, {}, False
        is_measured = trial.depth == self._depth and child_seconds(trial) is not None
        if self._is_said or not is_measured or trial.ended is None:
            return ""
        self._ends.setdefault(trial.worker or "", []).append(trial.ended)
        # A worker's first child compiles: what counts is how its later ones follow one another.
        gaps = [
            [later - earlier for earlier, later in itertools.pairwise(sorted(ends))]
            for ends in self._ends.values()
        ]
        enough = sum(map(len, gaps)) >= FEW_CHILDREN and min(map(len, gaps)) >= 2
        if not enough or sum(map(sum, gaps)) < LEAST_MEASURED:
            return ""
        self._is_said = True
        rates = [1 / max(statistics.median(each), 1e-6) for each in gaps]
        return self._line(num_finished, 1 / sum(rates))

    def _line(self, num_finished: int, seconds_each: float) -> str:
        left = self._last() - num_finished
        seconds = seconds_each * self._children_left(num_finished)
        if seconds < LEAST_SAID:
            return ""
        end = datetime.datetime.now() + datetime.timedelta(seconds=seconds)
        day = "" if end.date() == datetime.date.today() else f"{end:%a %d %b} "
        workers = "" if len(self._ends) < 2 else f" on {len(self._ends)} workers"
        deeper = ", deeper ones to come counted by their layers" if self._grows() else ""
        return (
            f"forecast: a child every {seconds_each:.2g} s{workers}: {left:,} more in "
            f"{duration(seconds)}, at {day}{end:%H:%M}{deeper}; sooner where architectures repeat"
        )

    def _last(self) -> int:
        return self.config.num_children or self.config.num_samples

    def _grows(self) -> bool:
        schedule = self.config.depth
        return bool(
            self.has_layers and schedule and self._depth < schedule.depth(self.config.num_samples)
        )

    def _children_left(self, num_finished: int) -> float:
        """Return how many are left, each counted by its layers beside those that are measured."""
        last = self._last()
        schedule = self.config.depth
        if not self._grows() or schedule is None or not schedule.every:
            return last - num_finished
        total, first = 0.0, num_finished
        while first < last:
            following = min((first // schedule.every + 1) * schedule.every, last)
            total += (following - first) * max(schedule.depth(first) / self._depth, 1.0)
            first = following
        return total
