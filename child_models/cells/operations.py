"""What the operations of a recurrent cell compute (Zoph & Le, 2016, section 4.2).

Their names are choices of `search_spaces.recurrent_cell`; CONTRIBUTING adds one as an example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import keras

from nas_with_rl.child_models.tensors import Tensor
from nas_with_rl.search_spaces.errors import InputError

Combination = Callable[[Tensor, Tensor], Tensor]
Activation = Callable[[Tensor], Tensor]


def maximum(left: Tensor, right: Tensor) -> Tensor:
    """Return the greater of two tensors, element by element; NaN where either is.

    Ties, in value and in gradient, go to the left one.
    """
    # Not `keras.ops.maximum`: XLA's may answer the other input where one is NaN, on CPU.
    first = keras.ops.logical_or(left >= right, keras.ops.isnan(left))
    return keras.ops.where(first, left, right)


def _identity(value: Tensor) -> Tensor:
    return value


# A new row has its name in `search_spaces.recurrent_cell` and its numbers in
# `populations.universal_cell`, or no cell can choose it and no population train it.
COMBINATION_FUNCTIONS: Mapping[str, Combination] = MappingProxyType(
    {
        "add": keras.ops.add,
        "elem_mult": keras.ops.multiply,
        "max": maximum,
    }
)

ACTIVATION_FUNCTIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "identity": _identity,
        "tanh": keras.ops.tanh,
        "sigmoid": keras.ops.sigmoid,
        "relu": keras.ops.relu,
        "sin": keras.ops.sin,
    }
)


def combination(name: str) -> Combination:
    """Return the element-wise function of two tensors of one shape.

    Raises:
      InputError: no row of the table has this name.
    """
    if name not in COMBINATION_FUNCTIONS:
        raise InputError(f"combination is {name!r}, not one of {', '.join(COMBINATION_FUNCTIONS)}")
    return COMBINATION_FUNCTIONS[name]


def activation(name: str) -> Activation:
    """Return the element-wise function of one tensor.

    Raises:
      InputError: no row of the table has this name.
    """
    if name not in ACTIVATION_FUNCTIONS:
        raise InputError(f"activation is {name!r}, not one of {', '.join(ACTIVATION_FUNCTIONS)}")
    return ACTIVATION_FUNCTIONS[name]
