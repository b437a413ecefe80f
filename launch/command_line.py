"""What the binaries share: commands, user errors as one line, a quiet start of Keras's backend."""

from __future__ import annotations

import ast
import atexit
import gc
import importlib
import importlib.util
import io
import os
import re
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

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

# What an installation puts on the path, as setup.py says: by name the binary that it runs.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "nas-search": "search",
        "nas-status": "status",
        "nas-train": "train_architecture",
        "nas-compare": "compare_architectures",
        "nas-grid": "grid_search",
        "nas-explore": "explore",
        "nas-draw": "draw",
        "nas-report": "report",
        "nas-compare-searchers": "compare_searchers",
        "nas-audit": "audit",
        "nas-tables": "tables",
        "nas-figure-6": "figure_6",
        "nas-local-cluster": "local_cluster",
        "nas-cluster": "cluster",
    }
)
_PACKAGE = "nas_with_rl.launch"


def run_command() -> None:
    """Run the binary of the command that this process was called as, and leave with its status.

    It is what `python -m` would run, but its help speaks of commands.
    """
    name = Path(sys.argv[0]).name
    if name not in COMMANDS:
        sys.exit(_fail(f"{name!r} is no command of nas_with_rl: there are {', '.join(COMMANDS)}"))
    global _is_called_as_command
    _is_called_as_command = True
    runpy.run_module(f"{_PACKAGE}.{COMMANDS[name]}", run_name="__main__", alter_sys=True)


def list_commands(words: Sequence[str]) -> int:
    """Print all commands, a line each, or for --version that; return the exit status.

    Args:
      words: of the command line.
    """
    if list(words) == ["--version"]:
        print(version_line())
        return 0
    if words and words[0] not in ("--help", "-h"):
        return _fail(f"{words[0]!r} is not taken here: call a command, as in nas-search --help")
    width = max(map(len, COMMANDS))
    print("\n".join(f"{name:{width}}  {_purpose(each)}" for name, each in COMMANDS.items()))
    print(
        "\nEach says with --help what it takes, and with --version which it is. Where they are not "
        f"on the path:\npython -m {_PACKAGE}.search and so on, with the names of launch/."
    )
    return 0


def version_line() -> str:
    """Return what --version prints."""
    # By an import statement this would import all that the package names, to who reads the arrows.
    return f"nas_with_rl {importlib.import_module('nas_with_rl').__version__}"


def _purpose(binary: str) -> str:
    """Return the first sentence of a binary's docstring; the module is not imported."""
    spec = importlib.util.find_spec(f"{_PACKAGE}.{binary}")
    assert spec is not None and spec.origin is not None
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_bytes())) or ""
    return re.split(r"[.:](?:\s|$)", text, maxsplit=1)[0]


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


class _VersionFlag(flags.BooleanFlag):
    """Prints the version in place of running, as absl's --help does the help."""

    def __init__(self) -> None:
        super().__init__("version", False, "print the version", allow_hide_cpp=True)

    def parse(self, arg: object) -> None:
        """Leave with the version printed."""
        if self._parse(arg):
            print(version_line())
            sys.exit(0)


def _parse_flags(argv: Sequence[str]) -> list[str]:
    binary = sys.modules["__main__"]
    if _is_called_as_command and binary.__doc__:
        binary.__doc__ = _with_commands(binary.__doc__)
    if "version" not in flags.FLAGS:
        flags.DEFINE_flag(_VersionFlag(), module_name=sys.argv[0])  # which --help shows
    try:
        rest = flags.FLAGS(list(argv))
    except flags.Error as error:
        sys.exit(_fail(str(error)))
    except SystemExit:  # --help or --version has been printed; after the first absl says 1
        sys.exit(status_of(lambda: 0))
    except BrokenPipeError:
        sys.exit(_left())
    if len(rest) > 1:
        sys.exit(_fail(f"{rest[1]!r} is not a flag; flags look like --name=value"))
    return rest


def _with_commands(text: str) -> str:
    """Return a text in which commands stand in the place of the binaries that they run."""
    names = {binary: name for name, binary in COMMANDS.items()}
    return re.sub(
        rf"python -m {re.escape(_PACKAGE)}\.(\w+)",
        lambda found: names.get(found[1], found[0]),
        text,
    )


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
_is_called_as_command = False


def _interrupt(signum: int, frame: object) -> None:
    _interruptions.set()
    raise KeyboardInterrupt
