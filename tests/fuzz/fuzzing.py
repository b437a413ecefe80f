"""What fuzzing is: an input is accepted or refused in one line; whatever else is a failure."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import resource
import signal
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis.strategies import SearchStrategy

from nas_with_rl.launch import command_line
from nas_with_rl.search_spaces.errors import InputError

HANG_SECONDS = 10
MOST_BYTES = 2**31  # that an input may take
MOST_CHARACTERS = 500  # of the line of a user's error
OUTCOMES = ("accepted", "refused", "failed")


class Subject(Protocol):
    """What inputs are tried on.

    Attributes:
      name: on the command line and in tables.
      inputs: what is tried.
    """

    name: str
    inputs: SearchStrategy[Any]

    def use(self, example: Any) -> None:
        """Do what the project does with the input; InputError where it is refused.

        Raises:
          AssertionError: files were changed though the input was refused.
        """


class Hang(BaseException):
    """An input took too long."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of an input.

    Attributes:
      kind: one of OUTCOMES.
      what: of a failure, the exception and where it was raised, equal for equal failures.
      trace: of a failure.
    """

    kind: Literal["accepted", "refused", "failed"]
    what: str = ""
    trace: str = ""


def outcome_of(subject: Subject, example: Any) -> Outcome:
    """Try an input; whatever is raised is an outcome."""
    try:
        with at_most(HANG_SECONDS):
            subject.use(example)
    except InputError as error:
        line = printed(error)
        if line.count("\n") != 1 or len(line) > MOST_CHARACTERS:
            what = f"a message of more than {MOST_CHARACTERS} characters {_place(error)}"
            return Outcome("failed", what, line)
        return Outcome("refused")
    except (Exception, Hang, SystemExit) as error:
        return Outcome("failed", f"{type(error).__name__} {_place(error)}", traceback.format_exc())
    return Outcome("accepted")


def printed(error: InputError) -> str:
    """Return what a binary prints of a user's error."""
    output = io.StringIO()
    with contextlib.redirect_stderr(output):
        command_line._fail(str(error))
    return output.getvalue()


def _place(error: BaseException) -> str:
    """Return the innermost line of the project that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/nas_with_rl/" in f.filename or "/tests/" in f.filename]
    frame = (own or frames)[-1]
    return f"at {Path(frame.filename).parent.name}/{Path(frame.filename).name}:{frame.name}"


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise Hang after some seconds, MemoryError beyond MOST_BYTES; in the main thread."""

    def hang(number: int, frame: object) -> None:
        raise Hang(f"longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, hang)
    unlimited = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + MOST_BYTES, unlimited[1]))
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)  # again where a callback has swallowed it
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_DATA, unlimited)


def _data_bytes() -> int:
    """Return what this process has of the memory that RLIMIT_DATA counts."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    return pages * resource.getpagesize()


def check(subject: Subject, *, examples: int, seed: int | None = None) -> None:
    """Try inputs; a failure is shrunk to a small one and raised."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=seed is None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(subject.inputs)
    def tried(example: Any) -> None:
        outcome = outcome_of(subject, example)
        if outcome.kind == "failed":
            raise AssertionError(f"{subject.name}: {outcome.what}\n{outcome.trace}")

    (tried if seed is None else with_seed(seed)(tried))()


@contextlib.contextmanager
def unchanged_if_refused(folder: Path) -> Iterator[None]:
    """Check that a refusal leaves the files of a folder as they are, locks and logs apart."""
    before = digests(folder)
    try:
        yield
    except InputError:
        after = digests(folder)
        changed = [name for name, digest in before.items() if after.get(name) != digest]
        assert not changed, f"refused, and {', '.join(changed)} changed"
        raise


def digests(folder: Path) -> dict[str, str]:
    """Return the files in a folder, without empty ones and those that come and go in its use."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.stat().st_size and not path.name.endswith(("-wal", "-shm"))
    }
