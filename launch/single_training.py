"""One given architecture from text to measurement: what `train_architecture` does."""

from __future__ import annotations

import dataclasses

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.launch.children import make_trainer
from nas_with_rl.launch.experiments import Experiment
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.drawing import draw


@dataclasses.dataclass(frozen=True)
class Request:
    """What the flags say."""

    architecture: str
    data_dir: str | None
    seed: int


def train(experiment: Experiment, request: Request) -> str:
    """Train an architecture as the experiment says, printing each epoch; return the end result.

    Raises:
      InputError: text that is no architecture of the space, or missing data.
    """
    architecture = parse_architecture(
        request.architecture, experiment.search_space(), any_depth=True
    )
    trainer = make_trainer(
        experiment, data_dir=request.data_dir, seed=request.seed, report=_print_epoch
    )
    print(f"{experiment.name}: {experiment.source}\n{draw(architecture)}", flush=True)
    try:
        measurement = trainer(architecture, request.seed)
    except ChildFailure as failure:
        return f"failed: {failure.reason} ({failure})"
    parameters = measurement.num_parameters
    lines = [f"{parameters:,} parameters"] if parameters else []
    for name, values in measurement.metrics.items():
        last = values if isinstance(values, int | float) else values[-1]
        lines.append(f"{name.replace('_', ' ')}: {last:.4g}")
    return "\n".join([*lines, f"reward: {measurement.reward:.4f}"])


def _print_epoch(epoch: int, train: float, validation: float) -> None:
    print(f"epoch {epoch}: training {train:.4f}, validation {validation:.4f}", flush=True)
