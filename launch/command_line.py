"""What the binaries share: user errors as one line, and a quiet start of Keras's backend."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence

from absl import app, flags, logging

from nas_with_rl.launch.records.storage_errors import STORAGE_STATUS, explained
from nas_with_rl.search_spaces.errors import InputError

BACKENDS = ("tensorflow", "jax")  # of Keras; a search needs the first
USAGE_STATUS = 2
INTERRUPTED_STATUS = 130
BROKEN_PIPE_STATUS = 141


def run(main: Callable[[], int | None]) -> None:
    """Run a binary's `main` after its flags are parsed, and leave with its exit status.

    A user error, `InputError` or an unknown flag, is printed as one line; the status is 2. So is an
    error of the machine, as a full disk; the status is 74.
    SIGTERM is taken as Ctrl-C.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as a shell's background jobs have it
            signal.signal(number, _interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # drawings, on a plain ASCII terminal
    app.run(lambda _: status_of(main), flags_parser=_parse_flags)


def status_of(main: Callable[[], int | None]) -> int:
    """Return the exit status of a binary's `main`; a user's error is printed as one line."""
    logging.set_verbosity(logging.WARNING)  # TensorFlow's notes on saving are nobody's concern
    try:
        status = main() or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read the output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return BROKEN_PIPE_STATUS
    except InputError as error:
        return _fail(str(error))
    except OSError as error:
        found = explained(error, _unwritten_output())
        if found is None:
            raise
        return _fail(str(found), STORAGE_STATUS)
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS


def _unwritten_output() -> str | None:
    """Return the name of the standard output if it cannot be written, and throw away what is left.

    Else Python would try again at its end, and complain.
    """
    try:
        sys.stdout.flush()
        os.write(1, b"")
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return "the standard output"
    return None


def _parse_flags(argv: Sequence[str]) -> list[str]:
    try:
        rest = app.parse_flags_with_usage(list(argv)) if _asks_for_help(argv) else None
        rest = flags.FLAGS(list(argv)) if rest is None else rest
    except flags.Error as error:
        sys.exit(_fail(str(error)))
    if len(rest) > 1:
        sys.exit(_fail(f"{rest[1]!r} is not a flag; flags look like --name=value"))
    return rest


def _asks_for_help(argv: Sequence[str]) -> bool:
    return any(word.lstrip("-").startswith(("help", "?")) for word in argv[1:] if word[:1] == "-")


def _fail(message: str, status: int = USAGE_STATUS) -> int:
    try:
        print("error: " + " ".join(message.split()), file=sys.stderr, flush=True)
    except OSError:  # there is nowhere to say it
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    return status


def is_interrupted() -> bool:
    """Return whether this binary has heard of Ctrl-C or SIGTERM."""
    return _interruptions.is_set()


_interruptions = threading.Event()


def _interrupt(signum: int, frame: object) -> None:
    _interruptions.set()
    raise KeyboardInterrupt


def prepare_tensorflow() -> None:
    """Prepare the backend of what runs on TensorFlow alone."""
    prepare_backend(("tensorflow",))


def prepare_backend(supported: Sequence[str] = BACKENDS) -> None:
    """Import Keras and its backend: TensorFlow, or what KERAS_BACKEND names.

    TensorFlow comes without its greeting, which no log level turns off, and with its threads set.
    Whatever it prints is shown if the import fails, or with TF_CPP_MIN_LOG_LEVEL=0.

    Raises:
      InputError: a backend that is not supported, or cannot be imported.
    """
    _check_backend(os.environ.get("KERAS_BACKEND") or supported[0], supported)
    quiet = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "0"
    try:
        with _held_back_stderr() if quiet else contextlib.nullcontext():
            import keras

            if keras.backend.backend() == "tensorflow":
                import tensorflow as tf

                tf.config.list_physical_devices()  # remembered; without a driver it complains
    except ImportError as error:
        raise InputError(
            f"Keras's backend cannot be imported: {error} (KERAS_BACKEND names another of "
            f"{', '.join(BACKENDS)}; jax comes with pip install 'nas_with_rl[jax]')"
        ) from None
    _check_backend(keras.backend.backend(), supported)  # which keras.json may have named
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # A child's operations follow one another. Each further thread would keep a cache of
        # oneDNN's compiled primitives of its own, which grows with the children of a search.
        tf.config.threading.set_inter_op_parallelism_threads(1)


def _check_backend(backend: str, supported: Sequence[str]) -> None:
    if backend not in supported:
        raise InputError(f"KERAS_BACKEND is {backend!r}, and this runs on {' or '.join(supported)}")


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
