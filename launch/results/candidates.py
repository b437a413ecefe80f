"""Architectures that were trained again with fresh seeds, as `comparison.json` keeps them."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.launch.records.workdir import read_object, write_object
from nas_with_rl.search_spaces.errors import InputError


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One kind of cell, trained with several seeds.

    Attributes:
      title: what it is.
      num_parameters: of the whole model.
      perplexities: validation perplexity after the last epoch, one per seed; a failed seed has
        none.
      learning_rate: the best for it of those that all candidates had to choose from.
    """

    title: str
    num_parameters: int
    perplexities: tuple[float, ...]
    learning_rate: float

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return statistics.fmean(self.perplexities)

    @property
    def spread(self) -> float | None:
        """The sample standard deviation over the seeds; None where fewer than two measured it."""
        return statistics.stdev(self.perplexities) if len(self.perplexities) > 1 else None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What is kept of candidates.

    Attributes:
      candidates: the best of the search first.
      num_trials: that the search had.
      num_seeds: for each.
    """

    candidates: tuple[Candidate, ...]
    num_trials: int
    num_seeds: int


def keep(candidates: Sequence[Candidate], path: Path, *, num_trials: int, num_seeds: int) -> None:
    """Write a comparison, whole or not at all.

    Args:
      candidates: what was measured.
      path: of the file.
      num_trials: of the search, whose best is among them.
      num_seeds: for each.
    """
    values = [dataclasses.asdict(candidate) for candidate in candidates]
    kept = {"num_trials": num_trials, "num_seeds": num_seeds, "candidates": values}
    write_object(kept, path)


def kept(path: Path, *, num_trials: int, num_seeds: int) -> tuple[Candidate, ...] | None:
    """Return what `keep` wrote; None where it was another search's length, or cannot be read."""
    found = read_comparison(path)
    if found is None or (found.num_trials, found.num_seeds) != (num_trials, num_seeds):
        return None  # it is measured again
    return found.candidates


def read_comparison(path: Path) -> Comparison | None:
    """Return what `keep` wrote, whenever; None where there is nothing, or it cannot be read."""
    try:
        values = read_object(path)
        num_trials, num_seeds = int(values["num_trials"]), int(values["num_seeds"])
        candidates = tuple(_read(candidate) for candidate in values["candidates"])
    except (InputError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return Comparison(candidates, num_trials, num_seeds) if candidates else None


def _read(values: Any) -> Candidate:
    return Candidate(
        str(values["title"]),
        int(values["num_parameters"]),
        tuple(float(perplexity) for perplexity in values["perplexities"]),
        float(values["learning_rate"]),
    )


def describe_candidates(candidates: Sequence[Candidate]) -> str:
    """Return the comparison as a table, with what can be said of the differences."""
    width = max(len(candidate.title) for candidate in candidates)
    lines = [f"{candidate.title:{width}}  {_measured(candidate)}" for candidate in candidates]
    return "\n".join([*lines, *verdicts(candidates)])


def verdicts(candidates: Sequence[Candidate]) -> list[str]:
    """Return what can be said of the differences between the first and each other, a sentence."""
    best, *others = candidates
    compared = [other for other in others if best.perplexities and other.perplexities]
    return [_verdict(best, other) for other in compared]


def _measured(candidate: Candidate) -> str:
    if not candidate.perplexities:
        return "failed with every seed"
    spread = "" if candidate.spread is None else f" ± {candidate.spread:.2f}"
    return (
        f"{candidate.num_parameters:>9,} parameters  perplexity {candidate.mean:6.2f}{spread} "
        f"({counted_seeds(len(candidate.perplexities))}, learning rate {candidate.learning_rate:g})"
    )


def counted_seeds(number: int, kind: str = "") -> str:
    """Return how many seeds there are, in words: "1 seed", "3 fresh seeds"."""
    return " ".join([str(number), *kind.split(), "seed" if number == 1 else "seeds"])


def _verdict(best: Candidate, other: Candidate) -> str:
    """Say which is better, or that the seeds do not tell."""
    low, high = sorted((best, other), key=lambda candidate: max(candidate.perplexities))
    if best.perplexities == other.perplexities:
        return f"The {best.title} is the {other.title}."
    if best.spread is None or other.spread is None:
        return f"{best.title} and {other.title}: one seed does not tell which is lower."
    if max(low.perplexities) >= min(high.perplexities):
        return f"{best.title} and {other.title}: no difference beyond the spread of seeds."
    word = "lower" if best is low else "higher"
    ratio = abs(other.mean - best.mean) / other.mean
    return f"{best.title}: {ratio:.1%} {word} than {other.title}, on every seed."
