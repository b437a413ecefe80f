"""A table is a space and its evaluation: in Python, by the binary, resumed, with seeds and gaps."""

import contextlib
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

import nas_with_rl as nas
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.search import run as run_search

OPS, UNITS, SEEDS = ("conv", "pool", "skip"), (8, 16, 128), (1, 2, 3, 4)
RANDOM = "search.searcher=random"
# Of each architecture, its seeds' validation and test errors.
ERRORS = np.random.default_rng(0).uniform(0.1, 0.9, (len(OPS), len(UNITS), len(SEEDS), 2))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def rows(skipped=(), failed=()):
    for (i, op), (j, units), (k, seed) in itertools.product(*map(enumerate, (OPS, UNITS, SEEDS))):
        if (op, units) not in skipped and (op, units, seed) not in skipped:
            valid, test = ERRORS[i, j, k]
            yield op, units, seed, "" if (op, units, seed) in failed else valid, test, 10 * seed


def write(name="bench.csv", **left_out):
    lines = (",".join(map(str, row)) for row in rows(**left_out))
    with open(name, "w") as file:
        file.write("\n".join(("op,units,seed,error,test_error,cost", *lines)))
    return name


def settings(name="bench.csv", **changes):
    return nas.TabularSpace(name, value="error", test="test_error", direction="minimize", **changes)


def place(op, units):
    return OPS.index(op), UNITS.index(units)


def searched(space, evaluate, **changes):
    search = nas.SearchConfig(searcher="random", **changes)
    options = nas.SearchOptions(search=search, progress=False)
    return nas.search(space, evaluate, num_samples=60, seed=0, options=options)


def test_values_are_the_means_of_the_seeds():
    write()
    table = nas.table(settings())
    for op, units in itertools.product(OPS, UNITS):
        means = ERRORS[place(op, units)].mean(axis=0)
        assert table.value({"op": op, "units": units}) == pytest.approx(means[0], abs=1e-12)
        measured = table.evaluate(nas.parse_architecture(f"{op} {units}", table.space))
        assert measured.reward == pytest.approx(-means[0], abs=1e-12)
        assert measured.metrics["test"] == pytest.approx(means[1], abs=1e-12)
        assert measured.metrics["cost"] == 25
    i, j = np.unravel_index(ERRORS[..., 0].mean(axis=2).argmin(), (3, 3))
    assert str(table.best.architecture) == f"{OPS[i]} {UNITS[j]}"
    assert table.best.value == pytest.approx(ERRORS[i, j, :, 0].mean(), abs=1e-12)
    assert table.best.metrics["test"] == pytest.approx(ERRORS[i, j, :, 1].mean(), abs=1e-12)
    medians = nas.table(settings(), values="median")
    assert medians.value({"op": OPS[0], "units": UNITS[0]}) == pytest.approx(
        np.median(ERRORS[0, 0, :, 0]), abs=1e-12
    )


def test_a_search_finds_the_best_by_what_is_validated():
    write()
    table = nas.table(settings())
    found = searched(table.space, table.evaluate)
    assert found.best.architecture == table.best.architecture
    assert found.best.reward == -table.best.value
    tests = {trial.architecture: trial.metrics["test"] for trial in found.trials}
    assert min(tests, key=tests.get) != str(found.best.architecture)


def test_a_row_is_drawn_by_the_trials_seed():
    write()
    table = nas.table(settings(), values="draw")
    architecture = nas.parse_architecture("pool 16", table.space)
    drawn = [table.evaluate(architecture, seed) for seed in range(400)]
    assert drawn == [table.evaluate(architecture, seed) for seed in range(400)]
    pairs = [(each.metrics["value"], each.metrics["test"]) for each in drawn]
    wanted = [tuple(pair) for pair in ERRORS[place("pool", 16)]]
    assert set(pairs) == set(wanted)  # of one row each
    counts = [pairs.count(pair) for pair in wanted]
    assert sum((count - 100) ** 2 / 100 for count in counts) < 16.3  # chi-square, 0.1 %
    assert table.value(architecture) == pytest.approx(ERRORS[place("pool", 16)].mean(axis=0)[0])
    found = searched(table.space, table.evaluate, duplicates="evaluate")
    noisy = {(trial.architecture, trial.reward) for trial in found.trials}
    assert len(noisy) > len({trial.architecture for trial in found.trials})


def test_rows_without_a_value_are_failed_children():
    failed = [("conv", 8, seed) for seed in SEEDS] + [("pool", 8, 2), ("pool", 8, 3)]
    write(failed=failed)
    table = nas.table(settings())
    with pytest.raises(nas.ChildFailure, match="op=conv, units=8 has no value") as caught:
        table.evaluate({"op": "conv", "units": 8})
    assert caught.value.reason == "infeasible"
    kept = ERRORS[place("pool", 8)][[0, 3]].mean(axis=0)
    measured = table.evaluate({"op": "pool", "units": 8}).metrics
    assert [measured["value"], measured["test"]] == pytest.approx(list(kept), abs=1e-12)
    found = searched(table.space, table.evaluate)
    assert {t.failure for t in found.trials if t.architecture == "conv 8"} == {"infeasible"}
    drawn = nas.table(settings(), values="draw")
    reasons = set()
    for seed in range(30):
        with contextlib.suppress(nas.ChildFailure):
            assert drawn.evaluate({"op": "pool", "units": 8}, seed).metrics["value"] > 0
            continue
        with pytest.raises(nas.ChildFailure) as caught:
            drawn.evaluate({"op": "pool", "units": 8}, seed)
        reasons.add(caught.value.reason)
    assert reasons == {"diverged"}  # with another seed it does not


def test_missing_rows_are_refused_or_fail():
    write(skipped=[("pool", 16), ("skip", 8), ("skip", 16, 2)])
    message = "no row of op=pool, units=16; 2 of the 9 architectures are missing"
    with pytest.raises(nas.InputError, match=message):
        nas.table(settings())
    table = nas.table(settings(), missing="fail")
    assert table.space.size == 9 and table.data["architectures"] == 7
    with pytest.raises(nas.ChildFailure, match="op=skip, units=8 has no row") as caught:
        table.value({"op": "skip", "units": 8})
    assert caught.value.reason == "infeasible"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"op": "conv"}, "units is None, not one of 8, 16, 128"),
        ({"op": "conv", "units": "8"}, "units is '8', not one of 8, 16, 128"),
        ({"op": "conv", "units": 8, "lr": 1}, "the table has no decision 'lr'"),
        ("conv 8", "architecture is 'conv 8', no Architecture and no {name: option}"),
    ],
)
def test_what_is_no_architecture_is_refused(options, message):
    write()
    with pytest.raises(nas.InputError, match=re.escape(message)):
        nas.table(settings()).value(options)


def test_an_architecture_of_an_equal_space_is_taken_of_another_not():
    table = nas.table(settings(write()))
    equal = nas.SearchSpace({"op": OPS, "units": UNITS})
    found = nas.parse_architecture("pool 8", equal)
    assert table.value(found) == table.value({"op": "pool", "units": 8})
    other = nas.SearchSpace({"op": OPS, "units": UNITS[::-1]})
    with pytest.raises(nas.InputError, match="'pool 8' is of another space than table"):
        table.value(nas.parse_architecture("pool 8", other))


def test_decisions_that_do_not_exist_need_no_option():
    with open("bench.csv", "w") as file:
        file.write("op,size,accuracy\npool,,1\nconv,3,2\nconv,5,3")
    table = nas.table("bench.csv")
    assert table.value({"op": "pool"}) == table.value({"op": "pool", "size": None}) == 1
    assert table.value({"op": "conv", "size": 5}) == 3
    with pytest.raises(nas.InputError, match="size is 3, not one of None here"):
        table.value({"op": "pool", "size": 3})
    assert str(table.best.architecture) == "conv 5" and table.best.value == 3


def test_settings_that_contradict_are_refused():
    write()
    for changes in ({"value": "error"}, {"direction": "minimize"}):
        with pytest.raises(nas.InputError, match="are the TabularSpace's own"):
            nas.table(settings(), **changes)
    with pytest.raises(nas.InputError, match="values is 'best', not one of mean, median, draw"):
        nas.table("bench.csv", values="best")


def asked(**changes):
    overrides = [f"space.path={changes.pop('path', 'bench.csv')}", RANDOM, "search.batch_size=4"]
    overrides += ["space.value=error", "space.test=test_error", "space.direction=minimize"]
    return SearchRequest(
        **{"experiment": "table", "workdir": "run", "num_samples": 16, "overrides": overrides}
        | changes
    )


def trials_of(workdir):
    with contextlib.closing(TrialStore(Path(workdir) / "trials.sqlite")) as store:
        return [(t.architecture, t.seed, t.status, t.reward, t.metrics) for t in store.all()]


def test_the_binary_searches_a_table_and_goes_on(capsys):
    write()
    assert run_search(asked(num_samples=8)) == 0
    said = capsys.readouterr().out
    assert "36 rows, 9 architectures of 2 decisions; value: 'error', as it is named" in said
    resumed = SearchRequest(workdir="run", resume=True, num_samples=16)
    assert run_search(resumed) == 0
    assert run_search(asked(workdir="whole")) == 0
    assert trials_of("run") == trials_of("whole")
    table = nas.table(settings())
    for architecture, _, _, reward, metrics in trials_of("run"):
        measured = table.evaluate(nas.parse_architecture(architecture, table.space))
        assert (measured.reward, measured.metrics) == (reward, metrics)
    stored = json.loads(Path("run/experiment.json").read_text())
    assert stored["data_found"] == table.data


def refused(message, **changes):
    with pytest.raises(nas.InputError, match=re.escape(message)) as caught:
        run_search(asked(**changes))
    assert "\n" not in str(caught.value)


def test_a_run_goes_on_with_the_same_cells_alone():
    write()
    run_search(asked(num_samples=4))
    write("moved.csv")
    moved = {"path": "moved.csv", "resume": True}
    run_search(asked(**moved, num_samples=8))
    assert len(trials_of("run")) == 8
    write("moved.csv", failed=[("skip", 128, 4)])
    refused(
        "holds another run, it cannot be resumed as this one; there / here: data_found", **moved
    )
    write("moved.csv", skipped=[(op, 128) for op in OPS])
    refused(
        "there / here: space.decisions[1]: \"Choice(name='units', options=(8, 16, 128)", **moved
    )
    own = {"evaluate": "units_of_table:plain", "workdir": "own"}
    with open("units_of_table.py", "w") as file:
        file.write("def plain(architecture):\n    return architecture['units'] / 128\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(".")
        run_search(asked(**own, plan="here", num_samples=4))
        refused("space.decisions[1]", **own, plan="here", **moved)  # whose values do not count


def test_what_is_wrong_is_said_before_a_workdir_is_made(tmp_path):
    refused("table nowhere.csv: No such file", path="nowhere.csv")
    write(skipped=[("pool", 8)])
    refused("no row of op=pool, units=8; 1 of the 9 architectures are missing")
    refused("no table is named: --table=FILE", overrides=(RANDOM,))
    with open("bench.csv", "a") as file:
        file.write("\npool,8,1,high,0,0")
    refused("line 34, column 'error': 'high' is no number")
    assert not (tmp_path / "run").exists()


def test_a_table_is_an_experiment_of_ones_own():
    write()
    experiment = nas.Experiment(
        name="mine", space=settings(), child=nas.TabularLookup(values="draw")
    )
    assert experiment.search_space().size == 9
    with pytest.raises(nas.InputError, match="TabularLookup is for TabularSpace"):
        nas.Experiment(name="mine", space=nas.SearchSpace({"op": OPS}), child=nas.TabularLookup())
    assert configure("table", ["space.path=bench.csv", "space.value=error"]).search.num_samples
