"""kill -9 at several moments, in real processes: the same trials as a run never killed."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nas_with_rl.launch.records.trial_store import TrialStore

SCRIPT = Path(__file__).parents[2] / "harness" / "killed_search.py"
KILLS = (
    ("evaluating", 3),  # before the first batch is complete, no checkpoint yet
    ("recorded", 4),
    ("learned", 3),
    ("checkpoint", 1),  # while a checkpoint is written
    ("renamed", 2),  # written whole, not yet renamed
    ("evaluating", 7),
)


def start(workdir, moment, count, resume):
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(workdir), moment, str(count), resume],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=SCRIPT.parents[2],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
    )


@pytest.fixture(scope="module")
def workdirs(tmp_path_factory):
    """A run killed six times, and one never killed."""
    killed, whole = (tmp_path_factory.mktemp(name) / "run" for name in ("killed", "whole"))
    for index, (moment, count) in enumerate(KILLS):
        done = start(killed, moment, count, "resume" if index else "start")
        assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    for workdir, resume in ((killed, "resume"), (whole, "start")):
        done = start(workdir, "never", 0, resume)
        assert done.returncode == 0, done.stderr[-2000:]
    return killed, whole


def trials_of(workdir):
    store = TrialStore(workdir / "trials.sqlite")
    return [replace(t, started=None, ended=None, worker=None) for t in store.all()]


def test_a_killed_search_ends_with_the_same_trials(workdirs):
    killed, whole = map(trials_of, workdirs)
    assert len(whole) == 42 and all(trial.status == "completed" for trial in whole)
    assert killed == whole


def test_every_trial_was_learned_from_once(workdirs):
    for trials in map(trials_of, workdirs):
        assert [t.updated_version for t in trials] == [1 + t.number // 4 for t in trials]


def test_both_end_with_the_same_controller(workdirs):
    states = [
        sorted((workdir / "checkpoints").iterdir())[-1] / "manifest.json" for workdir in workdirs
    ]
    first, second = (json.loads(path.read_text()) for path in states)
    assert first["reinforce.json"] == second["reinforce.json"]
    weights = "controller.data-00000-of-00001"
    assert first[weights] == second[weights]
