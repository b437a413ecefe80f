"""All servers of a simulated cluster, in one process, until its standard input ends.

    TF_CONFIG=... python cluster_simulated_servers.py LIMIT_GIB

It prints "ready N": the servers of the first N workers are there; fewer than TF_CONFIG has if its
resident memory has come to LIMIT_GIB, or its threads near to what the system lets it have.
"""

import os
import socket
import stat
import sys
import time
from pathlib import Path
from typing import Any

from cluster_processes import resident_mib

from nas_with_rl.launch.clusters.tf_config import VARIABLE, Cluster, parse_tf_config
from nas_with_rl.launch.host import backend

# A server has 82 threads, and this many once a chief is connected. TensorFlow ends the process, and
# with it all servers, where it cannot have one more.
MORE_THREADS = 20
THREADS_SHARE = 0.9  # of what the system has, for all its processes


class _Instant:
    """A worker's service that has no children."""

    def answer(self, request: bytes) -> str:
        """Return a reply at once."""
        from nas_with_rl.launch.clusters.messages import Reply
        from nas_with_rl.launch.evaluators.measurements import Measurement

        now = time.time()
        reward = hash(request) % 1000 / 1000
        return Reply("simulated", Measurement(reward), now, now).text()


def main() -> None:
    """Serve as all parameter servers and workers."""
    backend.prepare_tensorflow()
    import tensorflow as tf

    from nas_with_rl.launch.clusters import servers as cluster_servers
    from nas_with_rl.launch.clusters import worker_service

    cluster, _ = parse_tf_config(os.environ[VARIABLE])
    threads = len(cluster.ps) + len(cluster.workers) + cluster_servers.THREADS
    tf.config.threading.set_inter_op_parallelism_threads(threads)  # with fewer they wait for ever
    # All workers of a process have one address, and so one server.
    instant: Any = _Instant()  # answers as a WorkerService does
    rpc = worker_service.start_rpc_server(cluster.workers[0], instant)
    try:
        servers = _started(cluster, threads, limit_gib=float(sys.argv[1]))
        print("ready", len(servers) - len(cluster.ps), flush=True)
        sys.stdin.read()
    finally:
        rpc.close()
    os._exit(0)  # TensorFlow's servers cannot be ended


def _started(cluster: Cluster, threads: int, *, limit_gib: float) -> list[Any]:
    import tensorflow as tf

    from nas_with_rl.launch.clusters import servers as cluster_servers

    config = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=threads)
    spec = cluster_servers.cluster_spec(cluster)
    servers: list[Any] = []
    for task in (*cluster.ps, *cluster.workers):
        is_full = resident_mib() / 1024 > limit_gib or _threads_left() < MORE_THREADS * len(servers)
        if len(servers) > len(cluster.ps) and is_full:
            break
        server = tf.distribute.Server(
            spec, job_name=task.role, task_index=task.index, protocol="grpc", config=config
        )
        servers.append(server)
    _keep_to_this_machine()
    return servers


def _threads_left() -> float:
    """Return how many more threads this process may have (Linux)."""
    kernel = Path("/proc/sys/kernel")
    most = [int((kernel / name).read_text()) for name in ("threads-max", "pid_max")]
    # Each has a stack and a guard page beside it.
    of_process = int(Path("/proc/sys/vm/max_map_count").read_text()) // 2
    of_all = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    own = len(os.listdir("/proc/self/task"))
    return min(THREADS_SHARE * min(most) - of_all, THREADS_SHARE * of_process - own)


def _keep_to_this_machine() -> None:
    """Bind every listening socket of this process to the loopback device, in one pass."""
    for name in os.listdir("/proc/self/fd"):
        try:
            is_socket = stat.S_ISSOCK(os.fstat(int(name)).st_mode)
        except OSError:  # the directory's own, closed meanwhile
            continue
        if not is_socket:
            continue
        with socket.socket(fileno=os.dup(int(name))) as found:
            is_inet = found.family in (socket.AF_INET, socket.AF_INET6)
            if is_inet and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                found.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")


if __name__ == "__main__":
    main()
