"""The Python API: an own space, an own evaluation."""

import importlib
import importlib.metadata
import itertools
import sqlite3

import numpy as np
import pytest

import nas_with_rl as nas
from nas_with_rl.controller import reinforce
from nas_with_rl.controller.dreaming import dream
from nas_with_rl.launch.records.trial_store import TrialStore

FAST = nas.ReinforceConfig(0.02, policy=nas.PolicyConfig(num_layers=1, jit_compile=False))
SPACE = nas.SearchSpace([nas.Choice("activation", ("relu", "tanh")), nas.Choice("units", (8, 64))])


def options(**changes):
    return nas.SearchOptions(**{"controller": FAST, "progress": False, **changes})


def score(architecture):
    return (architecture["activation"] == "tanh") + architecture["units"] / 64


def test_the_best_of_an_own_space_is_found_and_searched_for(tmp_path):
    result = nas.search(SPACE, score, num_samples=160, workdir=tmp_path / "run", options=options())
    assert result.best.reward == 2.0
    assert result.best.architecture["activation"] == "tanh"
    assert result.best.architecture["units"] == 64
    assert len(result.trials) == 160
    rewards = [trial.reward for trial in result.trials]
    assert sum(rewards[-40:]) > sum(rewards[:40])
    assert sqlite3.connect(tmp_path / "run" / "trials.sqlite").execute(
        "SELECT COUNT(*) FROM trials WHERE status = 'completed'"
    ).fetchone() == (160,)


def test_evaluate_takes_a_seed_and_returns_measurements():
    seeds = []

    def evaluate(architecture, seed):
        seeds.append(seed)
        return score(architecture), {"size": architecture["units"]}

    settings = options(search=nas.SearchConfig(searcher="random", duplicates="evaluate"))
    first = nas.search(SPACE, evaluate, num_samples=10, options=settings)
    assert len(set(seeds)) == 10
    assert all(trial.metrics["size"] in (8, 64) for trial in first.trials)
    nas.search(SPACE, evaluate, num_samples=10, options=settings)
    assert seeds[:10] == seeds[10:]
    nas.search(SPACE, evaluate, num_samples=10, seed=1, options=settings)
    assert seeds[:10] != seeds[20:]


def test_a_search_with_no_completed_trial_has_no_best():
    def evaluate(architecture):
        raise nas.ChildFailure("crashed", "always")

    result = nas.search(
        SPACE, evaluate, num_samples=4, options=options(search=nas.SearchConfig(searcher="random"))
    )
    assert {trial.failure for trial in result.trials} == {"crashed"}
    with pytest.raises(ValueError, match=r"none of 4 trials .*: crashed, always"):
        _ = result.best


def test_ctrl_c_ends_early_and_resume_continues(tmp_path):
    calls = []

    def evaluate(architecture):
        calls.append(architecture)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return score(architecture)

    evaluate_all = options(search=nas.SearchConfig(searcher="random", duplicates="evaluate"))
    where = {"num_samples": 12, "workdir": tmp_path / "run"}
    result = nas.search(SPACE, evaluate, options=evaluate_all, **where)
    assert result.interrupted and result.best.reward > 0
    again = options(search=evaluate_all.search, resume=True)
    result = nas.search(SPACE, evaluate, options=again, **where)
    assert not result.interrupted and len(calls) == 13
    other = nas.SearchSpace([nas.Choice("activation", ("relu", "elu"))])
    with pytest.raises(nas.InputError, match="another run"):
        nas.search(other, evaluate, options=again, **where)
    for seed in (-1, 1.5, 2**63):
        with pytest.raises(nas.InputError, match="seed is"):
            nas.search(SPACE, evaluate, seed=seed)
    with pytest.raises(nas.InputError, match="needs a workdir"):
        nas.search(SPACE, evaluate, options=again)


def test_one_call_begins_a_search_and_goes_on_with_it(tmp_path):
    (tmp_path / "run").mkdir()  # empty, as of a kill before anything was written
    calls = []

    def evaluate(architecture):
        calls.append(architecture)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return score(architecture)

    config = nas.SearchConfig(searcher="random", duplicates="evaluate")
    automatic = options(search=config, resume="auto")
    where = {"num_samples": 12, "workdir": tmp_path / "run", "options": automatic}
    assert nas.search(SPACE, evaluate, **where).interrupted
    result = nas.search(SPACE, evaluate, **where)
    assert not result.interrupted and len(result.trials) == 12 and len(calls) == 13
    assert len(nas.search(SPACE, evaluate, **where).trials) == 12 and len(calls) == 13
    assert len(nas.search(SPACE, score, num_samples=3, options=automatic).trials) == 3
    with pytest.raises(nas.InputError, match="resume is 'always'"):
        options(resume="always")


@pytest.mark.parametrize(
    "name",
    [
        "lr=[0.1]",
        pytest.param("run*", marks=pytest.mark.slow),
        pytest.param("back\\slash", marks=pytest.mark.slow),
    ],
)
def test_a_workdir_whose_name_looks_like_a_pattern_is_resumed(tmp_path, name):
    where = {"num_samples": 8, "workdir": tmp_path / name}
    (tmp_path / "runs" / "checkpoints").mkdir(parents=True)  # which "run*" would mean too
    nas.search(SPACE, score, options=options(), **where)
    result = nas.search(SPACE, score, options=options(resume=True), **where | {"num_samples": 16})
    assert len(result.trials) == 16
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / name, tmp_path / "runs"])


def test_a_stored_setting_that_cannot_be_used_names_the_file(tmp_path):
    random = options(search=nas.SearchConfig(searcher="random"))
    nas.search(SPACE, score, num_samples=8, workdir=tmp_path / "run", options=random)
    file = tmp_path / "run" / "experiment.json"
    file.write_text(file.read_text().replace('"batch_size": 8', '"batch_size": 0'))
    with pytest.raises(nas.InputError, match=r"experiment\.json: search\.batch_size is 0"):
        nas.search(SPACE, score, workdir=tmp_path / "run", options=options(resume=True))


@pytest.mark.parametrize(
    ("searcher", "owner", "moment"),
    [
        ("reinforce", reinforce, "moving_average"),  # the weights have moved, the version has not
        ("dream", dream, "encode_architectures"),  # the rewards are known, the weights as before
        pytest.param("reinforce", TrialStore, "mark_learned", marks=pytest.mark.slow),
        pytest.param("dream", TrialStore, "mark_learned", marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_within_an_update_changes_nothing(tmp_path, monkeypatch, searcher, owner, moment):
    """Whatever is interrupted: the same trials as a search never interrupted."""
    calls = []

    def interrupting(function):
        def wrapped(*args):
            calls.append(args)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return function(*args)

        return wrapped

    begun = options(search=nas.SearchConfig(searcher=searcher))
    where = {"num_samples": 40, "workdir": tmp_path / "run"}
    with monkeypatch.context() as patched:
        function = interrupting(getattr(owner, moment))
        patched.setattr(owner, moment, lambda *args: function(*args))
        assert nas.search(SPACE, score, options=begun, **where).interrupted
    resumed = nas.search(SPACE, score, options=options(resume=True), **where)
    whole = nas.search(SPACE, score, num_samples=40, options=begun)
    first, second = (
        [(t.architecture, t.log_prob, t.reward, t.updated_version) for t in result.trials]
        for result in (resumed, whole)
    )
    assert first == second


def test_settings_leave_an_own_space_its_depth():
    space = nas.SearchSpace(layer_decisions=[nas.Choice("size", (1, 2))], depth=3)
    settings = options(search=nas.SearchConfig(batch_size=4, searcher="random"))
    result = nas.search(space, lambda a: sum(a["size"]), num_samples=4, options=settings)
    assert {trial.depth for trial in result.trials} == {3}
    assert result.architecture(result.trials[0]).space.depth == 3


def test_layers_that_should_differ_are_told_apart():
    space = nas.SearchSpace(layer_decisions=[nas.Choice("size", (16, 32, 64))], depth=3)
    wanted = (16, 64, 32)

    def evaluate(architecture):
        return sum(a == b for a, b in zip(architecture["size"], wanted, strict=True)) / 3

    result = nas.search(space, evaluate, num_samples=320, options=options())
    last = [trial.reward for trial in result.trials[-40:]]
    assert sum(last) / 40 > 0.9


def test_layers_and_skips_of_an_own_space():
    space = nas.SearchSpace(layer_decisions=[nas.Choice("size", (1, 2)), nas.Skips()], depth=3)
    result = nas.search(
        space, lambda a: sum(a["size"]) + len(a["inputs"][2]), num_samples=40, options=options()
    )
    assert result.best.reward <= 8
    text = str(result.best.architecture)
    assert nas.parse_architecture(text, space) == result.best.architecture


def bounded(architecture):
    return architecture["units"] / 64


UNITS = {"units": (16, 32, 64)}
RANDOM = nas.SearchConfig(searcher="random")


@pytest.mark.parametrize(
    "name", ["convolutional", "recurrent_cell_base_mine", "convolutional_blocks_of_two", "a b", ""]
)
def test_a_space_may_have_any_name(tmp_path, name):
    space = nas.SearchSpace(UNITS, name=name)
    settings = options(search=RANDOM)
    where = {"workdir": tmp_path / "run", "seed": 1}
    result = nas.search(space, bounded, num_samples=8, options=settings, **where)
    assert "units: " in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    again = options(search=RANDOM, resume=True)
    assert len(nas.search(space, bounded, num_samples=9, options=again, **where).trials) == 9
    assert result.best.reward == 1


def test_arguments_that_mean_the_same_give_the_same_search(tmp_path):
    settings = options(search=nas.SearchConfig(num_samples=16, searcher="random"))
    space = nas.SearchSpace([nas.Choice("units", [16, 32, 64])])
    whole = nas.search(space, bounded, num_samples=16, seed=3, options=settings)
    alike = [
        nas.search(space, bounded, num_samples=np.int64(16), seed=np.int64(3), options=settings),
        nas.search({"units": [16, 32, 64]}, bounded, seed=3, options=settings),
        nas.search(space, bounded, seed=3, options=settings, workdir=str(tmp_path / "run")),
    ]
    for result in alike:
        assert [t.architecture for t in result.trials] == [t.architecture for t in whole.trials]


class NoFunction:
    pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": [nas.Choice("units", (1,))]}, "space is [Choice("),
        ({"space": None}, "space is None"),
        ({"space": {"units": {16, 32}}}, "options of 'units' are a set"),
        ({"space": {"units": 16}}, "options of 'units' are 16, no tuple"),
        ({"space": {}}, "has no decisions"),
        ({"evaluate": 0.5}, "evaluate is 0.5, no function"),
        ({"evaluate": NoFunction()}, "no function"),
        ({"evaluate": lambda: 1.0}, "evaluate is called"),
        ({"evaluate": lambda a, b, c: 1.0}, "and takes (a, b, c)"),
        ({"evaluate": lambda a, *, key: 1.0}, "and takes (a, *, key)"),
        ({"evaluate": max}, "parameters Python"),
        ({"num_samples": 0}, "num_samples is 0, below 1"),
        ({"num_samples": 10.0}, "num_samples is 10.0, not an integer"),
        ({"num_samples": True}, "num_samples is True, not an integer"),
        ({"num_samples": 10**12}, "num_samples is 1000000000000, above 1,000,000,000"),
        ({"seed": "3"}, "seed is '3', not an integer"),
        ({"seed": False}, "seed is False, not an integer"),
        ({"workdir": 5}, "workdir is 5, not a text or None"),
        ({"workdir": ""}, "workdir is empty: name a directory"),
        ({"options": RANDOM}, "not a SearchOptions"),
        ({"options": None}, "options is None, not a SearchOptions"),
        ({"options": options(search=nas.SearchConfig(child_seconds=60))}, "child_seconds is 60.0"),
        ({"options": options(search=nas.SearchConfig(child_memory_gib=2))}, "child_memory_gib"),
        ({"options": options(search=nas.SearchConfig(num_replicas=4))}, "num_replicas is 4, which"),
        ({"options": options(search=nas.SearchConfig(depth=nas.DepthSchedule()))}, "search.depth"),
    ],
    ids=itertools.count(),
)
def test_a_wrong_argument_is_one_short_line_before_anything_runs(tmp_path, arguments, message):
    calls = []
    given = {"space": UNITS, "evaluate": calls.append, "workdir": tmp_path / "run", **arguments}
    with pytest.raises(nas.InputError) as error:
        nas.search(given.pop("space"), given.pop("evaluate"), **given)
    said = str(error.value)
    assert message in said and "\n" not in said and "--" not in said and len(said) < 250
    assert not calls and not list(tmp_path.iterdir())


def test_a_metric_of_ones_own_is_what_the_result_speaks_of_also_when_resumed(tmp_path):
    def evaluate(architecture):
        return bounded(architecture), {"accuracy": bounded(architecture) / 2, "other": 1}

    where = {"workdir": tmp_path / "run"}
    settings = options(search=RANDOM, metric="accuracy")
    result = nas.search(UNITS, evaluate, num_samples=8, options=settings, **where)
    assert result.best.value == 0.5 and result.best.metric == "accuracy"
    again = options(search=RANDOM, resume=True)
    assert nas.search(UNITS, evaluate, num_samples=9, options=again, **where).best.value == 0.5
    calls = []

    def without(architecture):
        calls.append(architecture)
        return 1.0, {"loss": 2}

    with pytest.raises(nas.InputError, match="metric is 'accuracy', which evaluate") as e:
        nas.search(UNITS, without, num_samples=8, options=settings)
    assert "there is loss; return (reward, {'accuracy': value})" in str(e.value)
    assert len(calls) == 1


def test_the_version_is_the_installed_ones():
    assert nas.__version__ == importlib.metadata.version("nas_with_rl")
    assert "__version__" in dir(nas) and "__version__" in nas.__all__


def test_a_space_too_large_to_count_in_digits_is_searched(tmp_path):
    space = nas.SearchSpace(layer_decisions={"units": (1, 2)}, depth=1)
    deep = nas.SearchSpace(layer_decisions=[*space.layer_decisions, nas.Skips()], depth=200)
    result = nas.search(
        deep,
        lambda a: sum(a["units"]),
        num_samples=2,
        options=options(search=RANDOM),
        workdir=tmp_path / "run",
    )
    assert result.best.reward > 200
    assert "about 10^6051" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_public_names_resolve_to_what_their_modules_hold():
    for name, module in nas._MODULES.items():
        assert getattr(nas, name) is getattr(importlib.import_module(f"nas_with_rl.{module}"), name)
    assert importlib.import_module("nas_with_rl.launch.search").__name__.endswith("search")
    assert callable(nas.search)
    with pytest.raises(AttributeError, match="no attribute 'serch'"):
        _ = nas.serch
