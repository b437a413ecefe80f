"""What a finished search prints."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from nas_with_rl.launch.results import SearchResult
from nas_with_rl.launch.trials import Trial
from nas_with_rl.search_spaces.drawing import draw


def describe(result: SearchResult, *, metric: str | None = None) -> str:
    """Return the end result as text: the best architecture, its measurement, the children.

    Args:
      result: of the search.
      metric: name of the measurement to print beside the reward; its last value where it is one
        per epoch.
    """
    trials = result.trials
    failed = [trial for trial in trials if trial.status == "failed"]
    reused = sum(trial.reused_from is not None for trial in trials)
    trained = len(trials) - reused - sum(trial.status == "running" for trial in trials)
    seconds = sum(
        trial.ended - trial.started
        for trial in trials
        if trial.ended and trial.started and trial.reused_from is None
    )
    lines = _best(result, metric) if len(failed) < len(trials) else ["no child was completed"]
    reasons = sorted({str(trial.failure) for trial in failed})
    lines.append(
        f"{len(trials)} trials: {trained} children evaluated in {seconds / 60:.1f} minutes, "
        f"{reused} reused, {len(failed)} failed" + (f" ({', '.join(reasons)})" if reasons else "")
    )
    quarter = len(trials) // 4
    if quarter:
        first, last = _mean_reward(trials[:quarter]), _mean_reward(trials[-quarter:])
        lines.append(
            f"mean reward: {first:.4g} of the first {quarter} trials, {last:.4g} of the last"
        )
    return "\n".join(lines)


def _best(result: SearchResult, metric: str | None) -> list[str]:
    best = result.best
    measured = best.trial.metrics.get(metric) if metric else None
    value = measured[-1] if isinstance(measured, list | tuple) else measured
    facts = [f"trial {best.trial.number}", f"reward {best.reward:.4f}"]
    if metric and value is not None:
        facts.append(f"{metric.replace('_', ' ')} {value:.4g}")
    if best.trial.num_parameters:
        facts.append(f"{best.trial.num_parameters:,} parameters")
    return [
        f"best architecture ({', '.join(facts)}):",
        f"  --architecture='{best.architecture}'",
        *("  " + line for line in draw(best.architecture).splitlines()),
    ]


def _mean_reward(trials: Sequence[Trial]) -> float:
    return statistics.fmean(trial.reward or 0.0 for trial in trials)
