"""What a worker answers to requests for children, with a real child process."""

import json
import threading
import time
from collections import deque
from pathlib import Path

import pytest

from nas_with_rl.launch.clusters.messages import (
    digest_of,
    read_digest,
    read_reply,
    read_request,
    write_request,
)
from nas_with_rl.launch.clusters.worker_service import NUM_KEPT, WorkerService
from nas_with_rl.launch.evaluators.evaluation import Evaluation
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement
from nas_with_rl.launch.evaluators.process_pool import EvaluationStopped, ProcessPool, Setup
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace

IDENTITY = {"nas_with_rl": "1", "experiment": "mine", "child": {"epochs": 3}}


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """Let the processes find the toys, on cores."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "harness")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def evaluation(trial, behaviour="well", value=1):
    from toy_children import SPACE

    return Evaluation(trial, parse_architecture(f"{behaviour} {value}", SPACE), seed=trial)


@pytest.fixture
def worker(toys, tmp_path):
    """A service whose children behave as their architectures say, and the tries of each trial."""
    from toy_children import SPACE

    work = Setup("toy_children:Behaving", str(tmp_path), backends=())
    with ProcessPool(work, num_processes=1, group_size=1) as processes:
        yield WorkerService(processes, SPACE, IDENTITY, "here/worker-0"), tmp_path


def ask(service, asked, identity=IDENTITY):
    return read_reply(service.answer(write_request(asked, digest_of(identity)).encode()).encode())


def ask_in_the_background(service, asked):
    replies = []
    thread = threading.Thread(target=lambda: replies.append(ask(service, asked)))
    thread.start()
    return thread, replies


def wait_for(path):
    """Wait until a child has begun: it leaves a line in its trial's file."""
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def tries_of(directory, trial):
    return (directory / str(trial)).read_text().count("\n")


def test_a_measurement_arrives_as_it_was_made(worker):
    service, _ = worker
    before = time.time()
    reply = ask(service, evaluation(3))
    assert isinstance(reply.result, Measurement) and reply.result.reward == 3
    assert reply.worker == "here/worker-0"
    assert before <= reply.started <= reply.ended <= time.time()


def test_a_failure_is_a_reply(worker):
    service, directory = worker
    assert ask(service, evaluation(0, "fails_all")).result == Failure("out_of_memory", "too large")
    assert ask(service, evaluation(1, "crashes")).result.reason == "crashed"
    assert tries_of(directory, 1) == 2  # once more in a fresh process, as on one machine


def test_an_error_of_the_program_is_a_reply_with_its_traceback(worker):
    service, directory = worker
    (directory / "0").write_text("")
    reply = ask(service, evaluation(1, "errs"))
    assert "ZeroDivisionError" in reply.error and not reply.is_input_error
    reply = ask(service, evaluation(2, "is_misused"))
    assert reply.error == "--value is wrong" and reply.is_input_error
    assert ask(service, evaluation(4)).result.reward == 4  # the worker goes on


def test_another_search_is_told_whose_worker_this_is(worker):
    service, directory = worker
    other = {**IDENTITY, "experiment": "yours"}
    assert ask(service, evaluation(0), other).identity == IDENTITY
    assert not (directory / "0").exists()


def test_the_same_child_is_not_evaluated_twice(worker):
    """A chief that was started again asks for what the earlier one had asked for."""
    service, directory = worker
    first = ask(service, evaluation(5))
    assert ask(service, evaluation(5)) == first
    assert tries_of(directory, 5) == 1
    assert ask(service, evaluation(5, value=2)).result.reward == 5  # another architecture
    assert tries_of(directory, 5) == 2


def test_a_request_joins_the_evaluation_under_way(worker):
    service, directory = worker
    asked = [ask_in_the_background(service, evaluation(7, "crashes_once")) for _ in range(3)]
    for thread, _ in asked:
        thread.join()
    replies = [replies[0] for _, replies in asked]
    assert replies == [replies[0]] * 3 and replies[0].result.reward == 7
    assert tries_of(directory, 7) == 2  # of which the first crashed


def test_a_child_that_nobody_waits_for_gives_way(worker):
    service, directory = worker
    thread, abandoned = ask_in_the_background(service, evaluation(0, "sleeps"))
    wait_for(directory / "0")
    assert ask(service, evaluation(1)).result.reward == 1
    thread.join()
    assert abandoned[0].is_stopped and abandoned[0].result is None


def test_the_newest_of_several_requests_wins(worker):
    service, directory = worker
    first = ask_in_the_background(service, evaluation(0, "sleeps"))
    wait_for(directory / "0")
    second = ask_in_the_background(service, evaluation(1, "sleeps"))
    wait_for(directory / "1")
    assert ask(service, evaluation(2)).result.reward == 2
    for thread, replies in (first, second):
        thread.join()
        assert replies[0].is_stopped


def test_old_replies_are_forgotten(worker):
    service, directory = worker
    for trial in range(NUM_KEPT + 1):
        ask(service, evaluation(trial))
    ask(service, evaluation(0))
    ask(service, evaluation(NUM_KEPT))
    assert (tries_of(directory, 0), tries_of(directory, NUM_KEPT)) == (2, 1)


def test_an_evaluation_can_be_stopped_from_another_thread(tmp_path):
    work = Setup("toy_children:Behaving", str(tmp_path), backends=())
    with ProcessPool(work, num_processes=1, group_size=1) as processes:
        waiting = threading.Thread(
            target=lambda: (wait_for(tmp_path / "0"), processes.stop.set()), daemon=True
        )
        waiting.start()
        with pytest.raises(EvaluationStopped):
            list(processes.evaluate(deque([evaluation(0, "sleeps")])))
        processes.stop.clear()
        (outcome,) = processes.evaluate(deque([evaluation(1)]))
        assert outcome.result.reward == 1


def test_requests_carry_the_depth():
    space = ConvolutionalSpace().search_space(2)
    deeper = space.at_depth(3)
    text = " | ".join(["3 3 - 24", "3 3 1 24", "3 3 1,2 24"])
    asked = Evaluation(9, parse_architecture(text, deeper), 2**63 - 1)
    request = write_request(asked, "abc")
    assert read_request(request.encode(), space) == asked
    assert read_digest(request.encode()) == "abc"
    assert json.loads(request)["depth"] == 3
