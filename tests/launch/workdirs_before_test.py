"""Runs that an earlier version began: each ends as one that this version has begun."""

import contextlib
import dataclasses
import importlib
import json
import shutil
from pathlib import Path

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.explorations import exploring
from nas_with_rl.launch.explorations.preparation import ExploreRequest
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.search import run as run_search
from nas_with_rl.launch.trainings import comparison, grid_run
from nas_with_rl.launch.trainings import training_run as training_run

BEFORE = Path(__file__).resolve().parents[1] / "harness" / "workdirs_before"
SMALL = ("controller.policy.num_units=5", "search.batch_size=4", "search.checkpoint_every=2")
TINY = ("data.num_train=100", "data.num_validation=50", "child.batch_size=25")
FUNCTION = "measured_before:evaluate"


@pytest.fixture(autouse=True)
def measured_before(monkeypatch):
    """The module of the function that evaluates, found as a user's own."""
    monkeypatch.syspath_prepend(BEFORE)
    return importlib.import_module("measured_before")


@pytest.fixture
def workdirs(tmp_path, monkeypatch):
    """A folder with copies, the current one."""
    folder = tmp_path / "runs"
    shutil.copytree(BEFORE, folder)
    monkeypatch.chdir(folder)
    return folder


def trials_of(workdir):
    with contextlib.closing(TrialStore(Path(workdir) / "trials.sqlite")) as store:
        return [
            dataclasses.replace(trial, started=None, ended=None, worker=None, log_prob=0.0)
            for trial in store.all()
        ]


def result_of(workdir):
    """Return what a training's result says, without what differs from machine to machine."""
    result = json.loads((Path(workdir) / "result.json").read_text())
    for name in ("seconds_per_epoch", "test_looked_at", "device"):
        del result[name]
    for name, value in result.items():
        if isinstance(value, float) or (isinstance(value, list) and value):
            result[name] = pytest.approx(value, rel=1e-3)
    return result


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("search", {}),
        pytest.param("search_of_own_function", {"evaluate": FUNCTION}, marks=pytest.mark.slow),
    ],
)
def test_a_search_goes_on(name, named, workdirs):
    told = json.loads((workdirs / name / "experiment.json").read_text())
    run_search(SearchRequest(workdir=name, resume=True, **named))
    median = () if named else ("child.statistic=median",)  # all that there was
    whole = SearchRequest(
        "nas_bench_201",
        workdir="whole",
        num_samples=20,
        seed=3,
        overrides=(*median, *SMALL),
        plan="here",
        **named,
    )
    run_search(whole)
    assert trials_of(name) == trials_of("whole")
    assert len(trials_of(name)) == 20
    tells = json.loads((workdirs / name / "experiment.json").read_text())
    told.pop("data_found")  # of one's own function, its file's digest
    if median:
        told["child"]["statistic"] = "median"
        told["overrides"] = [*median, *told["overrides"]]
    told["search"] |= {"num_children": 0, "on_repeats": "note"}  # which there were not
    asha = {"kind": "Asha", "reduction_factor": 3, "min_steps": 1, "brackets": 1}
    told["search"] |= {"early_stopping": "none", "asha": asha}
    told["controller"] |= {"advantage": "raw"}
    assert {key: tells[key] for key in told} == told


@pytest.mark.slow
def test_a_search_of_nas_search_goes_on(workdirs, measured_before):
    options = nas.SearchOptions(
        search=measured_before.SEARCH, controller=measured_before.CONTROLLER, progress=False
    )
    resumed = nas.SearchOptions(resume=True, progress=False)
    for workdir, each in (("search_in_python", resumed), ("whole", options)):
        nas.search(
            measured_before.SPACE,
            measured_before.evaluate,
            num_samples=20,
            seed=3,
            workdir=workdir,
            options=each,
        )
    assert trials_of("search_in_python") == trials_of("whole")
    assert len(trials_of("whole")) == 20


def test_a_training_goes_on(workdirs):
    assert training_run.run(training_run.TrainingRequest(workdir="training", resume=True)) == 0
    overrides = (*TINY, "child.epochs=3")
    text = "1 1 - 4 | 3 1 1 4"
    asked = training_run.TrainingRequest(
        "quickstart_conv", text, workdir="whole", seed=1, overrides=overrides
    )
    assert training_run.run(asked) == 0
    found = json.loads((workdirs / "training" / "result.json").read_text())
    assert {name: found[name] for name in result_of("whole")} == result_of("whole")
    assert (found["status"], found["test_looks"]) == ("finished", 1)


@pytest.mark.slow
def test_a_comparison_goes_on(workdirs):
    assert comparison.run(comparison.ComparisonRequest(workdir="comparison", resume=True)) == 0
    asked = comparison.ComparisonRequest(
        "quickstart_conv",
        ("1 1 - 4", "3 1 - 4"),
        workdir="whole",
        seed=1,
        overrides=(*TINY, "child.epochs=2"),
    )
    assert comparison.run(asked) == 0
    for name in ("architecture_1", "architecture_2"):
        found = json.loads((workdirs / "comparison" / name / "result.json").read_text())
        wanted = result_of(workdirs / "whole" / name)
        assert {each: found[each] for each in wanted} == wanted


@pytest.mark.slow
def test_a_grid_search_goes_on(workdirs):
    assert grid_run.run(grid_run.GridRequest(workdir="grid", resume=True)) == 0
    axis = "child.learning_rate=0.02,0.1"
    search = "finished_search_of_convnets"
    assert (
        grid_run.run(grid_run.GridRequest(workdir="whole", search=search, num_best=1, axes=(axis,)))
        == 0
    )
    for name in ("points/1", "points/2", "final"):
        found = json.loads((workdirs / "grid" / name / "result.json").read_text())
        wanted = result_of(workdirs / "whole" / name)
        assert {each: found[each] for each in wanted} == wanted


@pytest.mark.slow
def test_an_exploration_goes_on(workdirs):
    asked = ExploreRequest(
        task="counter",
        cells=("rnn",),
        workdir="exploration",
        overrides=("child.units=2", "child.epochs=2"),
        seed=1,
    )
    assert exploring.run(asked) == 0
    exploring.run(dataclasses.replace(asked, workdir="whole"))
    found = json.loads((workdirs / "exploration" / "rnn" / "result.json").read_text())
    wanted = result_of(workdirs / "whole" / "rnn")
    assert {each: found[each] for each in wanted} == wanted
