"""Tests of the epochs on Keras's JAX backend, in processes without TensorFlow."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.harness.jax_processes import ROOT, run_on_jax, run_python

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, Path]:
    """What one epoch leaves on each backend: a directory with arrays and a model."""
    script = str(TESTS / "harness" / "one_epoch.py")
    directories = {name: tmp_path_factory.mktemp(name) for name in ("tensorflow", "jax")}
    files = {name: [str(d / "arrays.npz"), str(d / "m.keras")] for name, d in directories.items()}
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(ROOT)}
    for done in (
        run_python([script, *files["tensorflow"]], environment),
        run_on_jax([script, *files["jax"]], tmp_path_factory.mktemp("missing")),
    ):
        assert done.returncode == 0, done.stderr[-2000:]
    return directories


def test_both_backends_train_the_same_epoch(trained):
    with (
        np.load(trained["tensorflow"] / "arrays.npz") as on_tensorflow,
        np.load(trained["jax"] / "arrays.npz") as on_jax,
    ):
        assert list(on_tensorflow) == list(on_jax) and len(on_jax.files) > 60
        for name in on_jax:
            twin = on_tensorflow[name]
            scale = max(np.abs(twin).max(), 1e-3)
            np.testing.assert_allclose(on_jax[name], twin, atol=1e-4 * scale, err_msg=name)


def test_a_model_saved_on_jax_says_the_same_on_tensorflow(trained):
    import nas_with_rl  # noqa: F401  its layers

    images = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)
    models = [keras.models.load_model(trained[name] / "m.keras") for name in trained]
    ours, theirs = (model.predict(images, verbose=0) for model in models)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize(
    "names",
    [
        ["child_models/cells/operations_test.py"],
        pytest.param(
            ["harness/jax_cases.py", "child_models/keyed_draws_test.py"], marks=pytest.mark.slow
        ),
    ],
    ids=len,
)
def test_what_holds_on_jax_alone(tmp_path, names):
    files = [str(TESTS / name) for name in names]
    done = run_on_jax(["-m", "pytest", *files], tmp_path)
    assert done.returncode == 0, done.stdout[-4000:]
