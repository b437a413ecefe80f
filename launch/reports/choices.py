"""What was chosen in each decision, read from the architectures' texts by the thousand.

m architectures, S decisions at their places; a skip decision counts as one for each connection.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips, Step

MISSING = -1  # the code of a decision that does not exist in an architecture
MOST_WORDS = 25_000  # that are read of a search: a hundredth of a second
LEAST_READ = 720  # architectures, however many words they have
MOST_STEPS = 20_000  # where each architecture is read by itself
LEAST_READ_ALONE = 300
MOST_DECISIONS = 2_000
CONNECTION = ("no", "yes")


@dataclasses.dataclass(frozen=True)
class Decided:
    """A decision at its place.

    Attributes:
      title: as "layer 2, filters", of a connection "layer 5 takes layer 2".
      options: their texts.
      layer, source: of a connection, the two layers, from 1; else 0.
    """

    title: str
    options: tuple[str, ...]
    layer: int = 0
    source: int = 0


@dataclasses.dataclass(frozen=True)
class Choices:
    """What was chosen.

    Attributes:
      decided: [S].
      rows: [m] of the texts that were read, among those that were given; not all where they are
        many.
      codes: [m, S] of the options, MISSING where the decision does not exist.
    """

    decided: list[Decided]
    rows: np.ndarray
    codes: np.ndarray

    def of(self, kept: np.ndarray) -> Choices:
        """Return those of some of the rows alone, by their places among `rows`."""
        return Choices(self.decided, self.rows[kept], self.codes[kept])


def choices_of(texts: Sequence[str], depths: np.ndarray, space: SearchSpace) -> Choices:
    """Return what architectures have chosen; what cannot be read is left out.

    Args:
      texts: [m] of architectures.
      depths: [m] 0 where the space has no layers.
      space: at any depth.
    """
    deepest = int(depths.max(initial=0))
    largest = space.at_depth(deepest) if deepest else space
    decided = [each for step in largest.steps for each in _decided(step)][:MOST_DECISIONS]
    place_of = {each.title: place for place, each in enumerate(decided)}
    found_rows: list[int] = []
    found_codes = [np.empty((0, len(decided)), np.int16)]
    for depth in np.unique(depths):
        rows = np.flatnonzero(depths == depth)
        here = space.at_depth(int(depth)) if depth else space
        kept, codes, titles = _read(texts, _thinned(rows, here, len(rows) / len(texts)), here)
        known = [column for column, title in enumerate(titles) if title in place_of]
        wide = np.full((len(kept), len(decided)), MISSING, np.int16)
        wide[:, [place_of[titles[column]] for column in known]] = codes[:, known]
        found_rows += kept
        found_codes.append(wide)
    rows_read = np.array(found_rows, int)
    order = np.argsort(rows_read, kind="stable")
    return Choices(decided, rows_read[order], np.concatenate(found_codes)[order])


def _decided(step: Step) -> list[Decided]:
    if isinstance(step.decision, Choice):
        return [Decided(step.title, step.decision.texts)]
    sources = range(1, step.num_candidates + 1)
    return [
        Decided(f"layer {step.layer} takes layer {source}", CONNECTION, step.layer, source)
        for source in sources
    ]


def _has_conditions(space: SearchSpace) -> bool:
    return any(step.conditions for step in space.steps)


def _thinned(rows: np.ndarray, space: SearchSpace, share: float) -> list[int]:
    """Return rows evenly spread, as many as there is time to read; a share of what is read."""
    alone = _has_conditions(space)
    enough = (MOST_STEPS if alone else MOST_WORDS) // len(space.steps)
    most = math.ceil(share * max(enough, LEAST_READ_ALONE if alone else LEAST_READ))
    if len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).astype(int)]
    return [int(row) for row in rows]


def _read(
    texts: Sequence[str], rows: list[int], space: SearchSpace
) -> tuple[list[int], np.ndarray, list[str]]:
    """Return the rows that can be read, their codes and the titles of the codes' columns."""
    titles = [each.title for step in space.steps for each in _decided(step)]
    codes = None if _has_conditions(space) else _read_together(texts, rows, space)
    if codes is not None:
        return rows, codes, titles
    kept, found = [], []
    known: dict[str, np.ndarray | None] = {}
    for row in rows:
        text = texts[row]
        if text not in known:
            known[text] = _read_one(text, space)
        if (one := known[text]) is not None:
            kept.append(row)
            found.append(one)
    return kept, np.array(found, np.int16).reshape(len(kept), len(titles)), titles


def _read_one(text: str, space: SearchSpace) -> np.ndarray | None:
    try:
        architecture = parse_architecture(text, space)
    except InputError:  # the store is another program's, too
        return None
    codes: list[int] = []
    for step, token in zip(space.steps, architecture.tokens, strict=True):
        if isinstance(step.decision, Skips):
            taken = token if isinstance(token, tuple) else ()
            codes += [int(source in taken) for source in range(1, step.num_candidates + 1)]
        else:
            codes.append(token if isinstance(token, int) else MISSING)
    return np.array(codes, np.int16)


def _read_together(texts: Sequence[str], rows: list[int], space: SearchSpace) -> np.ndarray | None:
    """Return codes of texts that have a word for each step at the same place; or None."""
    places, num_words = _places(space)
    words = " ".join([texts[row] for row in rows]).split()
    if len(words) != len(rows) * num_words:
        return None
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    numbers = np.array([vocabulary[word] for word in words], int)
    matrix = numbers.reshape(len(rows), num_words)
    columns = []
    for place, step in zip(places, space.steps, strict=True):
        column = _column(matrix[:, place], vocabulary, step)
        if column is None:
            return None
        columns.append(column)
    return np.concatenate(columns, axis=1)


def _places(space: SearchSpace) -> tuple[list[int], int]:
    """Return where each step's word stands, "|" between groups, and how many words there are."""
    places: list[int] = []
    group, count = None, 0
    for step in space.steps:
        count += group is not None and step.group != group
        group = step.group
        places.append(count)
        count += 1
    return places, count


def _column(words: np.ndarray, vocabulary: dict[str, int], step: Step) -> np.ndarray | None:
    """Return the codes [m, 1] of a choice, or [m, candidates] of skips; None for another word."""
    if isinstance(step.decision, Choice):
        codes = np.full(len(vocabulary), MISSING, np.int16)
        for code, text in enumerate(step.decision.texts):
            if text in vocabulary:
                codes[vocabulary[text]] = code
        found = codes[words]
        return None if (found == MISSING).any() else found[:, None]
    spelled, sources = list(vocabulary), {str(j + 1): j for j in range(step.num_candidates)}
    used, inverse = np.unique(words, return_inverse=True)
    taken = np.zeros((len(used), step.num_candidates), np.int16)
    listed = [[] if (word := spelled[each]) == "-" else word.split(",") for each in used]
    rows = np.repeat(np.arange(len(used)), [len(parts) for parts in listed])
    found = [sources.get(part, -1) for parts in listed for part in parts]
    columns = np.array(found, int)
    if (columns < 0).any():
        return None
    taken[rows, columns] = 1
    return taken[inverse]
