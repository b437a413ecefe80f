"""The audit of a search whose roles were killed: nothing lost, nothing twice.

    python tests/harness/cluster_audit.py FOLDER

FOLDER is the --workdir of cluster_kills.py.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cluster_kills import KILLS, rows_of
from cluster_toys import EVALUATIONS

from nas_with_rl.launch.audits.audit import audit_search
from nas_with_rl.search_spaces.randomness import child_seed

Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
      problems: empty where nothing was lost and nothing done twice.
      figures: of the run.
    """

    problems: Sequence[str]
    figures: Mapping[str, Any]

    def __str__(self) -> str:
        lines = [f"{name}: {value}" for name, value in self.figures.items()]
        return "\n".join([*lines, *(f"PROBLEM {problem}" for problem in self.problems)] or ["none"])


def audit(folder: Path, *, replayed: bool = True) -> Audit:
    """Check a run that `cluster_kills` has made.

    Args:
      folder: its --workdir.
      replayed: whether to recompute the controller from the store, which takes seconds.
    """
    run = folder / "run"
    kills = json.loads((folder / KILLS).read_text())
    description = json.loads((run / "experiment.json").read_text())
    rows = rows_of(run / "trials.sqlite")
    begun = evaluations(folder / EVALUATIONS, description["seed"], len(rows))
    checks = (
        kill_problems(kills),
        row_problems(rows, description),
        changed_problems(rows, kills),
        evaluation_problems(rows, begun, kills),
        update_problems(rows, description["search"]["accumulate_gradients"]),
        [found.message for found in audit_search(run).findings] if replayed else (),
    )
    return Audit(list(itertools.chain(*checks)), figures(rows, begun, kills))


def kill_problems(kills: Mapping[str, Any]) -> Iterator[str]:
    """Yield what went wrong with the run as a whole."""
    if kills["status"] != 0:
        yield f"the cluster ended with status {kills['status']}"
    if kills["not_done"]:
        yield f"the search ended before {kills['not_done']}"
    if kills["left"]:
        yield f"processes were left behind: {kills['left']}"
    num_stops = sum(done["signal"] != 9 for done in kills["done"])
    if len(kills["seconds_stopped"]) != num_stops:
        yield "a stopped worker was not ended"


def row_problems(rows: Sequence[Row], description: Row) -> Iterator[str]:
    """Yield trials that are missing, unfinished or not their own."""
    count = description["search"]["num_samples"]
    numbers = [row["number"] for row in rows]
    if numbers != list(range(count)):
        yield f"{len(numbers)} trials from {numbers[:1]} to {numbers[-1:]}, not {count} from 0"
    firsts: dict[str, int] = {}
    for row in rows:
        name = f"trial {row['number']}"
        if row["status"] != "completed" or row["reward"] is None:
            yield f"{name} is {row['status']} with the reward {row['reward']} ({row['message']})"
        if row["updated_version"] is None:
            yield f"{name} was never learned from"
        if row["seed"] != child_seed(description["seed"], row["number"]):
            yield f"{name} has another trial's seed"
        if row["reused_from"] is None:
            if row["architecture"] in firsts:
                yield f"{name} was evaluated, and {firsts[row['architecture']]} is the same"
            firsts[row["architecture"]] = row["number"]
    for row in rows:
        source = row["reused_from"]
        if source is not None:
            same = ("architecture", "reward", "metrics", "worker", "started", "ended")
            if [rows[source][key] for key in same] != [row[key] for key in same]:
                yield f"trial {row['number']} is not what it took over from trial {source}"
            if rows[source]["reused_from"] is not None:
                yield f"trial {row['number']} took over from {source}, which was not evaluated"


def changed_problems(rows: Sequence[Row], kills: Mapping[str, Any]) -> Iterator[str]:
    """Yield rows that have changed since they were first seen with an outcome."""
    now = {row["number"]: row for row in rows}
    for number, (_, seen) in kills["finished"].items():
        row = now.get(int(number))
        if row is None:
            yield f"trial {number} was recorded and is lost"
        elif {**row, "updated_version": None} != {**seen, "updated_version": None}:
            yield f"trial {number} was recorded as {seen} and is now {row}"
    for number, version in kills["learned"].items():
        if int(number) in now and now[int(number)]["updated_version"] != version:
            found = now[int(number)]["updated_version"]
            yield f"trial {number} was learned by update {version}, now it says {found}"


def evaluation_problems(
    rows: Sequence[Row], begun: Mapping[int, Sequence[float]], kills: Mapping[str, Any]
) -> Iterator[str]:
    """Yield evaluations of recorded trials, and trials recorded without one.

    A trial may be evaluated again until its outcome is recorded. When that was is known from
    the looks at the store: at the latest when the outcome was first seen.
    """
    for number, (seen, _) in kills["finished"].items():
        for start in begun.get(int(number), ()):
            if start > seen:
                yield f"trial {number} was evaluated {start - seen:.2f} s after it was recorded"
    for row in rows:
        number, is_reused = row["number"], row["reused_from"] is not None
        if is_reused and number in begun:
            yield f"trial {number} was reused, and evaluated as well"
        if not is_reused and row["started"] is not None:
            around = [start for start in begun.get(number, ()) if start >= row["started"] - 0.01]
            if not any(start <= row["ended"] for start in around):
                yield f"trial {number} was recorded with times at which it was not evaluated"
    for number in begun:
        if number >= len(rows):
            yield f"a trial {number} was evaluated that is not in the store"


def update_problems(rows: Sequence[Row], accumulated: int) -> Iterator[str]:
    """Yield batches that are not learned from exactly once, and gaps between the updates."""
    by_batch, by_update = collections.defaultdict(list), collections.defaultdict(set)
    for row in rows:
        by_batch[row["batch"]].append(row)
        by_update[row["updated_version"] or 0].add(row["batch"])
    if sorted(by_update) != list(range(1, len(by_update) + 1)):
        yield f"the updates are {sorted(by_update)}"
    if sorted(by_batch) != list(range(len(by_batch))):
        yield f"the batches are {sorted(by_batch)}"
    for batch, members in by_batch.items():
        updates = {row["updated_version"] for row in members}
        sampled = {row["sampled_version"] for row in members}
        if len(updates) != 1 or len(sampled) != 1:
            yield f"batch {batch} was sampled at {sampled} and learned by {updates}"
        elif max(sampled) >= (max(updates, key=lambda update: update or 0) or 0):
            yield f"batch {batch} was learned by {updates}, before it was sampled at {sampled}"
    for update, batches in by_update.items():
        expected = accumulated if update < max(by_update) else min(accumulated, len(batches))
        if len(batches) != expected:
            yield f"update {update} has learned from the batches {batches}, not {expected} of them"


def evaluations(file: Path, seed: int, count: int) -> dict[int, list[float]]:
    """Return when evaluations of each trial began: the child's seed tells the trial."""
    trials = {child_seed(seed, number): number for number in range(count + 1000)}
    found = collections.defaultdict(list)
    for line in file.read_text().splitlines():
        child, _, start = line.split()
        found[trials[int(child)]].append(float(start))
    return dict(found)


def figures(
    rows: Sequence[Row], begun: Mapping[int, Sequence[float]], kills: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the run was like."""
    stale = [(row["updated_version"] or 0) - 1 - row["sampled_version"] for row in rows]
    killed = collections.Counter(done["role"] for done in kills["done"])
    return {
        "seconds": round(kills["seconds"], 1),
        "trials": len(rows),
        "reused": sum(row["reused_from"] is not None for row in rows),
        "evaluations": sum(map(len, begun.values())),
        "evaluated again before they were recorded": sum(len(t) > 1 for t in begun.values()),
        "signals": dict(sorted(killed.items())),
        "seconds until a stopped worker was ended": kills["seconds_stopped"],
        "staleness in updates, mean and most": (round(float(np.mean(stale)), 2), max(stale)),
        "updates": max(row["updated_version"] or 0 for row in rows),
    }


if __name__ == "__main__":
    REPORT = audit(Path(sys.argv[1]))
    print(REPORT)
    sys.exit(1 if REPORT.problems else 0)
