"""The chief of a simulated cluster: measures itself and prints "figures {...}".

TF_CONFIG=... python cluster_simulated_chief.py
"""

import contextlib
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cluster_processes import resident_mib

from nas_with_rl.launch.clusters.tf_config import VARIABLE, parse_tf_config
from nas_with_rl.launch.host import backend

EXPERIMENT, DEPTH, BATCH_SIZE = "cifar10", 20, 8  # section 4.1, at its largest
DISPATCH_SECONDS, TRIALS, UPDATES = 10, 1000, 20
WARM_UPDATES = 10  # of a search, before its clock starts: the first are traced and compiled
# What the thread of the search does, by its object and methods; "loop" is what is left.
PARTS = {
    "sample": ("searcher", ("ask",)),
    "learn": ("searcher", ("tell",)),
    "store": (
        "store",
        *(("add", "finish", "batches", "count_failures", "mark_learned", "evaluated_before"),),
    ),
    "curves": ("observers", ("finished", "learned")),
    "checkpoints": ("checkpoints", ("save",)),
}


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


class _Parts:
    """CPU seconds of the search's thread, each moment counted for the innermost part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._part = "loop"
        self._since = time.thread_time()

    def change(self, part: str) -> str:
        """Count for another part from now on; return the part until now."""
        now = time.thread_time()
        self.seconds[self._part] += now - self._since
        before, self._part, self._since = self._part, part, now
        return before

    def watch(self, thing: Any, part: str, names: tuple[str, ...]) -> None:
        """Count an object's calls of some methods for a part."""
        for name in names:
            setattr(thing, name, self._counted(getattr(thing, name), part))

    def _counted(self, method: Any, part: str) -> Any:
        def call(*values: Any, **named: Any) -> Any:
            before = self.change(part)
            try:
                return method(*values, **named)
            finally:
                self.change(before)

        return call


class _Middle(BaseException):
    """The part of a search that counts is over."""


class _Window:
    """Measures a search between the end of its first updates and so many children: an observer.

    Children are given out and sampled all the while: at its beginning and at its end as many are
    under way.

    Attributes:
      wall, cpu: seconds of this process within it.
      parts: CPU seconds of the search's thread within it, by part.
    """

    def __init__(self, parts: _Parts, count: int) -> None:
        self.wall = self.cpu = 0.0
        self.parts: dict[str, float] = {}
        self._all_parts, self._count = parts, count
        self._num_updates = self._num_finished = 0

    def finished(self, trial: Any) -> None:
        """Count a trial."""
        self._num_finished += 1
        if self._num_updates >= WARM_UPDATES and self._num_finished == self._count:
            self.wall, self.cpu = self._clock.seconds()
            self._all_parts.change("loop")
            self.parts = {
                part: seconds - self._before.get(part, 0.0)
                for part, seconds in self._all_parts.seconds.items()
            }
            raise _Middle

    def learned(self, update: Any, trials: Any, store: Any) -> None:
        """Start the clock after the first updates."""
        self._num_updates += 1
        if self._num_updates == WARM_UPDATES:
            self._num_finished = 0
            self._clock = _Clock()
            self._all_parts.change("loop")
            self._before = dict(self._all_parts.seconds)


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
        asked.append(clock.seconds())
        clock = _Clock()
        searcher.tell(proposals, [index / BATCH_SIZE for index in range(BATCH_SIZE)])
        told.append(clock.seconds())
    figures = {}
    for name, seconds in (("ask", asked), ("tell", told)):
        wall, cpu = zip(*seconds[3:], strict=True)  # the first are traced and compiled
        figures[f"{name}_seconds"] = statistics.median(wall)
        figures[f"{name}_cpu_seconds"] = statistics.median(cpu)
    return figures


def _searched(
    experiment: Any, space: Any, strategy: Any, children: Any, num_workers: int
) -> dict[str, Any]:
    from nas_with_rl.controller.parameter_servers import SharedReinforce
    from nas_with_rl.launch.experiments.search_config import SearchConfig
    from nas_with_rl.launch.records.checkpoints import Checkpoints
    from nas_with_rl.launch.records.trial_store import TrialStore
    from nas_with_rl.launch.searches.curves import Curves
    from nas_with_rl.launch.searches.loop import Pace, Search, run_search

    # More than are ever sampled: children are under way at the window's end as at its beginning.
    config = SearchConfig(num_samples=10**6, batch_size=BATCH_SIZE, duplicates="evaluate")
    searcher = SharedReinforce(
        space, experiment.controller, max_depth=DEPTH, seed=0, strategy=strategy
    )
    parts = _Parts()
    window = _Window(parts, TRIALS)
    with tempfile.TemporaryDirectory() as directory:
        store = TrialStore(Path(directory) / "trials.sqlite")
        checkpoints = Checkpoints(Path(directory) / "checkpoints")
        curves = Curves(Path(directory) / "tensorboard", store)
        watched = {
            "searcher": searcher, "store": store, "observers": curves, "checkpoints": checkpoints
        }  # fmt: skip
        for part, (name, methods) in PARTS.items():
            parts.watch(watched[name], part, methods)
        search = Search(
            space=space,
            config=config,
            seed=0,
            searcher=searcher,
            evaluator=children,
            store=store,
            pace=Pace.asynchronous(config, num_workers=num_workers),
            checkpoints=checkpoints,
            observers=(curves, window),
        )
        with contextlib.suppress(_Middle):
            run_search(search)
        store.close()
    by_part = {part: seconds / TRIALS for part, seconds in window.parts.items()}
    by_part["threads"] = window.cpu / TRIALS - sum(by_part.values())
    return {
        "trials_per_second": TRIALS / window.wall,
        "cpu_seconds_per_trial": window.cpu / TRIALS,
        "cpu_seconds_by_part": by_part,
    }


if __name__ == "__main__":
    main()
