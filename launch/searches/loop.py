"""The search: sample batches, evaluate them, record them, learn from them, until all are sampled.

This is the main path, in one process and on a cluster. Whatever moment it is killed at, starting
it again on the same store and checkpoints continues as if nothing had happened: a batch is
recorded when it is sampled, an outcome before it is learned from, and updates newer than the
checkpoint are learned again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from absl import logging

from nas_with_rl.child_models.rewards import failure_reward
from nas_with_rl.controller.searcher import Proposal, Searcher, Update
from nas_with_rl.launch.evaluators.asha import AshaRungs
from nas_with_rl.launch.evaluators.evaluation import Evaluation, Evaluator
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.records.checkpoints import Checkpoints
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.searches.budget import Budget, drawn_anew
from nas_with_rl.launch.searches.pending_trials import PendingTrials
from nas_with_rl.search_spaces.architecture import Architecture, parse_architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.randomness import child_seed
from nas_with_rl.search_spaces.space import SearchSpace

MOST_NOTES = 10  # of updates, that a search says
NONE_KNOWN: Mapping[int, Architecture] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Pace:
    """How much is under way at a time.

    Attributes:
      num_replicas: K, replicas of the controller, each with a batch under way.
      batch_size: m, architectures in a batch.
      accumulated: batches that an update learns from.
    """

    num_replicas: int
    batch_size: int
    accumulated: int

    @classmethod
    def synchronous(cls, config: SearchConfig) -> Pace:
        """Return that of one replica, which learns from all that it samples before it goes on."""
        return cls(1, config.update_size, 1)

    @classmethod
    def asynchronous(cls, config: SearchConfig, *, num_workers: int) -> Pace:
        """Return that of K replicas (section 3.2).

        Where the configuration does not say, K keeps all workers busy while replicas wait for the
        last children of their batches: half as many children more than workers, and a batch.
        """
        enough = math.ceil(1.5 * num_workers / config.batch_size) + 1
        replicas = config.num_replicas or enough
        return cls(replicas, config.batch_size, config.accumulate_gradients)


class Observer(Protocol):
    """Looks on: a progress bar, TensorBoard."""

    def finished(self, trial: Trial) -> None:
        """A trial has its outcome."""

    def learned(self, update: Update, trials: Sequence[Trial], store: TrialStore) -> None:
        """The controller has learned from trials for the first time."""


@dataclasses.dataclass(frozen=True)
class Search:
    """Everything that one search runs with.

    Attributes:
      space: at any depth; `config.depth` says which depth a trial has.
      pace: None for the synchronous one.
      checkpoints: None keeps none.
      children: where each trial may have a directory of its own; None: where it is evaluated.
    """

    space: SearchSpace
    config: SearchConfig
    seed: int
    searcher: Searcher
    evaluator: Evaluator
    store: TrialStore
    pace: Pace | None = None
    checkpoints: Checkpoints | None = None
    children: Path | None = None
    observers: tuple[Observer, ...] = ()


def run_search(search: Search) -> None:
    """Run a search from its store's and checkpoints' state to the end of its budget."""
    if search.checkpoints:
        search.checkpoints.restore(search.searcher)
        _check_that_trials_reach(search)
    _learn_again(search)
    batches = _Batches(search)
    batches.advance()
    # The queue is filled by `advance`, also while the evaluator is at work. However the loop is
    # left, by Ctrl-C too, the children under way are ended.
    with contextlib.closing(search.evaluator.evaluate(batches.trials.queue)) as outcomes:
        for outcome in outcomes:
            batches.trials.take(outcome)
            batches.advance()
    batches.say_why_it_ends()
    # Whatever `checkpoint_every` says: a search that is continued has nothing to learn again.
    if search.checkpoints and len(search.store):
        search.checkpoints.save(search.searcher)


def _check_that_trials_reach(search: Search) -> None:
    """Raise InputError where the controller has learned from trials that the store lacks."""
    version = search.searcher.version
    if version > search.store.last_update():
        raise InputError(
            f"the newest checkpoint has learned from {version} batches of trials, which the store "
            "of trials lacks; restore trials.sqlite from a copy, together with the -wal and -shm "
            "files beside it, or start again with another --workdir"
        )


def _learn_again(search: Search) -> None:
    """Repeat the updates that are newer than the searcher's state."""
    learned = search.store.learned_after(search.searcher.version)
    # They come in the order of the updates, so each update sees the trials that it saw before.
    for _, trials in itertools.groupby(learned, key=lambda trial: trial.updated_version):
        _tell(search, list(trials))


class _Batches:
    """Which batches are under way, from sampling to the update that learns from them.

    Attributes:
      trials: those without an outcome.
    """

    def __init__(self, search: Search):
        self._search, self._store = search, search.store
        self._pace = search.pace or Pace.synchronous(search.config)
        self._num_sampled, self._num_batches = len(self._store), self._store.num_batches()
        self._num_notes = 0
        self._budget = Budget(search.space, search.config, self._store)
        # Of trials that this process has sampled, until they are learned from: a text is slow to
        # read, a thousandth of a second for a deep network.
        self._architectures: dict[int, Architecture] = {}
        self._rungs = _rungs_of(search)
        self.trials = PendingTrials(
            self._store,
            reuse=search.config.duplicates == "reuse",
            failure_reward=search.config.failure_reward,
            failure_retries=search.config.failure_retries,
            evaluation_of=self._evaluation,
            on_finish=self._finished,
        )
        unlearned = self._store.unlearned()
        # Of each batch that nothing has learned from: how many of its trials have no outcome.
        self._missing = {trial.batch: 0 for trial in unlearned}
        running = [trial for trial in unlearned if trial.status == "running"]
        for trial in running:
            self._missing[trial.batch] += 1
        # After `_missing`: a trial that takes an outcome over is finished at once.
        self.trials.add(running)

    def advance(self) -> None:
        """Learn from what is complete and sample what is free, until both have to wait."""
        while self._learn() or self._sample():
            pass

    def say_why_it_ends(self) -> None:
        """Say why a search has ended that has not trained the children that it was to."""
        ending = self._budget.ending(self._num_sampled)
        if ending:
            logging.warning("%s", ending)

    def _finished(self, trial: Trial) -> None:
        self._missing[trial.batch] -= 1
        self._budget.finished(trial)
        for observer in self._search.observers:
            observer.finished(trial)

    def _learn(self) -> bool:
        """Take one update from complete batches; return whether there were enough of them."""
        complete = [batch for batch, missing in self._missing.items() if not missing]
        # At the end fewer batches than an update wants may be left.
        is_last = self._all_sampled() and len(complete) == len(self._missing)
        if len(complete) < self._pace.accumulated and not (is_last and complete):
            return False
        batches = complete[: self._pace.accumulated]
        # What failures count as depends on those that have trained: without any it has to wait.
        if not self._store.count_failures(batches, failure_reward):
            return False
        trials = self._store.batches(batches)
        trials = [trial for trial in trials if trial.depth == trials[0].depth]  # one rollout's
        update = _tell(self._search, trials, self._architectures)
        for note in update.notes:
            self._note(note)
        if repeated := self._budget.note(update.entropies):
            logging.warning("%s", repeated)
        for observer in self._search.observers:
            observer.learned(update, trials, self._store)
        # The store before the checkpoint: a checkpoint that knows of an update which the store
        # lacks cannot be continued, the reverse is learned again. After the observers: killed in
        # between, they see this update a second time rather than never.
        self._store.mark_learned([trial.number for trial in trials], update.version)
        if self._rungs:
            self._rungs.learn(trials, update.version)
        # Batches of another depth stay for the next update.
        for batch in {trial.batch for trial in trials}:
            del self._missing[batch]
        for trial in trials:
            self._architectures.pop(trial.number, None)
        due = update.version % self._search.config.checkpoint_every == 0
        if self._search.checkpoints and due:
            self._search.checkpoints.save(self._search.searcher)
        return True

    def _note(self, note: str) -> None:
        """Say something of an update, but not of every one of a search in which it is usual."""
        self._num_notes += 1
        if self._num_notes <= MOST_NOTES:
            logging.warning(note)
        if self._num_notes == MOST_NOTES:
            logging.warning("of further updates of this kind nothing is said")

    def _all_sampled(self) -> bool:
        return self._budget.is_spent(self._num_sampled)

    def _sample(self) -> bool:
        """Let a replica that has no batch sample one; return whether there was one."""
        search = self._search
        # A complete batch that waits for others to accumulate keeps no replica busy.
        waited_for = sum(missing > 0 for missing in self._missing.values())
        if waited_for >= self._pace.num_replicas or self._budget.has_to_wait():
            return False
        if self._all_sampled():
            return False
        first = self._num_sampled
        last = min(first + self._pace.batch_size, search.config.num_samples)
        proposals = self._proposed(range(first, last))
        batch = self._num_batches
        sampled = [_sampled(search, proposal, batch) for proposal in proposals]
        trials = self._budget.affordable(sampled, self.trials.costs_nothing)
        self._architectures |= {each.trial: each.architecture for each in proposals[: len(trials)]}
        self._store.add(trials)
        self._num_sampled, self._num_batches = first + len(trials), batch + 1
        # Before they are given out: some may finish at once.
        self._missing[batch] = len(trials)
        self.trials.add(trials)
        return True

    def _proposed(self, numbers: Sequence[int]) -> list[Proposal]:
        """Return what is proposed for trials, or drawn in its place for the first of them."""
        search = self._search
        space, searcher = _space_of(search, numbers[0]), search.searcher
        if self._budget.has_to_explore():
            version = searcher.version
            drawn = drawn_anew(space, numbers, seed=search.seed, version=version, store=self._store)
            if drawn:
                return drawn
        return searcher.ask(space, numbers)

    def _evaluation(self, trial: Trial) -> Evaluation:
        architecture = self._architectures.get(trial.number) or _architecture(self._search, trial)
        folder = self._search.children
        directory = None if folder is None else str(folder / str(trial.number))
        known = self._rungs
        rungs = known.of(trial.number, trial.sampled_version) if known else None
        return Evaluation(trial.number, architecture, trial.seed, directory, rungs)


def _rungs_of(search: Search) -> AshaRungs | None:
    """Return what early stopping knows of the trials that are stored; None where it is off."""
    if search.config.early_stopping == "none":
        return None
    rungs = AshaRungs(search.config.asha)
    learned = search.store.learned_after(0)
    for version, trials in itertools.groupby(learned, key=lambda trial: trial.updated_version):
        rungs.learn(trials, version or 0)
    return rungs


def _sampled(search: Search, proposal: Proposal, batch: int) -> Trial:
    return Trial(
        number=proposal.trial,
        architecture=str(proposal.architecture),
        depth=proposal.architecture.space.depth,
        status="running",
        log_prob=proposal.log_prob,
        sampled_version=proposal.version,
        updated_version=None,
        seed=child_seed(search.seed, proposal.trial),
        batch=batch,
    )


def _space_of(search: Search, trial: int) -> SearchSpace:
    """The space at a trial's depth; a batch has the depth of its first trial."""
    if not search.space.depth or search.config.depth is None:
        return search.space
    return search.space.at_depth(search.config.depth.depth(trial))


def _architecture(search: Search, trial: Trial) -> Architecture:
    space = search.space.at_depth(trial.depth) if trial.depth else search.space
    return parse_architecture(trial.architecture, space)


def _tell(
    search: Search, trials: Sequence[Trial], known: Mapping[int, Architecture] = NONE_KNOWN
) -> Update:
    """Let the searcher learn from recorded trials: the first time, or again after a restart.

    Args:
      search: whose searcher learns.
      trials: with their rewards.
      known: architectures of some of them, by number.
    """
    proposals = [
        Proposal(
            trial.number,
            known.get(trial.number) or _architecture(search, trial),
            trial.log_prob,
            trial.sampled_version,
        )
        for trial in trials
    ]
    return search.searcher.tell(proposals, [_reward(trial) for trial in trials])


def _reward(trial: Trial) -> float:
    if trial.reward is None:
        raise InputError(
            f"trial {trial.number} was learned from, and the store of trials has no reward of it; "
            "restore trials.sqlite from a copy, with the -wal and -shm files beside it, or start "
            "again with another workdir"
        )
    return trial.reward
