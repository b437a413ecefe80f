"""What rewards are worth: a twin in NumPy, closed forms, and what must change nothing."""

import numpy as np
import pytest

from nas_with_rl.controller.advantages import advantages_of, mean_reward, normal_scores
from nas_with_rl.controller.outliers import WINDOW


def batches(count=40, size=8, seed=0):
    """Rewards `[count, size]` that rise, with ties."""
    generator = np.random.default_rng(seed)
    drawn = generator.normal(size=(count, size)) + np.linspace(0, 2, count)[:, None]
    return np.round(drawn, 1)


def worth(kind, told, decay=0.95):
    """Return the advantages of every batch, as a controller asks for them."""
    before, average, found = [], None, []
    for rewards in told:
        found.append(advantages_of(kind, list(rewards), before, average))
        before = [*before, *rewards][-WINDOW:]
        average, counted = found[-1].average, found[-1].counted
        if average is None:
            average = mean_reward(counted)
        else:
            for reward in counted:
                average = decay * average + (1 - decay) * reward
    return found


def values(kind, told):
    return np.array([each.values for each in worth(kind, told)])


def twin_bounds(window, *, any_scale):
    """The median, and what the rewards are bounded to."""
    widths = [
        np.quantile(window, high) - np.quantile(window, low)
        for low, high in ((0.4, 0.6), (0.25, 0.75), (0.1, 0.9), (0.05, 0.95), (0, 1))
    ]
    spread = next((width for width in widths if width > 0), 0)
    median = np.median(window)
    if any_scale:
        return median - 20 * spread, median + 20 * spread
    distance = max(20 * spread, 10 * abs(median))
    return min(median - distance, 0), max(median + distance, 1)


def twin(kind, told, decay=0.95):
    """The advantages once more, written down from what the module says."""
    everything, average, found = np.empty(0), None, []
    for rewards in told:
        everything = np.concatenate([everything, rewards])
        window = everything[-max(WINDOW, len(rewards)) :]
        if kind == "ranks":
            below = (window[None] < rewards[:, None]).sum(1)
            equal = (window[None] == rewards[:, None]).sum(1)
            place = (below + equal / 2) / len(window)
            # The normal quantile, by bisection of what is below it.
            found.append([_quantile(share) for share in place])
            continue
        bounds = twin_bounds(window, any_scale=kind == "normalised")
        counted = np.clip(rewards, *bounds)
        average = counted.mean() if average is None else np.clip(average, *bounds)
        difference = counted - average
        if kind == "normalised":
            newest = np.clip(window, *bounds)
            difference /= np.sqrt(((newest - newest.mean()) ** 2).mean())
        found.append(difference)
        if len(found) == 1:
            continue
        for reward in counted:
            average = decay * average + (1 - decay) * reward
    return np.array(found)


def _quantile(share):
    import math

    low, high = -10.0, 10.0
    for _ in range(80):
        middle = (low + high) / 2
        below = (1 + math.erf(middle / math.sqrt(2))) / 2
        low, high = (middle, high) if below < share else (low, middle)
    return low


@pytest.mark.parametrize("kind", ["raw", "normalised", "ranks"])
@pytest.mark.parametrize("shape", [(70, 8), (3, WINDOW + 50)], ids=["small", "above the window"])
def test_advantages_are_those_of_the_twin(kind, shape):
    told = batches(*shape)
    told[2, 3] = 1e4  # an outlier
    np.testing.assert_allclose(values(kind, told), twin(kind, told), rtol=1e-9, atol=1e-9)


def test_closed_forms():
    first, second = [1.0, 3.0, 3.0, 5.0], [3.0, 3.0, 3.0, 7.0]
    raw, normalised, ranks = (
        worth(kind, [first, second]) for kind in ("raw", "normalised", "ranks")
    )
    assert np.array_equal(raw[0].values, [-2.0, 0.0, 0.0, 2.0])
    assert np.array_equal(raw[1].values, [0.0, 0.0, 0.0, 4.0])
    # Variances 2 of the first, and 2.75 of all eight, whose mean is 3.5.
    assert normalised[0].values == pytest.approx(np.array([-2, 0, 0, 2]) / np.sqrt(2))
    assert normalised[1].values == pytest.approx(np.array([0, 0, 0, 4]) / np.sqrt(2.75))
    # Quantiles at 1/8, 1/2 and 7/8; then one below five that share 7/16, and two above.
    assert ranks[0].values == pytest.approx([-1.15035, 0, 0, 1.15035], abs=1e-5)
    assert ranks[1].values == pytest.approx([-0.15731] * 3 + [1.53412], abs=1e-5)
    assert [each.baseline for each in (*raw, *normalised)] == [3.0] * 4
    assert [each.baseline for each in ranks] == [3.0, 3.0]


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1.0, 1e200])
@pytest.mark.parametrize("shift", [0.0, -3.0, 1e6])
def test_no_scale_or_shift_changes_what_is_normalised(scale, shift):
    told = batches()
    told[5, 1], told[20, 2] = 1e4, -1e4
    found = values("normalised", scale * (told + shift))
    np.testing.assert_allclose(found, values("normalised", told), rtol=1e-7, atol=1e-8)
    assert 1 < np.abs(found).max() < 50  # one in a thousand decides not everything


@pytest.mark.parametrize("increasing", [np.exp, np.arctan, lambda r: 1e300 * r**3, lambda r: r - 9])
def test_no_increasing_map_and_no_outlier_changes_ranks(increasing):
    told = batches()
    assert np.array_equal(values("ranks", increasing(told)), values("ranks", told))
    highest = told == told.max()
    assert np.array_equal(values("ranks", np.where(highest, 1e308, told)), values("ranks", told))


@pytest.mark.parametrize("kind", ["normalised", "ranks"])
@pytest.mark.parametrize("reward", [0.0, 0.1, 1e-320, -1e308])
def test_equal_rewards_are_worth_nothing(kind, reward):
    assert not values(kind, np.full((5, 8), reward)).any()
    # Nor are those that rounding alone tells apart.
    if kind == "normalised":
        assert not values(kind, reward * (1 + 1e-15 * batches())).any()


def test_a_mean_is_finite():
    assert mean_reward([1e308] * 8) == pytest.approx(1e308)
    assert mean_reward([1e308, 1e308, -1e308]) == pytest.approx(1e308 / 3)
    assert mean_reward([0.1, 0.2, 0.4]) == np.mean([0.1, 0.2, 0.4])


@pytest.mark.parametrize("kind", ["normalised", "ranks"])
def test_rewards_near_the_greatest_number_are_worth_as_others(kind):
    told = batches()
    np.testing.assert_allclose(values(kind, 2e307 * told), values(kind, told), rtol=1e-9)


def test_normal_scores_hang_on_ranks_alone():
    values = np.array([3.0, -1.0, 7.0, 0.0])
    scores = normal_scores(values)
    # Quantiles of the normal distribution at 1/8 and 3/8.
    assert scores == pytest.approx([0.31864, -1.15035, 1.15035, -0.31864], abs=1e-5)
    assert np.array_equal(normal_scores(np.array([3.0, -1e300, 1e308, 0.0])), scores)
    assert np.array_equal(normal_scores(np.array([5.0, 5.0, 5.0])), [0.0, 0.0, 0.0])
    ties = normal_scores(np.array([2.0, 1.0, 2.0, 0.0, 3.0]))
    # Quantiles at 0.1, 0.3, 0.6 (the two share it) and 0.9.
    assert ties == pytest.approx([0.25335, -0.52440, 0.25335, -1.28155, 1.28155], abs=1e-5)
