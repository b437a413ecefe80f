"""Which architectures a surrogate wants tried next.

Legend: q candidates, D columns, m wishes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from nas_with_rl.controller.columns import Columns
from nas_with_rl.controller.dreaming.surrogate import Surrogate

# Standard deviations that are added to the mean, by the place in a batch: most trust the surrogate,
# some try where it knows little.
BOLDNESS = (1.0, 2.0, 1.0, 3.0, 1.0, 4.0, 1.0, 5.0)
NUM_MUTATIONS, NUM_PARENTS, MOST_CHANGES = 200, 8, 3
NUM_UNIFORM = 128
CLIMBERS, CLIMBS, MOST_NEIGHBOURS = 8, 5, 64
MOST_CANDIDATES = 400  # of which wishes are taken one by one
SMALL_SPACE = 2_000  # architectures that are all looked at


@dataclasses.dataclass(frozen=True)
class Wishes:
    """Chooses, at one depth of a space, what is promising and has not been tried.

    Attributes:
      surrogate: conditioned on what has been tried.
      is_new: of a row, whether it has not.
      boldness: standard deviations for which a wish climbs, and by which `BOLDNESS` is multiplied.
    """

    columns: Columns
    surrogate: Surrogate
    depth: int
    is_new: Callable[[np.ndarray], bool]
    boldness: float = 1.0

    def choose(
        self, number: int, best: np.ndarray, drawn: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Return up to `number` new architectures `[m, D]`, the most wanted first.

        Each choice takes the ones before it as known to have what is expected of them, so that
        they differ (as "kriging believer"; Ginsbourger et al., 2010).

        Args:
          number: how many at most.
          best: `[·, D]` the best that are known, of any depth.
          drawn: `[·, D]` candidates beside the changes of the best: the policy's samples.
          generator: of the changes.
        """
        candidates = self._new(self._candidates(best, drawn, generator))
        if not len(candidates):
            return candidates
        order = np.argsort(-self._promise(candidates), kind="stable")[:MOST_CANDIDATES]
        candidates = candidates[order]
        prediction = self.surrogate.predict(candidates)
        free, chosen = np.ones(len(candidates), bool), []
        for place in range(min(number, len(candidates))):
            boldness = self.boldness * BOLDNESS[place % len(BOLDNESS)]
            value = prediction.mean + boldness * np.sqrt(prediction.variance)
            index = int(np.argmax(np.where(free, value, -np.inf)))
            free[index] = False
            chosen.append(index)
            prediction.see(index)
        return candidates[chosen]

    def _new(self, rows: np.ndarray) -> np.ndarray:
        unique = np.unique(rows, axis=0)
        return unique[[self.is_new(row) for row in unique]] if len(unique) else unique

    def _promise(self, rows: np.ndarray) -> np.ndarray:
        """Return upper confidence bounds `[q]`, `boldness` standard deviations above the mean."""
        prediction = self.surrogate.predict(rows)
        return prediction.mean + self.boldness * np.sqrt(prediction.variance)

    def _candidates(
        self, best: np.ndarray, drawn: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        everything = self.columns.all_rows(self.depth, most=SMALL_SPACE)
        if everything is not None:
            return everything
        parents = np.repeat(best, -(-NUM_MUTATIONS // len(best)), 0)
        changes = 1 + generator.integers(MOST_CHANGES, size=len(parents))
        changed = self.columns.mutated(parents, changes, self.depth, generator)
        # A policy that is sure of itself draws the same again and again.
        uniform = self.columns.uniform(NUM_UNIFORM, self.depth, generator)
        pool = np.unique(np.concatenate([drawn, changed, uniform]), axis=0)
        return np.concatenate([pool, *self._climbed(pool, generator)])

    def _climbed(self, pool: np.ndarray, generator: np.random.Generator) -> list[np.ndarray]:
        """Climb from the most promising, by one decision at a time; return all that was seen."""
        promise = self._promise(pool)
        order = np.argsort(-promise, kind="stable")[:CLIMBERS]
        climbers, heights, seen = pool[order], promise[order], []
        for _ in range(CLIMBS):
            around = [self._neighbours(row, generator) for row in climbers]
            seen.append(np.concatenate(around))
            promise = self._promise(seen[-1])
            ends = np.cumsum([len(rows) for rows in around])
            moved = False
            for index, part in enumerate(np.split(promise, ends[:-1])):
                if len(part) and part.max() > heights[index]:
                    climbers[index] = around[index][np.argmax(part)]
                    heights[index], moved = part.max(), True
            if not moved:
                break
        return seen

    def _neighbours(self, row: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        rows = self.columns.neighbours(row, self.depth, generator)
        if len(rows) <= MOST_NEIGHBOURS:
            return rows
        return rows[generator.choice(len(rows), MOST_NEIGHBOURS, replace=False)]
