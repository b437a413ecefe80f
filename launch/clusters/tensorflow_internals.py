"""What a cluster uses of TensorFlow beside its public interface, each with the reason.

`tensorflow_internals_test` tries each and names the version; see
`child_models/tensorflow_internals`.
"""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Callable
from typing import Any

from nas_with_rl.child_models.tensorflow_internals import internal

RPC = "tensorflow.distribute.experimental.rpc.kernels.gen_rpc_ops"
_RPC_OPERATIONS = (
    *("rpc_client", "rpc_call", "rpc_check_status", "rpc_get_value"),
    "delete_rpc_future_resource",
)
COORDINATOR = "tensorflow.python.distribute.coordinator.cluster_coordinator"
COORDINATOR_FILE = "cluster_coordinator.py"
CONTEXT = "tensorflow.python.eager.context"
# Of the coordinator's queue: what its own `put` uses, but for waiting and raising.
QUEUE = ("_queue", "_queue_lock", "_closures_queued_condition", "_error", "_cancellation_mgr")
_WORKER_LOST = re.compile(r"Worker \S*task:(\d+) failed")


def rpc_operations() -> Any:
    """Return the module of TensorFlow's raw RPC operations, with all that a chief needs.

    The public client's class knows its server before a function knows its worker.
    """
    for name in _RPC_OPERATIONS:
        internal(RPC, name)
    return importlib.import_module(RPC)


def per_worker_resources(coordinator: Any, function: Any) -> Any:
    """Return what a function makes on each worker, made anew on a worker that was lost.

    `create_per_worker_dataset` alone is public.
    """
    return internal(coordinator, "_create_per_worker_resources")(function)


class ClosureQueue:
    """Gives closures of one function to a coordinator's workers, and hears of each what came of it.

    Public are `schedule`, which copies the strategy's scope and analyses the function for each
    closure, and `fetch`, which holds a thread for each: that was 3/5 of a closure's CPU time, and
    three threads a worker instead of the coordinator's one. What the coordinator does with a
    closure stays as it is: workers take it from one queue, and it is put back when its worker dies.
    """

    def __init__(self, coordinator: Any, function: Any, resources: Any):
        """Prepare for closures.

        Args:
          coordinator: `tf.distribute.coordinator.ClusterCoordinator`.
          function: a concrete function of a worker's resource and a text, which returns a text.
          resources: of `per_worker_resources`.
        """
        self._queue = internal(internal(coordinator, "_cluster"), "closure_queue")
        for name in QUEUE:
            internal(self._queue, name)
        self._function, self._resources = function, internal(resources, "_values")
        self._scope = internal(CONTEXT, "executor_scope")
        self._input_error = internal(COORDINATOR, "ClosureInputError")

    def put(self, text: str, answered: Callable[[bytes | Exception], None]) -> None:
        """Have one worker evaluate the function of a text; never waits, never raises.

        Args:
          text: the function's argument.
          answered: is called once, in a thread of the coordinator's, with what the function
            returned or with the error that ended it.
        """
        queue, closure = self._queue, _Closure(self, text, answered)
        with queue._queue_lock:
            has_failed = queue._error is not None
            if not has_failed:
                queue._queue.put(closure, block=False)
                queue._closures_queued_condition.notify()
        if has_failed:  # the next `schedule` tells of another closure's error and goes on
            closure.mark_cancelled()

    def evaluated(self, worker: Any, text: Any) -> Any:
        """Return the function's value, which stays on the worker: TensorFlow's `execute_on`.

        Args:
          worker: the coordinator's, in whose thread this runs.
          text: the argument, a tensor.
        """
        import tensorflow as tf

        resource = self._resources[worker.worker_index]
        if error := resource._get_error():
            raise self._input_error(error)  # at which the coordinator makes the resource anew
        function = self._queue._cancellation_mgr.get_cancelable_function(self._function)
        with tf.device(worker.device_name), self._scope(worker.executor):
            return function(resource._get_values(), text)


class _Closure:
    """What the coordinator's queue and its workers' threads ask of a closure, and of its result."""

    tag = None  # for any worker

    def __init__(
        self, closures: ClosureQueue, text: str, answered: Callable[[bytes | Exception], None]
    ):
        import tensorflow as tf

        self._closures, self._answered = closures, answered
        self._text, self._result = tf.constant(text), None

    def execute_on(self, worker: Any) -> None:
        """Run on a worker, once more where an earlier one has died."""
        self._result = self._closures.evaluated(worker, self._text)

    def maybe_call_with_output_remote_value(self, method: Callable[[Any], object]) -> None:
        """Let a worker's thread fetch the result or set an error: a closure is its own result."""
        method(self)

    def get(self) -> None:
        """Fetch the result; where that fails, as the worker has died, the closure is run again."""
        assert self._result is not None
        answer = self._result.numpy()
        self._result = None
        self._answered(answer)

    def _set_error(self, error: Exception) -> None:
        self._answered(error)

    def mark_cancelled(self) -> None:
        """Note that the coordinator gives the closure up, with all others, after an error."""
        import tensorflow as tf

        self._answered(tf.errors.CancelledError(None, None, "given up with other closures"))


def is_of_coordinator(record: logging.LogRecord) -> bool:
    """Say whether TensorFlow's coordinator logged this."""
    return record.filename == COORDINATOR_FILE


def lost_worker(record: logging.LogRecord) -> int | None:
    """Return the index of the worker whose loss the coordinator logged, None for other lines.

    No callback tells it.
    """
    lost = _WORKER_LOST.match(record.getMessage())
    return int(lost[1]) if lost else None
