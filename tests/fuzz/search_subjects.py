"""What a search has left: its store of trials and its checkpoints; the search then goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
from fuzzing import unchanged_if_refused
from hypothesis import strategies as st
from mutations import NUMBERS, SCALARS, TEXTS, mutated_bytes, mutated_json, mutated_texts

import nas_with_rl as nas
from nas_with_rl.controller.reinforce import Reinforce
from nas_with_rl.launch.evaluators.evaluation import InProcess
from nas_with_rl.launch.records.checkpoints import MANIFEST, Checkpoints, _digest
from nas_with_rl.launch.records.trial_store import _COLUMNS, TrialStore
from nas_with_rl.launch.searches.loop import Search, run_search

# A search that was interrupted, and is continued to NUM_SAMPLES.
SPACE = nas.SearchSpace(
    [nas.Choice("units", (8, 16, 32)), nas.Choice("activation", ("relu", "tanh", "sin"))]
)
NUM_SAMPLES, NUM_DONE, BATCH = 16, 12, 4
CONFIG = nas.SearchConfig(
    num_samples=NUM_SAMPLES, batch_size=BATCH, checkpoint_every=1, duplicates="evaluate"
)
CONTROLLER = nas.ReinforceConfig(0.01, policy=nas.PolicyConfig(num_units=4, jit_compile=False))


def evaluate(architecture: nas.Architecture, seed: int) -> tuple[float, dict[str, float]]:
    """Measure; some children fail."""
    if seed % 5 == 0:
        raise nas.ChildFailure("crashed", "as it should")
    return architecture["units"] / 32, {"seed": seed % 7}


def searched(workdir: Path, *, searcher: str = "random") -> None:
    """Run a search until it is interrupted."""
    calls = iter(range(NUM_DONE))

    def interrupted(architecture: nas.Architecture, seed: int) -> tuple[float, dict[str, float]]:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return evaluate(architecture, seed)

    assert _search(workdir, interrupted, searcher=searcher, resume=False).interrupted


def resumed(workdir: Path, *, searcher: str = "random") -> None:
    """Run a search to its end."""
    _search(workdir, evaluate, searcher=searcher, resume=True)


def _search(workdir: Path, function: Any, *, searcher: str, resume: bool) -> nas.SearchResult:
    return nas.search(
        SPACE,
        function,
        num_samples=NUM_SAMPLES,
        workdir=workdir,
        options=nas.SearchOptions(
            search=dataclasses.replace(CONFIG, searcher=searcher),
            controller=CONTROLLER,
            resume=resume,
            progress=False,
        ),
    )


class Workspace:
    """A folder with something valid in `original`, a fresh copy of which each input is."""

    def __init__(self, folder: Path):
        self.original, self._copy = folder / "original", folder / "copy"
        self.original.mkdir()

    def copied(self) -> Path:
        """Return a fresh copy."""
        shutil.rmtree(self._copy, ignore_errors=True)
        return Path(shutil.copytree(self.original, self._copy))


def encoded(text: str) -> bytes:
    """Return a text as bytes; half a character too."""
    return text.encode("utf-8", "surrogatepass")


class StoredBytes:
    """A store of trials whose file is damaged; it is read, and its random search goes on."""

    name = "store bytes"

    def __init__(self, folder: Path):
        """Run a search."""
        self._place = Workspace(folder)
        searched(self._place.original)
        content = (self._place.original / "trials.sqlite").read_bytes()
        self.inputs = st.one_of(
            mutated_bytes(content), st.binary(max_size=200), mutated_bytes(content[:4096])
        )

    def use(self, example: bytes) -> None:
        """Resume the search."""
        workdir = self._place.copied()
        (workdir / "trials.sqlite").write_bytes(example)
        with unchanged_if_refused(workdir):
            resumed(workdir)


class StoredRows:
    """A store of trials with other values in its rows; either kind of search goes on."""

    name = "store rows"

    def __init__(self, folder: Path):
        """Run a search of each kind."""
        self._places = {}
        for searcher in ("random", "reinforce"):
            (folder / searcher).mkdir()
            self._places[searcher] = Workspace(folder / searcher)
            workdir = self._places[searcher].original
            searched(workdir, searcher=searcher)
        self._searcher = Reinforce(SPACE, CONTROLLER, max_depth=0, seed=0)
        with contextlib.closing(TrialStore(workdir / "trials.sqlite")) as store:
            trials = store.all()
        architectures = sorted({trial.architecture for trial in trials})
        values = st.one_of(
            SCALARS,
            NUMBERS,
            st.binary(max_size=9),
            st.integers(-2, NUM_SAMPLES + 2),
            mutated_texts(architectures, ["8", "relu", "|"]),
            mutated_texts(["completed", "failed", "running", "crashed", "diverged"]),
            mutated_json({"seed": 3, "accuracy": [0.25, 0.5]}),
        )
        change = st.tuples(st.integers(0, NUM_DONE + 2), st.sampled_from(list(_COLUMNS)), values)
        row = st.tuples(st.sampled_from(["delete", "finish", "forget"]), st.integers(0, 11))
        self.inputs = st.tuples(
            st.sampled_from(["random", "random", "reinforce"]),
            st.lists(change, min_size=1, max_size=3),
            st.lists(row, max_size=1),
        )

    def use(self, example: tuple[str, list[Any], list[Any]]) -> None:
        """Change the rows and resume the search, by REINFORCE from its checkpoint."""
        searcher, changes, rows = example
        workdir = self._places[searcher].copied()
        store = workdir / "trials.sqlite"
        if not _changed(store, changes, rows):
            return
        before = _outcomes(store)
        try:
            if searcher == "random":
                resumed(workdir)
            else:
                self._continue(workdir)
        finally:
            assert _outcomes(store).items() >= before.items(), "an outcome was overwritten"

    def _continue(self, workdir: Path) -> None:
        """Search on with the one policy, which is costly to build."""
        with contextlib.closing(TrialStore(workdir / "trials.sqlite")) as store:
            run_search(
                Search(
                    space=SPACE,
                    config=CONFIG,
                    seed=0,
                    searcher=self._searcher,
                    evaluator=InProcess(evaluate),
                    store=store,
                    checkpoints=Checkpoints(workdir / "checkpoints"),
                )
            )


def _changed(path: Path, changes: list[Any], rows: list[Any]) -> bool:
    """Change a store's rows behind the project's back; False where SQLite itself refuses."""
    connection = sqlite3.connect(path)
    try:
        with connection:
            for number, column, value in changes:
                connection.execute(
                    f"UPDATE trials SET {column} = ? WHERE number = ?", (value, number)
                )
            for change, number in rows:
                connection.execute(_STATEMENTS[change], (number,))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except (sqlite3.Error, OverflowError, UnicodeEncodeError):
        return False
    finally:
        connection.close()
    return True


def _outcomes(path: Path) -> dict[Any, Any]:
    """Return the rows that have an outcome, by their numbers, without what learned from them."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM trials WHERE status <> 'running'").fetchall()
    return {row["number"]: repr({**dict(row), "updated_version": None}) for row in rows}


_STATEMENTS = {
    "delete": "DELETE FROM trials WHERE number = ?",
    "finish": "UPDATE trials SET status = 'running', reward = NULL WHERE number = ?",
    "forget": "UPDATE trials SET updated_version = NULL WHERE number >= ?",
}


class CheckpointFiles:
    """Checkpoints of the controller, damaged with and without their manifest's knowledge."""

    name = "checkpoint"

    def __init__(self, folder: Path):
        """Write two checkpoints."""
        self._place = Workspace(folder)
        self._searcher = Reinforce(SPACE, CONTROLLER, max_depth=0, seed=0)
        checkpoints = Checkpoints(self._place.original)
        for batch in range(2):
            proposals = self._searcher.ask(SPACE, range(batch * BATCH, batch * BATCH + BATCH))
            self._searcher.tell(proposals, [0.1, 0.2, 0.4, 0.8])
            checkpoints.save(self._searcher)
        self._newest, self._older = sorted(self._place.original.glob("version-*"), reverse=True)
        files = {path.name: path.read_bytes() for path in sorted(self._newest.iterdir())}
        state = json.loads(files["reinforce.json"])
        # What TensorFlow reads is damaged with a manifest that says so, or exchanged whole: its
        # reader is not what is tried here.
        damaged = st.one_of(
            *(st.tuples(st.just(name), mutated_bytes(content)) for name, content in files.items())
        )
        whole = st.tuples(
            st.sampled_from(list(files)), st.sampled_from([b"", *files.values(), None])
        )
        states = st.tuples(
            st.just("reinforce.json"), st.one_of(mutated_json(state), TEXTS).map(encoded)
        )
        manifests = mutated_json(json.loads(files[MANIFEST])).map(encoded)
        self.inputs = st.tuples(
            st.one_of(
                st.tuples(damaged, st.just(False)),
                st.tuples(whole, st.booleans()),
                st.tuples(states, st.just(True)),
                st.tuples(st.tuples(st.just(MANIFEST), manifests), st.just(False)),
            ),
            st.booleans(),
        )

    def use(self, example: tuple[Any, bool]) -> None:
        """Restore the newest, or the one before."""
        ((name, content), is_known), in_both = example
        folder = self._place.copied()
        for path in sorted(folder.glob("version-*"))[0 if in_both else 1 :]:
            if content is None:
                (path / name).unlink()
            else:
                (path / name).write_bytes(content)
            if is_known and name != MANIFEST:
                digests = {p.name: _digest(p) for p in path.iterdir() if p.name != MANIFEST}
                (path / MANIFEST).write_text(json.dumps(digests))
        with unchanged_if_refused(folder):
            Checkpoints(folder).restore(self._searcher)
            proposals = self._searcher.ask(SPACE, range(BATCH))
            assert len(proposals) == BATCH and all(np.isfinite(p.log_prob) for p in proposals)
            version = self._searcher.version
            assert isinstance(version, int) and self._searcher.tell(proposals, [0.5] * BATCH)


SUBJECTS = (StoredBytes, StoredRows, CheckpointFiles)
