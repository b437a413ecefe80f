"""Grid search over training settings for the best architectures of a search.

Zoph & Le (2016), section 4.1: "a small grid search over learning rate, weight decay, batchnorm
epsilon and what epoch to decay the learning rate"; section 4.2: learning rate, weight
initialisation, dropout rates and decay epoch. The values are left open. Every point is a final
training that never sees the test set (`grid_run`).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.trainings.trainees import FinalTraining, final_kind
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields


@dataclasses.dataclass(frozen=True)
class Axis:
    """One setting and the values it takes: `child.learning_rate` and ("0.05", "0.1")."""

    field: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        separator = ";" if any("," in value for value in self.values) else ","
        return f"{self.field}={separator.join(self.values)}"


def parse_axis(text: str) -> Axis:
    """Read `FIELD=VALUE,VALUE`, or `FIELD=VALUE;VALUE` for values that have commas themselves.

    Raises:
      InputError: no "=", no value, or the same one twice.
    """
    field, equals, values = text.partition("=")
    found = [value.strip() for value in values.split(";" if ";" in values else ",")]
    if not equals or not field.strip() or not all(found):
        raise InputError(
            f"--grid={text}: expected FIELD=VALUE,VALUE, as in child.learning_rate=0.05,0.1"
        )
    if len(set(found)) < len(found):
        raise InputError(f"--grid={text}: a value stands there twice")
    return Axis(field.strip(), tuple(found))


def default_axes(experiment: Experiment) -> tuple[Axis, ...]:
    """Return the axes of the experiment's kind of child; InputError where nothing is trained."""
    axes = final_kind(experiment, "tune").axes(experiment.child, experiment.space)
    return tuple(Axis(field, values) for field, values in axes.items())


@dataclasses.dataclass(frozen=True)
class GridSearch:
    """What is searched.

    Attributes:
      experiment: by name.
      overrides: of every point.
      final_overrides: of the winner's training beside, as a larger number of epochs.
      axes: every combination of their values is a point.
      architectures: as text; each is trained at every point.
      num_points: how many of the combinations are points, the same for each architecture: drawn
        with the seed so that an axis has each of its values as often as another, or nearly; 0 for
        all.
      seed: of every training.
      data_dir: where the data lies.
    """

    experiment: str
    architectures: tuple[str, ...]
    axes: tuple[Axis, ...]
    overrides: tuple[str, ...] = ()
    final_overrides: tuple[str, ...] = ()
    seed: int = 0
    data_dir: str | None = None
    num_points: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.num_points < 0:
            raise InputError(f"--points={self.num_points} is below 0")
        fields = [axis.field for axis in self.axes]
        for field in fields:
            if field.partition(".")[0] not in ("child", "data", "space"):
                raise InputError(f"--grid={field}=...: an axis is a field of child, data or space")
        for field in fields:
            if fields.count(field) > 1:
                raise InputError(f"--grid has two axes of {field}")
        self.training("", (), final=True)  # before the first child, not after days
        for axis in self.axes:
            for value in axis.values:
                self.training("", [f"{axis.field}={value}"])

    def points(self) -> Iterator[tuple[int, str, tuple[str, ...]]]:
        """Yield number, architecture and assignments of every point, architectures outermost."""
        combinations = itertools.product(self.architectures, self._assignments())
        for number, (architecture, assignments) in enumerate(combinations, start=1):
            yield number, architecture, assignments

    def _assignments(self) -> list[tuple[str, ...]]:
        every = [[f"{axis.field}={value}" for value in axis.values] for axis in self.axes]
        most = math.prod(map(len, every))
        if not 0 < self.num_points < most:
            return list(itertools.product(*every))
        draw, drawn = random.Random(self.seed), dict[tuple[str, ...], None]()
        while len(drawn) < self.num_points:  # each round has every value of the longest axis
            length = max(map(len, every))
            columns = [_repeated(values, length, draw) for values in every]
            drawn.update(dict.fromkeys(zip(*columns, strict=True)))
        return list(drawn)[: self.num_points]

    def training(
        self, architecture: str, assignments: Sequence[str], *, final: bool = False
    ) -> FinalTraining:
        """Return one point as a training."""
        overrides = (*self.overrides, *assignments, *(self.final_overrides if final else ()))
        return FinalTraining(
            experiment=configure(self.experiment, overrides),
            architecture=architecture,
            seed=self.seed,
            data_dir=self.data_dir,
            overrides=overrides,
        )

    def as_json(self) -> dict[str, Any]:
        """Return JSON-ready values, which `grid_from_json` takes back."""
        values = dataclasses.asdict(self) | {"axes": [str(axis) for axis in self.axes]}
        if not self.num_points:  # as it was written before there was a choice
            del values["num_points"]
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def _repeated(values: Sequence[str], length: int, draw: random.Random) -> list[str]:
    """Return values in an order that is drawn, each as often as another, or once more."""
    column: list[str] = []
    while len(column) < length:
        column += draw.sample(values, len(values))
    return column[:length]


def grid_from_json(values: Mapping[str, Any]) -> GridSearch:
    """Return the grid search that `as_json` wrote.

    Raises:
      KeyError, TypeError: it was written by something else.
    """
    return GridSearch(
        experiment=values["experiment"],
        architectures=tuple(values["architectures"]),
        axes=tuple(parse_axis(text) for text in values["axes"]),
        overrides=tuple(values["overrides"]),
        final_overrides=tuple(values["final_overrides"]),
        seed=values["seed"],
        data_dir=values["data_dir"],
        num_points=values.get("num_points", 0),
    )
