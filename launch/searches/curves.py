"""TensorBoard curves of a search. The horizontal axis is the number of finished trials."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from nas_with_rl.child_models.failures import FAILURE_REASONS
from nas_with_rl.controller.searcher import Update
from nas_with_rl.launch.evaluators.measurements import last_number
from nas_with_rl.launch.records.event_file import EventFile
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.results.times import child_seconds
from nas_with_rl.launch.searches.dashboard import MEANINGS, layout
from nas_with_rl.launch.searches.recent_children import RecentChildren

NUM_CLOSE_POINTS = 100  # the first points of a process: one per update, however fast
SECONDS_BETWEEN_POINTS = 0.5  # at least, from then on; updates in between share a point
SECONDS_WITHOUT_UPDATE = 60.0  # then a finished trial draws what changes with time
MOST_WORKER_CURVES = 64  # nobody reads 800; their distribution is a histogram


class Curves:
    """Writes one point per update; where updates are fast, one for those of half a second.

    Of the updates: `reward/mean`, `reward/best`, `reward/baseline`, `controller/gradient_norm`,
    `entropy/<decision>`, `staleness/mean`, `staleness/max`, `trials/unique`, `trials/failed`,
    `trials/stopped` (once there are any), `child/seconds`, and `measured/<name>`, the trials' mean
    of each named measurement (its last epoch's value). Of the moment, after a minute without an
    update too: `children/in_flight`, `children/per_hour`, `failed/<reason>`, `workers/active`,
    `workers/idle_share` (mean, `_min`, `_max`), `workers/idle_shares` (a histogram) and
    `idle_share/<worker>`.

    A resumed search writes a further file, which TensorBoard shows as the same run.
    """

    def __init__(
        self,
        directory: Path,
        store: TrialStore | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Begin a file.

        Args:
          directory: of the event files.
          store: of the search; without it, points begin with the first update, which brings it.
          clock: seconds from any moment on.
        """
        self._store, self._clock = store, clock
        self._recent = RecentChildren(clock())
        self._learned: list[tuple[Update, Sequence[Trial]]] = []  # what no point shows yet
        self._in_flight: list[int] = []  # at the end of each child since the last point
        self._num_points, self._drawn, self._step = 0, clock(), 0
        self._file = EventFile(directory, meanings=MEANINGS)
        self._file.add(0, {}, further=layout())

    def finished(self, trial: Trial) -> None:
        """Count a trial; draw where the last point is old."""
        if self._store and child_seconds(trial) is not None:
            # Between two batches nothing is in flight: an update is no moment to look.
            self._in_flight.append(self._store.num_running() + 1)
        self._recent.add(trial, self._clock())
        self._draw_if_due()

    def learned(self, update: Update, trials: Sequence[Trial], store: TrialStore) -> None:
        """Draw what one update and its trials say, now or with the next ones."""
        self._store = store
        self._learned.append((update, trials))
        self._draw_if_due()

    def close(self) -> None:
        """Draw the last updates and close the file."""
        if self._learned and self._store:
            self._draw(self._store)
        self._file.close()

    def _draw_if_due(self) -> None:
        apart = SECONDS_BETWEEN_POINTS if self._num_points >= NUM_CLOSE_POINTS else 0.0
        wanted = apart if self._learned else SECONDS_WITHOUT_UPDATE
        if self._store and self._clock() - self._drawn >= wanted:
            self._draw(self._store)

    def _draw(self, store: TrialStore) -> None:
        now = self._clock()
        self._recent.forget(now)
        points = self._of_the_moment(store, now)
        if self._learned:
            points |= _of_updates(self._learned) | _of_the_search(store)
        shares = self._recent.idle_shares()
        points |= self._of_workers(shares)
        self._step = max(self._step, store.num_finished())  # never back
        self._file.add(self._step, points, further=_histogram(list(shares.values())))
        self._drawn, self._num_points = now, self._num_points + 1
        self._in_flight, self._learned = [], []

    def _of_the_moment(self, store: TrialStore, now: float) -> dict[str, float]:
        failures = store.num_failed_by_reason()
        points = {f"failed/{reason}": failures.get(reason, 0) for reason in FAILURE_REASONS}
        return points | {
            "children/in_flight": _mean(self._in_flight or [store.num_running()]),
            "children/per_hour": self._recent.per_hour(now),
            "workers/active": self._recent.num_active,
        }

    def _of_workers(self, shares: Mapping[str, float]) -> dict[str, float]:
        if not shares:
            return {}
        points = {
            "workers/idle_share": _mean(list(shares.values())),
            "workers/idle_share_min": min(shares.values()),
            "workers/idle_share_max": max(shares.values()),
        }
        if self._recent.num_workers <= MOST_WORKER_CURVES:
            points |= {f"idle_share/{worker}": share for worker, share in shares.items()}
        return points


def _histogram(shares: Sequence[float]) -> bytes:
    """Return the serialized summary of the workers' idle shares; empty without a worker."""
    if not shares:
        return b""
    # Here: where nobody works beside this process, a tenth of a second of imports for nothing.
    from tensorboard.plugins.histogram.summary_v2 import histogram_pb

    tag = "workers/idle_shares"
    return bytes(histogram_pb(tag, shares, description=MEANINGS[tag]).SerializeToString())


def _of_updates(learned: Sequence[tuple[Update, Sequence[Trial]]]) -> dict[str, float]:
    updates = [update for update, _ in learned]
    trials = [trial for _, batch in learned for trial in batch]
    staleness = [u.version - 1 - trial.sampled_version for u, batch in learned for trial in batch]
    points = {
        "reward/baseline": updates[-1].baseline,
        "controller/gradient_norm": _mean([update.gradient_norm for update in updates]),
        "staleness/mean": _mean(staleness),
        "staleness/max": max(staleness),
    }
    rewards = [trial.reward for trial in trials if trial.reward is not None]
    if rewards:
        points["reward/mean"] = _mean(rewards)
    seconds = [taken for trial in trials if (taken := child_seconds(trial)) is not None]
    if seconds:
        points["child/seconds"] = _mean(seconds)
    entropies = _by_name(update.entropies.items() for update in updates)
    points |= {f"entropy/{name}": _mean(values) for name, values in entropies.items()}
    measured = _by_name(_last_values(trial) for trial in trials)
    return points | {f"measured/{name}": _mean(values) for name, values in measured.items()}


def _of_the_search(store: TrialStore) -> dict[str, float]:
    best = [trial.reward for trial in store.best_evaluations() if trial.reward is not None]
    points = {"reward/best": _mean(best)} if best else {}
    if stopped := store.num_of("stopped"):
        points["trials/stopped"] = stopped
    return points | {"trials/unique": store.num_unique(), "trials/failed": store.num_of("failed")}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _last_values(trial: Trial) -> Iterator[tuple[str, float]]:
    """Yield each named measurement of a trial that is finite, the last epoch's of several."""
    for name, measured in trial.metrics.items():
        if (value := last_number(measured)) is not None:
            yield name, value


def _by_name(pairs: Iterable[Iterable[tuple[str, float]]]) -> dict[str, list[float]]:
    """Return the values of each name over several mappings' items."""
    found: dict[str, list[float]] = {}
    for items in pairs:
        for name, value in items:
            found.setdefault(name, []).append(value)
    return found
