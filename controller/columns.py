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
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Step, Token

MAX_COLUMNS = 20_000  # a layer has as many skip decisions as there are layers before it


@dataclasses.dataclass(frozen=True)
class _Wave:
    """Columns whose existence is known once those of the waves before have their tokens.

    Attributes:
      columns: `[C]` their numbers.
      conditions: parents `[C]`, the columns that a condition reads, and `[C, V + 1]` under which of
        their tokens it holds: the last, where ABSENT is found by its index -1, only where a column
        has fewer conditions than others.
    """

    columns: np.ndarray
    conditions: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def exists(self, rows: np.ndarray) -> np.ndarray:
        """Return `[n, C]` which of the columns the conditions let exist in `[n, D]` rows."""
        found = np.ones((len(rows), len(self.columns)), bool)
        for parents, allowed in self.conditions:
            found &= allowed[np.arange(len(self.columns)), rows[:, parents]]
        return found


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
        self._space = space
        steps = padded(space, max_depth).steps
        _check_number(space, steps)
        first = np.cumsum([0, *(_width(step) for step in steps)])
        self._first = first.tolist()
        self.sizes = np.array([size for step in steps for size in _sizes(step)], int)
        self.layers = np.array([step.layer for step in steps for _ in _sizes(step)], int)
        self._waves = _waves(steps, self._first)
        choices = [t for t, step in enumerate(steps) if isinstance(step.decision, Choice)]
        self._choice_steps, self._choice_columns = np.array(choices, int), first[choices]
        skips = [
            (first[t] + layer, step.layer - 1, layer)
            for t, step in enumerate(steps)
            if not isinstance(step.decision, Choice)
            for layer in range(step.num_candidates)
        ]
        self._skip_columns, self._skip_layers, self._skip_inputs = (
            np.array(skips, int).reshape(-1, 3).T
        )

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

    def stored_rows(self, tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """Return rows that were written as lists; ValueError where they are none of this space."""
        rows = np.array(tokens, np.int16)
        if len(rows) and rows.shape[1:] != self.sizes.shape:
            raise ValueError(f"rows of {rows.shape[1:]} tokens, not {len(self.sizes)}")
        rows = rows.reshape(-1, len(self.sizes))
        if ((rows < ABSENT) | (rows >= self.sizes)).any():
            raise ValueError("a token that its decision does not have")
        return rows

    def encoded_rows(self, encoded: EncodedArchitectures, depth: int | None = None) -> np.ndarray:
        """Return encoded architectures of one depth as `[n, D]` int16.

        Args:
          encoded: the architectures.
          depth: theirs; None for the greatest.
        """
        rows = np.full((encoded.choices.shape[1], len(self.sizes)), ABSENT, np.int16)
        rows[:, self._choice_columns] = encoded.choices[self._choice_steps].T
        rows[:, self._skip_columns] = encoded.skips[self._skip_layers, self._skip_inputs].T
        if depth is not None:
            rows[:, self.layers > depth] = ABSENT
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
        rows = np.full((number, len(self.sizes)), ABSENT, np.int16)
        return self._repaired(rows, depth, generator)

    def mutated(
        self, rows: np.ndarray, counts: np.ndarray, depth: int, generator: np.random.Generator
    ) -> np.ndarray:
        """Return the rows with `[n]` other tokens each, at places drawn uniformly.

        A decision that exists only now, as those of new layers, is drawn, and one that exists no
        longer is dropped. Where fewer decisions have a choice, all of these change.
        """
        keys = generator.random(rows.shape)
        # No place to choose another token.
        keys[(rows == ABSENT) | (self.sizes == 1) | (self.layers > depth)] = 2.0
        places = (np.argsort(np.argsort(keys, 1), 1) < counts[:, None]) & (keys < 2.0)
        row, column = np.nonzero(places)
        sizes = self.sizes[column]
        changed = rows.astype(np.int16)  # a copy
        changed[row, column] = (rows[row, column] + generator.integers(1, sizes)) % sizes
        return self._repaired(changed, depth, generator)

    def neighbours(self, row: np.ndarray, depth: int, generator: np.random.Generator) -> np.ndarray:
        """Return `[n, D]` all that differ from a row in one decision, and in what hangs on it."""
        columns, tokens = self.changes(row)
        return self.changed(row, columns, tokens, depth, generator)

    def changes(self, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return `[n]` columns and `[n]` other tokens there: each change of one decision."""
        columns = np.repeat(np.arange(len(self.sizes)), self.sizes)
        tokens = np.arange(len(columns)) - np.repeat(np.cumsum(self.sizes) - self.sizes, self.sizes)
        wanted = (row[columns] != ABSENT) & (row[columns] != tokens)
        return columns[wanted], tokens[wanted]

    def changed(
        self,
        row: np.ndarray,
        columns: np.ndarray,
        tokens: np.ndarray,
        depth: int,
        generator: np.random.Generator,
    ) -> np.ndarray:
        """Return `[n, D]` rows, each with one of `[n]` changes, and what hangs on it drawn."""
        rows = np.repeat(row[None].astype(np.int16), len(columns), 0)
        rows[np.arange(len(rows)), columns] = tokens
        return self._repaired(rows, depth, generator)

    def all_rows(self, depth: int, *, most: int) -> np.ndarray | None:
        """Return every architecture of a depth, `[n, D]`; None where there are more than `most`."""
        space = self._space.at_depth(depth) if depth else self._space
        if space.size > most:
            return None
        rows = np.full((1, len(self.sizes)), ABSENT, np.int16)
        for wave in self._waves:
            for place, column in enumerate(wave.columns):
                exists = wave.exists(rows)[:, place] & (self.layers[column] <= depth)
                parts = [rows[~exists]]
                for token in range(self.sizes[column]):
                    parts.append(rows[exists])
                    parts[-1][:, column] = token
                rows = np.concatenate(parts)
        return rows

    def _repaired(self, rows: np.ndarray, depth: int, generator: np.random.Generator) -> np.ndarray:
        """Drop what does not exist at a depth, and draw what exists and has no token, in place."""
        for wave in self._waves:
            exists = wave.exists(rows) & (self.layers[wave.columns] <= depth)
            tokens = np.where(exists, rows[:, wave.columns], ABSENT)
            row, place = np.nonzero(exists & (tokens == ABSENT))
            tokens[row, place] = generator.integers(self.sizes[wave.columns[place]])
            rows[:, wave.columns] = tokens
        return rows


def _width(step: Step) -> int:
    return 1 if isinstance(step.decision, Choice) else step.num_candidates


def _sizes(step: Step) -> list[int]:
    if isinstance(step.decision, Choice):
        return [len(step.decision.options)]
    return [2] * step.num_candidates


def _check_number(space: SearchSpace, steps: Sequence[Step]) -> None:
    if sum(map(_width, steps)) > MAX_COLUMNS:
        raise InputError(
            f"space {space.name!r} has more than {MAX_COLUMNS:,} decisions at its greatest depth, "
            "too many for a searcher that compares architectures; search.searcher=reinforce has "
            "no such limit"
        )


def _waves(steps: Sequence[Step], first: Sequence[int]) -> list[_Wave]:
    """Return the columns by how many conditions, one upon the other, they hang on."""
    heights: list[int] = []
    for step in steps:
        heights.append(max((heights[parent] + 1 for parent, _ in step.conditions), default=0))
    waves = []
    for height in range(max(heights) + 1):
        here = [t for t, found in enumerate(heights) if found == height]
        columns = np.array([first[t] + k for t in here for k in range(_width(steps[t]))], int)
        most = max(len(steps[t].conditions) for t in here)
        conditions = tuple(_conditions(steps, here, place, first) for place in range(most))
        waves.append(_Wave(columns, conditions))
    return waves


def _conditions(
    steps: Sequence[Step], here: Sequence[int], place: int, first: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return a condition of each of some choices, see `_Wave`; one that holds where there is none.

    Args:
      steps: all of them.
      here: the choices' indices.
      place: of the condition among those of its choice.
      first: the first column of each step.
    """
    found = [steps[t].conditions[place : place + 1] for t in here]
    parents = [each[0][0] if each else t for each, t in zip(found, here, strict=True)]
    num_tokens = max(size for parent in parents for size in _sizes(steps[parent]))
    allowed = np.zeros((len(here), num_tokens + 1), bool)
    for row, each in zip(allowed, found, strict=True):
        row[list(each[0][1]) if each else slice(None)] = True
    return np.array(first)[parents], allowed
