"""What an audit says: a line for each check, and what does not follow, by trial and update."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

MOST_SHOWN = 8  # findings of one check


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is stored and does not follow.

    Attributes:
      message: names it, with what is stored and what follows.
      trial: its number, where it is one trial.
      update: from 1, where it is known.
      stored: the value that is stored.
      follows: the value that it should be, where that is known.
    """

    message: str
    trial: int | None = None
    update: int | None = None
    stored: object = None
    follows: object = None


@dataclasses.dataclass(frozen=True)
class Check:
    """One kind of thing that was recomputed.

    Attributes:
      name: of it.
      said: what was looked at, and what could not be.
      findings: what does not follow.
    """

    name: str
    said: str
    findings: tuple[Finding, ...] = ()

    def lines(self) -> list[str]:
        """Return what is said of it."""
        if not self.findings:
            return [f"ok     {self.name}: {self.said}"]
        shown = [f"WRONG  {self.name}: {each.message}" for each in self.findings[:MOST_SHOWN]]
        if len(self.findings) > MOST_SHOWN:
            shown.append(f"WRONG  {self.name}: and {len(self.findings) - MOST_SHOWN} more")
        return [*shown, f"       {self.name}: {self.said}"] if self.said else shown


@dataclasses.dataclass(frozen=True)
class UpdateLine:
    """One update as it was recomputed.

    Attributes:
      version: from 1.
      trials: their numbers.
      rewards: what it learned from.
      baseline: that was subtracted.
      staleness: by trial, the updates between its proposal and this one.
      gradient_norm: 0 where nothing is learned.
    """

    version: int
    trials: tuple[int, ...]
    rewards: tuple[float, ...]
    baseline: float
    staleness: tuple[int, ...]
    gradient_norm: float

    def __str__(self) -> str:
        low, high = min(self.rewards), max(self.rewards)
        return (
            f"update {self.version}: trials {ranges(self.trials)}, rewards {low:.6g} to "
            f"{high:.6g}, baseline {self.baseline:.6g}, staleness {max(self.staleness)}, "
            f"gradient {self.gradient_norm:.4g}"
        )


@dataclasses.dataclass(frozen=True)
class Audit:
    """What was recomputed of a search.

    Attributes:
      title: which search.
      checks: in the order in which one rests on the other.
      updates: each as it was recomputed.
      program: in what the program of the run differs from this one; "" in nothing.
    """

    title: str
    checks: tuple[Check, ...]
    updates: tuple[UpdateLine, ...]
    program: str = ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that does not follow."""
        return tuple(itertools.chain.from_iterable(check.findings for check in self.checks))

    @property
    def follows(self) -> bool:
        """Whether the stored controller, and all else that is stored, follows."""
        return not self.findings

    def describe(self) -> str:
        """Return a line for each check, and the verdict."""
        lines = [self.title]
        for check in self.checks:
            lines += check.lines()
        wrong = [check.name for check in self.checks if check.findings]
        verdict = f"does not follow: {', '.join(wrong)}" if wrong else "all that is stored follows"
        if wrong and self.program:
            lines.append(f"note   the run was begun by another program: {self.program}")
        return "\n".join([*lines, verdict])


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers as "1 to 3, 7"; "none" without any."""
    parts = []
    ordered = sorted(numbers)
    for _, run in itertools.groupby(enumerate(ordered), key=lambda each: each[1] - each[0]):
        found = [number for _, number in run]
        parts.append(str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}")
    return ", ".join(parts) or "none"


def counted(number: int, noun: str) -> str:
    """Return "1 trial" or "2 trials"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def mean(values: Sequence[float]) -> float:
    """Return the mean of some values, 0 without any."""
    return sum(values) / len(values) if values else 0.0
