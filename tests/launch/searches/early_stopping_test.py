"""Searches that stop their bad children early: statuses, rewards, resuming, audits, refusals."""

import collections
import contextlib
import dataclasses
import math
import os
import re
import signal
import sqlite3

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.audits.audit import audit_search
from nas_with_rl.launch.clusters.messages import read_request, write_request
from nas_with_rl.launch.evaluators.evaluation import Evaluation
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.results.run_state import state_of
from nas_with_rl.launch.searches.progress import Progress
from nas_with_rl.launch.searches.summary import describe_search
from nas_with_rl.search_spaces.errors import InputError

SPACE = nas.SearchSpace({"units": tuple(range(30)), "rate": (1, 2, 3)})
STEPS = 27


def settings(resume=False, **changes):
    given = {"searcher": "random", "batch_size": 4, "early_stopping": "asha", **changes}
    return nas.SearchOptions(search=nas.SearchConfig(**given), progress=False, resume=resume)


def value_at(architecture, step):
    return architecture["units"] * architecture["rate"] * (1 - 0.5**step)


def evaluate(architecture, trial):
    if architecture["units"] == 7:
        raise nas.ChildFailure("diverged", "by its units")
    for step in range(1, STEPS + 1):
        trial.report(step, value_at(architecture, step))
    return value_at(architecture, STEPS), {"whole": 1}


def searched(function=evaluate, *, num_samples=80, **named):
    named = {"options": settings(), "seed": 7, **named}
    return nas.search(SPACE, function, num_samples=num_samples, **named)


OF_FINISHED = {"asha": nas.Asha(min_steps=3)}


def rows(trials):
    return [dataclasses.replace(t, worker=None, started=None, ended=None) for t in trials]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A search with stopped, completed and failed trials, which nobody changes."""
    place = tmp_path_factory.mktemp("runs") / "run"
    return searched(workdir=place, options=settings(**OF_FINISHED))


def test_a_stopped_trial_counts_as_what_it_reported_last(finished):
    found = collections.Counter(trial.status for trial in finished.trials)
    assert found["stopped"] > 20 and found["completed"] > 4 and found["failed"] >= 1
    for trial in finished.trials:
        steps = trial.metrics.get("reported_step")
        if trial.status == "stopped":
            assert steps[-1] in (3, 9) and steps == list(range(1, steps[-1] + 1))
            assert trial.reward == trial.metrics["reported"][-1]
            assert trial.reward == value_at(finished.architecture(trial), steps[-1])
            assert "whole" not in trial.metrics and trial.failure is None
        elif trial.status == "completed":
            assert len(steps) == STEPS and trial.metrics["whole"] == 1
    first = [trial.status for trial in finished.trials[:4]]
    assert "stopped" not in first  # there is nothing to compare them with


def test_most_steps_are_saved_and_the_best_is_found(finished):
    whole = searched(options=settings(early_stopping="none"))
    assert "stopped" not in {trial.status for trial in whole.trials}
    assert [t.architecture for t in finished.trials] == [t.architecture for t in whole.trials]
    steps = [_steps(result.trials) for result in (finished, whole)]
    assert steps[0] < 0.4 * steps[1]
    assert finished.best.architecture == whole.best.architecture
    assert finished.best.reward == whole.best.reward


def _steps(trials):
    own = [trial for trial in trials if trial.reused_from is None]
    return sum(len(trial.metrics.get("reported", ())) for trial in own)


def test_the_best_is_one_that_was_trained_to_its_end():
    def falling(architecture, trial):
        for step in range(1, STEPS + 1):
            trial.report(step, architecture["units"] + 1000 / step)
        return architecture["units"]

    result = searched(falling)
    assert max(t.reward for t in result.trials if t.status == "stopped") > 1000
    assert result.best.trial.status == "completed" and result.best.reward < 30


def test_it_is_seen_wherever_a_search_shows_itself(finished, monkeypatch):
    number = sum(trial.status == "stopped" for trial in finished.trials)
    assert f"{number} stopped early" in repr(finished)
    assert f"{number} stopped early" in finished._repr_html_()
    assert f"reused, {number} stopped early, " in describe_search(finished)
    own = sum(t.status == "stopped" and t.reused_from is None for t in finished.trials)
    assert state_of(finished.workdir).trials.stopped == own > 0
    page = (finished.workdir / "report.html").read_text("utf-8")
    cells = re.search(r"<td[^>]*>stopped early</td><td[^>]*>(\d+)<", page)
    assert cells and int(cells[1]) == number
    again = nas.load(finished.workdir)
    assert rows(again.trials) == rows(finished.trials)
    with contextlib.closing(TrialStore(finished.workdir / "trials.sqlite")) as store:
        assert store.num_of("stopped") == number
        shown: list[str] = []
        progress = Progress(finished.config, store, has_layers=False)
        monkeypatch.setattr(progress._bar, "describe", shown.append)
        progress._look()
        progress.close()
        assert f", {number} stopped early" in shown[0]


def test_a_table_has_the_status_and_what_was_reported(finished):
    pytest.importorskip("pandas")
    table = finished.table()
    stopped = table[table["status"] == "stopped"]
    assert set(stopped["reported_step"]) <= {3, 9} and stopped["whole"].isna().all()
    assert (stopped["reported"] == stopped["reward"]).all()


def test_a_failed_child_counts_less_than_any_stopped_one(finished):
    failed = [trial for trial in finished.trials if trial.status == "failed"]
    lowest = min(trial.reward for trial in finished.trials if trial.status == "stopped")
    later = [trial for trial in failed if trial.number > 40]
    assert later and all(trial.reward < lowest for trial in later)


def test_a_stopped_outcome_is_taken_over(finished):
    reused = [t for t in finished.trials if t.reused_from is not None and t.status == "stopped"]
    assert reused
    for trial in reused:
        earlier = finished.trials[trial.reused_from]
        assert (earlier.status, earlier.reward) == ("stopped", trial.reward)


@pytest.mark.parametrize("searcher", ["random", "evolution"])
def test_any_number_of_workers_has_the_same_trials(searcher, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    asha = nas.Asha(reduction_factor=2, min_steps=2, brackets=2)
    options = settings(searcher=searcher, asha=asha, duplicates="evaluate")

    def local(architecture, trial):  # which is no module's, and is sent by value
        for step in range(1, 28):
            trial.report(step, (architecture["units"] + trial.seed % 9) * (1 - 0.5**step))
        return 0.5

    here = rows(searched(local, options=options, num_samples=40).trials)
    one = rows(searched(local, options=options, num_samples=40, workers=1).trials)
    two = rows(searched(local, options=options, num_samples=40, workers=2).trials)
    assert here == one == two
    assert {trial.status for trial in here} == {"stopped", "completed"}


def test_a_search_that_is_interrupted_ends_as_one_that_is_not(tmp_path, finished):
    for stop in (5, 17, 41):  # within a batch
        calls = []

        def stopping(architecture, trial, stop=stop, calls=calls):
            calls.append(trial.number)
            if trial.number >= stop:
                os.kill(os.getpid(), signal.SIGINT)
            return evaluate(architecture, trial)

        place = tmp_path / "run"
        resume = place.exists()
        begun = searched(stopping, workdir=place, options=settings(resume, **OF_FINISHED))
        assert begun.interrupted and calls[-1] < 60
    resumed = searched(workdir=place, options=settings(True, **OF_FINISHED))
    assert rows(resumed.trials) == rows(finished.trials)


@pytest.mark.parametrize("searcher", ["random", "evolution", "local_search"])
@pytest.mark.parametrize("brackets", [1, 3])
def test_the_audit_finds_each_stop_to_follow(tmp_path, searcher, brackets):
    options = settings(searcher=searcher, asha=nas.Asha(brackets=brackets))
    searched(workdir=tmp_path / "run", options=options)
    audit = audit_search(tmp_path / "run")
    assert not any(check.findings for check in audit.checks)
    (check,) = [check for check in audit.checks if check.name == "early stopping"]
    assert "trials as asha has it" in check.said


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE trials SET reward = reward + 1 WHERE number = {stopped}",
            "from what it reported last",
        ),
        (
            "UPDATE trials SET status = 'completed' WHERE number = {stopped}",
            "trial {stopped}: no stop is stored, a stop at step",
        ),
        (
            "UPDATE trials SET status = 'stopped', reward = "
            "json_extract(metrics, '$.reported[26]') WHERE number = {completed}",
            "trial {completed}: a stop at step 27 is stored, no stop follows",
        ),
    ],
)
def test_the_audit_finds_what_was_changed(tmp_path, finished, statement, said):
    own = [trial for trial in finished.trials if trial.reused_from is None and trial.number > 20]
    first = {
        status: next(trial.number for trial in own if trial.status == status)
        for status in ("stopped", "completed")
    }
    place = tmp_path / "run"
    place.mkdir()
    for file in ("trials.sqlite", "experiment.json"):
        (place / file).write_bytes((finished.workdir / file).read_bytes())
    with contextlib.closing(sqlite3.connect(place / "trials.sqlite")) as connection:
        assert connection.execute(statement.format(**first)).rowcount == 1
        connection.commit()
    (check,) = [c for c in audit_search(place).checks if c.name == "early stopping"]
    assert any(said.format(**first) in each.message for each in check.findings)


def test_a_store_whose_stopped_trial_has_no_reward_is_damaged(tmp_path, finished):
    path = tmp_path / "trials.sqlite"
    path.write_bytes((finished.workdir / "trials.sqlite").read_bytes())
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE trials SET reward = NULL WHERE status = 'stopped'")
        connection.commit()
    with pytest.raises(InputError, match=r"the reward of trial \d+ is None"):
        TrialStore(path).all()


def _caught(architecture, trial):
    with contextlib.suppress(Exception):
        for step in range(1, 4):
            trial.report(step, architecture["units"])
    return 1e6


def _left(architecture, trial):
    try:
        for step in range(1, 4):
            trial.report(step, architecture["units"])
    except nas.Stopped:
        return None
    return architecture["units"]


def _goes_on(architecture, trial):
    raised = 0
    for step in range(1, 4):
        try:
            trial.report(step, architecture["units"])
        except nas.Stopped:
            raised += 1
    return architecture["units"], {"raised": raised}


@pytest.mark.parametrize("function", [_caught, _left, _goes_on])
def test_a_function_that_lets_the_exception_not_pass_is_stopped_all_the_same(function):
    trials = [t for t in searched(function, num_samples=40).trials if t.reused_from is None]
    stopped = [trial for trial in trials if trial.status == "stopped"]
    assert len(stopped) > 10
    assert all(trial.reward == trial.metrics["reported"][-1] < 30 for trial in stopped)
    if function is _goes_on:
        raised = {(len(t.metrics["reported"]), t.metrics["raised"]) for t in trials}
        assert raised == {(1, 3), (3, 0)}  # each report after it raises again


def test_nan_is_stopped_and_has_diverged():
    def diverging(architecture, trial):
        for step in range(1, 4):
            trial.report(step, math.nan if trial.number in (5, 11) else 1.0)
        return 1.0

    result = searched(diverging, num_samples=16, options=settings(duplicates="evaluate"))
    assert [t.number for t in result.trials if t.failure == "diverged"] == [5, 11]
    assert {t.status for t in result.trials} == {"completed", "failed"}


def test_a_rule_of_ones_own_may_raise_it(tmp_path):
    def impatient(architecture, trial):
        trial.report(10, architecture["units"])
        if architecture["units"] < 15:
            raise nas.Stopped
        return 100 + architecture["units"]

    off = settings(early_stopping="none")
    result = searched(impatient, options=off, workdir=tmp_path / "run")
    assert {t.reward < 15 for t in result.trials if t.status == "stopped"} == {True}
    assert {t.reward > 100 for t in result.trials if t.status == "completed"} == {True}
    checks = {check.name: check for check in audit_search(tmp_path / "run").checks}
    assert "by the evaluation's own rule" in checks["early stopping"].said

    def silent(architecture):
        raise nas.Stopped

    with pytest.raises(InputError, match="raised Stopped, and has reported nothing that counts"):
        searched(silent, options=off)
    standings = nas.compare(
        SPACE, impatient, searchers=("random",), seeds=1, num_children=8, options=off
    )
    assert "random" in str(standings)


def test_what_it_cannot_be_used_for_is_one_line():
    with pytest.raises(InputError, match="has no effect: evaluate takes no trial, as evaluate"):
        searched(lambda architecture: 1.0)
    with pytest.raises(InputError, match="which a comparison cannot have: its searches share"):
        nas.compare(SPACE, evaluate, num_children=4, options=settings())
    with pytest.raises(InputError, match="'best', not one of none, asha"):
        nas.SearchConfig(early_stopping="best")


def test_a_search_without_it_is_not_resumed_with_it(tmp_path):
    searched(workdir=tmp_path / "run", options=settings(early_stopping="none"), num_samples=8)
    with pytest.raises(InputError, match=r"search\.early_stopping: 'none' / 'asha'"):
        searched(workdir=tmp_path / "run", options=settings(resume=True), num_samples=12)


def test_a_clusters_worker_hears_of_the_rungs():
    architecture = nas.parse_architecture("3 2", SPACE)
    for rungs in (None, (), ((1, 0.25), (3, math.inf))):
        asked = Evaluation(9, architecture, 5, rungs=rungs)
        assert read_request(write_request(asked, "abc").encode(), SPACE) == asked


def test_a_stopped_child_need_not_have_the_metric_that_is_told(tmp_path):
    told = dataclasses.replace(settings(), metric="whole")
    half = searched(options=told, num_samples=40, workdir=tmp_path / "run")
    more = dataclasses.replace(settings(resume=True), metric="whole")
    # The first that is evaluated now is stopped, and nothing is known of its measurements yet.
    result = searched(options=more, workdir=tmp_path / "run")
    resumed = result.trials[len(half.trials) :]
    assert "stopped" in {trial.status for trial in resumed}
    assert len(result.trials) == 80 and "whole" in result.best.trial.metrics
    for view in (repr(result), result._repr_html_()):
        assert "whole" in view
