"""The trial store: one row of `trials.sqlite` per trial, written before the controller learns."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from nas_with_rl.launch.records.store_connection import StoreConnection, can_write, damage
from nas_with_rl.search_spaces.errors import InputError, shown

TrialStatus = Literal["running", "completed", "stopped", "failed"]
Metrics = Mapping[str, float | Sequence[float]]


@dataclasses.dataclass(frozen=True)
class Trial:
    """One evaluated architecture, whatever came of it.

    Attributes:
      number: from 0, in the order of sampling.
      architecture: its one line of text.
      depth: of its space; 0 where the space has no layers.
      status: "running" from sampling until the outcome is recorded, once. A child that early
        stopping has ended is "stopped": no failure, and not trained to its end.
      log_prob: under the searcher that proposed it, in nats; None where that has no probability.
      sampled_version: updates the searcher had made when it proposed the trial.
      updated_version: the update that learned from it; None until then.
      seed: of the child.
      reward: what the controller learns from; of a stopped trial what its child reported last, of
        a failed one what failures count as, None until then where that depends on the others.
      metrics: named measurements, per epoch where a sequence.
      num_parameters: trainable weights of the child.
      failure: the reason, for a failed trial.
      message: what the failure said.
      reused_from: the earlier trial of the same architecture whose outcome this one took over.
      worker: where it was evaluated.
      started, ended: seconds since the epoch.
      batch: from 0, in the order of sampling; its trials are proposed at one version, by one
        replica of the controller, and are learned from in one update.
    """

    number: int
    architecture: str
    depth: int
    status: TrialStatus
    log_prob: float | None
    sampled_version: int
    updated_version: int | None
    seed: int
    reward: float | None = None
    metrics: Metrics = dataclasses.field(default_factory=dict)
    num_parameters: int | None = None
    failure: str | None = None
    message: str | None = None
    reused_from: int | None = None
    worker: str | None = None
    started: float | None = None
    ended: float | None = None
    batch: int = 0


_COLUMNS = {
    "number": "INTEGER PRIMARY KEY",
    "architecture": "TEXT NOT NULL",
    "depth": "INTEGER NOT NULL",
    "status": "TEXT NOT NULL",
    "log_prob": "REAL",  # NOT NULL in the stores of before
    "sampled_version": "INTEGER NOT NULL",
    "updated_version": "INTEGER",
    "seed": "INTEGER NOT NULL",
    "reward": "REAL",
    "metrics": "TEXT NOT NULL",
    "num_parameters": "INTEGER",
    "failure": "TEXT",
    "message": "TEXT",
    "reused_from": "INTEGER",
    "worker": "TEXT",
    "started": "REAL",
    "ended": "REAL",
    "batch": "INTEGER NOT NULL",
}
# The types of a column's values, and whether there is one in each row: asked of every value read.
_KINDS = {
    name: ({"INTEGER": int, "REAL": float, "TEXT": str}[kind], bool(required))
    for name, (kind, _, required) in (
        (name, text.partition(" ")) for name, text in _COLUMNS.items()
    )
}
_STATUSES = get_args(TrialStatus)
_INDICES = {
    "by_architecture": "architecture, number",
    "by_batch": "batch, number",
    "by_update": "updated_version, number",
    "by_reward": "status, reward",
    "by_failure": "failure",
}
_MEASURED = "status IN ('completed', 'stopped')"  # which have a reward of their own
_NUM_MISSING = "SELECT COALESCE(MAX(number) + 1, 0) - COUNT(*) FROM trials"


class TrialStore:
    """The trials of one search, in SQLite. Every method is one transaction.

    Where another program has locked the file, a method waits and says so.

    Raises:
      InputError: where the file is no store of trials or is damaged.
      StorageError: where the machine keeps it from being written or read.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False):
        """Open a store.

        Args:
          path: of the file; None for one in memory.
          read_only: write nothing, neither to the file nor beside it, even while a search goes on
            there. A store that cannot be written to is opened so in any case.
        """
        self._path = path
        read_only = read_only or (path is not None and not can_write(path))
        self._connection = StoreConnection(path, read_only=read_only)
        # Of the only one that writes; None before its first change.
        self._num_running: int | None = None
        try:
            self._check(has_to_be_one=read_only)
        except BaseException:
            self._connection.close()
            raise

    def _check(self, *, has_to_be_one: bool) -> None:
        """Raise InputError where this is no store; bring an older or a new one to its form."""
        problem = self._connection.read("PRAGMA integrity_check(1)")[0][0]
        if problem != "ok":
            raise InputError(damage(self._path, problem))
        present = [row[1] for row in self._connection.read("PRAGMA table_info(trials)")]
        is_old = present == list(_COLUMNS)[:-1]  # of version 0.1: one batch per version
        if has_to_be_one and is_old:
            self._connection.read(
                "CREATE TEMP VIEW trials AS SELECT *, sampled_version AS batch FROM main.trials"
            )
        elif is_old:
            self._connection.write(_with_batches)
        elif present != list(_COLUMNS) and (present or has_to_be_one):
            raise InputError(damage(self._path, f"its columns are {', '.join(present) or 'none'}"))
        if present:
            self._select(f"WHERE {_wrong_rows()} LIMIT 1")  # raises the error of what it finds
        if present and not has_to_be_one and self._value(_NUM_MISSING):
            raise InputError(damage(self._path, "some of its trials are missing"))
        indices = {row[1] for row in self._connection.read("PRAGMA index_list(trials)")}
        if not has_to_be_one and not indices.issuperset(_INDICES):
            self._connection.write(_with_indices)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __len__(self) -> int:
        return self._value("SELECT COUNT(*) FROM trials")

    def add(self, trials: Sequence[Trial]) -> None:
        """Record sampled trials, all or none."""
        names, marks = ", ".join(_COLUMNS), ", ".join("?" * len(_COLUMNS))
        query = f"INSERT INTO trials ({names}) VALUES ({marks})"
        rows = [_row(trial) for trial in trials]
        self._connection.write(lambda connection: connection.executemany(query, rows))
        self._count_running(sum(trial.status == "running" for trial in trials))

    def finish(self, trial: Trial) -> None:
        """Record a trial's outcome, once: a second outcome is a ValueError."""
        assignments = ", ".join(f"{name} = ?" for name in _COLUMNS)
        query = f"UPDATE trials SET {assignments} WHERE number = ? AND status = 'running'"
        row = [*_row(trial), trial.number]
        changed = self._connection.write(lambda connection: connection.execute(query, row).rowcount)
        if changed != 1:
            raise ValueError(f"trial {trial.number} is not running: its outcome is recorded once")
        self._count_running(-(trial.status != "running"))

    def count_failures(
        self, batches: Sequence[int], reward_of: Callable[[float, float], float]
    ) -> bool:
        """Record what the failed trials of some batches count as, where nothing is recorded yet.

        Args:
          batches: their numbers.
          reward_of: from the lowest and the highest reward of all trials completed so far, or
            stopped.

        Returns:
          False where a failed trial has no reward, since none is completed.
        """
        marks = ", ".join("?" * len(batches))
        open_ones = f"batch IN ({marks}) AND status = 'failed' AND reward IS NULL"
        if not self._value(f"SELECT COUNT(*) FROM trials WHERE {open_ones}", *batches):
            return True
        query = f"SELECT MIN(reward), MAX(reward) FROM trials WHERE {_MEASURED}"
        worst, best = self._connection.read(query)[0]
        if worst is None:
            return False
        update = f"UPDATE trials SET reward = ? WHERE {open_ones}"
        values = [reward_of(worst, best), *batches]
        self._connection.write(lambda connection: connection.execute(update, values))
        return True

    def mark_learned(self, numbers: Sequence[int], version: int) -> None:
        """Record which update learned from the trials."""
        query = "UPDATE trials SET updated_version = ? WHERE number = ?"
        rows = [(version, number) for number in numbers]
        self._connection.write(lambda connection: connection.executemany(query, rows))

    def all(self) -> list[Trial]:
        """Every trial, by number."""
        return self._select("ORDER BY number")

    def batches(self, numbers: Sequence[int]) -> list[Trial]:
        """The trials of some batches, by number."""
        marks = ", ".join("?" * len(numbers))
        return self._select(f"WHERE batch IN ({marks}) ORDER BY number", *numbers)

    def num_batches(self) -> int:
        """How many batches were sampled."""
        return self._value("SELECT COALESCE(MAX(batch) + 1, 0) FROM trials")

    def unlearned(self) -> list[Trial]:
        """The trials that no update has learned from yet, by number."""
        return self._select("WHERE updated_version IS NULL ORDER BY number")

    def learned_after(self, version: int) -> list[Trial]:
        """The trials that later updates than a version have learned from, in their order."""
        return self._select("WHERE updated_version > ? ORDER BY updated_version, number", version)

    def last_update(self) -> int:
        """The newest update that has learned from trials; 0 without any."""
        return self._value("SELECT COALESCE(MAX(updated_version), 0) FROM trials")

    def evaluated_before(self, trial: Trial) -> list[Trial]:
        """The earlier evaluations of a trial's architecture, by number; reused ones are none."""
        return self._select(
            "WHERE architecture = ? AND number < ? AND status != 'running' "
            "AND reused_from IS NULL ORDER BY number",
            trial.architecture,
            trial.number,
        )

    def num_running(self) -> int:
        """How many trials have no outcome yet."""
        if self._num_running is not None:
            return self._num_running
        return self._value("SELECT COUNT(*) FROM trials WHERE status = 'running'")

    def _count_running(self, more: int) -> None:
        """Note a change of this store's; a search asks at each, and may have a thousand running."""
        if self._num_running is None:
            self._num_running = self.num_running()
        else:
            self._num_running += more

    def num_finished(self) -> int:
        """How many trials have their outcome."""
        return len(self) - self.num_running()  # counted by an index: 20 times as fast

    def num_evaluated(self) -> int:
        """How many trials have an outcome of their own, which none has handed on."""
        return self._value(
            "SELECT COUNT(*) FROM trials WHERE status != 'running' AND reused_from IS NULL"
        )

    def num_settled(self, depth: int, failure_retries: int) -> int:
        """How many architectures of a depth have an outcome that later trials take over.

        Args:
          depth: 0 where the space has no layers.
          failure_retries: failures beyond which one is believed.
        """
        return self._value(
            "SELECT COUNT(*) FROM (SELECT 1 FROM trials WHERE depth = ? AND status != 'running' "
            f"AND reused_from IS NULL GROUP BY architecture HAVING MAX({_MEASURED}) "
            "OR MAX(failure IS 'infeasible') OR COUNT(*) > ?)",
            depth,
            failure_retries,
        )

    def num_reused_of_last(self, count: int) -> int:
        """How many of the last trials took over an outcome."""
        last = "SELECT reused_from FROM trials ORDER BY number DESC LIMIT ?"
        return self._value(f"SELECT COUNT(reused_from) FROM ({last})", count)

    def is_sampled(self, architecture: str) -> bool:
        """Whether a trial has this architecture."""
        query = "SELECT EXISTS (SELECT 1 FROM trials WHERE architecture = ?)"
        return bool(self._value(query, architecture))

    def num_unique(self) -> int:
        """How many different architectures were sampled."""
        return self._value("SELECT COUNT(DISTINCT architecture) FROM trials")

    def num_of(self, status: TrialStatus) -> int:
        """How many trials have a status."""
        return self._value("SELECT COUNT(*) FROM trials WHERE status = ?", status)

    def num_failed_by_reason(self) -> dict[str, int]:
        """How many trials failed, by reason."""
        return dict(
            self._connection.read(
                "SELECT failure, COUNT(*) FROM trials WHERE failure IS NOT NULL GROUP BY failure"
            )
        )

    def best_evaluations(self) -> list[Trial]:
        """The evaluations of the best architecture, as `ranking` has it, by number."""
        return self._select(
            "WHERE status = 'completed' AND reused_from IS NULL AND architecture = "
            "(SELECT architecture FROM trials WHERE status = 'completed' AND reused_from IS NULL "
            "GROUP BY architecture ORDER BY AVG(reward) DESC, MIN(number) LIMIT 1) ORDER BY number"
        )

    def _value(self, query: str, *values: object) -> int:
        return int(self._connection.read(query, values)[0][0])

    def _select(self, where: str, *values: object) -> list[Trial]:
        query = f"SELECT {', '.join(_COLUMNS)} FROM trials {where}"
        return [_trial(row, self._path) for row in self._connection.read(query, values)]


def _with_batches(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE trials ADD batch INTEGER NOT NULL DEFAULT 0")
    connection.execute("UPDATE trials SET batch = sampled_version")


def _with_indices(connection: sqlite3.Connection) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    connection.execute(f"CREATE TABLE IF NOT EXISTS trials ({columns})")
    for name, over in _INDICES.items():
        connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON trials ({over})")


def _row(trial: Trial) -> list[object]:
    values = {field: getattr(trial, field) for field in _COLUMNS}
    values["metrics"] = json.dumps(dict(trial.metrics), sort_keys=True)
    return list(values.values())


def _trial(row: Sequence[object], path: Path | None) -> Trial:
    """Read a row; InputError, which names the column, where a value is not of its type."""
    values = dict(zip(_COLUMNS, row, strict=True))
    if isinstance(values["num_parameters"], bytes):  # as SQLite has kept an integer of NumPy's
        values["num_parameters"] = int.from_bytes(values["num_parameters"], sys.byteorder)
    for name, value in values.items():
        if not _is_of_column(name, value):
            raise InputError(_wrong(path, values, name))
    try:
        values["metrics"] = json.loads(str(values["metrics"]))
    except (ValueError, RecursionError):
        raise InputError(_wrong(path, values, "metrics")) from None
    if not isinstance(values["metrics"], dict):
        raise InputError(_wrong(path, values, "metrics"))
    trial = Trial(**values)  # type: ignore[arg-type]
    if trial.depth > len(trial.architecture):  # a layer has a word at least
        raise InputError(_wrong(path, values, "depth"))
    if trial.batch > trial.number:  # a batch has a trial at least
        raise InputError(_wrong(path, values, "batch"))
    if trial.status in ("completed", "stopped") and trial.reward is None:
        raise InputError(_wrong(path, values, "reward"))
    return trial


def _wrong_rows() -> str:
    """Return the condition of rows that `_trial` refuses, metrics aside, in SQL."""
    conditions = ["batch > number"]
    for name, column in _COLUMNS.items():
        kind, _, required = column.partition(" ")
        kinds = [kind.lower()] if required else [kind.lower(), "null"]
        conditions.append(f"typeof({name}) NOT IN ({', '.join(map(repr, kinds))})")
        if kind == "INTEGER":
            conditions.append(f"{name} < 0")
    return " OR ".join(conditions)


def _is_of_column(name: str, value: object) -> bool:
    kind, required = _KINDS[name]
    if value is None:
        return not required
    if name == "status":
        return value in _STATUSES
    if not isinstance(value, kind):
        return False
    return kind is not int or value >= 0  # type: ignore[operator]  # all of them count something


def _wrong(path: Path | None, values: Mapping[str, object], name: str) -> str:
    return (
        f"{path}: the {name} of trial {values['number']} is {shown(values[name])}, which a search "
        "does not store; restore the file from a copy, or start again with another --workdir"
    )
