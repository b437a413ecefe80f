"""The Python API: a search over one's own space with one's own evaluation."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
from nas_with_rl.launch.configuration import as_json, from_json
from nas_with_rl.launch.continuation import COMMAND, stored_search
from nas_with_rl.launch.evaluation import EvaluateFunction, InProcess
from nas_with_rl.launch.results import SearchResult
from nas_with_rl.launch.runs import Run, execute, opened
from nas_with_rl.launch.search_loop import SearchConfig
from nas_with_rl.launch.workdir import Workdir
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import SearchSpace

_ARGUMENTS = (
    ("--resume", "options.resume=True"),
    *((f"--{name}", name) for name in ("workdir", "num_samples", "seed")),
    ("--override=", "options."),
)


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """What most searches leave alone.

    Attributes:
      search: batch size, searcher, duplicates, failures, growing depth. Its `num_samples` counts
        where the argument of `search` is not given.
      controller: the learning rate and the policy. Without XLA, which a search of some hundred
        samples would spend most of its time compiling.
      resume: continue the run in the workdir, one of `nas.search` or a binary's that a function
        of one's own evaluates. `search` and `controller` that are left alone are then the run's;
        whether XLA compiles the controller is in any case.
      progress: draw a progress bar.
    """

    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)
    controller: ReinforceConfig = dataclasses.field(
        default_factory=lambda: ReinforceConfig(policy=PolicyConfig(jit_compile=False))
    )
    resume: bool = False
    progress: bool = True


@contextlib.contextmanager
def _flags_as_arguments() -> Iterator[None]:
    """Let messages that speak of a binary's flags speak of the arguments of `search`."""
    try:
        yield
    except InputError as error:
        message, command, words = str(error).partition(COMMAND)  # which is a binary's
        for flag, argument in _ARGUMENTS:
            message = message.replace(flag, argument)
        error.args = (message + command + words,)
        raise


@_flags_as_arguments()
def search(
    space: SearchSpace,
    evaluate: EvaluateFunction,
    *,
    num_samples: int | None = None,
    seed: int | None = None,
    workdir: str | Path | None = None,
    options: SearchOptions = SearchOptions(),
) -> SearchResult:
    """Search a space for the architecture of the highest reward.

    Args:
      space: what to choose from.
      evaluate: called with `(architecture)` or `(architecture, seed)`; returns the reward, or a
        pair of the reward and named measurements. `architecture["name"]` is what was chosen.
        Raise `ChildFailure` for a child that failed; any other exception stops the search.
      num_samples: architectures to sample; None for `options.search.num_samples`, by default 1,000
        or as many as the run that is resumed.
      seed: equal seeds give equal searches; None for 0, or that of the run that is resumed.
      workdir: where trials, checkpoints and curves are kept; None keeps them in memory.
      options: everything else.

    Returns:
      the result: `result.best.architecture`, `result.best.reward`, `result.trials`. Ctrl-C ends
      the search early, with what there is.

    Raises:
      InputError: a workdir of another search, or one that cannot be used.
    """
    num_samples, seed, options = _completed(num_samples, seed, options, workdir)
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"seed is {seed!r}, not an integer from 0 to 2^63 - 1")
    run = Run(
        name="own",
        source=f"{space.name}: {space.size:,} architectures",
        space=space,
        config=dataclasses.replace(options.search, num_samples=num_samples),
        controller=options.controller,
        seed=seed,
        evaluator=InProcess(evaluate),
        description={"space": as_json(space)},
    )
    if workdir is None:
        return execute(run, None, progress=options.progress)
    with opened(run, workdir, resume=options.resume) as claim:
        return execute(claim.run, claim.place, progress=options.progress)


def _completed(
    num_samples: int | None, seed: int | None, options: SearchOptions, workdir: str | Path | None
) -> tuple[int, int, SearchOptions]:
    """Return what is asked for; where nothing is, what the resumed run says, or the default."""
    default = SearchOptions()
    usual: Any = options.search.num_samples
    stored_seed: Any = 0
    if options.resume:
        if workdir is None:
            raise InputError("options.resume needs a workdir, that of the run to continue")
        stored = stored_search(Workdir(workdir))
        stored_seed = stored.get("seed")
        search, controller = options.search, options.controller
        if usual == default.search.num_samples:
            usual = stored["search"].get("num_samples")
        if search == dataclasses.replace(default.search, num_samples=search.num_samples):
            search = from_json(SearchConfig, stored["search"])
        if controller == default.controller:
            controller = from_json(ReinforceConfig, stored["controller"])
        options = dataclasses.replace(options, search=search, controller=controller)
    return (
        usual if num_samples is None else num_samples,
        stored_seed if seed is None else seed,
        options,
    )
