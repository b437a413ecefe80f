"""Child processes in earnest: toys in real processes, killed and replaced."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import pytest

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.launch.evaluators.child_process import Call, ChildProcess, ChildReply, WorkError
from nas_with_rl.launch.evaluators.evaluation import Evaluation, InProcess
from nas_with_rl.launch.evaluators.measurements import Failure
from nas_with_rl.launch.evaluators.process_pool import Limits, ProcessPool, Setup
from nas_with_rl.launch.host import resources
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.errors import InputError
from tests.harness.processes import is_running, wait_until

FOLDER = Path(__file__).parents[2] / "harness"
PARENT = FOLDER / "parent_process.py"


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """Let the processes find the toys, on cores."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    import toy_children

    return toy_children


@pytest.fixture
def behaving(tmp_path):
    """Two processes whose children behave as their architectures say."""
    work = Setup("toy_children:Behaving", str(tmp_path), backends=())
    limits = Limits(memory_gib=0.4)
    with ProcessPool(work, num_processes=2, group_size=2, limits=limits) as processes:
        yield processes


def evaluations_of(*behaviours):
    from toy_children import SPACE

    return [
        Evaluation(trial, parse_architecture(f"{behaviour} {trial % 10}", SPACE), seed=trial)
        for trial, behaviour in enumerate(behaviours)
    ]


def results(processes, *behaviours):
    """Return the result of each, in the order of the trials."""
    outcomes = list(processes.evaluate(deque(evaluations_of(*behaviours))))
    by_trial = {outcome.evaluation.trial: outcome.result for outcome in outcomes}
    assert len(by_trial) == len(outcomes) == len(behaviours)
    return [by_trial[trial] for trial in range(len(behaviours))]


def tries_of(directory, trial):
    """Return (process, groups it had before, size of the group) of each try."""
    lines = (Path(directory) / str(trial)).read_text().splitlines()
    return [tuple(map(int, line.split())) for line in lines]


def test_outcomes_are_those_of_one_process(toys):
    behaviours = ["well", "infinite", "fails", "well", "well", "well", "well"]
    evaluations = evaluations_of(*behaviours)
    expected = [outcome.result for outcome in InProcess(toys.reward).evaluate(deque(evaluations))]
    before = time.time()
    work = Setup("toy_children:measuring", backends=())
    with ProcessPool(work, num_processes=2, group_size=2) as processes:
        outcomes = sorted(processes.evaluate(deque(evaluations)), key=lambda o: o.evaluation.trial)
        assert list(processes.evaluate(deque())) == []
    assert [outcome.evaluation for outcome in outcomes] == evaluations
    assert [outcome.result for outcome in outcomes] == expected
    assert {outcome.worker.rpartition("/")[2] for outcome in outcomes} <= {"0", "1"}
    assert all(before <= o.started <= o.ended <= time.time() for o in outcomes)


@pytest.mark.parametrize(
    ("count", "group_size", "sizes"),
    [(8, 16, [4, 4]), (8, 3, [2, 2, 2, 2]), (5, 2, [1, 1, 1, 2]), (1, 4, [1])],
)
def test_groups_are_even(count, group_size, sizes):
    # Without processes: nothing is started before an evaluation's first outcome is asked for.
    processes = ProcessPool(
        Setup("a:b", backends=()), num_processes=2, group_size=group_size, limits=Limits()
    )
    groups = list(processes._groups(evaluations_of(*["well"] * count)))
    assert sorted(map(len, groups)) == sizes
    assert [e.trial for group in groups for e in group] == list(range(count))


def test_processes_that_are_started_early_are_the_ones_that_work():
    with ProcessPool(Setup("a:b", backends=()), num_processes=2, group_size=1) as processes:
        processes.start()
        processes.start()  # those that are there stay
        started = [slot.process.pid for slot in processes._slots]
        places = processes.call("toy_children:place", [None] * 2)
        assert [pid for pid, *_ in places] == started


def test_processes_live_long(behaving):
    pids = [pid for pid, _, _ in behaving.call("toy_children:place", [None] * 2)]
    for _ in range(2):
        outcomes = list(behaving.evaluate(deque(evaluations_of(*["well"] * 4))))
        assert all(
            outcome.result.metrics["pid"] == pids[int(outcome.worker.rpartition("/")[2])]
            for outcome in outcomes
        )
    assert [pid for pid, _, _ in behaving.call("toy_children:place", [None] * 2)] == pids


def test_the_children_of_a_group_share_its_seconds(behaving):
    outcomes = behaving.evaluate(deque(evaluations_of("well", "well", "well", "well")))
    first, second, *_ = sorted(outcomes, key=lambda outcome: outcome.evaluation.trial)
    assert first.worker == second.worker and first.result.metrics["size"] == 2
    assert first.ended == second.started
    assert second.ended - second.started == pytest.approx(first.ended - first.started, abs=1e-6)


def test_each_process_has_a_core_and_a_single_thread():
    cores = sorted(os.sched_getaffinity(0))
    with ProcessPool(Setup("a:b", backends=()), num_processes=3, group_size=1) as processes:
        places = processes.call("toy_children:place", [None] * 3)
    assert len({pid for pid, _, _ in places}) == 3
    assert [there for _, there, _ in places] == [[cores[i % len(cores)]] for i in range(3)]
    assert {environment[1:] for _, _, environment in places} == {("1", "1")}


def test_each_process_has_a_gpu_and_every_core(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-abc,-1,5")
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)  # it sees no such GPUs
    assert resources.default_num_processes() == 2
    with ProcessPool(Setup("a:b", backends=()), num_processes=2, group_size=1) as processes:
        places = processes.call("toy_children:place", [None] * 2)
    assert [environment[0] for _, _, environment in places] == ["3", "GPU-abc"]
    assert all(there == sorted(os.sched_getaffinity(0)) for _, there, _ in places)


def test_a_killed_process_is_replaced_and_its_children_are_measured(behaving, tmp_path):
    found = results(behaving, "well", "crashes_once", "well", "well")
    assert [result.reward for result in found] == [0, 1, 2, 3]
    assert [size for _, _, size in tries_of(tmp_path, 0)] == [2, 1]
    assert [size for _, _, size in tries_of(tmp_path, 1)] == [2, 1]
    assert [size for _, _, size in tries_of(tmp_path, 2)] == [2]


@pytest.mark.parametrize(
    ("behaviour", "reason", "message", "num_tries"),
    [
        ("crashes", "crashed", "its process died of SIGSEGV", 3),
        ("leaves", "crashed", "its process ended with status 3", 3),
        ("grows", "out_of_memory", "GiB of memory, more than 0.4 GiB", 3),
        ("fails_all", "out_of_memory", "too large", 2),
    ],
)
def test_a_child_that_breaks_its_process_fails_alone(
    behaving, tmp_path, behaviour, reason, message, num_tries
):
    well, failure = results(behaving, "well", behaviour, "well", "well")[:2]
    assert well.reward == 0
    assert isinstance(failure, Failure) and failure.reason == reason
    assert message in failure.message
    tries = tries_of(tmp_path, 1)
    assert [size for _, _, size in tries] == [2, 1, 1][:num_tries]
    if num_tries == 3:  # the last one in a fresh process
        assert tries[-1][1] == 0


def test_a_child_alone_has_its_second_try_in_a_fresh_process(behaving, tmp_path):
    behaving.group_size = 1
    behaving.call("toy_children:echo", [1, 2])  # both are there: the other could take it
    crashed, *well = results(behaving, "crashes", "well", "well")
    assert crashed.reason == "crashed" and [result.reward for result in well] == [1, 2]
    first, second = tries_of(tmp_path, 0)
    assert second[0] not in {first[0], *(tries_of(tmp_path, trial)[0][0] for trial in (1, 2))}


def test_a_child_that_passes_its_time_fails_alone(tmp_path):
    work = Setup("toy_children:Behaving", str(tmp_path), backends=())
    limits = Limits(seconds=0.8)
    with ProcessPool(work, num_processes=1, group_size=2, limits=limits) as processes:
        found = results(processes, "well", "sleeps", "well")
    # The time of two, also for the one alone.
    assert found[1] == Failure("timed_out", "it took longer than 1.6 seconds")
    assert [found[0].reward, found[2].reward] == [0, 2]
    assert [size for _, _, size in tries_of(tmp_path, 1)] == [2, 1]


@pytest.mark.parametrize(
    ("behaviour", "error", "message"),
    [("errs", WorkError, "in behave\n"), ("is_misused", InputError, "^--value is wrong$")],
)
def test_an_error_stops_the_evaluation_and_leaves_the_evaluator_usable(
    behaving, tmp_path, behaviour, error, message
):
    behaving.group_size = 1
    with pytest.raises(error, match=message) as raised:
        results(behaving, "sleeps", behaviour)
    assert error is InputError or "nothing to divide by" in str(raised.value)
    assert all(not is_running(pid) for pid, _, _ in tries_of(tmp_path, 0))
    assert results(behaving, "well")[0].reward == 0


def test_an_abandoned_evaluation_is_ended(tmp_path):
    work = Setup("toy_children:Behaving", str(tmp_path), backends=())
    with ProcessPool(work, num_processes=2, group_size=1) as processes:
        evaluation = processes.evaluate(deque(evaluations_of("sleeps", "well", "sleeps")))
        assert next(evaluation).evaluation.trial == 1
        wait_until(lambda: (tmp_path / "2").exists())
        asleep = [tries_of(tmp_path, trial)[0][0] for trial in (0, 2)]
        assert [result.reward for result in results(processes, *["well"] * 4)] == [0, 1, 2, 3]
        assert not any(map(is_running, asleep))
        assert list(evaluation) == []
    processes.close()  # again


def test_an_idle_process_that_dies_is_replaced(behaving):
    ((pid, _, _),) = behaving.call("toy_children:place", [None])
    os.kill(pid, signal.SIGKILL)
    assert [result.reward for result in results(behaving, "well", "well")] == [0, 1]


@pytest.mark.parametrize(
    ("work", "error", "message"),
    [
        (Setup("no_such_module:f", backends=()), WorkError, "ModuleNotFoundError"),
        (Setup("toy_children:no_such", backends=()), WorkError, "AttributeError"),
        (Setup("toy_children:raising", InputError("no data"), ()), InputError, "^no data$"),
        (Setup("toy_children:leaving", 3, ()), WorkError, "ended with status 3 before its first"),
        (Setup("toy_children:crash", 9, ()), WorkError, "died of SIGKILL before its first child"),
        (Setup("toy_children:too_few", backends=()), WorkError, "for each of its 1 evaluations"),
        (Setup("toy_children:measuring", lambda: 0, ()), Exception, "ickle"),
    ],
)
def test_work_that_cannot_be_done_is_one_error(work, error, message):
    with (
        ProcessPool(work, num_processes=1, group_size=1) as processes,
        pytest.raises(error, match=message),
    ):
        results(processes, "well")


@pytest.mark.real_start  # a forked one has grown before its limit is set
def test_a_process_too_large_from_the_start_is_the_users_error():
    work = Setup("toy_children:measuring", backends=())
    limits = Limits(memory_gib=0.001)
    with (
        ProcessPool(work, num_processes=1, group_size=1, limits=limits) as processes,
        pytest.raises(InputError, match=r"its first child: .* limits\.memory_gib"),
    ):
        results(processes, "well")


def test_calls(behaving):
    assert behaving.call("toy_children:echo", [{"a": 1}, 2, 3]) == [{"a": 1}, 2, 3]
    assert behaving.call("toy_children:echo", []) == []
    with pytest.raises(ChildFailure, match="died of SIGSEGV") as crashed:
        behaving.call("toy_children:crash", [signal.SIGSEGV])
    assert crashed.value.reason == "crashed"
    with pytest.raises(ChildFailure, match=r"longer than 0\.2 seconds") as late:
        behaving.call("toy_children:sleep", [0, 60], seconds=0.2)
    assert late.value.reason == "timed_out"
    with pytest.raises(WorkError, match=r"not of _thread\.lock"):
        behaving.call("toy_children:unpicklable", [None])
    assert behaving.call("toy_children:echo", [3, 4]) == [3, 4]


@pytest.fixture
def started(tmp_path):
    """Start a parent with two child processes, in a process group of its own."""
    parents = []

    def start(behaviour):
        path = os.pathsep.join(map(str, (FOLDER.parents[1], FOLDER)))
        parents.append(
            subprocess.Popen(
                [sys.executable, str(PARENT), str(tmp_path), behaviour],
                env={**os.environ, "PYTHONPATH": path},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )
        wait_until(lambda: all((tmp_path / str(trial)).exists() for trial in range(2)), 60)
        pids = [tries_of(tmp_path, trial)[0][0] for trial in range(2)]
        assert all(map(is_running, pids))
        return parents[-1], pids

    yield start
    for parent in parents:
        parent.kill()
        parent.communicate()


@pytest.mark.parametrize("behaviour", ["well", "sleeps"])
def test_no_process_is_left_when_the_parent_is_killed(started, behaviour):
    parent, pids = started(behaviour)
    if behaviour == "well":
        assert parent.stdout.readline() == "idle\n"
    parent.kill()
    wait_until(lambda: not any(map(is_running, pids)), 3)


def test_ctrl_c_ends_all_at_once(started):
    parent, pids = started("sleeps")
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
    output, _ = parent.communicate(timeout=2)
    assert output == "interrupted\n"  # and no word from the child processes
    assert not any(map(is_running, pids))


def test_tensorflow_comes_quietly_and_with_a_single_thread(capfd):
    process = ChildProcess(resources.Place(), ["tensorflow"])
    try:
        wait_until(process.has_news, 60)
        assert isinstance(process.receive(), ChildReply)
        assert process.send(Call("toy_children:tensorflow_threads"))
        wait_until(process.has_news, 60)
        answer = process.receive()
        assert isinstance(answer, ChildReply) and answer.returned == 1
    finally:
        process.kill()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Limits(seconds=-1), "limits.seconds is -1"),
        (lambda: Limits(memory_gib=float("nan")), "limits.memory_gib is nan"),
        (lambda: Setup("module.function"), "'module.function' is not the name of a function"),
        (lambda: Call("module:1"), "'module:1' is not the name of a function"),
        (
            lambda: ProcessPool(Setup("a:b"), num_processes=0, group_size=1),
            "num_processes is 0; it must be at least 1",
        ),
        (
            lambda: ProcessPool(Setup("a:b"), num_processes=1, group_size=0),
            "group_size is 0; it must be at least 1",
        ),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
