"""Searches whose children are trained in processes: the same trials by every plan."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nas_with_rl.launch.evaluators.kinds.kind import LocatedExperiment
from nas_with_rl.launch.evaluators.local import local_children
from nas_with_rl.launch.evaluators.plans import Plan
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.host import resources
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.search import run as run_search
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import cell_of
from tests.harness.kills import num_finished, trials_of
from tests.harness.processes import children_of, wait_until

ROOT = Path(__file__).resolve().parents[3]
TINY = (
    "data.max_training_tokens=4000",
    "data.max_validation_tokens=200",
    "child.units=4",
    "child.batch_size=4",
    "child.num_steps=5",
    "child.steps_per_epoch=6",
    "child.epochs=20",
    "search.searcher=random",
    "search.batch_size=2",
    "num_compared=0",
)
SMALL_MEMORY = (*TINY, "search.child_memory_gib=1.5")
TINY_IMAGES = (
    "data.num_train=40",
    "data.num_validation=20",
    "child.epochs=1",
    "child.batch_size=20",
    "search.searcher=random",
)
NUM_SAMPLES = 9  # the last batch is of one
NUM_COMPILED = 3  # where each child compiles a program of its own: the first of those


@pytest.fixture(autouse=True)
def cores(monkeypatch):
    """Compute on cores."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def request(workdir, plan, **changes):
    settings = {"num_samples": NUM_SAMPLES, "overrides": TINY, **changes}
    return SearchRequest("quickstart", workdir=str(workdir), plan=plan, **settings)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Search by a plan, once for all tests; return the workdir."""
    workdirs = {}

    def search(plan):
        if plan not in workdirs:
            workdirs[plan] = tmp_path_factory.mktemp("plan") / "run"
            number = NUM_SAMPLES if plan.startswith("population") else NUM_COMPILED
            run_search(request(workdirs[plan], plan, num_samples=number))
        return workdirs[plan]

    return search


@pytest.mark.slow  # the short one is that of ConvNets, below
@pytest.mark.parametrize("plan", ["single@1", "single@2"])
def test_a_program_for_each_child_finds_the_same_in_every_process(searched, plan):
    here = trials_of(searched("here"))
    assert len(here) == NUM_COMPILED and all(trial.status == "completed" for trial in here)
    assert trials_of(searched(plan)) == here


@pytest.mark.parametrize(
    "plan", [pytest.param("population:1@1", marks=pytest.mark.slow), "population:2@2"]
)
def test_populations_find_the_same_up_to_rounding(searched, plan):
    here, population = trials_of(searched("here")), trials_of(searched(plan))[:NUM_COMPILED]
    assert [t.architecture for t in population] == [t.architecture for t in here]
    assert [t.num_parameters for t in population] == [t.num_parameters for t in here]
    # After 120 steps: a rounding error has grown to some 1e-5. After 6 it is below 1e-6.
    expected = pytest.approx([t.reward for t in here], rel=1e-4)
    assert [t.reward for t in population] == expected


def test_trials_tell_their_process(searched):
    for plan, processes in (("single@1", {"0"}), ("population:2@2", {"0", "1"})):
        with contextlib.closing(TrialStore(searched(plan) / "trials.sqlite")) as store:
            assert {trial.worker.rpartition("/")[2] for trial in store.all()} == processes


def test_the_plan_is_printed_and_kept(tmp_path, capsys):
    run_search(request(tmp_path / "run", "here", num_samples=2))
    printed = capsys.readouterr().out
    assert "\nplan here: one child after the other, in this process\n" in printed
    stored = json.loads((tmp_path / "run" / "experiment.json").read_text())
    assert stored["program"] == ["here", 1] and stored["location"]["plan"] == "here"


def start(arguments):
    """Start the binary."""
    return subprocess.Popen(
        [sys.executable, "-m", "nas_with_rl.launch.search", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@dataclasses.dataclass(frozen=True)
class Ended:
    """A search that was ended by a signal in the middle."""

    num_completed: int
    num_children: int
    status: int
    printed: str
    errors: str


def ended_by(number, workdir, arguments):
    """Start the binary, and end it when it has completed some more trials."""
    before = num_finished(workdir)
    process = start(arguments)
    try:
        wait_until(lambda: num_finished(workdir) > before, 120)
        children = children_of(process.pid)
        process.send_signal(number)
        printed, errors = process.communicate(timeout=20)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 10)
    finally:
        process.kill()
    return Ended(num_finished(workdir), len(children), process.returncode, printed, errors)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A search that Ctrl-C ends; resumed it is killed, and resumed once more, to its end."""
    workdir = tmp_path_factory.mktemp("interrupted") / "run"
    flags = [f"--num_samples={NUM_SAMPLES}", *(f"--override={each}" for each in TINY)]
    begun = ["--experiment=quickstart", "--plan=population:2@2", f"--workdir={workdir}", *flags]
    stopped = ended_by(signal.SIGINT, workdir, begun)
    killed = ended_by(signal.SIGKILL, workdir, ["--resume", f"--workdir={workdir}"])
    run_search(SearchRequest(workdir=str(workdir), resume=True, plan="population:2@1"))
    return workdir, stopped, killed


def test_ctrl_c_ends_the_search_and_its_processes_and_says_how_to_continue(interrupted):
    workdir, stopped, _ = interrupted
    assert stopped.status == 130 and stopped.num_children == 3  # two and their guard
    assert f"stopped after {stopped.num_completed} of {NUM_SAMPLES} trials;" in stopped.printed
    resumed = f"{sys.executable} -m nas_with_rl.launch.search --resume --workdir={workdir}"
    assert f"continue with: {resumed}\n" in stopped.printed
    assert "Traceback" not in stopped.errors
    assert stopped.num_completed < NUM_SAMPLES


def test_a_killed_search_leaves_no_process_and_kept_its_plan(interrupted):
    _, stopped, killed = interrupted
    assert killed.status == -signal.SIGKILL
    assert killed.num_children in (2, 3)  # their guard, and both or the first of them
    assert "\nplan population:2@2: one program for all cells, 2 at a time" in killed.printed
    assert stopped.num_completed < killed.num_completed < NUM_SAMPLES


def test_stopped_and_killed_it_finds_the_same_as_one_that_never_was(interrupted, searched):
    workdir, *_ = interrupted
    assert trials_of(workdir) == trials_of(searched("population:2@2"))
    stored = json.loads((workdir / "experiment.json").read_text())
    assert stored["location"]["plan"] == "population:2@1"  # fewer processes, the same program


@pytest.mark.parametrize("plan", ["population:1@2", "single@2", "here"])
def test_a_search_is_not_resumed_with_another_program(searched, plan):
    workdir = searched("population:2@2")
    with pytest.raises(InputError) as raised:
        run_search(SearchRequest(workdir=str(workdir), resume=True, plan=plan))
    program = [plan.partition(":")[0].partition("@")[0], 1]
    assert str(raised.value) == (
        f"--workdir={workdir} holds another run, it cannot be resumed as this one; there / here: "
        f"program: ['population', 2] / {program}"
    )


@pytest.mark.parametrize(
    ("experiment", "plan", "message"),
    [
        ("quickstart", "population", "--plan=population: expected auto, population:CHILDREN@"),
        ("quickstart", "single@0", "--plan=single@0 has too few"),
        ("quickstart_conv", "population:2@2", "--plan=population:2@2: "),
        ("nas_bench_201", "population:2@2", "--plan=population:2@2: "),
    ],
)
def test_a_bad_plan_is_one_line_and_leaves_nothing(tmp_path, experiment, plan, message):
    with pytest.raises(InputError, match=re.escape(message)) as raised:
        run_search(SearchRequest(experiment, workdir=str(tmp_path / "run"), plan=plan))
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("batch_size", [1, 8])
def test_images_have_a_process_for_each_core_that_a_batch_keeps_busy(batch_size):
    overrides = (f"search.batch_size={batch_size}", "search.child_memory_gib=1")
    data = LocatedExperiment(configure("quickstart_conv", overrides), None, 0)
    before = children_of(os.getpid())  # the fork server may run already
    with local_children(data, "auto") as children:
        assert children.plan == Plan(
            "single", 1, min(resources.default_num_processes(), batch_size)
        )
    assert children_of(os.getpid()) == before  # none was needed


def test_tables_are_looked_up_in_this_process():
    data = LocatedExperiment(configure("nas_bench_201", ()), None, 0)
    with local_children(data, "auto") as children:
        assert children.plan == Plan("here") and children.processes is None


def test_convnets_find_the_same_in_every_process(tmp_path):
    for plan in ("here", "single@2"):
        run_search(
            SearchRequest(
                "quickstart_conv",
                workdir=str(tmp_path / plan),
                num_samples=2,
                overrides=TINY_IMAGES,
                plan=plan,
            )
        )
    here, processes = trials_of(tmp_path / "here"), trials_of(tmp_path / "single@2")
    assert all(trial.status == "completed" for trial in here)
    assert processes == here


def test_children_that_pass_their_time_are_failures_and_the_search_ends(tmp_path, capsys):
    overrides = (*TINY, "search.child_seconds=0.001", "child.epochs=1000000")
    run = request(tmp_path / "run", "single@1", num_samples=2, overrides=overrides)
    assert run_search(run) == 0
    assert [trial.failure for trial in trials_of(tmp_path / "run")] == ["timed_out"] * 2
    assert "2 failed" in capsys.readouterr().out


def trained_in_processes(*trainings):
    """Train cells in processes of a gigabyte and a half; return what came of each."""
    data = LocatedExperiment(configure("quickstart", SMALL_MEMORY), None, 0)
    with local_children(data, "population:2@1") as children:
        return children.train_cells(trainings)


def tree_and_training():
    experiment = configure("quickstart", SMALL_MEMORY)
    architecture = random_architecture(experiment.search_space(), np.random.default_rng(0))
    return cell_of(architecture), experiment.child


def test_cells_are_trained_in_processes():
    tree, training = tree_and_training()
    alone, lstm = trained_in_processes((tree, training, 7), ("lstm", training, 8))
    assert alone.num_parameters != lstm.num_parameters
    assert len(alone.validation_perplexity) == len(lstm.validation_perplexity) == 20


@pytest.mark.slow
def test_one_too_large_for_its_process_fails_alone():
    tree, training = tree_and_training()
    large = dataclasses.replace(training, units=4000)
    alone, failed, lstm = trained_in_processes(
        (tree, training, 7), (tree, large, 7), ("lstm", training, 8)
    )
    assert failed is None and alone.num_parameters != lstm.num_parameters
    assert len(alone.validation_perplexity) == len(lstm.validation_perplexity) == 20
