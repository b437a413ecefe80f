"""What the binaries share: user errors as one line, and a quiet TensorFlow."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence

from absl import app, flags, logging

from nas_with_rl.search_spaces.errors import InputError

USAGE_STATUS = 2
INTERRUPTED_STATUS = 130


def run(main: Callable[[], int | None]) -> None:
    """Run a binary's `main` after its flags are parsed, and leave with its exit status.

    A user error, `InputError` or an unknown flag, is printed as one line; the status is 2.
    SIGTERM is taken as Ctrl-C.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # drawings, on a plain ASCII terminal
    app.run(lambda _: _status(main), flags_parser=_parse_flags)


def _status(main: Callable[[], int | None]) -> int:
    logging.set_verbosity(logging.WARNING)  # TensorFlow's notes on saving are nobody's concern
    try:
        return main() or 0
    except InputError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS


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


def _fail(message: str) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr, flush=True)
    return USAGE_STATUS


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def prepare_tensorflow() -> None:
    """Import TensorFlow without its greeting, which no log level turns off, and set its threads.

    Whatever it prints is shown if the import fails, or with TF_CPP_MIN_LOG_LEVEL=0.
    """
    quiet = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "0"
    with _held_back_stderr() if quiet else contextlib.nullcontext():
        import keras  # noqa: F401
        import tensorflow as tf
    # A child's operations follow one another. Each further thread would keep a cache of oneDNN's
    # compiled primitives of its own, which grows with the children of a search.
    tf.config.threading.set_inter_op_parallelism_threads(1)


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
