"""How a search runs: what an experiment says of it."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from nas_with_rl.launch.experiments.searchers import check_searcher_name
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields, check_range
from nas_with_rl.search_spaces.space import MAX_DEPTH

OnError = Literal["raise", "fail"]
OnRepeats = Literal["note", "explore"]
EarlyStopping = Literal["none", "asha"]

MAX_SAMPLES = 10**9
TRIALS_A_CHILD = 50  # at most, where a budget of children alone is asked for
# Architectures of an update, and under way on a cluster; a controller's batch has them at once.
MAX_TOGETHER = 100_000


@dataclasses.dataclass(frozen=True)
class DepthSchedule:
    """How many layers a trial's architecture has (section 4.1: start at 6, +2 every 1,600).

    Attributes:
      initial: layers of the first trials.
      increment: layers added
      every: this many trials; 0 keeps the depth.
      maximum: the greatest depth. Paper: 12,800 samples, so that 20 is reached.
    """

    initial: int = 6
    increment: int = 2
    every: int = 1600
    maximum: int = 20

    def __post_init__(self) -> None:
        check_fields(self, "search.depth")
        check_range(self, ["maximum"], least=1, most=MAX_DEPTH, group="search.depth")
        if not 0 < self.initial <= self.maximum:
            raise InputError(
                f"search.depth.initial is {self.initial}; it must be from 1 to "
                f"search.depth.maximum, {self.maximum}"
            )
        if self.every < 0 or self.increment < 0:
            raise InputError("search.depth.every and search.depth.increment cannot be negative")

    def depth(self, trial: int) -> int:
        """Return the depth of a trial, numbered from 0."""
        grown = self.increment * (trial // self.every) if self.every else 0
        return min(self.initial + grown, self.maximum)


@dataclasses.dataclass(frozen=True)
class Asha:
    """Asynchronous successive halving (`evaluators.asha`): which children are stopped, and when.

    Attributes:
      reduction_factor: η; of the children that reach a rung the best 1/η go on, and the next rung
        is at η times as many steps.
      min_steps: r, the step of the first rung: of one's own function what it reports, of children
        that are trained here epochs.
      brackets: B; with several, some trials have their first rung at r·η, r·η² and so on.
    """

    reduction_factor: int = 3
    min_steps: int = 1
    brackets: int = 1

    def __post_init__(self) -> None:
        check_fields(self, "search.asha")
        check_range(self, ["reduction_factor"], least=2, most=1_000, group="search.asha")
        check_range(self, ["min_steps"], least=1, most=MAX_SAMPLES, group="search.asha")
        check_range(self, ["brackets"], least=1, most=5, group="search.asha")


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """How a search runs.

    Attributes:
      num_samples: architectures to sample in all. A run that is extended later equals one that
        was never ended if this is a multiple of `batch_size * accumulate_gradients`; else its
        last update is a short one.
      num_children: children to train, at which the search ends before `num_samples`; 0 for no such
        budget. A trial that takes over an earlier outcome costs nothing of it, an evaluation
        that failed does. A run that is extended later equals one that was never ended as with
        `num_samples`. A space all of whose architectures have their outcome ends the search.
      batch_size: m, architectures that a replica of the controller samples at a time.
      accumulate_gradients: batches whose mean gradient an update of the controller takes. In one
        process they are sampled together, as one batch.
      num_replicas: K, replicas of the controller that an asynchronous search on a cluster has,
        each with a batch under way; 0 for as many as keep the workers busy.
      searcher: what proposes them: a name of `searchers.SEARCHERS`, or a class of one's own as
        "module:Class". The paper's experiments name "reinforce".
      depth: of spaces with layers; None keeps the space's own depth.
      duplicates: an architecture seen before takes over its outcome or is evaluated again.
      on_repeats: what follows where the last trials, forty or five batches, have all taken over
        earlier outcomes: a note, or one, and that the next batch is drawn uniformly from what was
        never sampled, with its log-probability under that draw.
      failure_reward: what the controller gets for a child that failed; None for less than any that
        has trained so far (`rewards.failure_reward`). Of children that fail before any has trained
        it learns once one has.
      failure_retries: with `reuse`, how often an architecture whose child failed is evaluated again
        when it is sampled again, before the failure is believed; one that is "infeasible" is
        believed at once. `dream` samples one again only where nothing new is left.
      on_error: what an exception of an evaluation does, apart from `ChildFailure`: end the search,
        or fail the child as "crashed", with the traceback as its message. Twenty children that
        crash in a row end the search.
      checkpoint_every: updates between two checkpoints.
      early_stopping: the rule by which children are stopped that report little early on: "asha". A
        stopped trial counts as what it has reported last.
      asha: its settings.
      child_seconds: ceiling of a child's time in a child process; 0 for none.
      child_memory_gib: ceiling of a child process's memory; 0 for an equal share of the machine's.
    """

    num_samples: int = 1000
    num_children: int = 0
    batch_size: int = 8
    accumulate_gradients: int = 1
    num_replicas: int = 0
    searcher: str = "dream"
    depth: DepthSchedule | None = None
    duplicates: Literal["reuse", "evaluate"] = "reuse"
    on_repeats: OnRepeats = "note"
    failure_reward: float | None = None
    failure_retries: int = 2
    on_error: OnError = "raise"
    checkpoint_every: int = 10
    early_stopping: EarlyStopping = "none"
    asha: Asha = dataclasses.field(default_factory=Asha)
    child_seconds: float = 0.0
    child_memory_gib: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self, "search")
        check_searcher_name(self.searcher)
        sizes = ("batch_size", "accumulate_gradients")
        check_range(self, sizes, least=1, most=MAX_TOGETHER, group="search")
        check_range(self, ["num_replicas"], least=0, most=MAX_TOGETHER, group="search")
        lengths = ("num_samples", "checkpoint_every")
        check_range(self, lengths, least=1, most=MAX_SAMPLES, group="search")
        check_range(self, ["num_children"], least=0, most=MAX_SAMPLES, group="search")
        for name in ("accumulate_gradients", "num_replicas"):
            if getattr(self, name) * self.batch_size > MAX_TOGETHER:
                raise InputError(
                    f"search.batch_size is {self.batch_size:,} and search.{name} "
                    f"{getattr(self, name):,}; their product must be at most {MAX_TOGETHER:,}"
                )
        for name in ("child_seconds", "child_memory_gib"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"search.{name} is {getattr(self, name)}, not a number from 0")
        if self.failure_retries < 0:
            raise InputError(f"search.failure_retries is {self.failure_retries}, below 0")
        if self.failure_reward is not None and not math.isfinite(self.failure_reward):
            raise InputError(f"search.failure_reward is {self.failure_reward}, not a finite number")

    @property
    def update_size(self) -> int:
        """Architectures per update of the controller."""
        return self.batch_size * self.accumulate_gradients

    @property
    def most_children(self) -> int:
        """Children that it trains at most."""
        return min(self.num_children or self.num_samples, self.num_samples)

    def describe_done(self, num_trials: int, num_children: int) -> str:
        """Return how far a search is, of its budget.

        Args:
          num_trials: with an outcome.
          num_children: trained for them.
        """
        if not self.num_children:
            return f"{num_trials} of {self.num_samples} trials"
        return f"{num_children} of {self.num_children} children ({num_trials} trials)"


def trials_for(num_children: int) -> int:
    """Return the ceiling on trials where a budget of children alone is asked for."""
    return min(TRIALS_A_CHILD * num_children, MAX_SAMPLES)
