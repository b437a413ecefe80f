"""The signed-rank test and Holm's correction against closed forms and all signs counted."""

import itertools
import math
import random

import pytest

from nas_with_rl.launch.comparisons.paired_tests import ALPHA, fewest_seeds, holm, signed_rank_p


def counted(one, other):
    """Return the p-value from every one of the 2^n signs."""
    differences = [a - b for a, b in zip(one, other, strict=True) if a != b]
    sizes = [abs(each) for each in differences]
    ranks = [
        sum(s < size for s in sizes) + (sum(s == size for s in sizes) + 1) / 2 for size in sizes
    ]
    middle = sum(ranks) / 2
    found = abs(sum(r for r, d in zip(ranks, differences, strict=True) if d > 0) - middle)
    signs = list(itertools.product((0, 1), repeat=len(ranks)))
    extreme = sum(
        abs(sum(r for r, sign in zip(ranks, each, strict=True) if sign) - middle) >= found
        for each in signs
    )
    return extreme / len(signs)


@pytest.mark.parametrize("number", [1, 2, 5, 6, 10, 20, 60])
def test_one_that_is_always_better_has_two_of_all_signs(number):
    one = [0.5 + 0.01 * seed for seed in range(number)]
    other = [0.4 - 0.02 * seed for seed in range(number)]
    assert signed_rank_p(one, other) == signed_rank_p(other, one) == 2 / 2**number


def test_equal_ones_are_not_told_apart():
    assert signed_rank_p([1.0, 2.0], [1.0, 2.0]) == 1.0
    assert signed_rank_p([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]) == 1.0  # a single pair is left
    assert signed_rank_p([-math.inf] * 4, [-math.inf] * 4) == 1.0
    assert signed_rank_p([1.0] * 4, [-math.inf] * 4) == 2 / 16


def test_a_known_value():
    # n = 5, positive ranks 1: of 32 signs {}, {1} and their mirrors lie as far: 4/32.
    assert signed_rank_p([1, 0, 0, 0, 0], [0, 2, 3, 4, 5]) == 4 / 32


def test_every_sign_is_counted_with_ties_and_zeros():
    generator = random.Random(0)
    for _ in range(60):
        number = generator.randint(1, 9)
        one = [generator.randint(0, 4) / 4 for _ in range(number)]
        other = [generator.randint(0, 4) / 4 for _ in range(number)]
        if one != other:
            assert signed_rank_p(one, other) == pytest.approx(counted(one, other))


def test_under_the_hypothesis_it_errs_no_more_often_than_it_says():
    generator = random.Random(1)

    def drawn():
        return [generator.random() for _ in range(10)]

    found = [signed_rank_p(drawn(), drawn()) for _ in range(2000)]
    share = sum(p <= ALPHA for p in found) / len(found)
    assert 0.03 < share < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 2000)


def test_it_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    generator = random.Random(2)
    for number in (6, 12, 25):
        one = [generator.random() for _ in range(number)]
        other = [generator.random() - 0.1 for _ in range(number)]
        theirs = stats.wilcoxon(one, other, method="exact").pvalue
        assert signed_rank_p(one, other) == pytest.approx(theirs)


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2] and holm([]) == []


@pytest.mark.parametrize(("num_pairs", "expected"), [(1, 6), (3, 7), (10, 9)])
def test_the_fewest_seeds(num_pairs, expected):
    assert fewest_seeds(num_pairs) == expected
    assert 2 / 2**expected * num_pairs <= ALPHA < 2 / 2 ** (expected - 1) * num_pairs
