"""Regularised evolution (Real et al., 2018, algorithm 1): the oldest dies, not the worst.

Until the population is full, architectures are drawn uniformly, as random search draws them. Then
each is a mutation of the best of a sample of the population: one decision is changed.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nas_with_rl.controller.columns import Columns
from nas_with_rl.controller.searcher import Proposal, Update
from nas_with_rl.search_spaces.architecture import Architecture, random_architecture
from nas_with_rl.search_spaces.randomness import trial_generator
from nas_with_rl.search_spaces.space import SearchSpace

STATE_FILE = "evolution.json"
POPULATION, SAMPLE = 50, 10


class Evolution:
    """A searcher whose state is the last children that it was told; draws are keyed by the trial.

    Children may come in any order: the population is of those that were told last. A parent of
    fewer layers than its child has the others drawn uniformly.
    """

    def __init__(self, space: SearchSpace, *, max_depth: int, seed: int):
        """Begin without a population.

        Raises:
          InputError: a space with too many decisions.
        """
        self._columns, self._seed = Columns(space, max_depth=max_depth), seed
        self._version = 0
        self._population: deque[tuple[np.ndarray, float]] = deque(maxlen=POPULATION)

    @property
    def version(self) -> int:
        """Updates made so far: batches told."""
        return self._version

    def ask(self, space: SearchSpace, trials: Sequence[int]) -> list[Proposal]:
        """Propose an architecture for each trial."""
        return [
            Proposal(trial, self._proposed(space, trial), version=self._version) for trial in trials
        ]

    def _proposed(self, space: SearchSpace, trial: int) -> Architecture:
        if len(self._population) < POPULATION:
            return random_architecture(space, trial_generator(self._seed, trial, "sampling"))
        generator = trial_generator(self._seed, trial, "searching")
        drawn = generator.integers(POPULATION, size=SAMPLE).tolist()  # some twice, as in the paper
        parent, _ = max((self._population[index] for index in drawn), key=lambda each: each[1])
        child = self._columns.mutated(parent[None], np.ones(1, int), space.depth, generator)
        (architecture,) = self._columns.architectures(child, space)
        return architecture

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Update:
        """Let the children take the places of the oldest."""
        rows = self._columns.rows([proposal.architecture for proposal in proposals])
        self._population.extend(zip(rows, map(float, rewards), strict=True))
        self._version += 1
        return Update(self._version, baseline=0.0, entropies={}, gradient_norm=0.0)

    def save(self, directory: Path) -> None:
        """Write the population."""
        state = {
            "version": self._version,
            "tokens": [row.tolist() for row, _ in self._population],
            "rewards": [reward for _, reward in self._population],
        }
        (directory / STATE_FILE).write_text(json.dumps(state))

    def restore(self, directory: Path) -> None:
        """Read the population."""
        state = json.loads((directory / STATE_FILE).read_text())
        rows = self._columns.stored_rows(state["tokens"])
        population = list(zip(rows, map(float, state["rewards"]), strict=True))
        self._version = int(state["version"])
        self._population = deque(population, maxlen=POPULATION)
