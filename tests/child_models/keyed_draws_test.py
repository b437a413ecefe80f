"""Keyed draws: a NumPy twin to the bit in every program, and the moments of U[0, 1).

`jax_training_test` runs this file on Keras's JAX backend too, so nothing here imports TensorFlow
outside a function.
"""

import functools

import keras
import numpy as np
import pytest

from nas_with_rl.child_models.keyed_draws import keyed_uniform

KEYS = [(0, 0, 0, 0), (5, 0, 2, 1), (2**32 - 1, 2**31, 7, 0), (2**40 + 3, (2**40 + 3) >> 32, 1, 5)]
SHAPE = (3, 4, 5)


def numpy_draws(key, shape):
    """MurmurHash3's finaliser over places and key, in NumPy's wrapping 32-bit words."""

    def mixed(words):
        words = words ^ (words >> np.uint32(16))
        words = words * np.uint32(0x85EBCA6B)
        words = words ^ (words >> np.uint32(13))
        words = words * np.uint32(0xC2B2AE35)
        return words ^ (words >> np.uint32(16))

    hashed = np.zeros(1, np.uint32)
    for part in key:
        hashed = mixed(hashed + np.uint32(part % 2**32))
    bits = mixed(mixed(np.arange(np.prod(shape), dtype=np.uint32) ^ hashed) + hashed)
    return ((bits >> np.uint32(8)) / 2**24).astype(np.float32).reshape(shape)


def programs():
    """From names to how this backend runs a function."""
    if keras.backend.backend() == "jax":
        import jax

        return {"eager": lambda function: function, "xla": jax.jit}
    import tensorflow as tf

    return {
        "eager": lambda function: function,
        "graph": tf.function,
        "xla": functools.partial(tf.function, jit_compile=True),
    }


def draws(key, shape):
    return keras.ops.convert_to_numpy(keyed_uniform(key, shape))


@pytest.mark.parametrize("program", programs())
def test_every_program_draws_what_numpy_draws(program):
    def draw(step):  # the one part of a key that a program does not know beforehand
        return [keyed_uniform((*first, step, last), SHAPE) for *first, _, last in KEYS]

    for step in (0, 1, 2**31 - 1):
        drawn = programs()[program](draw)(keras.ops.convert_to_tensor(step, "int32"))
        for found, (*first, _, last) in zip(drawn, KEYS, strict=True):
            assert keras.backend.standardize_dtype(found.dtype) == "float32"
            np.testing.assert_array_equal(
                keras.ops.convert_to_numpy(found), numpy_draws((*first, step, last), SHAPE)
            )


@pytest.mark.parametrize("program", programs())
def test_keys_together_draw_as_each_alone(program):
    columns = [keras.ops.convert_to_tensor(np.int32([1, 2, 2**31 - 1])), 0, 9]
    together = programs()[program](lambda: keyed_uniform(columns, SHAPE))()
    for drawn, first in zip(keras.ops.convert_to_numpy(together), (1, 2, 2**31 - 1), strict=True):
        np.testing.assert_array_equal(drawn, numpy_draws((first, 0, 9), SHAPE))


def test_every_part_of_a_key_and_their_order_matter():
    keys = [(1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4), (2, 1, 3), (3, 2, 1), (1, 2, 3, 0)]
    drawn = [draws(key, (50,)) for key in keys]
    for number, one in enumerate(drawn):
        np.testing.assert_array_equal(one, draws(keys[number], (50,)))
        for other in drawn[:number]:
            assert np.mean(one == other) < 0.1


@pytest.mark.parametrize("key", [(0, 0, 0, 0), (1, 0, 0, 0), (0, 0, 1, 0), (12345, 0, 678, 5)])
def test_mean_variance_and_correlations_within_four_standard_errors(key):
    n = 2**20
    drawn = draws(key, (n,)).astype(np.float64)
    assert drawn.min() >= 0 and drawn.max() < 1
    centred = drawn - 0.5  # variance 1/12, fourth moment 1/80
    assert abs(centred.mean()) < 4 * np.sqrt(1 / 12 / n)
    assert abs(np.mean(centred**2) - 1 / 12) < 4 * np.sqrt((1 / 80 - 1 / 144) / n)
    seed, *rest = key
    neighbours = {"place": centred[1:], "row": centred[200:]}
    for name, other in (("seed", (seed + 1, *rest)), ("number", (*key[:-1], key[-1] + 1))):
        neighbours[name] = draws(other, (n,)) - 0.5
    for name, other in neighbours.items():
        correlation = 12 * np.mean(centred[: len(other)] * other)
        assert abs(correlation) < 4 / np.sqrt(len(other)), name
