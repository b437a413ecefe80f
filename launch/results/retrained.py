"""The best architectures of a search, trained again: what fresh seeds say of them.

A search's best is the highest of many values, which is partly luck. So the best few are trained
again with seeds that no trial of the search had, the same ones for each of them, and ranked by the
mean. The trainings lie as trials beside those of the search, in a store of their own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas_with_rl.launch.records.ranking import Ranked, ranked
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.results.search_result import FoundArchitecture, SearchResult, finding
from nas_with_rl.launch.results.units import THE_REWARD, Unit, Value, measured_names
from nas_with_rl.search_spaces.errors import shortened
from nas_with_rl.search_spaces.space import SearchSpace

if TYPE_CHECKING:
    import pandas

_LONGEST = 60  # characters of an architecture in a row


@dataclasses.dataclass(frozen=True, repr=False)
class Retrained:
    """The best architectures of a search, each trained again with fresh seeds; it shows itself.

    Attributes:
      space: that was searched.
      trials: a training each, by number; its seed is `.seed`, failed ones have their reason.
      searched: of the same architectures, what the search measured; in its order.
      workdir: of the search, which keeps the trainings; None if in memory.
      metric: the measurement that the search is thought of in; None for its reward.
    """

    space: SearchSpace
    trials: tuple[Trial, ...]
    searched: tuple[Ranked, ...]
    workdir: Path | None
    metric: str | None = None

    @property
    def best(self) -> FoundArchitecture:
        """The architecture of the highest mean reward over the fresh seeds, with its spread.

        Raises:
          ValueError: every training failed.
        """
        found = self.top()
        if not found:
            raise ValueError(f"none of {len(self.trials)} trainings was completed")
        return found[0]

    @property
    def unit(self) -> Unit:
        """What its values are: the search's metric, where a training has it, or the reward."""
        has_metric = self.metric is not None and self.metric in measured_names(self.trials)
        return Unit(str(self.metric)) if has_metric else THE_REWARD

    def top(self) -> list[FoundArchitecture]:
        """Return the architectures, the highest mean reward over their fresh seeds first.

        Those that failed with every seed are left out. The `trial` of each is the search's, all
        else is of the fresh seeds.
        """
        return self._found(ranked(self.trials))

    def tied(self) -> list[FoundArchitecture]:
        """Return those that the seeds do not tell from the best.

        These are the ones that were better with one of their seeds than the best was with one of
        its own, or that have a single seed, as the best may.
        """
        found = ranked(self.trials)
        return self._found([each for each in found[1:] if not _above(found[0], each)])

    def _found(self, again: Sequence[Ranked]) -> list[FoundArchitecture]:
        searched = {each.trial.architecture: each.trial for each in self.searched}
        return [
            dataclasses.replace(
                finding(each, self.space, self.unit),
                trial=searched.get(each.trial.architecture, each.trial),
            )
            for each in again
        ]

    def table(self) -> pandas.DataFrame:
        """Return every training as a row of a pandas DataFrame, as `SearchResult.table`."""
        from nas_with_rl.launch.results.tables import trial_table

        return trial_table(self.trials, self.space)

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row of titles, then one for each architecture, the best first.

        They say its trial, what fresh seeds measured, what the search did, and its text.
        """
        units = [self.unit, *([THE_REWARD] if self.unit != THE_REWARD else [])]
        searched = {each.trial.architecture: each for each in self.searched}
        order = [each.trial.architecture for each in ranked(self.trials)]
        order += [text for text in searched if text not in order]
        titles = ("trial", *(unit.title for unit in units), "seeds")
        rows = [(*titles, f"{self.unit.title} in the search", "architecture")]
        for text in order:
            trained = [trial for trial in self.trials if trial.architecture == text]
            before = searched.get(text)
            rows.append(
                (
                    str(before.trial.number) if before else "",
                    *(_shown(unit, unit.over(trained)) for unit in units),
                    _seeds(trained),
                    _shown(self.unit, self.unit.over(before.trials)) if before else "",
                    shortened(text, _LONGEST),
                )
            )
        return rows

    def verdict(self) -> str:
        """Return what can be said of the best: how many the seeds do not tell from it."""
        others = ranked(self.trials)[1:]
        if not others:
            return ""
        if len(others[0].rewards) < 2 and max(len(each.rewards) for each in others) < 2:
            return "one seed each tells none apart"
        tied = len(self.tied())
        if not tied:
            return "the first is above all others on every seed"
        if len(others) == 1:
            return "the seeds do not tell the two apart"
        return f"the seeds do not tell {tied} of the {len(others)} others from the first"

    def describe(self) -> str:
        """Return it as lines of text."""
        rows = self.rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, *filter(None, [self.verdict()])])

    def __repr__(self) -> str:
        return f"the best again, with fresh seeds:\n{self.describe()}"

    def _repr_html_(self) -> str:
        titles, *rows = self.rows()
        head = "".join(f"<th>{html.escape(each)}</th>" for each in titles)
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows
        )
        return (
            "<div class='nas-result'><p><b>The best again</b>, with fresh seeds</p>"
            f"<table><tr>{head}</tr>{body}</table><p>{html.escape(self.verdict())}</p></div>"
        )


def read_retrained(result: SearchResult) -> Retrained | None:
    """Return all trainings that a search's workdir keeps; None without any.

    Raises:
      InputError: they cannot be read.
    """
    place = None if result.workdir is None else Workdir(result.workdir, flag="workdir")
    trials = () if place is None else tuple(stored_trainings(place))
    return retrained_of(result, trials) if trials else None


def retrained_of(result: SearchResult, trials: Sequence[Trial]) -> Retrained:
    """Return trainings beside what their search measured of the same architectures."""
    texts = {trial.architecture for trial in trials}
    searched = tuple(each for each in ranked(result.trials) if each.trial.architecture in texts)
    return Retrained(result.space, tuple(trials), searched, result.workdir, result.metric)


def stored_trainings(place: Workdir) -> list[Trial]:
    """Return the trainings that a workdir keeps, by number."""
    if not place.retrained.exists():
        return []
    with contextlib.closing(TrialStore(place.retrained, read_only=True)) as store:
        return store.all()


def best_of(place: Workdir) -> tuple[Ranked | None, str]:
    """Return the best architecture of a search's workdir, and by what.

    It is the best over fresh seeds where the search's own best was trained again; what they measure
    does not compare with what a search has picked by.
    """
    with contextlib.closing(TrialStore(place.trials, read_only=True)) as store:
        found = ranked(store.all())
    if not found:
        return None, ""
    by_text = {each.trial.architecture: each for each in found}
    again = [each for each in ranked(stored_trainings(place)) if each.trial.architecture in by_text]
    if found[0].trial.architecture in {each.trial.architecture for each in again}:
        best = by_text[again[0].trial.architecture]
        return best, f"reward {again[0].describe()} with fresh seeds"
    return found[0], f"reward {found[0].describe()}"


def _above(best: Ranked, other: Ranked) -> bool:
    """Say whether one is above another on every seed, of several each."""
    if len(best.rewards) < 2 or len(other.rewards) < 2:
        return False
    return min(best.rewards) > max(other.rewards)


def _seeds(trained: Sequence[Trial]) -> str:
    """Return with how many seeds an architecture was trained, and what became of the others."""
    done = sum(trial.status == "completed" for trial in trained)
    failed = sum(trial.status == "failed" for trial in trained)
    left = len(trained) - done - failed
    parts = [str(done), *([f"{failed} failed"] if failed else [])]
    return ", ".join([*parts, *([f"{left} not done"] if left else [])])


def _shown(unit: Unit, value: Value | None) -> str:
    """Return a value as it stands in a row, with its spread."""
    if value is None:
        return ""
    if value.count < 2:
        return unit.show(value.mean)
    return f"{unit.show(value.mean)} ± {unit.show_spread(value)}"
