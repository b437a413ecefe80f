"""A cluster in one process: TensorFlow's servers, its coordinator, and what uses them.

    python -m tests.harness.small_cluster controller|closures

It prints what it has found as JSON. A process of its own: TensorFlow leaves no cluster again.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from nas_with_rl.launch.clusters.tf_config import Cluster, Task
from nas_with_rl.launch.host import backend
from nas_with_rl.launch.host.ports import LOOPBACK, LocalPorts

BATCH_SIZE = 4


def connected(num_ps: int, num_workers: int) -> tuple[Any, Any, list[Any]]:
    """Return TensorFlow's strategy, its coordinator, and the servers."""
    from nas_with_rl.launch.clusters import roles, servers

    servers.prepare_servers()
    with LocalPorts(1 + num_ps + num_workers) as ports:
        addresses = [f"{LOOPBACK}:{port}" for port in ports.numbers]
    names = [("chief", 0), *(("ps", i) for i in range(num_ps))]
    names += [("worker", i) for i in range(num_workers)]
    chief, *others = [Task(*name, address) for name, address in zip(names, addresses, strict=True)]
    cluster = Cluster(chief, tuple(others[:num_ps]), tuple(others[num_ps:]))
    started = [servers.start_server(cluster, task) for task in others]
    return *roles.connect(cluster), started


def controller() -> dict[str, Any]:
    """Return what two controllers differ in: on three parameter servers, and in this process."""
    from nas_with_rl.controller import parameter_servers
    from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
    from nas_with_rl.controller.reinforce import Reinforce
    from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace

    parameter_servers.LEAST_SHARE = 400  # so that all three have a share
    strategy, _, _servers = connected(3, 1)
    space = ConvolutionalSpace(filters=(8, 16, 32)).search_space(3)
    config = ReinforceConfig(policy=PolicyConfig(num_units=5, jit_compile=False))
    shared = parameter_servers.SharedReinforce(
        space, config, max_depth=3, seed=0, strategy=strategy
    )
    local = Reinforce(space, config, max_depth=3, seed=0)
    found = {"before": _updated(shared, local, space, range(4))}
    with tempfile.TemporaryDirectory() as directory:
        shared.save(Path(directory))
        found["files"] = sorted(path.name for path in Path(directory).iterdir())
        restored = Reinforce(space, config, max_depth=3, seed=1)
        restored.restore(Path(directory))
        found["saved"] = _difference(restored, local)
        again = parameter_servers.SharedReinforce(
            space, config, max_depth=3, seed=0, strategy=strategy
        )
        again.restore(Path(directory))
    found["after"] = _updated(again, local, space, range(4, 6))
    shares = again._shares._shares
    found["devices"] = [[variable.device for variable in share] for share in shares]
    found["sizes"] = [int(share[0].shape[0]) for share in shares]
    found["weights"] = sum(weight.numpy().size for weight in local.policy.trainable_variables)
    return found


def _updated(first: Any, second: Any, space: Any, batches: range) -> float:
    """Let two controllers sample and learn; return their difference, infinite in their samples."""
    for batch in batches:
        numbers = range(batch * BATCH_SIZE, (batch + 1) * BATCH_SIZE)
        asked = [one.ask(space, numbers) for one in (first, second)]
        texts = [[str(proposal.architecture) for proposal in each] for each in asked]
        if texts[0] != texts[1]:
            return float("inf")
        for one, proposals in zip((first, second), asked, strict=True):
            one.tell(proposals, [0.1 * (number % 3) for number in numbers])
    return _difference(first, second)


def _difference(first: Any, second: Any) -> float:
    """Return the largest between weights; for those in one process alone between moments too."""
    weights = (one.policy.trainable_variables for one in (first, second))
    pairs = list(zip(*weights, strict=True))
    if type(first) is type(second):
        pairs += zip(first._optimizer.variables, second._optimizer.variables, strict=True)
    return max(float(np.abs(one.numpy() - two.numpy()).max()) for one, two in pairs)


def closures() -> dict[str, Any]:
    """Return what became of closures: good ones, one that fails, and those after it."""
    import tensorflow as tf

    from nas_with_rl.launch.clusters.tensorflow_internals import ClosureQueue, per_worker_resources

    _, coordinator, _servers = connected(1, 2)

    @tf.function(input_signature=[], autograph=False)
    def resource() -> tf.Tensor:
        return tf.constant(5)

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.string)])
    def named(number: tf.Tensor, text: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([tf.debugging.assert_none_equal(text, "bad")]):
            return text + tf.strings.as_string(number)

    function = named.get_concrete_function()
    resources = per_worker_resources(coordinator, resource)
    closures = ClosureQueue(coordinator, function, resources)
    heard: queue.SimpleQueue[tuple[str, bytes | Exception]] = queue.SimpleQueue()

    def ask(text: str) -> None:
        closures.put(text, lambda answer: heard.put((text, answer)))

    def next_answer() -> list[str]:
        text, answer = heard.get(timeout=60)
        is_text = isinstance(answer, bytes)
        return [text, answer.decode() if is_text else type(answer).__name__]

    for number in range(20):
        ask(str(number))
    found: dict[str, Any] = {"good": sorted(next_answer() for _ in range(20))}
    ask("bad")
    found["bad"] = next_answer()
    while coordinator._cluster.closure_queue._error is None:  # noted after the answer
        pass
    ask("late")
    found["late"] = next_answer()
    try:
        coordinator.schedule(function, args=(resources, tf.constant("told")))
    except tf.errors.InvalidArgumentError as error:
        found["told"] = type(error).__name__
    ask("again")
    found["again"] = next_answer()
    found["more"] = heard.qsize()
    return found


if __name__ == "__main__":
    backend.prepare_tensorflow()
    print(json.dumps({"controller": controller, "closures": closures}[sys.argv[1]]()), flush=True)
    os._exit(0)  # the coordinator's threads would wait for ever
