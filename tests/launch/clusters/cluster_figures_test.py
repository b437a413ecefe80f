"""The arithmetic of the cluster's benchmark, on figures whose results are known."""

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[3] / "benchmarks" / "cluster_figures.py"


def _imported():
    spec = importlib.util.spec_from_file_location("cluster_figures", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


figures = _imported()


def spans(worker, *times):
    return [figures.Span(worker, started, ended) for started, ended in times]


def test_a_worker_that_pauses_is_not_busy_all_the_time():
    busy = figures.busy_share(spans("a", (10, 12), (13, 15), (16, 18)))
    assert busy == figures.Busy(share=4 / 6, begun=10, last_given=16, ended=18)


def test_the_start_of_the_last_worker_and_the_last_wave_do_not_count():
    early = spans("a", (0, 2), (2, 4), (4, 6), (6, 8))
    late = spans("b", (3, 5), (5, 7))
    busy = figures.busy_share(early + late)
    assert busy == figures.Busy(share=1.0, begun=3, last_given=6, ended=8)


def test_one_child_for_each_worker_has_no_steady_time():
    with pytest.raises(ValueError, match="second child"):
        figures.busy_share(spans("a", (0, 2)) + spans("b", (0, 2)))


def test_the_steady_window_is_without_the_first_fifth_and_the_last_tenth():
    found = figures.steady_window(spans("a", *((n, n + 1) for n in reversed(range(100)))))
    assert found == (21, 90, 69)
    with pytest.raises(ValueError, match="too few"):
        figures.steady_window(spans("a", (0, 1)))


def test_the_load_of_a_chief_follows_from_its_costs():
    costs = figures.ChiefCosts(
        dispatches_per_second=200,
        updates_per_second=40,
        cpu_seconds_per_child=0.005,
        base_mib=1000,
        mib_per_worker=1.5,
    )
    load = figures.chief_load(costs, num_workers=800, child_seconds=10, batch_size=8)
    assert load == figures.ChiefLoad(
        dispatches_per_second=80,
        dispatch_share=0.4,
        updates_per_second=10,
        update_share=0.25,
        cores=pytest.approx(0.4),
        memory_mib=2200,
    )


def test_a_line_goes_through_the_sizes():
    intercept, slope = figures.line_through([(100, 950), (100, 1050), (300, 1400)])
    assert (intercept, slope) == (pytest.approx(800), pytest.approx(2))
    with pytest.raises(ValueError, match="two places"):
        figures.line_through([(100, 900), (100, 910)])
