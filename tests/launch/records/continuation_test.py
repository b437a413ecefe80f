"""Runs of Python and of the binaries, continued by the other: the same trials as one of a piece."""

import dataclasses
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import nas_with_rl as nas
from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.records.continuation import taken_over
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.search import run as run_search
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from tests.harness.kills import trials_of

ROOT = Path(__file__).resolve().parents[3]
MODULE = """
import nas_with_rl as nas
SPACE = nas.SearchSpace([nas.Choice("units", (16, 32, 64)), nas.Choice("act", ("relu", "tanh"))])
LAYERS = nas.SearchSpace(layer_decisions=[nas.Choice("units", (16, 32)), nas.Skips()], depth=5)
DEPTH = nas.DepthSchedule(initial=2, increment=1, every=8, maximum=4)
SMALL = nas.ReinforceConfig(policy=nas.PolicyConfig(num_layers=1, num_units=4))
PLAIN = nas.ReinforceConfig(
    policy=nas.PolicyConfig(num_layers=1, num_units=4, jit_compile=False))
E = nas.Experiment(name="e", space=SPACE, child=nas.OwnEvaluation("handed_over:evaluate"),
                   controller=SMALL)
L = nas.Experiment(name="l", space=LAYERS, child=nas.OwnEvaluation("handed_over:layered"),
                   controller=PLAIN,
                   search=nas.SearchConfig(batch_size=4, depth=DEPTH, duplicates="evaluate"))

def evaluate(architecture, seed):
    return architecture["units"] / 64 + (architecture["act"] == "tanh") + seed % 7 / 100

def layered(architecture, seed):
    return sum(architecture["units"]) / 64 + seed % 7 / 100
"""
SMALL = nas.PolicyConfig(num_layers=1, num_units=4, jit_compile=False)
QUIET = nas.SearchOptions(progress=False, controller=nas.ReinforceConfig(policy=SMALL))
RANDOM = ("search.searcher=random",)  # where it makes no difference: nothing is compiled
RESUME = nas.SearchOptions(progress=False, resume=True)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The user's module, which this process and its children find."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "handed_over.py").write_text(MODULE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "handed_over", raising=False)
    import handed_over

    return handed_over


def binary(workdir, experiment=None, **changes):
    """Run what the binary `search` does."""
    assert run_search(SearchRequest(experiment, workdir=str(workdir), **changes)) == 0


def stored(workdir):
    return json.loads((Path(workdir) / "experiment.json").read_text())


def refused(message, function, *arguments, **named):
    with pytest.raises(nas.InputError) as caught:
        function(*arguments, **named)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


def test_a_run_of_python_is_continued_by_the_binary_and_again_by_python(module):
    space, evaluate = module.SPACE, module.evaluate
    nas.search(space, evaluate, num_samples=32, seed=3, workdir="whole", options=QUIET)
    nas.search(space, evaluate, num_samples=16, seed=3, workdir="run", options=QUIET)
    said = refused("begun in Python", binary, "run", resume=True)
    assert "nas.search(" in said and "--experiment=MODULE:ATTRIBUTE" in said
    binary("run", "handed_over:E", resume=True, num_samples=24)
    nas.search(space, evaluate, num_samples=32, workdir="run", options=RESUME)
    assert trials_of("run") == trials_of("whole")
    described = stored("run")
    assert described["controller"]["policy"]["jit_compile"] is False  # as it was begun
    assert described["search"]["num_samples"] == 32
    before, after = (
        [change[when]["experiment"] for change in described["changes"]]
        for when in ("before", "after")
    )
    assert (before, after) == (["own", "handed_over:E"], ["handed_over:E", "own"])
    assert [change["trial"] for change in described["changes"]] == [16, 24]
    refused("add --experiment=handed_over:E", binary, "run", resume=True)
    binary("run", "handed_over:E", resume=True)  # finished


def test_a_run_of_the_binary_is_continued_by_python_and_again_by_the_binary(module):
    binary("whole", "handed_over:L", num_samples=24, seed=1)
    binary("run", "handed_over:L", num_samples=8, seed=1)
    nas.search(module.LAYERS, module.layered, num_samples=16, workdir="run", options=RESUME)
    described = stored("run")
    assert described["controller"]["policy"]["jit_compile"] is False  # as it was begun
    assert described["experiment"] == "handed_over:L" and described["overrides"] == []
    binary("run", "handed_over:L", resume=True, num_samples=24)
    assert trials_of("run") == trials_of("whole")
    assert {trial.depth for trial in trials_of("run")} == {2, 3, 4}


def test_what_is_not_said_in_python_is_as_the_run_has_it(module):
    space, evaluate = module.SPACE, module.evaluate
    begun = dataclasses.replace(
        QUIET, search=nas.SearchConfig(batch_size=4, searcher="random", failure_reward=-3.0)
    )
    nas.search(space, evaluate, num_samples=12, seed=5, workdir="run", options=begun)
    assert len(nas.search(space, evaluate, workdir="run", options=RESUME).trials) == 12
    longer = dataclasses.replace(RESUME, search=nas.SearchConfig(num_samples=16))
    assert len(nas.search(space, evaluate, workdir="run", options=longer).trials) == 16
    nas.search(space, evaluate, num_samples=20, workdir="run", options=RESUME)
    nas.search(space, evaluate, num_samples=20, seed=5, workdir="whole", options=begun)
    assert trials_of("run") == trials_of("whole")
    for wish, found in (
        ({"search": nas.SearchConfig(batch_size=2)}, "search.batch_size: 4 / 2"),
        ({"controller": nas.ReinforceConfig(0.1)}, "controller.learning_rate: 0.006 / 0.1"),
    ):
        options = dataclasses.replace(RESUME, **wish)
        refused(found, nas.search, space, evaluate, workdir="run", options=options)
    refused("seed: 5 / 0", nas.search, space, evaluate, seed=0, workdir="run", options=RESUME)


def test_what_does_not_agree_is_refused_by_both_and_changes_nothing(module):
    other = nas.SearchSpace([nas.Choice("units", (16, 32))])
    settings = dataclasses.replace(QUIET, search=nas.SearchConfig(batch_size=4, searcher="random"))
    nas.search(other, lambda a: 1.0, num_samples=4, workdir="python", options=settings)
    nas.search(module.SPACE, lambda a: 1.0, num_samples=4, workdir="same", options=settings)
    binary("table", "nas_bench_201", num_samples=8, overrides=RANDOM)
    binary("own", "handed_over:E", num_samples=4, overrides=RANDOM)
    before = {name: stored(name) for name in ("python", "same", "table", "own")}
    continued = {"resume": True, "experiment": "handed_over:E"}
    refused("search.batch_size: 4 / 8", binary, "python", **continued)
    fits = {**continued, "overrides": (*RANDOM, "search.batch_size=4")}
    refused("space.decisions", binary, "python", **fits)
    refused("seed: 0 / 1", binary, "same", **fits, seed=1)
    refused("--num_samples=2 is below the 4", binary, "same", **fits, num_samples=2)
    refused("--evaluate=MODULE:FUNCTION", binary, "same", resume=True, experiment="nas_bench_201")
    by_python = (nas.search, module.SPACE, module.evaluate)
    said = refused("function of one's", *by_python, workdir="table", options=RESUME)
    assert said.startswith("workdir=") and "launch.search --resume --workdir=" in said
    refused("space.decisions", nas.search, other, module.evaluate, workdir="own", options=RESUME)
    assert {name: stored(name) for name in before} == before


def test_messages_of_python_speak_of_arguments(module):
    by_python = (nas.search, module.SPACE, module.evaluate)
    nas.search(module.SPACE, module.evaluate, num_samples=4, workdir="run", options=QUIET)
    for named in (
        {"workdir": "run"},
        {"workdir": "run", "num_samples": 2, "options": RESUME},
        {"workdir": "run", "seed": 7, "options": RESUME},
        {"workdir": "nowhere", "options": RESUME},
        {"workdir": "/proc/run"},
        {"options": RESUME},
    ):
        assert "--" not in refused("", *by_python, **named)


def test_a_table_with_a_function_of_ones_own_is_continued_by_python(module):
    space = NasBench201Space()
    evaluate = {"evaluate": "own_of_table:evaluate", "seed": 2, "overrides": RANDOM}
    Path("modules/own_of_table.py").write_text(
        "def evaluate(architecture, seed):\n    return len(str(architecture)) / 99 + seed % 5\n"
    )
    binary("run", "nas_bench_201", num_samples=8, **evaluate)
    import own_of_table

    nas.search(
        space.search_space(), own_of_table.evaluate, num_samples=16, workdir="run", options=RESUME
    )
    binary("whole", "nas_bench_201", num_samples=16, **evaluate)
    assert trials_of("run") == trials_of("whole")


BROKEN = """
def evaluate(architecture, seed):
    if architecture["units"] == 64:
        raise ZeroDivisionError("nothing to divide by")
    return architecture["units"] / 64
"""


ASKED = ("--evaluate=broken:evaluate", "--workdir=../run")


def by_command(command):
    return subprocess.run(
        command,
        cwd="modules",
        env={"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("plan", [pytest.param("single@1", marks=pytest.mark.slow), "here"])
def test_a_function_that_raised_is_mended_and_its_run_continued(module, plan):
    source = Path("modules/broken.py")
    source.write_text(BROKEN)
    flags = [
        "--num_samples=16",
        f"--override={RANDOM[0]}",
        "--evaluate=broken:evaluate",
        "--workdir=../run",
        f"--plan={plan}",
    ]
    program = [sys.executable, "-m", "nas_with_rl.launch.search"]
    raised = by_command([*program, "--experiment=handed_over:E", *flags])
    assert raised.returncode == 1 and "nothing to divide by" in raised.stderr
    if plan != "here":
        assert "architecture '64 " in raised.stderr
    asked = SearchRequest(
        "handed_over:E", workdir="../run", evaluate="broken:evaluate", overrides=RANDOM
    )
    command = asked.resume_command("search")

    source.write_text(BROKEN.replace("== 64", "== 65"))
    mended = by_command(shlex.split(command))
    assert mended.returncode == 0, mended.stderr[-2000:]
    assert "the file of broken has changed since its last trials" in mended.stdout
    (change,) = stored("run")["changes"]
    assert change["before"]["sha256"] != change["after"]["sha256"] == _digest(source)
    assert change["trial"] == 8
    rewards = {(trial.architecture, trial.reward) for trial in trials_of("run")}
    assert ("64 tanh", 1.0) in rewards or ("64 relu", 1.0) in rewards
    assert len(trials_of("run")) == 16

    if plan != "here":  # what follows is the same with either
        return
    again = by_command(shlex.split(command))
    assert again.returncode == 0 and "has changed" not in again.stdout
    other = by_command([*program, "--resume", "--experiment=handed_over:E", ASKED[1]])
    assert other.returncode == 2 and "add --evaluate=broken:evaluate" in other.stderr


def _digest(path):
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(("stored", "given", "continued"), [(0.0, None, 0.0), (None, None, None)])
def test_what_failures_count_as_is_the_runs_where_nothing_is_said(stored, given, continued):
    """Runs that were begun before it could be left open have a number."""
    description = {
        "search": as_json(SearchConfig(failure_reward=stored)),
        "controller": as_json(ReinforceConfig()),
    }
    config, _ = taken_over(SearchConfig(failure_reward=given), ReinforceConfig(), description)
    assert config.failure_reward == continued
    config, _ = taken_over(SearchConfig(failure_reward=-1.0), ReinforceConfig(), description)
    assert config.failure_reward == -1.0  # which is then refused as another run's
