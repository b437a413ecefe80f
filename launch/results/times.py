"""What children took, and where the time of a search went, as rows of text."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from nas_with_rl.launch.records.ledger import Ledger
from nas_with_rl.launch.records.trial_store import Trial

LEAST_LATER = 3  # children of a worker after its first, which then tell what the first took longer


def child_seconds(trial: Trial) -> float | None:
    """Return how long a trial's own evaluation took; None where it took over an earlier outcome."""
    if trial.reused_from is not None or trial.started is None or trial.ended is None:
        return None
    return max(trial.ended - trial.started, 0.0)


def time_rows(ledger: Ledger, trials: Sequence[Trial]) -> list[tuple[str, str]]:
    """Return where the time went: a title and its time, the leading process first."""
    total = ledger.total
    rows = [("the whole search", duration(total))]
    for title, seconds in (
        ("waiting for children", ledger.waiting),
        ("sampling", ledger.sampling),
        ("learning", ledger.learning),
        ("checkpoints", ledger.checkpoints),
        ("store, curves, the rest", ledger.rest),
    ):
        share = f" ({seconds / total:.0%})" if total else ""
        rows.append((title, duration(seconds) + share))
    return [*rows, *_child_rows(trials)]


def _child_rows(trials: Sequence[Trial]) -> list[tuple[str, str]]:
    """Return what children took, and what of it the first of each worker took longer."""
    by_worker: dict[str, list[float]] = {}
    for trial in sorted(trials, key=lambda trial: trial.started or 0.0):
        seconds = child_seconds(trial)
        if seconds is not None and trial.status in ("completed", "stopped"):
            by_worker.setdefault(trial.worker or "", []).append(seconds)
    if not by_worker:
        return []
    together = sum(map(sum, by_worker.values()))
    workers = "1 worker" if len(by_worker) == 1 else f"{len(by_worker)} workers"
    rows = [(f"children, on {workers}", duration(together))]
    first = sum(
        max(first - statistics.median(later), 0.0)
        for first, *later in by_worker.values()
        if len(later) >= LEAST_LATER
    )
    if first >= 0.05 * together:
        rows.append(("of it building and compiling, by each worker's first child", duration(first)))
    return rows


def describe_time(ledger: Ledger, trials: Sequence[Trial]) -> str:
    """Return where the time went in a line; nothing of a search of less than a second."""
    if ledger.total < 1:
        return ""
    (_, whole), *rows = time_rows(ledger, trials)
    starts = f" in {ledger.starts} starts" if ledger.starts > 1 else ""
    return f"time: {whole}{starts}: " + "; ".join(f"{title} {time}" for title, time in rows)


def duration(seconds: float) -> str:
    """Return a duration as "3.1 s", "4.5 minutes" or "7.2 hours"."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds / 3600:.1f} hours"
