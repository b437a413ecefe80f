"""Try inputs on everything that reads some, for a while, and count what came of them:

    python tests/fuzz/campaign.py --seconds=3600 --failures=runs/fuzz

Each round is a process of its own, with other seeds: an input that ends the process or stops it
for good is a failure like any other. What failed is written to --failures, one file for each kind
of failure with a small input. The status is 1 if anything has.
"""

from __future__ import annotations

import argparse
import collections
import json
import pickle
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fuzzing import HANG_SECONDS, OUTCOMES, Outcome, Subject, outcome_of
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed

SLICE_SECONDS = 6.0  # of a subject in a round
CHUNK = 100  # inputs of a seed
SETUP_SECONDS = 240.0  # for a round to import and prepare, on a busy machine
LOST_SECONDS = 60.0  # without a next input: none takes longer than HANG_SECONDS
SHRINK_SECONDS = 10.0  # for a smaller input with the same failure
CURRENT, COUNTS = "current.pickle", "counts.jsonl"


def subject_classes() -> list[Any]:
    """Return the class of every subject, which prepares it in a folder."""
    import file_subjects
    import python_subjects
    import search_subjects
    import table_subjects
    import text_subjects

    every = (text_subjects, python_subjects, search_subjects, file_subjects, table_subjects)
    return [subject for module in every for subject in module.SUBJECTS]


def subjects(folder: Path, names: list[str]) -> list[Subject]:
    """Prepare the subjects of these names, or all."""
    found: list[Subject] = []
    for number, subject in enumerate(subject_classes()):
        if not names or subject.name in names:
            place = folder / str(number)
            place.mkdir(parents=True)
            found.append(subject(place))
    return found


class Round:
    """One process's part: every subject for a slice of time."""

    def __init__(self, folder: Path, failures: Path, seed: int):
        self._folder, self._failures = folder, failures
        self._chosen = random.Random(seed)

    def run(self, names: list[str]) -> None:
        """Try inputs; after each chunk its counts are a line of the file COUNTS."""
        for subject in subjects(self._folder / "places", names):
            end = time.monotonic() + SLICE_SECONDS
            while time.monotonic() < end:
                self._try(subject, self._chosen.randrange(2**32), end)

    def _try(self, subject: Subject, seed: int, end: float) -> None:
        counts: collections.Counter[str] = collections.Counter()
        failed: dict[str, Outcome] = {}

        def tried(example: Any) -> None:
            if time.monotonic() > end + HANG_SECONDS:
                return
            self._remember(subject, example)
            outcome = outcome_of(subject, example)
            counts[outcome.kind] += 1
            if outcome.kind == "failed":
                failed.setdefault(outcome.what, outcome)

        _tried(subject, tried, seed, (Phase.generate,))
        for outcome in failed.values():
            self._shrink(subject, outcome, seed)
        line = json.dumps({"subject": subject.name, "counts": counts, "failures": sorted(failed)})
        with (self._folder / COUNTS).open("a") as file:
            file.write(line + "\n")

    def _remember(self, subject: Subject, example: Any) -> None:
        """Leave the input where it is found should this process not survive it."""
        with (self._folder / CURRENT).open("wb") as file:
            pickle.dump((subject.name, repr(example)), file)

    def _shrink(self, subject: Subject, failure: Outcome, seed: int) -> None:
        """Write the smallest input with the same failure, unless one is there."""
        path = failure_path(self._failures, subject.name, failure.what)
        if path.exists():
            return
        smallest = []
        end = time.monotonic() + SHRINK_SECONDS

        def tried(example: Any) -> None:
            if smallest and time.monotonic() > end:
                return
            self._remember(subject, example)
            outcome = outcome_of(subject, example)
            if outcome.what == failure.what:
                smallest[:] = [example, outcome]
                raise AssertionError(failure.what)

        try:
            _tried(subject, tried, seed, (Phase.generate, Phase.shrink))
        except Exception:  # Hypothesis finds a failure fickle that takes too long
            example, outcome = smallest
            path.write_text(
                f"{subject.name}: {outcome.what}\n\n{example!r}\n\n{outcome.trace}",
                errors="backslashreplace",
            )


def _tried(subject: Subject, function: Any, seed: int, phases: tuple[Phase, ...]) -> None:
    options = settings(
        max_examples=CHUNK,
        deadline=None,
        database=None,
        phases=phases,
        report_multiple_bugs=False,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    with_seed(seed)(options(given(subject.inputs)(function)))()


def _silent_seconds(current: Path, began: float) -> float | None:
    """Return a limit that has passed since the last input of a round, None where none has."""
    if current.exists():
        return LOST_SECONDS if time.time() - current.stat().st_mtime > LOST_SECONDS else None
    return SETUP_SECONDS if time.monotonic() - began > SETUP_SECONDS else None


def failure_path(failures: Path, subject: str, what: str) -> Path:
    """Return where a kind of failure is written."""
    return failures / (re.sub(r"[^\w.]+", "_", f"{subject} {what}")[:150] + ".txt")


class Campaign:
    """All rounds, and what came of them."""

    def __init__(self, failures: Path, names: list[str]):
        self._failures, self._names = failures, names
        self._counts: dict[str, collections.Counter[str]] = collections.defaultdict(
            collections.Counter
        )
        self._kinds: collections.Counter[tuple[str, str]] = collections.Counter()
        failures.mkdir(parents=True, exist_ok=True)

    def run(self, seconds: float, seed: int) -> bool:
        """Run rounds until the time is over; return whether nothing has failed."""
        end, number = time.monotonic() + seconds, 0
        while number == 0 or time.monotonic() < end:
            with tempfile.TemporaryDirectory(prefix="nas_with_rl-fuzz-") as folder:
                self._round(Path(folder), seed + number)
            number += 1
            total = sum(sum(counts.values()) for counts in self._counts.values())
            print(f"round {number}: {total:,} inputs so far", flush=True)
        return not self._kinds

    def _round(self, folder: Path, seed: int) -> None:
        words = [sys.executable, __file__, f"--failures={self._failures}", f"--round={folder}"]
        words += [f"--seed={seed}", *(f"--subject={name}" for name in self._names)]
        log = folder / "output.txt"
        with (
            log.open("wb") as output,
            subprocess.Popen(words, stdout=output, stderr=output) as process,
        ):
            began, ended = time.monotonic(), ""
            while process.poll() is None:
                time.sleep(0.2)
                if seconds := _silent_seconds(folder / CURRENT, began):
                    ended = f"no next input for {seconds:g} s"
                    process.kill()
                    break
        if process.returncode and not ended:
            ended = f"the process ended with status {process.returncode}"
        if (folder / COUNTS).exists():
            for line in (folder / COUNTS).read_text().splitlines():
                values = json.loads(line)
                self._counts[values["subject"]].update(values["counts"])
                self._kinds.update((values["subject"], what) for what in values["failures"])
        if ended:
            self._died(folder, ended, log.read_text(errors="replace")[-2000:])

    def _died(self, folder: Path, ended: str, output: str) -> None:
        if not (folder / CURRENT).exists():
            raise RuntimeError(f"{ended} before its first input: {output}")
        name, example = pickle.loads((folder / CURRENT).read_bytes())
        self._counts[name]["failed"] += 1
        self._kinds[name, ended] += 1
        failure_path(self._failures, name, ended).write_text(
            f"{name}: {ended}\n\n{example}\n\n{output}", errors="backslashreplace"
        )

    def describe(self) -> str:
        """Return the counts as a table, and what has failed."""
        header = f"{'subject':20}" + "".join(f"{kind:>12}" for kind in ("inputs", *OUTCOMES))
        lines = [header]
        totals: collections.Counter[str] = collections.Counter()
        for name, counts in self._counts.items():
            lines.append(_row(name, counts))
            totals.update(counts)
        lines.append(_row("all", totals))
        for (name, what), count in sorted(self._kinds.items()):
            path = failure_path(self._failures, name, what)
            lines.append(f"failed: {name}: {what} (in {count} chunks), see {path}")
        return "\n".join(lines)


def _row(name: str, counts: collections.Counter[str]) -> str:
    numbers = (sum(counts.values()), *(counts[kind] for kind in OUTCOMES))
    return f"{name:20}" + "".join(f"{number:12,}" for number in numbers)


def main() -> int:
    """Run a campaign, or the round of one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--failures", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--subject", action="append", default=[], help="these alone; repeatable")
    parser.add_argument("--round", type=Path, default=None, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.round:
        Round(words.round, words.failures, words.seed).run(words.subject)
        return 0
    campaign = Campaign(words.failures, words.subject)
    is_clean = campaign.run(words.seconds, words.seed)
    print(campaign.describe())
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
