"""What trials say of one another without their searcher: numbers, batches, and who learned what."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from nas_with_rl.launch.audits.findings import Check, Finding, counted, mean, ranges
from nas_with_rl.launch.audits.recorded import Batch, RecordedSearch
from nas_with_rl.search_spaces.randomness import child_seed


def check_trials(recorded: RecordedSearch) -> Check:
    """Return what is said of the trials, each by itself and in its batch."""
    trials = recorded.trials
    running = sum(trial.status == "running" for trial in trials)
    said = counted(len(trials), "trial")
    if running:
        said += f", {running} of them under way"
    said += "; numbers, seeds, depths, batches as they follow"
    return Check("trials", said, tuple(_wrong_trials(recorded)))


def _wrong_trials(recorded: RecordedSearch) -> Iterator[Finding]:
    numbers = {trial.number for trial in recorded.trials}
    last = max(numbers, default=-1)
    if missing := sorted(set(range(last + 1)) - numbers):
        yield Finding(f"trials {ranges(missing)} of 0 to {last} are missing", missing[0])
    for trial in recorded.trials:
        where, update = f"trial {trial.number}", trial.updated_version
        seed = child_seed(recorded.seed, trial.number)
        if trial.seed != seed:
            message = f"{where}: the seed {trial.seed} is stored, {seed} follows"
            yield Finding(message, trial.number, update, trial.seed, seed)
        if trial.status == "running" and update is not None:
            message = f"{where} is stored as running, and as learned from by update {update}"
            yield Finding(message, trial.number, update, trial.status)
        if trial.reward is None and update is not None:
            message = f"{where} was learned from by update {update}, and has no reward"
            yield Finding(message, trial.number, update)
    yield from _wrong_batches(recorded)


def _wrong_batches(recorded: RecordedSearch) -> Iterator[Finding]:
    previous = -1
    for batch in recorded.batches:
        first = batch.trials[0]
        if batch.is_whole and batch.number != previous + 1:
            message = (
                f"trial {first.number}: batch {batch.number} is stored, {previous + 1} follows"
            )
            yield Finding(message, first.number, batch.update, batch.number, previous + 1)
        previous = batch.number
        depth = recorded.depth_of(first.number)
        for trial in batch.trials:
            for name, stored, follows in (
                ("depth", trial.depth, depth),
                ("sampled_version", trial.sampled_version, batch.version),
            ):
                if stored != follows and (name != "depth" or batch.is_whole):
                    yield Finding(
                        f"trial {trial.number} of batch {batch.number}: the {name} {stored} is "
                        f"stored, {follows} follows",
                        *(trial.number, batch.update, stored, follows),
                    )


@dataclasses.dataclass(frozen=True)
class Updates:
    """Which batches each update learned from.

    Attributes:
      batches: by update, from 1 on without a gap.
      check: what is said of them.
      is_cut: whether an update is missing, so that the later ones cannot be recomputed.
      is_mended: whether a batch that no trial says was learned from has been put into a gap.
    """

    batches: Mapping[int, Sequence[Batch]]
    check: Check
    is_cut: bool
    is_mended: bool


def updates_of(recorded: RecordedSearch) -> Updates:
    """Return the updates that the trials tell of, and what does not follow in them."""
    told: dict[int, list[Batch]] = collections.defaultdict(list)
    for batch in recorded.batches:
        if batch.update is not None:
            told[batch.update].append(batch)
    newest = max((version for version, state in recorded.states.items()), default=0)
    last = max([newest, *told])
    findings = list(_disagreeing(recorded))
    found: dict[int, list[Batch]] = {}
    is_cut = is_mended = False
    for version in range(1, last + 1):
        learned = told.get(version, [])
        if early := [batch for batch in learned if batch.version >= version]:
            findings.append(_too_early(version, early[0]))
            is_cut = True
            break
        if not learned:
            learned = _forgotten(recorded, version, found)
            findings.append(
                _gap(recorded, version, learned, is_newer=version > max(told, default=0))
            )
            is_mended = is_mended or bool(learned)
        if not learned:
            is_cut = True
            break
        found[version] = learned
    findings += _wrong_sizes(recorded, told)
    taken = {batch.number for learned in found.values() for batch in learned}
    if not is_cut:
        findings += _passed_over(recorded, taken)
    check = Check("updates", _said(recorded, last, told), tuple(findings))
    return Updates(found, check, is_cut, is_mended)


def _disagreeing(recorded: RecordedSearch) -> Iterator[Finding]:
    for batch in recorded.batches:
        for trial in batch.trials:
            stored = trial.updated_version
            if stored != batch.update:
                told = "no update" if stored is None else f"update {stored}"
                others = "no update" if batch.update is None else f"update {batch.update}"
                yield Finding(
                    f"trial {trial.number}: {told} is stored, {others} follows from the others of "
                    f"its batch, {batch.number}",
                    *(trial.number, batch.update, stored, batch.update),
                )


def _too_early(version: int, batch: Batch) -> Finding:
    """Return that an update is another one's: it has learned from what was proposed after it."""
    return Finding(
        f"update {version} is missing, or in another's place: trials {ranges(batch.numbers)} are "
        f"stored as its, and were proposed after {counted(batch.version, 'update')}; what came "
        "after it cannot be recomputed",
        *(batch.numbers[0], version, version, None),
    )


def _forgotten(
    recorded: RecordedSearch, version: int, found: Mapping[int, Sequence[Batch]]
) -> list[Batch]:
    """Return what a missing update may have learned from: what was due, and no update has."""
    taken = {batch.number for learned in found.values() for batch in learned}
    due = [
        batch
        for batch in recorded.batches
        if batch.update is None
        and batch.is_whole
        and batch.number not in taken
        and batch.version < version
        and all(trial.reward is not None for trial in batch.trials)
    ]
    return due[: recorded.config.accumulate_gradients if recorded.is_asynchronous else 1]


def _gap(
    recorded: RecordedSearch, version: int, learned: Sequence[Batch], *, is_newer: bool
) -> Finding:
    message = f"update {version} is missing: no trial is stored as learned from by it"
    if is_newer:
        message += f", and a checkpoint has {counted(max(recorded.states), 'update')}"
    numbers = [number for batch in learned for number in batch.numbers]
    if numbers:
        message += f"; trials {ranges(numbers)} are stored as learned from by none, and are its"
        return Finding(message, numbers[0], version, None, version)
    present = {trial.number for trial in recorded.trials}
    if missing := sorted(set(range(max(present, default=-1) + 1)) - present):
        message += f"; trials {ranges(missing)} are missing"
    return Finding(f"{message}; what came after it cannot be recomputed", None, version)


def _wrong_sizes(
    recorded: RecordedSearch, told: Mapping[int, Sequence[Batch]]
) -> Iterator[Finding]:
    most = recorded.config.accumulate_gradients if recorded.is_asynchronous else 1
    for version, learned in sorted(told.items()):
        if len(learned) > most:
            numbers = [number for batch in learned for number in batch.numbers]
            yield Finding(
                f"update {version} is stored as learning from {len(learned)} batches, trials "
                f"{ranges(numbers)}; {most} of them follow",
                *(None, version, len(learned), most),
            )


def _passed_over(recorded: RecordedSearch, taken: set[int]) -> Iterator[Finding]:
    """Yield batches that one process would have learned from before later ones."""
    if recorded.is_asynchronous or not taken:
        return
    for batch in recorded.batches:
        if batch.number not in taken and batch.number < max(taken):
            yield Finding(
                f"trials {ranges(batch.numbers)} are stored as learned from by no update, and "
                "later ones by some",
                *(batch.numbers[0], None),
            )


def _said(recorded: RecordedSearch, last: int, told: Mapping[int, Sequence[Batch]]) -> str:
    stale = collections.Counter(
        version - 1 - batch.version
        for version, learned in told.items()
        for batch in learned
        for _ in batch.trials
    )
    all_of_them = list(stale.elements())
    said = counted(last, "update")
    if stale and set(stale) == {0}:
        said += ", each from trials that the version before it proposed (staleness 0)"
    elif stale:
        spread = ", ".join(f"{late}: {stale[late]:,}" for late in sorted(stale))
        said += f"; trials by their staleness in updates: {spread} (mean {mean(all_of_them):.3g})"
    waiting = [
        number for batch in recorded.batches if batch.update is None for number in batch.numbers
    ]
    if waiting:
        said += f"; trials {ranges(waiting)} are not learned from yet"
    return said
