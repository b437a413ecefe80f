"""How a search stands: under way, finished, stopped, killed; and what cannot be told from here."""

import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.results.run_state import _speed, state_of
from tests.harness.processes import wait_until

ROOT = Path(__file__).resolve().parents[2]
SEARCH = """
import sys, time
from pathlib import Path
import nas_with_rl as nas

folder, waiting_at, resume = Path(sys.argv[1]), int(sys.argv[2]), len(sys.argv) > 3
calls = []

def evaluate(architecture):
    calls.append(architecture)
    if len(calls) == waiting_at:
        (folder / "waits").touch()
        time.sleep(60)
    if architecture["units"] == 1:
        raise nas.ChildFailure("diverged", "NaN")
    return architecture["units"], {"loss": 1 / architecture["units"]}

search = nas.SearchConfig(searcher="random", duplicates="evaluate", batch_size=4)
options = nas.SearchOptions(search=search, progress=False, metric="loss", resume=resume)
space = {"units": (1, 2, 3)}
nas.search(space, evaluate, num_samples=10, workdir=folder / "run", options=options)
"""


@pytest.fixture
def begin(tmp_path):
    """Return what starts a search in a folder, which waits before an evaluation's end."""
    begun = []

    def start(waiting_at, *words):
        (tmp_path / "waits").unlink(missing_ok=True)
        command = [sys.executable, "-c", SEARCH, tmp_path, str(waiting_at), *words]
        begun.append(subprocess.Popen(command))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait()


def status(folder, *words):
    """Return the exit status and the output of the binary."""
    done = subprocess.run(
        [sys.executable, "-m", "nas_with_rl.launch.status", f"--workdir={folder}", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def files(folder):
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    return sorted((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in found)


def test_a_search_from_its_beginning_over_a_kill_and_a_stop_to_its_end(begin, tmp_path):
    run, now = tmp_path / "run", time.time()
    process = begin(7)
    wait_until((tmp_path / "waits").exists)
    before = files(run)
    found = state_of(run)
    loaded = nas.load(run)
    assert files(run) == before
    assert (found.state, found.experiment) == ("running", "own")
    assert found.known_by == (
        f"process {process.pid} of {socket.gethostname()} has the workdir locked"
    )
    failed = sum(trial.status == "failed" for trial in loaded.trials)
    assert dataclasses.astuple(found.trials) == (6 - failed, 0, failed, 0, 2)
    pace = found.pace
    assert (pace.done, pace.budget, pace.counts) == (6, 10, "trials")
    assert dataclasses.astuple(found.best)[:4] == (
        *("3", loaded.best.trial.number, "loss"),
        1 / 3,
    )
    assert now - 0.001 <= found.since <= found.last_write + 0.1
    speed = 60 * 6 / pace.measured_seconds
    assert pace.per_minute == pytest.approx(speed)
    assert pace.seconds_left == pytest.approx(60 * 4 / speed)
    code, printed = status(run)
    assert code == 0 and f"state      running: process {process.pid} of" in printed
    assert "6 of 10 trials" in printed and "2 under way" in printed and "best       loss" in printed
    assert "a minute over" in printed and "left       about" in printed

    process.send_signal(signal.SIGKILL)
    process.wait()
    found = state_of(run)
    assert found.state == "killed" and found.since is None and found.pace.seconds_left is None
    code, printed = status(run, "--watch=30")  # it does not wait: nothing is under way
    assert code == 1 and "killed: nothing has it locked, and its store was not closed" in printed
    assert "2 without an outcome" in printed

    process = begin(3, "resume")
    wait_until((tmp_path / "waits").exists)
    process.send_signal(signal.SIGINT)
    process.wait()
    assert state_of(run).state == "interrupted" and status(run)[0] == 1

    assert begin(0, "resume").wait() == 0
    code, printed = status(run, "--format=json")
    assert code == 0 and json.loads(printed) == dataclasses.asdict(state_of(run))
    told = json.loads(printed)
    assert told["state"] == "finished"
    assert (told["pace"]["done"], told["trials"]["under_way"]) == (10, 0)


def test_where_locks_may_not_show_it_is_not_said_that_a_search_is_dead(begin, tmp_path):
    run = tmp_path / "run"
    process = begin(6)
    wait_until((tmp_path / "waits").exists)
    copy = tmp_path / "copy"  # as a backup, or a mount without locks, has it
    shutil.copytree(run, copy)
    (copy / ".lock").write_text(json.dumps({"host": "elsewhere", "pid": 1, "since": 5}))
    process.kill()
    found = state_of(copy)
    assert found.state == "unknown" and found.since is None and found.pace.seconds_left > 0
    assert found.known_by == (
        "it ran on elsewhere, and locks may not show here; by its last write it seems to run"
    )
    assert status(copy)[0] == 3
    later = state_of(copy, now=time.time() + 3600)
    assert later.known_by.endswith("it seems to have ended early")
    assert later.pace.per_minute is None and later.pace.done == 5
    for told in ("", "{", "[1]", '{"host": 5, "since": "now"}'):  # of earlier versions, or damaged
        (copy / ".lock").write_text(told)
        assert "a machine that it does not name, and locks may not" in state_of(copy).known_by
    (copy / ".lock").unlink()
    assert "its lock cannot be seen here" in state_of(copy).known_by


def test_a_search_that_has_seen_all_of_its_space_is_finished(tmp_path):
    options = nas.SearchOptions(search=nas.SearchConfig(searcher="random"), progress=False)
    given = {"num_children": 50, "workdir": tmp_path / "run", "options": options}

    def evaluate(architecture):
        if architecture["units"] == 1:
            raise nas.ChildFailure("infeasible")
        return architecture["units"]

    result = nas.search({"units": (1, 2, 3)}, evaluate, **given)
    found = state_of(tmp_path / "run")
    assert found.state == "finished"
    assert dataclasses.astuple(found.pace)[:3] == (3, 50, "children")
    assert found.trials.reused == len(result.trials) - 3
    file = tmp_path / "run" / "experiment.json"
    file.write_text(file.read_text().replace("(1, 2, 3)", "(1, 2, 3, 4)"))
    assert nas.load(tmp_path / "run").space.size == 4
    assert state_of(tmp_path / "run").state == "interrupted"


@pytest.mark.parametrize(
    ("ended", "since", "expected"),
    [
        ([], None, None),
        ([990.0], None, None),  # it begins the clock, and nothing has ended since
        ([980.0, 990.0], None, (1, 20.0)),
        ([910.0, 990.0], 900.0, (2, 100.0)),
        ([100.0, 500.0, 800.0, 990.0], 50.0, (3, 600.0)),  # the last ten minutes
        ([10.0, 100.0, 200.0, 300.0, 350.0], 5.0, (4, 990.0)),  # as many more as four take
        ([10.0, 20.0], 900.0, None),  # all of an earlier start
    ],
)
def test_the_speed_is_that_of_the_last_minutes(ended, since, expected):
    wanted = None if expected is None else (expected[0] / expected[1], expected[1])
    assert _speed(ended, 1000.0, since) == (pytest.approx(wanted) if wanted else None)


def test_who_looks_does_not_keep_a_search_out(tmp_path):
    first, second = Workdir(tmp_path), Workdir(tmp_path)
    first.lock()
    first.sign()
    assert first.user().is_working and second.user().is_working
    with pytest.raises(nas.InputError, match="in use by another process"):
        second.lock()
    assert second.user().pid == os.getpid()  # who was refused has not written its own over it
    first.close()
    second.close()
    assert Workdir(tmp_path).user().is_working is False
    third = Workdir(tmp_path)
    third.lock()
    third.close()


def test_what_is_no_search_is_one_line(tmp_path):
    command = [sys.executable, "-m", "nas_with_rl.launch.status"]
    for words, said in (
        ((), "--workdir is missing: the directory of the search"),
        ((f"--workdir={tmp_path}",), "there is no run in it"),
        (("--workdir=x", "--watch=0"), "--watch"),
    ):
        done = subprocess.run(
            [*command, *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and not done.stdout
        assert said in done.stderr
