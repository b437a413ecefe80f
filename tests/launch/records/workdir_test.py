"""Workdirs: any path is right or one clear line, and stays the same when the process moves."""

import json
import os

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.api import SearchOptions
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.records.workdir import Workdir, absolute_path, data_directory, read_object
from nas_with_rl.search_spaces.errors import InputError

SPACE = nas.SearchSpace([nas.Choice("units", (16, 32, 64))])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("~nosuchuser/x", "no such user"),
        ("runs/\0", "no path"),
        ("runs/\udcff", "no path"),
        (5, "no path"),
        (b"runs", "no path"),
        ("x" * 300, "File name too long"),
        ("/proc/nothing/here", "cannot be written"),
        ("/dev/null", "cannot be written"),
        ("/dev/null/below", "cannot be written"),
    ],
)
def test_a_path_that_cannot_be_is_one_clear_line(path, message):
    with pytest.raises(InputError, match=message) as caught:
        Workdir(path).start({"experiment": "own"})
    assert "\n" not in str(caught.value) and "\0" not in str(caught.value)
    with pytest.raises(InputError, match="--workdir"):
        Workdir(path).read()


@pytest.mark.parametrize("path", ["~nosuchuser/data", "data\0"])
def test_the_flag_that_gave_a_path_is_named(path):
    with pytest.raises(InputError, match=r"^--data_dir="):
        data_directory(path)
    with pytest.raises(InputError, match=r"^--runs="):
        absolute_path(path, "--runs")


def test_where_data_lies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert data_directory(None) is None
    assert data_directory("data") == str(tmp_path / "data")
    assert data_directory("~/data") == "/home/somebody/data"
    assert data_directory("gs://bucket/data") == "gs://bucket/data"


def test_an_evaluation_may_change_the_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()

    def evaluate(architecture):
        os.chdir(tmp_path / "elsewhere")
        return architecture["units"] / 64

    options = SearchOptions(search=SearchConfig(batch_size=2), progress=False)
    result = nas.search(SPACE, evaluate, num_samples=6, workdir="runs/a", options=options)
    assert len(result.trials) == 6 and not list((tmp_path / "elsewhere").iterdir())
    place = tmp_path / "runs" / "a"
    assert result.workdir == place and (place / "report.html").exists()
    assert list((place / "checkpoints").iterdir()) and list((place / "tensorboard").iterdir())


@pytest.mark.parametrize("content", ["[" * 100_000, "1" * 10_000, "{", "[]", "\ufeff{}", None])
def test_a_file_that_is_no_object_is_one_clear_line(tmp_path, content):
    path = tmp_path / "experiment.json"
    if content is None:
        os.mkfifo(path)
    else:
        path.write_text(content)
    with pytest.raises(InputError, match=r"experiment\.json cannot be read") as caught:
        read_object(path)
    assert len(str(caught.value)) < 300


WRONG = (None, [], {}, "x", 5, -1, 10**30, [None], {"a": 1})


@pytest.mark.parametrize("field", ["seed", "overrides", "location", "search", "experiment", "kind"])
def test_a_stored_value_of_another_type_is_named(tmp_path, field):
    right = {"seed": int, "overrides": list, "location": dict, "search": dict}.get(field, str)
    refused = []
    for value in WRONG:
        (tmp_path / "experiment.json").write_text(json.dumps({field: value}))
        try:
            assert isinstance(Workdir(tmp_path).read()[field], right)
        except InputError as error:
            assert f"experiment.json: {field} " in str(error)  # is, or has in it, another
            refused.append(value)
    assert len(refused) >= len(WRONG) - 2
