"""A space's decisions as columns of tokens: architectures as rows that arithmetic takes.

Legend: n architectures, D columns. A choice is one column, a skip decision one of two tokens for
each earlier layer. -1: the decision does not exist here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from nas_with_rl.controller.encoding import ABSENT, EncodedArchitectures, padded
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Token

MAX_COLUMNS = 20_000  # a layer has as many skip decisions as there are layers before it


@dataclasses.dataclass(frozen=True)
class _Condition:
    """A column that exists only under some tokens of another one, which stands before it."""

    column: int
    parent: int
    tokens: np.ndarray


class Columns:
    """The decisions of a space at its greatest depth.

    Attributes:
      sizes: `[D]` how many tokens a column has.
      layers: `[D]` 0 outside the layers, else from 1.
    """

    def __init__(self, space: SearchSpace, *, max_depth: int):
        """Read a space.

        Raises:
          InputError: more than `MAX_COLUMNS` columns.
        """
        self._space, self._depth = space, max_depth if space.depth else 0
        steps = padded(space, max_depth).steps
        first, sizes, layers, conditions = [], [], [], []
        for step in steps:
            first.append(len(sizes))
            if isinstance(step.decision, Choice):
                if step.parent is not None:
                    tokens = np.array(sorted(step.parent_tokens))
                    conditions.append(_Condition(len(sizes), first[step.parent], tokens))
                sizes.append(len(step.decision.options))
                layers.append(step.layer)
            else:
                sizes += [2] * step.num_candidates
                layers += [step.layer] * step.num_candidates
            if len(sizes) > MAX_COLUMNS:
                raise InputError(
                    f"space {space.name!r} has more than {MAX_COLUMNS:,} decisions at its greatest "
                    "depth, too many for a searcher that compares architectures; "
                    "search.searcher=reinforce has no such limit"
                )
        self._first, self._conditions = first, conditions
        choices = [t for t, step in enumerate(steps) if isinstance(step.decision, Choice)]
        self._choice_steps, self._choice_columns = np.array(choices, int), np.array(first)[choices]
        skips = [
            (first[t] + layer, step.layer - 1, layer)
            for t, step in enumerate(steps)
            if not isinstance(step.decision, Choice)
            for layer in range(step.num_candidates)
        ]
        self._skip_columns, self._skip_layers, self._skip_inputs = (
            np.array(skips, int).reshape(-1, 3).T
        )
        self.sizes, self.layers = np.array(sizes), np.array(layers)

    def rows(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return architectures, of any depths, as `[n, D]` int16."""
        rows = np.full((len(architectures), len(self.sizes)), ABSENT, np.int16)
        for row, architecture in zip(rows, architectures, strict=True):
            for step, first, token in zip(
                architecture.space.steps, self._first, architecture.tokens, strict=False
            ):
                if isinstance(token, tuple):
                    row[first : first + step.num_candidates] = 0
                    row[[first + layer - 1 for layer in token]] = 1
                elif token is not None:
                    row[first] = token
        return rows

    def encoded_rows(self, encoded: EncodedArchitectures) -> np.ndarray:
        """Return encoded architectures of one depth as `[n, D]` int16."""
        rows = np.full((encoded.choices.shape[1], len(self.sizes)), ABSENT, np.int16)
        rows[:, self._choice_columns] = encoded.choices[self._choice_steps].T
        rows[:, self._skip_columns] = encoded.skips[self._skip_layers, self._skip_inputs].T
        return rows

    def architectures(self, rows: np.ndarray, space: SearchSpace) -> list[Architecture]:
        """Return rows as architectures of the space at its depth."""

        def token(row: list[int], index: int) -> Token:
            step, first = space.steps[index], self._first[index]
            if isinstance(step.decision, Choice):
                return None if row[first] == ABSENT else row[first]
            taken = row[first : first + step.num_candidates]
            return tuple(layer for layer, is_input in enumerate(taken, start=1) if is_input)

        return [
            Architecture(space, tuple(token(row, index) for index in range(len(space.steps))))
            for row in rows.tolist()
        ]

    def uniform(self, number: int, depth: int, generator: np.random.Generator) -> np.ndarray:
        """Draw `[number, D]` rows, every decision uniform."""
        rows = generator.integers(self.sizes, size=(number, len(self.sizes))).astype(np.int16)
        return self._repaired(rows, depth, rows)

    def mutated(
        self, rows: np.ndarray, counts: np.ndarray, depth: int, generator: np.random.Generator
    ) -> np.ndarray:
        """Return the rows with `[n]` other tokens each, at places drawn uniformly.

        A decision that exists only now is drawn, and one that exists no longer is dropped.
        """
        keys = generator.random(rows.shape)
        keys[(rows == ABSENT) | (self.sizes == 1)] = 2.0  # no place to choose another token
        places = (np.argsort(np.argsort(keys, 1), 1) < counts[:, None]) & (keys < 2.0)
        shifts = 1 + generator.integers(np.maximum(self.sizes - 1, 1), size=rows.shape)
        changed = np.where(places, (rows + shifts) % self.sizes, rows).astype(np.int16)
        drawn = generator.integers(self.sizes, size=rows.shape)
        return self._repaired(changed, depth, drawn)

    def neighbours(self, row: np.ndarray, depth: int, generator: np.random.Generator) -> np.ndarray:
        """Return `[n, D]` all that differ from a row in one decision, and in what hangs on it."""
        columns = np.repeat(np.arange(len(self.sizes)), self.sizes)
        tokens = np.arange(len(columns)) - np.repeat(np.cumsum(self.sizes) - self.sizes, self.sizes)
        wanted = (row[columns] != ABSENT) & (row[columns] != tokens)
        columns, tokens = columns[wanted], tokens[wanted]
        rows = np.repeat(row[None], len(columns), 0)
        rows[np.arange(len(rows)), columns] = tokens
        return self._repaired(rows, depth, generator.integers(self.sizes, size=rows.shape))

    def at_depth(self, rows: np.ndarray, depth: int, generator: np.random.Generator) -> np.ndarray:
        """Return rows of any depth at this one: layers are dropped, or new ones drawn."""
        drawn = generator.integers(self.sizes, size=rows.shape).astype(np.int16)
        return self._repaired(np.where(rows == ABSENT, drawn, rows), depth, drawn)

    def all_rows(self, depth: int, *, most: int) -> np.ndarray | None:
        """Return every architecture of a depth, `[n, D]`; None where there are more than `most`."""
        if (self._space.at_depth(depth) if depth else self._space).size > most:
            return None
        rows = np.zeros((1, len(self.sizes)), np.int16)
        for column, size in enumerate(self.sizes):
            rows = np.repeat(rows, size, 0)
            rows[:, column] = np.tile(np.arange(size), len(rows) // size)
            rows = np.unique(self._repaired(rows, depth, rows * 0), axis=0)
        return rows

    def _repaired(self, rows: np.ndarray, depth: int, drawn: np.ndarray) -> np.ndarray:
        """Drop what does not exist, and take what has no token yet from `drawn`, in place."""
        rows[:, self.layers > (depth if self._depth else 0)] = ABSENT
        for condition in self._conditions:
            column = condition.column
            if self.layers[column] > depth:
                continue
            exists = np.isin(rows[:, condition.parent], condition.tokens)
            tokens = np.where(rows[:, column] == ABSENT, drawn[:, column], rows[:, column])
            rows[:, column] = np.where(exists, tokens, ABSENT)
        return rows
