"""The progress bar of a search: trials done, time left, the best so far."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import tqdm

from nas_with_rl.controller.searcher import Update
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.host.terminal import warn
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.searches.forecast import Forecast

SECONDS_BETWEEN_LOOKS = 0.5
SHOWN_VARIABLE = "NAS_WITH_RL_PROGRESS"  # set where a pipe ends at a terminal


class Progress:
    """An observer of the search that draws one line on the standard error."""

    def __init__(self, config: SearchConfig, store: TrialStore, *, has_layers: bool):
        self._store, self._counts_children = store, config.num_children > 0
        self._num_children, self._entropy = store.num_evaluated(), ""
        self._forecast = Forecast(config, has_layers)
        self._looked = -SECONDS_BETWEEN_LOOKS
        self._failed, self._num_finished = store.num_failed(), store.num_finished()
        self._bar = tqdm.tqdm(
            total=config.num_children or config.num_samples,
            initial=self._num_done(),
            unit="child",
            dynamic_ncols=True,
            mininterval=SECONDS_BETWEEN_LOOKS,
            disable=None if SHOWN_VARIABLE not in os.environ else False,  # where nobody looks on
        )

    def finished(self, trial: Trial) -> None:
        """Count a trial."""
        self._failed += trial.status == "failed"
        self._num_children += trial.reused_from is None
        if not self._bar.disable and time.monotonic() - self._looked >= SECONDS_BETWEEN_LOOKS:
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
        if not self._bar.disable:
            self._look()
        self._bar.close()

    def _look(self) -> None:
        reward = self._store.best_reward()
        best = "none" if reward is None else f"{reward:.4f}"
        failed = f", {self._failed} failed" if self._failed else ""
        repeats = self._describe_repeats()
        self._bar.set_postfix_str(f"best reward {best}{failed}{repeats}", refresh=False)
        self._looked = time.monotonic()

    def _describe_repeats(self) -> str:
        """Return the share of trials that took over an outcome, where it is worth a word."""
        finished = self._store.num_finished()
        share = 1 - self._num_children / finished if finished else 0.0
        return f", {share:.0%} repeats{self._entropy}" if share >= 0.005 else ""
