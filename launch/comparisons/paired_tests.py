"""Whether one of two beats the other on the same seeds: an exact Wilcoxon signed-rank test.

The p-values of all pairs are corrected together (Holm, 1979).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ALPHA = 0.05


def signed_rank_p(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test (1945), exact.

    Pairs that are equal are left out, as Wilcoxon did, and equal differences share their mean rank.
    Under the hypothesis each sign is a fair coin; how many of the 2^n outcomes lie at least as far
    from the middle is counted, so that ties change nothing of its exactness.

    Args:
      one, other: a value for each seed, in the same order; -inf for none.
    """
    differences = np.array([a - b for a, b in zip(one, other, strict=True) if a != b])
    number = len(differences)
    if not number:
        return 1.0
    doubled = _doubled_ranks(np.abs(differences))  # integers: a mean rank may end in a half
    total, positive = (
        sum(doubled),
        sum(rank for rank, difference in zip(doubled, differences, strict=True) if difference > 0),
    )
    # ways[s]: of how many of the 2^n signs the positive ranks add up to s.
    ways = [1] + [0] * total
    for rank in doubled:
        for reached in range(total, rank - 1, -1):
            ways[reached] += ways[reached - rank]
    distance = abs(2 * positive - total)
    extreme = sum(count for s, count in enumerate(ways) if abs(2 * s - total) >= distance)
    return extreme / 2**number


def _doubled_ranks(values: np.ndarray) -> list[int]:
    """Return twice the rank of each value, from 1; equal ones have their mean rank."""
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, "left")
    up_to = np.searchsorted(ordered, values, "right")
    return [int(rank) for rank in below + up_to + 1]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for that there are several, in their order."""
    number, highest = len(p_values), 0.0
    corrected = [1.0] * number
    for place, index in enumerate(sorted(range(number), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, (number - place) * p_values[index]))
        corrected[index] = highest
    return corrected


def fewest_seeds(num_pairs: int) -> int:
    """Return how many seeds it takes at least for one of so many pairs to be told apart."""
    number = 1
    while 2.0 ** (1 - number) * num_pairs > ALPHA:
        number += 1
    return number
