"""What a child leaves in memory: freed after each, and named where there is not enough."""

from __future__ import annotations

import contextlib
import gc
import itertools
import sys
from collections.abc import Iterator

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.tensorflow_internals import clear_kernel_cache

CHILDREN_PER_CLEARING = 10  # of the eager runtime's kernels, which takes a second or two
_released = itertools.count(1)  # touches memory only, never a result


def release_child() -> None:
    """Free what a child that is out of scope still holds.

    A Keras model and a traced function are reference cycles around memory that Python's collector
    does not see, so by itself it would let dozens of children pile up. And TensorFlow's eager
    runtime caches a kernel for each variable ever made (its name is part of the key), 0.8 MiB a
    child. That cache is cleared only now and then, because every other function of the process,
    such as the controller's, takes its first call's time again after it. (Keras's `clear_session`
    would clear it too, but along with the user's settings.)
    """
    gc.collect()
    if next(_released) % CHILDREN_PER_CLEARING == 0 and "tensorflow" in sys.modules:
        clear_kernel_cache()


@contextlib.contextmanager
def out_of_memory_is_a_failure() -> Iterator[None]:
    """Raise ChildFailure "out_of_memory" where an allocation inside fails."""
    try:
        yield
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        raise ChildFailure("out_of_memory", str(error).partition("\n")[0]) from None


def _is_out_of_memory(error: Exception) -> bool:
    """Tell Python's, TensorFlow's and JAX's errors, whichever is there."""
    if "No space left on device" in str(error):  # a disk's, which has the same name
        return False
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "ResourceExhaustedError"
        or str(error).startswith("RESOURCE_EXHAUSTED")
    )
