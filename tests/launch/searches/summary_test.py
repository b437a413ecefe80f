"""What a finished search prints, and durations whatever is done to the clock."""

import dataclasses
import itertools
import time

from nas_with_rl.launch.evaluators import evaluation
from nas_with_rl.launch.evaluators.evaluation import Evaluation, InProcess
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.results.search_result import SearchResult
from nas_with_rl.launch.searches.summary import describe_search
from nas_with_rl.search_spaces.space import Choice, SearchSpace

SPACE = SearchSpace([Choice("units", (8, 16))])
DONE = Trial(0, "8", 0, "completed", -1.0, 0, 1, seed=0, reward=0.5, started=1e6, ended=1e6 + 60)


def described(*trials, **named):
    numbered = [dataclasses.replace(trial, number=n) for n, trial in enumerate(trials)]
    return describe_search(SearchResult(SPACE, tuple(numbered), None), **named)


def test_a_clock_that_was_set_back_takes_no_time_off():
    back = dataclasses.replace(DONE, ended=DONE.started - 1_152_000 * 60)
    assert "2 children evaluated in 1.0 minutes" in described(DONE, back)


def test_a_duration_is_measured_whatever_is_done_to_the_clock(monkeypatch):
    hours = itertools.count(1000, -1)
    monkeypatch.setattr(evaluation.time, "time", lambda: 3600.0 * next(hours))
    evaluator = InProcess(lambda architecture: time.sleep(0.05) or 0.5)
    child = Evaluation(0, SPACE, 0)
    (outcome,) = evaluator.evaluate(evaluation.deque([child]))
    assert 0.05 <= outcome.ended - outcome.started < 60


def test_the_mean_of_several_evaluations_is_shown_with_its_spread():
    other = dataclasses.replace(DONE, architecture="16", reward=0.75)
    worse = dataclasses.replace(other, reward=0.0)
    text = described(other, DONE, worse, DONE)
    assert "best architecture (trial 1, reward 0.5000 ± 0.0000 (2 evaluations)" in text


def test_failures_without_a_reward_and_metrics_without_a_number_are_left_out():
    failed = dataclasses.replace(DONE, status="failed", reward=None, failure="crashed")
    noted = dataclasses.replace(DONE, metrics={"loss": [1.0, None], "note": "hello"})
    for metric in ("loss", "note", "missing"):
        text = described(noted, failed, noted, failed, metric=metric)
        assert "(2 evaluations)):" in text and "2 failed (crashed)" in text
    assert described(failed).startswith("no child")
