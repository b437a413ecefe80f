"""The experiments by name: those that run here in minutes, the paper's, and a user's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nas_with_rl.launch.experiments.children import OwnEvaluation
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.miniature import MINIATURE_EXPERIMENTS
from nas_with_rl.launch.experiments.named_modules import check_name, imported
from nas_with_rl.launch.experiments.overrides import with_overrides
from nas_with_rl.launch.experiments.paper import PAPER_EXPERIMENTS
from nas_with_rl.launch.experiments.sequence_tasks import SEQUENCE_EXPERIMENTS
from nas_with_rl.launch.experiments.small import SMALL_EXPERIMENTS, TABLE
from nas_with_rl.search_spaces.errors import InputError, shortened

EXPERIMENTS: tuple[Experiment, ...] = (
    *SMALL_EXPERIMENTS,
    *MINIATURE_EXPERIMENTS,
    *SEQUENCE_EXPERIMENTS,
    *PAPER_EXPERIMENTS,
)


def find_experiment(name: str) -> Experiment:
    """Return the experiment of that name, or what "module:attribute" is.

    Raises:
      InputError: there is none, or the attribute is no experiment.
    """
    if ":" in name:
        return _own_experiment(name)
    for experiment in (*EXPERIMENTS, TABLE):
        if experiment.name == name:
            return experiment
    known = ", ".join(experiment.name for experiment in (*EXPERIMENTS, TABLE))
    raise InputError(
        f"--experiment={name}: no such experiment; there are {known}, and help; "
        "one of your own is MODULE:ATTRIBUTE"
    )


def check_built_in(name: str | None) -> None:
    """Raise InputError for a name that no experiment has; one of one's own is looked at later.

    It is for binaries that first prepare Keras, in whose seconds nobody learns of a slip.
    """
    if name is not None and ":" not in name:
        find_experiment(name)


def _own_experiment(name: str) -> Experiment:
    found = imported(name, flag="--experiment")
    if not isinstance(found, Experiment):
        raise InputError(
            f"--experiment={name}: it is of type {type(found).__name__}, no nas_with_rl.Experiment"
        )
    return found


def configure(
    name: str | None, overrides: Sequence[str], *, evaluate: str | None = None
) -> Experiment:
    """Return the experiment of that name with overrides applied, which its source then names.

    Args:
      name: of one that is built in, or "module:attribute".
      overrides: "path.to.field=value".
      evaluate: "module:function", which measures children in place of the experiment's own way.

    Raises:
      InputError: no such experiment, field or value.
    """
    if name is None:
        raise InputError("--experiment is missing; --experiment=help lists what there is")
    experiment = find_experiment(name)
    if evaluate is not None:
        check_name(evaluate, flag="--evaluate")
        search = experiment.search  # whose failures counted as its own children's do
        experiment = dataclasses.replace(
            experiment,
            source=f"{experiment.source}; measured by {evaluate}",
            child=OwnEvaluation(evaluate),
            data=None,
            num_compared=0,
            search=search and dataclasses.replace(search, failure_reward=None),
        )
    changed = with_overrides(experiment, overrides)
    if not overrides:
        return changed
    # What its source says of the settings may not hold any more.
    return dataclasses.replace(changed, source=f"{changed.source}; changed: {', '.join(overrides)}")


def check_overrides(experiment: Experiment, overrides: Sequence[str]) -> None:
    """Raise InputError for an override that another setting of the experiment leaves no effect."""
    unused = experiment.fit.unused(experiment.child, experiment.space)
    for override in overrides:
        name = override.partition("=")[0].strip()
        if name in unused:
            raise InputError(f"override {shortened(override)} has no effect: {unused[name]}")


def describe_experiments() -> str:
    """Return what `--experiment=help` prints."""
    described = [
        f"{experiment.name}\n"
        f"  source:  {experiment.source}\n"
        f"  time:    {experiment.expected_time}\n"
        f"  result:  {experiment.expected_result}\n"
        f"  command: {experiment.command}"
        for experiment in EXPERIMENTS
    ]
    own = (
        f"{TABLE.name}\n"
        "  source:  a table of measured architectures of your own: CSV, JSON or SQLite, a column "
        "for each decision\n"
        "  command: search --table=FILE\n\n"
        "MODULE:ATTRIBUTE\n"
        "  source:  a nas_with_rl.Experiment of your own, in a module that Python finds"
    )
    return "\n\n".join([*described, own])
