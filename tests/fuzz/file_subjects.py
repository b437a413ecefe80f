"""What comes as files: texts to learn from, saved models, and what describes a run."""

from __future__ import annotations

import dataclasses
import json
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from fuzzing import unchanged_if_refused
from hypothesis import strategies as st
from mutations import TEXTS, mutated_bytes, mutated_json, mutated_texts
from search_subjects import Workspace, encoded, resumed, searched

from nas_with_rl.child_models.convnets.builder import build_convnet
from nas_with_rl.child_models.data.text import TextDataConfig, load_corpus
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.language_models.size import LanguageModelSize
from nas_with_rl.child_models.saved_models import (
    MEMBER,
    SavedDescription,
    describe_model,
    load_model,
    save_model,
)
from nas_with_rl.launch.paper.our_results import read_runs
from nas_with_rl.launch.records.continuation import complete_search
from nas_with_rl.launch.records.resumption import SearchRequest, read_run
from nas_with_rl.launch.records.training_result import TRAINING, FinalResult, read_result
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.trainings.summary import describe_end
from nas_with_rl.search_spaces.convnet import ConvNet, ConvolutionalLayer


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
            mutated_bytes(self._VALID), mutated_texts(["a b\n", "ab" * 20]).map(encoded)
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
            "language_model": LanguageModel("gru", LanguageModelSize(3, 2)),
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
                st.tuples(st.just(name), mutated_json(json.loads(members[name])).map(encoded))
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
        (training / "experiment.json").write_text(json.dumps(STORED_TRAINING))
        (training / "result.json").write_text(json.dumps(dataclasses.asdict(RESULT)))
        stored = json.loads((search / "experiment.json").read_text())
        stored |= {"overrides": ["search.batch_size=4"], "location": {"data_dir": None}}
        self.inputs = st.one_of(
            st.tuples(st.just("search"), st.one_of(mutated_json(stored), TEXTS)),
            st.tuples(st.just("training"), st.one_of(mutated_json(STORED_TRAINING), TEXTS)),
        )

    def use(self, example: tuple[str, str]) -> None:
        """Do what a resumption begins with; a search is resumed."""
        kind, text = example
        workdir = self._place.copied() / kind
        (workdir / "experiment.json").write_bytes(encoded(text))
        with unchanged_if_refused(workdir):
            if kind == "training":
                _, problems = read_runs(workdir.parent)
                assert all("\n" not in problem for problem in problems)
                stored = read_run(Workdir(workdir), TRAINING)
                assert isinstance(stored, dict)
                return
            request = complete_search(SearchRequest(workdir=str(workdir), resume=True))
            assert isinstance(request.words(), tuple)
            resumed(workdir)


STORED_TRAINING = {
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
        (self._place.original / "experiment.json").write_text(json.dumps(STORED_TRAINING))
        values = json.loads(json.dumps(dataclasses.asdict(RESULT)))
        self.inputs = st.one_of(mutated_json(values), mutated_json(values), TEXTS)

    def use(self, example: str) -> None:
        """Read it, print it, look for it."""
        workdir = self._place.copied()
        (workdir / "result.json").write_bytes(encoded(example))
        with unchanged_if_refused(workdir):
            _, problems = read_runs(workdir)
            assert all("\n" not in problem for problem in problems)
            result = read_result(workdir)
            assert result is not None
            describe_end(result, workdir, has_test=True)


SUBJECTS = (Corpora, ModelDescriptions, ModelFiles, Configurations, Results)
