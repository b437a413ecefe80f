"""What each role of a cluster does: the chief leads the search, the others serve.

cluster -> run_chief -> servers, chief_evaluator, searches: run -> loop
        -> run_worker -> worker_service -> evaluators: process_pool
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

from nas_with_rl.launch.clusters.chief_evaluator import ClusterEvaluator, ServersLost
from nas_with_rl.launch.clusters.messages import identity_of
from nas_with_rl.launch.clusters.options import ClusterOptions
from nas_with_rl.launch.clusters.servers import (
    ServersMissing,
    check_port,
    cluster_spec,
    keep_to_this_machine,
    prepare_servers,
    start_server,
    wait_for_servers,
)
from nas_with_rl.launch.clusters.tf_config import Cluster, Task, describe_sizes
from nas_with_rl.launch.clusters.worker_service import RpcServer, WorkerService, start_rpc_server
from nas_with_rl.launch.evaluators.group_work import setup_of, start_process
from nas_with_rl.launch.evaluators.kinds.kind import ChildProgram, LocatedExperiment
from nas_with_rl.launch.evaluators.kinds.rows import kind_of, trainer_of
from nas_with_rl.launch.evaluators.process_pool import Limits, ProcessPool
from nas_with_rl.launch.host import heartbeat, resources
from nas_with_rl.launch.host.interruption import INTERRUPTED_STATUS, leave_now
from nas_with_rl.launch.records.resumption import Request, completed
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.searches.loop import Pace
from nas_with_rl.launch.searches.named_run import (
    check_effect,
    described_run,
    print_beginning,
    print_interruption,
    print_places,
    print_result,
    telling_how_to_go_on,
    with_search,
)
from nas_with_rl.launch.searches.run import Run, execute, opened
from nas_with_rl.search_spaces.errors import InputError

LEAST_LOST_SECONDS = 15.0  # without any worker, after which the search ends for the time being
LOST_STATUS = 75  # the chief is to be started again, with --resume
# What a parameter server that has died, or was started again, makes of the chief's next operation.
LOST_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.FailedPreconditionError,
    tf.errors.NotFoundError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)


def run_ps(cluster: Cluster, task: Task) -> NoReturn:
    """Serve variables until the process is ended."""
    heartbeat.start()
    prepare_servers()
    _serve(task, start_server(cluster, task))


def run_worker(request: Request, cluster: Cluster, task: Task) -> NoReturn:
    """Evaluate children until the process is ended."""
    heartbeat.start()
    processes, data = _processes(request, cluster, task)
    prepare_servers()
    check_port(task)
    # At once: else the first children would find some workers far slower than others.
    found = start_process(processes, data)
    service = WorkerService(
        processes,
        data.experiment.search_space(),
        identity_of(data.experiment, data.seed, found),
        f"{socket.gethostname()}/{task}",
    )
    rpc = start_rpc_server(task, service)
    _serve(task, start_server(cluster, task), rpc)


def _processes(
    request: Request, cluster: Cluster, task: Task
) -> tuple[ProcessPool, LocatedExperiment]:
    """Return a worker's child process, which has not started yet, and what it trains."""
    experiment, search = with_search(request)
    data = LocatedExperiment(experiment, request.data_dir, request.seed or 0)
    # Workers of one machine share its memory; one share is left for what else runs there.
    neighbours = sum(other.host == task.host for other in cluster.workers)
    shared_gib = resources.memory_gib() / (neighbours + 1)
    processes = ProcessPool(
        setup_of(ChildProgram(data, kind_of(experiment).cluster_plan.program)),
        num_processes=1,
        group_size=1,
        limits=Limits(search.child_seconds, search.child_memory_gib or shared_gib),
        on_error=search.on_error,
    )
    return processes, data


def _serve(task: Task, server: Any, rpc: RpcServer | None = None) -> NoReturn:
    """Keep servers alive until SIGTERM or Ctrl-C."""
    print(f"{task} serves at {task.address}", flush=True)
    # The servers answer in threads of their own, as long as this call holds them.
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    if rpc:
        rpc.close()
    leave_now(0)


def run_chief(request: Request, cluster: Cluster, options: ClusterOptions) -> int:
    """Lead the search to its end; return the exit status."""
    heartbeat.start()
    prepare_servers()
    check_port(cluster.chief)
    request, is_synchronous = _completed(request, options)
    experiment, search = with_search(request)
    if not request.resume:
        why = "a synchronous search has a single one" if is_synchronous else None
        check_effect(request, experiment, why)
    data = LocatedExperiment(experiment, request.data_dir, request.seed or 0)
    try:
        present = wait_for_servers(cluster, start_timeout=options.start_timeout)
        run = _run(request, data, present, is_synchronous=is_synchronous, options=options)
        with opened(run, str(request.workdir), resume=request.resume) as claim:
            print_beginning(request, experiment, claim)
            print(_described(present, run.pace), flush=True)
            with telling_how_to_go_on(search, "the same command continues it with --resume"):
                result = execute(claim.run, claim.place, progress=True)
    except (ServersMissing, ServersLost) as lost:
        return _lost(str(lost))
    except LOST_ERRORS as error:
        return _lost(f"a parameter server was lost ({type(error).__name__})")
    if result.interrupted:
        print_interruption(result, search, "the same command continues it with --resume")
        return INTERRUPTED_STATUS
    print_result(result, experiment)
    if experiment.num_compared:
        print("(compare_architectures trains it beside an LSTM; search does so by itself)")
    print_places(result)
    return 0


def _completed(request: Request, options: ClusterOptions) -> tuple[Request, bool]:
    """Return the request, completed, and whether the search is synchronous.

    A request to resume also begins a run where there is none: a supervisor has one command.
    """
    if not request.workdir:
        raise InputError("--workdir is missing: the directory that keeps the run")
    place = Workdir(request.workdir)
    if request.resume and not place.is_begun():
        request = dataclasses.replace(request, resume=False)
    if not request.resume:
        place.check_unused()
        return completed(request), bool(options.synchronous)
    if options.synchronous is not None:
        return completed(request), options.synchronous
    # As it was begun: a search cannot go on at another pace unless it is asked to.
    return completed(request), bool(place.read().get("location", {}).get("synchronous"))


def _run(
    request: Request,
    data: LocatedExperiment,
    present: Cluster,
    *,
    is_synchronous: bool,
    options: ClusterOptions,
) -> Run:
    """Connect to the cluster; return the run on it."""
    search = data.experiment.search
    assert search is not None
    strategy, coordinator = connect(present)
    children = ClusterEvaluator(
        coordinator,
        present.workers,
        identity_of(data.experiment, data.seed, trainer_of(data).data),
        lost_seconds=max(options.start_timeout, LEAST_LOST_SECONDS),
    )
    plan = kind_of(data.experiment).cluster_plan
    run = described_run(request, data, plan=plan, evaluator=children)
    pace = Pace.asynchronous(search, num_workers=len(present.workers))
    return dataclasses.replace(
        run,
        strategy=strategy,
        pace=None if is_synchronous else pace,
        location={**run.location, "synchronous": is_synchronous},
    )


def connect(cluster: Cluster) -> tuple[Any, Any]:
    """Return TensorFlow's strategy and coordinator of a cluster that is there."""
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        cluster_spec(cluster), rpc_layer="grpc"
    )
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    keep_to_this_machine(cluster.chief)
    return strategy, tf.distribute.coordinator.ClusterCoordinator(strategy)


def _described(cluster: Cluster, pace: Pace | None) -> str:
    sizes = describe_sizes(len(cluster.ps), len(cluster.workers))
    if pace is None:
        return f"{sizes}; synchronous: one batch at a time, as in a single process"
    accumulated = f", {pace.accumulated} gradients an update" if pace.accumulated > 1 else ""
    return (
        f"{sizes}; asynchronous: replicas of the controller: {pace.num_replicas}, each with "
        f"{pace.batch_size} of the architectures under way{accumulated}"
    )


def _lost(message: str) -> int:
    print(f"error: {message}; what was measured is stored, --resume continues", file=sys.stderr)
    return LOST_STATUS
