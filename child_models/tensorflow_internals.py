"""What is used of TensorFlow beside its public interface, each with the reason.

A new version may change it without a word. So nothing else here imports from `tensorflow.python` or
`tensorflow.compiler`, and `tensorflow_internals_test` tries each and names the version. The
cluster's are in `launch/clusters/tensorflow_internals`.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

RECORD = "tensorflow.python.eager.record"
CONTEXT = "tensorflow.python.eager.context"
XLA = "tensorflow.compiler.tf2xla.python.xla"


def internal(owner: str | object, name: str) -> Any:
    """Return something of TensorFlow that has no public name.

    Args:
      owner: a module's full name, or an object.
      name: of its attribute.

    Raises:
      ImportError: the installed version does not have it; it and the version are named.
    """
    try:
        found = importlib.import_module(owner) if isinstance(owner, str) else owner
        return getattr(found, name)
    except (ImportError, AttributeError):
        import tensorflow as tf

        where = owner if isinstance(owner, str) else type(owner).__name__
        raise ImportError(
            f"TensorFlow {tf.__version__} has no {where}.{name}, which this version of nas_with_rl "
            "needs: install another version of one of the two"
        ) from None


def unrecorded() -> AbstractContextManager[None]:
    """Return a context in which no gradient tape takes note."""
    context: AbstractContextManager[None] = internal(RECORD, "stop_recording")()
    return context


def record_operation(
    name: str,
    outputs: Sequence[Any],
    inputs: Sequence[Any],
    gradient: Callable[..., Sequence[Any]],
) -> None:
    """Tell the gradient tapes how outputs come from inputs.

    Not `tf.custom_gradient`: it enters every gradient traced into a table of the process for good,
    and with it the graph of every child of a search (4 MB each).

    Args:
      name: of the operation.
      outputs, inputs: tensors.
      gradient: from the gradients of the outputs to those of the inputs.
    """
    internal(RECORD, "record_operation")(name, outputs, inputs, gradient)


def clear_kernel_cache() -> None:
    """Forget the kernels of the eager runtime, which keeps one for each variable ever made."""
    internal(internal(CONTEXT, "context")(), "clear_kernel_cache")()


@contextlib.contextmanager
def unoptimized_calls() -> Iterator[None]:
    """Call functions as they were traced, in this thread.

    A function that is first called inside is not rewritten by TensorFlow's graph optimiser, which
    takes longer than the seconds of a short training can win back. `tf.config.optimizer` would say
    the same to every function of the process, and each would be prepared once more.
    """
    import tensorflow as tf

    context = internal(CONTEXT, "context")()
    before = internal(context, "function_call_options")
    config = tf.compat.v1.ConfigProto.FromString(before.config_proto_serialized)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    options = internal(CONTEXT, "FunctionCallOptions")(before.executor_type, config)
    context.function_call_options = options
    try:
        yield
    finally:
        context.function_call_options = before


def written_into(values: Any, block: Any, begin: Any) -> Any:
    """Return values with a block written from an index on: XLA does it in place."""
    return internal(XLA, "dynamic_update_slice")(values, block, begin)
