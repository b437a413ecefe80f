"""Draw the README's picture: how the controller learns on NAS-Bench-201.

    python benchmarks/learning_curves.py    # 3 minutes on 2 cores; writes docs/nas_bench_201.svg

Mean accuracy of the last 100 samples against samples, 5 seeds each: REINFORCE at a rate of our own
and at the paper's, and random search.
"""

import os
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib
import numpy as np

import nas_with_rl as nas
from nas_with_rl.launch.evaluators.kinds.nas_bench_201 import nas_bench_201_accuracies
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space

PICTURE = Path(__file__).parents[1] / "docs" / "nas_bench_201.svg"
SEEDS, NUM_SAMPLES, WINDOW = range(5), 1000, 100
STEP = 5  # samples between two points of a curve
CURVES: tuple[tuple[str, str, dict[str, float], Literal["reinforce", "random"]], ...] = (
    ("REINFORCE, learning rate 0.006", "#1f6fb4", {"learning_rate": 0.006}, "reinforce"),
    ("REINFORCE, the paper's 0.0006", "#e0812b", {"learning_rate": 0.0006}, "reinforce"),
    ("random search", "#7f7f7f", {}, "random"),
)


def running_means(settings: dict[str, Any], searcher: Literal["reinforce", "random"]) -> np.ndarray:
    """Return the mean accuracy of the last WINDOW samples, `[seeds, NUM_SAMPLES - WINDOW + 1]`."""
    table = nas_bench_201_accuracies("cifar10")

    def evaluate(architecture):
        accuracy = table[architecture.tokens]
        return (accuracy / 100) ** 3, {"accuracy": accuracy}

    options = nas.SearchOptions(
        search=nas.SearchConfig(searcher=searcher),
        controller=nas.ReinforceConfig(**settings),
        progress=False,
    )
    space, rows = NasBench201Space().search_space(), []
    for seed in SEEDS:
        result = nas.search(space, evaluate, num_samples=NUM_SAMPLES, seed=seed, options=options)
        values = [trial.metrics["accuracy"] for trial in result.trials]
        rows.append(np.convolve(np.array(values, float), np.ones(WINDOW) / WINDOW, "valid"))
    return np.array(rows)


def main() -> None:
    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "nas_with_rl"  # the same picture from the same numbers
    figure, axes = pyplot.subplots(figsize=(7.2, 3.2), layout="constrained")
    samples = np.arange(WINDOW, NUM_SAMPLES + 1)[::STEP]
    for label, colour, settings, searcher in CURVES:
        rows = running_means(settings, searcher)[:, ::STEP]
        axes.fill_between(samples, rows.min(0), rows.max(0), color=colour, alpha=0.2, linewidth=0)
        axes.plot(samples, rows.mean(0), color=colour, label=label)
    best = max(nas_bench_201_accuracies("cifar10").values())
    axes.axhline(best, color="black", linewidth=0.8, linestyle=":")
    axes.text(WINDOW, best + 0.1, f"best of all 15,625: {best:.2f} %", fontsize=8)
    axes.set(
        xlabel="architectures sampled",
        ylabel=f"validation accuracy, %\n(mean of the last {WINDOW})",
        ylim=(None, best + 1.2),
    )
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    figure.patch.set_facecolor("white")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, metadata={"Date": None})
    print(f"wrote {PICTURE}")


if __name__ == "__main__":
    main()
