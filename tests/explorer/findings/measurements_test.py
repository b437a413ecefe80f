"""Correlations, shares and distances: against NumPy, by hand, and where a value is missing."""

import numpy as np
import pytest

from nas_with_rl.explorer.findings import measurements
from nas_with_rl.explorer.findings.measurements import memory_of
from tests.harness import built_traces

NAN = np.nan


def test_correlations_equal_numpys_and_are_0_of_what_is_constant():
    values, target = np.random.default_rng(0).random((20, 4)), np.arange(20.0)
    values[:, 3] = 0.1
    found = measurements.correlations(values, target)
    for neuron in range(3):
        assert found[neuron] == pytest.approx(np.corrcoef(values[:, neuron], target)[0, 1])
    assert found[3] == 0
    assert not measurements.correlations(values, np.full(20, 2.0)).any()


def test_a_value_that_is_not_finite_is_left_out():
    values = np.array([[1.0], [NAN], [3.0], [4.0]])
    target = np.array([2.0, 100.0, 6.0, 8.0])
    assert measurements.correlations(values, target) == pytest.approx(1)
    assert measurements.mean(values) == pytest.approx(8 / 3)
    assert measurements.slope(values[:, 0], target) == pytest.approx(0.5)
    assert measurements.spans(values) == 3
    assert measurements.share_near_zero(values, 2) == pytest.approx(1 / 3)
    nothing = np.full((3, 2), NAN)
    assert (
        np.isnan(measurements.mean(nothing)).all() and np.isnan(measurements.spans(nothing)).all()
    )
    assert not measurements.correlations(nothing, np.arange(3)).any()
    assert np.isnan(measurements.slope(nothing[:, 0], np.arange(3)))
    assert np.isnan(measurements.share_near_zero(nothing))
    assert measurements.strongest(np.array([NAN, -1, 2])) == 2


def test_rank_correlation_shares_the_ranks_of_equal_values():
    target = np.array([1, 1, 2, 3])
    rising, mixed = np.array([0.0, 0.0, 5.0, 1e9]), np.array([0.0, 1.0, 2.0, 3.0])
    found = measurements.rank_correlations(np.stack([rising, -rising, mixed], axis=1), target)
    assert found[:2] == pytest.approx([1, -1])
    # Ranks 1.5, 1.5, 3, 4 against 1, 2, 3, 4.
    assert found[2] == pytest.approx(np.corrcoef([1.5, 1.5, 3, 4], [1, 2, 3, 4])[0, 1])


def test_separation_is_the_difference_over_the_root_of_the_mean_variance():
    high, low = np.array([[2.0], [4.0]]), np.array([[0.0], [0.0]])  # variances 1 and 0
    assert measurements.separations(high, low) == pytest.approx(3 / np.sqrt(0.5))
    assert measurements.separations(low, high) == pytest.approx(-3 / np.sqrt(0.5))
    equal = measurements.separations(np.ones((3, 1)), np.zeros((3, 1)))
    assert equal == pytest.approx(1 / measurements.LEAST_DEVIATION)


def test_standing_apart_is_measured_to_the_nearest_group():
    group = np.array([[3.0, -1.0, 1.0]])
    others = [np.array([[2.0, 0.5, 0.0]]), np.array([[0.0, 0.0, 2.0]])]
    np.testing.assert_allclose(measurements.standing_apart(group, others), [1, -1, 0])


def test_agreement_is_1_of_what_is_expected_whatever_its_size():
    expected = np.array([1.0, 0.0, -1.0])
    values = np.stack([3 * expected, -expected, np.ones(3), np.zeros(3)], axis=1)
    np.testing.assert_allclose(measurements.agreements(values, expected), [1, -1, 0, 0], atol=1e-12)


def test_every_familys_memory_is_named_after_its_own_signals():
    text = "aX"
    memories = {
        name: memory_of(built_traces.trace_of(text, built_traces.random(text, signals)), 0)
        for name, signals in built_traces.FAMILIES.items()
    }
    named = {
        name: (each.cell_name, each.has_cell, each.keep_name, each.write_name)
        for name, each in memories.items()
    }
    assert named == {
        "lstm": ("cell", True, "forget gate", "input gate"),
        "gru": ("hidden state", False, "update gate z", "1 - z"),
        "rnn": ("hidden state", False, "", ""),
        "tree": ("cell", True, "", ""),
    }
    gru = memories["gru"]
    np.testing.assert_allclose(gru.keep + gru.write, 1)
    assert memories["rnn"].keep is None and memories["tree"].write is None


def test_the_last_layer_counts_from_the_end():
    text = "aX"
    layers = [built_traces.constant(text, value=value) for value in (0.25, 0.5, 0.75)]
    trace = built_traces.trace_of(text, *layers)
    assert memory_of(trace, -1).cell[0, 0] == 0.75
    assert memory_of(trace, 0).cell[0, 0] == 0.25
