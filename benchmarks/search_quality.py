"""Does the controller learn? REINFORCE beside random search, 5 seeds each, on known spaces.

    python benchmarks/search_quality.py [nas_bench_201 skips base_2]     # 3 minutes on 2 cores

- `nas_bench_201`: 15,625 cells, CIFAR-10 validation accuracy, the mean of a cell's seeds; 1,000
  samples.
- `skips`: 21 skip connections of 7 layers, of which a hidden half is wanted; reward: the share
  that is right. Best: 1. Only anchor points can learn it.
- `base_2`: 512 cells of base 2 (base_2_cells.json, made by base_2_cells.py); validation perplexity.

Each line: the mean over the last 200 samples and the best one, averaged over the seeds.
"""

import os
import statistics
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from searchers_tasks import TASKS, Task, base_2_perplexities

import nas_with_rl as nas

SEEDS = range(5)
LAST = 200
PAPER_CONVNETS, PAPER_CELLS = 0.0006, 0.0005  # the paper's learning rates


def search(task: Task, num_samples: int, **settings) -> tuple[list, list]:
    """Return, by seed, the mean of the last values of a benchmark that were found, and the best."""
    searcher = settings.pop("searcher", "reinforce")

    def evaluate(architecture):
        outcome = task.measure(architecture)
        if outcome.reward is None:
            raise nas.ChildFailure("diverged")
        return outcome.reward, {"value": outcome.value}

    last, best = [], []
    for seed in SEEDS:
        options = nas.SearchOptions(
            search=nas.SearchConfig(searcher=searcher),
            controller=nas.ReinforceConfig(**settings),
            progress=False,
        )
        result = nas.search(
            task.space, evaluate, num_samples=num_samples, seed=seed, options=options
        )
        found = (trial.metrics.get("value") for trial in result.trials)
        values = [value for value in found if isinstance(value, int | float)]
        last.append(statistics.fmean(values[-LAST:]))
        best.append(max(values))
    return last, best


def show(title: str, results: tuple[list, list]) -> None:
    last, best = (np.abs(each) for each in results)  # minus the perplexity is more where better
    print(
        f"  {title:42} last {LAST}: {np.mean(last):6.2f}"
        f" (by seed {', '.join(f'{value:.2f}' for value in last)}); best {np.mean(best):.2f}",
        flush=True,
    )


def nas_bench_201() -> None:
    table = nas.nas_bench_201_accuracies("cifar10")
    print(
        f"NAS-Bench-201, CIFAR-10 validation accuracy in %, 1,000 samples "
        f"(all {len(table):,}: mean {statistics.fmean(table.values()):.2f}, best "
        f"{max(table.values()):.3f})"
    )
    task = TASKS["cifar10"].make(0)
    show("random search", search(task, 1000, searcher="random"))
    for rate in (PAPER_CONVNETS, 0.006):
        title = f"REINFORCE, {rate}" + (" (the paper's settings)" if rate == PAPER_CONVNETS else "")
        show(title, search(task, 1000, learning_rate=rate))


def skips() -> None:
    task = TASKS["skips"].make(0)
    number = f"{task.space.size:,} architectures"
    print(f"Skip connections, share that is right in %, 2,000 samples ({number})")
    show("random search", search(task, 2000, searcher="random"))
    show("REINFORCE, 0.006", search(task, 2000, learning_rate=0.006))
    title = "REINFORCE, 0.01, entropy weight 0.02"
    show(title, search(task, 2000, learning_rate=0.01, entropy_weight=0.02))


def base_2() -> None:
    table = base_2_perplexities()
    known = [value for value in table.values() if value is not None]
    print(
        f"Base-2 cells, validation perplexity, 500 samples (all {len(table)}: mean "
        f"{statistics.fmean(known):.2f}, median {statistics.median(known):.2f}, best "
        f"{min(known):.2f}; {len(table) - len(known)} failed)"
    )
    task = TASKS["base_2"].make(0)
    show("random search", search(task, 500, searcher="random"))
    for rate in (PAPER_CELLS, 0.01):
        title = f"REINFORCE, {rate}" + (" (the paper's settings)" if rate == PAPER_CELLS else "")
        show(title, search(task, 500, learning_rate=rate))


if __name__ == "__main__":
    known = {"nas_bench_201": nas_bench_201, "skips": skips, "base_2": base_2}
    for name in sys.argv[1:] or known:
        known[name]()
