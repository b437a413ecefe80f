"""A workdir from someone else: what it names and the command line does not is not imported."""

import dataclasses
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nas_with_rl.launch import search as search_run
from nas_with_rl.launch.experiments.named_modules import check_named, naming_flags
from nas_with_rl.launch.host.ports import LocalPorts
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.trainings import comparison, grid_run
from nas_with_rl.launch.trainings import training_run as training_run
from nas_with_rl.search_spaces.errors import InputError

FOLDER = Path(__file__).parents[2] / "harness"
PAYLOAD = """
from pathlib import Path
import nas_with_rl as nas
Path(__file__).with_name("imported").touch()
E = nas.Experiment(name="e", space=nas.SearchSpace([nas.Choice("units", (8, 16))]),
                   child=nas.OwnEvaluation("payload:train"))
def train(architecture):
    return 1.0
"""
SEARCH = {
    "experiment": "nas_bench_201",
    "seed": 0,
    "search": {"kind": "SearchConfig", "num_samples": 8},
    "controller": {"kind": "ReinforceConfig"},
    "overrides": [],
    "evaluate": None,
    "space": {"kind": "NasBench201Space"},
    "child": {"kind": "OwnEvaluation", "function": "payload:train"},
    "location": {"data_dir": None, "plan": "here"},
}
TRAINING = {
    "kind": "training",
    "experiment": "quickstart_conv",
    "architecture": "8",
    "named": None,
    "seed": 0,
    "overrides": [],
    "location": {"data_dir": None},
}
COMPARISON = {**TRAINING, "kind": "comparison", "architectures": ["1 1 - 4", "3 3 - 4"]}
GRID = {
    "kind": "grid_search",
    "grid": {
        "experiment": "payload:E",
        "architectures": ["1 1 - 4"],
        "axes": [],
        "overrides": [],
        "final_overrides": [],
        "seed": 0,
        "data_dir": None,
    },
}
NAMED = {"experiment": "payload:E"}
SEARCHER = {"overrides": ["search.batch_size=4", "search.searcher=payload:Searcher"]}
FUNCTION = {"overrides": ["search.batch_size=4", "child.function=payload:train"]}


@pytest.fixture
def received(tmp_path, monkeypatch):
    """Where the module lies, and a workdir that can be written."""
    (tmp_path / "payload.py").write_text(PAYLOAD)
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "payload", raising=False)
    (tmp_path / "run").mkdir()
    TrialStore(tmp_path / "run" / "trials.sqlite").close()
    return tmp_path


def refused(received, description, run, request):
    """Check that a run is not continued and nothing of it imported; return what is to be added."""
    stored = received / "run" / "experiment.json"
    stored.write_text(json.dumps(description))
    with pytest.raises(InputError) as caught:
        run(request)
    assert not (received / "imported").exists() and "payload" not in sys.modules
    assert json.loads(stored.read_text()) == description
    message = str(caught.value)
    assert "\n" not in message and str(received / "run") in message
    return shlex.split(message.partition(", add ")[2])


@pytest.mark.parametrize(
    ("description", "given", "added"),
    [
        (SEARCH | NAMED, {}, ["--experiment=payload:E"]),
        (SEARCH | {"experiment": "no.such.payload:E"}, {}, ["--experiment=no.such.payload:E"]),
        (SEARCH | {"evaluate": "payload:train"}, {}, ["--evaluate=payload:train"]),
        (
            SEARCH | {"evaluate": "payload:train"},
            {"experiment": "nas_bench_201"},
            ["--evaluate=payload:train"],
        ),
        (
            SEARCH | NAMED | {"evaluate": "payload:train"},
            {},
            ["--experiment=payload:E", "--evaluate=payload:train"],
        ),
        (
            SEARCH | FUNCTION,
            {"experiment": "own_experiments:MINE"},
            [f"--override={each}" for each in FUNCTION["overrides"]],
        ),
        (SEARCH | SEARCHER, {}, [f"--override={each}" for each in SEARCHER["overrides"]]),
        (SEARCH | SEARCHER, {"overrides": ("search.batch_size=4",)}, 1),
        (SEARCH | {"overrides": [" child.function =payload:train"]}, {"evaluate": "math:sqrt"}, 1),
    ],
)
def test_a_search(received, description, given, added):
    request = SearchRequest(workdir=str(received / "run"), resume=True, **given)
    found = refused(received, description, search_run.run, request)
    assert found == added or len(found) == added


@pytest.mark.parametrize(
    ("description", "given", "added"),
    [
        (TRAINING | NAMED, {}, ["--experiment=payload:E"]),
        (TRAINING | FUNCTION, {"experiment": "own_experiments:MINE"}, 2),
    ],
)
def test_a_training(received, description, given, added):
    request = training_run.TrainingRequest(workdir=str(received / "run"), resume=True, **given)
    found = refused(received, description, training_run.run, request)
    assert found == added or len(found) == added


def test_a_comparison(received):
    request = comparison.ComparisonRequest(workdir=str(received / "run"), resume=True)
    found = refused(received, COMPARISON | NAMED, comparison.run, request)
    assert found == ["--experiment=payload:E"]


def test_a_grid_search(received):
    resumed = grid_run.GridRequest(workdir=str(received / "run"), resume=True)
    assert refused(received, GRID, grid_run.run, resumed) == ["--experiment=payload:E"]
    (received / "run" / "trials.sqlite").unlink()
    _completed_store(received / "run")
    new = grid_run.GridRequest(workdir=str(received / "grid"), search=str(received / "run"))
    assert refused(received, SEARCH | NAMED, grid_run.run, new) == ["--experiment=payload:E"]
    assert not (received / "grid").exists()


def _completed_store(workdir):
    store = TrialStore(workdir / "trials.sqlite")
    store.add([Trial(0, "1 1 - 4", 1, "completed", -1.0, 0, None, 0, reward=1.0)])
    store.close()


def test_the_binaries(received):
    (received / "run" / "experiment.json").write_text(json.dumps(SEARCH | NAMED))
    with LocalPorts(3) as ports:
        addresses = [f"127.0.0.1:{number}" for number in ports.numbers]
    cluster = dict(zip(("chief", "ps", "worker"), ([each] for each in addresses), strict=True))
    task = {"type": "chief", "index": 0}
    environment = {
        "PYTHONPATH": f"{FOLDER.parents[1]}:{received}",
        "TF_CONFIG": json.dumps({"cluster": cluster, "task": task}),
        "CUDA_VISIBLE_DEVICES": "",
        "PATH": "/usr/bin",
    }
    for module in ("search", "local_cluster", "cluster"):
        words = ["-m", f"nas_with_rl.launch.{module}", "--resume", f"--workdir={received / 'run'}"]
        done = subprocess.run(
            [sys.executable, *words],
            cwd=received,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 2, (module, done.stderr)
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
        assert done.stderr.rstrip().endswith("add --experiment=payload:E")
    assert not (received / "imported").exists()


TRUSTED = """
import dataclasses
from nas_with_rl.launch.experiments.catalogue import configure
SMALL = ["data.num_train=100", "data.num_validation=50", "child.batch_size=25", "child.epochs=1",
         "search.depth.initial=2", "search.depth.maximum=2", "search.num_samples=2"]
E = dataclasses.replace(configure("quickstart_conv", SMALL), name="trusted")
"""


def test_what_the_command_line_names_too_is_continued(received, capsys):
    """A search, a grid search over it and a training, of an experiment of one's own."""
    (received / "trusted.py").write_text(TRUSTED)
    named = {"experiment": "trusted:E"}
    search, grid, training = (str(received / name) for name in ("search", "grid", "training"))
    assert not search_run.run(SearchRequest(workdir=search, **named))
    asked = grid_run.GridRequest(workdir=grid, search=search, num_best=1, **named)
    asked = dataclasses.replace(asked, axes=("child.weight_decay=0",))
    assert grid_run.run(asked) == 0
    again = grid_run.GridRequest(workdir=grid, resume=True)
    with pytest.raises(InputError, match="add --experiment=trusted:E"):
        grid_run.run(again)
    with pytest.raises(InputError, match="experiment: 'trusted:E' / 'quickstart_conv'"):
        grid_run.run(dataclasses.replace(again, experiment="quickstart_conv"))
    assert grid_run.run(dataclasses.replace(again, **named)) == 0

    asked = training_run.TrainingRequest(
        workdir=training, architecture="3 3 - 8 | 5 1 1 8", **named
    )
    assert training_run.run(asked) == 0
    again = training_run.TrainingRequest(workdir=training, resume=True, test="never")
    with pytest.raises(InputError, match="--experiment=trusted: no such experiment"):
        training_run.run(again)
    with pytest.raises(InputError, match="'trusted' / 'quickstart_conv'"):
        training_run.run(dataclasses.replace(again, experiment="quickstart_conv"))
    capsys.readouterr()
    assert training_run.run(dataclasses.replace(again, **named)) == 0
    assert "error" in capsys.readouterr().out  # the result


def test_flags_that_name_nothing_are_not_asked_for():
    assert naming_flags("quickstart", overrides=("child.epochs=3", "data.source=a:b")) == ()
    assert naming_flags("quickstart", overrides=("search.searcher=evolution",)) == ()
    assert naming_flags(None) == ()
    check_named((), "anywhere")
