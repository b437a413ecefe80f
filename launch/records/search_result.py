"""What a search found."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.records.ranking import Ranked, ranked
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.search_spaces.architecture import Architecture, parse_architecture
from nas_with_rl.search_spaces.errors import shortened
from nas_with_rl.search_spaces.space import SearchSpace


@dataclasses.dataclass(frozen=True)
class FoundArchitecture:
    """An architecture with what was measured of it.

    Attributes:
      architecture: read from its text.
      reward: the mean over its evaluations.
      trial: the first of them.
      num_evaluations: completed ones; several with `duplicates="evaluate"`.
      spread: their rewards' sample standard deviation; 0 for one.
    """

    architecture: Architecture
    reward: float
    trial: Trial
    num_evaluations: int = 1
    spread: float = 0.0


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
      space: in which.
      trials: every one, by number.
      workdir: where the run lies; None if in memory.
      interrupted: Ctrl-C or an exception ended it early.
    """

    space: SearchSpace
    trials: tuple[Trial, ...]
    workdir: Path | None
    interrupted: bool = False

    @property
    def best(self) -> FoundArchitecture:
        """The architecture of the highest mean reward, the earliest of equals.

        Raises:
          ValueError: no trial was completed.
        """
        best = ranked(self.trials)[:1]
        if not best:
            raise ValueError(
                f"none of {len(self.trials)} trials was completed{self._last_failure()}"
            )
        return finding(best[0], self.space)

    def _last_failure(self) -> str:
        failed = [trial for trial in self.trials if trial.status == "failed"]
        if not failed:
            return ""
        return f"; the last failed: {failed[-1].failure}, {shortened(str(failed[-1].message), 200)}"

    def describe_done(self, config: SearchConfig) -> str:
        """Return how far the search came, of its budget."""
        done = [trial for trial in self.trials if trial.status != "running"]
        return config.describe_done(len(done), sum(trial.reused_from is None for trial in done))

    def architecture(self, trial: Trial) -> Architecture:
        """Return a trial's architecture, read from its text."""
        return _architecture(trial, self.space)


def finding(found: Ranked, space: SearchSpace) -> FoundArchitecture:
    """Return an architecture that was measured, read from its text."""
    return FoundArchitecture(
        _architecture(found.trial, space),
        found.reward,
        found.trial,
        len(found.rewards),
        found.spread,
    )


def _architecture(trial: Trial, space: SearchSpace) -> Architecture:
    space = space.at_depth(trial.depth) if trial.depth else space
    return parse_architecture(trial.architecture, space)
