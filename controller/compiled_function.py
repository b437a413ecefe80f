"""A function of arrays, compiled once for every size of batch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

# A batch's size m stays open. Traced for m = 1 a gradient of the policy's loop fails where it runs
# (TensorFlow 2.21, without XLA: "tried to append a tensor with incompatible shape to a list").
BATCH = None


def spec(*shape: int | None, dtype: tf.DType = tf.float32) -> tf.TensorSpec:
    """Return what an argument looks like; BATCH where its size is open."""
    return tf.TensorSpec(shape, dtype)


class CompiledFunction:
    """One program of a function, traced at its first call.

    Called as a concrete function: TensorFlow counts the traces of functions of equal code together
    and would warn of retracing where several searches of one process each trace their own.
    """

    def __init__(self, function: Callable[..., Any], specs: Sequence[Any], *, jit_compile: bool):
        """Keep what is to be traced.

        Args:
          function: of tensors; variables that it uses are read when it is called.
          specs: of its arguments, each a `tf.TensorSpec` or a tuple of them.
          jit_compile: whether XLA compiles it, then for each size of batch.
        """
        self._specs = tuple(specs)
        self._function = tf.function(function, autograph=False, jit_compile=jit_compile)

    @functools.cached_property
    def _program(self) -> Callable[..., Any]:
        return self._function.get_concrete_function(*self._specs)

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function returns; arguments are tensors or arrays of the specs' types."""
        as_tensors = tf.nest.map_structure(
            lambda spec, value: tf.convert_to_tensor(value, spec.dtype), self._specs, arguments
        )
        return self._program(*as_tensors)

    def traces(self) -> int:
        """Return how often the function was traced: once at most."""
        return self._function.experimental_get_tracing_count()
