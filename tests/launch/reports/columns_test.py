"""Trials as columns: the same best, values and ranks as what Python shows of a search."""

import math
import random

import numpy as np
import pytest

from nas_with_rl.launch.records.ranking import ranked
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.reports.columns import (
    COMPLETED,
    FAILED,
    OPEN,
    REUSED,
    columns_of,
    ranks,
)
from nas_with_rl.launch.results.units import THE_REWARD, Unit


def trial(number, architecture, status="completed", **others):
    fields = {"depth": 0, "log_prob": None, "sampled_version": 0, "updated_version": None}
    return Trial(number, architecture, status=status, seed=number, **fields | others)


def some_trials(seed, number=60):
    """Trials of few architectures, of every kind, as a search leaves them."""
    generator = random.Random(seed)
    found = []
    for row in range(number):
        text = generator.choice("abcdefgh")
        kind = generator.random()
        if kind < 0.15:
            found.append(trial(row, text, "failed", reward=-1.0, failure="diverged"))
        elif kind < 0.2:
            found.append(trial(row, text, "running"))
        elif kind < 0.25:
            reported = {"reported": [1.0, 2.0], "reported_step": [1, 3]}
            found.append(trial(row, text, "stopped", reward=2.0, metrics=reported))
        else:
            reward = round(generator.random(), 1)
            metrics = {"loss": [2.0, 1 - reward], "validation_accuracy": [reward, reward / 2]}
            reused = 0 if kind < 0.4 and row else None
            more = {"reused_from": reused, "num_parameters": row, "started": 1.0, "ended": 3.5}
            found.append(trial(row, text, reward=reward, metrics=metrics, **more))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_the_best_stand_first_as_everywhere_else(seed):
    trials = some_trials(seed)
    columns = columns_of(trials, THE_REWARD)
    best = ranked(trials)
    assert columns.top(100) == best
    assert columns.texts[: len(best)] == [each.trial.architecture for each in best]
    assert columns.num_measured == len(best)
    assert [trials[row] for row in columns.first[: len(best)]] == [each.trial for each in best]
    assert columns.mean_reward[: len(best)].tolist() == [each.reward for each in best]


@pytest.mark.parametrize("metric", ["reward", "loss", "validation_accuracy", "none"])
def test_values_are_those_of_the_unit(metric):
    trials, unit = some_trials(3), Unit(metric)
    columns = columns_of(trials, unit)
    for each, value in zip(trials, columns.value, strict=True):
        assert unit.of(each) == (None if math.isnan(value) else pytest.approx(value))


@pytest.mark.parametrize(
    "metrics",
    [
        [{"a": 1.0}, {"a": 2}, {}],
        [{"a": [1.0, 2.0]}, {"a": [3.0]}, {"a": 4.0}],
        [{"a": math.nan}, {"a": [1.0, math.inf]}, {"a": []}],
        [{"a": "1e3"}, {"a": True}, {"a": 1.0}],
        [{"a": 10**400}, {"a": [1.0]}, {"a": 2.0}],
        [{"a": 10**400}, {"a": 1}],
    ],
)
def test_values_of_whatever_form_are_those_of_the_unit(metrics):
    trials = [trial(row, "x", reward=0.0, metrics=each) for row, each in enumerate(metrics)]
    found = columns_of(trials, Unit("a")).value.tolist()
    wanted = [Unit("a").of(each) for each in trials]
    assert [None if math.isnan(value) else value for value in found] == wanted


def test_what_became_of_trials():
    trials = [
        trial(0, "a", reward=1.0, started=1.0, ended=4.0),
        trial(1, "a", reward=1.0, reused_from=0, started=5.0, ended=5.0),
        trial(2, "b", "failed", reward=-1.0, failure="crashed", started=2.0, ended=1.0),
        trial(3, "b", "failed", reward=-1.0, failure="crashed", reused_from=2),
        trial(4, "c", "running"),
    ]
    columns = columns_of(trials, THE_REWARD)
    assert columns.kind.tolist() == [COMPLETED, REUSED, FAILED, FAILED, OPEN]
    assert columns.num_trained == 2
    assert np.isnan(columns.reward[2:]).all() and columns.seconds[:3].tolist()[::2] == [3.0, 0.0]
    assert np.isnan(columns.seconds[[1, 3, 4]]).all()
    assert columns.texts == ["a", "b", "c"] and columns.counts.tolist() == [1, 0, 0]
    empty = columns_of([], THE_REWARD)
    assert empty.top(3) == [] and empty.num_measured == 0


def test_equal_values_share_their_ranks():
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]
    values = np.random.default_rng(0).integers(0, 6, 50).astype(float)
    twin = [np.mean([rank for rank, v in enumerate(sorted(values), 1) if v == x]) for x in values]
    assert ranks(values) == pytest.approx(twin)


@pytest.mark.parametrize(
    ("metric", "pairs", "lower"),
    [
        ("loss", [(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)], True),
        ("gain", [(1.0, 1.0), (2.0, 2.0)], False),
        ("error", [(1.0, 1.0)], True),
        ("score", [(1.0, 1.0)], False),
    ],
)
def test_which_way_is_better_is_what_goes_with_reward(metric, pairs, lower):
    trials = [
        trial(row, str(row), reward=reward, metrics={metric: value})
        for row, (reward, value) in enumerate(pairs)
    ]
    assert columns_of(trials, Unit(metric)).lower_is_better() is lower
