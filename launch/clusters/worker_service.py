"""A worker of a cluster: evaluates children for the chief, in one child process.

chief: closure on the worker's TensorFlow server
    -> the worker's RPC server, a Unix socket of its own machine -> WorkerService
    -> process_pool: trains; so that neither server has anything to do with Keras or a GPU
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
import sys
import threading
import traceback
from collections import OrderedDict, deque
from pathlib import Path
from typing import Any

from nas_with_rl.launch.clusters.messages import Reply, digest_of, read_digest, read_request
from nas_with_rl.launch.clusters.tf_config import Task
from nas_with_rl.launch.evaluators.evaluation import Evaluation
from nas_with_rl.launch.evaluators.process_pool import EvaluationStopped, ProcessPool
from nas_with_rl.launch.host.remnants import PrivateFolder
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import SearchSpace

METHOD = "evaluate"
FOLDER_DESCRIPTOR = 217  # any that nobody else takes
NUM_KEPT = 16  # newest replies, for a chief that has died before it recorded them


def rpc_address(task: Task) -> str:
    """Return where a worker's RPC server listens: known to the chief, reachable by the worker.

    The chief cannot know which private directory a worker has made, on whichever machine. But
    server and client are one process, the worker: on Linux the address names that directory by a
    descriptor, which also leaves the path as short as a socket's has to be (107 bytes).
    """
    if sys.platform == "linux":
        return f"unix:/proc/self/fd/{FOLDER_DESCRIPTOR}/rpc"
    return f"unix:/tmp/nas_with_rl-{os.getuid()}-worker-{task.port}/rpc"


class WorkerService:
    """Answers requests for children, one child at a time.

    The chief has one closure in flight on each worker. So a request for another child than the
    one under way means that nobody waits for that one any more: it is stopped, and the new one
    begins. A request for the same one, from a chief that was started again, gets the same reply.
    """

    def __init__(
        self, processes: ProcessPool, space: SearchSpace, identity: dict[str, Any], worker: str
    ):
        self._processes, self._space, self._worker = processes, space, worker
        self._identity, self._digest = identity, digest_of(identity)
        self._changed = threading.Condition()
        self._under_way: Evaluation | None = None
        self._wanted: Evaluation | None = None  # the newest request's
        self._replies: OrderedDict[Evaluation, Reply] = OrderedDict()

    def answer(self, request: bytes) -> str:
        """Return the reply to a request; whatever happens, it does not raise."""
        try:
            if read_digest(request) != self._digest:
                return Reply(self._worker, identity=self._identity).text()
            return self._reply(read_request(request, self._space)).text()
        except InputError as error:
            return Reply(self._worker, error=str(error), is_input_error=True).text()
        except Exception:
            return Reply(self._worker, error=traceback.format_exc()).text()

    def _reply(self, evaluation: Evaluation) -> Reply:
        with self._changed:
            self._wanted = evaluation
            while self._under_way is not None:
                if self._under_way != evaluation:
                    # Its child is killed; the thread that waits for it answers `is_stopped`.
                    self._processes.stop.set()
                self._changed.wait()
                # While this one waited a newer request has come, so that nobody waits for this.
                if self._wanted != evaluation:
                    return Reply(self._worker, is_stopped=True)
            # TensorFlow has repeated the closure, or the chief was started again: measured once.
            if evaluation in self._replies:
                return self._replies[evaluation]
            self._under_way = evaluation
            self._processes.stop.clear()
        try:
            return self._keep(evaluation, self._evaluated(evaluation))
        except EvaluationStopped:
            return Reply(self._worker, is_stopped=True)
        finally:
            with self._changed:
                self._under_way = None
                self._changed.notify_all()

    def _evaluated(self, evaluation: Evaluation) -> Reply:
        (outcome,) = self._processes.evaluate(deque([evaluation]))
        return Reply(self._worker, outcome.result, outcome.started, outcome.ended)

    def _keep(self, evaluation: Evaluation, reply: Reply) -> Reply:
        with self._changed:
            self._replies[evaluation] = reply
            while len(self._replies) > NUM_KEPT:
                self._replies.popitem(last=False)
        return reply


@dataclasses.dataclass(frozen=True)
class RpcServer:
    """A worker's RPC server; it answers as long as this lives."""

    server: Any
    folder: PrivateFolder

    def close(self) -> None:
        """Remove the socket."""
        self.folder.close()


def start_rpc_server(task: Task, service: WorkerService) -> RpcServer:
    """Start the server that the chief's closures call, on the worker's own machine.

    Raises:
      InputError: there is no place for its socket.
    """
    import tensorflow as tf

    address = rpc_address(task)
    folder = _opened_folder(Path(address.removeprefix("unix:")).parent)

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def evaluate(request: tf.Tensor) -> tf.Tensor:
        # Python on the worker, as the RPC server calls it: in the chief's closure it would run in
        # the chief.
        reply = tf.numpy_function(service.answer, [request], tf.string, stateful=True)
        return tf.ensure_shape(reply, [])

    server = tf.distribute.experimental.rpc.Server.create("grpc", address)
    server.register(METHOD, evaluate)
    server.start()
    return RpcServer(server, folder)


def _opened_folder(name: Path) -> PrivateFolder:
    """Return a directory that has a name for this process, beside its own."""
    folder = PrivateFolder()
    if sys.platform != "linux":
        name.unlink(missing_ok=True)  # of a worker that was killed
        name.symlink_to(folder.path)
        return folder
    opened = os.open(folder.path, os.O_PATH | os.O_DIRECTORY)
    try:
        given = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, FOLDER_DESCRIPTOR)
    except OSError:
        given = -1
    os.close(opened)
    if given != FOLDER_DESCRIPTOR:
        folder.close()
        raise InputError(
            f"a worker needs the descriptor {FOLDER_DESCRIPTOR}, which is not free: close it, or "
            "raise the number of open files (ulimit -n)"
        )
    return folder
