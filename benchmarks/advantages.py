"""What the controller's advantage is worth, whatever the scale of the rewards.

    python benchmarks/advantages.py [--seeds=8] [--num_children=500]     # 10 minutes of one core

REINFORCE on NAS-Bench-201 (CIFAR-10, accuracy cubed, as the paper has it) with each of the
advantages, its rewards as they are, a hundredth of them and a hundred times them; at the learning
rate 0.006, and at the paper's. A policy that repeats itself is made to explore, so that every
search trains all its children. Each line: the validation accuracy in % of the best child so far,
mean and standard deviation over the seeds, after a tenth, a fifth, two fifths and all of the
children; the seeds that have found the best of all; and the trials of a search, with its repeats.
"""

import argparse
import os
import statistics

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import nas_with_rl as nas
from nas_with_rl.launch.evaluators.kinds.nas_bench_201 import nas_bench_201_accuracies
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space

PAPER, FAST = 0.0006, 0.006
ADVANTAGES = ("raw", "normalised", "ranks")
CASES = ((FAST, 1.0), (FAST, 0.01), (FAST, 100.0), (PAPER, 1.0))  # learning rate, scale


def compared(rate: float, scale: float, *, seeds: int, num_children: int) -> list[str]:
    """Return a line for each advantage."""
    table = nas_bench_201_accuracies("cifar10")
    best = max(table.values())
    options = nas.SearchOptions(
        search=nas.SearchConfig(on_repeats="explore"),
        controller=nas.ReinforceConfig(rate, policy=nas.PolicyConfig(jit_compile=False)),
    )
    found = nas.compare(
        NasBench201Space().search_space(),
        lambda architecture: scale * (table[architecture.tokens] / 100) ** 3,
        searchers=tuple(f"reinforce+advantage={name}" for name in ADVANTAGES),
        seeds=seeds,
        num_children=num_children,
        options=options,
    )
    lines = []
    for name, standing in zip(ADVANTAGES, found.standings, strict=True):
        by_budget = [
            [100 * ((reward or 0.0) / scale) ** (1 / 3) for reward in standing.after(budget)]
            for budget in budgets(num_children)
        ]
        num_best = sum(end > best - 1e-6 for end in by_budget[-1])
        cells = [f"{rate}", f"x {scale:g}", name, *map(mean_and_spread, by_budget)]
        cells += [f"{num_best} of {seeds}", f"{standing.num_trials:,.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def budgets(num_children: int) -> tuple[int, ...]:
    """Return the numbers of children after which the best so far is shown."""
    return tuple(max(1, num_children * share // 10) for share in (1, 2, 4, 10))


def mean_and_spread(values: list[float]) -> str:
    """Return the mean and, of several values, the standard deviation."""
    mean = f"{statistics.fmean(values):.2f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.2f}"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--num_children", type=int, default=500)
    given = parser.parse_args()
    after = [f"after {budget}" for budget in budgets(given.num_children)]
    titles = ["rate", "rewards", "advantage", *after]
    print("| " + " | ".join([*titles, "found the best", "trials"]) + " |")
    print("|---" * (len(titles) + 2) + "|")
    for rate, scale in CASES:
        lines = compared(rate, scale, seeds=given.seeds, num_children=given.num_children)
        print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    main()
