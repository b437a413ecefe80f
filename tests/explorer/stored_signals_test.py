"""Signals keep their values to half a step, and say which were not finite."""

import numpy as np
import pytest

from nas_with_rl.child_models.cells.signal_kinds import SignalKind
from nas_with_rl.child_models.traces.trace import Signal
from nas_with_rl.explorer.stored_signals import FINE_PARTS, NOT_FINITE, store

INFINITE = float("inf")
GATE = SignalKind("forget_gate", "f", "forget gate", 0, 1, "gate")
HIDDEN = SignalKind("hidden", "h", "hidden", -1, 1, "state")
CELL = SignalKind("cell", "c", "cell", -INFINITE, INFINITE, "state")
RELU = SignalKind("node_0", "[0]", "node", 0, INFINITE, "state")


def signal(kind, values):
    return Signal(kind, np.asarray(values, np.float32))


def drawn(kind, num_tokens=50, units=7):
    generator = np.random.default_rng(0)
    low, high = (kind.low, kind.high) if kind.bounded else (0, 30)
    values = generator.uniform(low, high, size=(num_tokens, units))
    if not kind.bounded:
        values *= 10.0 ** np.arange(-3, 4)  # neurons of different sizes
    return signal(kind, values)


@pytest.mark.parametrize("kind", [GATE, HIDDEN, CELL, RELU], ids=lambda kind: kind.name)
@pytest.mark.parametrize("num_tokens", [1, 2, 50])
def test_decoded_values_are_within_half_a_step(kind, num_tokens):
    original = drawn(kind, num_tokens)
    stored = store(original)
    assert stored.codes.dtype == np.uint8 and stored.codes.shape == (7, num_tokens)
    assert stored.origins.dtype == stored.steps.dtype == np.float64
    error = np.abs(stored.values() - original.values.T)
    assert np.all(error <= stored.steps[:, None] * (0.5 + 1e-9))
    if num_tokens == 50 and not kind.bounded:  # each neuron has steps of its own size
        assert np.all(stored.steps[1:] > 5 * stored.steps[:-1])


def test_a_bounded_signal_has_the_step_of_its_natural_range():
    stored = store(signal(GATE, [[0.0, 0.5], [1.0, 0.25]]))
    np.testing.assert_array_equal(stored.steps, 1 / 254)
    np.testing.assert_array_equal(stored.codes, [[0, 254], [127, 64]])
    assert (stored.low, stored.high) == (0.0, 1.0)
    stored = store(signal(HIDDEN, [[-1.0], [0.0], [1.0]]))
    np.testing.assert_array_equal(stored.codes, [[0, 127, 254]])
    np.testing.assert_array_equal(stored.values(), [[-1, 0, 1]])


def test_an_unbounded_signal_is_shown_on_one_range_for_all_neurons():
    stored = store(signal(CELL, [[1.0, -8.0], [3.0, 2.0]]))
    assert (stored.low, stored.high) == (-8.0, 8.0)
    np.testing.assert_allclose(stored.values(), [[1, 3], [-8, 2]])


def powers(num_tokens=20):
    """A neuron that doubles, one that does so below 0, and one of many small values."""
    doubling = 0.8 * 2.0 ** np.arange(num_tokens)
    small = np.random.default_rng(0).normal(size=num_tokens)
    small[3] = 0
    return np.stack([doubling, -doubling, small], axis=1)


def test_a_wide_signal_keeps_its_small_values_too():
    original = signal(CELL, powers())
    stored = store(original)
    assert stored.fine.dtype == np.uint16 and stored.fine.shape == stored.codes.shape
    error = np.abs(stored.values() - original.values.T)
    assert np.all(error <= stored.steps[:, None] * (0.5 + 1e-6) / FINE_PARTS)
    assert stored.values()[0, 0] == pytest.approx(0.8, abs=0.02)  # one step is 1,651
    assert stored.values()[0, -1] == original.values[-1, 0]


def test_the_rests_of_a_wide_signal_change_none_of_its_codes():
    stored = store(signal(CELL, powers()))
    alone = [store(signal(CELL, powers()[:, [neuron]])) for neuron in (0, 1, 2)]
    assert alone[2].fine is None
    for neuron, one in enumerate(alone):
        np.testing.assert_array_equal(stored.codes[neuron], one.codes[0])
    rounded = stored.origins[:, None] + stored.codes * stored.steps[:, None]
    assert np.all(np.abs(stored.values() - rounded) <= stored.steps[:, None] * (0.5 + 1e-9))


def test_a_signal_is_wide_where_half_of_it_is_a_hundredth_of_the_largest():
    assert store(signal(CELL, [[0.0], [0.0], [1.0], [1.0], [-100.0]])).fine is not None
    assert store(signal(CELL, [[0.0], [0.0], [1.1], [1.1], [-100.0]])).fine is None
    assert store(signal(CELL, [[np.nan], [1.0], [1.0], [100.0], [np.inf]])).fine is not None
    assert store(signal(HIDDEN, [[1e-3], [1e-3], [1.0]])).fine is None  # has a natural range
    assert store(signal(CELL, np.zeros((3, 1)))).fine is None


def test_values_of_a_wide_signal_that_are_not_finite_are_marked():
    values = powers()
    values[2, 0], values[5:, 1] = np.nan, -np.inf
    stored = store(signal(CELL, values))
    assert stored.fine is not None
    np.testing.assert_array_equal(np.isnan(stored.values()), ~np.isfinite(values.T))


def test_values_that_are_not_finite_are_marked_and_change_no_other():
    values = np.array([[1.0, 5.0], [np.nan, 5.0], [3.0, 5.0], [np.inf, -np.inf], [2.0, 5.0]])
    stored = store(signal(CELL, values))
    np.testing.assert_array_equal(stored.codes == NOT_FINITE, ~np.isfinite(values.T))
    np.testing.assert_allclose(stored.values()[0], [1, np.nan, 3, np.nan, 2], atol=1e-2)
    assert stored.high == 5.0
    np.testing.assert_array_equal(
        store(signal(HIDDEN, values / 10)).codes == NOT_FINITE, ~np.isfinite(values.T)
    )


def test_a_neuron_of_one_value_is_exact():
    stored = store(signal(CELL, np.full((4, 2), [0.1, -2.5])))
    np.testing.assert_array_equal(stored.values(), np.full((2, 4), [[np.float32(0.1)], [-2.5]]))
    stored = store(signal(CELL, np.zeros((4, 1))))
    np.testing.assert_array_equal(stored.values(), np.zeros((1, 4)))
    assert stored.low < stored.high


def test_a_signal_without_a_finite_value_has_a_finite_range():
    stored = store(signal(CELL, np.full((3, 2), np.nan)))
    assert np.all(stored.codes == NOT_FINITE)
    assert np.isfinite([*stored.origins, *stored.steps, stored.low, stored.high]).all()


def test_the_largest_numbers_of_float32_do_not_overflow():
    most = np.finfo(np.float32).max
    stored = store(signal(CELL, [[-most], [most]]))
    np.testing.assert_allclose(stored.values(), [[-most, most]])
