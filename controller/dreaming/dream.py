"""Dreaming: the policy learns from a surrogate of the rewards between two batches of children.

Children are costly and samples are not. A Gaussian process is fitted to all rewards so far
(`surrogate`); REINFORCE moves the policy by the children, and then by what the surrogate expects
of architectures that the policy samples; the next children are the ones that the surrogate wants
tried (`wishes`), among the policy's samples and changes of the best. As far as the surrogate has
not predicted the rewards that it had not seen, it dreams less and the policy chooses.

Legend: m architectures of a batch, D columns.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import threadpoolctl

from nas_with_rl.controller.advantages import normal_scores
from nas_with_rl.controller.columns import Columns
from nas_with_rl.controller.dreaming.memory import FILE, Memory
from nas_with_rl.controller.dreaming.surrogate import Surrogate
from nas_with_rl.controller.dreaming.wishes import NUM_PARENTS, Wishes
from nas_with_rl.controller.encoding import EncodedArchitectures, encode_architectures
from nas_with_rl.controller.reinforce import Reinforce, entropies_by_decision
from nas_with_rl.controller.searcher import NotFinite, Proposal, Update
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.randomness import trial_generator
from nas_with_rl.search_spaces.space import SearchSpace

STATE_FILE = "dream.json"
NUM_UNIFORM = 8  # children before the surrogate is asked
DREAM_SIZE, MOST_DREAMS = 64, 4  # samples of a dreamt step; such steps after a batch
CHILDREN_A_DREAM = 2  # one such step for so many children of the batch
DREAMT_DECISIONS = 24  # steps times decisions, so that a night in a long space is no longer
ENTROPY_WEIGHT = 0.03  # of the policy's bonus
POOL = 128  # samples of the policy among which the surrogate wishes
# While no batch brings a better best, the wishes grow bolder by so much with each, and
# after so many begin anew: what was seen elsewhere is followed up.
BOLDER, BOLD_BATCHES = 1.0, 6
MOST_KNOWN = 400  # architectures that the surrogate is conditioned on
REFIT_GROWTH = 1.25  # the surrogate's weights are fitted again when so much more is known
PREDICTIONS, FEW_PREDICTIONS = 64, 16  # of unseen rewards, newest, by which it is judged
FULL_TRUST = 0.3  # rank correlation

_P = ParamSpec("_P")
_R = TypeVar("_R")


@functools.cache
def _linear_algebra() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()


def _on_one_core(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Keep NumPy's products on one core: they are small, and round alike on any machine then.

    Threads that wait for a share of 400 rows take several times the processor that the work does.
    """

    @functools.wraps(function)
    def on_one_core(*args: _P.args, **settings: _P.kwargs) -> _R:
        with _linear_algebra().limit(limits=1, user_api="blas"):
            return function(*args, **settings)

    return on_one_core


class Dream:
    """A searcher: REINFORCE on children and on a surrogate of them."""

    def __init__(self, learner: Reinforce, space: SearchSpace, *, max_depth: int, seed: int):
        """Start with a policy that has learned nothing.

        Args:
          learner: the policy and how it is moved, here or on parameter servers.
          space: at any depth.
          max_depth: the greatest that is asked for.
          seed: of the draws.

        Raises:
          InputError: the space has too many decisions to compare architectures.
        """
        self._learner, self._seed, self._max_depth = learner, seed, max_depth
        self._columns = Columns(space, max_depth=max_depth)
        self._surrogate = Surrogate(self._columns)
        self._memory = Memory(len(self._columns.sizes))
        self._under_way: set[bytes] = set()
        self._num_fitted = 0  # architectures that the surrogate's weights were fitted to last
        self._best = np.empty((0, len(self._columns.sizes)), np.int16)
        self._predictions: list[tuple[float, float]] = []  # expected score, reward
        self._batches_since_best = 0
        self._version = 0

    @property
    def version(self) -> int:
        """Updates made so far: batches told."""
        return self._version

    @_on_one_core
    def ask(self, space: SearchSpace, trials: Sequence[int]) -> list[Proposal]:
        """Propose architectures that have not been tried, as long as there are any."""
        generator = trial_generator(self._seed, trials[0], "sampling")
        wanted = len(trials)
        rows: list[np.ndarray] = []
        if self._knows():
            trusted = round(self.trust * wanted)
            drawn, _ = self._sample(space, POOL, generator)
            boldness = 1 + BOLDER * (max(self._batches_since_best - 1, 0) % BOLD_BATCHES)
            wishes = Wishes(
                self._columns, self._surrogate, space.depth, self._is_new, boldness=boldness
            )
            rows += list(wishes.choose(trusted, self._best, drawn, generator))
            rows += self._fresh(drawn, rows, wanted - len(rows))
        uniform = self._columns.uniform(8 * wanted, space.depth, generator)
        rows += self._fresh(uniform, rows, wanted - len(rows))
        # Nothing new is left, or next to nothing: the policy repeats itself.
        if len(rows) < wanted:
            rows += list(self._sample(space, wanted - len(rows), generator)[0])
        self._under_way |= {row.tobytes() for row in rows}
        architectures = self._columns.architectures(np.array(rows), space)
        log_probs = self._learner.score(architectures)
        return [
            Proposal(trial, architecture, float(log_prob), self._version)
            for trial, architecture, log_prob in zip(trials, architectures, log_probs, strict=True)
        ]

    @_on_one_core
    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Update:
        """Learn from children, then dream.

        The policy takes one step of REINFORCE by the children's normal scores among all that were
        told, and some by the surrogate's expectations of its own samples.
        """
        architectures = [proposal.architecture for proposal in proposals]
        space = architectures[0].space
        rows, values = self._columns.rows(architectures), np.asarray(rewards, np.float64)
        self._under_way -= {row.tobytes() for row in rows}
        self._note_predictions(rows, values)
        best = self._memory.best()
        places = self._memory.add(rows, values)
        self._batches_since_best = 0 if self._memory.best() > best else self._batches_since_best + 1
        scores = self._memory.scores()
        encoded = encode_architectures(architectures, self._max_depth)
        norm, entropies = self._learner.step(space, encoded, scores[places].astype(np.float32))
        if self._knows():
            self._learn_surrogate(scores)
            generator = trial_generator(self._seed, proposals[0].trial, "searching")
            self._dream(space, -(-len(rows) // CHILDREN_A_DREAM), generator)
        self._version += 1
        names = entropies_by_decision(space, entropies)
        return Update(self._version, self._memory.median(), names, norm)

    def score(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the log-probabilities of architectures of one depth under the policy, `[m]`."""
        return self._learner.score(architectures)

    @property
    def trust(self) -> float:
        """How far the surrogate is followed, from 0 to 1, by what it has predicted."""
        if len(self._predictions) < FEW_PREDICTIONS:
            return 1.0
        expected, seen = map(normal_scores, np.array(self._predictions).T)
        spread = np.sqrt((expected**2).sum() * (seen**2).sum())
        correlation = float(expected @ seen / spread) if spread > 0 else 0.0
        return min(max(correlation / FULL_TRUST, 0.0), 1.0)

    def _knows(self) -> bool:
        return len(self._memory) >= NUM_UNIFORM

    def _is_new(self, row: np.ndarray) -> bool:
        return row not in self._memory and row.tobytes() not in self._under_way

    def _fresh(
        self, rows: np.ndarray, taken: Sequence[np.ndarray], number: int
    ) -> list[np.ndarray]:
        """Return the first new rows that are not taken, each once."""
        keys = {row.tobytes() for row in taken}
        found: list[np.ndarray] = []
        for row in rows:
            if len(found) >= number:
                break
            if row.tobytes() not in keys and self._is_new(row):
                keys.add(row.tobytes())
                found.append(row)
        return found

    def _sample(
        self, space: SearchSpace, number: int, generator: np.random.Generator
    ) -> tuple[np.ndarray, EncodedArchitectures]:
        """Return architectures that the policy draws, as `[number, D]` rows and encoded."""
        choices, skips = self._learner.policy.noise_shapes
        rollout = self._learner.draw(
            space,
            generator.random((*choices, number), np.float32),
            generator.random((*skips, number), np.float32),
        )
        encoded = EncodedArchitectures(rollout.choices.numpy(), rollout.skips.numpy())
        return self._columns.encoded_rows(encoded, space.depth), encoded

    def _note_predictions(self, rows: np.ndarray, rewards: np.ndarray) -> None:
        """Keep what was expected of architectures that are told for the first time."""
        if len(self._best):  # something is known
            expected = self._surrogate.mean(rows)
            unseen = [row not in self._memory for row in rows]
            self._predictions += zip(expected[unseen], rewards[unseen], strict=True)
            del self._predictions[:-PREDICTIONS]

    def _learn_surrogate(self, scores: np.ndarray) -> None:
        rows, scores = self._memory.selected(scores, MOST_KNOWN)
        if len(self._memory) >= REFIT_GROWTH * self._num_fitted:
            self._surrogate.fit(rows, scores)
            self._num_fitted = len(self._memory)
        self._surrogate.condition(rows, scores)
        self._best = rows[:NUM_PARENTS]

    def _dream(self, space: SearchSpace, number: int, generator: np.random.Generator) -> None:
        """Move the policy, `number` times at most, by what the surrogate expects of its samples."""
        most = min(max(DREAMT_DECISIONS // len(space.steps), 1), MOST_DREAMS, number)
        for _ in range(round(self.trust * most)):
            rows, sample = self._sample(space, DREAM_SIZE, generator)
            expected = self._surrogate.mean(rows)
            # In the scores' own units: the surer the policy is, the less it learns from a dream.
            advantages = (expected - expected.mean()).astype(np.float32)
            self._learner.step(space, sample, advantages)

    def save(self, directory: Path) -> None:
        """Write the policy's state, and what was tried and predicted."""
        self._learner.save(directory)
        np.savez_compressed(directory / FILE, logs=self._surrogate.logs, **self._memory.arrays())
        state = {
            "version": self._version,
            "fitted": self._num_fitted,
            "predictions": self._predictions,
            "since_best": self._batches_since_best,
        }
        (directory / STATE_FILE).write_text(json.dumps(state))

    @_on_one_core
    def restore(self, directory: Path) -> None:
        """Read what `save` wrote; ValueError where it cannot be read.

        Raises:
          NotFinite: a number of it is not.
        """
        self._learner.restore(directory)
        try:
            state = json.loads((directory / STATE_FILE).read_text())
            names = ("version", "fitted", "since_best")
            version, fitted, since_best = (int(state[name]) for name in names)
            predictions = [(float(mean), float(reward)) for mean, reward in state["predictions"]]
            with np.load(directory / FILE, allow_pickle=False) as arrays:
                logs = arrays["logs"].astype(float)
                memory = Memory.of_arrays(dict(arrays), len(self._columns.sizes))
            if logs.shape != self._surrogate.logs.shape:
                raise ValueError(f"the surrogate's weights have the shape {logs.shape}")
        except (LookupError, OSError, TypeError) as error:
            raise ValueError(f"{directory}: {error}") from error
        if not np.all(np.isfinite(logs)):
            raise NotFinite(f"{directory}: a weight of the surrogate is not finite")
        self._version, self._num_fitted, self._predictions = version, fitted, predictions
        self._memory, self._surrogate.logs, self._under_way = memory, logs, set()
        self._batches_since_best = since_best
        if self._knows():  # as it was conditioned when it was saved
            rows, scores = memory.selected(memory.scores(), MOST_KNOWN)
            self._surrogate.condition(rows, scores)
            self._best = rows[:NUM_PARENTS]
