"""What a cluster uses of TensorFlow beside its public interface, each with the reason.

`tensorflow_internals_test` tries each and names the version; see
`child_models/tensorflow_internals`.
"""

from __future__ import annotations

import importlib
import logging
import re
from typing import Any

from nas_with_rl.child_models.tensorflow_internals import internal

RPC = "tensorflow.distribute.experimental.rpc.kernels.gen_rpc_ops"
_RPC_OPERATIONS = (
    *("rpc_client", "rpc_call", "rpc_check_status", "rpc_get_value"),
    "delete_rpc_future_resource",
)
COORDINATOR_FILE = "cluster_coordinator.py"
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


def is_of_coordinator(record: logging.LogRecord) -> bool:
    """Say whether TensorFlow's coordinator logged this."""
    return record.filename == COORDINATOR_FILE


def lost_worker(record: logging.LogRecord) -> int | None:
    """Return the index of the worker whose loss the coordinator logged, None for other lines.

    No callback tells it.
    """
    lost = _WORKER_LOST.match(record.getMessage())
    return int(lost[1]) if lost else None
