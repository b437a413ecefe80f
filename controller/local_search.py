"""Local search: from a uniform start to the first better neighbour, until there is none; again.

A neighbour differs in one decision, and in what hangs on it. What has been trained is known and not
proposed again. Of a batch that is trained at once the best improvement is gone to; with batches of
one that is the first one.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from nas_with_rl.controller.columns import Columns
from nas_with_rl.controller.searcher import Proposal, Update
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.randomness import trial_generator
from nas_with_rl.search_spaces.space import SearchSpace

STATE_FILE = "local_search.json"
MOST_KNOWN_STARTS = 1_000  # one after the other, until a space counts as exhausted
_STARTS_AHEAD = 128  # in which a child that was told is looked for
_TOGETHER = 64  # neighbours that are made at once

Key = bytes  # of a row


@dataclasses.dataclass
class _State:
    """All that the way hangs on, but for the rewards.

    Attributes:
      version: batches told.
      depth: of the space that is climbed in; None before the first proposal.
      step: places that were climbed from so far.
      place: the row that is climbed from; None where a start is awaited.
      next_start: the number of the first start that is not known.
      starts: rows that are known and wait to be climbed from.
    """

    version: int = 0
    depth: int | None = None
    step: int = 0
    place: np.ndarray | None = None
    next_start: int = 0
    starts: list[np.ndarray] = dataclasses.field(default_factory=list)


class LocalSearch:
    """A searcher whose way is decided by the rewards, in the order in which it is told them.

    The neighbours' order is keyed by how many places were climbed from, a start by its number.
    Where the depth grows, what is climbed from gets layers that are drawn uniformly, and rewards
    of the lesser depth count no longer.
    """

    def __init__(self, space: SearchSpace, *, max_depth: int, seed: int):
        """Begin without a start.

        Raises:
          InputError: a space with too many decisions.
        """
        self._columns, self._seed = Columns(space, max_depth=max_depth), seed
        self._space, self._state = space, _State()
        self._known: dict[Key, float] = {}  # rewards at the depth
        # By trial: asked for here and not told yet. Lost where a search is resumed; what is then
        # asked for again takes the outcome over.
        self._under_way: dict[int, Key] = {}
        self._around: _Neighbours | None = None
        self._drawn: dict[int, np.ndarray] = {}  # starts at the depth, by number

    @property
    def version(self) -> int:
        """Updates made so far: batches told."""
        return self._state.version

    def ask(self, space: SearchSpace, trials: Sequence[int]) -> list[Proposal]:
        """Propose what the climb needs next, and the next starts where it needs less."""
        if space.depth != self._state.depth:
            self._go_to(space.depth)
        rows = list(itertools.islice(self._untried(), len(trials)))
        for trial in trials[len(rows) :]:  # in vain: nothing untried is found any more
            rows.append(self._random(trial_generator(self._seed, trial, "searching")))
        for trial, row in zip(trials, rows, strict=True):
            self._under_way[trial] = row.tobytes()
        architectures = self._columns.architectures(np.array(rows), space)
        return [
            Proposal(trial, architecture, version=self.version)
            for trial, architecture in zip(trials, architectures, strict=True)
        ]

    def _untried(self) -> Iterator[np.ndarray]:
        """Yield rows that are neither known nor under way, the most wanted first."""
        seen = set(self._under_way.values())
        for row in itertools.chain(self._wanted_here(), self._wanted_starts()):
            key = row.tobytes()
            if key not in self._known and key not in seen:
                seen.add(key)
                yield row

    def _wanted_here(self) -> Iterator[np.ndarray]:
        if self._state.place is not None:
            yield self._state.place  # of which nothing is known where the depth has just grown
            around = self._neighbours()
            yield from (row for row, _ in around.after(around.num_passed))

    def _wanted_starts(self) -> Iterator[np.ndarray]:
        first = self._state.next_start
        for number in range(first, first + MOST_KNOWN_STARTS):
            if len(self._known) + len(self._under_way) >= self._space.size:
                return  # all of them
            yield self._start(number)

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Update:
        """Climb as far as what is known leads."""
        depth = proposals[0].architecture.space.depth
        if self._state.depth is None or depth > self._state.depth:
            self._go_to(depth)
        new: set[Key] = set()
        rows = self._columns.rows([proposal.architecture for proposal in proposals])
        for proposal, row, reward in zip(proposals, rows, rewards, strict=True):
            self._under_way.pop(proposal.trial, None)
            key = row.tobytes()
            if depth == self._state.depth and key not in self._known:
                self._known[key] = float(reward)
                new.add(key)
        self._take_starts(new)
        self._climb()
        self._state.version += 1
        return Update(self.version, baseline=0.0, entropies={}, gradient_norm=0.0)

    def _go_to(self, depth: int) -> None:
        """Go on at another depth."""
        state, self._space = self._state, self._space.at_depth(depth) if depth else self._space
        self._known, state.starts, self._drawn = {}, [], {}
        if state.place is not None:
            state.step += 1  # its neighbours are drawn by the next one
            generator = trial_generator(self._seed, state.step, "searching")
            unchanged = np.zeros(1, int)
            (grown,) = self._columns.mutated(state.place[None], unchanged, depth, generator)
            self._climb_from(grown)
        state.depth = depth

    def _take_starts(self, new: set[Key]) -> None:
        """Keep the starts among the rows that were just told, and pass those that are known."""
        state = self._state
        for number in range(state.next_start, state.next_start + _STARTS_AHEAD if new else 0):
            row = self._start(number)
            if row.tobytes() in new:
                new.remove(row.tobytes())
                state.starts.append(row)
        for _ in range(MOST_KNOWN_STARTS):
            is_known = self._start(state.next_start).tobytes() in self._known
            if not is_known or len(self._known) >= self._space.size:
                break
            self._drawn.pop(state.next_start)
            state.next_start += 1

    def _climb(self) -> None:
        """Go to better neighbours while there are known ones; from a summit to the best start."""
        state = self._state
        while True:
            if state.place is not None:
                here = self._known.get(state.place.tobytes())
                if here is None:
                    return
                around = self._neighbours()
                if (better := around.better(here, self._known)) is not None:
                    self._climb_from(better)
                    continue
                if next(around.after(around.num_passed), None) is not None:
                    return  # to be asked for
                state.place, self._around = None, None  # a summit
            if not state.starts:
                return
            rewards = [self._known[row.tobytes()] for row in state.starts]
            self._climb_from(state.starts.pop(rewards.index(max(rewards))))

    def _climb_from(self, row: np.ndarray) -> None:
        self._state.place, self._around = row, None
        self._state.step += 1

    def _neighbours(self) -> _Neighbours:
        state = self._state
        assert state.place is not None and state.depth is not None
        if self._around is None:
            generator = trial_generator(self._seed, state.step, "searching")
            self._around = _Neighbours(self._columns, state.place, state.depth, generator)
        return self._around

    def _start(self, number: int) -> np.ndarray:
        if number not in self._drawn:
            generator = trial_generator(self._seed, number, "sampling")
            self._drawn[number] = self._random(generator)
        return self._drawn[number]

    def _random(self, generator: np.random.Generator) -> np.ndarray:
        (row,) = self._columns.rows([random_architecture(self._space, generator)])
        return row

    def save(self, directory: Path) -> None:
        """Write the way's state and all that is known."""
        state = dataclasses.asdict(self._state)
        state["place"] = None if self._state.place is None else self._state.place.tolist()
        state["starts"] = [row.tolist() for row in self._state.starts]
        known = [np.frombuffer(key, np.int16).tolist() for key in self._known]
        written = {**state, "known": known, "rewards": list(self._known.values())}
        (directory / STATE_FILE).write_text(json.dumps(written))

    def restore(self, directory: Path) -> None:
        """Read what `save` wrote."""
        written = json.loads((directory / STATE_FILE).read_text())
        rows, rewards = self._columns.stored_rows(written.pop("known")), written.pop("rewards")
        state = _State(**written)
        state.starts = list(self._columns.stored_rows(written["starts"]))
        if state.place is not None:
            (state.place,) = self._columns.stored_rows([written["place"]])
        known = zip((row.tobytes() for row in rows), map(float, rewards), strict=True)
        self._known, self._state = dict(known), state
        self._under_way, self._around, self._drawn = {}, None, {}
        if state.depth:
            self._space = self._space.at_depth(state.depth)


class _Neighbours:
    """The neighbours of a row in a random order, made as they are looked at.

    Attributes:
      num_passed: how many of the first are known not to be better.
    """

    def __init__(
        self, columns: Columns, row: np.ndarray, depth: int, generator: np.random.Generator
    ):
        self.num_passed = 0
        self._columns, self._row, self._depth, self._generator = columns, row, depth, generator
        places, tokens = columns.changes(row)
        order = generator.permutation(len(places))
        self._places, self._tokens = places[order], tokens[order]
        self._made: list[tuple[np.ndarray, Key]] = []

    def after(self, number: int) -> Iterator[tuple[np.ndarray, Key]]:
        """Yield the neighbours from a number on, each with its key."""
        while number < len(self._places):
            if number == len(self._made):
                self._make()
            yield self._made[number]
            number += 1

    def _make(self) -> None:
        part = slice(len(self._made), len(self._made) + _TOGETHER)
        places, tokens = self._places[part], self._tokens[part]
        rows = self._columns.changed(self._row, places, tokens, self._depth, self._generator)
        self._made += [(row, row.tobytes()) for row in rows]

    def better(self, reward: float, known: Mapping[Key, float]) -> np.ndarray | None:
        """Return the best of those before the first unknown one, if it is better than a reward."""
        best = None
        for row, key in self.after(self.num_passed):
            if key not in known:
                break
            if known[key] > reward:
                best, reward = row, known[key]
            self.num_passed += 1
        return best
