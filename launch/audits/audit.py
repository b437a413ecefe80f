"""The audit of a search: does the stored controller follow from the stored trials?

Everything is recomputed from `trials.sqlite` and `experiment.json`: a new searcher is asked for
each batch at its version and told what each update learned from. Where the answers do not agree
with what is stored, the reason is looked for: a reward, a log-probability, an update.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from nas_with_rl.launch.audits.findings import Audit, Check, Finding, counted, ranges
from nas_with_rl.launch.audits.recorded import RecordedSearch, read_recorded
from nas_with_rl.launch.audits.replay import Mismatch, Replay, Replayed, solve_reward
from nas_with_rl.launch.audits.rewards import Rewards
from nas_with_rl.launch.audits.states import rewards_told
from nas_with_rl.launch.audits.structure import Updates, check_trials, updates_of
from nas_with_rl.launch.records.trial_store import Trial

# Of a weight by the largest of its array: what rounding leaves on one machine, parameter servers or
# not.
TOLERANCE = 1e-5
# More than so many updates are not replayed again to look for the one reward that was changed.
MOST_SOLVED = 5_000


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
        replayed = self.replay.run({})
        more: dict[int, float] = {}
        changed: list[Finding] = []
        if self._diverged_from(replayed) is not None or self._wrong_states(replayed):
            for trial, reward, why in self._changed(replayed, rewards.follow):
                more[trial.number] = reward
                changed.append(_changed_reward(trial, reward, why))
        taken_over, of_rewards = rewards.check(more)
        follow = rewards.learned(more)
        mended = replayed
        if follow and not replayed.agrees:
            mended = self.replay.run(follow)
        # What a reward explains is said of the reward.
        is_explained = mended is not replayed and self._is_better(mended, replayed)
        shown = mended if is_explained else replayed
        extra = tuple(each for each in changed if each.trial not in _trials_of(of_rewards))
        of_rewards = dataclasses.replace(of_rewards, findings=(*of_rewards.findings, *extra))
        return Audit(
            _title(recorded),
            (
                check_trials(recorded),
                taken_over,
                of_rewards,
                self.updates.check,
                *self._of_replay(shown, replayed, follow if is_explained else {}),
            ),
            tuple(replayed.updates),
        )

    def _is_better(self, mended: Replayed, replayed: Replayed) -> bool:
        """Whether with what follows nothing diverges any more, or only later."""
        before, after = self._diverged_from(replayed), self._diverged_from(mended)
        if after is None:
            return not self._wrong_states(mended) or bool(self._wrong_states(replayed))
        return before is not None and after > before

    def _wrong_states(self, replayed: Replayed) -> list[int]:
        return [state.version for state in replayed.states if state.found]

    def _diverged_from(self, replayed: Replayed) -> int | None:
        """Return the first version from which on nothing agrees to the end; None without one.

        A single trial that does not agree, and later ones that do, is that trial's own matter.
        """
        compared = [(v, found) for v, found in sorted(replayed.mismatches.items())]
        trailing = None
        for version, found in reversed(compared):
            if not found:
                break
            trailing = version
        right = [each.version for each in replayed.states if not each.found]
        if trailing is None or (right and max(right) >= trailing):
            return None
        return trailing

    def _changed(
        self, replayed: Replayed, follow: Mapping[int, float]
    ) -> Iterator[tuple[Trial, float, str]]:
        """Yield trials whose stored reward is not the one that was learned from, and that."""
        found: dict[int, tuple[Trial, float, str]] = {}
        for state in replayed.states:
            copy = self.recorded.states[state.version]
            if isinstance(copy, Path):
                why = f"the checkpoint after {counted(state.version, 'update')} was told so"
                for trial, reward in rewards_told(
                    state.found, copy, self.replay.batches, state.version
                ):
                    if trial.number not in follow:
                        found.setdefault(trial.number, (trial, reward, why))
        if not found and not follow:
            found = self._solved(replayed)
        yield from found.values()

    def _solved(self, replayed: Replayed) -> dict[int, tuple[Trial, float, str]]:
        update = self._diverged_from(replayed)
        if not update or update not in self.replay.batches or update > MOST_SOLVED:
            return {}
        solved = solve_reward(self.replay, update, {})
        if solved is None:
            return {}
        why = "the log-probabilities after it are those of that reward"
        return {solved.trial.number: (solved.trial, solved.reward, why)}

    def _of_replay(
        self, shown: Replayed, stored: Replayed, follow: Mapping[int, float]
    ) -> tuple[Check, ...]:
        """Return what is said of proposals, log-probabilities and checkpoints.

        Args:
          shown: what was recomputed with the rewards that follow, where those explain it.
          stored: what was recomputed with the stored ones.
          follow: by trial, the rewards that explain it.
        """
        aside = f"with the rewards that follow (trials {ranges(follow)}): " if follow else ""
        start = self._diverged_from(shown)
        isolated = [
            each
            for version, found in sorted(shown.mismatches.items())
            if start is None or version < start
            for each in found
        ]
        updates = list(self.updates.check.findings)
        diverged: tuple[Finding, ...] = ()
        if start is not None:
            diverged = (self._divergence(shown, start, is_known=bool(updates)),)
        by_kind = {
            kind: tuple(_of_mismatch(each) for each in isolated if each.what == kind)
            for kind in ("architecture", "log_prob")
        }
        is_scored = bool(shown.num_scored)
        proposals = (
            f"{aside}{shown.num_proposed:,} of {counted(len(self.recorded.trials), 'trial')}"
        )
        proposals += " proposed again, each the stored one"
        if shown.num_proposed < len(self.recorded.trials):
            proposals += "; the others hang on what was under way, or were not reached"
        scored = f"{aside}{shown.num_scored:,} recomputed, largest difference {shown.largest:.2g}"
        scored = f"{scored} nats" if is_scored else "the searcher has none"
        return (
            Check(
                "proposals", proposals, by_kind["architecture"] + (() if is_scored else diverged)
            ),
            Check(
                "log-probabilities", scored, by_kind["log_prob"] + (diverged if is_scored else ())
            ),
            self._of_states(shown, aside),
        )

    def _divergence(self, shown: Replayed, start: int, *, is_known: bool) -> Finding:
        first = shown.mismatches[start][0]
        late = [each for v, found in shown.mismatches.items() if v >= start for each in found]
        trials = {each.trial.number for each in late}
        learned = self.replay.batches.get(start, ())
        numbers = [number for batch in learned for number in batch.numbers]
        message = (
            f"update {start} (trials {ranges(numbers)}) does not follow: of what was proposed "
            f"after it {counted(len(trials), 'trial')} from {min(trials)} on do not agree, as "
            f"{_of_mismatch(first).message}"
        )
        if start == 0:
            message = (
                f"nothing agrees from the start on, as {_of_mismatch(first).message}: another "
                "seed, space or controller"
            )
        return Finding(message, None, start, _stored(first), first.follows)

    def _of_states(self, shown: Replayed, aside: str) -> Check:
        findings = [
            Finding(f"the checkpoint after {counted(version, 'update')}: {state}", None, version)
            for version, state in self.recorded.states.items()
            if isinstance(state, str)
        ]
        for state in shown.states:
            if state.found:
                worst = max(state.found, key=lambda each: each.size)
                findings.append(
                    Finding(
                        f"the checkpoint after {counted(state.version, 'update')} does not follow: "
                        f"{worst}" + _others(len(state.found) - 1),
                        *(None, state.version, worst.stored, worst.follows),
                    )
                )
        reached = {state.version for state in shown.states}
        missed = [
            version
            for version, state in self.recorded.states.items()
            if isinstance(state, Path) and version not in reached
        ]
        if shown.stopped:
            findings.append(Finding(f"the updates stop: {shown.stopped}"))
        elif missed and not self.updates.is_cut:
            findings.append(Finding(f"the checkpoint after {missed[0]} updates is of none of them"))
        if not self.recorded.states:
            return Check("controller", "no checkpoint is kept", tuple(findings))
        versions = ranges(sorted(reached))
        largest = max((state.largest for state in shown.states), default=0.0)
        said = f"{aside}the checkpoints after updates {versions} follow, largest difference "
        said = f"{said}{largest:.2g} of a value's array" if reached else "no checkpoint was reached"
        newest, last = max(self.recorded.states), self.recorded.last_update
        if newest < last:
            said += f"; {counted(last - newest, 'update')} since the newest"
        return Check("controller", "" if findings and not reached else said, tuple(findings))


def _title(recorded: RecordedSearch) -> str:
    return (
        f"{recorded.path}: {recorded.description.get('experiment')}, seed {recorded.seed}, "
        f"{counted(len(recorded.trials), 'trial')} by {recorded.searcher}"
    )


def _trials_of(check: Check) -> set[int | None]:
    return {finding.trial for finding in check.findings}


def _changed_reward(trial: Trial, reward: float, why: str) -> Finding:
    return Finding(
        f"trial {trial.number} (update {trial.updated_version}): the reward {trial.reward!r} is "
        f"stored, {reward:.9g} follows: {why}",
        *(trial.number, trial.updated_version, trial.reward, reward),
    )


def _stored(found: Mismatch) -> object:
    return found.trial.architecture if found.what == "architecture" else found.trial.log_prob


def _of_mismatch(found: Mismatch) -> Finding:
    trial, stored = found.trial, _stored(found)
    number = f"trial {trial.number} (proposed after {counted(found.version, 'update')})"
    if found.what == "architecture":
        message = f"{number}: '{stored}' is stored, '{found.follows}' follows"
    else:
        message = f"{number}: the log-probability {stored!r} is stored, {found.follows!r} follows"
    return Finding(message, trial.number, trial.updated_version, stored, found.follows)


def _others(number: int) -> str:
    return f", and {number} more" if number else ""
