"""How far a reward counts: closed forms, and what must not depend on sign and scale."""

import math

import numpy as np
import pytest

from nas_with_rl.controller.outliers import Reach


def test_a_reward_counts_up_to_a_distance_from_the_median():
    rewards = [*range(-110, -99), -1e6]  # median -105.5; the central fifth is 2.2 wide
    reach = Reach.of(rewards)
    assert reach.median == -105.5
    assert reach.distance == pytest.approx(max(20 * 2.2, 10 * 105.5))
    assert reach.bounded(-1e6) == pytest.approx(-105.5 - 1055)
    assert reach.bounded(-300.0) == -300.0
    assert Reach.of([5.0, 6.0, 7.0, 1e30]).bounded(1e30) == pytest.approx(6.5 + 65)


@pytest.mark.parametrize("reward", [-1e300, -math.exp(46), -1e6, 1e6, 1e30])
def test_one_outlier_among_losses_is_bounded_wherever_it_comes(reward):
    losses = list(-np.random.default_rng(0).uniform(1, 5, 40))
    for place in (0, 7, 40):
        reach = Reach.of([*losses[:place], reward, *losses[place : max(place, 7)]])
        assert abs(reach.bounded(reward)) < 100


def test_rewards_of_the_papers_kind_count_in_full():
    # Accuracies cubed: nearly all alike late in a search, and a child that did not learn at all.
    reach = Reach.of([0.75] * 400 + [0.751, 0.001])
    assert [reach.bounded(r) for r in (0.0, 0.001, 1.0)] == [0.0, 0.001, 1.0]
    assert Reach.of([0.0] * 7 + [1.0]).bounded(1.0) == 1.0  # the first success


@pytest.mark.parametrize("scale", [-1e9, -1.0, 1e-3, 1e9])
def test_beyond_1_sign_and_scale_make_no_difference(scale):
    rewards = np.random.default_rng(1).uniform(2, 3, 30)
    counted = Reach.of(list(scale * rewards)).bounded(scale * 1e8)
    if abs(scale) > 1:
        assert counted == pytest.approx(scale * Reach.of(list(rewards)).bounded(1e8))
    assert abs(counted) < abs(scale) * 50 + 1


def test_what_tells_nothing_of_the_scale_bounds_nothing():
    assert Reach.of([0.0, 0.0, 5.0]).bounded(5.0) == 5.0
    assert Reach.of([-1e300, 1e300]).bounded(1e300) == 1e300  # a width that is no number
