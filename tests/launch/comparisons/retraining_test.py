"""The best again with fresh seeds: values in closed form, kept and gone on with, shown, refused."""

import dataclasses
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.evaluators.kinds.kind import LocatedExperiment
from nas_with_rl.launch.evaluators.kinds.rows import trainer_of
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.explorations.cells import named_cell
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.results.retrained import best_of
from nas_with_rl.launch.search import run as run_search
from nas_with_rl.launch.trainings import training_run
from nas_with_rl.launch.trainings.training_run import TrainingRequest
from nas_with_rl.search_spaces.randomness import child_seed, fresh_seeds
from nas_with_rl.search_spaces.recurrent_cell import cell_of
from tests.harness.processes import wait_until

ROOT = Path(__file__).resolve().parents[3]
SPACE = {"units": (16, 32, 64, 128)}
OPTIONS = nas.SearchOptions(
    search=nas.SearchConfig(searcher="random", duplicates="evaluate"),
    progress=False,
    metric="loss",
)


def luck(units, seed):
    return random.Random(f"{units} {seed}").random()


def evaluate(architecture, seed):
    units = architecture["units"]
    return units / 128 + luck(units, seed), {"loss": 1 / units + luck(units, seed)}


def search(folder=None, **changes):
    given = {"num_samples": 30, "options": OPTIONS, "workdir": folder, **changes}
    return nas.search(SPACE, evaluate, **given)


def test_means_and_spreads_are_those_of_fresh_seeds_that_all_have_in_common():
    result = search()
    again = nas.retrain(result, 3, 4, evaluate=evaluate, progress=False)
    best = [found.architecture["units"] for found in result.top(3)]
    seeds = fresh_seeds(4, set())
    assert not set(seeds) & {trial.seed for trial in result.trials}
    assert [(int(trial.architecture), trial.seed) for trial in again.trials] == [
        (units, seed) for seed in seeds for units in best
    ]
    expected = {units: [units / 128 + luck(units, seed) for seed in seeds] for units in best}
    order = sorted(best, key=lambda units: -statistics.fmean(expected[units]))
    found = again.top()
    assert [each.architecture["units"] for each in found] == order
    for each in found:
        units = each.architecture["units"]
        assert each.reward == pytest.approx(statistics.fmean(expected[units]))
        assert each.spread == pytest.approx(statistics.stdev(expected[units]))
        losses = [1 / units + luck(units, seed) for seed in seeds]
        assert each.metric == "loss" and each.value == pytest.approx(statistics.fmean(losses))
        assert each.num_evaluations == 4
        searched = [t for t in result.trials if t.architecture == str(units)]
        assert each.trial == searched[0]
    assert again.best == found[0] and again.workdir is None and result.retrained is None
    tied = [units for units in order[1:] if max(expected[units]) >= min(expected[order[0]])]
    assert [each.architecture["units"] for each in again.tied()] == tied


def test_fresh_seeds_leave_out_those_that_are_used_and_are_none_of_a_search():
    first = fresh_seeds(5, set())
    assert len(set(first)) == 5 and fresh_seeds(3, set()) == first[:3]
    assert fresh_seeds(3, {first[1], 7}) == [first[0], first[2], first[3]]
    assert not set(first) & {child_seed(0, trial) for trial in range(2000)}


def test_what_was_trained_is_not_trained_again_and_the_result_has_all_of_it(tmp_path):
    result = search(tmp_path / "run")
    calls = []

    def counting(architecture, seed):
        calls.append((architecture["units"], seed))
        if len(calls) == 3:
            raise RuntimeError("the machine is on fire")
        return evaluate(architecture, seed)

    given = {"evaluate": counting, "progress": False}
    with pytest.raises(RuntimeError, match="on fire"):
        nas.retrain(result, 2, 2, **given)
    assert len(calls) == 3 and [t.status for t in result.retrained.trials] == [
        *("completed", "completed", "running", "running")
    ]
    assert "1, 1 not done" in repr(result.retrained)
    whole = nas.retrain(tmp_path / "run", 2, 2, **given)
    assert len(calls) == 5 and calls[2] == calls[3]
    assert [t.status for t in whole.trials] == ["completed"] * 4
    assert repr(nas.retrain(result, 2, 2, **given)) == repr(whole) and len(calls) == 5
    more = nas.retrain(result, 3, 3, **given)
    assert len(calls) == 10 and len(set(calls)) == 9
    loaded = nas.load(tmp_path / "run")
    everything = loaded.retrained
    assert sorted(map(str, everything.trials)) == sorted(map(str, more.trials))
    assert everything.best.reward == more.best.reward
    one = nas.retrain(loaded, 1, 1, **given)
    assert len(one.trials) == 1 and one.verdict() == "" and len(calls) == 10
    (again,) = (line for line in repr(loaded).splitlines() if line.startswith("again: "))
    assert more.best.describe() in again and "<b>Again</b>: " in loaded._repr_html_()
    copy = nas.retrain(search(), 3, 3, evaluate=evaluate, progress=False)
    assert copy.describe() == more.describe()  # in memory as in a workdir
    two = nas.retrain(loaded, 2, 3, **given)
    assert two.verdict() == (
        "the seeds do not tell the two apart"
        if two.tied()
        else "the first is above all others on every seed"
    )


def test_workers_train_the_same(tmp_path):
    result = search(tmp_path / "run")
    here = nas.retrain(search(), 2, 2, evaluate=evaluate, progress=False)
    again = nas.retrain(result, 2, 2, evaluate=evaluate, workers=2, progress=False)
    assert again.describe() == here.describe()
    assert all("/" in trial.worker for trial in again.trials)  # of a process each


def test_ctrl_c_returns_what_there_is(tmp_path, capsys):
    result = search(tmp_path / "run")
    calls = []

    def stopped(architecture, seed):
        calls.append(seed)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(architecture, seed)

    found = nas.retrain(result, 2, 2, evaluate=stopped)
    assert [trial.status for trial in found.trials].count("completed") == 2
    assert "stopped: 2 of 4 trainings are done; the same call goes on" in capsys.readouterr().err
    assert len(nas.retrain(result, 2, 2, evaluate=evaluate, progress=False).top()) == 2


KILLED = """
import sys, time
from pathlib import Path
import nas_with_rl as nas

calls = []

def evaluate(architecture, seed):
    calls.append(seed)
    if len(calls) == 4:
        Path(sys.argv[2]).touch()
        time.sleep(60)
    return architecture["units"] + seed / 2**31

nas.retrain(sys.argv[1], 3, 3, evaluate=evaluate, progress=False)
"""


def test_a_kill_loses_the_training_under_way_alone(tmp_path):
    result = search(tmp_path / "run")
    command = [sys.executable, "-c", KILLED, tmp_path / "run", tmp_path / "waits"]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        wait_until((tmp_path / "waits").exists)
        with pytest.raises(nas.InputError, match=r"^workdir=.* is in use by another process$"):
            nas.retrain(result, 3, 3, evaluate=evaluate)
        process.send_signal(signal.SIGKILL)
    assert [t.status for t in result.retrained.trials].count("completed") == 3
    calls = []

    def counting(architecture, seed):
        calls.append(seed)
        return architecture["units"] + seed / 2**31

    again = nas.retrain(result, 3, 3, evaluate=counting, progress=False)
    assert len(calls) == 6 and len(again.trials) == 9
    for trial in again.trials:
        assert trial.reward == int(trial.architecture) + trial.seed / 2**31


def test_failed_trainings_are_counted_and_never_the_best():
    def failing(architecture, seed):
        units = architecture["units"]
        if units == 128 or (units == 64 and seed == fresh_seeds(1, set())[0]):
            raise nas.ChildFailure("diverged", "NaN")
        return units + seed / 2**31

    def fine(architecture, seed):
        return architecture["units"]

    options = dataclasses.replace(OPTIONS, metric=None)
    result = nas.search(SPACE, fine, num_samples=30, options=options)
    again = nas.retrain(result, 4, 3, evaluate=failing, progress=False)
    assert again.best.architecture["units"] == 64 and again.best.num_evaluations == 2
    assert len(again.top()) == 3 and again.tied() == []
    lines = repr(again).splitlines()
    assert " ".join(lines[1].split()) == "trial reward seeds reward in the search architecture"
    assert "2, 1 failed" in lines[2] and lines[2].endswith("  64")
    assert "0, 3 failed" in lines[5] and lines[5].endswith("  128")
    assert lines[-1] == "the first is above all others on every seed"
    one = nas.retrain(result, 3, 1, evaluate=fine, progress=False)
    assert one.verdict() == "one seed each tells none apart" and len(one.tied()) == 2
    none = nas.retrain(result, 1, 2, evaluate=failing, progress=False)
    with pytest.raises(ValueError, match="none of 2 trainings was completed"):
        _ = none.best
    assert none.top() == [] and "0, 2 failed" in repr(none)
    assert "<td>0, 2 failed</td>" in none._repr_html_()


def test_the_table_has_a_row_for_each_training():
    pytest.importorskip("pandas")
    again = nas.retrain(search(), 2, 3, evaluate=evaluate, progress=False)
    table = again.table()
    assert len(table) == 6 and set(table["units"]) == {t.architecture["units"] for t in again.top()}
    assert list(table["seed"].unique()) == fresh_seeds(3, set())
    assert table.groupby("units")["loss"].mean()[again.best.architecture["units"]] == (
        pytest.approx(again.best.value)
    )


@pytest.fixture(scope="module")
def of_a_binary(tmp_path_factory):
    """A search of a binary's, over a table of which the seed draws a row."""
    folder = tmp_path_factory.mktemp("binary")
    rows = [
        f"{op},{units},{seed},{units / 10 + luck(op, seed)}"
        for op in "abc"
        for units in (1, 2, 4)
        for seed in range(20)
    ]
    (folder / "table.csv").write_text("\n".join(["op,units,seed,accuracy", *rows]))
    overrides = (
        f"space.path={folder / 'table.csv'}",
        *("space.value=accuracy", "search.searcher=random", "child.values=draw"),
    )
    workdir = str(folder / "run")
    request = SearchRequest("table", workdir=workdir, num_samples=24, overrides=overrides)
    assert run_search(request) == 0
    return folder / "run"


def test_an_experiments_children_are_trained_as_its_search_trains_them(of_a_binary, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(of_a_binary, run)
    again = nas.retrain(run, 2, 3, progress=False)
    assert again.unit.metric == "value"
    stored = json.loads((run / "experiment.json").read_text())
    experiment = configure(stored["experiment"], stored["overrides"])
    train = trainer_of(LocatedExperiment(experiment, None, 0))
    space = experiment.search_space()
    for trial in again.trials:
        expected = train(nas.parse_architecture(trial.architecture, space), trial.seed)
        assert trial.reward == expected.reward
        assert trial.metrics == dict(expected.metrics)
    assert len({trial.architecture for trial in again.trials}) == 2
    assert again.best.spread > 0


def test_what_trains_the_best_takes_it_from_a_searchs_workdir(of_a_binary, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(of_a_binary, run)
    place, result = Workdir(run), nas.load(run)
    best, measured = best_of(place)
    assert str(result.best.architecture) == best.trial.architecture
    assert measured == f"reward {result.best.reward:.4f}"
    said = f"the best of {run}: trial {best.trial.number}, {measured}\n"
    assert training_run.run(TrainingRequest(architecture=str(run))) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(said) and "reward: " in printed
    stored = tuple(json.loads((run / "experiment.json").read_text())["overrides"])
    named = TrainingRequest("table", architecture=str(run), overrides=stored)
    assert training_run.run(named) == 0
    assert capsys.readouterr().out.startswith(said)

    # By fresh seeds, once its best was trained again with them.
    def reversed_luck(architecture, seed):
        return float(str(architecture) == str(result.top(2)[1].architecture)) + seed / 2**33

    again = nas.retrain(result, 2, 2, evaluate=reversed_luck, progress=False)
    best, measured = best_of(place)
    assert best.trial == again.best.trial == result.top(2)[1].trial
    assert measured.endswith("(2 evaluations) with fresh seeds")
    assert training_run.run(TrainingRequest(architecture=str(run))) == 0
    assert f"trial {best.trial.number}, {measured}\n" in capsys.readouterr().out


def test_the_best_cell_of_a_workdir_is_that_of_the_fresh_seeds(tmp_path):
    space = nas.RecurrentCellSpace(base=2).search_space()
    result = nas.search(
        space,
        lambda architecture, seed: len(str(architecture)),
        num_samples=20,
        options=nas.SearchOptions(search=nas.SearchConfig(searcher="random"), progress=False),
        workdir=tmp_path / "run",
    )
    assert named_cell(str(tmp_path / "run")) == cell_of(result.best.architecture)
    second = result.top(2)[1]
    nas.retrain(
        result,
        2,
        1,
        evaluate=lambda architecture, seed: float(architecture == second.architecture),
        progress=False,
    )
    assert named_cell(str(tmp_path / "run")) == cell_of(second.architecture)


def test_no_workdir_of_a_search_is_said_in_the_flags_words(of_a_binary, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lstm").mkdir()  # a name is a name, whatever lies here
    (tmp_path / "empty").mkdir()
    search(tmp_path / "own")
    for request, said in (
        (TrainingRequest(architecture="empty"), "--architecture=empty is no workdir of a search"),
        (TrainingRequest(architecture="own"), "was begun in Python, with a function of one's own"),
        (TrainingRequest("quickstart_conv", architecture="lstm"), "lstm is a recurrent cell"),
    ):
        with pytest.raises(nas.InputError) as caught:
            training_run.run(request)
        assert said in str(caught.value) and "\n" not in str(caught.value)
    assert "no workdir" not in str(caught.value)


def test_bad_input_is_one_sentence_in_pythons_words(of_a_binary, tmp_path):
    result = search(tmp_path / "run")
    options = dataclasses.replace(OPTIONS, metric=None)
    empty = nas.search(SPACE, lambda a: float("nan"), num_samples=2, options=options)
    named = tmp_path / "named"
    shutil.copytree(of_a_binary, named)
    told = json.loads((named / "experiment.json").read_text())
    told["experiment"] = "my_module:EXPERIMENT"
    (named / "experiment.json").write_text(json.dumps(told))
    for given, said in (
        ({"k": 0}, "k is 0, below 1"),
        ({"k": 2.5}, "k is 2.5, not an integer"),
        ({"seeds": 0}, "seeds is 0, below 1"),
        ({"seeds": "3"}, "seeds is '3', not an integer"),
        ({"evaluate": 5}, "evaluate is 5, no function"),
        ({"workers": 0}, "workers is 0, below 1"),
        ({"workers": 2, "evaluate": None}, "workers is 2, which has no effect without evaluate"),
        ({"evaluate": None}, "evaluate is missing: workdir="),
        ({"result": search(), "evaluate": None}, "evaluate is missing, the function that evaluat"),
        ({"result": empty}, "result has no completed trial of 2: there is nothing to train"),
        ({"result": 7}, "result is 7, no SearchResult and no workdir of one"),
        ({"result": tmp_path / "none"}, "there is no directory"),
        ({"result": tmp_path}, "there is no run in it"),
        ({"result": named, "evaluate": None}, "names a module of one's own (--experiment=my_mod"),
    ):
        with pytest.raises(nas.InputError) as caught:
            nas.retrain(**{"result": result, "evaluate": evaluate, **given})
        assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "retrained.sqlite").exists()
