"""An architecture tuned and trained with several seeds: what a comparison does with each.

<folder>/points/<n>/    every setting that is tried, one training each, without the test set
<folder>/seed_<n>/      the final trainings with the best setting
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.host.terminal import say
from nas_with_rl.launch.records.training_result import FinalResult
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.trainings.grid import GridSearch, parse_axis
from nas_with_rl.launch.trainings.grid_run import GridPoint, describe_points, train_points
from nas_with_rl.launch.trainings.trainees import FinalTraining
from nas_with_rl.launch.trainings.training import Test, train
from nas_with_rl.search_spaces.errors import InputError

MAX_SEEDS = 1_000
SEED_FOLDER = "seed_{}"


@dataclasses.dataclass(frozen=True)
class Tuning:
    """How each architecture of a comparison is tuned before it is trained: all alike.

    Attributes:
      axes: settings and their values, as `parse_axis` reads them; none: nothing is tuned.
      num_points: how many of their combinations are tried; 0 for all.
      overrides: of these trials alone, as fewer epochs.
      num_seeds: final trainings with the best of them, with the comparison's seed and those after.
    """

    axes: tuple[str, ...] = ()
    num_points: int = 0
    overrides: tuple[str, ...] = ()
    num_seeds: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.num_seeds <= MAX_SEEDS:
            raise InputError(f"--seeds={self.num_seeds}, not from 1 to {MAX_SEEDS:,}")
        if not self.axes and (self.num_points or self.overrides):
            flag = "--points" if self.num_points else "--grid_override"
            raise InputError(f"{flag} has no effect without --grid: nothing is tuned")

    @property
    def is_plain(self) -> bool:
        """Whether each architecture is one training with the settings that are given."""
        return not self.axes and self.num_seeds == 1

    def as_json(self) -> dict[str, Any]:
        """Return what `experiment.json` says of it: nothing of one that is plain."""
        if self.is_plain:
            return {}
        axes = [str(parse_axis(axis)) for axis in self.axes]
        lists = {"axes": axes, "overrides": list(self.overrides)}
        return {"tuning": dataclasses.asdict(self) | lists}


def grid_of(training: FinalTraining, name: str, tuning: Tuning) -> GridSearch:
    """Return the settings that are tried for an architecture.

    Args:
      training: of it, untuned.
      name: of the experiment.
      tuning: how it is tuned.

    Raises:
      InputError: an axis that is none, or values that do not fit.
    """
    return GridSearch(
        name,
        (training.architecture,),
        tuple(map(parse_axis, tuning.axes)),
        overrides=(*training.overrides, *tuning.overrides),
        seed=training.seed,
        data_dir=training.data_dir,
        num_points=tuning.num_points,
    )


def train_tuned(
    training: FinalTraining, name: str, tuning: Tuning, folder: Path, *, test: Test
) -> tuple[FinalResult, ...]:
    """Tune an architecture and train it with each seed, or go on with that.

    Args:
      training: of it, untuned.
      name: of the experiment.
      tuning: how it is tuned.
      folder: where all of it is kept.
      test: whether the final trainings look at the test set.

    Returns:
      by seed, what the final trainings measured; where every setting has failed, what the first of
      them did.

    Raises:
      InputError: as `grid_of`.
    """
    if tuning.is_plain:
        return (train(training, folder, resume=Workdir(folder).is_begun(), test=test),)
    if tuning.axes:
        best = _best_point(training, name, tuning, folder)
        if best.result.status == "failed":
            return (best.result,)
        overrides = (*training.overrides, *best.assignments)
        training = dataclasses.replace(
            training, experiment=configure(name, overrides), overrides=overrides
        )
    results = []
    for number in range(tuning.num_seeds):
        seeded = dataclasses.replace(training, seed=training.seed + number)
        place = folder / SEED_FOLDER.format(seeded.seed)
        say(f"\nseed {seeded.seed}")
        results.append(train(seeded, place, resume=Workdir(place).is_begun(), test=test))
    return tuple(results)


def _best_point(training: FinalTraining, name: str, tuning: Tuning, folder: Path) -> GridPoint:
    """Try every setting; return the one of the best validation figure."""
    points = train_points(grid_of(training, name, tuning), folder, all_may_fail=True)
    best = points[0]
    say(f"\n{describe_points(points)}\n\nthe best is point {best.number}: "
        f"{' '.join(best.assignments)}")  # fmt: skip
    return best
