"""The audit of a search: does the stored controller follow from the stored trials?

Everything is recomputed from `trials.sqlite` and `experiment.json`: a new searcher is asked for
each batch at its version and told what each update learned from. Where the answers do not agree
with what is stored, the reason is looked for: a reward, a log-probability, an update.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from nas_with_rl.launch.audits.comparison import compare
from nas_with_rl.launch.audits.early_stopping import check_early_stopping
from nas_with_rl.launch.audits.failures import (
    extreme_behind,
    said_of_failures,
    wrong_failures,
)
from nas_with_rl.launch.audits.findings import Audit, Check, Finding, counted
from nas_with_rl.launch.audits.populations import rewards_behind
from nas_with_rl.launch.audits.recorded import RecordedSearch, read_recorded
from nas_with_rl.launch.audits.replay import InPlace, Replay, Replayed
from nas_with_rl.launch.audits.rewards import Rewards, wrong_reward
from nas_with_rl.launch.audits.solving import Solved, solve_reward
from nas_with_rl.launch.audits.states import rewards_told
from nas_with_rl.launch.audits.structure import Updates, check_trials, updates_of
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.records.workdir import commit, versions

# Of a weight by the largest of its array: what rounding leaves on one machine, parameter servers or
# not.
TOLERANCE = 1e-5
# More than so many updates are not replayed again to look for the one reward that was changed.
MOST_SOLVED = 5_000
MOST_PAIRS = 4  # of which it is tried which was changed: each takes a replay or two


def audit_search(
    workdir: str | Path,
    *,
    searcher: str | None = None,
    tolerance: float = TOLERANCE,
    on_update: Callable[[], None] = lambda: None,
) -> Audit:
    """Recompute a search from what is stored of it; nothing is written to its workdir.

    Args:
      workdir: of the search, which may be under way.
      searcher: of one's own, "module:Class"; imported only where it is named.
      tolerance: of a weight, by the largest of its array; log-probabilities have ten times that.
      on_update: called after each that was recomputed.

    Raises:
      InputError: there is no search, or it cannot be read.
    """
    with read_recorded(workdir, searcher=searcher) as recorded:
        updates = updates_of(recorded)
        replay = Replay(recorded, updates.batches, tolerance, on_update)
        return _Auditor(recorded, updates, replay).audit()


@dataclasses.dataclass(frozen=True)
class _Auditor:
    recorded: RecordedSearch
    updates: Updates
    replay: Replay

    def audit(self) -> Audit:
        recorded = self.recorded
        rewards = Rewards(recorded)
        replayed = self.replay.run(InPlace())
        changed = self._changed(replayed, rewards)
        follow = {**changed.rewards, **rewards.follow}
        failures = wrong_failures(recorded, follow)
        if len(failures) == 1 and failures[0].follows is not None:
            follow[failures[0].trial.number] = failures[0].follows
        instead = InPlace(follow, self._texts(replayed))
        shown, explained = self._explained(replayed, instead)
        said = rewards.said() + said_of_failures(recorded)
        known = {each.trial for each in changed.findings}
        of_failures = (each.finding() for each in failures if each.trial.number not in known)
        of_rewards = (*rewards.of_rule, *of_failures, *changed.findings)
        return Audit(
            _title(recorded),
            (
                check_trials(recorded),
                Check("taken over", rewards.said_of_reuse(), rewards.of_reuse),
                Check("rewards", said, of_rewards),
                *check_early_stopping(recorded),
                self.updates.check,
                *compare(recorded, self.updates, shown, explained),
            ),
            tuple(replayed.updates),
            _other_program(recorded),
        )

    def _explained(self, replayed: Replayed, instead: InPlace) -> tuple[Replayed, InPlace]:
        """Return what is recomputed with what was found to follow, if it explains more."""
        if replayed.agrees:
            return replayed, InPlace()
        tried = dict.fromkeys((False, True)) if instead.rewards and instead.texts else {True: None}
        for with_texts in tried:
            told = instead if with_texts else InPlace(instead.rewards)
            if len(told):
                mended = self.replay.run(told)
                if self._is_better(mended, replayed):
                    return mended, told
        return replayed, InPlace()

    def _texts(self, replayed: Replayed) -> dict[int, str]:
        """Return what was proposed for the first trial that another architecture is stored of."""
        for _, found in sorted(replayed.mismatches.items()):
            changed = [each for each in found if each.what == "architecture"]
            if changed:
                return {each.trial.number: str(each.follows) for each in changed[:1]}
        return {}

    def _is_better(self, mended: Replayed, replayed: Replayed) -> bool:
        """Whether nothing diverges any more, or only later."""
        before, after = replayed.diverged_from, mended.diverged_from
        if after is None:
            fewer = _num_wrong(mended) < _num_wrong(replayed)
            return fewer or len(_wrong_states(mended)) < len(_wrong_states(replayed))
        return before is not None and after > before

    def _changed(self, replayed: Replayed, rewards: Rewards) -> _Changed:
        """Return the trials whose stored reward is not the one that was learned from."""
        found = _Changed()
        if replayed.diverged_from is not None or _wrong_states(replayed):
            self._told_otherwise(replayed, rewards, found)
            if not found.rewards and not rewards.follow:
                self._solve(replayed, found)
        for pair in rewards.pairs:
            self._choose(pair, replayed, rewards, found)
        if not found.rewards and not rewards.follow:
            self._explain(replayed, found)
        follow = {**found.rewards, **rewards.follow}
        failures = wrong_failures(self.recorded, follow)
        if len(failures) > 1:
            extreme = extreme_behind(self.recorded, follow, failures)
            if extreme is not None:
                found.add(extreme.trial, extreme.reward, extreme.finding())
        return found

    def _explain(self, replayed: Replayed, found: _Changed) -> None:
        """Note the one reward that explains evolution's proposals, where some do not follow.

        One proposal alone may be a trial of which another architecture is stored.
        """
        texts = self._texts(replayed)
        if not texts or (
            _num_wrong(replayed) == 1
            and _num_wrong(self.replay.run(InPlace(texts=texts))) == 1
            and not _wrong_states(replayed)
        ):
            return
        explained = rewards_behind(self.replay, replayed)
        if explained:
            first, *others = explained
            finding = first.finding([each.trial.number for each in others])
            found.add(first.trial, first.reward, finding)

    def _told_otherwise(self, replayed: Replayed, rewards: Rewards, found: _Changed) -> None:
        """Note the rewards that checkpoints were told."""
        for state in replayed.states:
            copy = self.recorded.states[state.version]
            assert isinstance(copy, Path)
            why = f"from the checkpoint after {counted(state.version, 'update')}, which was told so"
            told = rewards_told(state.found, copy, self.replay.batches, state.version)
            for trial, reward in told:
                if trial.number not in {*rewards.follow, *found.rewards}:
                    found.add(trial, reward, wrong_reward(trial, reward, why))

    def _solve(self, replayed: Replayed, found: _Changed) -> None:
        """Note the one reward that explains the first log-probabilities that do not agree."""
        update = replayed.diverged_from
        if not update or update not in self.replay.batches or update > MOST_SOLVED:
            return
        solved = solve_reward(self.replay, update)
        if not solved:
            return
        first, *others = self._most_consistent(solved)
        why = f"from the log-probabilities of what was proposed after update {update}"
        among = "".join(f", or for trial {each.trial.number} {each}," for each in others)
        about = wrong_reward(first.trial, None, why, f"{first}{among}")
        about = dataclasses.replace(about, follows=first.reward)
        found.add(first.trial, first.reward, about)

    def _most_consistent(self, solved: Sequence[Solved]) -> list[Solved]:
        """Return those with which most of the rest of the search follows."""
        tried = [self._by_failures(each) for each in solved[:MOST_PAIRS]]
        if len(tried) == 1:
            return tried
        marks = []
        for each in tried:
            told = {each.trial.number: each.reward}
            failures = wrong_failures(self.recorded, told)
            marks.append((_num_wrong(self.replay.run(InPlace(told))), len(failures)))
        return [each for each, mark in zip(tried, marks, strict=True) if mark == min(marks)]

    def _by_failures(self, solved: Solved) -> Solved:
        """Return the number, of a reward of which but the place is known, that failures tell."""
        if solved.place is None:
            return solved
        told, (low, high) = {solved.trial.number: solved.reward}, solved.place
        wrong = wrong_failures(self.recorded, told)
        extreme = extreme_behind(self.recorded, told, wrong)
        is_its = extreme is not None and extreme.trial.number == solved.trial.number
        if extreme is None or not is_its or not low < extreme.reward < high:
            return solved
        return Solved(solved.trial, extreme.reward, (extreme.reward, extreme.reward))

    def _choose(
        self, pair: tuple[Trial, Trial], replayed: Replayed, rewards: Rewards, found: _Changed
    ) -> None:
        """Note which of two trials with one outcome has the wrong reward, if that can be told."""
        if any(trial.number in found.rewards for trial in pair):
            return
        is_one_of_few = len(rewards.pairs) <= MOST_PAIRS
        for trial, other in (pair, pair[::-1]) if is_one_of_few else ():
            assert other.reward is not None
            tried = {**rewards.follow, **found.rewards, trial.number: other.reward}
            is_better = replayed.agrees or self._is_better(
                self.replay.run(InPlace(tried)), replayed
            )
            before = wrong_failures(self.recorded, {**rewards.follow, **found.rewards})
            after = wrong_failures(self.recorded, tried)
            is_told = not replayed.agrees or len(before) != len(after)
            if is_told and is_better and len(after) <= len(before):
                why = f"from trial {other.number}, the same outcome"
                found.add(trial, other.reward, wrong_reward(trial, other.reward, why))
                return
        one, other = pair
        message = (
            f"trials {one.number} and {other.number} are one outcome, and their rewards are stored "
            f"as {one.reward!r} and {other.reward!r}"
        )
        finding = Finding(message, one.number, one.updated_version, one.reward, other.reward)
        found.findings.append(finding)


@dataclasses.dataclass
class _Changed:
    """Rewards that were learned from and are not stored, by trial, and what is said of them."""

    rewards: dict[int, float] = dataclasses.field(default_factory=dict)
    findings: list[Finding] = dataclasses.field(default_factory=list)

    def add(self, trial: Trial, reward: float, finding: Finding) -> None:
        """Note one."""
        self.rewards[trial.number] = reward
        self.findings.append(finding)


def _wrong_states(replayed: Replayed) -> list[int]:
    return [state.version for state in replayed.states if state.found]


def _num_wrong(replayed: Replayed) -> int:
    return sum(map(len, replayed.mismatches.values()))


def _other_program(recorded: RecordedSearch) -> str:
    """Return in what the program that began the run differs from this one, "" in nothing."""
    stored = recorded.description.get("versions")
    there = dict(stored) if isinstance(stored, dict) else {}
    here: dict[str, str | None] = {**versions(), "commit": commit()}
    there["commit"] = recorded.description.get("commit")
    return ", ".join(
        f"{name} {there[name]}, here {here[name]}"
        for name in here
        if there.get(name) and there[name] != here[name]
    )


def _title(recorded: RecordedSearch) -> str:
    return (
        f"{recorded.path}: {recorded.description.get('experiment')}, seed {recorded.seed}, "
        f"{counted(len(recorded.trials), 'trial')} by {recorded.searcher}"
    )
