"""Rankings against NumPy; the page's own are tested in `page/rankings_test.py`."""

import itertools

import numpy as np
import pytest

from nas_with_rl.child_models.cells.signal_kinds import SignalKind
from nas_with_rl.explorer import rankings
from nas_with_rl.explorer.stored_signals import NOT_FINITE, StoredSignal
from tests.harness import examples, numpy_rankings

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


def test_the_largest_correlation_of_either_sign_is_first():
    signal = stored(
        [
            [9, 9, 9, 9, 9, 9],  # never changes
            [0, 0, 9, 9, 9, 0],
            [9, 9, 0, 0, 0, 0],
            [0, 0, 9, 9, 9, 9],
        ]
    )
    found = rankings.rank_by_feature(signal, np.array([5, 5, 0, 0, 0, 0]))
    assert [row.neuron for row in found] == [2, 3, 1, 0]
    np.testing.assert_allclose([row.correlation for row in found], [1, -1, -(0.5**0.5), 0])


def test_every_order_of_equal_neurons_is_by_number():
    rows = [[0, 9, 0], [9, 0, 9], [0, 1, 0]]
    for order in itertools.permutations(range(3)):
        signal = stored([rows[i] for i in order])
        found = rankings.rank_by_feature(signal, np.array([0, 1, 0]))
        assert [row.neuron for row in found] == [0, 1, 2]


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


def test_sums_are_exact_where_floats_would_not_be():
    """The longest text and the largest feature: sums of products beyond float32, below 2^53."""
    num_tokens = 90_000
    codes = np.full(num_tokens, 254, np.uint8)
    codes[0] = 0
    values = np.full(num_tokens, 1000)
    values[0] = 0
    assert rankings.correlation(codes, values) == 1.0


def test_rank_correlations_are_those_of_average_ranks():
    signal, _ = drawn()
    values = np.random.default_rng(1).integers(0, 9, size=signal.codes.shape[1])
    for codes in signal.codes:
        wanted = numpy_rankings.rank_correlation(codes, values)
        assert rankings.rank_correlation(codes, values) == pytest.approx(wanted, abs=1e-12)
    assert rankings.rank_correlation(np.arange(9, dtype=np.uint8) ** 2, np.arange(9)) == 1


def test_what_counts_in_uneven_steps_is_before_what_hardly_counts():
    values = np.arange(100) // 2
    doubling = np.round(254 * np.exp2((values - 49) / 6))
    noisy = 2 * values + np.random.default_rng(0).integers(0, 90, 100)
    found = rankings.rank_by_feature(stored([noisy, 254 - doubling]), values)
    assert [row.neuron for row in found] == [1, 0] and found[0].correlation > -0.9
    assert found[0].describe().startswith("neuron 2, rank r = -0.")
    assert found[1].describe().startswith("neuron 1, r = +0.")


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
