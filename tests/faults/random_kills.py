"""Searches that are killed at random moments until there were enough kills:

    python tests/faults/random_kills.py --kills=50 --seed=0 --folder=/tmp/kills

Of each kind in `fault_toys` a search runs to its end; the same one is killed (SIGKILL) at seeded
moments, itself or one of its child processes, and resumed until it ends. Both have to end with the
same trials, times and machine names aside, and with checkpoints of the same bytes. The searches
are forked from this process, which has imported TensorFlow and computed nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import random
import signal
import sys
import time
from pathlib import Path

from fault_toys import KINDS
from forked_searches import Forked

from nas_with_rl.launch.host import backend
from tests.harness.kills import differences

MOST_SECONDS = 1.5  # after its start-up, until which a search is killed


@dataclasses.dataclass
class Report:
    """What was done and found.

    Attributes:
      kills: of searches, by kind; child_kills: of their child processes.
      searches: how many were killed and resumed to their end, by kind.
      differences: what a killed search has otherwise than one never killed.
    """

    kills: dict[str, int] = dataclasses.field(default_factory=dict)
    child_kills: int = 0
    searches: dict[str, int] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    differences: list[str] = dataclasses.field(default_factory=list)

    @property
    def num_kills(self) -> int:
        """Kills of all kinds."""
        return sum(self.kills.values()) + self.child_kills


def run_kills(folder: Path, *, kills: int, seed: int) -> Report:
    """Kill and resume one search of each kind after the other until there were enough kills."""
    report, chosen, began = Report(), random.Random(seed), time.monotonic()
    share = max(kills // 6, 2)  # two searches of each kind
    for number, kind in enumerate(itertools.cycle(KINDS)):
        if report.num_kills >= kills and number >= len(KINDS):
            break
        killed, whole = (folder / f"{number}-{kind}-{how}" for how in ("killed", "whole"))
        process = Forked(kind, whole, number)
        startup = process.seconds_until_first_trial()
        assert process.wait() == 0, process.output()
        killed_often(Forked(kind, killed, number), report, chosen, startup=startup, most=share)
        report.searches[kind] = report.searches.get(kind, 0) + 1
        report.differences += differences(killed, whole)
    report.seconds = time.monotonic() - began
    return report


def killed_often(
    process: Forked, report: Report, chosen: random.Random, *, startup: float, most: int
) -> None:
    """Kill a search and resume it until it ends, at most so often."""
    for number in itertools.count():
        if number < most:
            is_early = chosen.random() < 0.25  # else it searches
            within = (0.0, startup) if is_early else (startup, startup + MOST_SECONDS)
            time.sleep(chosen.uniform(*within))
            if chosen.random() < 0.5 and process.kill_a_child(chosen):
                report.child_kills += 1
                time.sleep(chosen.uniform(0.0, MOST_SECONDS / 2))
            process.kill()
        status = process.wait()
        if status != -signal.SIGKILL:
            if status:
                report.differences.append(f"status {status}: {process.output()}")
            return
        report.kills[process.kind] = report.kills.get(process.kind, 0) + 1
        process = Forked(process.kind, process.workdir, process.seed)


def main() -> int:
    """Kill, compare and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True)
    words = parser.parse_args()
    words.folder.mkdir(parents=True, exist_ok=True)
    backend.prepare_tensorflow()
    import nas_with_rl.launch.searches.named_run  # noqa: F401  before the forks, once

    report = run_kills(words.folder.resolve(), kills=words.kills, seed=words.seed)
    print(json.dumps(dataclasses.asdict(report)))
    return 1 if report.differences else 0


if __name__ == "__main__":
    sys.exit(main())
