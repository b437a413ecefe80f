"""Uniform draws that are the same in every program: keyed by whole numbers, made of them alone.

TensorFlow's, XLA's and JAX's generators give different numbers for one key, so that a child's
dropout masks would depend on how it was compiled. Here a draw's place is hashed with its key by
MurmurHash3's finaliser (Appleby, 2016), twice: good enough for masks, not for cryptography.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from nas_with_rl.child_models.tensors import Tensor

_MASK = 0xFFFFFFFF
_MIXERS = (0x85EBCA6B, 0xC2B2AE35)


def keyed_uniform(key: Sequence[Tensor | int], shape: Sequence[int]) -> Tensor:
    """Return draws from U[0, 1), float32, multiples of 2^-24.

    Args:
      key: whole numbers, of which 32 bits count; scalars, or [C] for draws [C, *shape], each keyed
        by its own.
      shape: of the draws of one key.
    """
    mixed: Tensor = _integers(0)
    for part in key:
        mixed = _mixed(mixed + _integers(part))
    places = _integers(keras.ops.arange(math.prod(shape), dtype="int32"))
    children = mixed.shape
    mixed = keras.ops.reshape(mixed, (*children, 1))
    bits = _mixed(_mixed(places ^ mixed) + mixed)
    draws = keras.ops.cast(keras.ops.right_shift(bits, _integers(8)), "float32") * 2.0**-24
    return keras.ops.reshape(draws, (*children, *shape))


def _integers(values: Tensor | int) -> Tensor:
    # Where 64 bits are to be had: TensorFlow keeps 32-bit integers off the GPU.
    wide = keras.backend.backend() != "jax"
    if isinstance(values, int):
        values &= _MASK
        return keras.ops.convert_to_tensor(values, "int64" if wide else "uint32")
    return keras.ops.cast(values, "int64" if wide else "uint32") & _word()


def _word() -> Tensor:
    wide = keras.backend.backend() != "jax"
    return keras.ops.convert_to_tensor(_MASK, "int64" if wide else "uint32")


def _mixed(values: Tensor) -> Tensor:
    """Return the finaliser's hash of 32-bit words."""
    values = values & _word()
    for shift, mixer in zip((16, 13), _MIXERS, strict=True):
        values = values ^ keras.ops.right_shift(values, _integers(shift))
        values = (values * _integers(mixer)) & _word()
    return values ^ keras.ops.right_shift(values, _integers(16))
