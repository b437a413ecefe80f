"""Children that several searches share: one is trained once, whoever asks for it first.

`children.sqlite` has a row for each, by the architecture's text. The child's seed is the
architecture's own, so that it is the same child for all that ask.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections import deque
from collections.abc import Generator
from pathlib import Path
from typing import Any

from nas_with_rl.launch.evaluators.evaluation import Evaluation, Evaluator, Outcome
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement
from nas_with_rl.launch.records.store_connection import StoreConnection, damage
from nas_with_rl.search_spaces.errors import InputError

_TABLES = {
    "children": {
        "architecture": "TEXT PRIMARY KEY",
        "seed": "INTEGER NOT NULL",
        "reward": "REAL",
        "metrics": "TEXT NOT NULL",
        "num_parameters": "INTEGER",
        "failure": "TEXT",
        "message": "TEXT",
        "worker": "TEXT NOT NULL",
        "started": "REAL NOT NULL",
        "ended": "REAL NOT NULL",
    },
    "searches": {"name": "TEXT PRIMARY KEY"},  # those that have ended
}


def seed_of(architecture: str) -> int:
    """Return the seed of an architecture's child, in [0, 2^31)."""
    digest = hashlib.sha256(architecture.encode()).digest()
    return int.from_bytes(digest[:4], "big") % 2**31


class ChildStore:
    """Every child that was trained, and which searches have ended.

    Raises:
      InputError: where the file is no such store or is damaged.
      StorageError: where the machine keeps it from being written or read.
    """

    def __init__(self, path: Path | None):
        """Open a file, or with None a store in memory."""
        self._path, self._connection = path, StoreConnection(path)
        for table, columns in _TABLES.items():
            present = [row[1] for row in self._connection.read(f"PRAGMA table_info({table})")]
            if present and present != list(columns):
                self.close()
                raise InputError(damage(path, f"the columns of {table} are {', '.join(present)}"))
            if not present:
                described = ", ".join(f"{name} {kind}" for name, kind in columns.items())
                self._write(f"CREATE TABLE IF NOT EXISTS {table} ({described})")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __len__(self) -> int:
        return int(self._connection.read("SELECT COUNT(*) FROM children")[0][0])

    def outcome(self, evaluation: Evaluation) -> Outcome | None:
        """Return what came of an architecture's child; None where it was never trained."""
        query = f"SELECT {', '.join(_TABLES['children'])} FROM children WHERE architecture = ?"
        rows = self._connection.read(query, (str(evaluation.architecture),))
        if not rows:
            return None
        row = dict(zip(_TABLES["children"], rows[0], strict=True))
        try:
            result = _result(row)
        except (TypeError, ValueError):
            problem = f"the child of {row['architecture']!r} is no measurement"
            raise InputError(damage(self._path, problem)) from None
        return Outcome(evaluation, result, row["worker"], row["started"], row["ended"])

    def add(self, outcome: Outcome) -> None:
        """Record a child."""
        text, result = str(outcome.evaluation.architecture), outcome.result
        measured: list[object]
        if isinstance(result, Failure):
            measured = [None, "{}", None, result.reason, result.message]
        else:
            metrics = json.dumps(dict(result.metrics), sort_keys=True)
            measured = [float(result.reward), metrics, result.num_parameters, None, None]
        values = [text, seed_of(text), *measured, outcome.worker, outcome.started, outcome.ended]
        marks = ", ".join("?" * len(values))
        self._write(f"INSERT OR IGNORE INTO children VALUES ({marks})", *values)

    def rewards(self) -> dict[str, float]:
        """The rewards of all that did not fail, by architecture."""
        query = "SELECT architecture, reward FROM children WHERE reward IS NOT NULL"
        return dict(self._connection.read(query))

    def has_ended(self, name: str) -> bool:
        """Whether a search has ended."""
        return bool(self._connection.read("SELECT 1 FROM searches WHERE name = ?", (name,)))

    def end(self, name: str) -> None:
        """Record that a search has ended."""
        self._write("INSERT OR IGNORE INTO searches VALUES (?)", name)

    def _write(self, query: str, *values: object) -> None:
        self._connection.write(lambda connection: connection.execute(query, values))


def _result(row: dict[str, Any]) -> Measurement | Failure:
    if row["failure"] is not None:
        return Failure(row["failure"], str(row["message"]))
    return Measurement(float(row["reward"]), json.loads(row["metrics"]), row["num_parameters"])


def _to_the_end(outcome: Outcome) -> Outcome:
    """Return an outcome in which a child that has ended itself early has trained like any other."""
    if isinstance(outcome.result, Measurement) and outcome.result.is_stopped:
        result = dataclasses.replace(outcome.result, is_stopped=False)
        return dataclasses.replace(outcome, result=result)
    return outcome


class SharedChildren:
    """An evaluator that has another one train what the store lacks.

    Attributes:
      num_trained: by the other one, so far.
    """

    def __init__(self, evaluator: Evaluator, store: ChildStore):
        self._evaluator, self._store = evaluator, store
        self.num_trained = 0

    def evaluate(self, queue: deque[Evaluation]) -> Generator[Outcome, None, None]:
        """Yield the outcomes of what is known at once, and those of the others as they come."""
        missing: dict[int, Evaluation] = {}  # as they were asked for
        to_train: deque[Evaluation] = deque()
        while True:
            yield from self._known(queue, to_train, missing)
            if not to_train:
                return
            with contextlib.closing(self._evaluator.evaluate(to_train)) as outcomes:
                for outcome in outcomes:
                    outcome = _to_the_end(outcome)
                    self._store.add(outcome)
                    self.num_trained += 1
                    asked = missing.pop(outcome.evaluation.trial)
                    yield Outcome(
                        asked, outcome.result, outcome.worker, outcome.started, outcome.ended
                    )
                    yield from self._known(queue, to_train, missing)

    def _known(
        self,
        queue: deque[Evaluation],
        to_train: deque[Evaluation],
        missing: dict[int, Evaluation],
    ) -> Generator[Outcome, None, None]:
        """Empty the queue: yield what is known, and put the rest on that of the other one."""
        while queue:
            asked = queue.popleft()
            outcome = self._store.outcome(asked)
            if outcome is not None:
                yield outcome
                continue
            missing[asked.trial] = asked
            seed = seed_of(str(asked.architecture))
            to_train.append(Evaluation(asked.trial, asked.architecture, seed))
