"""A function of one's own in child processes, sent by value: `nas.search(..., workers=2)`.

cloudpickle writes what a notebook's cell or a script's `__main__` has defined with all that it
uses; what lies in a module is imported there by its name. The function and the space travel in one
pickle, once to each process, so that an option that is a function is the very one that `evaluate`
compares it with. An architecture travels as its tokens.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import io
import pickle
import types
from collections import ChainMap, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, ClassVar, cast

import cloudpickle

from nas_with_rl.launch.evaluators.child_process import Setup, name_of
from nas_with_rl.launch.evaluators.evaluation import (
    EvaluateFunction,
    Evaluation,
    InProcess,
    Outcome,
)
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement
from nas_with_rl.launch.evaluators.process_pool import (
    Limits,
    ProcessPool,
    leave_gpus_to_the_processes,
)
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.experiments.searchers import needs_tensorflow
from nas_with_rl.launch.host import backend, resources
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.errors import InputError, line_of, shown
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Token


@dataclasses.dataclass(frozen=True)
class Sent:
    """What a child process gets: the pickle of (function, space)."""

    pickled: bytes


@dataclasses.dataclass(frozen=True)
class _Tokens:
    """An architecture without its space."""

    tokens: tuple[Token, ...]
    depth: int


class OwnWorkers:
    """An evaluator that calls a function of one's own in child processes.

    What the function raises ends the search as `WorkError`, whose message is the traceback, an
    InputError as that. See `ProcessPool` for ceilings and for what becomes of dead processes.
    """

    def __init__(
        self, function: EvaluateFunction, space: SearchSpace, *, workers: int, config: SearchConfig
    ):
        """Write the function; the processes start with the block, or at the first use.

        Args:
          function: as `InProcess` calls it.
          space: of its architectures, at any depth.
          workers: how many processes.
          config: the ceilings of a child, and what an exception does.

        Raises:
          InputError: the function, or an option of the space, cannot be written.
        """
        argument = sent(function, space)
        _leave_gpus(config.searcher)
        self._processes = ProcessPool(
            Setup(name_of(make_evaluate), argument, backends=()),
            num_processes=workers,
            group_size=1,
            limits=Limits(config.child_seconds, config.child_memory_gib),
            on_error=config.on_error,
        )

    def __enter__(self) -> OwnWorkers:
        self._processes.start()  # while this one imports what its searcher needs
        return self

    def __exit__(self, *error: object) -> None:
        self._processes.close()

    def evaluate(self, queue: deque[Evaluation]) -> Generator[Outcome, None, None]:
        """See `Evaluator`."""
        asked: dict[int, Evaluation] = {}
        written: deque[Evaluation] = deque()

        def take() -> None:
            while queue:
                evaluation = queue.popleft()
                asked[evaluation.trial] = evaluation
                written.append(_written(evaluation))

        take()
        with contextlib.closing(self._processes.evaluate(written)) as outcomes:
            for outcome in outcomes:
                evaluation = asked.pop(outcome.evaluation.trial)
                yield dataclasses.replace(outcome, evaluation=evaluation)
                take()


def _leave_gpus(searcher: str) -> None:
    """Hide the GPUs from this process, whose controller would take the memory of all."""
    if not resources.named_gpus():
        return
    if needs_tensorflow(searcher):
        backend.prepare_controller()
    with contextlib.suppress(RuntimeError):  # it uses them already
        leave_gpus_to_the_processes()


def _written(evaluation: Evaluation) -> Evaluation:
    architecture = evaluation.architecture
    tokens = _Tokens(architecture.tokens, architecture.space.depth)
    return dataclasses.replace(evaluation, architecture=cast(Architecture, tokens))


def sent(function: EvaluateFunction, space: SearchSpace) -> Sent:
    """Write a function and the space of its architectures.

    Raises:
      InputError: what cannot be written, by its name where that is known.
    """
    try:
        return Sent(_pickled((function, space)))
    except Exception as error:  # of any kind: what is written may do what it likes
        for title, value in (*_options(space), *_used(function)):
            if (found := _problem(value)) is not None:
                raise _unsendable(f"{title}, {shown(value)},", found) from None
        raise _unsendable("evaluate", error) from None


class _Pickler(cloudpickle.Pickler):
    """Keeps the names of files, which newer versions of cloudpickle leave out, for tracebacks."""

    dispatch_table: ClassVar = ChainMap(
        {types.CodeType: lambda code: _written_code(code)}, cloudpickle.Pickler.dispatch_table
    )


def _written_code(code: types.CodeType) -> tuple[Any, ...]:
    make, arguments, *_ = cloudpickle.Pickler.dispatch_table[types.CodeType](code)
    return _read_code, (code.co_filename, make, arguments)


def _read_code(filename: str, make: Callable[..., types.CodeType], arguments: Any) -> Any:
    return make(*arguments).replace(co_filename=filename)


def _pickled(value: object) -> bytes:
    file = io.BytesIO()
    _Pickler(file).dump(value)
    return file.getvalue()


def _unsendable(what: str, error: Exception) -> InputError:
    return InputError(
        f"{what} cannot be sent to the workers' processes: {line_of(error)}; make it within "
        "evaluate, or leave workers away"
    )


def _problem(value: object) -> Exception | None:
    try:
        _pickled(value)
    except Exception as error:
        return error
    return None


def _options(space: SearchSpace) -> Iterator[tuple[str, Any]]:
    for decision in (*space.decisions, *space.layer_decisions):
        if isinstance(decision, Choice):
            for option in decision.options:
                yield f"an option of {decision.name!r}", option


def _used(function: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a function uses by name, and what an object that is called holds."""
    owner = getattr(function, "__self__", function)
    if not inspect.isfunction(function):
        yield from ((f"evaluate's {name!r}", value) for name, value in _held(owner))
    with contextlib.suppress(TypeError, ValueError):  # of what is no function, or not whole yet
        used = inspect.getclosurevars(inspect.unwrap(function))
        for name, value in {**used.globals, **used.nonlocals}.items():
            yield f"{name!r}, which evaluate uses", value


def _held(value: object) -> Iterator[tuple[str, Any]]:
    with contextlib.suppress(TypeError):  # of what has no attributes of its own
        yield from vars(value).items()


def make_evaluate(
    sent: Sent,
) -> Callable[[Sequence[Evaluation]], list[Measurement | Failure]]:
    """Return what evaluates groups of children in a child process.

    Raises:
      InputError: a module that the function lies in or uses cannot be imported here.
    """
    try:
        function, space = pickle.loads(sent.pickled)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"evaluate cannot be read in a worker's process: {line_of(error)}; a module that it "
            "lies in or uses must be found on sys.path there too"
        ) from error
    evaluator = InProcess(function)

    def evaluate(group: Sequence[Evaluation]) -> list[Measurement | Failure]:
        whole = deque(_whole(each, space) for each in group)
        return [outcome.result for outcome in evaluator.evaluate(whole)]

    return evaluate


def _whole(evaluation: Evaluation, space: SearchSpace) -> Evaluation:
    found = cast(_Tokens, evaluation.architecture)
    if found.depth != space.depth:
        space = space.at_depth(found.depth)
    return dataclasses.replace(evaluation, architecture=Architecture(space, found.tokens))
