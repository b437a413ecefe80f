"""Does the controller learn? REINFORCE beside random search, 5 seeds each, on known spaces.

    python benchmarks/search_quality.py [nas_bench_201 skips base_2]     # 3 minutes on 2 cores

- `nas_bench_201`: 15,625 cells, CIFAR-10 validation accuracy, the mean of a cell's seeds; 1,000
  samples.
- `skips`: 21 skip connections of 7 layers, of which a hidden half is wanted; reward: the share
  that is right. Best: 1. Only anchor points can learn it.
- `base_2`: 512 cells of base 2 (base_2_cells.json, made by base_2_cells.py); validation perplexity.

Each line: the mean over the last 200 samples and the best one, averaged over the seeds.
"""

import json
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import nas_with_rl as nas
from nas_with_rl.child_models.rewards import perplexity_reward
from nas_with_rl.launch.evaluators.kinds.nas_bench_201 import nas_bench_201_accuracies
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace

SEEDS = range(5)
LAST = 200
PAPER_CONVNETS, PAPER_CELLS = 0.0006, 0.0005  # the paper's learning rates


def search(space, evaluate: Callable, num_samples: int, **settings) -> tuple[list, list]:
    """Return, by seed, the mean of the last values that `evaluate` gave, and the best value."""
    searcher = settings.pop("searcher", "reinforce")
    better = settings.pop("better", max)
    last, best = [], []
    for seed in SEEDS:
        options = nas.SearchOptions(
            search=nas.SearchConfig(searcher=searcher),
            controller=nas.ReinforceConfig(**settings),
            progress=False,
        )
        result = nas.search(space, evaluate, num_samples=num_samples, seed=seed, options=options)
        found = (trial.metrics.get("value") for trial in result.trials)
        values = [value for value in found if isinstance(value, int | float)]
        last.append(statistics.fmean(values[-LAST:]))
        best.append(better(values))
    return last, best


def show(title: str, results: tuple[list, list]) -> None:
    last, best = results
    print(
        f"  {title:42} last {LAST}: {np.mean(last):6.2f}"
        f" (by seed {', '.join(f'{value:.2f}' for value in last)}); best {np.mean(best):.2f}",
        flush=True,
    )


def nas_bench_201() -> None:
    table = nas_bench_201_accuracies("cifar10")
    print(
        f"NAS-Bench-201, CIFAR-10 validation accuracy in %, 1,000 samples "
        f"(all {len(table):,}: mean {statistics.fmean(table.values()):.2f}, best "
        f"{max(table.values()):.3f})"
    )

    def evaluate(architecture):
        accuracy = table[architecture.tokens]
        return (accuracy / 100) ** 3, {"value": accuracy}

    space = NasBench201Space().search_space()
    show("random search", search(space, evaluate, 1000, searcher="random"))
    for rate in (PAPER_CONVNETS, 0.006):
        title = f"REINFORCE, {rate}" + (" (the paper's settings)" if rate == PAPER_CONVNETS else "")
        show(title, search(space, evaluate, 1000, learning_rate=rate))


def skips() -> None:
    depth = 7
    generator = np.random.default_rng(0)
    wanted = {i: {j for j in range(1, i) if generator.random() < 0.5} for i in range(2, depth + 1)}
    count = sum(i - 1 for i in wanted)
    print(f"Skip connections, share that is right in %, 2,000 samples ({2**count:,} architectures)")

    def evaluate(architecture):
        rows = architecture["inputs"]
        right = [(j in rows[i - 1]) == (j in wanted[i]) for i in wanted for j in range(1, i)]
        share = sum(right) / count
        return share, {"value": 100 * share}

    space = nas.SearchSpace(layer_decisions=(nas.Skips(),), depth=depth)
    show("random search", search(space, evaluate, 2000, searcher="random"))
    show("REINFORCE, 0.006", search(space, evaluate, 2000, learning_rate=0.006))
    title = "REINFORCE, 0.01, entropy weight 0.02"
    show(title, search(space, evaluate, 2000, learning_rate=0.01, entropy_weight=0.02))


def base_2() -> None:
    path = Path(__file__).with_name("base_2_cells.json")
    table = json.loads(path.read_text(encoding="utf-8"))["perplexities"]
    known = [value for value in table.values() if value is not None]
    print(
        f"Base-2 cells, validation perplexity, 500 samples (all {len(table)}: mean "
        f"{statistics.fmean(known):.2f}, median {statistics.median(known):.2f}, best "
        f"{min(known):.2f}; {len(table) - len(known)} failed)"
    )

    def evaluate(architecture):
        perplexity = table[str(architecture).replace(" |", "")]
        if perplexity is None:
            raise nas.ChildFailure("diverged")
        return perplexity_reward(perplexity), {"value": perplexity}

    nodes = RecurrentCellSpace(base=2).search_space().decisions[:6]
    space = nas.SearchSpace(nodes)
    show("random search", search(space, evaluate, 500, searcher="random", better=min))
    for rate in (PAPER_CELLS, 0.01):
        title = f"REINFORCE, {rate}" + (" (the paper's settings)" if rate == PAPER_CELLS else "")
        show(title, search(space, evaluate, 500, learning_rate=rate, better=min))


if __name__ == "__main__":
    known = {"nas_bench_201": nas_bench_201, "skips": skips, "base_2": base_2}
    for name in sys.argv[1:] or known:
        known[name]()
