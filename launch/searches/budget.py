"""What a search may still train, and a searcher that proposes only what is known.

A budget of children ends a search when so many were trained. Those under way count, so that there
are never more; trials that take over an outcome cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nas_with_rl.controller.columns import Columns
from nas_with_rl.controller.random_search import uniform_log_prob
from nas_with_rl.controller.searcher import Proposal
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.search_spaces.architecture import Architecture, random_architecture
from nas_with_rl.search_spaces.randomness import trial_generator
from nas_with_rl.search_spaces.space import SearchSpace

REPEATS = 40  # trials in a row, or those of
REPEATED_BATCHES = 5  # whichever are more
_DRAWS = 200  # for one architecture that was never sampled; then all are counted
_MOST_COUNTED = 20_000  # architectures of a space


class Budget:
    """Counts what a search has trained and what it repeats, of its store and what it finishes."""

    def __init__(self, space: SearchSpace, config: SearchConfig, store: TrialStore):
        self._space, self._config, self._store = space, config, store
        self._num_children, self._num_finished = store.num_evaluated(), store.num_finished()
        self._repeats = 0  # in a row, that this process has seen
        self._is_noted = False
        self._window = max(REPEATS, REPEATED_BATCHES * config.update_size)

    def finished(self, trial: Trial) -> None:
        """Count a trial that has its outcome."""
        is_repeat = trial.reused_from is not None
        self._repeats = self._repeats + 1 if is_repeat else 0
        self._num_children += not is_repeat
        self._num_finished += 1

    def is_spent(self, num_sampled: int) -> bool:
        """Whether nothing more is to be sampled, now or later."""
        config = self._config
        if num_sampled >= config.num_samples:
            return True
        if not config.num_children:
            return False
        return self._num_children >= config.num_children or self._is_exhausted(num_sampled)

    def ending(self, num_sampled: int) -> str | None:
        """Say why a search has ended before its budget of children; None where it has not."""
        config = self._config
        if self._num_children >= config.num_children:
            return None
        if self._is_exhausted(num_sampled):
            return (
                f"all {self._size(num_sampled):,} architectures of the space have their outcome: "
                f"the search ends after {self._num_children:,} children"
            )
        return (
            f"the search ends with its {config.num_samples:,} trials (search.num_samples), for "
            f"which {self._num_children:,} of {config.num_children:,} children were trained: "
            "the others repeated them (search.on_repeats=explore draws what is new instead)"
        )

    def affordable(
        self, trials: Sequence[Trial], costs_nothing: Callable[[Trial], bool]
    ) -> Sequence[Trial]:
        """Return the first of a batch's trials, as many as the budget has children for.

        Args:
          trials: sampled, but not recorded yet.
          costs_nothing: whether a trial is certain to take over an outcome.
        """
        left = self._left()
        if left is None or left >= len(trials):
            return trials
        for place, trial in enumerate(trials):
            left -= not costs_nothing(trial)
            if left < 0:
                return trials[:place]
        return trials

    def has_to_wait(self) -> bool:
        """Whether the children under way may use up all that is left."""
        left = self._left()
        return left is not None and left <= 0

    def _left(self) -> int | None:
        # A trial without an outcome may yet take one over: then it gives back what it had.
        config = self._config
        if not config.num_children:
            return None
        return config.num_children - self._num_children - self._store.num_running()

    def note(self, entropies: Mapping[str, float]) -> str | None:
        """Say once that the last trials were repeats; None where they were not, or it is said.

        Args:
          entropies: of the searcher's last update, nats, by decision.
        """
        if self._is_noted or self._repeats < self._window:
            return None
        self._is_noted = True
        if self._is_exhausted(self._num_finished):
            return (
                f"all {self._size(self._num_finished):,} architectures of the space have their "
                "outcome, and further trials repeat them; with search.num_children it ends here"
            )
        share = 1 - self._num_children / self._num_finished
        entropy = f"; its entropy is {_mean(entropies):.3g} nats a decision" if entropies else ""
        follows = (
            "now a batch of architectures never sampled is drawn, and whenever this happens again"
            if self._config.on_repeats == "explore"
            else "search.on_repeats=explore draws what is new when this happens"
        )
        return (
            f"the last {self._repeats} trials repeat what has its outcome, as {share:.0%} of all "
            f"do: the searcher proposes nothing new{entropy}. {follows}"
        )

    def has_to_explore(self) -> bool:
        """Whether the next batch is drawn, since the last trials were repeats. Of the store."""
        if self._config.on_repeats != "explore" or len(self._store) < self._window:
            return False
        return self._store.num_reused_of_last(self._window) == self._window

    def _is_exhausted(self, num_sampled: int) -> bool:
        config = self._config
        if config.duplicates == "evaluate" or self._num_children < self._size(num_sampled):
            return False
        if self._depth(num_sampled) != self._depth(config.num_samples - 1):
            return False  # deeper ones follow
        settled = self._store.num_settled(self._depth(num_sampled), config.failure_retries)
        return settled == self._size(num_sampled)

    def _size(self, trial: int) -> int:
        depth = self._depth(trial)
        if depth == self._space.depth:
            return self._space.size
        return self._space.at_depth(depth).size

    def _depth(self, trial: int) -> int:
        schedule = self._config.depth if self._space.depth else None
        return schedule.depth(trial) if schedule else self._space.depth


def drawn_anew(
    space: SearchSpace, trials: Sequence[int], *, seed: int, version: int, store: TrialStore
) -> list[Proposal]:
    """Draw architectures that no trial has, uniformly, keyed by seed and trial.

    Args:
      space: at the trials' depth.
      trials: their numbers.
      seed: of the search.
      version: of the searcher.
      store: of the trials so far.

    Returns:
      a proposal for each of the first trials, with its log-probability under a uniform draw from
      all of the space; none where nothing new is left.
    """
    drawn: dict[str, Architecture] = {}
    for trial in trials:
        generator = trial_generator(seed, trial, "exploring")
        found = _new_one(space, generator, lambda text: text in drawn or store.is_sampled(text))
        if found is None:
            break
        drawn[str(found)] = found
    return [
        Proposal(trial, architecture, uniform_log_prob(architecture), version)
        for trial, architecture in zip(trials, drawn.values(), strict=False)
    ]


def _new_one(
    space: SearchSpace, generator: np.random.Generator, is_known: Callable[[str], bool]
) -> Architecture | None:
    for _ in range(_DRAWS):
        architecture = random_architecture(space, generator)
        if not is_known(str(architecture)):
            return architecture
    if space.size > _MOST_COUNTED:
        return None
    columns = Columns(space, max_depth=space.depth)
    rows = columns.all_rows(space.depth, most=_MOST_COUNTED)
    assert rows is not None
    left = [each for each in columns.architectures(rows, space) if not is_known(str(each))]
    return left[int(generator.integers(len(left)))] if left else None


def _mean(values: Mapping[str, float]) -> float:
    return sum(values.values()) / len(values)
