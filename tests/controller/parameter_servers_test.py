"""The controller on parameter servers is the one of a single process."""

import json
import os

import pytest

from tests.harness.jax_processes import run_python


def on_a_cluster(what):
    """Return what a process finds that is a small cluster."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    ran = run_python(["-m", "tests.harness.small_cluster", what], environment)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_servers_learn_what_a_single_process_learns():
    """Weights and Adam's moments after updates, saved, and continued on the servers."""
    found = on_a_cluster("controller")
    assert found["before"] < 1e-7
    assert found["saved"] < 1e-7
    assert found["after"] < 1e-7
    data = "controller.data-00000-of-00001"
    assert found["files"] == [data, "controller.index", "reinforce.json"]
    assert sum(found["sizes"]) == found["weights"]
    places = [set(devices) for devices in found["devices"]]
    assert all(len(place) == 1 for place in places)  # a share with its moments
    assert len(set.union(*places)) == 3


@pytest.mark.parametrize(
    ("num_weights", "num_servers", "sizes"),
    [
        (45_120, 20, [15_040] * 3),  # the controller of 20 layers
        (45_121, 3, [15_041, 15_040, 15_040]),
        (100, 20, [50, 50]),
        (100, 1, [100]),
        (1, 20, [1]),
        (2**14 * 30, 4, [2**14 * 30 // 4] * 4),
    ],
)
def test_shares_are_few_and_alike(num_weights, num_servers, sizes):
    from nas_with_rl.controller.parameter_servers import share_sizes

    assert share_sizes(num_weights, num_servers) == sizes
