"""How far a search's result is luck, what it cost, and what failed: numbers, no sentences."""

from __future__ import annotations

import collections
import dataclasses
import math

import numpy as np

from nas_with_rl.launch.reports.choices import MISSING, Choices, Decided
from nas_with_rl.launch.reports.columns import COMPLETED, FAILED, Columns, ranks

_LEAST_FAILED = 5  # of an option, before anything is said of it
_LEAST_Z = 3.0
MOST_SUSPECTS = 5
_MOST_MESSAGES = 5


@dataclasses.dataclass(frozen=True)
class Repeats:
    """How far the evaluations of one architecture differ.

    Attributes:
      deviation: of a value; pooled over the architectures that were evaluated several times.
      num_architectures, num_evaluations: of these.
      lead: of the best mean reward before the second, in its standard errors; None without one.
      num_alike: other architectures that are less than two standard errors behind the best.
    """

    deviation: float
    num_architectures: int
    num_evaluations: int
    lead: float | None
    num_alike: int


def repeats(columns: Columns) -> Repeats | None:
    """Return what evaluations of the same architecture tell; None where there are none."""
    own = columns.measured()
    several = own[columns.counts[columns.place[own]] > 1]
    deviation_of_reward = _pooled(columns.reward[several], columns.place[several])
    deviation = _pooled(columns.value[several], columns.place[several])
    if deviation_of_reward is None or deviation is None:
        return None
    number = columns.num_measured
    counts, means = columns.counts[:number], columns.mean_reward[:number]
    errors = deviation_of_reward * np.sqrt(1 / counts[0] + 1 / counts[1:])
    behind = means[0] - means[1:]
    lead = float(behind[0] / errors[0]) if len(errors) and errors[0] else None
    architectures = len(np.unique(columns.place[several]))
    return Repeats(deviation, architectures, len(several), lead, int((behind < 2 * errors).sum()))


def _pooled(values: np.ndarray, places: np.ndarray) -> float | None:
    """Return the standard deviation within places, over all of them; None without two of one."""
    there = ~np.isnan(values)
    _, inverse = np.unique(places[there], return_inverse=True)
    values, counts = values[there], np.bincount(inverse)
    degrees = int((counts - 1).sum())
    if degrees < 1:
        return None
    means = np.bincount(inverse, values) / counts
    with np.errstate(over="ignore"):
        return float(math.sqrt(((values - means[inverse]) ** 2).sum() / degrees))


@dataclasses.dataclass(frozen=True)
class Trend:
    """The first quarter of the sampled trials beside the last.

    Attributes:
      first, last: mean rewards, of outcomes taken over too: what is sampled counts.
      wins: share of all pairs in which the late one has the higher reward; half of a tie.
      error: standard error of `wins` where there is no difference.
      number: trials in a quarter.
    """

    first: float
    last: float
    wins: float
    error: float
    number: int


def trend(columns: Columns) -> Trend | None:
    """Return whether the search samples better than at its beginning; None for less than 8."""
    rewards = columns.reward[~np.isnan(columns.reward)]
    number = len(rewards) // 4
    if number < 2:
        return None
    first, last = rewards[:number], rewards[-number:]
    ranked = ranks(np.concatenate([first, last]))
    # Of Mann and Whitney.
    wins = (ranked[number:].sum() - number * (number + 1) / 2) / number**2
    error = math.sqrt((2 * number + 1) / (12 * number * number))
    return Trend(float(first.mean()), float(last.mean()), float(wins), error, number)


def pareto_front(costs: np.ndarray, values: np.ndarray, *, lower_is_better: bool) -> np.ndarray:
    """Return the rows that no other one surpasses: as cheap and better, or cheaper and as good.

    Args:
      costs: [m], the less the better.
      values: [m]; rows without either number are none.
      lower_is_better: of the values.

    Returns:
      rows by rising cost; of equals the first.
    """
    values = values if lower_is_better else -values
    rows = np.flatnonzero(np.isfinite(costs) & np.isfinite(values))
    rows = rows[np.lexsort((values[rows], costs[rows]))]
    if not len(rows):
        return rows
    best_before = np.minimum.accumulate(values[rows])
    is_better = np.ones(len(rows), bool)
    is_better[1:] = values[rows][1:] < best_before[:-1]
    return rows[is_better]


@dataclasses.dataclass(frozen=True)
class FailureGroup:
    """Trials that failed for one reason.

    Attributes:
      reason: of the closed list.
      number: of them.
      last: the number of the newest trial.
      messages: first lines, how often each, and the row of a trial that has it; most frequent
        first, not all of many.
      num_messages: different ones.
    """

    reason: str
    number: int
    last: int
    messages: tuple[tuple[str, int, int], ...]
    num_messages: int


def failures(columns: Columns) -> list[FailureGroup]:
    """Return the failures by reason, most frequent first."""
    by_reason: dict[str, list[int]] = {}
    for row in np.flatnonzero(columns.kind == FAILED).tolist():
        by_reason.setdefault(str(columns.trials[row].failure), []).append(row)
    found = []
    for reason, rows in by_reason.items():
        lines: collections.Counter[str] = collections.Counter()
        example: dict[str, int] = {}
        for row in rows:
            line = first_line(columns.trials[row].message)
            lines[line] += 1
            example[line] = row
        messages = [
            (line, count, example[line]) for line, count in lines.most_common(_MOST_MESSAGES)
        ]
        last = columns.trials[rows[-1]].number
        found.append(FailureGroup(reason, len(rows), last, tuple(messages), len(lines)))
    return sorted(found, key=lambda group: (-group.number, group.reason))


def first_line(message: str | None) -> str:
    """Return the first line of what a failure said."""
    return (message or "").strip().partition("\n")[0]


@dataclasses.dataclass(frozen=True)
class Suspect:
    """An option whose children fail more often than the others of its decision.

    Attributes:
      decided, option: which.
      failed, number: of the trained children that have it.
      others_failed, others: of those that have another option.
    """

    decided: Decided
    option: str
    failed: int
    number: int
    others_failed: int
    others: int

    @property
    def z(self) -> float:
        """The difference of the two shares, in standard errors of no difference."""
        together = (self.failed + self.others_failed) / (self.number + self.others)
        spread = together * (1 - together) * (1 / self.number + 1 / self.others)
        difference = self.failed / self.number - self.others_failed / self.others
        return difference / math.sqrt(spread) if spread else 0.0


def suspects(choices: Choices, kinds: np.ndarray) -> list[Suspect]:
    """Return the options that go with failing, the clearest first.

    Args:
      choices: of the sampled architectures.
      kinds: [m] what became of each; one that is neither COMPLETED nor FAILED does not count.
    """
    trained = (kinds == COMPLETED) | (kinds == FAILED)
    found = []
    for column, decided in enumerate(choices.decided):
        there = trained & (choices.codes[:, column] != MISSING)
        codes, failed = choices.codes[there, column], kinds[there] == FAILED
        all_counts = np.bincount(codes, minlength=len(decided.options))
        failures_of = np.bincount(codes[failed], minlength=len(decided.options))
        for code, option in enumerate(decided.options):
            number, others = int(all_counts[code]), int(len(codes) - all_counts[code])
            bad = int(failures_of[code])
            if bad >= _LEAST_FAILED and others:
                others_bad = int(failures_of.sum()) - bad
                found.append(Suspect(decided, option, bad, number, others_bad, others))
    found = [each for each in found if each.z >= _LEAST_Z]
    return sorted(found, key=lambda each: -each.z)[:MOST_SUSPECTS]
