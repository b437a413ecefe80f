"""TensorFlow still has what a cluster uses and what has no public name.

Where one of these fails, TensorFlow has changed: the message names its version.
"""

import inspect
import json
import logging
import os
import re

import pytest
import tensorflow as tf
from tensorflow.python.distribute.coordinator import cluster_coordinator

from nas_with_rl.launch.clusters import tensorflow_internals as internals
from tests.harness.jax_processes import run_python

CHANGED = f"TensorFlow {tf.__version__} has changed"


def test_a_raw_call_reaches_a_server(tmp_path):
    """With the arguments that the chief gives."""
    rpc = internals.rpc_operations()
    address = f"unix:{tmp_path}/rpc"
    server = tf.distribute.experimental.rpc.Server.create("grpc", address)
    signature = [tf.TensorSpec([], tf.string)]
    server.register("say", tf.function(lambda text: text + "!", input_signature=signature))
    server.start()
    try:
        client, _ = rpc.rpc_client(
            shared_name="children",
            server_address=address,
            list_registered_methods=False,
            timeout_in_ms=0,
        )
        future, deleter = rpc.rpc_call(
            client, args=[tf.constant("yes")], method_name="say", timeout_in_ms=0
        )
        code, message = rpc.rpc_check_status(future)
        (reply,) = rpc.rpc_get_value(future, Tout=[tf.string])
        rpc.delete_rpc_future_resource(future, deleter)
    except Exception as error:
        pytest.fail(f"{CHANGED} {internals.RPC}: {error}")
    assert (int(code), message.numpy(), reply.numpy()) == (0, b"", b"yes!"), CHANGED


def test_the_coordinator_makes_resources_on_each_worker():
    made = internals.internal(
        tf.distribute.coordinator.ClusterCoordinator, "_create_per_worker_resources"
    )
    named = list(inspect.signature(made).parameters)
    assert named[:2] == ["self", "fn"], f"{CHANGED} _create_per_worker_resources: {named}"


def test_each_closure_is_answered_once():
    """Also one that fails, and one that comes while the coordinator has an error to tell."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    ran = run_python(["-m", "tests.harness.small_cluster", "closures"], environment)
    assert ran.returncode == 0, f"{CHANGED}: {ran.stderr}"
    assert json.loads(ran.stdout.splitlines()[-1]) == {
        "good": sorted([str(number), f"{number}5"] for number in range(20)),
        "bad": ["bad", "InvalidArgumentError"],
        "late": ["late", "CancelledError"],
        "told": "InvalidArgumentError",
        "again": ["again", "again5"],
        "more": 0,
    }


def test_the_coordinators_line_about_a_lost_worker_is_read():
    assert cluster_coordinator.__file__.endswith(f"/{internals.COORDINATOR_FILE}"), CHANGED
    source = inspect.getsource(cluster_coordinator)
    formats = re.findall(r'logging\.error\("(Worker %s failed with [^"]*)"', source)
    assert formats, f"{CHANGED} the line that it logs when a worker is lost"
    for text in formats:
        device = "/job:worker/replica:0/task:12"
        error = tf.errors.UnavailableError(None, None, "gone")
        arguments = (device, error, error)
        record = logging.LogRecord(
            "tensorflow", logging.ERROR, cluster_coordinator.__file__, 1, text, arguments, None
        )
        assert internals.is_of_coordinator(record)
        assert internals.lost_worker(record) == 12, f"{CHANGED} {text!r}"


def test_other_lines_lose_no_worker():
    record = logging.LogRecord("x", logging.ERROR, "other.py", 1, "Worker 3 is busy", (), None)
    assert internals.lost_worker(record) is None and not internals.is_of_coordinator(record)
