"""Populations on Keras's JAX backend, in processes without TensorFlow."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.harness.jax_processes import ROOT, run_on_jax, run_python

HARNESS = Path(__file__).parents[2] / "harness"


@pytest.mark.parametrize(
    "which",
    [
        "300_steps_are",
        pytest.param("not 300_steps_are and not float64 and not compiled", marks=pytest.mark.slow),
    ],
)
def test_children_together_and_alone(which, tmp_path):
    cases = ["-m", "slow or not slow", "-k", which, str(HARNESS / "population_cases.py")]
    done = run_on_jax(["-m", "pytest", *cases, "-p", "no:cacheprovider"], tmp_path)
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.slow
def test_steps_are_those_of_tensorflow(tmp_path):
    script = str(HARNESS / "population_epochs.py")
    files = {name: tmp_path / f"{name}.npz" for name in ("tensorflow", "jax")}
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(ROOT)}
    for done in (
        run_python([script, str(files["tensorflow"])], environment),
        run_on_jax([script, str(files["jax"])], tmp_path),
    ):
        assert done.returncode == 0, done.stderr[-2000:]
    with np.load(files["tensorflow"]) as on_tensorflow, np.load(files["jax"]) as on_jax:
        assert list(on_tensorflow) == list(on_jax)
        for name in on_jax:
            ours, theirs = on_jax[name], on_tensorflow[name]
            assert np.linalg.norm(ours - theirs) < 1e-5 * np.linalg.norm(theirs), name
