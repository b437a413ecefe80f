"""Random search: every decision uniform, nothing learned (control 2 of section 4.2)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from nas_with_rl.controller.searcher import Proposal, Update
from nas_with_rl.search_spaces.architecture import Architecture, random_architecture
from nas_with_rl.search_spaces.randomness import trial_generator
from nas_with_rl.search_spaces.space import Choice, SearchSpace

STATE_FILE = "random_search.json"


def uniform_log_prob(architecture: Architecture) -> float:
    """Return Σ log 1/n over the decisions that exist, in nats."""
    total = 0.0
    for step, token in zip(architecture.space.steps, architecture.tokens, strict=True):
        if isinstance(step.decision, Choice):
            total -= math.log(len(step.decision.options)) if token is not None else 0.0
        else:
            total -= step.num_candidates * math.log(2)
    return total


class RandomSearch:
    """A searcher that draws uniformly, keyed by (seed, trial number)."""

    def __init__(self, *, seed: int):
        self._seed = seed
        self._version = 0

    @property
    def version(self) -> int:
        """Updates made so far: batches told."""
        return self._version

    def ask(self, space: SearchSpace, trials: Sequence[int]) -> list[Proposal]:
        """Draw one architecture for each trial."""
        drawn = [
            random_architecture(space, trial_generator(self._seed, trial, "sampling"))
            for trial in trials
        ]
        return [
            Proposal(trial, architecture, uniform_log_prob(architecture), self._version)
            for trial, architecture in zip(trials, drawn, strict=True)
        ]

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Update:
        """Count the batch."""
        self._version += 1
        return Update(self._version, baseline=0.0, entropies={}, gradient_norm=0.0)

    def save(self, directory: Path) -> None:
        """Write the number of updates."""
        (directory / STATE_FILE).write_text(json.dumps({"version": self._version}))

    def restore(self, directory: Path) -> None:
        """Read the number of updates."""
        self._version = int(json.loads((directory / STATE_FILE).read_text())["version"])
