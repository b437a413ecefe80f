"""Processes on Keras's JAX backend in which TensorFlow cannot be imported."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MISSING = ("tensorflow", "tensorflow_datasets", "tensorboard")


def run_on_jax(arguments: list[str], directory: Path) -> subprocess.CompletedProcess:
    """Run Python with arguments from the root; stand-ins for what is missing go to a directory."""
    for name in MISSING:
        message = f"No module named {name!r}"
        (directory / f"{name}.py").write_text(f"raise ModuleNotFoundError({message!r})\n")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # half the time to compile
        "PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)]),
    }
    return run_python(arguments, environment)


def run_python(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess:
    """Run Python with arguments from the root."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
