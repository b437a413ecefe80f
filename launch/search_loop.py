"""The search: sample a batch, evaluate it, record it, learn from it, until enough are sampled.

This is the main path. Whatever moment it is killed at, starting it again on the same store and
checkpoints continues as if nothing had happened: a batch is recorded when it is sampled, an
outcome before it is learned from, and updates newer than the checkpoint are learned again.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal, Protocol

from nas_with_rl.controller.searcher import Proposal, Searcher, Update
from nas_with_rl.launch.checkpoints import Checkpoints
from nas_with_rl.launch.evaluation import Evaluation, Evaluator, Failure, Outcome
from nas_with_rl.launch.trials import Trial, TrialStore
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.randomness import child_seed
from nas_with_rl.search_spaces.space import SearchSpace


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
class SearchConfig:
    """How a search runs.

    Attributes:
      num_samples: architectures to sample in all. A run that is extended later equals one that
        was never ended if this is a multiple of `batch_size`; else its last batch is a short one.
      batch_size: m, architectures per update of the controller.
      searcher: what proposes them.
      depth: of spaces with layers; None keeps the space's own depth.
      duplicates: an architecture seen before takes over its outcome or is evaluated again.
      failure_reward: what the controller gets for a child that failed.
      checkpoint_every: updates between two checkpoints.
      child_seconds: ceiling of a child's time in a child process; 0 for none.
      child_memory_gib: ceiling of a child process's memory; 0 for an equal share of the machine's.
    """

    num_samples: int = 1000
    batch_size: int = 8
    searcher: Literal["reinforce", "random"] = "reinforce"
    depth: DepthSchedule | None = None
    duplicates: Literal["reuse", "evaluate"] = "reuse"
    failure_reward: float = 0.0
    checkpoint_every: int = 10
    child_seconds: float = 0.0
    child_memory_gib: float = 0.0

    def __post_init__(self) -> None:
        for name in ("num_samples", "batch_size", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise InputError(f"search.{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("child_seconds", "child_memory_gib"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"search.{name} is {getattr(self, name)}, not a number from 0")
        if not math.isfinite(self.failure_reward):
            raise InputError(f"search.failure_reward is {self.failure_reward}, not a finite number")


class Observer(Protocol):
    """Looks on: a progress bar, TensorBoard."""

    def finished(self, trial: Trial) -> None:
        """A trial has its outcome."""

    def learned(self, update: Update, trials: Sequence[Trial], store: TrialStore) -> None:
        """The controller has learned from a batch for the first time."""


@dataclasses.dataclass(frozen=True)
class Search:
    """Everything that one search runs with.

    Attributes:
      space: at any depth; `config.depth` says which depth a trial has.
      checkpoints: None keeps none.
    """

    space: SearchSpace
    config: SearchConfig
    seed: int
    searcher: Searcher
    evaluator: Evaluator
    store: TrialStore
    checkpoints: Checkpoints | None = None
    observers: tuple[Observer, ...] = ()


def run_search(search: Search) -> None:
    """Run a search from its store's and checkpoints' state to `num_samples` trials."""
    if search.checkpoints:
        search.checkpoints.restore(search.searcher)
        _check_that_trials_reach(search)
    while batch := search.store.batch(search.searcher.version) or _sample(search):
        _evaluate(search, batch)
        _learn(search, search.store.batch(search.searcher.version))
    if search.checkpoints and len(search.store):
        search.checkpoints.save(search.searcher)


def _check_that_trials_reach(search: Search) -> None:
    """Raise InputError where the controller has learned from trials that the store lacks."""
    version = search.searcher.version
    if version and not search.store.batch(version - 1):
        raise InputError(
            f"the newest checkpoint has learned from {version} batches of trials, which the store "
            "of trials lacks; restore trials.sqlite from a copy, or start again with another "
            "--workdir"
        )


def _sample(search: Search) -> list[Trial]:
    """Propose and record the next batch; empty when enough are sampled."""
    first = len(search.store)
    last = min(first + search.config.batch_size, search.config.num_samples)
    if first >= last:
        return []
    proposals = search.searcher.ask(_space_of(search, first), range(first, last))
    search.store.add(
        [
            Trial(
                number=proposal.trial,
                architecture=str(proposal.architecture),
                depth=proposal.architecture.space.depth,
                status="running",
                log_prob=proposal.log_prob,
                sampled_version=proposal.version,
                updated_version=None,
                seed=child_seed(search.seed, proposal.trial),
            )
            for proposal in proposals
        ]
    )
    return search.store.batch(search.searcher.version)


def _space_of(search: Search, trial: int) -> SearchSpace:
    """The space at a trial's depth; a batch has the depth of its first trial."""
    if not search.space.depth or search.config.depth is None:
        return search.space
    return search.space.at_depth(search.config.depth.depth(trial))


def _evaluate(search: Search, batch: Sequence[Trial]) -> None:
    """Record the outcome of every trial that has none."""
    running = [trial for trial in batch if trial.status == "running"]
    reuse = search.config.duplicates == "reuse"
    while running:
        if reuse:
            running = _without_reused(search, running)
        # One trial per architecture; should it fail for a reason of the machine, the next tries.
        chosen = {trial.architecture if reuse else trial.number: trial for trial in running[::-1]}
        by_number = {trial.number: trial for trial in sorted(chosen.values(), key=_number)}
        evaluations = [_evaluation(search, trial) for trial in by_number.values()]
        for outcome in search.evaluator.evaluate(evaluations):
            trial = by_number[outcome.evaluation.trial]
            _finish(search, _with_outcome(trial, outcome, search.config.failure_reward))
        running = [trial for trial in running if trial.number not in by_number]


def _number(trial: Trial) -> int:
    return trial.number


def _without_reused(search: Search, running: Sequence[Trial]) -> list[Trial]:
    """Finish the trials whose architecture has an outcome already; return the others."""
    left = []
    for trial in running:
        if earlier := search.store.evaluated_before(trial):
            _finish(search, _with_reused(trial, earlier))
        else:
            left.append(trial)
    return left


def _evaluation(search: Search, trial: Trial) -> Evaluation:
    space = search.space.at_depth(trial.depth) if trial.depth else search.space
    return Evaluation(trial.number, parse_architecture(trial.architecture, space), trial.seed)


def _finish(search: Search, trial: Trial) -> None:
    search.store.finish(trial)
    for observer in search.observers:
        observer.finished(trial)


def _with_outcome(trial: Trial, outcome: Outcome, failure_reward: float) -> Trial:
    result = outcome.result
    done = dataclasses.replace(
        trial, worker=outcome.worker, started=outcome.started, ended=outcome.ended
    )
    if isinstance(result, Failure):
        return dataclasses.replace(
            done,
            status="failed",
            reward=failure_reward,
            failure=result.reason,
            message=result.message,
        )
    return dataclasses.replace(
        done,
        status="completed",
        reward=float(result.reward),
        metrics=result.metrics,
        num_parameters=result.num_parameters,
    )


def _with_reused(trial: Trial, earlier: Trial) -> Trial:
    return dataclasses.replace(
        earlier,
        number=trial.number,
        log_prob=trial.log_prob,
        sampled_version=trial.sampled_version,
        updated_version=None,
        seed=trial.seed,
        reused_from=earlier.number if earlier.reused_from is None else earlier.reused_from,
    )


def _learn(search: Search, batch: Sequence[Trial]) -> None:
    """Let the searcher learn from a recorded batch: the first time, or again after a restart."""
    proposals = [
        Proposal(
            trial.number,
            _evaluation(search, trial).architecture,
            trial.log_prob,
            trial.sampled_version,
        )
        for trial in batch
    ]
    update = search.searcher.tell(proposals, [trial.reward or 0.0 for trial in batch])
    if any(trial.updated_version is None for trial in batch):
        for observer in search.observers:
            observer.learned(update, batch, search.store)
        search.store.mark_learned([trial.number for trial in batch], update.version)
    due = update.version % search.config.checkpoint_every == 0
    if search.checkpoints and due:
        search.checkpoints.save(search.searcher)
