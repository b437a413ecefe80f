"""What each role of a cluster does: the chief leads the search, the others serve.

cluster -> run_chief -> cluster_servers, cluster_children, runs -> search_loop
        -> run_worker -> cluster_worker -> child_processes
        -> run_ps -> TensorFlow's server
"""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import socket
import sys
from typing import Any, NoReturn

import tensorflow as tf

from nas_with_rl.launch import heartbeat, machine
from nas_with_rl.launch.child_groups import ChildData, GroupWork
from nas_with_rl.launch.child_processes import ChildProcesses, Limits
from nas_with_rl.launch.cluster_children import ClusterChildren, WorkersLost
from nas_with_rl.launch.cluster_messages import identity_of
from nas_with_rl.launch.cluster_servers import (
    check_port,
    cluster_spec,
    keep_to_this_machine,
    prepare_threads,
    start_server,
    wait_for_servers,
)
from nas_with_rl.launch.cluster_worker import ChildService, RpcServer, start_rpc_server
from nas_with_rl.launch.command_line import INTERRUPTED_STATUS
from nas_with_rl.launch.experiment_runs import (
    described_run,
    print_beginning,
    print_interruption,
    print_places,
    print_result,
    with_search,
)
from nas_with_rl.launch.interruption import leave_now
from nas_with_rl.launch.local_children import (
    cluster_plan,
    leave_gpus_to_the_processes,
    start_process,
    work_of,
)
from nas_with_rl.launch.request import Request, completed
from nas_with_rl.launch.run_flags import ClusterOptions
from nas_with_rl.launch.runs import execute, opened
from nas_with_rl.launch.search_loop import Pace
from nas_with_rl.launch.tf_config import Cluster, Task
from nas_with_rl.launch.workdir import Workdir
from nas_with_rl.search_spaces.errors import InputError

LOST_STATUS = 75  # the chief is to be started again, with --resume
# What a parameter server that has died, or was started again, makes of the chief's next operation.
LOST_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.FailedPreconditionError,
    tf.errors.NotFoundError,
)


def run_ps(cluster: Cluster, task: Task) -> NoReturn:
    """Serve variables until the process is ended."""
    heartbeat.start()
    prepare_threads()
    _serve(task, start_server(cluster, task))


def run_worker(request: Request, cluster: Cluster, task: Task) -> NoReturn:
    """Evaluate children until the process is ended."""
    heartbeat.start()
    prepare_threads()
    leave_gpus_to_the_processes()
    check_port(task)
    experiment, search = with_search(request)
    data = ChildData(experiment, request.data_dir, request.seed or 0)
    plan = cluster_plan(experiment.child)
    neighbours = sum(other.host == task.host for other in cluster.workers)
    work = GroupWork(data, plan.program)
    processes = ChildProcesses(
        work_of(work),
        num_processes=1,
        group_size=1,
        limits=Limits(
            search.child_seconds,
            search.child_memory_gib or machine.memory_gib() / (neighbours + 1),
        ),
    )
    hostname = socket.gethostname()
    start_process(processes, work)  # else the first children would find some workers far slower
    service = ChildService(
        processes,
        experiment.search_space(),
        identity_of(experiment, data.seed),
        f"{hostname}/{task}",
    )
    rpc = start_rpc_server(task, service)
    _serve(task, start_server(cluster, task), rpc)


def _serve(task: Task, server: Any, rpc: RpcServer | None = None) -> NoReturn:
    """Keep servers alive until SIGTERM or Ctrl-C."""
    print(f"{task} serves at {task.address}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    if rpc:
        rpc.close()
    leave_now(0)


def run_chief(request: Request, cluster: Cluster, options: ClusterOptions) -> int:
    """Lead the search to its end; return the exit status."""
    heartbeat.start()
    prepare_threads()
    check_port(cluster.chief)
    request = _completed(request)
    experiment, search = with_search(request)
    data = ChildData(experiment, request.data_dir, request.seed or 0)
    present = wait_for_servers(cluster, start_timeout=options.start_timeout)
    strategy, coordinator = connected(present)
    children = ClusterChildren(
        coordinator,
        present.workers,
        identity_of(experiment, data.seed),
        lost_seconds=options.start_timeout,
    )
    run = dataclasses.replace(
        described_run(
            request,
            data,
            plan=cluster_plan(experiment.child),
            evaluator=children,
        ),
        strategy=strategy,
        pace=None
        if options.synchronous
        else Pace.asynchronous(search, num_workers=len(present.workers)),
    )
    assert request.workdir is not None
    with opened(run, request.workdir, resume=request.resume) as place:
        print_beginning(request, experiment)
        print(_described(present, run.pace), flush=True)
        try:
            result = execute(run, place, progress=True)
        except WorkersLost as lost:
            return _lost(str(lost))
        except LOST_ERRORS as error:
            return _lost(f"a parameter server was lost ({type(error).__name__})")
    if result.interrupted:
        print_interruption(result, search, "the same command and --resume")
        return INTERRUPTED_STATUS
    print_result(result, experiment)
    print_places(result)
    return 0


def _completed(request: Request) -> Request:
    """A request to resume also begins a run where there is none: a supervisor has one command."""
    if not request.workdir:
        raise InputError("--workdir is missing: the directory that keeps the run")
    place = Workdir(request.workdir)
    if request.resume and not place.is_begun():
        request = dataclasses.replace(request, resume=False)
    if not request.resume:
        place.check_unused()
    return completed(request)


def connected(cluster: Cluster) -> tuple[Any, Any]:
    """Return TensorFlow's strategy and coordinator of a cluster that is there."""
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        cluster_spec(cluster), rpc_layer="grpc"
    )
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    keep_to_this_machine(cluster.chief)
    return strategy, tf.distribute.coordinator.ClusterCoordinator(strategy)


def _described(cluster: Cluster, pace: Pace | None) -> str:
    servers = f"{len(cluster.ps)} parameter servers, {len(cluster.workers)} workers"
    if pace is None:
        return f"{servers}; synchronous: one batch at a time, as in a single process"
    accumulated = f", {pace.accumulated} gradients an update" if pace.accumulated > 1 else ""
    return (
        f"{servers}; asynchronous: {pace.num_replicas} replicas of the controller with "
        f"{pace.batch_size} children each{accumulated}"
    )


def _lost(message: str) -> int:
    print(f"error: {message}; everything is stored, --resume continues", file=sys.stderr)
    return LOST_STATUS
