"""The surrogate: closed forms, its gradient by finite differences, a NumPy twin of its rules."""

import numpy as np
import pytest

from nas_with_rl.controller.advantages import normal_scores
from nas_with_rl.controller.columns import Columns
from nas_with_rl.controller.dreaming.surrogate import Surrogate
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips

SPACE = SearchSpace(
    [Choice("a", (1, 2, 3)), Choice("b", (1, 2), only_if=("a", (1, 2))), Choice("one", (1,))],
    layer_decisions=(Choice("n", (1, 2, 3)), Skips()),
    depth=3,
)


@pytest.fixture
def known():
    """Columns, a surrogate whose weights all differ, 12 rows, their scores."""
    columns = Columns(SPACE, max_depth=3)
    generator = np.random.default_rng(0)
    rows = np.unique(columns.uniform(12, 3, generator), axis=0)
    surrogate = Surrogate(columns)
    surrogate.logs = surrogate.logs + generator.normal(size=surrogate.logs.shape)
    return columns, surrogate, rows, normal_scores(generator.normal(size=len(rows)))


def covariance(surrogate, left, right):
    """a exp(-Σ_d w_d [x_d ≠ y_d]), pair by pair."""
    weights = np.exp(surrogate.logs[:-2])
    differ = [[weights[x != y].sum() for y in right] for x in left]
    return surrogate.amplitude * np.exp(-np.array(differ))


def test_the_gradient_equals_finite_differences(known):
    _, surrogate, rows, scores = known
    tokens = surrogate._one_hot(rows)
    gradient, at = surrogate.gradient(tokens, scores), surrogate.logs
    for index in range(len(at)):
        sides = []
        for step in (1e-5, -1e-5):
            surrogate.logs = at.copy()
            surrogate.logs[index] += step
            sides.append(surrogate.log_density(tokens, scores))
        assert gradient[index] == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-4), index


def test_fitting_goes_uphill_and_finds_which_column_matters(known):
    columns, surrogate, _, _ = known
    rows = columns.uniform(60, 3, np.random.default_rng(1))
    surrogate = Surrogate(columns)
    tokens, scores = surrogate._one_hot(rows), normal_scores(rows[:, 0].astype(float))
    before = surrogate.log_density(tokens, scores)
    surrogate.fit(rows, scores)
    assert surrogate.log_density(tokens, scores) > before + 10
    assert np.argmax(surrogate.logs[:-2]) == 0


def test_what_is_expected_is_the_conditional_distribution(known):
    columns, surrogate, rows, scores = known
    asked = columns.uniform(5, 2, np.random.default_rng(2))
    surrogate.condition(rows, scores)
    noisy = covariance(surrogate, rows, rows) + surrogate.noise * np.eye(len(rows))
    across = covariance(surrogate, asked, rows)
    gain = across @ np.linalg.inv(noisy)
    prediction = surrogate.predict(asked)
    assert prediction.mean == pytest.approx(gain @ scores)
    assert surrogate.mean(asked) == pytest.approx(gain @ scores)
    variance = np.diag(covariance(surrogate, asked, asked) - gain @ across.T)
    assert prediction.variance == pytest.approx(variance)


def test_seeing_what_is_expected_equals_being_conditioned_on_it(known):
    columns, surrogate, rows, scores = known
    asked = columns.uniform(6, 3, np.random.default_rng(3))
    surrogate.condition(rows, scores)
    prediction = surrogate.predict(asked)
    prediction.see(4)
    prediction.see(1)
    seen = asked[[4, 1]]
    surrogate.condition(
        np.concatenate([rows, seen]), np.concatenate([scores, surrogate.mean(seen)])
    )
    again = surrogate.predict(asked)
    assert prediction.mean == pytest.approx(again.mean)
    assert prediction.variance == pytest.approx(again.variance)
