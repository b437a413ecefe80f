"""The experiments by name: those that run here in minutes, and the paper's own."""

from __future__ import annotations

from collections.abc import Sequence

from nas_with_rl.launch.configuration import with_overrides
from nas_with_rl.launch.experiment import Experiment
from nas_with_rl.launch.paper_experiments import PAPER_EXPERIMENTS
from nas_with_rl.launch.small_experiments import SMALL_EXPERIMENTS
from nas_with_rl.search_spaces.errors import InputError

EXPERIMENTS: tuple[Experiment, ...] = (*SMALL_EXPERIMENTS, *PAPER_EXPERIMENTS)


def find_experiment(name: str) -> Experiment:
    """Return the experiment of that name; InputError where there is none."""
    for experiment in EXPERIMENTS:
        if experiment.name == name:
            return experiment
    known = ", ".join(experiment.name for experiment in EXPERIMENTS)
    raise InputError(f"--experiment={name}: no such experiment; there are {known}, and help")


def configured(name: str | None, overrides: Sequence[str]) -> Experiment:
    """Return the experiment of that name with overrides applied."""
    if name is None:
        raise InputError("--experiment is missing; --experiment=help lists what there is")
    return with_overrides(find_experiment(name), overrides)


def describe_experiments() -> str:
    """Return what `--experiment=help` prints."""
    return "\n\n".join(
        f"{experiment.name}\n"
        f"  source:  {experiment.source}\n"
        f"  time:    {experiment.expected_time}\n"
        f"  result:  {experiment.expected_result}\n"
        f"  command: {experiment.command}"
        for experiment in EXPERIMENTS
    )
