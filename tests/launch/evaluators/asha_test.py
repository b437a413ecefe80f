"""The rule of early stopping beside closed forms and a twin in plain Python."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nas_with_rl as nas
from nas_with_rl.launch.evaluators.asha import (
    AshaRungs,
    at_rungs,
    bracket_of,
    curve_of,
    least_of,
    rung_steps,
    stop_of,
)
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.search_spaces.errors import InputError

numbers = st.floats(-100, 100)


def trial(number, curve, *, status="completed", **fields):
    steps, values = map(list, zip(*curve, strict=True)) if curve else ([], [])
    metrics = {"reported": values, "reported_step": steps}
    return Trial(number, "a", 0, status, None, 0, None, 0, reward=1.0, metrics=metrics, **fields)


def epochs(*values):
    return list(enumerate(values, start=1))


@given(st.lists(numbers, min_size=1, max_size=30), numbers, st.integers(2, 5))
def test_a_value_goes_on_that_is_among_the_best_of_all_with_its_own(earlier, value, factor):
    """As the rule is written: its own is one of n + 1, of which max(1, ⌊(n + 1)/η⌋) go on."""
    everyone = sorted([*earlier, value], reverse=True)
    goes_on = value >= everyone[max(1, len(everyone) // factor) - 1]
    assert (value >= least_of(earlier, nas.Asha(reduction_factor=factor))) == goes_on


def test_of_equally_spread_values_the_best_third_goes_on():
    values = [float(each) for each in range(1, 99)]  # one more makes 99, of which 33 go on
    assert least_of(values, nas.Asha(reduction_factor=3)) == 66.0
    assert least_of([5.0], nas.Asha()) == 5.0  # the first one but one has to be as good
    assert least_of([5.0, 7.0], nas.Asha()) == 7.0


def test_rungs_are_at_powers_and_brackets_begin_later():
    config = nas.Asha(reduction_factor=3, min_steps=2, brackets=3)
    assert list(itertools.islice(rung_steps(0, config), 4)) == [2, 6, 18, 54]
    assert list(itertools.islice(rung_steps(2, config), 2)) == [18, 54]


@pytest.mark.parametrize(
    ("brackets", "factor", "shares"),
    [(1, 3, [1]), (2, 3, [3, 2]), (3, 3, [9, 5, 3]), (5, 4, [256, 80, 27, 10, 5])],
)
def test_brackets_have_hyperbands_shares(brackets, factor, shares):
    config = nas.Asha(reduction_factor=factor, brackets=brackets)
    found = [bracket_of(number, config) for number in range(3 * sum(shares))]
    assert [found.count(bracket) for bracket in range(brackets)] == [3 * each for each in shares]
    assert found[: shares[0]] == [0] * shares[0]


def test_hyperbands_own_example():
    """Algorithm 1 with R = 81 and η = 3 begins its brackets with so many configurations."""
    found = [bracket_of(number, nas.Asha(brackets=5)) for number in range(81 + 34 + 15 + 8 + 5)]
    assert [found.count(bracket) for bracket in range(5)] == [81, 34, 15, 8, 5]


def test_the_first_report_at_or_after_a_rung_counts():
    curve = [(2, 0.2), (4, 0.4), (10, 1.0)]
    assert list(at_rungs(curve, [1, 3, 9, 27])) == [(2, 0.2), (4, 0.4), (10, 1.0)]
    assert list(at_rungs(curve, [10, 11])) == [(10, 1.0)]
    assert list(at_rungs([], [1])) == []


def test_what_is_no_curve_is_none():
    assert curve_of(trial(0, epochs(1.0, 2.0))) == [(1, 1.0), (2, 2.0)]
    bare = trial(0, [])
    for metrics in ({}, {"reported": [1.0]}, {"reported": 3, "reported_step": 1},
                    {"reported": [1.0], "reported_step": ["a"]},
                    {"reported": [1.0, 2.0], "reported_step": [1]}):  # fmt: skip
        assert not curve_of(dataclasses.replace(bare, metrics=metrics))


def test_versions_are_kept_apart_and_what_counts_counts():
    rungs = AshaRungs(nas.Asha(reduction_factor=2))
    assert rungs.of(0, 0) == ()
    rungs.learn([trial(0, epochs(1, 2, 3, 4)), trial(1, epochs(5, 6, 7, 8))], 1)
    rungs.learn(
        [
            trial(2, epochs(9), status="stopped"),
            trial(3, epochs(9, 9, 9, 9), reused_from=0),  # counts once, as trial 0
            trial(4, epochs(9, 9), status="failed"),
            trial(5, []),
        ],
        2,
    )
    assert rungs.of(9, 0) == ()
    assert rungs.of(9, 1) == ((1, 5.0), (2, 6.0))  # none at 4, where the children end
    assert rungs.of(9, 2) == ((1, 5.0), (2, 6.0))  # 4 values at 1, of which the best 2
    rungs.learn([trial(6, epochs(1, 1, 1, 1, 1))], 3)
    assert rungs.of(9, 3) == ((1, 5.0), (2, 2.0), (4, 4.0))
    assert rungs.of(9, 1) == ((1, 5.0), (2, 6.0))


def test_nan_is_worse_than_all_and_decides_nothing_alone():
    rungs = AshaRungs(nas.Asha())
    rungs.learn([trial(0, epochs(math.nan, 2.0, 2.0))], 1)
    assert rungs.of(1, 1) == ()
    rungs.learn([trial(1, epochs(-7.0, 2.0, 2.0))], 2)
    assert rungs.of(1, 2) == ((1, -7.0),)
    assert stop_of(epochs(math.nan, 2.0), ((1, -7.0),)) == 1


def test_children_that_report_seldom_are_not_stopped_at_their_end():
    rungs = AshaRungs(nas.Asha())
    curve = [(step, float(step)) for step in range(10, 251, 10)]
    rungs.learn([trial(0, curve)], 1)
    assert [step for step, _ in rungs.of(1, 1)] == [1, 3, 9, 27, 81]  # 243 is met at 250, the end


@given(st.data())
def test_whole_searches_are_stopped_as_by_plain_python(data):
    config = nas.Asha(
        reduction_factor=data.draw(st.integers(2, 4)),
        min_steps=data.draw(st.integers(1, 3)),
        brackets=data.draw(st.integers(1, 3)),
    )
    generator = np.random.default_rng(data.draw(st.integers(0, 999)))
    rungs, known = AshaRungs(config), []
    for version in range(6):
        batch = []
        for number in range(4 * version, 4 * version + 4):
            curve = epochs(*generator.integers(0, 9, 12).astype(float))
            stop = stop_of(curve, rungs.of(number, version))
            assert stop == _plain_stop(curve, number, known, config)
            status = "completed" if stop is None else "stopped"
            batch.append(trial(number, curve if stop is None else curve[:stop], status=status))
        rungs.learn(batch, version + 1)
        known += batch


def _plain_stop(curve, number, known, config):
    """The rule without anything that is kept: only for reports at every step."""
    factor, bracket = config.reduction_factor, bracket_of(number, config)
    peers = [curve_of(t) for t in known if bracket_of(t.number, config) == bracket]
    last = max((len(curve_of(t)) for t in known if t.status == "completed"), default=0)
    for power in itertools.count(bracket):
        step = config.min_steps * factor**power
        there = [peer[step - 1][1] for peer in peers if len(peer) >= step]
        if step >= last or not there:
            return None
        value = curve[step - 1][1]
        better = sum(other > value for other in there)
        if better >= max(1, (len(there) + 1) // factor):
            return step


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reduction_factor": 1}, "search.asha.reduction_factor is 1, below 2"),
        ({"min_steps": 0}, "search.asha.min_steps is 0, below 1"),
        ({"brackets": 6}, "search.asha.brackets is 6, above 5"),
        ({"min_steps": 1.5}, "search.asha.min_steps is 1.5, not an integer"),
    ],
)
def test_impossible_settings_are_one_line(fields, said):
    with pytest.raises(InputError) as error:
        nas.Asha(**fields)
    assert str(error.value) == said
