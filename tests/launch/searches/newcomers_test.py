"""Evaluations as a newcomer writes them: each is right, or one sentence that says what to do."""

import contextlib
import math
import sys
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import nas_with_rl as nas

SPACE = nas.SearchSpace([nas.Choice("units", (16, 32, 64))])
FAST = nas.ReinforceConfig(policy=nas.PolicyConfig(num_layers=1, jit_compile=False))


class History:
    """What Keras's `fit` returns."""

    history = {"loss": [2.0, 1.0], "val_accuracy": [0.25, 0.5]}  # noqa: RUF012

    def __repr__(self):  # which names a case, the same in every process
        return "History()"


def searched(evaluate, workdir=None, *, resume=False, **changes):
    search = nas.SearchConfig(**{"batch_size": 5, "searcher": "random", **changes})
    options = nas.SearchOptions(search=search, controller=FAST, progress=False, resume=resume)
    return nas.search(SPACE, evaluate, num_samples=20, options=options, workdir=workdir)


@pytest.mark.parametrize(
    ("evaluate", "best", "reward", "metrics"),
    [
        (lambda a: -32 / a["units"], 64, -0.5, {}),  # minus a loss
        (lambda a: 100 * a["units"] / 64, 64, 100.0, {}),  # an accuracy in percent
        (lambda a: a["units"], 64, 64.0, {}),
        (lambda a: a["units"] == 32, 32, 1.0, {}),
        (lambda a: Fraction(a["units"], 64), 64, 1.0, {}),
        (lambda a: Decimal(a["units"]) / 64, 64, 1.0, {}),
        (lambda a: (a["units"] / 64, {"size": a["units"]}), 64, 1.0, {"size": 64}),
        (lambda a: (0.5, {"loss": [2.0, 1.0], "epochs": 2}), None, 0.5, {"loss": [2.0, 1.0]}),
        (lambda a: (0.5, History.history), None, 0.5, History.history),
        (lambda a: np.float32(a["units"] / 64), 64, 1.0, {}),
        (lambda a: np.array([a["units"] / 64]), 64, 1.0, {}),
        (lambda a: (np.float64(0.5), {"acc": np.float32(0.5)}), None, 0.5, {"acc": 0.5}),
        (lambda a: (0.5, {"acc": np.array([0.25, 0.5])}), None, 0.5, {"acc": [0.25, 0.5]}),
        (lambda a: nas.Measurement(np.float32(1), {}, np.int64(16)), None, 1.0, {}),
        (lambda a: (0.5, {"loss": math.nan, "acc": 0.5}), None, 0.5, {"acc": 0.5}),
    ],
)
def test_what_is_right(evaluate, best, reward, metrics, tmp_path):
    result = searched(evaluate, tmp_path / "run")
    assert len(result.trials) == 20 and result.best.reward == reward
    assert best is None or result.best.architecture["units"] == best
    found = result.best.trial.metrics
    assert {name: found[name] for name in metrics} == metrics
    assert "<svg" in (tmp_path / "run" / "report.html").read_text()
    again = searched(evaluate, tmp_path / "run", resume=True)
    assert repr(again.trials) == repr(result.trials)  # NaN as it was, too


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "evaluate returned None; it must return the reward"),
        ("0.9", "evaluate returned '0.9', of type str"),
        ({"accuracy": 0.5}, "is the reward"),
        ([0.5, 0.9], "is the reward"),
        ((0.5, 0.9), "is the reward"),
        (np.array([0.5, 0.9]), "is the reward"),
        (1j, "of type complex"),
        (History(), "as in max(history.history['val_accuracy']), history.history"),
        ((0.5, {"note": "hello"}), "the metric 'note' that evaluate returned is 'hello'"),
        (nas.Measurement(1.0, {"note": "hello"}), "the metric 'note' that evaluate returned is"),
        (
            nas.Measurement(1.0, {"loss": [1.0, None]}),
            "'loss' that evaluate returned is a sequence",
        ),
        ((0.5, {1: 0.5}), "a metric that evaluate returned is named 1"),
    ],
    ids=repr,
)
def test_what_is_no_measurement_is_one_sentence_before_it_is_stored(returned, said, tmp_path):
    given = [0.5, 0.25, returned]
    with pytest.raises(nas.InputError) as caught:
        searched(lambda a: given.pop(0), tmp_path / "run", duplicates="evaluate")
    message = str(caught.value)
    assert said in message and "\n" not in message
    assert "(trial 2, architecture '" in message
    so_far = vars(caught.value)["search_result"]
    assert [trial.status for trial in so_far.trials] == ["completed"] * 2 + ["running"] * 3
    assert so_far.best.reward == 0.5 and so_far.interrupted
    mended = searched(lambda a: 0.75, tmp_path / "run", resume=True, duplicates="evaluate")
    assert [trial.reward for trial in mended.trials] == [0.5, 0.25] + [0.75] * 18


@pytest.mark.parametrize("reward", [math.nan, math.inf, -math.inf, np.float32("nan"), 10**400])
def test_a_reward_that_is_not_finite_is_a_failed_child(reward):
    result = searched(lambda a: reward if a["units"] == 16 else a["units"] / 64)
    failed = [trial for trial in result.trials if trial.status == "failed"]
    assert {(trial.architecture, trial.failure) for trial in failed} == {("16", "diverged")}
    assert result.best.architecture["units"] == 64


def raising(error, after):
    """Return an evaluation that works some times, then raises."""
    calls = []

    def evaluate(architecture):
        calls.append(architecture)
        if len(calls) > after:
            raise error
        return architecture["units"] / 64

    return evaluate


def test_an_exception_is_raised_as_it_is_and_carries_the_result_so_far(tmp_path):
    error = KeyError("no such layer")
    for workdir in (None, tmp_path / "run"):
        with pytest.raises(KeyError) as caught:
            searched(raising(error, after=12), workdir, duplicates="evaluate")
        assert caught.value is error
        result = vars(error)["search_result"]
        assert [trial.status for trial in result.trials].count("completed") == 12
        assert result.best.reward > 0 and result.workdir == workdir
        notes = "\n".join(error.__notes__)
        assert f"trial 12, architecture '{result.trials[12].architecture}'" in notes
        assert "12 of 20 trials are done" in notes
        assert (f"kept in {workdir}" in notes) == (workdir is not None)
        error.__notes__.clear()
    assert "<svg" in (tmp_path / "run" / "report.html").read_text()
    resumed = searched(raising(error, 99), tmp_path / "run", resume=True, duplicates="evaluate")
    whole = searched(raising(error, 99), duplicates="evaluate")
    assert [(t.architecture, t.reward) for t in resumed.trials] == [
        (t.architecture, t.reward) for t in whole.trials
    ]


def test_leaving_the_program_and_ending_an_iteration_are_exceptions_too():
    for leave, kind in ((lambda a: sys.exit(0), "sys.exit"), (lambda a: next(iter(())), "Stop")):
        with pytest.raises(RuntimeError, match=kind) as caught:
            searched(leave)
        assert vars(caught.value)["search_result"].trials


def test_an_exception_may_be_a_failed_trial_that_keeps_its_traceback(tmp_path):
    def evaluate(architecture):
        if architecture["units"] == 32:
            raise ValueError("too odd a number")
        return architecture["units"] / 64

    result = searched(evaluate, tmp_path / "run", on_error="fail")
    failed = [trial for trial in result.trials if trial.status == "failed"]
    assert failed and {(t.architecture, t.failure) for t in failed} == {("32", "crashed")}
    assert "in evaluate" in failed[0].message and "ValueError: too odd" in failed[0].message
    assert len(result.trials) == 20 and result.best.reward == 1.0
    report = (tmp_path / "run" / "report.html").read_text()
    assert "<summary>ValueError: too odd a number</summary>" in report
    with pytest.raises(ValueError, match="too odd"):  # what a resumed run may change
        searched(evaluate, tmp_path / "other", on_error="raise")
    searched(evaluate, tmp_path / "other", on_error="fail", resume=True)


def test_twenty_exceptions_in_a_row_end_the_search_with_advice():
    with pytest.raises(nas.InputError, match="20 children in a row have crashed") as caught:
        many = {"duplicates": "evaluate", "on_error": "fail"}
        search = nas.SearchConfig(batch_size=5, searcher="random", **many)
        options = nas.SearchOptions(search=search, controller=FAST, progress=False)
        evaluate = raising(OSError("no such data"), after=3)
        nas.search(SPACE, evaluate, num_samples=60, options=options)
    assert "OSError: no such data" in str(caught.value) and "mend it" in str(caught.value)
    statuses = [trial.status for trial in vars(caught.value)["search_result"].trials]
    assert statuses[:23] == ["completed"] * 3 + ["failed"] * 20


def test_some_exceptions_in_between_do_not_end_it():
    errors = iter(range(10**6))

    def evaluate(architecture):
        if next(errors) % 20:
            raise ValueError("nineteen in a row")
        return 0.5

    search = nas.SearchConfig(searcher="random", duplicates="evaluate", on_error="fail")
    options = nas.SearchOptions(search=search, controller=FAST, progress=False)
    assert len(nas.search(SPACE, evaluate, num_samples=80, options=options).trials) == 80


def test_several_evaluations_of_an_architecture_count_by_their_mean(tmp_path):
    given = {16: [1.0, *[0.0] * 99], 32: [0.25] * 99, 64: [0.5, 0.75] * 50}
    result = searched(lambda a: given[a["units"]].pop(0), tmp_path / "run", duplicates="evaluate")
    own = [trial.reward for trial in result.trials if trial.architecture == "64"]
    assert len(own) > 1 and result.best.architecture["units"] == 64
    assert result.best.reward == sum(own) / len(own)
    assert result.best.num_evaluations == len(own) and 0 < result.best.spread < 0.2
    shown = f"{result.best.reward:.4f} ± {result.best.spread:.2g} ({len(own)} evaluations)"
    assert shown in (tmp_path / "run" / "report.html").read_text()


@contextlib.contextmanager
def stored_as_before():
    """Store what `evaluate` returned as earlier versions did: unchecked."""
    from nas_with_rl.launch.evaluators import evaluation

    kept = evaluation.result_of

    def unchecked(returned: Any) -> Any:
        return returned

    evaluation.result_of = unchecked
    try:
        yield
    finally:
        evaluation.result_of = kept


@pytest.mark.parametrize(
    "bad",
    [
        nas.Measurement(0.5, {}, np.int64(16)),
        nas.Measurement(0.5, {"note": "hello"}),
        nas.Measurement(0.5, {"loss": [1.0, None], "acc": [[0.5]]}),
    ],
    ids=repr,
)
def test_a_run_whose_store_holds_what_is_no_number_is_continued(bad, tmp_path, capsys):
    given = [bad, bad, KeyboardInterrupt()]

    def evaluate(architecture):
        value = given.pop(0)
        if isinstance(value, BaseException):
            raise value
        return value

    with stored_as_before():
        assert searched(evaluate, tmp_path / "run").interrupted
    mended = nas.Measurement(0.25, {"loss": [1.0]}, 16)
    result = searched(lambda a: mended, tmp_path / "run", resume=True)
    assert len(result.trials) == 20 and all(t.status == "completed" for t in result.trials)
    assert {trial.num_parameters for trial in result.trials} <= {16, None}
    assert "warning" not in capsys.readouterr().err
    assert "<svg" in (tmp_path / "run" / "report.html").read_text()
