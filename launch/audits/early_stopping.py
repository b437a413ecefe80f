"""Which trials early stopping ends: recomputed from what was learned from before each of them."""

from __future__ import annotations

import collections
from collections.abc import Iterator

from nas_with_rl.launch.audits.findings import Check, Finding, counted
from nas_with_rl.launch.audits.recorded import RecordedSearch
from nas_with_rl.launch.audits.rewards import is_measured, is_near, wrong_reward
from nas_with_rl.launch.evaluators.asha import AshaRungs, curve_of, stop_of
from nas_with_rl.launch.records.trial_store import Trial


def check_early_stopping(recorded: RecordedSearch) -> list[Check]:
    """Return what is said of the trials that were stopped; nothing of a search that stops none."""
    evaluated = [trial for trial in recorded.trials if trial.reused_from is None]
    stopped = sum(trial.status == "stopped" for trial in evaluated)
    if recorded.config.early_stopping == "none":
        if not stopped:
            return []
        said = f"{counted(stopped, 'trial')} by the evaluation's own rule"
        return [Check("early stopping", said, tuple(_wrong_rewards(evaluated)))]
    measured = [trial for trial in evaluated if is_measured(trial)]
    said = f"{stopped:,} of {counted(len(measured), 'trial')} as {recorded.config.early_stopping}"
    findings = (*_wrong_rewards(measured), *_wrong_stops(recorded, measured))
    return [Check("early stopping", f"{said} has it", findings)]


def _wrong_rewards(trials: list[Trial]) -> Iterator[Finding]:
    for trial in trials:
        curve = curve_of(trial) if trial.status == "stopped" else ()
        if curve and not is_near(trial.reward, float(curve[-1][1])):
            yield wrong_reward(trial, float(curve[-1][1]), "from what it reported last")


def _wrong_stops(recorded: RecordedSearch, trials: list[Trial]) -> Iterator[Finding]:
    learned: dict[int, list[Trial]] = collections.defaultdict(list)
    for trial in recorded.trials:
        if trial.updated_version is not None:
            learned[trial.updated_version].append(trial)
    rungs = AshaRungs(recorded.config.asha)
    for version in sorted(learned):
        rungs.learn(learned[version], version)
    for trial in trials:
        curve = curve_of(trial)
        follows = stop_of(curve, rungs.of(trial.number, trial.sampled_version))
        stored = curve[-1][0] if curve and trial.status == "stopped" else None
        if stored != follows:
            there, here = (
                "no stop" if step is None else f"a stop at step {step}"
                for step in (stored, follows)
            )
            yield Finding(
                f"trial {trial.number}: {there} is stored, {here} follows from the trials that "
                "were learned from before it was proposed",
                *(trial.number, trial.updated_version, stored, follows),
            )
