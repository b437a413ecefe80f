"""Search on a cluster of processes on this machine, each restarted when it dies:

    python -m nas_with_rl.launch.local_cluster --experiment=nas_bench_201 --num_ps=2 --num_workers=3

The roles are those of `cluster` and listen on this machine's loopback. This is for machines without
other users, since TensorFlow's ports are open to every local user: whoever reaches one can run
programs as you. Each role has a log in WORKDIR/logs; the chief's output is shown as well. Ctrl-C
ends them all; continue with

    python -m nas_with_rl.launch.local_cluster --workdir=runs/nb --resume --num_workers=3
"""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from nas_with_rl.launch import command_line
from nas_with_rl.launch.clusters.options import ClusterOptions
from nas_with_rl.launch.clusters.role_process import SupervisedRole
from nas_with_rl.launch.clusters.supervisor import Supervisor
from nas_with_rl.launch.clusters.tf_config import (
    VARIABLE,
    Cluster,
    Task,
    as_tf_config,
    describe_sizes,
)
from nas_with_rl.launch.clusters.tf_config import Role as TaskRole
from nas_with_rl.launch.host import forking, interruption, resources
from nas_with_rl.launch.host.ports import LOOPBACK, LocalPorts
from nas_with_rl.launch.records.continuation import complete_search
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.records.workdir import Workdir, absolute_path
from nas_with_rl.launch.search_flags import ClusterFlags, SearchFlags
from nas_with_rl.search_spaces.errors import InputError, shown_path

_SEARCH = SearchFlags()
_CLUSTER = ClusterFlags()
_NUM_PS = flags.DEFINE_integer(
    "num_ps", 1, "Parameter servers, which hold the controller.", lower_bound=1
)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", 2, "Workers, each of which trains one child at a time.", lower_bound=1
)


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How many processes a cluster has beside its chief."""

    num_ps: int
    num_workers: int

    def __str__(self) -> str:
        return describe_sizes(self.num_ps, self.num_workers)


def main() -> int:
    """Run the cluster that the flags ask for; return the exit status."""
    if _SEARCH.asks_for_help():
        from nas_with_rl.launch.experiments import catalogue

        print(catalogue.describe_experiments())
        return 0
    request = complete_search(_SEARCH.request())
    if request.workdir is None:
        raise InputError("--experiment is missing; --experiment=help lists what there is")
    if not request.resume:
        Workdir(request.workdir).check_unused()
    sizes = Sizes(_NUM_PS.value, _NUM_WORKERS.value)
    logs = _made_logs(request.workdir)
    words = (*dataclasses.replace(request, plan=None).words(), *_CLUSTER.options().words())
    with LocalPorts(1 + sizes.num_ps + sizes.num_workers) as ports:
        roles = cluster_roles(words, sizes, ports=ports.numbers, logs=logs)
        print(f"cluster of {sizes} on this machine, logs in {logs}", flush=True)
        server = forking.started_server(("nas_with_rl.launch.clusters.roles",))
        try:
            with Supervisor(roles, server=server) as supervisor:
                status = supervisor.run()
        finally:
            if server:
                server.close()
    if status == interruption.INTERRUPTED_STATUS:
        print(f"continue with: {_resume_command(request, sizes, _CLUSTER.options())}")
    return status


def cluster_roles(
    words: Sequence[str], sizes: Sizes, *, ports: Sequence[int], logs: Path
) -> tuple[SupervisedRole, ...]:
    """Return the roles of a cluster on this machine.

    Args:
      words: of every role's command line.
      sizes: of the cluster.
      ports: one for each role.
      logs: the directory of their logs.
    """
    free = iter(ports)

    def tasks(role: TaskRole, count: int) -> tuple[Task, ...]:
        return tuple(Task(role, i, f"{LOOPBACK}:{next(free)}") for i in range(count))

    cluster = Cluster(
        tasks("chief", 1)[0], tasks("ps", sizes.num_ps), tasks("worker", sizes.num_workers)
    )
    command = (sys.executable, "-m", "nas_with_rl.launch.cluster", *words)
    gpus = resources.visible_gpus()
    return tuple(
        SupervisedRole(
            name=str(task),
            command=command,
            environment=_environment(cluster, task, gpus),
            log=logs / f"{task}.log",
            is_chief=task.role == "chief",
            function="nas_with_rl.launch.cluster:start",
        )
        for task in (cluster.chief, *cluster.ps, *cluster.workers)
    )


def _environment(cluster: Cluster, task: Task, gpus: Sequence[str]) -> dict[str, str]:
    environment = {
        VARIABLE: as_tf_config(cluster, task),
        "no_grpc_proxy": LOOPBACK,  # else gRPC would ask a proxy that http_proxy names
    }
    if gpus:
        is_worker = task.role == "worker"
        environment["CUDA_VISIBLE_DEVICES"] = gpus[task.index % len(gpus)] if is_worker else ""
        if is_worker and len(cluster.workers) > len(gpus):  # several have the same
            environment["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    if task.role == "chief" and sys.stderr.isatty():
        # It writes into a pipe, and what it writes there is shown on this terminal.
        columns, lines = shutil.get_terminal_size()
        environment |= {"NAS_WITH_RL_PROGRESS": "1", "COLUMNS": str(columns), "LINES": str(lines)}
    return environment


def _made_logs(workdir: str) -> Path:
    logs = absolute_path(workdir) / "logs"
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--workdir={shown_path(workdir)} cannot be written to: {error.strerror}"
        ) from None
    return logs


def _resume_command(request: SearchRequest, sizes: Sizes, options: ClusterOptions) -> str:
    words = [
        *(sys.executable, "-m", "nas_with_rl.launch.local_cluster"),
        *SearchRequest(workdir=request.workdir, resume=True).words(),
        *request.named(),
        *(f"--num_ps={sizes.num_ps}", f"--num_workers={sizes.num_workers}"),
        *options.words(),
    ]
    return shlex.join(words)


if __name__ == "__main__":
    command_line.run_main(main)
