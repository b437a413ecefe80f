"""Children that do what no child should: a named failure, or right; their neighbours are right."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

import pytest

from nas_with_rl.launch.evaluators import process_slot
from nas_with_rl.launch.evaluators.child_process import (
    Call,
    ChildProcess,
    ChildReply,
    Setup,
    WorkError,
)
from nas_with_rl.launch.evaluators.evaluation import Evaluation
from nas_with_rl.launch.evaluators.measurements import LONGEST_MESSAGE, Failure, Measurement
from nas_with_rl.launch.evaluators.process_pool import Limits, ProcessPool
from nas_with_rl.launch.host import resources
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.space import Choice, SearchSpace
from tests.harness.processes import is_running, wait_until

FOLDER = Path(__file__).parents[2] / "harness"


@pytest.fixture(autouse=True)
def hostile(monkeypatch, tmp_path):
    """Let the processes find the children, on cores, in a directory of their own."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.chdir(tmp_path)


def evaluations_of(*deeds):
    space = SearchSpace([Choice("deed", tuple(dict.fromkeys((*deeds, "nothing", "interrupts"))))])
    return [
        Evaluation(trial, parse_architecture(deed, space), seed=trial)
        for trial, deed in enumerate(deeds)
    ]


def results(tmp_path, *deeds, seconds=0.0, num_processes=1):
    """Return the result of each, in the order of the trials."""
    work = Setup("hostile_children:Hostile", str(tmp_path), backends=())
    limits = Limits(seconds=seconds)
    with ProcessPool(work, num_processes=num_processes, group_size=1, limits=limits) as processes:
        outcomes = list(processes.evaluate(deque(evaluations_of(*deeds))))
    assert sorted(outcome.evaluation.trial for outcome in outcomes) == list(range(len(deeds)))
    by_trial = {outcome.evaluation.trial: outcome.result for outcome in outcomes}
    return [by_trial[trial] for trial in range(len(deeds))]


def tries_of(tmp_path, deed):
    return [int(pid) for pid in (tmp_path / deed).read_text().split()]


@pytest.mark.parametrize(
    ("deed", "message"),
    [
        ("scribbles", "wrote what is no answer to the connection"),
        ("scribbles_and_returns", "wrote what is no answer"),
        ("announces_too_much", f"wrote an answer of {2**40} bytes, more than"),
        ("answers_nonsense", "wrote what is no answer"),
        ("answers_a_stranger", "wrote what is no answer"),
        ("answers_too_few", "wrote what is no answer"),
        ("answers_deeply", "wrote what is no answer"),
        ("closes_everything", "ended with status 0"),
        ("says_no_more", "closed its connection"),
        ("exits", "ended with status 0"),
        ("interrupts", "ended with status 1"),
    ],
)
def test_a_child_that_breaks_its_connection_has_crashed_and_its_process_is_gone(
    tmp_path, deed, message
):
    before, failure, after = results(tmp_path, "nothing", deed, "nothing")
    assert (before, after) == (Measurement(0), Measurement(2))
    assert isinstance(failure, Failure) and failure.reason == "crashed"
    assert message in failure.message
    tries = tries_of(tmp_path, deed)
    assert len(set(tries)) == 2  # the second in a fresh process
    assert not any(map(is_running, tries))


@pytest.mark.parametrize("deed", ["announces_more_than_comes", "drips", "stops", "ignores_signals"])
def test_a_child_that_never_answers_is_timed_out(tmp_path, deed):
    failure, after = results(tmp_path, deed, "nothing", seconds=0.5)
    assert failure == Failure("timed_out", "it took longer than 0.5 seconds")
    assert after == Measurement(1)
    assert not any(map(is_running, tries_of(tmp_path, deed)))


def test_a_child_that_stops_itself_has_crashed_where_there_is_no_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(process_slot, "STOPPED_LOOKS", 3)
    failure, after = results(tmp_path, "stops", "nothing")
    assert failure == Failure("crashed", "its process was stopped, and nobody let it go on")
    assert after == Measurement(1)


@pytest.mark.parametrize(
    "deed", ["forks", "loses_its_directory", "prints_what_is_no_text", "closes_its_output"]
)
def test_what_does_not_concern_the_measurement_leaves_it_right(tmp_path, deed):
    assert results(tmp_path, deed, "nothing", "nothing") == [Measurement(i) for i in range(3)]
    assert len(tries_of(tmp_path, deed)) == 1


def test_a_second_answer_is_not_the_next_childs(tmp_path):
    found = results(tmp_path, "nothing", "nothing", "answers_twice", "nothing", "nothing")
    assert found[3:] == [Measurement(3), Measurement(4)]


def test_a_message_that_is_no_text_can_be_stored_and_shown(tmp_path):
    (failure,) = results(tmp_path, "fails_in_no_language")
    assert failure.reason == "crashed"
    assert failure.message.startswith("\\udcff \\x1b[31m\\x00 ünd\nxxx")
    assert failure.message.endswith("xxxend")
    assert LONGEST_MESSAGE < len(failure.message) < LONGEST_MESSAGE + 100
    with contextlib.closing(sqlite3.connect(":memory:")) as store:
        (stored,) = store.execute("SELECT ?", (failure.message,)).fetchone()
    assert stored == failure.message


@pytest.mark.parametrize("deed", ["starts_another", "starts_another_and_exits"])
def test_what_a_child_has_started_in_a_session_of_its_own_ends_with_it(tmp_path, deed):
    failure, after = results(tmp_path, deed, "nothing", seconds=0.5)
    assert failure.reason in ("timed_out", "crashed") and after == Measurement(1)
    assert not any(map(is_running, tries_of(tmp_path, "started")))


PARENT = """
import sys, threading
from collections import deque
from hostile_children_test import evaluations_of
from nas_with_rl.launch.evaluators.process_pool import ProcessPool, Setup

def search():
    work = Setup("hostile_children:Hostile", sys.argv[1], backends=())
    with ProcessPool(work, num_processes=1, group_size=1) as processes:
        list(processes.evaluate(deque(evaluations_of(sys.argv[2]))))

thread = threading.Thread(target=search, daemon=True)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("deed", ["keeps_the_lock", "starts_another", "stops"])
def test_nothing_outlives_the_kill_of_its_search(tmp_path, deed):
    path = os.pathsep.join(map(str, (FOLDER.parents[1], FOLDER, Path(__file__).parent)))
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), deed],
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        last = tmp_path / ("started" if deed == "starts_another" else deed)
        wait_until(lambda: last.exists() and last.read_text().endswith("\n"))
        time.sleep(0.3)  # until it is in the C code
        pids = [*tries_of(tmp_path, deed), *tries_of(tmp_path, last.name)]
        assert all(map(is_running, pids))
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not any(map(is_running, pids)), 2)


def answer_of(process):
    wait_until(process.has_news)
    return process.receive()


def test_a_process_outlives_the_thread_that_has_asked_for_it():
    started = []
    thread = threading.Thread(target=lambda: started.append(ChildProcess(resources.Place(), [])))
    thread.start()
    thread.join()
    (process,) = started
    try:
        assert isinstance(answer_of(process), ChildReply)
        time.sleep(0.3)
        assert not process.has_ended()
        assert process.send(Call("hostile_children:connection"))
    finally:
        process.kill()
    assert process.has_ended()


@pytest.mark.real_start  # the fork server would have to be there
def test_a_process_starts_from_a_directory_that_is_gone(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.syspath_prepend("")
    gone.rmdir()
    assert results(tmp_path, "nothing") == [Measurement(0)]


def test_what_never_answers_before_its_first_child_is_an_error(monkeypatch):
    work = Setup("hostile_children:write", b"text", backends=())
    with (
        ProcessPool(work, num_processes=1, group_size=1) as processes,
        pytest.raises(WorkError, match=r"is no answer .* its first child"),
    ):
        list(processes.evaluate(deque(evaluations_of("nothing"))))


FORKED = """
import os
from nas_with_rl.launch.host import resources
from nas_with_rl.launch.evaluators.child_process import ChildReply, ChildProcess

def start():
    process = ChildProcess(resources.Place(), [])
    while not process.has_news():
        pass
    assert isinstance(process.receive(), ChildReply)
    return process

first = start()
if forked := os.fork():
    assert os.waitpid(forked, 0)[1] == 0 and not first.has_ended()
else:
    start().kill()
    os._exit(0)
first.kill()
"""


def test_a_fork_of_the_parent_starts_processes_of_its_own():
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parents[1])}
    subprocess.run([sys.executable, "-c", FORKED], env=environment, timeout=60, check=True)
