"""What a failed child counts as."""

import sys

import pytest

from nas_with_rl.child_models.rewards import failure_reward


@pytest.mark.parametrize(
    "worst, best",
    [(-5.0, -1.0), (0.0, 1.0), (3.0, 3.0), (-2.0, -2.0), (0.0, 0.0), (1e-9, 2e-9), (-1e30, 1.0)],
)
def test_a_failure_counts_less_than_the_worst_that_trained(worst, best):
    assert failure_reward(worst, best) < worst
    assert failure_reward(1e3 * worst, 1e3 * best) <= 1e3 * worst


def test_a_failure_lies_as_far_below_the_worst_as_the_best_above():
    assert failure_reward(-5.0, -1.0) == -9.0
    assert failure_reward(-2.0, -2.0) == -4.0
    assert failure_reward(0.0, 0.0) == -1.0


def test_a_failure_is_finite_whatever_the_rewards():
    assert failure_reward(-1e308, 1e308) == -sys.float_info.max
