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
from nas_with_rl.launch.host.terminal import say, warn
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.searches import summary
from nas_with_rl.launch.searches.loop import Pace
from nas_with_rl.launch.searches.named_run import NamedRun, prepare, prepare_data
from nas_with_rl.launch.searches.run import Run, execute

LEAST_LOST_SECONDS = 15.0  # without any worker, after which the search ends for the time being
HOW_TO_GO_ON = "the same command continues it with --resume"
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


def run_worker(request: SearchRequest, cluster: Cluster, task: Task) -> NoReturn:
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
    request: SearchRequest, cluster: Cluster, task: Task
) -> tuple[ProcessPool, LocatedExperiment]:
    """Return a worker's child process, which has not started yet, and what it trains."""
    data = prepare_data(request)
    experiment, search = data.experiment, data.experiment.search
    assert search is not None
    # Workers of one machine share its memory; one share is left for what else runs there.
    neighbours = sum(other.host == task.host for other in cluster.workers)
    shared_gib = resources.memory_gib() / (neighbours + 1)
    processes = ProcessPool(
        setup_of(ChildProgram(data, kind_of(experiment).cluster_plan(experiment.search).program)),
        num_processes=1,
        group_size=1,
        limits=Limits(search.child_seconds, search.child_memory_gib or shared_gib),
        on_error=search.on_error,
    )
    return processes, data


def _serve(task: Task, server: Any, rpc: RpcServer | None = None) -> NoReturn:
    """Keep servers alive until SIGTERM or Ctrl-C."""
    say(f"{task} serves at {task.address}")
    # The servers answer in threads of their own, as long as this call holds them.
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    if rpc:
        rpc.close()
    leave_now(0)


def run_chief(request: SearchRequest, cluster: Cluster, options: ClusterOptions) -> int:
    """Lead the search to its end; return the exit status."""
    heartbeat.start()
    prepare_servers()
    check_port(cluster.chief)
    request, is_synchronous = _begun_or_resumed(request, options)
    named = prepare(
        request, "on a synchronous cluster" if is_synchronous else "on an asynchronous cluster"
    )
    try:
        present = wait_for_servers(cluster, start_timeout=options.start_timeout)
        run = _run(named, present, is_synchronous=is_synchronous, options=options)
        with named.claim(run) as claimed:
            say(summary.describe_beginning(named, claimed, _describe(present, run.pace)))
            with summary.saying_how_to_go_on(claimed.run, lambda: HOW_TO_GO_ON):
                result = execute(claimed.run, claimed.place, progress=True)
    except (ServersMissing, ServersLost) as lost:
        return _lost(str(lost))
    except LOST_ERRORS as error:
        return _lost(f"a parameter server was lost ({type(error).__name__})")
    if result.interrupted:
        say(summary.describe_interruption(result, claimed.run, HOW_TO_GO_ON))
        return INTERRUPTED_STATUS
    say("\n" + summary.describe_search(result, metric=named.metric))
    if named.data.experiment.num_compared:
        say("(compare_architectures trains it beside an LSTM; search does so by itself)")
    say(summary.describe_places(result))
    return 0


def _begun_or_resumed(
    request: SearchRequest, options: ClusterOptions
) -> tuple[SearchRequest, bool]:
    """Return whether a run is begun or resumed, as its request, and whether it is synchronous.

    A request to resume also begins a run where there is none: a supervisor has one command.
    """
    place = request.place()
    if request.resume and not place.is_begun():
        request = dataclasses.replace(request, resume=False)
    if options.synchronous is not None or not request.resume:
        return request, bool(options.synchronous)
    # As it was begun: a search cannot go on at another pace unless it is asked to.
    return request, bool(place.read().get("location", {}).get("synchronous"))


def _run(
    named: NamedRun, present: Cluster, *, is_synchronous: bool, options: ClusterOptions
) -> Run:
    """Connect to the cluster; return the run on it."""
    experiment = named.data.experiment
    strategy, coordinator = connect(present)
    children = ClusterEvaluator(
        coordinator,
        present.workers,
        identity_of(experiment, named.data.seed, trainer_of(named.data).data),
        lost_seconds=max(options.start_timeout, LEAST_LOST_SECONDS),
    )
    run = named.on(children, kind_of(experiment).cluster_plan(experiment.search))
    pace = Pace.asynchronous(named.search, num_workers=len(present.workers))
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


def _describe(cluster: Cluster, pace: Pace | None) -> str:
    sizes = describe_sizes(len(cluster.ps), len(cluster.workers))
    if pace is None:
        return f"{sizes}; synchronous: one batch at a time, as in a single process"
    accumulated = f", {pace.accumulated} gradients an update" if pace.accumulated > 1 else ""
    return (
        f"{sizes}; asynchronous: replicas of the controller: {pace.num_replicas}, each with "
        f"{pace.batch_size} of the architectures under way{accumulated}"
    )


def _lost(message: str) -> int:
    warn(f"error: {message}; what was measured is stored, --resume continues")
    return LOST_STATUS
