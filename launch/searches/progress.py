"""How far a search is: children or trials done, time left, the best so far, failures."""

from __future__ import annotations

import time
from collections.abc import Sequence

from nas_with_rl.controller.searcher import Update
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.host.progress_bars import make_bar
from nas_with_rl.launch.host.terminal import warn
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.results.units import THE_REWARD, Unit
from nas_with_rl.launch.searches.forecast import Forecast


class Progress:
    """An observer of the search that shows a line where somebody looks on."""

    def __init__(
        self,
        config: SearchConfig,
        store: TrialStore,
        *,
        has_layers: bool,
        metric: str | None = None,
    ):
        """Begin to show.

        Args:
          config: of the search.
          store: of its trials.
          has_layers: whether its space has.
          metric: the measurement that people think of it in; None for the reward.
        """
        self._store, self._counts_children = store, config.num_children > 0
        self._num_children, self._entropy = store.num_evaluated(), ""
        self._unit = Unit(metric) if metric else THE_REWARD
        self._forecast = Forecast(config, has_layers)
        self._failed, self._num_finished = store.num_of("failed"), store.num_finished()
        self._stopped = store.num_of("stopped")
        self._bar = make_bar(
            config.num_children or config.num_samples, unit="child", initial=self._num_done()
        )
        # A log's first line comes after a while, and with what is known by then.
        self._looked = time.monotonic() - 0.5

    def finished(self, trial: Trial) -> None:
        """Count a trial."""
        self._failed += trial.status == "failed"
        self._stopped += trial.status == "stopped"
        self._num_children += trial.reused_from is None
        if time.monotonic() - self._looked >= self._bar.seconds_between_looks:
            self._look()
        self._num_finished += 1
        self._bar.update(trial.reused_from is None or not self._counts_children)
        if line := self._forecast.finished(trial, self._num_done()):
            warn(line)

    def _num_done(self) -> int:
        return self._num_children if self._counts_children else self._num_finished

    def learned(self, update: Update, trials: Sequence[Trial], store: TrialStore) -> None:
        """Note how sure of itself the searcher is."""
        values = update.entropies.values()
        self._entropy = f", entropy {sum(values) / len(values):.2g}" if values else ""

    def close(self) -> None:
        """Leave the finished line."""
        if self._bar.is_shown:
            self._look()
        self._bar.close()

    def _look(self) -> None:
        failed = f", {self._failed} failed" if self._failed else ""
        stopped = f", {self._stopped} stopped early" if self._stopped else ""
        self._bar.describe(f"{self._best()}{stopped}{failed}{self._describe_repeats()}")
        self._looked = time.monotonic()

    def _best(self) -> str:
        """Return the best so far in the unit that people think in."""
        evaluations = self._store.best_evaluations()
        unit = self._unit
        value = unit.over(evaluations)
        if value is None and evaluations:  # it lacks the measurement
            unit, value = THE_REWARD, THE_REWARD.over(evaluations)
        title = unit.title.removeprefix("validation ")
        return f"best {title} {unit.show(value.mean) if value else 'none'}"

    def _describe_repeats(self) -> str:
        """Return the share of trials that took over an outcome, where it is worth a word."""
        finished = self._store.num_finished()
        share = 1 - self._num_children / finished if finished else 0.0
        return f", {share:.0%} repeats{self._entropy}" if share >= 0.005 else ""
