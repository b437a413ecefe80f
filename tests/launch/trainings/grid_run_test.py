"""Grid search: its axes, its points, and a real one that is killed and resumed."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nas_with_rl.launch import search as searching
from nas_with_rl.launch.experiments.catalogue import configure, find_experiment
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.trainings import grid_run
from nas_with_rl.launch.trainings.grid import (
    Axis,
    GridSearch,
    default_axes,
    grid_from_json,
    parse_axis,
)
from nas_with_rl.search_spaces.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
AXES = (parse_axis("child.learning_rate=0.02,0.1"), parse_axis("child.weight_decay=0,0.001"))
TINY = (
    "data.num_train=100",
    "data.num_validation=50",
    "child.batch_size=25",
    "child.epochs=2",
    "search.depth.initial=2",
    "search.depth.maximum=2",
)


def test_values_with_commas_are_separated_by_semicolons():
    assert parse_axis("child.epochs=1, 2") == Axis("child.epochs", ("1", "2"))
    axis = parse_axis("child.decay_epochs=0.5,0.75;0.6,0.8")
    assert axis.values == ("0.5,0.75", "0.6,0.8")
    assert parse_axis(str(axis)) == axis


def test_some_points_have_each_value_as_often_as_another():
    axes = tuple(map(parse_axis, (
        "child.learning_rate=0.01,0.02,0.05,0.1", "child.weight_decay=0,0.001", "child.epochs=2"
    )))  # fmt: skip
    for num_points, seed in ((4, 0), (8, 1), (100, 0), (0, 0)):
        grid = GridSearch("quickstart_conv", ("3 3 - 4",), axes, num_points=num_points, seed=seed)
        points = [assignments for _, _, assignments in grid.points()]
        assert len(points) == len(set(points)) == (num_points if 0 < num_points < 8 else 8)
        counts = [[each.count(axis.field) for each in map(str, points)] for axis in axes]
        assert all(set(each) == {1} for each in counts)
        rates = [point[0] for point in points]
        assert len({rates.count(rate) for rate in rates}) == 1
        assert grid_from_json(json.loads(json.dumps(grid.as_json()))) == grid
    first, second = (
        list(GridSearch("quickstart_conv", ("3 3 - 4",), axes, num_points=4, seed=seed).points())
        for seed in (0, 1)
    )
    assert first != second


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (["search.num_samples=1,2"], "child, data or"),
        (["child.epochs"], "expected FIELD=VALUE"),
        (["child.epochs="], "expected FIELD=VALUE"),
        (["child.epochs=1,1"], "twice"),
        (["child.epoch=1"], "no field 'epoch'"),
        (["child.epochs=1,two"], "not an integer"),
        (["child.learning_rate=0.1,-1"], "learning_rate is -1"),
        (["child.epochs=1", "child.epochs=2"], "two axes of child.epochs"),
    ],
)
def test_an_impossible_axis_is_refused_before_anything_is_trained(axes, message):
    with pytest.raises(InputError, match=message):
        GridSearch("quickstart_conv", ("3 3 - 4",), tuple(map(parse_axis, axes)))


def test_every_combination_is_a_point_of_every_architecture():
    grid = GridSearch(
        "quickstart_conv", ("3 3 - 4", "1 1 - 8"), AXES, final_overrides=("child.epochs=9",)
    )
    points = list(grid.points())
    assert [number for number, _, _ in points] == list(range(1, 9))
    assert len({(architecture, values) for _, architecture, values in points}) == 8
    assert points[0][1:] == ("3 3 - 4", ("child.learning_rate=0.02", "child.weight_decay=0"))
    trained = grid.training(*points[3][1:]).experiment.child
    assert (trained.learning_rate, trained.weight_decay, trained.epochs) == (0.1, 0.001, 3)
    assert grid.training(*points[3][1:], final=True).experiment.child.epochs == 9
    assert grid_from_json(json.loads(json.dumps(grid.as_json()))) == grid


def test_the_best_of_a_search_are_those_of_the_highest_means(tmp_path):
    place = Workdir(tmp_path / "search")
    place.start(
        {
            "experiment": "quickstart_conv",
            "seed": 0,
            "search": {},
            "overrides": [],
            "location": {"data_dir": None},
        }
    )
    with contextlib.closing(TrialStore(place.trials)) as store:
        measured = [("3 3 - 4", 1.0), ("1 1 - 8", 0.75), ("3 3 - 4", 0.25)]
        for number, (text, reward) in enumerate(measured):
            trial = Trial(number, text, 2, "running", -1.0, 0, None, seed=number)
            store.add([trial])
            store.finish(dataclasses.replace(trial, status="completed", reward=reward))
    request = grid_run.GridRequest(search=str(place.path), num_best=1)
    assert grid_run.new_grid(request).architectures == ("1 1 - 8",)


@pytest.mark.parametrize("name", ["cifar10", "ptb", "quickstart", "ptb_small"])
def test_the_default_axes_are_the_papers_and_possible(name):
    experiment = find_experiment(name)
    axes = default_axes(experiment)
    fields = [axis.field.removeprefix("child.") for axis in axes]
    if name == "cifar10":
        assert fields == ["learning_rate", "weight_decay", "batch_norm_epsilon", "decay_epochs"]
    else:  # those of a constant rate have no epoch of decay
        decay = ["decay_after"] if name == "ptb" else []
        assert fields == ["learning_rate", "init_scale", "dropout.output", *decay]
    GridSearch(name, ("x",), axes)
    for axis in axes:
        assert 1 <= len(axis.values) == len(set(axis.values)) <= 2


def test_a_table_has_nothing_to_tune():
    with pytest.raises(InputError, match="nothing to tune"):
        default_axes(configure("nas_bench_201", ()))


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """The workdir of a finished search of four digits ConvNets."""
    workdir = tmp_path_factory.mktemp("grid") / "search"
    searching.run(
        SearchRequest("quickstart_conv", workdir=str(workdir), num_samples=4, overrides=TINY)
    )
    return workdir


def _request(search, workdir):
    return grid_run.GridRequest(
        workdir=str(workdir), search=str(search), num_best=1, axes=tuple(map(str, AXES))
    )


def _results(workdir):
    """Every training's result without what differs from process to process."""
    paths = [*(workdir / "points" / str(n) for n in range(1, 5)), workdir / "final"]
    results = [json.loads((path / "result.json").read_text()) for path in paths]
    for result in results:
        del result["seconds_per_epoch"], result["test_looked_at"]
    return results


def test_a_killed_grid_search_ends_as_one_never_killed_with_one_look(search, tmp_path, capsys):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    module = [sys.executable, "-m", "nas_with_rl.launch.grid_search", f"--workdir={killed}"]
    flags = [f"--search={search}", "--num_best=1", *(f"--grid={axis}" for axis in AXES)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*module, *flags], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if line.startswith("point 3 of 4"):
                break
        else:
            pytest.fail("it ended before its third point")
        for line in process.stdout:  # inside that point, after its first epoch
            if line.startswith("epoch 1"):
                process.send_signal(signal.SIGKILL)
                break
    assert not (killed / "final").exists()
    with pytest.raises(InputError, match="--resume"):
        grid_run.run(_request(search, killed))

    grid_run.run(grid_run.GridRequest(workdir=str(killed), resume=True))
    printed = capsys.readouterr().out
    assert "test, looked at once: error" in printed
    grid_run.run(_request(search, whole))
    *points, final = _results(killed)
    assert [*points, final] == _results(whole)
    assert [result["test_looks"] for result in points] == [0] * 4
    assert [result["test"] for result in points] == [None] * 4
    assert final["test_looks"] == 1 and 0 <= final["test"] <= 1
    best = max(result["best_validation"] for result in points)
    assert final["best_validation"] == best  # the winner's settings, seed and data

    stored = (killed / "final" / "result.json").read_bytes()
    grid_run.run(grid_run.GridRequest(workdir=str(killed), resume=True))
    assert (killed / "final" / "result.json").read_bytes() == stored


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workdir": None}, "--workdir is missing"),
        ({"search": None}, "--search is missing"),
        ({"search": "/nowhere"}, "--search=/nowhere holds no search"),
        ({"overrides": ("child.epoch=1",)}, "no field 'epoch'"),
        ({"overrides": ("data.num_train=99999",)}, "99999"),
        ({"final_overrides": ("data.num_train=99999",)}, "99999"),
        ({"final_overrides": ("space.filters=1,2,3",)}, "unknown token"),
        ({"resume": True}, "holds no run"),
    ],
)
def test_what_cannot_be_searched_is_one_clear_line(search, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        request = _request(search, tmp_path / "grid")
        grid_run.run(dataclasses.replace(request, **changes))
    assert not (tmp_path / "grid" / "experiment.json").exists()
