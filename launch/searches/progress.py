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
        self._store = store
        self._forecast = Forecast(config, has_layers)
        self._looked = -SECONDS_BETWEEN_LOOKS
        self._failed, self._num_finished = store.num_failed(), store.num_finished()
        self._bar = tqdm.tqdm(
            total=config.num_samples,
            initial=self._num_finished,
            unit="child",
            dynamic_ncols=True,
            mininterval=SECONDS_BETWEEN_LOOKS,
            disable=None if SHOWN_VARIABLE not in os.environ else False,  # where nobody looks on
        )

    def finished(self, trial: Trial) -> None:
        """Count a trial."""
        self._failed += trial.status == "failed"
        if not self._bar.disable and time.monotonic() - self._looked >= SECONDS_BETWEEN_LOOKS:
            self._look()
        self._bar.update()
        self._num_finished += 1
        if line := self._forecast.finished(trial, self._num_finished):
            warn(line)

    def learned(self, update: Update, trials: Sequence[Trial], store: TrialStore) -> None:
        """Nothing to draw."""

    def close(self) -> None:
        """Leave the finished line."""
        if not self._bar.disable:
            self._look()
        self._bar.close()

    def _look(self) -> None:
        reward = self._store.best_reward()
        best = "none" if reward is None else f"{reward:.4f}"
        failed = f", {self._failed} failed" if self._failed else ""
        self._bar.set_postfix_str(f"best reward {best}{failed}", refresh=False)
        self._looked = time.monotonic()
