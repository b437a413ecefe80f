"""A search's searcher, asked and told again what is stored, from the first update to the last."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.controller.random_search import uniform_log_prob
from nas_with_rl.controller.searcher import Proposal, Searcher
from nas_with_rl.launch.audits.findings import Finding, UpdateLine
from nas_with_rl.launch.audits.recorded import Batch, RecordedSearch
from nas_with_rl.launch.audits.states import Difference, differences
from nas_with_rl.launch.experiments.searchers import make_searcher
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.search_spaces.architecture import Architecture, parse_architecture
from nas_with_rl.search_spaces.errors import InputError

# Whose proposals hang on the version and the trial alone. Those of others hang on what is under way
# too, of which a search that was resumed has forgotten.
_KEYED = frozenset({"reinforce", "evolution", "random"})
_LOG_PROB_TOLERANCE = 10  # times that of weights: nats, a sum over some ten decisions


@dataclasses.dataclass(frozen=True)
class Mismatch:
    """A trial that was not proposed, or not with this probability.

    Attributes:
      trial: as it is stored.
      version: at which it was asked for.
      what: "architecture" or "log_prob".
      follows: the value.
    """

    trial: Trial
    version: int
    what: str
    follows: Any


@dataclasses.dataclass(frozen=True)
class ComparedState:
    """A checkpoint beside what follows.

    Attributes:
      version: updates made.
      found: in what it differs.
      largest: difference of all its numbers.
    """

    version: int
    found: tuple[Difference, ...]
    largest: float


@dataclasses.dataclass
class Replayed:
    """What came of it.

    Attributes:
      mismatches: by the version at which trials were asked for; none where they agree.
      states: the kept checkpoints, by version.
      updates: as they were recomputed.
      num_proposed, num_scored: trials that were proposed again, and log-probabilities.
      largest: difference of a log-probability that is none, in nats.
      stopped: why later updates were not recomputed.
    """

    mismatches: dict[int, list[Mismatch]] = dataclasses.field(default_factory=dict)
    states: list[ComparedState] = dataclasses.field(default_factory=list)
    updates: list[UpdateLine] = dataclasses.field(default_factory=list)
    num_proposed: int = 0
    num_scored: int = 0
    largest: float = 0.0
    stopped: Finding | None = None

    @property
    def agrees(self) -> bool:
        """Whether everything that was recomputed is what is stored."""
        return not any(self.mismatches.values()) and not any(each.found for each in self.states)

    @property
    def diverged_from(self) -> int | None:
        """The first version from which on nothing agrees to the end; None without one.

        A trial that does not agree, and later ones that do, is that trial's own matter.
        """
        found = None
        for version, mismatches in sorted(self.mismatches.items(), reverse=True):
            if not mismatches:
                break
            found = version
        right = [each.version for each in self.states if not each.found]
        return None if found is None or max(right, default=-1) >= found else found


@dataclasses.dataclass(frozen=True)
class InPlace:
    """What is told in place of what is stored, by trial.

    Attributes:
      rewards: of trials.
      texts: their architectures.
    """

    rewards: Mapping[int, float] = dataclasses.field(default_factory=dict)
    texts: Mapping[int, str] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rewards) + len(self.texts)


@dataclasses.dataclass(frozen=True)
class Replay:
    """Recomputes a search.

    Attributes:
      recorded: the search.
      batches: by update, those that it learned from.
      tolerance: of weights, by the largest of their array.
      on_update: called after each.
    """

    recorded: RecordedSearch
    batches: Mapping[int, Sequence[Batch]]
    tolerance: float
    on_update: Callable[[], None] = lambda: None

    def run(self, told: InPlace) -> Replayed:
        """Ask and tell everything."""
        found, searcher = Replayed(), self.new_searcher()
        asked, last = self.asked, len(self.batches)
        for version in range(last + 1):
            self._compare_state(searcher, found)
            try:
                for batch in asked.get(version, ()):
                    self.compare_batch(searcher, batch, found)
                if version < last:
                    found.updates.append(self.tell(searcher, version + 1, told))
            except _Unreadable as error:
                found.stopped = Finding(str(error), error.trial, version + 1)
                break
            self.on_update()
        return found

    def new_searcher(self) -> Searcher:
        """Return a searcher that has learned nothing; an earlier one is then of no use any more."""
        if self.recorded.searcher != "reinforce":
            return make_searcher(self.recorded.searcher, self.recorded.setting())
        # To begin again with the same one saves its compilation, some seconds.
        searcher, beginning = self._kept
        searcher.restore(Path(beginning.name))
        return searcher

    def tell(self, searcher: Searcher, version: int, instead: InPlace) -> UpdateLine:
        """Let a searcher take an update."""
        trials = sorted(
            (trial for batch in self.batches[version] for trial in batch.trials),
            key=lambda trial: trial.number,
        )
        told = [instead.rewards.get(trial.number, trial.reward) for trial in trials]
        if None in told:
            number = trials[told.index(None)].number
            message = f"trial {number} has no reward: what came after cannot be recomputed"
            raise _Unreadable(number, message)
        values = [float(reward) for reward in told if reward is not None]
        proposals = [
            Proposal(t.number, self.architecture(t, instead), t.log_prob, t.sampled_version)
            for t in trials
        ]
        update = searcher.tell(proposals, values)
        return UpdateLine(
            version=version,
            trials=tuple(trial.number for trial in trials),
            rewards=tuple(values),
            baseline=update.baseline,
            staleness=tuple(version - 1 - trial.sampled_version for trial in trials),
            gradient_norm=update.gradient_norm,
        )

    def architecture(self, trial: Trial, instead: InPlace = InPlace()) -> Architecture:
        """Return a trial's architecture."""
        text = instead.texts.get(trial.number, trial.architecture)
        return self._read(text, trial.depth, trial.number)

    def log_probs(self, searcher: Any, batch: Batch) -> list[float] | None:
        """Return the log-probabilities of a batch's architectures; None where there are none."""
        architectures = [self.architecture(trial) for trial in batch.trials]
        if self.recorded.searcher == "random":
            return [uniform_log_prob(each) for each in architectures]
        if not callable(getattr(searcher, "score", None)):
            return None
        return [float(value) for value in searcher.score(architectures)]

    @functools.cached_property
    def log_prob_tolerance(self) -> float:
        """Of a log-probability in nats, and for each nat of its own."""
        return _LOG_PROB_TOLERANCE * self.tolerance

    def differs(self, stored: float | None, follows: float | None) -> bool:
        """Return whether two log-probabilities do."""
        if stored is None or follows is None:
            return stored is not follows
        return not abs(stored - follows) <= self.log_prob_tolerance * max(1.0, abs(follows) / 10)

    @functools.cached_property
    def asked(self) -> dict[int, list[Batch]]:
        """The batches by the version at which they were asked for."""
        asked: dict[int, list[Batch]] = {}
        for batch in self.recorded.batches:
            asked.setdefault(batch.version, []).append(batch)
        return asked

    def compare_batch(self, searcher: Searcher, batch: Batch, found: Replayed) -> None:
        """Compare a batch with what is proposed at its version."""
        here = found.mismatches.setdefault(batch.version, [])
        if self._is_explored(batch):
            for trial in batch.trials:
                uniform = uniform_log_prob(self.architecture(trial))
                self._compare_log_prob(trial, uniform, batch.version, found)
            return
        proposed = self._proposed(searcher, batch)
        follows: list[float | None] = [None] * len(batch.trials)
        agree = [False] * len(batch.trials)
        if proposed is not None:
            found.num_proposed += len(proposed)
            for place, (trial, proposal) in enumerate(zip(batch.trials, proposed, strict=True)):
                is_stored = str(proposal.architecture) == trial.architecture
                follows[place] = proposal.log_prob
                # Else the probability is of what was proposed, and the text alone is another.
                agree[place] = is_stored or not self.differs(trial.log_prob, proposal.log_prob)
                if not is_stored:
                    text = str(proposal.architecture)
                    here.append(Mismatch(trial, batch.version, "architecture", text))
        if not all(agree):
            scored = self.log_probs(searcher, batch)
            if scored is None and proposed is None:
                return
            follows = [
                value if same or scored is None else scored[place]
                for place, (same, value) in enumerate(zip(agree, follows, strict=True))
            ]
        for trial, value in zip(batch.trials, follows, strict=True):
            self._compare_log_prob(trial, value, batch.version, found)

    def _is_explored(self, batch: Batch) -> bool:
        """Whether a batch was drawn uniformly, as `search.on_repeats=explore` lets it be.

        That hangs on which trials had their outcome then, which is not stored; the probabilities
        say it, of which one may have been changed.
        """
        if self.recorded.config.on_repeats != "explore":
            return False
        uniform = [
            not self.differs(trial.log_prob, uniform_log_prob(self.architecture(trial)))
            for trial in batch.trials
        ]
        return sum(uniform) > len(uniform) / 2

    def _compare_log_prob(
        self, trial: Trial, value: float | None, version: int, found: Replayed
    ) -> None:
        if self.differs(trial.log_prob, value):
            found.mismatches[version].append(Mismatch(trial, version, "log_prob", value))
        if trial.log_prob is None or value is None:
            return
        found.num_scored += 1
        if not self.differs(trial.log_prob, value):
            found.largest = max(found.largest, abs(trial.log_prob - value))

    def _proposed(self, searcher: Searcher, batch: Batch) -> list[Proposal] | None:
        """Ask for a batch again; None where its proposals hang on what is not stored."""
        if self.recorded.searcher not in _KEYED and not (batch.is_whole and batch.is_alone):
            return None
        space = self.recorded.space_at(batch.trials[0].depth)
        return list(searcher.ask(space, batch.numbers))

    def _compare_state(self, searcher: Searcher, found: Replayed) -> None:
        copy = self.recorded.states.get(searcher.version)
        if not isinstance(copy, Path):
            return
        with tempfile.TemporaryDirectory(prefix="nas_with_rl-") as folder:
            searcher.save(Path(folder))
            differing, largest = differences(copy, Path(folder), tolerance=self.tolerance)
        found.states.append(ComparedState(searcher.version, tuple(differing), largest))

    @functools.cached_property
    def _kept(self) -> tuple[Searcher, tempfile.TemporaryDirectory[str]]:
        searcher = make_searcher(self.recorded.searcher, self.recorded.setting())
        beginning = tempfile.TemporaryDirectory(prefix="nas_with_rl-")
        searcher.save(Path(beginning.name))
        return searcher, beginning

    @functools.cached_property
    def _read(self) -> Callable[[str, int, int], Architecture]:
        known: dict[tuple[str, int], Architecture] = {}

        def read(text: str, depth: int, trial: int) -> Architecture:
            if (text, depth) not in known:
                try:
                    known[text, depth] = parse_architecture(text, self.recorded.space_at(depth))
                except InputError as error:
                    raise _Unreadable(trial, f"trial {trial}: {error}") from error
            return known[text, depth]

        return read


class _Unreadable(Exception):
    """What is stored of a trial cannot be told."""

    def __init__(self, trial: int, message: str):
        super().__init__(message)
        self.trial = trial
