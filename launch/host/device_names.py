"""What a training ran on, in words."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def device() -> str:
    """Return the accelerator or the processor, and the backend with its version."""
    import keras

    name, backend = _accelerator(), keras.backend.backend()
    if name is None:
        cores = len(os.sched_getaffinity(0))
        name = f"{cores} core{'s' * (cores > 1)} of {_processor()}"
    return f"{name}, {backend} {_version(backend)}"


def _accelerator() -> str | None:
    """The first one's name, None where there is none."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        first = jax.devices()[0]
        return None if first.platform == "cpu" else first.device_kind
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return None
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")


def _version(backend: str) -> str:
    if backend == "jax":
        import jax

        return jax.__version__
    import tensorflow as tf

    return tf.__version__


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
