"""An architecture with everything that its final training needs: data, child, metric."""

from __future__ import annotations

import dataclasses
from typing import Any

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS
from nas_with_rl.child_models.language_models.training import bits_per_character, perplexity
from nas_with_rl.launch.evaluators.kinds.kind import (
    FinalKind,
    LocatedExperiment,
    NamedArchitecture,
    Trainee,
)
from nas_with_rl.launch.evaluators.kinds.rows import kind_of
from nas_with_rl.launch.experiments.catalogue import check_overrides
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.records.training_result import TRAINING, Metric
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields
from nas_with_rl.search_spaces.published import PUBLISHED, current_name, read_architecture

# The images of a final training are split as a search of this seed splits them, whatever the
# training's own seed, so that trainings with several seeds compare.
SPLIT_SEED = 0


@dataclasses.dataclass(frozen=True)
class FinalTraining:
    """One architecture and how it is trained.

    Attributes:
      experiment: its `child` and `data`, overrides applied.
      architecture: a line of text, or a name (`read_named`).
      seed: the key of the weights' first values and of every draw of the training; at least 0.
      data_dir: where the data lies.
      overrides: as they were applied to the experiment, for the record.
    """

    experiment: Experiment
    architecture: str
    seed: int = 0
    data_dir: str | None = None
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}, below 0")
        check_overrides(self.experiment, self.overrides)


def read_named(text: str, experiment: Experiment) -> NamedArchitecture:
    """Read a line of text, the name of a published architecture, or that of a designed cell.

    Raises:
      InputError: no such name, or text that is no architecture of the experiment's space.
    """
    name = current_name(text.strip())
    final = kind_of(experiment).final
    further = final.names if final else ()
    if name in further:
        return NamedArchitecture(None, name, name)
    if name in KNOWN_CELLS:
        raise InputError(
            f"--architecture={name} is a recurrent cell, and {experiment.name} trains none"
        )
    architecture = read_architecture(name, experiment.space, further_names=further)
    return NamedArchitecture(architecture, str(architecture), name if name in PUBLISHED else None)


def make_trainee(training: FinalTraining) -> Trainee:
    """Read the architecture and load the training and validation data.

    Raises:
      InputError: text that is no architecture, data that is missing or does not fit, or an
        experiment that looks its results up.
    """
    experiment = training.experiment
    final = final_kind(experiment, "train")
    named = read_named(training.architecture, experiment)
    located = LocatedExperiment(experiment, training.data_dir, SPLIT_SEED)
    return final.trainee(located, named, training.seed)


def final_kind(experiment: Experiment, purpose: str) -> FinalKind:
    """Return how an experiment's architectures are trained to the end.

    Args:
      experiment: whose.
      purpose: a verb, for the message.

    Raises:
      InputError: they are not.
    """
    final = kind_of(experiment).final
    if final is None:
        raise InputError(
            f"{experiment.name} looks its results up, or has them from a function of your own: "
            f"there is nothing to {purpose}"
        )
    return final


def describe_training(training: FinalTraining) -> dict[str, Any]:
    """Return what `experiment.json` says of a training, beside the data that is found."""
    experiment = training.experiment
    named = read_named(training.architecture, experiment)
    return {
        "kind": TRAINING.kind,
        "experiment": experiment.name,
        "architecture": named.text,
        "named": named.name,
        "seed": training.seed,
        "overrides": list(training.overrides),
        "space": as_json(experiment.space),
        "child": as_json(experiment.child),
        "data": as_json(experiment.data),
        "location": {"data_dir": training.data_dir},
    }


def draw_training(training: FinalTraining) -> str:
    """Return what is trained as lines of text."""
    experiment = training.experiment
    named = read_named(training.architecture, experiment)
    published = PUBLISHED.get(named.name or "") if named.architecture else None
    heading = f"{published.title}\n" if published else ""
    return heading + final_kind(experiment, "train").draw(experiment, named)


def in_metric(measured: float, metric: Metric) -> float:
    """Return in the metric what a child measured: an accuracy, or an nll in nats per token."""
    if metric == "accuracy":
        return measured
    return perplexity(measured) if metric == "perplexity" else bits_per_character(measured)
