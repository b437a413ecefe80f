"""What a search found."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nas_with_rl.launch.trials import Trial
from nas_with_rl.search_spaces.architecture import Architecture, parse_architecture
from nas_with_rl.search_spaces.space import SearchSpace


@dataclasses.dataclass(frozen=True)
class Finding:
    """An architecture with the trial that measured it."""

    architecture: Architecture
    reward: float
    trial: Trial


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
      space: in which.
      trials: every one, by number.
      workdir: where the run lies; None if in memory.
      interrupted: Ctrl-C ended it early.
    """

    space: SearchSpace
    trials: tuple[Trial, ...]
    workdir: Path | None
    interrupted: bool = False

    @property
    def best(self) -> Finding:
        """The completed trial of the highest reward, the earliest of equals.

        Raises:
          ValueError: no trial was completed.
        """
        completed = [trial for trial in self.trials if trial.status == "completed"]
        if not completed:
            raise ValueError(f"none of {len(self.trials)} trials was completed")
        return finding(max(completed, key=lambda trial: trial.reward or 0.0), self.space)

    def architecture(self, trial: Trial) -> Architecture:
        """Return a trial's architecture, read from its text."""
        return finding(trial, self.space).architecture


def finding(trial: Trial, space: SearchSpace) -> Finding:
    """Return a completed trial with its architecture read from its text."""
    space = space.at_depth(trial.depth) if trial.depth else space
    return Finding(parse_architecture(trial.architecture, space), trial.reward or 0.0, trial)
