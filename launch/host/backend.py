"""Keras's backend, imported quietly and set up."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence

from nas_with_rl.search_spaces.errors import InputError

BACKENDS = ("tensorflow", "jax")  # of Keras; a controller that learns needs the first
CHILDREN = "NAS_WITH_RL_CHILDREN_ON"  # the children's backend, where this process has another


def prepare_controller(*, imported: Callable[[], None] | None = None) -> None:
    """Prepare TensorFlow, on which a controller learns; children train on KERAS_BACKEND's."""
    if os.environ.get("KERAS_BACKEND") == "jax":
        os.environ |= {CHILDREN: "jax", "KERAS_BACKEND": "tensorflow"}
    prepare_backend(("tensorflow",), imported=imported)


def of_children() -> str:
    """Return the backend that child processes train on."""
    return os.environ.get(CHILDREN) or os.environ.get("KERAS_BACKEND") or BACKENDS[0]


def is_the_childrens_alone() -> bool:
    """Return whether child processes have another backend than this process."""
    return bool(os.environ.get(CHILDREN))


def children_environment() -> dict[str, str]:
    """Return the variables that let a child process have its backend, where it is another's."""
    if not is_the_childrens_alone():
        return {}
    return {"KERAS_BACKEND": of_children(), CHILDREN: ""}  # what it starts itself asks anew


def prepare_tensorflow() -> None:
    """Prepare the backend of what runs on TensorFlow alone."""
    prepare_backend(("tensorflow",))


def prepare_backend(
    supported: Sequence[str] = BACKENDS, *, imported: Callable[[], None] | None = None
) -> None:
    """Import Keras and its backend: TensorFlow, or what KERAS_BACKEND names.

    TensorFlow comes without its greeting, which no log level turns off, and with its threads set.
    Whatever it prints is shown if the import fails, or with TF_CPP_MIN_LOG_LEVEL=0.

    Args:
      supported: backends; the first is the usual one.
      imported: called after the imports. TensorFlow has not looked for devices then, upon which it
        reads TF_XLA_FLAGS and may touch a GPU.

    Raises:
      InputError: a backend that is not supported, or cannot be imported.
    """
    _check_backend(os.environ.get("KERAS_BACKEND") or supported[0], supported)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _quiet(), _no_collections():
            import keras

            if keras.backend.backend() == "tensorflow":
                import tensorflow as tf
    except ImportError as error:
        raise InputError(
            f"Keras's backend cannot be imported: {error} (KERAS_BACKEND names another of "
            f"{', '.join(BACKENDS)}; jax comes with pip install 'nas_with_rl[jax]')"
        ) from None
    _check_backend(keras.backend.backend(), supported)  # which keras.json may have named
    os.environ["KERAS_BACKEND"] = keras.backend.backend()  # child processes have the same
    if imported:
        imported()
    if keras.backend.backend() == "tensorflow":
        with _quiet():
            tf.config.list_physical_devices()  # remembered; without a driver it complains
        # A child's operations follow one another. Each further thread would keep a cache of
        # oneDNN's compiled primitives of its own, which grows with the children of a search.
        tf.config.threading.set_inter_op_parallelism_threads(1)


def _check_backend(backend: str, supported: Sequence[str]) -> None:
    if backend not in supported:
        raise InputError(f"KERAS_BACKEND is {backend!r}, and this runs on {' or '.join(supported)}")


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Look for no reference cycles: imports leave few, and make objects by the hundred thousand."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _quiet() -> contextlib.AbstractContextManager[None]:
    is_quiet = os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "0"
    return _held_back_stderr() if is_quiet else contextlib.nullcontext()


@contextlib.contextmanager
def _held_back_stderr() -> Iterator[None]:
    """Hold back what C++ code writes to the standard error, unless an exception passes."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
