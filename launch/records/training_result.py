"""What a final training leaves on disk beside its model: `experiment.json` and `result.json`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from nas_with_rl.launch.records.resumption import STORED, RunKind
from nas_with_rl.launch.records.workdir import Workdir, read_object, write_object
from nas_with_rl.search_spaces.errors import InputError, shortened
from nas_with_rl.search_spaces.field_checks import check_fields, check_range
from nas_with_rl.search_spaces.published import with_current_names

TRAINING = RunKind(
    "training of one architecture",
    "training",
    {**STORED, "architecture": ("named", "architecture")},
    # The settings that overrides give are compared, and the architecture that a name stands for.
    may_change=("overrides", "named"),
    current=with_current_names,
)

Metric = Literal["accuracy", "perplexity", "bits_per_character"]
TrainingStatus = Literal["training", "finished", "failed"]


@dataclasses.dataclass(frozen=True)
class FinalResult:
    """What a final training measured so far; `result.json`.

    Attributes:
      experiment: by name.
      architecture: as one line of text.
      named: its name, for one of the paper's or a designed cell.
      metric: of `validation` and `test`; accuracies lie in [0, 1].
      epochs: how many there are to be.
      device: what it ran on.
      num_parameters: how many numbers are trained.
      multiply_adds: of one forward pass, per image or per token.
      units: hidden units of a language model's layers.
      status: "finished" also means that the test set was looked at, where it was to be.
      seconds_per_epoch: the median of the epochs, validation included.
      train_loss: mean cross-entropy of each epoch, in nats.
      validation: after each epoch, in the metric.
      best_epoch: the one, from 1, whose weights are kept, and best_validation: its figure.
      test: the figure of the kept weights; None where the test set was not looked at.
      test_looks: how often the test set was looked at.
      test_looked_at: when it was last, as ISO 8601.
      failure: the reason and what was seen.
    """

    experiment: str
    architecture: str
    named: str | None
    metric: Metric
    epochs: int
    device: str = ""
    num_parameters: int = 0
    multiply_adds: int = 0
    units: int | None = None
    status: TrainingStatus = "training"
    seconds_per_epoch: float | None = None
    train_loss: tuple[float, ...] = ()
    validation: tuple[float, ...] = ()
    best_epoch: int | None = None
    best_validation: float | None = None
    test: float | None = None
    test_looks: int = 0
    test_looked_at: str | None = None
    failure: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        counts = ("epochs", "num_parameters", "multiply_adds", "units", "best_epoch", "test_looks")
        known = [name for name in counts if getattr(self, name) is not None]
        check_range(self, known, least=0, most=math.inf)

    @property
    def title(self) -> str:
        """The name, or the text of an architecture without one."""
        return self.named or self.architecture


def best_epoch(validation: Sequence[float], metric: Metric) -> int | None:
    """Return the epoch, from 1, of the best figure, the earliest of equals; None without any."""
    if not validation:
        return None
    best = max(validation) if metric == "accuracy" else min(validation)
    return 1 + list(validation).index(best)


def figure(value: float, metric: Metric) -> str:
    """Return a figure as it is printed: an error in per cent, a perplexity, bits per character."""
    if metric == "accuracy":
        return f"error {100 * (1 - value):.2f} %"
    if metric == "perplexity":
        return f"perplexity {value:.2f}"
    return f"{value:.4f} bits per character"


def read_result(workdir: str | Path) -> FinalResult | None:
    """Return the result that lies in a final training's workdir, None before there is one.

    Raises:
      InputError: `result.json` is damaged, or has a value of another type.
    """
    path = Workdir(workdir).result
    if not path.exists():
        return None
    stored = with_current_names(read_object(path))
    values = {"train_loss": None, "validation": None, **stored}  # None is refused
    try:
        result = FinalResult(**values)
    except TypeError as error:  # names what is missing or unknown
        raise InputError(f"{path} cannot be read: {shortened(str(error), 200)}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if (result.best_epoch is None) != (result.best_validation is None):
        raise InputError(f"{path} has one of best_epoch and best_validation, not both")
    return result


def write_result(result: FinalResult, place: Workdir) -> None:
    """Write `result.json`, whole or not at all."""
    write_object(dataclasses.asdict(result), place.result)
