"""What the page's rankings and its search should find, in NumPy.

Shapes: T characters, H neurons; codes uint8 [H, T], of which `NOT_FINITE` are left out.
"""

import re

import numpy as np

from nas_with_rl.explorer.stored_signals import NOT_FINITE


def on_off(codes, selected):
    """Return the share of the selected characters where a neuron is on, less the others' share.

    It is on above the middle between its least and its greatest code; an empty side's share is 0.
    """
    finite = codes != NOT_FINITE
    known, inside = codes[finite].astype(int), selected[finite]
    if not len(known):
        return 0.0
    on = 2 * known > known.min() + known.max()
    shares = [on[side].mean() if side.any() else 0.0 for side in (inside, ~inside)]
    return float(shares[0] - shares[1])


def correlation(codes, values):
    """Return Pearson's r of a neuron's finite codes and integers [T]; 0 where one is constant."""
    finite = codes != NOT_FINITE
    x, y = codes[finite].astype(float), values[finite].astype(float)
    if len(x) < 2 or not np.ptp(x) or not np.ptp(y):
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def on_off_scores(codes, selected):
    """Return each neuron's on/off score."""
    return [on_off(row, selected) for row in codes]


def correlations(codes, values):
    """Return each neuron's correlation with membership or with a feature."""
    return [correlation(row, values) for row in codes]


def rank_correlation(codes, values):
    """Return the correlation of the average ranks of a neuron's finite codes and integers [T]."""
    finite = codes != NOT_FINITE
    known = [row[finite].astype(float) for row in (codes, values)]
    ranks = [(row[:, None] > row).sum(1) + (row[:, None] == row).sum(1) / 2 for row in known]
    if len(ranks[0]) < 2 or not np.ptp(ranks[0]) or not np.ptp(ranks[1]):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def feature_scores(codes, values):
    """Return how each neuron follows a feature: r, or the ranks' where that is 0.05 larger."""
    scores = []
    for row in codes:
        r, of_ranks = correlation(row, values), rank_correlation(row, values)
        scores.append(of_ranks if abs(of_ranks) > abs(r) + 0.05 else r)
    return scores


def largest(scores):
    """Return the neuron with the largest |score|."""
    return int(np.argmax(np.abs(scores)))


def matched(tokens, text):
    """Return how often a text occurs, overlaps included, and bool [T], all of its characters.

    A match begins and ends with a token.
    """
    ends = np.cumsum([0, *map(len, tokens)])
    inside, count = np.zeros(len(tokens), bool), 0
    for match in re.finditer(f"(?={re.escape(text)})", "".join(tokens)):
        first, last = match.start(), match.start() + len(text)
        if text and first in ends and last in ends:
            inside[np.searchsorted(ends, first) : np.searchsorted(ends, last)] = True
            count += 1
    return count, inside


def assert_ranked(found, scores):
    """Compare a page's [(neuron, score), ...] with NumPy's scores by neuron.

    The largest |score| is first, of equal ones the lower number. Which of two that differ in the
    last digit is larger, is the page's to say.
    """
    assert [tuple(row) for row in found] == sorted(
        map(tuple, found), key=lambda row: (-abs(row[1]), row[0])
    )
    by_neuron = dict(found)
    assert sorted(by_neuron) == list(range(len(scores)))
    np.testing.assert_allclose(
        [by_neuron[neuron] for neuron in range(len(scores))], scores, rtol=0, atol=1e-12
    )
