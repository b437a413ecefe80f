"""Functions of one's own in child processes: by value, with the trials of one process."""

import dataclasses
import functools
import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

import nas_with_rl as nas
from nas_with_rl.launch.records.trial_store import TrialStore
from tests.harness.processes import wait_until


@pytest.fixture(autouse=True)
def on_cores(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


# Of options that no pickle has by value, beside plain ones.
SPACE = nas.SearchSpace(
    {"units": (8, 16, 32, 64), "activation": (lambda value: value, abs), "depth": (1, 2)}
)
UNITS = {"units": (8, 16, 32, 64)}


def settings(resume=False, **changes):
    search = nas.SearchConfig(**{"searcher": "evolution", "batch_size": 4, **changes})
    return nas.SearchOptions(search=search, progress=False, resume=resume)


def rows(result):
    """Return the trials without what differs from one run to the next."""
    return [dataclasses.replace(t, worker=None, started=None, ended=None) for t in result.trials]


def measuring():
    """Return a function that is no module's, and fails or diverges now and then."""

    def half(value):
        return value / 2

    def evaluate(architecture, trial, seed):
        for step in range(3):
            trial.report(step, architecture["units"] * step)
        if seed % 7 == 0:
            raise nas.ChildFailure("infeasible", "by its seed")
        if seed % 7 == 1:
            return float("nan")
        is_own = architecture["activation"] is not abs
        return half(architecture["units"]) + is_own + seed % 5, {"depth": architecture["depth"]}

    return evaluate


@pytest.mark.parametrize("searcher", ["random", "evolution"])
@pytest.mark.parametrize("duplicates", ["reuse", "evaluate"])
def test_any_number_of_workers_has_the_same_trials(tmp_path, searcher, duplicates):
    options = settings(searcher=searcher, duplicates=duplicates)
    given = {"num_samples": 24, "seed": 5, "options": options}
    here = rows(nas.search(SPACE, measuring(), **given))
    one = nas.search(SPACE, measuring(), workers=1, workdir=tmp_path / "one", **given)
    two = nas.search(SPACE, measuring(), workers=2, workdir=tmp_path / "two", **given)
    assert rows(one) == here and rows(two) == here
    assert {trial.failure for trial in here} == {None, "infeasible", "diverged"}
    stored = [TrialStore(tmp_path / name / "trials.sqlite").all() for name in ("one", "two")]
    assert [list(map(_untimed, trials)) for trials in stored] == [here, here]
    assert {trial.worker.rpartition("/")[2] for trial in one.trials} == {"0"}


def _untimed(trial):
    return dataclasses.replace(trial, worker=None, started=None, ended=None)


def test_workers_work_at_the_same_time_and_are_other_processes(tmp_path):
    places = tmp_path / "places"
    places.mkdir()

    def evaluate(architecture, trial):
        own = places / str(os.getpid())
        own.touch()
        while len(list(places.iterdir())) < 2:  # the other one
            time.sleep(0.01)
        return 1.0, {"pid": os.getpid()}

    options = settings(child_seconds=60)
    trials = nas.search(UNITS, evaluate, num_samples=4, workers=2, options=options).trials
    pids = {trial.metrics["pid"] for trial in trials}
    assert len(pids) == 2 and os.getpid() not in pids
    assert not any(_is_there(pid) for pid in pids)


def _is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_worker_that_is_killed_hangs_or_eats_memory_is_a_failed_trial():
    def evaluate(architecture):
        if architecture["units"] == 8:
            os.kill(os.getpid(), signal.SIGKILL)
        if architecture["units"] == 16:
            time.sleep(600)
        if architecture["units"] == 32:
            eaten = []
            while True:
                eaten.append(bytearray(2**24))
                time.sleep(0.01)
        return architecture["units"]

    options = settings(searcher="random", child_seconds=3, child_memory_gib=0.5, failure_retries=0)
    result = nas.search(UNITS, evaluate, num_children=4, workers=2, options=options)
    failed = {trial.architecture: trial.failure for trial in result.trials}
    assert failed == {"8": "crashed", "16": "timed_out", "32": "out_of_memory", "64": None}
    messages = {trial.architecture: trial.message for trial in result.trials}
    assert "SIGKILL" in messages["8"] and "longer than 3 seconds" in messages["16"]
    assert "more than 0.5 GiB" in messages["32"]
    assert result.best.reward == 64


def test_an_exception_ends_the_search_or_fails_the_child():
    def evaluate(architecture):
        return 1 / (architecture["units"] - 16)

    options = settings(searcher="random")
    with pytest.raises(RuntimeError, match=r"(?s)raised for trial \d+, architecture '16'") as error:
        nas.search(UNITS, evaluate, num_children=4, workers=2, options=options)
    assert f'"{__file__}", line' in str(error.value)  # with its source
    assert "return 1 / (architecture" in str(error.value)
    result = vars(error.value)["search_result"]
    assert all(trial.status != "failed" for trial in result.trials)
    options = settings(searcher="random", on_error="fail", failure_retries=0)
    trials = nas.search(UNITS, evaluate, num_children=4, workers=2, options=options).trials
    assert {trial.architecture for trial in trials if trial.failure == "crashed"} == {"16"}


def test_ctrl_c_leaves_a_result_that_is_resumed(tmp_path):
    leader, mark = os.getpid(), tmp_path / "mark"

    def evaluate(architecture, trial):
        if trial.number == 9 and not mark.exists():
            mark.touch()
            os.kill(leader, signal.SIGINT)
            time.sleep(60)
        return architecture["units"] + trial.seed % 3, {"pid": os.getpid()}

    given = {"num_samples": 16, "workers": 2}
    search = {"searcher": "random", "duplicates": "evaluate"}
    where = {**given, "workdir": tmp_path / "run"}
    begun = nas.search(UNITS, evaluate, options=settings(**search), **where)
    assert begun.interrupted and begun.trials[0].status == "completed"
    assert begun.trials[9].status == "running"
    wait_until(lambda: not any(_is_there(t.metrics["pid"]) for t in begun.trials if t.metrics))
    resumed = nas.search(UNITS, evaluate, options=settings(resume=True, **search), **where)
    whole = nas.search(UNITS, evaluate, options=settings(**search), **given)
    assert not resumed.interrupted
    seen = [
        [(t.number, t.architecture, t.status, t.reward, t.seed, t.updated_version) for t in trials]
        for trials in (resumed.trials, whole.trials)
    ]
    assert seen[0] == seen[1] and {status for _, _, status, *_ in seen[0]} == {"completed"}


SCRIPT = """
import os, signal, sys, time
from pathlib import Path
import nas_with_rl as nas
from beside import doubled  # a module beside the script

class Small:
    units = 8

class Large:
    units = 64

def bonus(kind):
    return 1 if kind is Large else 0

def evaluate(architecture, trial):
    mark = Path(MARK)
    if trial.number == 9 and not mark.exists():
        mark.touch()
        os.kill(LEADER, signal.SIGKILL)
        time.sleep(60)
    return doubled(architecture["kind"].units) + bonus(architecture["kind"]) + trial.seed % 3

LEADER = os.getpid()
MARK, workdir, resume = sys.argv[1:]
search = nas.SearchConfig(searcher="random", batch_size=4, duplicates="evaluate")
options = nas.SearchOptions(search=search, progress=False, resume=bool(resume))
result = nas.search({"kind": (Small, Large)}, evaluate, num_samples=12, workers=2,
                    workdir=workdir, options=options)
print(*[(t.architecture, t.reward) for t in result.trials])
"""


def test_a_script_needs_no_guard_and_is_resumed_after_a_kill(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "beside.py").write_text("def doubled(value):\n    return 2 * value\n")

    def ran(mark, run, resume=""):
        command = [sys.executable, tmp_path / "script.py", tmp_path / mark, tmp_path / run, resume]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.run(
            list(map(str, command)), capture_output=True, text=True, env=environment, cwd="/"
        )

    killed = ran("first", "killed")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = ran("first", "killed", "resume")
    (tmp_path / "second").touch()
    whole = ran("second", "whole")
    assert whole.stdout.count("Large") > 2 and "('Large', 129" in whole.stdout, whole.stderr
    assert resumed.stdout == whole.stdout, resumed.stderr


def test_a_function_of_a_notebooks_cell_is_sent(tmp_path):
    cell = """
import os
import nas_with_rl as nas
def half(value):
    return value / 2
def evaluate(architecture, trial):
    return half(architecture["units"]), {"pid": os.getpid()}
options = nas.SearchOptions(search=nas.SearchConfig(searcher="random", batch_size=4))
result = nas.search({"units": (8, 16)}, evaluate, num_samples=8, workers=2, options=options)
print(result.best.reward, os.getpid() in {t.metrics["pid"] for t in result.trials})
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    kernel = AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[])
    )
    client = NotebookClient(
        notebook, km=kernel, timeout=60, resources={"metadata": {"path": str(tmp_path)}}
    )
    path = os.pathsep.join(filter(None, sys.path))
    client.execute(env={**os.environ, "IPYTHONDIR": str(tmp_path), "PYTHONPATH": path})
    said = [each.text for each in notebook.cells[0].outputs if each.output_type == "stream"]
    assert "8.0 False" in "".join(said)


def test_searchers_are_compared_on_the_children_of_workers():
    def evaluate(architecture, seed):
        return architecture["units"] + seed % 5

    given = {"searchers": ("random", "evolution"), "seeds": 2, "num_children": 4}
    options = settings()
    here = nas.compare(UNITS, evaluate, options=options, **given)
    assert str(nas.compare(UNITS, evaluate, workers=2, options=options, **given)) == str(here)


class Holding:
    """An object that is called, and holds what cannot be sent."""

    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, architecture):
        return 1.0


def closure():
    lock = threading.Lock()
    return lambda architecture: float(lock.locked())


def writing(file, architecture):
    return float(file.write("x"))


def with_open_file():
    return functools.partial(writing, open(os.devnull, "w"))


LOCK = {"units": (8, 16), "kind": {"lock": threading.Lock(), "none": None}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"workers": 0}, "workers is 0, below 1"),
        ({"workers": -1}, "workers is -1, below 1"),
        ({"workers": 2.0}, "workers is 2.0, not an integer"),
        ({"workers": True}, "workers is True, not an integer"),
        ({"workers": 10**6}, "workers is 1000000, above 1,000"),
        ({"evaluate": closure}, "'lock', which evaluate uses, <unlocked _thread.lock"),
        ({"evaluate": Holding}, "evaluate's 'lock', <unlocked"),
        ({"evaluate": with_open_file}, "evaluate cannot be sent to the workers' processes: "),
        ({"space": LOCK}, "an option of 'kind', <unlocked"),
        (
            {"options": settings(num_replicas=2)},
            "search.num_replicas is 2, which has no effect: it is of a cluster",
        ),
    ],
    ids=itertools.count(),
)
def test_a_wrong_argument_is_one_line_before_anything_runs(tmp_path, given, said):
    evaluate = given.get("evaluate", lambda: lambda architecture: 1.0)()
    space, workers = given.get("space", UNITS), given.get("workers", 2)
    options = given.get("options", settings())
    with pytest.raises(nas.InputError) as error:
        nas.search(space, evaluate, workers=workers, workdir=tmp_path / "run", options=options)
    message = str(error.value)
    assert said in message and "\n" not in message and "--" not in message
    assert len(message) < 300 and not list(tmp_path.iterdir())
    if "cannot be sent" in said or "lock" in said:
        assert message.endswith("make it within evaluate, or leave workers away")


def test_a_module_that_no_worker_finds_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "of_here.py").write_text("def evaluate(architecture):\n    return 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    import of_here  # type: ignore[import-not-found]

    monkeypatch.undo()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(nas.InputError, match="cannot be read in a worker's process: ModuleNot"):
        nas.search(UNITS, of_here.evaluate, workers=1, options=settings())


class SlowlyRead:
    """What takes a while to be read."""

    def __reduce__(self):
        return time.sleep, (10,)


def test_a_worker_that_is_too_large_before_its_first_child_is_said_in_pythons_words():
    evaluate = functools.partial(lambda slow, architecture: 1.0, SlowlyRead())
    options = settings(child_memory_gib=0.001)
    with pytest.raises(nas.InputError, match=r"a higher options\.search\.child_memory_gib"):
        nas.search(UNITS, evaluate, workers=1, options=options)
