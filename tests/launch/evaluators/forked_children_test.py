"""Child processes that are forked off a program: what they find, how they end and are replaced."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nas_with_rl.launch.host import backend, forking
from nas_with_rl.launch.host.remnants import module_path
from tests.harness.processes import is_running, wait_until

pytestmark = [
    pytest.mark.real_start,
    pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere"),
]
HARNESS = Path(__file__).parents[2] / "harness"
BEGINNING = """
import contextlib, json, os, signal, sys, time
from collections import deque
from pathlib import Path
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.launch.evaluators.evaluation import Evaluation
from nas_with_rl.launch.evaluators.group_work import setup_of
from nas_with_rl.launch.evaluators.kinds.kind import ChildProgram, LocatedExperiment
from nas_with_rl.launch.evaluators.process_pool import Limits, ProcessPool, Setup
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.host import backend, forking
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.randomness import trial_generator

forked = sys.argv[1] == "forked"
backend.prepare_controller(imported=forking.begin_on_cores if forked else None)
assert (forking.current() is not None) == forked
"""
EQUALITY = """
TINY = ("data.max_training_tokens=4000", "data.max_validation_tokens=200", "child.units=4",
        "child.batch_size=4", "child.num_steps=5", "child.steps_per_epoch=6", "child.epochs=3")
IMAGES = ("data.num_train=40", "data.num_validation=20", "child.epochs=1", "child.batch_size=20")
if __name__ == "__main__":
    found = []
    for name, overrides, program in (("quickstart", TINY, "single"),
                                     ("quickstart", TINY, "population"),
                                     ("quickstart_conv", IMAGES, "single")):
        experiment = configure(name, overrides)
        work = ChildProgram(LocatedExperiment(experiment, None, 0), program, 2)
        space = experiment.search_space()
        children = [
            Evaluation(trial, random_architecture(space, trial_generator(0, trial, "sampling")), 5)
            for trial in range(2)
        ]
        with ProcessPool(setup_of(work), num_processes=1, group_size=2) as processes:
            for outcome in processes.evaluate(deque(children)):
                found.append([name, outcome.evaluation.trial, repr(outcome.result)])
            number = processes._slots[0].process.pid
            threads = len(os.listdir(f"/proc/{number}/task"))
    cached = sorted(path.name for path in Path(os.environ["NAS_WITH_RL_CACHE_DIR"]).rglob("*.pb"))
    print(json.dumps({"found": sorted(found), "threads": threads, "cached": cached}))
"""
KILLS = """
def places(processes):
    return [pid for pid, *_ in processes.call("toy_children:place", [None, None])]

def end(pid):
    os.kill(pid, signal.SIGKILL)
    is_left = lambda task: (task / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    while True:  # until its last thread has, whose descriptors are those of all
        with contextlib.suppress(OSError):
            if not any(map(is_left, Path(f"/proc/{pid}/task").iterdir())):
                return
        time.sleep(0.01)

if __name__ == "__main__":
    import tensorflow as tf
    tf.reduce_sum(tf.random.normal((99, 99)) @ tf.random.normal((99, 99)))  # in many threads
    facts = {}
    limits = Limits(memory_gib=1.2)
    with ProcessPool(Setup("a:b"), num_processes=2, group_size=1, limits=limits) as processes:
        first = places(processes)
        facts["cores"] = [os.sched_getaffinity(pid) == {core} for pid, core in
                          zip(first, [*sorted(os.sched_getaffinity(0)), *os.sched_getaffinity(0)])]
        facts["parents"] = [int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
                            == os.getpid() for pid in first]
        end(first[0])
        second = places(processes)
        facts["replaced"] = [second[0] != first[0], second[1] == first[1]]
        for function, argument in (("toy_children:crash", signal.SIGSEGV),
                                   ("toy_children:leaving", 3), ("forked_toys:grow", None)):
            try:
                processes.call(function, [argument])
            except ChildFailure as failure:
                facts[function] = [failure.reason, str(failure)]
        server = forking.current()._server
        server.kill()
        server.wait()
        third = places(processes)
        end(third[0])
        facts["without a server"] = places(processes)[0] not in (*first, *second, *third)
        facts["open"] = forking.current() is not None
    facts["left"] = [Path(f"/proc/{pid}").exists() for pid in (*first, *second)]
    print(json.dumps(facts))
"""
ORPHANS = """
if __name__ == "__main__":
    with ProcessPool(Setup("a:b"), num_processes=1, group_size=1) as processes:
        started = processes.call("forked_toys:start_another", [None])[0]
        print(*started, forking.current()._server.pid, flush=True)
        time.sleep(600)
"""
TOYS = """
import os, subprocess, time

def grow(argument):
    held = bytearray(2**31)
    for place in range(0, len(held), 4096):
        held[place] = 1
    time.sleep(60)

def start_another(argument):
    sleep = subprocess.Popen(["sleep", "600"], start_new_session=True)
    return os.getpid(), sleep.pid
"""


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a script with its toys."""
    (tmp_path / "forked_toys.py").write_text(TOYS)

    def start(text, how="forked"):
        script = tmp_path / "script.py"
        script.write_text(BEGINNING + text)
        paths = (str(tmp_path), str(HARNESS), module_path())
        return subprocess.Popen(
            [sys.executable, str(script), how],
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "CUDA_VISIBLE_DEVICES": "",
                "NAS_WITH_RL_CACHE_DIR": str(tmp_path / how),
                "PYTHONPATH": os.pathsep.join(paths),
            },
        )

    return start


def facts_of(process):
    printed, _ = process.communicate(timeout=180)
    assert process.returncode == 0
    return json.loads(printed)


def test_forked_children_find_to_the_last_bit_what_started_ones_do(start):
    forked, started = (facts_of(start(EQUALITY, how)) for how in ("forked", "started"))
    assert len(forked["found"]) == 6 and all("Measurement" in each[2] for each in forked["found"])
    assert forked["cached"]  # XLA has its flags
    assert forked == started


def test_forked_children_are_pinned_limited_and_replaced(start):
    facts = facts_of(start(KILLS))
    count = len(os.sched_getaffinity(0))
    assert facts["cores"] == [count <= 2] * 2 and facts["parents"] == [True, True]
    assert facts["replaced"] == [True, True]
    assert facts["toy_children:crash"] == ["crashed", "its process died of SIGSEGV"]
    assert facts["toy_children:leaving"] == ["crashed", "its process ended with status 3"]
    reason, message = facts["forked_toys:grow"]
    assert reason == "out_of_memory" and "more than 1.2 GiB" in message
    assert facts["without a server"] and not facts["open"]  # started as ever
    assert facts["left"] == [False] * 4


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_killed_program(start, number):
    program = start(ORPHANS)
    with program:
        others = [int(word) for word in program.stdout.readline().split()]
        assert len(others) == 3 and all(map(is_running, others))
        program.send_signal(number)
        program.wait()
    wait_until(lambda: not any(map(is_running, others)))


def test_with_a_gpu_or_another_backend_nothing_is_forked(monkeypatch):
    def unexpected():
        raise AssertionError("it was")

    monkeypatch.setattr(forking, "forked_server", unexpected)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    forking.begin_on_cores()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(AssertionError, match="it was"):
        forking.begin_on_cores()
    monkeypatch.setenv(backend.CHILDREN, "jax")
    forking.begin_on_cores()
