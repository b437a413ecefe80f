"""What is stored of proposals, probabilities and checkpoints, beside what was recomputed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from nas_with_rl.launch.audits.findings import Check, Finding, counted, ranges
from nas_with_rl.launch.audits.recorded import RecordedSearch
from nas_with_rl.launch.audits.replay import InPlace, Mismatch, Replayed
from nas_with_rl.launch.audits.structure import Updates


def compare(
    recorded: RecordedSearch, updates: Updates, shown: Replayed, instead: InPlace
) -> tuple[Check, Check, Check]:
    """Return what is said of proposals, log-probabilities and checkpoints.

    Args:
      recorded: the search.
      updates: what each learned from.
      shown: what was recomputed.
      instead: what that was told in place of what is stored.
    """
    numbers = ranges({*instead.rewards, *instead.texts})
    aside = f"with what follows for trials {numbers}: " if len(instead) else ""
    return _Comparison(recorded, updates, shown, aside).checks()


@dataclasses.dataclass(frozen=True)
class _Comparison:
    recorded: RecordedSearch
    updates: Updates
    shown: Replayed
    aside: str  # before what is said

    def checks(self) -> tuple[Check, Check, Check]:
        shown, total = self.shown, counted(len(self.recorded.trials), "trial")
        proposals = f"{self.aside}{shown.num_proposed:,} of {total} proposed again"
        if shown.num_proposed < len(self.recorded.trials):
            proposals += "; the others hang on what was under way, or were not reached"
        scored = f"{self.aside}{shown.num_scored:,} recomputed, largest difference"
        scored = f"{scored} {shown.largest:.2g} nats" if shown.num_scored else "there are none"
        found = self._alone()
        diverged = self._diverged()
        kind = "log_prob" if shown.num_scored else "architecture"
        found[kind] = (*found[kind], *diverged)
        return (
            Check("proposals", proposals, found["architecture"]),
            Check("log-probabilities", scored, found["log_prob"]),
            self._of_states(),
        )

    def _alone(self) -> dict[str, tuple[Finding, ...]]:
        """Return by what differs the trials that do not agree, where later ones do."""
        start = self.shown.diverged_from
        alone = [
            each
            for version, found in sorted(self.shown.mismatches.items())
            if start is None or version < start
            for each in found
        ]
        return {
            kind: tuple(_of_mismatch(each) for each in alone if each.what == kind)
            for kind in ("architecture", "log_prob")
        }

    def _diverged(self) -> Iterator[Finding]:
        """Yield the update from which on nothing agrees."""
        start = self.shown.diverged_from
        if start is None:
            return
        late = [
            each
            for version, found in sorted(self.shown.mismatches.items())
            if version >= start
            for each in found
        ]
        trials = {each.trial.number for each in late}
        learned = self.updates.batches.get(start, ())
        numbers = [number for batch in learned for number in batch.numbers]
        first = _of_mismatch(late[0])
        message = (
            f"update {start} (trials {ranges(numbers)}) does not follow: of what was proposed "
            f"after it {counted(len(trials), 'trial')} do not agree, as {first.message}"
        )
        if start == 0:
            message = (
                f"nothing agrees from the start on, as {first.message}: it was another seed, space "
                "or controller"
            )
        yield Finding(message, None, start, first.stored, first.follows)

    def _of_states(self) -> Check:
        states = self.recorded.states
        findings = [*self._damaged(), *self._differing()]
        reached = [state.version for state in self.shown.states]
        unknown = [
            version
            for version, state in states.items()
            if isinstance(state, Path) and version not in reached
        ]
        if self.shown.stopped:
            findings.append(self.shown.stopped)
        if not states:
            return Check("controller", "no checkpoint is kept", tuple(findings))
        said = "no checkpoint was reached"
        if reached:
            largest = max(state.largest for state in self.shown.states)
            said = f"{self.aside}checkpoints after updates {ranges(reached)} recomputed, largest "
            said += f"difference {largest:.2g} of a value's array"
        if unknown:
            said += f"; not reached: {ranges(unknown)}"
        late = self.recorded.last_update - max(states)
        if late > 0:
            said += f"; {counted(late, 'update')} since the newest"
        return Check("controller", said, tuple(findings))

    def _damaged(self) -> Iterator[Finding]:
        for version, state in self.recorded.states.items():
            if isinstance(state, str):
                message = f"the checkpoint after {counted(version, 'update')}: {state}"
                yield Finding(message, None, version)

    def _differing(self) -> Iterator[Finding]:
        for state in self.shown.states:
            if not state.found:
                continue
            worst = max(state.found, key=lambda each: each.size)
            more = len(state.found) - 1
            yield Finding(
                f"the checkpoint after {counted(state.version, 'update')} does not follow: {worst}"
                + (f"; {counted(more, 'value')} more" if more else ""),
                *(None, state.version, worst.stored, worst.follows),
            )


def _of_mismatch(found: Mismatch) -> Finding:
    trial, follows = found.trial, found.follows
    number = f"trial {trial.number} (proposed after {counted(found.version, 'update')})"
    if found.what == "architecture":
        stored: object = trial.architecture
        message = f"{number}: '{stored}' is stored, '{follows}' follows"
    else:
        stored = trial.log_prob
        message = f"{number}: the log-probability {stored!r} is stored, {follows!r} follows"
    return Finding(message, trial.number, trial.updated_version, stored, follows)
