"""What was learned: shares, their freedom and main effects, beside plain Python."""

import math

import numpy as np
import pytest

from nas_with_rl.launch.reports.choices import CONNECTION, MISSING, Choices, Decided
from nas_with_rl.launch.reports.columns import ranks
from nas_with_rl.launch.reports.learning import (
    MOST_WINDOWS,
    chi_squared,
    connections,
    freedom,
    main_effects,
    preferences,
    windows,
)


def choices(*columns, options=("a", "b", "c")):
    codes = np.array(columns, np.int16).T
    decided = [Decided(f"decision {place}", options) for place in range(codes.shape[1])]
    return Choices(decided, np.arange(len(codes)), codes)


@pytest.mark.parametrize("number", [0, 1, 9, 10, 25, 240, 241, 10_000])
def test_windows_are_whole_and_alike(number):
    parts = windows(number)
    assert [row for part in parts for row in range(number)[part]] == list(range(number))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1 and len(parts) <= MOST_WINDOWS
    assert len(parts) == 1 or min(sizes) >= 10


def test_shares_are_counted_where_a_decision_exists():
    codes = [0] * 10 + [1] * 5 + [2] * 5 + [MISSING] * 10
    (found,) = preferences(choices(codes))
    assert found.shares[:2].tolist() == [[1, 0, 0], [0, 0.5, 0.5]]
    assert np.isnan(found.shares[2]).all() and found.counts.tolist() == [10, 10, 0]
    first, last = found.ends
    assert first.tolist() == [1, 0, 0] and last.tolist() == [0, 0.5, 0.5] and found.moved == 1
    option, errors = found.rise()
    assert option == 1
    assert errors == pytest.approx(0.5 / math.sqrt(0.25 * 0.75 * 0.2))  # of 0 and 5 of 10


def test_freedom_is_entropy_beside_equal_shares():
    generator = np.random.default_rng(0)
    equal, certain = np.tile([0, 1, 2], 100), np.ones(300, int)
    moves = np.concatenate([generator.permutation(equal[:150]), certain[:150]])
    first, last = freedom(preferences(choices(equal, certain, moves)))
    assert last == pytest.approx(1 / 3, abs=0.01) and first > 0.6
    assert freedom([]) is None
    assert freedom(preferences(choices(certain, options=("a", "only"))))[0] == 0
    assert freedom(preferences(choices(0 * certain, options=("only",)))) is None


def test_connections_are_the_first_quarter_and_the_last():
    decided = [
        Decided("filters", ("1", "2")),
        *(Decided(f"{i} {j}", CONNECTION, i, j) for i, j in ((2, 1), (3, 1), (3, 2))),
    ]
    codes = np.zeros((80, 4), np.int16)
    codes[60:, 1] = 1
    codes[:, 2] = 1
    found = preferences(Choices(decided, np.arange(80), codes))
    first, last = connections(found)
    assert first[1, 0] == 0 and last[1, 0] == 1 and first[2, 0] == last[2, 0] == 1
    assert last[2, 1] == 0 and np.isnan(first[[0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]).all()
    assert connections(preferences(choices([0, 1]))) is None


def effect_twin(codes, rewards):
    """Return Kelley's epsilon squared of the ranks, and the statistic of Kruskal and Wallis."""
    there = [row for row, code in enumerate(codes) if code != MISSING]
    ranked = dict(zip(there, ranks(np.array([rewards[row] for row in there])), strict=True))
    mean = sum(ranked.values()) / len(there)
    groups = {}
    for row in there:
        groups.setdefault(codes[row], []).append(ranked[row])
    between = sum(len(g) * (sum(g) / len(g) - mean) ** 2 for g in groups.values())
    total = sum((each - mean) ** 2 for each in ranked.values())
    eta = between / total
    number, count = len(there), len(groups)
    return 1 - (1 - eta) * (number - 1) / (number - count), eta * (number - 1)


@pytest.mark.parametrize("seed", range(5))
def test_main_effects_are_those_of_their_twin(seed):
    generator = np.random.default_rng(seed)
    columns = [generator.integers(-1 if place == 2 else 0, 3, 80) for place in range(3)]
    rewards = generator.normal(size=80).round(1) + 0.8 * columns[0]
    values = -rewards
    values[5] = np.nan
    found = {each.decided.title: each for each in main_effects(choices(*columns), rewards, values)}
    level = 1 - 0.05 / 3
    for place, codes in enumerate(columns):
        share, statistic = effect_twin(codes.tolist(), rewards.tolist())
        effect = found[f"decision {place}"]
        assert effect.share == pytest.approx(max(share, 0)) and effect.num == (codes >= 0).sum()
        assert effect.is_beyond_chance == (statistic > chi_squared(level, 2))
        for option in range(3):
            rows = (codes == option) & ~np.isnan(values)
            assert effect.medians[option] == pytest.approx(np.median(values[rows]))
    assert found["decision 0"].is_beyond_chance
    best = found["decision 0"].best(lower_is_better=True)
    assert best == np.nanargmin(found["decision 0"].medians)


def test_the_first_is_what_matters_most():
    codes = np.tile([0, 1, 2], 30)
    noise = np.random.default_rng(0).permutation(codes)
    effects = main_effects(choices(noise, codes), codes * 1.0, codes * 1.0)
    assert [each.decided.title for each in effects] == ["decision 1", "decision 0"]
    assert effects[0].share == 1


@pytest.mark.parametrize("codes", [[0] * 9, [MISSING] * 9, [0, 1], []])
def test_what_has_no_options_to_compare_matters_nothing(codes):
    rewards = np.arange(len(codes)) * 1.0
    (found,) = main_effects(choices(codes), rewards, rewards)
    assert found.share == 0 and not found.is_beyond_chance
    if not any(code >= 0 for code in codes):
        assert found.best(lower_is_better=False) is None


@pytest.mark.parametrize(
    ("probability", "freedom", "quantile"),
    [(0.95, 1, 3.841), (0.95, 4, 9.488), (0.99, 2, 9.210), (0.999, 10, 29.588)],
)
def test_quantiles_are_those_of_the_tables(probability, freedom, quantile):
    assert chi_squared(probability, freedom) == pytest.approx(quantile, rel=0.03)
