"""The choice of a plan: by what was measured, which is remembered."""

import dataclasses
import json
from pathlib import Path

import pytest

from nas_with_rl.launch.evaluators import plan_choice
from nas_with_rl.launch.evaluators.kinds.kind import LocatedExperiment, Timing
from nas_with_rl.launch.evaluators.kinds.rows import kind_of
from nas_with_rl.launch.evaluators.plans import parse_plan
from nas_with_rl.launch.evaluators.process_pool import ProcessPool, Setup
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.host import compilation
from tests.harness import toy_children

FOLDER = Path(__file__).parents[2] / "harness"
SEARCH = SearchConfig(num_samples=20, batch_size=8)
TOY, TINY = (
    LocatedExperiment(configure("quickstart", overrides), None, 0)
    for overrides in (
        (),
        (
            "data.max_training_tokens=4000",
            "data.max_validation_tokens=200",
            "child.units=4",
            "child.batch_size=4",
            "child.num_steps=5",
            "child.steps_per_epoch=6",
        ),
    )
)


@pytest.fixture(scope="module")
def process():
    """A process that finds the toys."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CUDA_VISIBLE_DEVICES", "")
        patched.syspath_prepend(FOLDER)
        with ProcessPool(Setup("a:b", backends=()), num_processes=1, group_size=1) as one:
            yield one


@pytest.fixture
def toys(process, monkeypatch, tmp_path):
    """The process, which says how long children take, and a cache of this test's own."""
    monkeypatch.setenv(compilation.CACHE_VARIABLE, str(tmp_path / "cache"))
    return process


KIND = kind_of(TOY.experiment).populations()


def choose(processes, *, measure=toy_children.timed, data=TOY, search=SEARCH, memory_gib=64.0):
    kind = dataclasses.replace(KIND, measure=measure)
    return plan_choice.choose_plan(
        kind, data, search=search, processes=processes, memory_gib=memory_gib
    )


def is_remembered(processes):
    return choose(processes).is_remembered


@pytest.mark.parametrize(
    ("plan", "seconds"),
    [
        ("population:1@1", 10 + 3 * 8 * 2),  # 20 samples in batches of 8: 3; each of 8 groups
        ("population:4@2", 10 + 3 * 1 * 2),
        ("population:3@2", 10 + 3 * 2 * 2),  # groups of 3, 3 and 2
        ("population:8@2", 10 + 3 * 1 * 2),
        ("single@2", 10 + 3 * 4 * 2),
        ("single@3", 10 + 3 * 3 * 2),
    ],
)
def test_a_search_takes_compilation_and_the_rounds_of_its_batches(plan, seconds):
    timing = Timing(once=10, each=2)
    assert plan_choice._search_seconds(parse_plan(plan), timing, SEARCH) == seconds


@pytest.mark.parametrize(
    ("batch_size", "num_processes", "plans"),
    [
        (8, 2, ["population:1@2", "population:4@2", "single@2"]),
        (5, 2, ["population:1@2", "population:3@2", "single@2"]),
        (2, 4, ["population:1@4", "single@4"]),
    ],
)
def test_the_candidates_are_ones_shares_and_singles(batch_size, num_processes, plans):
    assert list(map(str, plan_choice._candidates(batch_size, num_processes))) == plans


def test_the_fastest_is_chosen_and_remembered(toys, capsys):
    choice = choose(toys)
    seconds = {"population:1@1": 5 + 3 * 8 * 2, "population:8@1": 5 + 3 * 9, "single@1": 36}
    assert choice.seconds == {parse_plan(plan): each for plan, each in seconds.items()}
    assert choice.describe() == (
        "plan population:8@1: one program for all cells, 8 at a time, in 1 process (measured: "
        "population:1@1 53 s, population:8@1 32 s, single@1 36 s; --plan overrides)"
    )
    measuring = "measuring how children train fastest, once per experiment and machine ...\n"
    assert capsys.readouterr().out == measuring
    again = choose(toys)
    assert again == dataclasses.replace(choice, is_remembered=True)
    assert "(measured earlier: population:1@1 53 s," in again.describe()
    assert capsys.readouterr().out == ""


def test_a_shorter_search_has_another_plan(toys):
    choose(toys, measure=toy_children.timed_quickly)
    search = SearchConfig(num_samples=8)
    shorter = choose(toys, measure=toy_children.timed_quickly, search=search)
    assert str(shorter.plan) == "single@1" and not shorter.is_remembered  # 9.6 s beside 1.5 + 9 s
    assert is_remembered(toys)  # both are


def test_a_search_that_is_short_beside_a_compilation_is_measured_by_one_plan(toys):
    search = SearchConfig(num_samples=8)  # 5 + 16 s: a fifth of it is less than twice 5
    short = choose(toys, search=search)
    assert short.seconds == {parse_plan("population:1@1"): 21} and short.is_short
    assert "population:1@1 21 s, too short for a try of others to pay;" in short.describe()
    assert choose(toys, search=search) == dataclasses.replace(short, is_remembered=True)


def test_what_fails_or_does_not_fit_is_not_compared(toys):
    without = [parse_plan("population:1@1"), parse_plan("single@1")]
    crowd = SearchConfig(num_samples=10**5, batch_size=10**5)
    assert list(choose(toys, search=crowd, memory_gib=2.0).seconds) == without
    choice = choose(toys, measure=toy_children.too_large_together)
    assert list(choice.seconds) == without and choice.plan == parse_plan("single@1")


def test_where_nothing_can_be_measured_each_child_is_by_itself_and_nothing_is_kept(toys):
    choice = choose(toys, measure=toy_children.too_large)
    assert choice == plan_choice.PlanChoice(parse_plan("single@1"), {})
    assert choice.describe().endswith("in 1 process (no program could be measured)")
    assert not plan_choice._path().exists()


def test_another_experiment_version_or_processor_is_measured_anew(toys, monkeypatch):
    choose(toys)
    assert not choose(toys, data=TINY).is_remembered
    for owner, name in ((plan_choice, "versions"), (compilation, "processor")):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, lambda: "another")
            assert not is_remembered(toys)
            assert is_remembered(toys)
    assert is_remembered(toys)


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: b"",
        lambda kept: b"\xff{",
        lambda kept: b"[1]",
        lambda kept: json.dumps(dict.fromkeys(kept, 3)).encode(),
        lambda kept: json.dumps({key: {"plan": "single@2"} for key in kept}).encode(),
        lambda kept: json.dumps({key: {"plan": "x", "seconds": {}} for key in kept}).encode(),
        lambda kept: json.dumps({k: {"plan": "x", "seconds": {"y": 1}} for k in kept}).encode(),
    ],
)
def test_damaged_memories_are_measured_anew_and_mended(toys, damage):
    choose(toys)
    path = compilation.cache_directory() / "plans.json"
    path.write_bytes(damage(json.loads(path.read_text())))
    assert not is_remembered(toys)
    assert is_remembered(toys)
    assert [entry.name for entry in path.parent.iterdir()] == ["plans.json"]


def test_where_nothing_can_be_kept_each_run_measures(toys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(compilation.CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    assert not is_remembered(toys)
    assert not is_remembered(toys)


def test_durations_are_read_at_a_glance():
    assert plan_choice._duration(119.4) == "119 s" and plan_choice._duration(150) == "2.5 min"


@pytest.mark.slow
def test_real_children_are_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(plan_choice, "_path", lambda: tmp_path / "plans.json")
    search = SearchConfig(num_samples=10**5, batch_size=2)
    with ProcessPool(Setup("a:b"), num_processes=1, group_size=1) as processes:
        choice = choose(processes, measure=KIND.measure, data=TINY, search=search)
    assert list(map(str, choice.seconds)) == ["population:1@1", "population:2@1", "single@1"]
    assert choice.seconds[choice.plan] == min(choice.seconds.values())
    assert min(choice.seconds.values()) > 0
