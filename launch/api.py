"""The Python API: a search over one's own space with one's own evaluation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
from nas_with_rl.launch.configuration import as_json
from nas_with_rl.launch.evaluation import EvaluateFunction, InProcess
from nas_with_rl.launch.results import SearchResult
from nas_with_rl.launch.runs import Run, execute, opened
from nas_with_rl.launch.search_loop import SearchConfig
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import SearchSpace


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """What most searches leave alone.

    Attributes:
      search: batch size, searcher, duplicates, failures, growing depth. Its `num_samples` gives
        way to the argument of `search`.
      controller: the learning rate and the policy. Without XLA, which a search of some hundred
        samples would spend most of its time compiling.
      resume: continue the run in the workdir.
      progress: draw a progress bar.
    """

    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)
    controller: ReinforceConfig = dataclasses.field(
        default_factory=lambda: ReinforceConfig(policy=PolicyConfig(jit_compile=False))
    )
    resume: bool = False
    progress: bool = True


def search(
    space: SearchSpace,
    evaluate: EvaluateFunction,
    *,
    num_samples: int = 1000,
    seed: int = 0,
    workdir: str | Path | None = None,
    options: SearchOptions = SearchOptions(),
) -> SearchResult:
    """Search a space for the architecture of the highest reward.

    Args:
      space: what to choose from.
      evaluate: called with `(architecture)` or `(architecture, seed)`; returns the reward, a pair
        of the reward and named measurements, each a number or a sequence with one per epoch, or a
        `Measurement`. `architecture["name"]` is what was chosen. Raise `ChildFailure` for a child
        that failed; any other exception ends the search, or fails the child with
        `SearchConfig(on_error="fail")`.
      num_samples: architectures to sample.
      seed: equal seeds give equal searches.
      workdir: where trials, checkpoints and curves are kept; None keeps them in memory.
      options: everything else.

    Returns:
      the result: `result.best.architecture`, `result.best.reward`, `result.trials`. Ctrl-C ends
      the search early, with what there is.

    Raises:
      InputError: a workdir of another search, or one that cannot be used; what `evaluate` returned
        is no measurement.
      Exception: as `evaluate` raised it, with a note that names the architecture. Whatever ends
        the search has the result so far as its attribute `search_result`; a run in a workdir can
        be resumed.
    """
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"seed is {seed!r}, not an integer from 0 to 2^63 - 1")
    run = Run(
        name="own",
        source=f"{space.name}: {space.size:,} architectures",
        space=space,
        config=dataclasses.replace(options.search, num_samples=num_samples),
        controller=options.controller,
        seed=seed,
        evaluator=InProcess(evaluate, on_error=options.search.on_error),
        description={"space": as_json(space)},
    )
    if workdir is None:
        if options.resume:
            raise InputError("options.resume needs a workdir, that of the run to continue")
        return execute(run, None, progress=options.progress)
    with opened(run, workdir, resume=options.resume) as place:
        return execute(run, place, progress=options.progress)
