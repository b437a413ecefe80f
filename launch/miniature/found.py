"""What the runs of the paper in miniature have found: read from their workdirs."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping
from pathlib import Path

from nas_with_rl.launch.comparisons.top_curves import ContestModels, UnfinishedError, read_contest
from nas_with_rl.launch.miniature.asked import MiniatureContest, MiniatureTable
from nas_with_rl.launch.records.resumption import read_run
from nas_with_rl.launch.records.training_result import FinalResult, Metric, read_result
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.trainings.comparison import COMPARISON, named_parts
from nas_with_rl.launch.trainings.tuned import SEED_FOLDER
from nas_with_rl.search_spaces.errors import InputError


@dataclasses.dataclass(frozen=True)
class FoundRow:
    """An architecture of a table as it was trained.

    Attributes:
      name: of the row; where searchers have found the same, "random_and_reinforce".
      results: of its final trainings that are finished, by seed.
      settings: that its tuning chose, as "child.learning_rate=0.01".
    """

    name: str
    results: tuple[FinalResult, ...]
    settings: tuple[str, ...]

    @property
    def metric(self) -> Metric:
        """Of its figures."""
        return self.results[0].metric

    def figures(self, which: str) -> tuple[float, ...]:
        """Return the "test" or "best_validation" figure of each seed; lower is better."""
        values = [getattr(result, which) for result in self.results]
        known = [value for value in values if value is not None]
        return tuple(100 * (1 - value) if self.metric == "accuracy" else value for value in known)

    @property
    def seconds_per_epoch(self) -> float | None:
        """The mean over the seeds."""
        known = [each.seconds_per_epoch for each in self.results if each.seconds_per_epoch]
        return statistics.fmean(known) if known else None


def read_miniature_contest(contest: MiniatureContest, runs: Path) -> ContestModels | None:
    """Return the models of a contest; None where it was not run to its end.

    Raises:
      InputError: what lies there is another comparison.
    """
    place = runs / contest.key
    if not Workdir(place).is_begun():
        return None
    try:
        found = read_contest(place)
    except UnfinishedError:
        return None
    if found.experiment != contest.experiment:
        raise InputError(f"{place} is a comparison of {found.experiment}, not {contest.experiment}")
    return found


def best_of_each(contest: MiniatureContest, models: ContestModels) -> Mapping[str, str]:
    """Return by short name the best architecture that each searcher has found, of all its seeds.

    By its validation figure, of one training. Two may have found the same.
    """
    best: dict[str, str] = {}
    for name, searcher in contest.searchers.items():
        ran = [model for of_seed in models.models.get(searcher, ()) for model in of_seed]
        values = {m.value: m.architecture for m in reversed(ran) if m.value is not None}
        if values:
            best[name] = values[min(values)]
    return best


def read_rows(table: MiniatureTable, runs: Path) -> tuple[FoundRow, ...]:
    """Return the rows of a table that have a finished training; none before one is begun.

    Raises:
      InputError: what lies there is another run.
    """
    place = Workdir(runs / table.key)
    if not place.is_begun():
        return ()
    told = read_run(place, COMPARISON)
    if told["experiment"] != table.experiment:
        raise InputError(
            f"{place.path} is a comparison of {told['experiment']}, not {table.experiment}"
        )
    rows = []
    for given in told["architectures"]:
        name, text = named_parts(given)
        row = _row(name or text, place.path / (name or text), told)
        rows += [row] if row.results else []
    return tuple(rows)


def _row(name: str, folder: Path, told: Mapping[str, object]) -> FoundRow:
    common, results, settings = told.get("overrides", []), [], ()
    pattern = SEED_FOLDER.format("*")
    for place in sorted(folder.glob(pattern), key=lambda path: int(path.name.rpartition("_")[2])):
        result = read_result(place)
        if result is not None and result.status == "finished":
            results.append(result)
            own = Workdir(place).read().get("overrides", [])
            settings = tuple(each for each in own if each not in common)  # type: ignore[operator]
    return FoundRow(name, tuple(results), settings)
