"""What a search says: at its beginning, when it is stopped, and at its end."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nas_with_rl.launch.evaluators.measurements import last_number
from nas_with_rl.launch.experiments.tabular.tabular_space import TabularSpace
from nas_with_rl.launch.host.terminal import say
from nas_with_rl.launch.records.ledger import Ledger, read_ledger
from nas_with_rl.launch.records.ranking import Ranked, ranked
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.records.workdir import EXPERIMENT_FILE, Workdir
from nas_with_rl.launch.results.search_result import SearchResult
from nas_with_rl.launch.results.times import child_seconds, describe_time
from nas_with_rl.launch.searches.named_run import NamedRun
from nas_with_rl.launch.searches.run import Claim, Run
from nas_with_rl.search_spaces.drawing import draw


def describe_beginning(named: NamedRun, claimed: Claim, plan: str) -> str:
    """Return what is searched, where it is kept, what evaluates now and did not before, and how.

    Args:
      named: the search.
      claimed: its run.
      plan: how its children are trained, in a line.
    """
    experiment = named.data.experiment
    lines = [f"{experiment.name}: {experiment.source}", f"workdir: {named.request.workdir}"]
    if isinstance(experiment.space, TabularSpace):
        lines.insert(1, experiment.space.read().describe())
    if "sha256" in claimed.changed.get("after", {}):
        module = claimed.run.description["data_found"]["function"].partition(":")[0]
        lines.append(
            f"the file of {module} has changed since its last trials: the next are evaluated as it "
            f"is now ({EXPERIMENT_FILE} keeps when, and both digests)"
        )
    return "\n".join([*lines, plan])


def describe_interruption(result: SearchResult, run: Run, how: str) -> str:
    """Return how far the search came, and how it is continued."""
    return f"stopped after {result.describe_done(run.config)};\n{how}"


@contextlib.contextmanager
def saying_how_to_go_on(run: Run, how: Callable[[], str]) -> Iterator[None]:
    """Say how far a search came that an exception ends, and how it is continued."""
    try:
        yield
    except Exception as error:
        result = getattr(error, "search_result", None)
        if isinstance(result, SearchResult):
            say(describe_interruption(result, run, f"once what follows is mended, {how()}"))
        raise


def describe_places(result: SearchResult) -> str:
    """Return where everything lies."""
    compared = "  comparison.json" if Workdir(str(result.workdir)).comparison.exists() else ""
    return (
        f"\neverything lies in {Path(str(result.workdir)).resolve()}:\n"
        f"  trials.sqlite  checkpoints/  experiment.json{compared}  report.html\n"
        f"  curves: tensorboard --logdir={result.workdir}/tensorboard"
    )


def describe_search(result: SearchResult, *, metric: str | None = None) -> str:
    """Return the end result as text: the best architecture, its measurement, the children.

    Args:
      result: of the search.
      metric: name of the measurement to print beside the reward; its last value where it is one
        per epoch.
    """
    trials = result.trials
    failed = [trial for trial in trials if trial.status == "failed"]
    stopped = sum(trial.status == "stopped" for trial in trials)
    early = f"{stopped} stopped early, " if stopped else ""
    reused = sum(trial.reused_from is not None for trial in trials)
    trained = len(trials) - reused - sum(trial.status == "running" for trial in trials)
    seconds = sum(child_seconds(trial) or 0.0 for trial in trials)
    lines = _best(ranked(trials), result, metric)
    reasons = sorted({str(trial.failure) for trial in failed})
    lines.append(
        f"{len(trials)} trials: {trained} children evaluated in {seconds / 60:.1f} minutes, "
        f"{reused} reused, {early}{len(failed)} failed"
        + (f" ({', '.join(reasons)})" if reasons else "")
    )
    if result.workdir and (spent := describe_time(_ledger(result), trials)):
        lines.append(spent)
    quarter = len(trials) // 4
    first, last = _mean_reward(trials[:quarter]), _mean_reward(trials[-quarter:])
    if first is not None and last is not None:
        lines.append(
            f"mean reward: {first:.4g} of the first {quarter} trials, {last:.4g} of the last"
        )
    return "\n".join(lines)


def _ledger(result: SearchResult) -> Ledger:
    return read_ledger(Workdir(str(result.workdir)).ledger)


def _best(found: Sequence[Ranked], result: SearchResult, metric: str | None) -> list[str]:
    if not found:
        return ["no child was completed"]
    best, trial = found[0], found[0].trial
    facts = [f"trial {trial.number}", f"reward {best.describe()}"]
    value = last_number(trial.metrics.get(metric)) if metric else None
    if metric and value is not None:
        facts.append(f"{metric.replace('_', ' ')} {value:.4g}")
    if trial.num_parameters:
        facts.append(f"{trial.num_parameters:,} parameters")
    architecture = result.architecture(trial)
    return [
        f"best architecture ({', '.join(facts)}):",
        f"  --architecture='{architecture}'",
        *("  " + line for line in draw(architecture).splitlines()),
    ]


def _mean_reward(trials: Sequence[Trial]) -> float | None:
    rewards = [trial.reward for trial in trials if trial.reward is not None]
    return statistics.fmean(rewards) if rewards else None
