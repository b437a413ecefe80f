"""TensorBoard curves of a search. The horizontal axis is the number of trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from nas_with_rl.controller.searcher import Update
from nas_with_rl.launch.trials import Trial, TrialStore


class Curves:
    """Writes one point per update.

    Tags: `reward/mean`, `reward/best`, `reward/baseline`, `controller/gradient_norm`,
    `entropy/<decision>`, `trials/unique`, `trials/failed`, `child/seconds`, and
    `measured/<name>`, the batch's mean of each named measurement (its last epoch's value).
    """

    def __init__(self, directory: Path):
        self._writer = tf.summary.create_file_writer(str(directory))

    def finished(self, trial: Trial) -> None:
        """Nothing: curves are drawn per update."""

    def learned(self, update: Update, trials: Sequence[Trial], store: TrialStore) -> None:
        """Write what one update and its batch of trials say."""
        best = store.best()
        points = {
            "reward/mean": _mean([trial.reward or 0.0 for trial in trials]),
            "reward/baseline": update.baseline,
            "controller/gradient_norm": update.gradient_norm,
            "trials/unique": store.num_unique(),
            "trials/failed": store.num_failed(),
        }
        if best:
            points["reward/best"] = best[0].reward or 0.0
        seconds = [t.ended - t.started for t in trials if t.started and t.ended and not _reused(t)]
        if seconds:
            points["child/seconds"] = _mean(seconds)
        points |= {f"entropy/{name}": value for name, value in update.entropies.items()}
        points |= {f"measured/{name}": value for name, value in _measured(trials).items()}
        with self._writer.as_default(step=trials[-1].number + 1):
            for tag, value in points.items():
                tf.summary.scalar(tag, value)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def _reused(trial: Trial) -> bool:
    return trial.reused_from is not None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _measured(trials: Sequence[Trial]) -> dict[str, float]:
    by_name: dict[str, list[float]] = {}
    for trial in trials:
        for name, value in trial.metrics.items():
            last = value if isinstance(value, int | float) else value[-1] if value else None
            if last is not None:
                by_name.setdefault(name, []).append(float(last))
    return {name: _mean(values) for name, values in by_name.items()}
