"""What the binaries share: user errors as one line, and a quiet start of Keras's backend."""

from __future__ import annotations

import atexit
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence

from absl import app, flags, logging

from nas_with_rl.launch.experiments import named_modules
from nas_with_rl.launch.host import backend
from nas_with_rl.launch.host.interruption import (
    BROKEN_PIPE_STATUS,
    INTERRUPTED_STATUS,
    USAGE_STATUS,
)
from nas_with_rl.launch.records.storage_errors import STORAGE_STATUS, explained
from nas_with_rl.search_spaces.errors import InputError


def run_main(main: Callable[[], int | None]) -> None:
    """Run a binary's `main` after its flags are parsed, and leave with its exit status.

    A user error, `InputError` or an unknown flag, is printed as one line; the status is 2. So is an
    error of the machine, as a full disk; the status is 74.
    SIGTERM is taken as Ctrl-C.
    """
    atexit.register(_end_quickly)  # what is registered first runs last
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as a shell's background jobs have it
            signal.signal(number, _interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # drawings, on a plain ASCII terminal
    app.run(lambda _: status_of(main), flags_parser=_parse_flags)


def _end_quickly() -> None:
    """Leave out Python's last search for reference cycles, where the modules are all our own.

    With TensorFlow it takes a second of the processor to free what the end frees. Modules of the
    user's may have files that are open, and are flushed where it finds them.
    """
    if not named_modules.any_is_imported():
        gc.freeze()


def prepare_backend(
    supported: Sequence[str] = backend.BACKENDS, *, imported: Callable[[], None] | None = None
) -> None:
    """Prepare Keras's backend for a binary, in which what that imports stays to the end."""
    backend.prepare_backend(supported, imported=imported)
    keep_imports()


def keep_imports() -> None:
    """Leave what is imported by now out of all searches for reference cycles, after each child too.

    What modules of the user's make later they find as ever.
    """
    gc.freeze()


def prepare_tensorflow(*, imported: Callable[[], None] | None = None) -> None:
    """Prepare the backend of a binary that runs on TensorFlow alone.

    Args:
      imported: as `backend.prepare_backend` takes it.
    """
    prepare_backend(("tensorflow",), imported=imported)


def status_of(main: Callable[[], int | None]) -> int:
    """Return the exit status of a binary's `main`; a user's error is printed as one line."""
    logging.set_verbosity(logging.WARNING)  # TensorFlow's notes on saving are nobody's concern
    try:
        status = main() or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        return _left()
    except InputError as error:
        return _fail(str(error))
    except OSError as error:
        found = explained(error, _unwritten_output())
        if found is None:
            raise
        return _fail(str(found), STORAGE_STATUS)
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS


def _left() -> int:
    """Return the status where whoever read the output has left, as `head` does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return BROKEN_PIPE_STATUS


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
        rest = flags.FLAGS(list(argv))
    except flags.Error as error:
        sys.exit(_fail(str(error)))
    except SystemExit:  # --help has been printed, after which absl says 1
        sys.exit(status_of(lambda: 0))
    except BrokenPipeError:
        sys.exit(_left())
    if len(rest) > 1:
        sys.exit(_fail(f"{rest[1]!r} is not a flag; flags look like --name=value"))
    return rest


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
