"""The chief of a simulated cluster: measures itself and prints "figures {...}".

TF_CONFIG=... python cluster_simulated_chief.py
"""

import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cluster_processes import resident_mib

from nas_with_rl.launch.clusters.tf_config import VARIABLE, parse_tf_config
from nas_with_rl.launch.host import backend

EXPERIMENT, DEPTH, BATCH_SIZE = "cifar10", 20, 8  # section 4.1, at its largest
DISPATCH_SECONDS, TRIALS, UPDATES = 15, 800, 20


def main() -> None:
    """Connect, measure, print."""
    backend.prepare_tensorflow()
    from nas_with_rl.launch.clusters import chief_evaluator, roles, servers
    from nas_with_rl.launch.experiments import catalogue

    cluster, _ = parse_tf_config(os.environ[VARIABLE])
    servers.prepare_servers()
    present = servers.wait_for_servers(cluster, start_timeout=60)
    figures = {"num_workers": len(present.workers), "mib_before": resident_mib()}
    begun = time.perf_counter()
    strategy, coordinator = roles.connect(present)
    figures["connect_seconds"] = time.perf_counter() - begun
    children = chief_evaluator.ClusterEvaluator(coordinator, present.workers, {}, lost_seconds=60)
    figures["mib_connected"] = resident_mib()
    experiment = catalogue.configure(EXPERIMENT, ())
    space = experiment.search_space().at_depth(DEPTH)
    figures |= _dispatched(children, space, len(present.workers))
    figures |= _updated(experiment, space, strategy)
    figures |= _searched(experiment, space, strategy, children, len(present.workers))
    print("figures", json.dumps(figures | {"mib_at_end": resident_mib()}), flush=True)
    os._exit(0)  # the coordinator's threads would wait for ever


class _Clock:
    """Wall-clock and CPU seconds of this process since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def seconds(self) -> tuple[float, float]:
        """Return both."""
        return time.perf_counter() - self._wall, time.process_time() - self._cpu


class _Beginning:
    """Starts a clock when the search has compiled its programs: an observer.

    Attributes:
      clock: from then on.
      num_finished_before: trials that had their outcome by then.
    """

    def __init__(self) -> None:
        self._num_updates = self._num_finished = self.num_finished_before = 0
        self.clock = _Clock()

    def finished(self, trial: Any) -> None:
        """Count a trial."""
        self._num_finished += 1

    def learned(self, update: Any, trials: Any, store: Any) -> None:
        """Start the clock after the third update."""
        self._num_updates += 1
        if self._num_updates == 3:
            self.clock, self.num_finished_before = _Clock(), self._num_finished


def _evaluations(space: Any, count: int) -> Iterator[Any]:
    import numpy as np

    from nas_with_rl.launch.evaluators.evaluation import Evaluation
    from nas_with_rl.search_spaces.architecture import random_architecture

    generator = np.random.default_rng(0)
    known = [random_architecture(space, generator) for _ in range(50)]
    for number in range(count):
        yield Evaluation(number, known[number % len(known)], number)


def _dispatched(children: Any, space: Any, num_workers: int) -> dict[str, float]:
    first = deque(_evaluations(space, 3 * num_workers))  # which send each worker the function
    assert sum(1 for _ in children.evaluate(first)) == 3 * num_workers
    more = _evaluations(space, sys.maxsize)
    queue = deque(itertools.islice(more, 4 * num_workers))
    clock, count, wall, cpu = _Clock(), 0, 0.0, 0.0
    for _ in children.evaluate(queue):
        if wall < DISPATCH_SECONDS:  # then those under way end, uncounted
            wall, cpu = clock.seconds()
            count += 1
            queue.append(next(more))
    return {"dispatches_per_second": count / wall, "cpu_seconds_per_dispatch": cpu / count}


def _updated(experiment: Any, space: Any, strategy: Any) -> dict[str, float]:
    from nas_with_rl.controller.parameter_servers import SharedReinforce

    searcher = SharedReinforce(
        space, experiment.controller, max_depth=DEPTH, seed=0, strategy=strategy
    )
    asked, told = [], []
    for number in range(UPDATES + 3):
        trials = range(number * BATCH_SIZE, (number + 1) * BATCH_SIZE)
        clock = _Clock()
        proposals = searcher.ask(space, trials)
        asked.append(clock.seconds()[0])
        clock = _Clock()
        searcher.tell(proposals, [index / BATCH_SIZE for index in range(BATCH_SIZE)])
        told.append(clock.seconds()[0])
    return {
        "ask_seconds": statistics.median(asked[3:]),  # the first are traced and compiled
        "tell_seconds": statistics.median(told[3:]),
    }


def _searched(
    experiment: Any, space: Any, strategy: Any, children: Any, num_workers: int
) -> dict[str, float]:
    from nas_with_rl.controller.parameter_servers import SharedReinforce
    from nas_with_rl.launch.experiments.search_config import SearchConfig
    from nas_with_rl.launch.records.checkpoints import Checkpoints
    from nas_with_rl.launch.records.trial_store import TrialStore
    from nas_with_rl.launch.searches.loop import Pace, Search, run_search

    config = SearchConfig(num_samples=TRIALS, batch_size=BATCH_SIZE, duplicates="evaluate")
    searcher = SharedReinforce(
        space, experiment.controller, max_depth=DEPTH, seed=0, strategy=strategy
    )
    begin = _Beginning()
    with tempfile.TemporaryDirectory() as directory:
        store = TrialStore(Path(directory) / "trials.sqlite")
        search = Search(
            space=space,
            config=config,
            seed=0,
            searcher=searcher,
            evaluator=children,
            store=store,
            pace=Pace.asynchronous(config, num_workers=num_workers),
            checkpoints=Checkpoints(Path(directory) / "checkpoints"),
            observers=(begin,),
        )
        run_search(search)
        store.close()
    wall, cpu = begin.clock.seconds()
    count = TRIALS - begin.num_finished_before
    return {"trials_per_second": count / wall, "cpu_seconds_per_trial": cpu / count}


if __name__ == "__main__":
    main()
