"""Children on a cluster's workers: the chief's evaluator."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from typing import Any

from nas_with_rl.launch.clusters.messages import Reply, digest_of, read_reply, write_request
from nas_with_rl.launch.clusters.servers import answering
from nas_with_rl.launch.clusters.tensorflow_internals import (
    ClosureQueue,
    is_of_coordinator,
    lost_worker,
    per_worker_resources,
    rpc_operations,
)
from nas_with_rl.launch.clusters.tf_config import Task
from nas_with_rl.launch.clusters.worker_service import METHOD, rpc_address
from nas_with_rl.launch.evaluators.child_process import WorkError
from nas_with_rl.launch.evaluators.evaluation import Evaluation, Outcome
from nas_with_rl.launch.experiments.overrides import difference
from nas_with_rl.launch.host.terminal import warn
from nas_with_rl.search_spaces.errors import InputError

PROBE_EVERY_SECONDS = 15.0  # while no child is finished, a look whether a worker is there
NUM_PROBED = 8
WORKER_SECONDS = 5.0  # for a worker to answer, whose machine may have much to do
TRIES = 3  # of a child whose worker could not be asked, or gave way
PAUSE_SECONDS = 1.0  # between two tries


class _ShortLog(logging.Filter):
    """Says in one line what TensorFlow's coordinator says in several."""

    def __init__(self, workers: Sequence[Task]):
        super().__init__()
        self._workers = workers

    def filter(self, record: logging.LogRecord) -> bool:
        if not is_of_coordinator(record) or record.levelno < logging.ERROR:
            return True
        if (lost := lost_worker(record)) is not None:
            worker = self._workers[lost]
            warn(f"{worker} is lost, another gets its child")
        return False  # what is no worker's comes back as an exception


class ServersLost(Exception):
    """Workers, or a parameter server, do not answer any more; the search can be continued."""


class ClusterEvaluator:
    """Evaluates children on workers, one on each at a time, through closures of TensorFlow.

    A child whose worker dies is evaluated again by another: TensorFlow repeats the closure. Each
    evaluation yields one outcome, however often it was tried.
    """

    def __init__(
        self,
        coordinator: Any,
        workers: Sequence[Task],
        identity: dict[str, Any],
        *,
        lost_seconds: float,
    ):
        """Evaluate on some workers.

        Args:
          coordinator: `tf.distribute.coordinator.ClusterCoordinator` of these workers.
          workers: in the order of the coordinator's strategy.
          identity: the chief's.
          lost_seconds: after which ServersLost is raised where no worker answers.
        """
        self._coordinator, self._workers, self._identity = coordinator, tuple(workers), identity
        self._digest, self._lost_seconds = digest_of(identity), lost_seconds
        client, self._closure = _functions([rpc_address(worker) for worker in workers])
        # One on each worker, which the coordinator makes anew on a worker that was lost: a client
        # for each child would open a connection, with six threads, for each.
        self._clients = per_worker_resources(coordinator, client)
        self._closures = ClosureQueue(coordinator, self._closure, self._clients)
        self._most = 2 * len(workers)  # each has one, and the coordinator one more for it
        self._answers: queue.SimpleQueue[tuple[Evaluation, Reply | Exception]] = queue.SimpleQueue()
        logging.getLogger("tensorflow").addFilter(_ShortLog(self._workers))

    def evaluate(self, queue: deque[Evaluation]) -> Generator[Outcome, None, None]:
        """Yield the outcomes as workers finish children.

        Raises:
          InputError: a worker of another version or experiment, or one that cannot train.
          WorkError: an error of the program on a worker.
          ServersLost: no worker is left, or a parameter server is lost.
        """
        watch = _Watch(self._workers, self._lost_seconds)
        under_way = 0
        while queue or under_way:
            while queue and under_way < self._most:
                self._give(queue.popleft())
                under_way += 1
            answer = self._next()
            if answer is None:
                watch.look()
                continue
            watch.heard()
            under_way -= 1
            yield self._outcome(*answer)

    def _next(self) -> tuple[Evaluation, Reply | Exception] | None:
        try:
            return self._answers.get(timeout=1.0)
        except queue.Empty:
            return None

    def _outcome(self, evaluation: Evaluation, reply: Reply | Exception) -> Outcome:
        if isinstance(reply, Exception):
            raise reply
        if reply.identity is not None:
            raise InputError(
                f"{reply.worker} is of another search or installation than the chief; "
                f"chief / worker: {difference(self._identity, reply.identity)}"
            )
        if reply.error is not None:
            if reply.is_input_error:
                raise InputError(f"{reply.worker}: {reply.error}")
            raise WorkError(f"on {reply.worker}: {reply.error}")
        assert reply.result is not None
        return Outcome(evaluation, reply.result, reply.worker, reply.started, reply.ended)

    def _give(self, evaluation: Evaluation) -> None:
        request = write_request(evaluation, self._digest)
        self._closures.put(request, lambda answer: self._hear(evaluation, answer))

    def _hear(self, evaluation: Evaluation, answer: bytes | Exception) -> None:
        """Hand a worker's reply on; without one ask again, while the coordinator's thread goes on.

        Daemons, as no thread can be woken from `fetch`, and the chief has to be able to end.
        """
        reply = _reply(answer)
        if reply is not None:
            self._answers.put((evaluation, reply))
            return
        threading.Thread(
            target=self._insist, args=(evaluation, answer), name="dispatch", daemon=True
        ).start()

    def _insist(self, evaluation: Evaluation, answer: bytes | Exception) -> None:
        try:
            reply: Reply | Exception = self._asked_again(evaluation, answer)
        except Exception as error:
            reply = error
        self._answers.put((evaluation, reply))

    def _asked_again(self, evaluation: Evaluation, answer: bytes | Exception) -> Reply | Exception:
        """Return what is said to a further request, after a first one without a reply."""
        import tensorflow as tf

        request = tf.constant(write_request(evaluation, self._digest))
        lost = answer if isinstance(answer, tf.errors.OpError) else None
        for _ in range(TRIES - 1):
            time.sleep(PAUSE_SECONDS)
            try:
                answer = self._scheduled(request).fetch()
            except tf.errors.OpError as error:
                answer = lost = error
            if (reply := _reply(answer)) is not None:
                return reply
        if lost:
            raise ServersLost(
                f"no worker could be asked for trial {evaluation.trial}, or a parameter server was "
                f"lost ({type(lost).__name__})"
            )
        problem = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
        raise WorkError(f"no worker could be asked for trial {evaluation.trial}: {problem}")

    def _scheduled(self, request: Any) -> Any:
        # By the public way, which also lets the coordinator go on after another closure's error.
        return self._coordinator.schedule(self._closure, args=(self._clients, request))


def _reply(answer: bytes | Exception | None) -> Reply | Exception | None:
    """Return what came of a closure; None where another try may bring a reply.

    The worker has died when it had just finished; or a parameter server has, which trying again
    does not cure; or another request reached that worker, as of a closure that TensorFlow repeated;
    or `fetch` has returned None, as TensorFlow 2.21 was seen to do on a machine with much to do.
    """
    import tensorflow as tf

    if isinstance(answer, Exception):
        return None if isinstance(answer, tf.errors.OpError) else answer
    code, _, text = (answer or b"").partition(b" ")
    reply = read_reply(text) if code == b"0" else None
    return None if reply is None or reply.is_stopped else reply


class _Watch:
    """Looks whether any worker is there while none has finished a child."""

    def __init__(self, workers: Sequence[Task], lost_seconds: float):
        self._workers, self._lost_seconds = workers, lost_seconds
        self.heard()

    def heard(self) -> None:
        """Note that there is one."""
        self._last_seen = self._last_look = time.monotonic()

    def look(self) -> None:
        """Probe from time to time; raise ServersLost after too long without an answer."""
        now = time.monotonic()
        # By a probe of ours: where the last worker is gone TensorFlow waits in silence.
        if now - self._last_look < min(PROBE_EVERY_SECONDS, self._lost_seconds / 2):
            return
        # A few first, and all only if none answers: there may be 800.
        some = random.sample(self._workers, min(NUM_PROBED, len(self._workers)))
        if answering(some, seconds=WORKER_SECONDS) or answering(
            self._workers, seconds=WORKER_SECONDS
        ):
            self.heard()
            return
        self._last_look = time.monotonic()
        if self._last_look - self._last_seen >= self._lost_seconds:
            raise ServersLost(
                f"none of the workers has answered for "
                f"{self._last_look - self._last_seen:.0f} seconds (limit {self._lost_seconds:g})"
            )


def _functions(addresses: Sequence[str]) -> tuple[Any, Any]:
    """Return what runs on a worker: the first makes a client of the worker's own RPC server, the
    second asks it and returns "CODE TEXT", in one piece, as each piece is fetched by itself.

    By raw operations: see `rpc_operations`.
    """
    import tensorflow as tf

    rpc, known = rpc_operations(), tf.constant(addresses)

    @tf.function(input_signature=[], autograph=False)
    def client() -> tf.Tensor:
        index = tf.distribute.coordinator.experimental_get_current_worker_index()
        made, _ = rpc.rpc_client(
            shared_name="children",
            server_address=tf.gather(known, index),
            list_registered_methods=False,
            timeout_in_ms=0,
        )
        return made

    @tf.function(autograph=False)
    def ask(made: tf.Tensor, request: tf.Tensor) -> tf.Tensor:
        future, deleter = rpc.rpc_call(made, args=[request], method_name=METHOD, timeout_in_ms=0)
        code, message = rpc.rpc_check_status(future)
        # With another code there is no value, and asking for one would be an error of the closure.
        reply = tf.cond(
            tf.equal(code, 0),
            lambda: tf.ensure_shape(rpc.rpc_get_value(future, Tout=[tf.string])[0], []),
            lambda: message,
        )
        # Its deleter has to be used after the value, or the future is gone before.
        with tf.control_dependencies([reply]):
            rpc.delete_rpc_future_resource(future, deleter)
        return tf.strings.join([tf.strings.as_string(code), reply], separator=" ")

    # The coordinator would look a function's trace up again for each child.
    resource, text = tf.TensorSpec([], tf.resource), tf.TensorSpec([], tf.string)
    return client, ask.get_concrete_function(resource, text)
