"""A large cluster on one machine: all its TensorFlow servers in one process, its chief in another.

    cluster -> simulate -> cluster_simulated_servers.py, cluster_simulated_chief.py

The chief is the real one: TensorFlow's coordinator, `ClusterEvaluator`, `SharedReinforce`, store
and loop, on the paper's space of ConvNets with 20 layers. The workers' servers are real
too, and the RPC server that they ask, but it is one for all, and replies without a child.
"""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

from cluster_processes import HERE, resident_mib

from nas_with_rl.launch.clusters.tf_config import VARIABLE, Cluster, Task, as_tf_config
from nas_with_rl.launch.host import resources
from nas_with_rl.launch.host.ports import LOOPBACK, LocalPorts

NUM_PS = 20  # S of section 4.1
LAST_SECONDS = 10  # for a process to leave after its input has ended


@dataclasses.dataclass(frozen=True)
class Simulated:
    """What was measured of a chief.

    Attributes:
      num_workers: that were started.
      connect_seconds: until the chief has its coordinator.
      dispatches_per_second, cpu_seconds_per_dispatch: of children given out by `ClusterEvaluator`.
      ask_seconds, tell_seconds: of the controller on the parameter servers, for 8 architectures.
      ask_cpu_seconds, tell_cpu_seconds: the CPU's part of them, in all of the chief's threads.
      trials_per_second, cpu_seconds_per_trial: of a whole search in its steady state.
      cpu_seconds_by_part: of a child in it: what its own thread does, and all other threads.
      mib_before, mib_connected, mib_at_end: the chief's memory.
      servers_gib: the memory of all servers.
    """

    num_workers: int
    connect_seconds: float
    dispatches_per_second: float
    cpu_seconds_per_dispatch: float
    ask_seconds: float
    tell_seconds: float
    ask_cpu_seconds: float
    tell_cpu_seconds: float
    trials_per_second: float
    cpu_seconds_per_trial: float
    cpu_seconds_by_part: dict[str, float]
    mib_before: float
    mib_connected: float
    mib_at_end: float
    servers_gib: float = 0.0


def simulate(num_workers: int, *, memory_share: float) -> Simulated:
    """Start so many workers, or fewer where memory ends, and measure their chief."""
    with LocalPorts(1 + NUM_PS + num_workers) as ports:
        cluster = _cluster(ports.numbers)
        limit_gib = memory_share * resources.memory_gib()
        with _process("servers", cluster, str(limit_gib)) as servers:
            count = int(_line(servers, "ready"))
            present = dataclasses.replace(cluster, workers=cluster.workers[:count])
            with _process("chief", present) as chief:
                figures = json.loads(_line(chief, "figures"))
            gib = resident_mib(servers.pid) / 1024
    return Simulated(**figures, servers_gib=gib)


def _cluster(ports: Sequence[int]) -> Cluster:
    addresses = [f"{LOOPBACK}:{port}" for port in ports]
    return Cluster(
        Task("chief", 0, addresses[0]),
        tuple(Task("ps", i, address) for i, address in enumerate(addresses[1 : 1 + NUM_PS])),
        tuple(Task("worker", i, address) for i, address in enumerate(addresses[1 + NUM_PS :])),
    )


@contextlib.contextmanager
def _process(role: str, cluster: Cluster, *words: str) -> Iterator[subprocess.Popen]:
    environment = {
        **os.environ,
        VARIABLE: as_tf_config(cluster, cluster.chief),
        "no_grpc_proxy": LOOPBACK,
        "CUDA_VISIBLE_DEVICES": "",
    }
    if role == "servers":
        environment["MALLOC_ARENA_MAX"] = "1"  # its thousands of threads: 29 MiB a server, not 40
    process = subprocess.Popen(
        [sys.executable, str(HERE / f"cluster_simulated_{role}.py"), *words],
        env=environment,
        stdin=subprocess.PIPE,  # at whose end it leaves
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    os.sched_setaffinity(process.pid, _cores(role))
    try:
        yield process
    finally:
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LAST_SECONDS)  # it removes its sockets
        process.kill()
        process.wait()


def _cores(role: str) -> set[int]:
    """Return the chief's core, or the others for its servers; where there is one, both have it."""
    first, *others = sorted(os.sched_getaffinity(0))
    return {first} if role == "chief" or not others else set(others)


def _line(process: subprocess.Popen, word: str) -> str:
    """Return what follows a word in the process's output."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(word):
            return line.removeprefix(word).strip()
    raise RuntimeError(f"a process of the simulation ended with status {process.wait()}")
