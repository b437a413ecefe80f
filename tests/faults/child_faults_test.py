"""Child processes that are stopped: timed out and replaced, or waited for."""

import os
import signal
import threading
import time
from collections import deque

import pytest

from nas_with_rl.launch.evaluators.evaluation import Evaluation
from nas_with_rl.launch.evaluators.measurements import Failure
from nas_with_rl.launch.evaluators.process_pool import Limits, ProcessPool, Setup
from nas_with_rl.search_spaces.architecture import parse_architecture
from tests.harness.processes import state_of


@pytest.fixture(autouse=True)
def on_cores(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def evaluated(folder, limits, *behaviours):
    """Return the result of each behaviour, in processes of which there is one."""
    from child_toys import SPACE

    evaluations = [
        Evaluation(trial, parse_architecture(behaviour, SPACE), trial)
        for trial, behaviour in enumerate(behaviours)
    ]
    work = Setup("child_toys:Behaving", str(folder), backends=())
    with ProcessPool(work, num_processes=1, group_size=1, limits=limits) as processes:
        outcomes = list(processes.evaluate(deque(evaluations)))
    results = {outcome.evaluation.trial: outcome.result for outcome in outcomes}
    return [results[trial] for trial in range(len(behaviours))]


def test_a_stopped_child_passes_its_time_and_its_process_is_replaced(tmp_path):
    first, stopped, last = evaluated(tmp_path, Limits(seconds=0.8), "well", "stops", "well")
    assert (first.reward, last.reward) == (0, 2)
    assert isinstance(stopped, Failure) and stopped.reason == "timed_out"
    pids = [int((tmp_path / str(trial)).read_text()) for trial in range(3)]
    assert pids[1] != pids[2] and state_of(pids[1]) is None


def test_without_a_limit_a_stopped_child_is_waited_for(tmp_path):
    seen = []

    def go_on():
        end = time.monotonic() + 30
        while time.monotonic() < end:
            pid = (tmp_path / "0").read_text() if (tmp_path / "0").exists() else ""
            if pid and state_of(pid) == "T":
                time.sleep(0.5)
                seen.append(state_of(pid))
                os.kill(int(pid), signal.SIGCONT)
                return
            time.sleep(0.02)

    thread = threading.Thread(target=go_on)
    thread.start()
    (result,) = evaluated(tmp_path, Limits(), "stops")
    thread.join()
    assert seen == ["T"] and result.reward == 0
