"""The progress bar of a search: trials done, time left, the best so far."""

from __future__ import annotations

import os
from collections.abc import Sequence

import tqdm

from nas_with_rl.controller.searcher import Update
from nas_with_rl.launch.trials import Trial, TrialStore

SHOWN_VARIABLE = "NAS_WITH_RL_PROGRESS"  # set where a pipe ends at a terminal


class Progress:
    """An observer of the search that draws one line on the standard error."""

    def __init__(self, num_samples: int, store: TrialStore):
        self._best = store.best()[0].reward if store.best() else None
        self._failed = store.num_failed()
        self._bar = tqdm.tqdm(
            total=num_samples,
            initial=store.num_finished(),
            unit="child",
            dynamic_ncols=True,
            mininterval=0.5,
            disable=None if SHOWN_VARIABLE not in os.environ else False,  # where nobody looks on
        )

    def finished(self, trial: Trial) -> None:
        """Count a trial."""
        self._failed += trial.status == "failed"
        if trial.status == "completed" and trial.reward is not None:
            self._best = trial.reward if self._best is None else max(self._best, trial.reward)
        best = "none" if self._best is None else f"{self._best:.4f}"
        failed = f", {self._failed} failed" if self._failed else ""
        self._bar.set_postfix_str(f"best reward {best}{failed}", refresh=False)
        self._bar.update()

    def learned(self, update: Update, trials: Sequence[Trial], store: TrialStore) -> None:
        """Nothing to draw."""

    def close(self) -> None:
        """Leave the finished line."""
        self._bar.close()
