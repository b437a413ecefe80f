"""What a search has tried: every architecture once, with the mean of its rewards.

Legend: n architectures, D columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nas_with_rl.controller.advantages import normal_scores

FILE = "tried.npz"


class Memory:
    """Architectures as rows, in the order in which they were first told."""

    def __init__(self, num_columns: int):
        self._rows = np.empty((0, num_columns), np.int16)
        self._means, self._counts = np.empty(0), np.empty(0)
        self._places: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, row: np.ndarray) -> bool:
        return row.tobytes() in self._places

    def add(self, rows: np.ndarray, rewards: np.ndarray) -> np.ndarray:
        """Take rows `[m, D]` with their rewards; return at which places they are, `[m]`."""
        places = []
        fresh = []
        for row in rows:
            key = row.tobytes()
            if key not in self._places:
                self._places[key] = len(self._places)
                fresh.append(row)
            places.append(self._places[key])
        if fresh:
            self._rows = np.concatenate([self._rows, fresh])
            none = np.zeros(len(fresh))
            self._means = np.concatenate([self._means, none])
            self._counts = np.concatenate([self._counts, none])
        for place, reward in zip(places, rewards, strict=True):
            count = self._counts[place] = self._counts[place] + 1
            # Not by a sum: what comes again with its own reward keeps it to the last bit, and its
            # ties with others; and two rewards near the greatest number have a mean.
            self._means[place] += reward / count - self._means[place] / count
        return np.array(places)

    def best(self) -> float:
        """Return the greatest of the rewards, -inf before there is one."""
        return float(np.max(self._means, initial=-np.inf))

    def median(self) -> float:
        """Return the median of the rewards."""
        return float(np.median(self._means))

    def scores(self) -> np.ndarray:
        """Return the normal scores of all, `[n]`."""
        return normal_scores(self._means)

    def selected(self, scores: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and scores, best first: all, or the best half of `most` and a spread."""
        order = np.argsort(-scores, kind="stable")
        if len(order) > most:
            rest = order[most // 2 :]
            spread = np.linspace(0, len(rest) - 1, most - most // 2).astype(int)
            order = np.concatenate([order[: most // 2], rest[spread]])
        return self._rows[order], scores[order]

    def arrays(self) -> dict[str, Any]:
        """Return everything, as `of_arrays` takes it."""
        return {"rows": self._rows, "means": self._means, "counts": self._counts}

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray], num_columns: int) -> Memory:
        """Return what `arrays` gave; ValueError where it is of another space, or not finite."""
        memory = cls(num_columns)
        rows, means, counts = (arrays[name] for name in ("rows", "means", "counts"))
        if rows.shape != (len(means), num_columns) or counts.shape != means.shape:
            raise ValueError(f"{rows.shape} rows, {means.shape} means, {counts.shape} counts")
        memory._rows, memory._means = rows.astype(np.int16), means.astype(float)
        memory._counts = counts.astype(float)
        memory._places = {row.tobytes(): place for place, row in enumerate(memory._rows)}
        if len(memory) != len(rows) or not np.all(counts > 0) or not np.all(np.isfinite(means)):
            raise ValueError("an architecture twice, or without a finite reward")
        return memory
