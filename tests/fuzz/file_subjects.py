"""What comes as files: texts to learn from, and what a search or a training has left."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import sqlite3
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from fuzzing import unchanged_if_refused
from hypothesis import strategies as st
from mutations import NUMBERS, SCALARS, TEXTS, mutated_bytes, mutated_json, mutated_texts

import nas_with_rl as nas
from nas_with_rl.child_models.convolutional import build_convnet
from nas_with_rl.child_models.language_model import LanguageModel
from nas_with_rl.child_models.language_model_size import LanguageModelSize
from nas_with_rl.child_models.saved_models import (
    MEMBER,
    SavedDescription,
    describe_model,
    load_model,
    save_model,
)
from nas_with_rl.child_models.text import TextDataConfig, load_corpus
from nas_with_rl.controller.reinforce import Reinforce
from nas_with_rl.launch.checkpoints import MANIFEST, Checkpoints, _digest
from nas_with_rl.launch.evaluation import InProcess
from nas_with_rl.launch.own_results import read_runs
from nas_with_rl.launch.request import Request, completed
from nas_with_rl.launch.search_loop import Search, run_search
from nas_with_rl.launch.training_summary import describe
from nas_with_rl.launch.training_workdir import FinalResult, read_result, read_training
from nas_with_rl.launch.trials import _COLUMNS, TrialStore
from nas_with_rl.launch.workdir import Workdir
from nas_with_rl.search_spaces.convnet import ConvNet, ConvolutionalLayer

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


class Corpora:
    """Files of text, and what `data.source` may say of them."""

    name = "corpus"
    _VALID = ("the cat sat\non the mat, über\n" * 8).encode()

    def __init__(self, folder: Path):
        """Prepare a folder for the files."""
        self._folder = folder / "texts"
        self._folder.mkdir()
        (self._folder / "directory").mkdir()
        contents = st.one_of(
            mutated_bytes(self._VALID), mutated_texts(["a b\n", "ab" * 20]).map(_encoded)
        )
        sources = mutated_texts(
            ["a.txt", "*.txt", "**/*", "[ab].txt", "b?c*", "directory", "stdlib", "ptb", "counter"],
            ["**", "*", "[", "]", "..", "/", "\0", "~", "~nobody/x", "\n"],
        )
        self.inputs = st.tuples(
            st.lists(contents, min_size=3, max_size=3),
            st.one_of(st.just("*.txt"), st.just("ptb"), sources),
            st.sampled_from(["character", "word"]),
            st.integers(0, 3),
        )

    def use(self, example: tuple[list[bytes], str, str, int]) -> None:
        """Load the text."""
        contents, source, unit, most = example
        names = ("a.txt", "b.txt", "directory/c.txt")
        for name, content in zip(names, contents, strict=True):
            (self._folder / name).write_bytes(content)
        for split, content in zip(("train", "valid", "test"), contents, strict=True):
            (self._folder / f"ptb.{split}.txt").write_bytes(content)
        where = source if source in ("stdlib", "ptb", "counter") else f"{self._folder}/{source}"
        config = TextDataConfig(where, unit, max_training_tokens=most, max_validation_tokens=most)
        with warnings.catch_warnings(), unchanged_if_refused(self._folder):
            warnings.simplefilter("ignore")  # of a Penn Treebank that is not the published one
            corpus = load_corpus(config, data_dir=str(self._folder))
        assert corpus.train.max(initial=0) < len(corpus.vocabulary)


def _encoded(text: str) -> bytes:
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
            st.just("reinforce.json"), st.one_of(mutated_json(state), TEXTS).map(_encoded)
        )
        manifests = mutated_json(json.loads(files[MANIFEST])).map(_encoded)
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


class ModelFiles:
    """`.keras` files; what HDF5 reads stays as it is or is damaged beyond its checksum."""

    name = ".keras file"
    _TEXTS = ("config.json", "metadata.json", MEMBER)

    def __init__(self, folder: Path):
        """Save a small model of each kind."""
        self._file = folder / "changed.keras"
        convnet = ConvNet((ConvolutionalLayer(3, 1, 2, ()),))
        models = {
            "convnet": build_convnet(convnet, image_shape=(4, 4, 1), num_classes=2),
            "language_model": LanguageModel("baseline_gru", LanguageModelSize(3, 2)),
        }
        models["language_model"](np.zeros((1, 2), np.int32))
        self._members: dict[str, Mapping[str, bytes]] = {}
        inputs = []
        for kind, model in models.items():
            path = folder / f"{kind}.keras"
            description = SavedDescription(kind, "3 1 - 2", "mine", 1, 0.5, ("<unk>", "a", "b"))
            save_model(model, path, description)
            with zipfile.ZipFile(path) as archive:
                members = {name: archive.read(name) for name in archive.namelist()}
            self._members[kind] = members
            of_texts = [
                st.tuples(st.just(name), mutated_json(json.loads(members[name])).map(_encoded))
                for name in self._TEXTS
            ]
            lost = st.tuples(st.sampled_from(list(members)), st.sampled_from([None, b""]))
            inputs.append(st.tuples(st.just(kind), st.one_of(*of_texts, *of_texts, lost)))
            inputs.append(st.tuples(st.just(None), mutated_bytes(path.read_bytes())))
        self.inputs = st.one_of(*inputs)

    def use(self, example: tuple[str | None, Any]) -> None:
        """Describe it and load it."""
        kind, changed = example
        if kind is None:
            self._file.write_bytes(changed)
        else:
            name, content = changed
            members = {**self._members[kind], name: content}
            with zipfile.ZipFile(self._file, "w") as archive:
                for member, data in members.items():
                    if data is not None:
                        archive.writestr(member, data)
        before = self._file.read_bytes()
        try:
            describe_model(self._file)
            load_model(self._file)
        finally:
            assert self._file.read_bytes() == before


class ModelDescriptions(ModelFiles):
    """`.keras` files whose description alone is read, which is quick."""

    name = "model description"

    def use(self, example: tuple[str | None, Any]) -> None:
        """Describe it."""
        kind, changed = example
        if kind is None:
            self._file.write_bytes(changed)
        else:
            with zipfile.ZipFile(self._file, "w") as archive:
                archive.writestr("config.json", self._members[kind]["config.json"])
                if changed[1] is not None:
                    archive.writestr(MEMBER, changed[1])
        found = describe_model(self._file)
        assert isinstance(found.architecture, str) and isinstance(found.epoch, int)


class Configurations:
    """`experiment.json` of a search, which is resumed, and of a training, which is described."""

    name = "experiment.json"

    def __init__(self, folder: Path):
        """Run a search and write what a training leaves."""
        self._place = Workspace(folder)
        search, training = (self._place.original / name for name in ("search", "training"))
        searched(search)
        training.mkdir()
        (training / "experiment.json").write_text(json.dumps(TRAINING))
        (training / "result.json").write_text(json.dumps(dataclasses.asdict(RESULT)))
        stored = json.loads((search / "experiment.json").read_text())
        stored |= {"overrides": ["search.batch_size=4"], "location": {"data_dir": None}}
        self.inputs = st.one_of(
            st.tuples(st.just("search"), st.one_of(mutated_json(stored), TEXTS)),
            st.tuples(st.just("training"), st.one_of(mutated_json(TRAINING), TEXTS)),
        )

    def use(self, example: tuple[str, str]) -> None:
        """Do what a resumption begins with; a search is resumed."""
        kind, text = example
        workdir = self._place.copied() / kind
        (workdir / "experiment.json").write_bytes(_encoded(text))
        with unchanged_if_refused(workdir):
            if kind == "training":
                _, problems = read_runs(workdir.parent)
                assert all("\n" not in problem for problem in problems)
                stored = read_training(Workdir(workdir))
                assert isinstance(stored, dict)
                return
            request = completed(Request(workdir=str(workdir), resume=True))
            assert isinstance(request.words(), tuple)
            resumed(workdir)


TRAINING = {
    "kind": "training",
    "experiment": "quickstart_conv",
    "architecture": "3 3 - 8",
    "named": None,
    "seed": 0,
    "overrides": ["child.epochs=2"],
    "space": {"kind": "ConvolutionalSpace", "extra_filters": 0},
    "child": {"kind": "ImageTraining", "epochs": 2},
    "data": {"kind": "ImageDataConfig", "source": "digits"},
    "data_found": {"train": {"images": 200, "sha256": "0"}},
    "location": {"data_dir": None},
    "versions": {"python": "3.11"},
}
RESULT = FinalResult(
    experiment="quickstart_conv",
    architecture="3 3 - 8",
    named=None,
    metric="accuracy",
    epochs=2,
    num_parameters=100,
    multiply_adds=1000,
    status="finished",
    seconds_per_epoch=0.5,
    train_loss=(2.0, 1.5),
    validation=(0.5, 0.75),
    best_epoch=2,
    best_validation=0.75,
    test=0.7,
    test_looks=1,
    test_looked_at="2026-01-01T00:00:00+00:00",
)


class Results:
    """`result.json` of a training, which is printed and looked for by the tables."""

    name = "result.json"

    def __init__(self, folder: Path):
        """Write what a training leaves."""
        self._place = Workspace(folder)
        (self._place.original / "experiment.json").write_text(json.dumps(TRAINING))
        values = json.loads(json.dumps(dataclasses.asdict(RESULT)))
        self.inputs = st.one_of(mutated_json(values), mutated_json(values), TEXTS)

    def use(self, example: str) -> None:
        """Read it, print it, look for it."""
        workdir = self._place.copied()
        (workdir / "result.json").write_bytes(_encoded(example))
        with unchanged_if_refused(workdir):
            _, problems = read_runs(workdir)
            assert all("\n" not in problem for problem in problems)
            result = read_result(workdir)
            assert result is not None
            describe(result, workdir, has_test=True)


SUBJECTS = (
    Corpora,
    StoredBytes,
    StoredRows,
    CheckpointFiles,
    ModelDescriptions,
    ModelFiles,
    Configurations,
    Results,
)
