"""The commands that a report names are understood by their binaries."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from nas_with_rl.launch.records.ranking import Ranked
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.reports.sections.commands import next_commands
from nas_with_rl.launch.reports.subject import Subject
from nas_with_rl.launch.results.search_result import SearchResult
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from tests.launch.reports.columns_test import trial

LAUNCH = Path(importlib.import_module("nas_with_rl.launch").__file__).parent
SEARCH_FLAGS = (LAUNCH / "search_flags.py").read_text(encoding="utf-8")


def commands(space, place, state="finished", **description):
    from nas_with_rl.launch.experiments.search_config import SearchConfig

    best = trial(0, "1 1 - 24 it's", reward=1.0)
    found = SearchResult(space, (best,), place, config=SearchConfig(num_samples=10))
    whole = {"search": {"searcher": "dream"}, "overrides": [], "seed": 0, **description}
    subject = Subject(found, Workdir(place), state, "", whole)
    return next_commands(subject, [Ranked((best,), (1.0,))])


CASES = {
    "cells": (
        RecurrentCellSpace().search_space(),
        {
            "experiment": "quickstart",
            "child": {"kind": "LanguageModelTraining"},
            "overrides": ["child.units=8", "search.searcher=random", "num_compared=2"],
        },
    ),
    "convnets": (
        ConvolutionalSpace().search_space(2),
        {
            "experiment": "mine:EXPERIMENT",
            "child": {"kind": "ImageTraining"},
            "location": {"data_dir": "/d a"},
            "search": {"searcher": "mine:Searcher"},
        },
    ),
    "own function": (
        ConvolutionalSpace().search_space(2),
        {
            "experiment": "nas_bench_201",
            "evaluate": "mine:evaluate",
            "child": {"kind": "OwnEvaluation"},
        },
    ),
}


@pytest.mark.parametrize("state", ["finished", "stopped", "running"])
@pytest.mark.parametrize("name", CASES)
def test_every_flag_is_the_binarys(name, state, tmp_path):
    space, description = CASES[name]
    place = tmp_path / "a run"
    binaries = []
    for command in next_shell(commands(space, place, state, **description)):
        words = shlex.split(command)
        assert words[:2] == ["python", "-m"]
        binary = words[2].removeprefix("nas_with_rl.launch.")
        binaries.append(binary)
        source = (LAUNCH / f"{binary}.py").read_text(encoding="utf-8")
        source += SEARCH_FLAGS if "SearchFlags(" in source else ""
        for word in words[3:]:
            flag = re.fullmatch(r"--(\w+)(=.*)?", word, re.DOTALL)[1]
            assert re.search(rf'DEFINE_\w+\(\s*"{flag}"', source), (binary, flag)
        assert any(str(place) in word for word in words) or binary == "compare_searchers"
    assert {"search", "report", "audit"} <= set(binaries)
    assert ("train_architecture" in binaries) == (name != "own function")
    assert ("explore" in binaries) == (name == "cells")


def next_shell(found):
    return [each.text for each in found if each.text.startswith("python -m")]


def test_a_training_is_asked_for_as_the_children_had_it(tmp_path):
    space, description = CASES["cells"]
    (text,) = [
        each
        for each in next_shell(commands(space, tmp_path, **description))
        if "train_architecture" in each
    ]
    assert shlex.split(text)[3:] == [
        "--experiment=quickstart",
        "--override=child.units=8",
        "--architecture=1 1 - 24 it's",
        f"--workdir={tmp_path}-best",
    ]


def test_a_module_of_ones_own_is_named_where_it_is_needed(tmp_path):
    space, description = CASES["convnets"]
    texts = next_shell(commands(space, tmp_path, **description))
    resume = next(each for each in texts if "--resume" in each)
    assert "--experiment=mine:EXPERIMENT" in resume
    assert any("grid_search" in each and "--experiment=mine:EXPERIMENT" in each for each in texts)
    assert any("audit" in each and "--searcher=mine:Searcher" in each for each in texts)
