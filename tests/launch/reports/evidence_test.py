"""Luck, cost and failures in numbers, beside brute force."""

import itertools
import math

import numpy as np
import pytest

from nas_with_rl.launch.reports.choices import MISSING, Choices, Decided
from nas_with_rl.launch.reports.columns import COMPLETED, FAILED, REUSED, columns_of
from nas_with_rl.launch.reports.evidence import (
    failures,
    pareto_front,
    repeats,
    suspects,
    trend,
)
from nas_with_rl.launch.results.units import THE_REWARD, Unit
from tests.launch.reports.columns_test import trial


def columns_for(rewards, unit=THE_REWARD):
    """The columns of evaluations: (architecture, reward) each."""
    trials = [
        trial(row, text, reward=reward, metrics={"error": 10 * reward})
        for row, (text, reward) in enumerate(rewards)
    ]
    return columns_of(trials, unit)


def test_repeats_pool_what_differs_within_architectures():
    rewards = [("a", 5.0), ("a", 7.0), ("b", 1.0), ("b", 2.0), ("b", 3.0), ("c", 0.0)]
    found = repeats(columns_for(rewards))
    deviation = math.sqrt((1 + 1 + 1 + 0 + 1) / 3)
    assert found.deviation == pytest.approx(deviation)
    assert (found.num_architectures, found.num_evaluations) == (2, 5)
    assert found.lead == pytest.approx(4 / (deviation * math.sqrt(1 / 2 + 1 / 3)))
    assert found.num_alike == 0
    in_errors = repeats(columns_for(rewards, Unit("error")))
    assert in_errors.deviation == pytest.approx(10 * deviation) and in_errors.lead == found.lead
    assert repeats(columns_for([("a", 1.0), ("b", 2.0)])) is None
    close = repeats(columns_for([("a", 1.0), ("a", 2.0), ("b", 1.4), ("c", -9.0)]))
    assert close.num_alike == 1
    exact = repeats(columns_for([("a", 1.0), ("a", 1.0), ("b", 0.5)]))
    assert exact.deviation == 0 and exact.lead is None


@pytest.mark.parametrize("seed", range(5))
def test_a_trend_counts_pairs(seed):
    rewards = np.random.default_rng(seed).integers(0, 9, 40).astype(float)
    found = trend(columns_for([(str(row), each) for row, each in enumerate(rewards)]))
    pairs = list(itertools.product(rewards[-10:], rewards[:10]))
    wins = sum((late > early) + 0.5 * (late == early) for late, early in pairs) / 100
    assert found.wins == pytest.approx(wins) and found.number == 10
    assert (found.first, found.last) == (rewards[:10].mean(), rewards[-10:].mean())


def test_the_error_of_a_trend_is_that_of_equal_quarters():
    wins = []
    for seed in range(600):
        rewards = np.random.default_rng(seed).normal(size=32)
        found = trend(columns_for([(str(row), each) for row, each in enumerate(rewards)]))
        wins.append(found.wins)
    assert np.std(wins) == pytest.approx(found.error, rel=0.1)
    assert trend(columns_for([("a", 1.0)] * 7)) is None


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_what_nothing_surpasses(lower, seed):
    generator = np.random.default_rng(seed)
    costs = generator.integers(0, 8, 30).astype(float)
    values = generator.integers(0, 8, 30).astype(float)
    costs[3] = values[4] = np.nan
    sign = 1 if lower else -1
    known = [row for row in range(30) if row not in (3, 4)]
    wanted = {
        (costs[row], values[row])
        for row in known
        if not any(
            costs[other] <= costs[row]
            and sign * values[other] <= sign * values[row]
            and (costs[other], values[other]) != (costs[row], values[row])
            for other in known
        )
    }
    found = pareto_front(costs, values, lower_is_better=lower)
    assert {(costs[row], values[row]) for row in found} == wanted and len(found) == len(wanted)
    assert costs[found].tolist() == sorted(costs[found])
    assert len(pareto_front(costs[:0], values[:0], lower_is_better=lower)) == 0


def test_failures_are_told_by_reason_and_by_what_they_said():
    said = ["no memory\ntrace 1", "no memory\ntrace 2", "lost", None]
    trials = [
        trial(row, str(row), "failed", failure="crashed", message=message)
        for row, message in enumerate(said)
    ]
    trials.append(trial(4, "x", "failed", failure="diverged", message="nan"))
    trials += [trial(5 + row, "y", reward=1.0) for row in range(3)]
    crashed, diverged = failures(columns_of(trials, THE_REWARD))
    assert (crashed.reason, crashed.number, crashed.last, crashed.num_messages) == (
        *("crashed", 4),
        *(3, 3),
    )
    assert crashed.messages == (("no memory", 2, 1), ("lost", 1, 2), ("", 1, 3))
    assert (diverged.reason, diverged.number) == ("diverged", 1)


def test_an_option_whose_children_fail_is_suspected():
    codes = np.array([[0] * 20 + [1] * 80, [0, 1] * 50], np.int16).T
    kinds = np.array([FAILED] * 15 + [COMPLETED] * 5 + [FAILED] * 4 + [COMPLETED] * 76)
    decided = [Decided("depth", ("deep", "flat")), Decided("sign", ("+", "-"))]
    (found,) = suspects(Choices(decided, np.arange(100), codes), kinds)
    assert (found.decided.title, found.option) == ("depth", "deep")
    assert (found.failed, found.number, found.others_failed, found.others) == (15, 20, 4, 80)
    spread = math.sqrt(0.19 * 0.81 * (1 / 20 + 1 / 80))
    assert found.z == pytest.approx((15 / 20 - 4 / 80) / spread)
    reused = np.where(kinds == FAILED, REUSED, kinds)
    assert suspects(Choices(decided, np.arange(100), codes), reused) == []
    missing = np.full_like(codes, MISSING)
    assert suspects(Choices(decided, np.arange(100), missing), kinds) == []
