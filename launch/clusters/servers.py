"""The TensorFlow servers of a cluster: started, kept to this machine, and found by the chief."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Sequence
from typing import Any

import grpc

from nas_with_rl.launch.clusters.tf_config import VARIABLE, Cluster, Task
from nas_with_rl.launch.host.terminal import say, warn
from nas_with_rl.search_spaces.errors import InputError

THREADS = 16  # of TensorFlow between operations: a call that waits for a child holds one
NAMING_SECONDS = 10.0  # between two lines about servers that are missing
PROBE_SECONDS = 2.0  # for a server to answer


class ServersMissing(Exception):
    """No worker, or no parameter server, is there; the chief can be started again."""


def check_port(task: Task) -> None:
    """Raise InputError where the task's port is taken: TensorFlow does not say so."""
    with _stream_socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gRPC does
        try:
            probe.bind(("", task.port))
        except OSError as error:
            raise InputError(
                f"port {task.port} of {task} ({VARIABLE}) cannot be listened on: {error.strerror}"
            ) from None


def _stream_socket() -> socket.socket:
    try:
        return socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    except OSError:  # a system without IPv6
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM)


def prepare_servers() -> None:
    """Give TensorFlow enough threads between operations and no GPU, before its first operation.

    A server knows nothing of this: see `start_server`.
    """
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    tf.config.set_visible_devices([], "GPU")


def start_server(cluster: Cluster, task: Task) -> Any:
    """Start a parameter server's or a worker's server; it lives as long as what is returned.

    It sees no GPU, which is the child process's alone. With fewer threads than calls that wait for
    a child, the servers of a machine with few cores would hear no chief until the child ends.
    """
    import tensorflow as tf

    check_port(task)
    server = tf.distribute.Server(
        cluster_spec(cluster),
        job_name=task.role,
        task_index=task.index,
        protocol="grpc",
        config=tf.compat.v1.ConfigProto(
            device_count={"GPU": 0}, inter_op_parallelism_threads=THREADS
        ),
    )
    keep_to_this_machine(task)
    return server


def cluster_spec(cluster: Cluster) -> Any:
    """Return TensorFlow's description of the cluster."""
    import tensorflow as tf

    return tf.train.ClusterSpec(
        {
            "chief": [cluster.chief.address],
            "ps": [task.address for task in cluster.ps],
            "worker": [task.address for task in cluster.workers],
        }
    )


def keep_to_this_machine(task: Task) -> None:
    """Bind the task's listening socket to the loopback device if that is where its address lies.

    TensorFlow listens on all interfaces, whatever the address says.
    """
    if not task.is_on_loopback:
        return
    if not _bind_to_loopback(task.port):
        warn(
            f"{task} listens on all interfaces: this system cannot bind a socket to a device",
        )


def _bind_to_loopback(port: int) -> bool:
    """Return whether this process's socket that listens on a port now belongs to loopback."""
    if not hasattr(socket, "SO_BINDTODEVICE"):
        return False
    for name in os.listdir("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            # A copy of the descriptor: the socket is TensorFlow's, which does not hand it out.
            candidate = socket.socket(fileno=os.dup(int(name)))
        except OSError:  # closed meanwhile
            continue
        with candidate:
            try:
                listens = candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if listens and candidate.getsockname()[1] == port:
                    candidate.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
                    return True
            except (OSError, IndexError):
                continue
    return False


def answering(tasks: Sequence[Task], *, seconds: float = PROBE_SECONDS) -> list[Task]:
    """Return the tasks whose servers answer: a port that is open is not enough, as the system
    opens connections for a process that is stopped."""
    channels = [grpc.insecure_channel(task.address, _own_channel()) for task in tasks]
    try:
        ready = [grpc.channel_ready_future(channel) for channel in channels]
        last = time.monotonic() + seconds
        while not all(future.done() for future in ready) and time.monotonic() < last:
            time.sleep(0.02)
        return [task for task, future in zip(tasks, ready, strict=True) if future.done()]
    finally:
        for channel in channels:
            channel.close()


def _own_channel() -> list[tuple[str, int]]:
    # Else gRPC would share one connection, and its back-off, with an earlier probe.
    return [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]


def wait_for_servers(cluster: Cluster, *, start_timeout: float) -> Cluster:
    """Return the cluster as it is present: whole or, after some time, without what is missing.

    TensorFlow's chief would wait in silence for a single missing server.

    Args:
      start_timeout: seconds until the search starts with the servers that are there.

    Raises:
      ServersMissing: no worker or no parameter server is there by then.
    """
    begun = time.monotonic()
    named = begun
    present: set[Task] = set()
    while True:
        missing = [task for task in (*cluster.ps, *cluster.workers) if task not in present]
        # Who has answered once is not asked again: workers come in any order, over minutes.
        present |= set(answering(missing))
        missing = [task for task in missing if task not in present]
        now = time.monotonic()
        if not missing:
            break
        if now - named >= NAMING_SECONDS:
            named += NAMING_SECONDS
            say(f"waiting for {_names(missing)}")
        if now - begun >= start_timeout:
            _check_enough(cluster, present, start_timeout)
            say(f"starting without {_names(missing)}; what comes later joins when the chief is")
            say("started again")
            break
        time.sleep(0.2)
    return Cluster(
        cluster.chief,
        tuple(task for task in cluster.ps if task in present),
        tuple(task for task in cluster.workers if task in present),
    )


def _check_enough(cluster: Cluster, present: set[Task], start_timeout: float) -> None:
    for tasks in (cluster.ps, cluster.workers):
        if not present.intersection(tasks):
            raise ServersMissing(
                f"none of {_names(tasks)} has answered within --start_timeout={start_timeout:g} "
                "seconds"
            )


def _names(tasks: Sequence[Task], most: int = 20) -> str:
    named = ", ".join(f"{task} ({task.address})" for task in tasks[:most])
    return named + (f" and {len(tasks) - most} more" if len(tasks) > most else "")
