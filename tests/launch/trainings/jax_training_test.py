"""Final trainings on Keras's JAX backend, by command, where TensorFlow is not installed."""

import json
import os
import shutil

import numpy as np
import pytest

from tests.harness.jax_processes import run_on_jax, run_python

TRAIN = ["-m", "nas_with_rl.launch.train_architecture"]


def _write_cifar10(directory) -> None:
    """Noise in the shapes and types of CIFAR-10."""
    generator = np.random.default_rng(0)
    arrays = {}
    for split, size in (("train", 60), ("test", 20)):
        arrays[f"x_{split}"] = generator.integers(0, 256, (size, 32, 32, 3), dtype=np.uint8)
        arrays[f"y_{split}"] = generator.integers(0, 10, size)
    np.savez(directory / "cifar10.npz", **arrays)


@pytest.fixture
def train(tmp_path):
    """Run train_architecture on JAX with flags and overrides; return its output and result."""

    def run(*arguments: str, **overrides: object) -> tuple[str, dict]:
        workdir = tmp_path / "run"
        flags = [f"--override={name.replace('__', '.')}={x}" for name, x in overrides.items()]
        done = run_on_jax([*TRAIN, f"--workdir={workdir}", *arguments, *flags], tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout, json.loads((workdir / "result.json").read_text())

    return run


def test_a_convnet_on_cifar10_as_npz(train, tmp_path):
    _write_cifar10(tmp_path)
    output, result = train(
        "--experiment=cifar10_small",
        "--architecture=3 3 - 6 | 3 3 1 6",
        f"--data_dir={tmp_path}",
        data__num_train=40,
        data__num_validation=20,
        child__batch_size=20,
        child__epochs=2,
    )
    assert (result["status"], result["test_looks"], len(result["validation"])) == ("finished", 1, 2)
    assert 0 <= result["test"] <= 1 and ", jax " in result["device"]
    assert "curves: none, since TensorBoard is not installed" in output


@pytest.mark.slow
def test_a_language_model_stopped_after_an_epoch_continues(train, tmp_path):
    settings = {"child__units": 8, "child__steps_per_epoch": 5, "child__batch_size": 4}
    settings |= {"child__num_steps": 8, "child__epochs": 2, "data__max_validation_tokens": 500}
    arguments = ("--experiment=quickstart", "--architecture=gru", "--test=never")
    _, whole = train(*arguments, **settings)
    # As after a kill in the second epoch: the first one's checkpoint, and no end.
    shutil.rmtree(max((tmp_path / "run" / "checkpoints").iterdir()))
    (tmp_path / "run" / "result.json").write_text(json.dumps(whole | {"status": "training"}))
    output, continued = train("--resume")
    assert "continuing after epoch 1 of 2" in output
    assert continued["train_loss"] == whole["train_loss"]
    assert continued["validation"] == whole["validation"]


@pytest.mark.real_start
@pytest.mark.parametrize(
    ("backend", "module", "message"),
    [
        ("jax", "search", "error: KERAS_BACKEND is 'jax', and this runs on tensorflow"),
        ("torch", "train_architecture", "KERAS_BACKEND is 'torch', and this runs on tensorflow or"),
        ("tensorflow", "train_architecture", "Keras's backend cannot be imported: No module named"),
    ],
)
def test_a_backend_that_cannot_be_used(tmp_path, backend, module, message):
    (tmp_path / "tensorflow.py").write_text('raise ImportError("No module named tensorflow")')
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(tmp_path)}
    words = ["--experiment=quickstart", f"--workdir={tmp_path / 'run'}"]
    words += ["--architecture=lstm"] if module == "train_architecture" else []
    done = run_python(["-m", f"nas_with_rl.launch.{module}", *words], environment)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
