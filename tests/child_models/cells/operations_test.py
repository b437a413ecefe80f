"""The operations in every program, at what saturates, overflows or is no number: a NumPy twin.

`jax_training_test` runs this file on Keras's JAX backend too, so nothing here imports TensorFlow
outside a function.
"""

import functools
import itertools
import warnings

import keras
import numpy as np
import pytest

from nas_with_rl.child_models.cells.operations import ACTIVATION_FUNCTIONS, COMBINATION_FUNCTIONS
from nas_with_rl.child_models.cells.tree_cell import cell_step
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell

SPECIAL = np.array([np.inf, -np.inf, 300.0, -300.0, -0.7, 1.5, 0.0, np.nan], np.float32)
HUGE = (1e30, -1e30)  # of combinations alone: every library has its own sine of them
PAIRS = np.array(list(itertools.product([*SPECIAL, *HUGE], repeat=2)), np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def maximum_gradient(left, right):
    """All to the left one where both are equal, and to the one that is NaN."""
    to_left = (left >= right) | np.isnan(left)
    return to_left, ~to_left


# By operation: its value and its gradient.
COMBINATION_TWINS = {
    "add": (np.add, lambda left, right: (np.ones_like(left), np.ones_like(right))),
    "elem_mult": (np.multiply, lambda left, right: (right, left)),
    "max": (np.maximum, maximum_gradient),
}
ACTIVATION_TWINS = {
    "identity": (lambda x: x, np.ones_like),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x))),
    "relu": (lambda x: np.maximum(x, 0), lambda x: x > 0),
    "sin": (np.sin, np.cos),
}


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


def value_and_gradient(function, *inputs):
    """Return the value, and the gradient of its sum by each input."""
    if keras.backend.backend() == "jax":
        import jax

        value, backward = jax.vjp(function, *inputs)
        return value, *backward(jax.numpy.ones_like(value))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = function(*inputs)
    return value, *tape.gradient(value, inputs)


@pytest.mark.parametrize("program", programs())
def test_every_operation_is_numpys_in_every_program(program):
    left, right, alone = map(keras.ops.convert_to_tensor, (*PAIRS.T, SPECIAL))

    def all_operations():
        return {
            name: value_and_gradient(function, *inputs)
            for table, inputs in (
                (COMBINATION_FUNCTIONS, (left, right)),
                (ACTIVATION_FUNCTIONS, (alone,)),
            )
            for name, function in table.items()
        }

    found = programs()[program](all_operations)()
    assert found.keys() == {**COMBINATION_TWINS, **ACTIVATION_TWINS}.keys()
    for name, tensors in found.items():
        value, *gradients = map(keras.ops.convert_to_numpy, tensors)
        if name in COMBINATION_TWINS:
            inputs, (twin, twin_gradient) = PAIRS.T, COMBINATION_TWINS[name]
        else:
            inputs, (twin, twin_gradient) = (
                SPECIAL[np.newaxis].astype(float),
                ACTIVATION_TWINS[name],
            )
        with warnings.catch_warnings():  # of infinities and of no numbers
            warnings.simplefilter("ignore")
            expected = [twin(*inputs), *np.atleast_2d(twin_gradient(*inputs))]
        for ours, theirs in zip((value, *gradients), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("program", programs())
def test_a_nan_goes_through_a_cell_from_either_side_in_every_program(program):
    leaves = [Node("add", "tanh"), Node("add", "sin")]  # sin(∞) is NaN
    numbers = np.array([[0.3, np.inf]], np.float32), np.zeros((1, 2), np.float32), np.zeros((1, 1))
    for pair, inputs in ((leaves, numbers), (leaves[::-1], (numbers[0][:, ::-1], *numbers[1:]))):
        cell = RecurrentCell((*pair, Node("max", "identity")), Node("add", "identity"), 2, 0)
        tensors = [keras.ops.convert_to_tensor(each, "float32") for each in inputs]
        step = programs()[program](functools.partial(cell_step, cell=cell))
        for each in step(*tensors):
            assert np.isnan(keras.ops.convert_to_numpy(each)).all()
