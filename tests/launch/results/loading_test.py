"""A search's result read from its workdir: of Python and of binaries, finished and under way."""

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import nas_with_rl as nas
from tests.harness.processes import wait_until

BEFORE = Path(__file__).resolve().parents[2] / "harness" / "workdirs_before"
SPACE = {"units": (16, 32, 64), "bias": (True, False)}
OPTIONS = nas.SearchOptions(
    search=nas.SearchConfig(searcher="random", duplicates="evaluate"),
    progress=False,
    metric="loss",
)


def evaluate(architecture, seed):
    if architecture["units"] == 16:
        raise nas.ChildFailure("diverged", "NaN")
    return architecture["units"], {"loss": 1 / architecture["units"]}


def files(folder):
    """Every file with its size and time of change: nothing may be written."""
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    return sorted((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in found)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("finished") / "run"
    return nas.search(SPACE, evaluate, num_samples=20, options=OPTIONS, workdir=workdir)


def test_a_finished_run_of_python_is_what_its_search_returned(finished):
    before = files(finished.workdir)
    loaded = nas.load(finished.workdir)
    assert loaded == finished and repr(loaded) == repr(finished)
    assert loaded.best.metric == "loss" and loaded.best.value == 1 / 64
    assert nas.load(str(finished.workdir), metric="reward").best.value == 64
    assert files(finished.workdir) == before
    assert nas.load(finished.workdir, space=SPACE).space == finished.space
    with pytest.raises(nas.InputError, match=r"another space; there / here: decisions"):
        nas.load(finished.workdir, space={"units": (16, 32)})
    with pytest.raises(nas.InputError, match=r"metric is 'accuracy', which no trial has: there is"):
        nas.load(finished.workdir, metric="accuracy")


@pytest.mark.parametrize(
    ("name", "metric", "best"),
    [
        ("search", "validation_accuracy", "edge_0_1: nor_conv_3x3"),
        ("search_in_python", None, "activation: relu"),
        ("search_of_own_function", None, "edge_0_1: nor_conv_1x1"),
        ("finished_search_of_convnets", "validation_accuracy", "layer  1: 3x5 convolution, 8"),
    ],
)
def test_runs_of_earlier_versions_are_opened_as_they_lie_there(tmp_path, name, metric, best):
    shutil.copytree(BEFORE / name, tmp_path / "run")
    before = files(tmp_path)
    loaded = nas.load(tmp_path / "run")
    assert loaded.metric == metric and best in repr(loaded)
    assert loaded.config.num_samples in (4, 20) and len(loaded.trials) in (4, 16)
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("workdir", "message"),
    [
        ("nothing", "there is no directory"),
        (".", "there is no run in it: no experiment.json"),
        (BEFORE / "training", "another kind, training, no search; nas.load_model opens its model"),
        (BEFORE / "comparison", "holds a run of another kind, comparison, no search"),
        (BEFORE / "grid", "holds a run of another kind, grid search, no search"),
        ("", "workdir is empty: name a directory"),
        (5, "workdir=5 is no path"),
        ("a\0b", "is no path"),
    ],
    ids=range(8),
)
def test_what_is_no_search_is_said_in_a_sentence(tmp_path, monkeypatch, workdir, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nas.InputError) as caught:
        nas.load(workdir)
    said = str(caught.value)
    assert message in said and "\n" not in said and "--" not in said
    assert not list(tmp_path.iterdir())


def test_a_damaged_run_names_its_file(finished, tmp_path):
    for change, message in (
        (lambda run: run.update(space={"kind": "Own"}), r"experiment\.json does not say which"),
        (lambda run: run["search"].update(batch_size=0), r"experiment\.json: .*batch_size is 0"),
        (lambda run: run["space"].update(decisions=["open('x')"]), r"experiment\.json: \"open"),
    ):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        shutil.copytree(finished.workdir, tmp_path / "run")
        file = tmp_path / "run" / "experiment.json"
        description = json.loads(file.read_text(encoding="utf-8"))
        change(description)
        file.write_text(json.dumps(description), encoding="utf-8")
        with pytest.raises(nas.InputError, match=message):
            nas.load(tmp_path / "run")
    shutil.copytree(finished.workdir, tmp_path / "begun")
    (tmp_path / "begun" / "trials.sqlite").unlink()
    assert nas.load(tmp_path / "begun").trials == ()


RUNNING = """
import sys, time
from pathlib import Path
import nas_with_rl as nas

folder = Path(sys.argv[1])
calls = []

def evaluate(architecture):
    calls.append(architecture)
    if len(calls) == 6:
        (folder / "waits").touch()
        while not (folder / "go").exists():
            time.sleep(0.02)
    return architecture["units"]

search = nas.SearchConfig(searcher="random", duplicates="evaluate", batch_size=4)
options = nas.SearchOptions(search=search, progress=False)
result = nas.search(
    {"units": (1, 2, 3)}, evaluate, num_samples=10, workdir=folder / "run", options=options
)
print(len(result.trials), result.best.reward)
"""


def test_a_running_search_is_looked_at_and_goes_on_undisturbed(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(RUNNING), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            wait_until((tmp_path / "waits").exists)
            before = files(tmp_path / "run")
            loaded = nas.load(tmp_path / "run")
            done = [trial.status for trial in loaded.trials]
            assert done == ["completed"] * 5 + ["running"] * 3
            assert "5 of 10 trials" in repr(loaded) and "3 without an outcome yet" in repr(loaded)
            assert files(tmp_path / "run") == before
        finally:
            (tmp_path / "go").touch()
        said, _ = process.communicate()
    assert process.returncode == 0 and said.split()[0] == "10"
    whole = nas.load(tmp_path / "run")
    assert len(whole.trials) == 10 and whole.trials[:4] == loaded.trials[:4]


class Wide:
    """A class, as an option."""


def make(architecture):
    return {Wide: 1.0, None: 0.5, abs: 0.25}[architecture["kind"]] + architecture.get("size", 0)


def test_options_of_any_kind_are_their_texts_unless_the_space_is_given(tmp_path):
    space = nas.SearchSpace(
        [
            nas.Choice("kind", {"wide": Wide, "none": None, "abs": abs}),
            nas.Choice("shape", ((3, 3), (5, 5))),
            nas.Choice("size", (0, -3), only_if={"kind": (Wide, abs), "shape": ((3, 3),)}),
        ]
    )
    where = {"workdir": tmp_path / "run"}
    options = nas.SearchOptions(search=nas.SearchConfig(searcher="random"), progress=False)
    result = nas.search(space, make, num_samples=30, options=options, **where)
    assert result.best.reward == 1.0 and result.best.architecture["kind"] is Wide
    loaded = nas.load(tmp_path / "run")
    assert str(loaded.best.architecture) == str(result.best.architecture)
    assert loaded.best.architecture["kind"] == "wide"
    assert loaded.best.architecture["shape"] == result.best.architecture["shape"]
    given = nas.load(tmp_path / "run", space=space)
    assert given.best.architecture["kind"] is Wide and given == result
    assert "kind: wide" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "kind: wide" in repr(result) and "kind: wide" in repr(loaded)
    again = nas.SearchOptions(search=options.search, progress=False, resume=True)
    assert len(nas.search(space, make, num_samples=35, options=again, **where).trials) == 35
