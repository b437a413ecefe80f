"""A fifth kind of child from outside the package: it searches wherever the four kinds do."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import ClassVar

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.evaluators.evaluation import Evaluation
from nas_with_rl.launch.evaluators.local import local_children
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.search import run as run_search
from nas_with_rl.launch.trainings import training_run as trainings
from nas_with_rl.launch.trainings.grid import default_axes
from nas_with_rl.search_spaces.errors import InputError

ROOT = Path(__file__).resolve().parents[4]
HARNESS = ROOT / "tests" / "harness"
NAME = "fifth_kind:EXPERIMENT"
OVERRIDES = ("controller.policy.jit_compile=false", "child.points=60")


@pytest.fixture(scope="module", autouse=True)
def outside():
    """Let this process and its children find the module of the kind."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(HARNESS)
        patched.setenv("CUDA_VISIBLE_DEVICES", "")
        yield


def asked(workdir, **changes):
    return SearchRequest(NAME, workdir=str(workdir), num_samples=8, overrides=OVERRIDES, **changes)


def trials_of(workdir):
    with contextlib.closing(TrialStore(workdir / "trials.sqlite")) as store:
        return [
            (trial.architecture, trial.seed, trial.status, trial.reward, trial.metrics)
            for trial in store.all()
        ]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A search in one process, the first half of which is resumed."""
    workdir = tmp_path_factory.mktemp("runs") / "here"
    begun = asked(workdir, plan="here")
    assert run_search(dataclasses.replace(begun, num_samples=4)) == 0
    assert run_search(dataclasses.replace(begun, resume=True)) == 0
    return workdir


def test_it_takes_less_than_60_lines():
    assert len((HARNESS / "fifth_kind.py").read_text(encoding="utf-8").splitlines()) < 60


def test_it_searches_in_one_process_and_resumes(here):
    trials = trials_of(here)
    assert len(trials) == 8 and {status for _, _, status, *_ in trials} == {"completed"}
    assert all(reward == 1 / (1 + m["validation_error"]) for *_, reward, m in trials)
    stored = json.loads((here / "experiment.json").read_text(encoding="utf-8"))
    assert stored["child"] == {"kind": "CurveFit", "points": 60}
    assert stored["data_found"]["points"] == 60 and stored["search"]["failure_reward"] == 0.0
    assert "function" in (here / "report.html").read_text(encoding="utf-8")


def test_it_searches_in_child_processes(here, tmp_path, capfd):
    assert run_search(asked(tmp_path / "run", plan="single@2")) == 0
    assert trials_of(tmp_path / "run") == trials_of(here)
    assert ", validation error " in capfd.readouterr().out


@pytest.mark.slow
def test_it_searches_on_a_cluster(here, tmp_path):
    flags = [f"--experiment={NAME}", f"--workdir={tmp_path / 'run'}", "--num_samples=8"]
    flags += [f"--override={override}" for override in OVERRIDES]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "nas_with_rl.launch.local_cluster"),
            *(*flags, "--synchronous", "--num_workers=2"),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HARNESS), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert trials_of(tmp_path / "run") == trials_of(here)


def test_an_architecture_of_it_is_measured_and_nothing_of_it_is_tuned(capsys):
    request = trainings.TrainingRequest(NAME, "power 4", overrides=("child.points=60",))
    assert trainings.run(request) == 0
    printed = capsys.readouterr().out
    assert "validation error: 0.0" in printed and "reward: 0.9" in printed
    with pytest.raises(InputError, match="there is nothing to tune"):
        default_axes(configure(NAME, ()))


def test_what_it_does_not_do_and_what_it_refuses_is_one_line(tmp_path):
    for changes, said in (
        ({"plan": "population:2@1"}, "not in populations"),
        ({"overrides": ("child.points=3",)}, "child.points is 3, below 20"),
        ({"overrides": ("num_compared=2",)}, "only recurrent cells are compared"),
    ):
        request = dataclasses.replace(asked(tmp_path / "run"), **changes)
        with pytest.raises(InputError, match=said):
            run_search(request)
    assert not (tmp_path / "run").exists()


@dataclasses.dataclass(frozen=True)
class Wheels:
    """A space of one's own, as a class that writes its decisions."""

    most: int = 4

    def search_space(self):
        return nas.SearchSpace({"wheels": tuple(range(1, self.most + 1))})


@dataclasses.dataclass(frozen=True)
class Road:
    """Data of one's own."""

    length: float = 1.0


class Drive:
    def __init__(self, located):
        self.data = {"length": located.experiment.data.length, "dir": located.data_dir}

    def __call__(self, architecture, seed):
        return nas.Measurement(architecture["wheels"] * self.data["length"])


@dataclasses.dataclass(frozen=True)
class Cart:
    kind: ClassVar[nas.ChildKind] = nas.ChildKind(
        load=Drive, fit=nas.ChildFit(spaces=(Wheels,), data=Road), default="here"
    )


CARTS = nas.Experiment(name="carts", space=Wheels(), child=Cart(), data=Road())


def test_a_kind_may_have_a_space_and_data_of_its_own():
    experiment = dataclasses.replace(CARTS, data=Road(3.0), space=Wheels(5))
    assert [step.num_candidates for step in experiment.search_space().steps] == [0]
    assert not experiment.has_test  # a road says nothing of one
    located = nas.LocatedExperiment(experiment, "somewhere", 0)
    with local_children(located, "auto") as children:
        assert str(children.plan) == "here"
        architecture = nas.parse_architecture("5", experiment.search_space())
        (outcome,) = children.evaluator.evaluate(deque([Evaluation(0, architecture, 0)]))
        assert outcome.result.reward == 15
    for changes, said in (
        ({"data": None}, "Cart needs a Road as data, not NoneType"),
        ({"space": nas.SearchSpace({"wheels": (1, 2)})}, "Cart is for Wheels, and the space is a"),
    ):
        with pytest.raises(InputError, match=said):
            dataclasses.replace(experiment, **changes)
