"""Rankings against NumPy and by counting."""

import itertools

import numpy as np
import pytest

from nas_with_rl.child_models.cells.signal_kinds import SignalKind
from nas_with_rl.explorer import rankings
from nas_with_rl.explorer.stored_signals import NOT_FINITE, StoredSignal
from tests.harness import examples

HIDDEN = SignalKind("hidden", "h", "hidden", -1, 1, "state")


def stored(codes):
    codes = np.asarray(codes, np.uint8)
    origins, steps = np.full(len(codes), -1.0), np.full(len(codes), 2 / 254)
    return StoredSignal(HIDDEN, codes, origins, steps, -1.0, 1.0)


def drawn(units=20, num_tokens=300, seed=0):
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 255, size=(units, num_tokens))
    codes[generator.uniform(size=codes.shape) < 0.1] = NOT_FINITE
    selected = generator.uniform(size=num_tokens) < 0.2
    codes[:4, selected] //= np.arange(2, 6)[:, None]
    return stored(codes), selected


def test_correlations_are_numpys():
    signal, selected = drawn()
    for codes in signal.codes:
        known = codes != NOT_FINITE
        wanted = np.corrcoef(codes[known], selected[known])[0, 1]
        assert rankings.correlation(codes, selected) == pytest.approx(wanted, abs=1e-12)
    values = np.random.default_rng(1).integers(0, 1000, size=signal.codes.shape[1])
    for codes in signal.codes:
        known = codes != NOT_FINITE
        wanted = np.corrcoef(codes[known], values[known])[0, 1]
        assert rankings.correlation(codes, values) == pytest.approx(wanted, abs=1e-12)


def test_on_off_scores_are_counted():
    signal, selected = drawn()
    for codes in signal.codes:
        known = [int(code) for code in codes if code != NOT_FINITE]
        counts = {True: [0, 0], False: [0, 0]}
        for code, member in zip(codes, selected, strict=True):
            if code != NOT_FINITE:
                counts[bool(member)][0] += 2 * int(code) > min(known) + max(known)
                counts[bool(member)][1] += 1
        wanted = counts[True][0] / counts[True][1] - counts[False][0] / counts[False][1]
        assert rankings.on_off(codes, selected) == wanted


def test_the_largest_score_of_either_sign_is_first():
    selected = np.array([1, 1, 0, 0, 0, 0], bool)
    signal = stored(
        [
            [9, 9, 9, 9, 9, 9],  # never changes
            [0, 0, 9, 9, 9, 0],  # off in the selection
            [9, 9, 0, 0, 0, 0],  # on there, and nowhere else
            [0, 0, 9, 9, 9, 9],  # off there, and nowhere else
        ]
    )
    by_on_off = rankings.rank_by_on_off(signal, selected)
    assert [(row.neuron, row.on_off) for row in by_on_off] == [
        (2, 1.0),
        (3, -1.0),
        (1, -0.75),
        (0, 0.0),
    ]
    by_correlation = rankings.rank_by_correlation(signal, selected)
    assert [row.neuron for row in by_correlation] == [2, 3, 1, 0]
    np.testing.assert_allclose([row.correlation for row in by_correlation], [1, -1, -(0.5**0.5), 0])
    by_feature = rankings.rank_by_feature(signal, np.array([0, 0, 5, 5, 5, 5]))
    assert [(row.neuron, round(row.correlation, 9)) for row in by_feature][:2] == [(2, -1), (3, 1)]


def test_every_order_of_equal_neurons_is_by_number():
    rows = [[0, 9, 0], [9, 0, 0], [0, 9, 0]]
    for order in itertools.permutations(range(3)):
        ranked = rankings.rank_by_on_off(
            stored([rows[i] for i in order]), np.array([0, 1, 0], bool)
        )
        scores = [(-abs(row.on_off), row.neuron) for row in ranked]
        assert scores == sorted(scores)


@pytest.mark.parametrize(
    ("codes", "selected"),
    [
        ([NOT_FINITE] * 3, [1, 0, 0]),
        ([NOT_FINITE, 3, 5], [1, 0, 0]),
        ([4, 4, 4], [1, 0, 0]),
        ([4], [1]),
    ],
)
def test_nothing_to_tell_apart_has_no_correlation(codes, selected):
    assert rankings.correlation(np.array(codes, np.uint8), np.array(selected, bool)) == 0


def test_a_selection_of_all_or_nothing_has_the_share_of_one_side():
    codes = np.array([0, 9, 9, 9], np.uint8)
    assert rankings.on_off(codes, np.ones(4, bool)) == 0.75
    assert rankings.on_off(codes, np.zeros(4, bool)) == -0.75


def test_sums_are_exact_where_floats_would_not_be():
    """The longest text and the largest feature: sums of products beyond float32, below 2^53."""
    num_tokens = 90_000
    codes = np.full(num_tokens, 254, np.uint8)
    codes[0] = 0
    values = np.full(num_tokens, 1000)
    values[0] = 0
    assert rankings.correlation(codes, values) == 1.0


def test_matches_may_overlap_and_be_of_tokens_with_several_characters():
    count, inside = rankings.matched("aaaXaaa", "aa")
    assert count == 4
    np.testing.assert_array_equal(inside, [1, 1, 1, 0, 1, 1, 1])
    count, inside = rankings.matched(["a", "<unk>", "b", "unk"], "unk")
    assert count == 1  # a part of a token is none
    np.testing.assert_array_equal(inside, [0, 0, 0, 1])
    count, inside = rankings.matched(["a", "<unk>", "b"], "<unk>b")
    assert count == 1
    np.testing.assert_array_equal(inside, [0, 1, 1])
    assert rankings.matched("abc", "x")[0] == rankings.matched("abc", "")[0] == 0


def test_the_table_names_the_neuron_that_counts():
    text = examples.counter_text(120)
    model = examples.lstm_model(text)
    columns = [at - text.rfind("\n", 0, at) for at in range(120)]
    model.trace.layers[0].signal("cell").values[:, 3] = -np.array(columns)
    table = rankings.feature_table(model)
    (row,) = (row for row in table.rows if row[0].startswith("column"))
    assert table.columns == ("feature", "layer 1, cell", "layer 1, hidden")
    assert row[1].startswith("neuron 4, r = -1.000")
    assert row[2].startswith("neuron ")


def test_a_text_without_features_has_no_table():
    assert rankings.feature_table(examples.lstm_model("a")) is None
