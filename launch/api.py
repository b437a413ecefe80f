"""The Python API: a search over one's own space with one's own evaluation."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
from nas_with_rl.launch.comparisons.contest import (
    NUM_CHILDREN,
    NUM_SEEDS,
    SEARCHERS,
    Contest,
    check_contest,
    check_own_searchers,
    claim_contest,
    config_for,
)
from nas_with_rl.launch.comparisons.run import run_in
from nas_with_rl.launch.comparisons.standings import Standings
from nas_with_rl.launch.evaluators.evaluation import (
    NO_TRIAL,
    EvaluateFunction,
    Evaluator,
    InProcess,
    MetricRequired,
    check_evaluate,
    named_arguments,
)
from nas_with_rl.launch.experiments.overrides import Config, as_json, from_json
from nas_with_rl.launch.experiments.search_config import MAX_SAMPLES, SearchConfig, trials_for
from nas_with_rl.launch.experiments.searchers import check_own_searcher, is_own
from nas_with_rl.launch.host.terminal import warn
from nas_with_rl.launch.records.continuation import COMMAND, metric_of, stored_search
from nas_with_rl.launch.records.workdir import EXPERIMENT_FILE, Workdir
from nas_with_rl.launch.results.search_result import SearchResult
from nas_with_rl.launch.searches.run import Run, claim_search, execute
from nas_with_rl.search_spaces.counting import shown_count
from nas_with_rl.search_spaces.decisions import Options
from nas_with_rl.search_spaces.errors import InputError, shown, shown_path
from nas_with_rl.search_spaces.field_checks import check_fields, check_number, checked
from nas_with_rl.search_spaces.space import SearchSpace

MAX_WORKERS = 1_000
_ARGUMENTS = (
    ("--resume", "options.resume=True"),
    *((f"--{name}", name) for name in ("workdir", "num_samples", "seed")),
    (
        "let there be fewer processes, or a higher limits.memory_gib",
        "let there be fewer workers, or a higher options.search.child_memory_gib",
    ),
    ("--override=", "options."),
)


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """What most searches leave alone.

    Attributes:
      search: batch size, searcher, duplicates, failures, growing depth. Its `num_samples` counts
        where the argument of `search` is not given. The ceilings of child processes are those of
        `workers`, and refused without; so are the replicas of a cluster.
      controller: the learning rate and the policy. Without XLA, which a search of some hundred
        samples would spend most of its time compiling.
      resume: continue the run in the workdir, one of `nas.search` or one of a binary that a
        function of one's own evaluates; "auto" continues it where there is one, and begins it else.
        `search`, but for its searcher, and `controller` that are left alone are then the run's;
        whether XLA compiles the controller is in any case. A searcher of one's own has to be named
        again.
      progress: show a bar on a terminal and in a notebook; a line a minute elsewhere.
      metric: the measurement of `evaluate` that progress and result speak of beside the reward,
        as "accuracy"; None for the reward alone, or what the run that is resumed has.
    """

    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)
    controller: ReinforceConfig = dataclasses.field(
        default_factory=lambda: ReinforceConfig(policy=PolicyConfig(jit_compile=False))
    )
    resume: bool | Literal["auto"] = False
    progress: bool = True
    metric: str | None = None

    def __post_init__(self) -> None:
        check_fields(self, "options")


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
    space: SearchSpace | Mapping[str, Options],
    evaluate: EvaluateFunction,
    *,
    num_samples: int | None = None,
    num_children: int | None = None,
    seed: int | None = None,
    workdir: str | Path | None = None,
    workers: int | None = None,
    options: SearchOptions = SearchOptions(),
) -> SearchResult:
    """Search a space for the architecture of the highest reward.

    Args:
      space: what to choose from; `{"units": (16, 32)}` is short for a space of such choices, of
        which each has its options in order, or by their texts as `{"small": 16}`.
      evaluate: called with `(architecture)`, `(architecture, seed)` or `(architecture, trial)`, the
        two by these names; returns the reward, a pair of the reward and named measurements, each a
        number or a sequence with one per epoch, or a `Measurement`. `architecture["name"]` is what
        was chosen. A trial has `number`, `seed`, a `directory` of its own, and `report(step,
        value)`, which stores a curve with it and, with `SearchConfig(early_stopping="asha")`,
        raises `Stopped` in a child that is to end. Raise `ChildFailure` for a child that failed;
        any other exception ends the search, or fails the child with
        `SearchConfig(on_error="fail")`.
      num_samples: architectures to sample; None for `options.search.num_samples`, which is 1,000
        by default, or for as many as the run that is resumed.
      num_children: different ones to evaluate, at which the search ends; None for
        `options.search.num_children`, by default no such budget. Trials that repeat an
        architecture cost nothing of it; with it alone there are 50 times as many at most.
      seed: equal seeds give equal searches; None for 0, or that of the run that is resumed.
      workdir: where trials, checkpoints and curves are kept; None keeps them in memory.
      workers: processes that call `evaluate`, at the same time, each on a core or a GPU of its own
        and with the ceilings `SearchConfig(child_seconds, child_memory_gib)`; one that dies is a
        failed trial. They have a copy of `evaluate` and of what it uses, of a notebook's cell too,
        so that what it changes stays with them. Trials are the same with any number. GPUs are
        theirs alone from then on. None: it is called in this process.
      options: everything else.

    Returns:
      the result, which shows itself: `result.best.architecture`, `result.best.reward`,
      `result.top(10)`, `result.table()`, `result.plot()`, `result.trials`. Ctrl-C, and a
      notebook's stop button, end the search early: the result then has what there is, and says
      that it was `interrupted`.

    Raises:
      InputError: an argument that cannot be used; a workdir of another search, or one that cannot
        be used; what `evaluate` returned is no measurement.
      Exception: as `evaluate` raised it, with a note that names the architecture; from a worker a
        RuntimeError with the traceback. Whatever ends the search has the result so far as its
        attribute `search_result`; a run in a workdir can be resumed.
    """
    space, options = _checked_space(space), checked(options, SearchOptions, "options")
    check_evaluate(evaluate)
    workers = _checked_workers(workers)
    workdir = checked(workdir, str | None, "workdir")  # a path as its text
    resume = options.resume
    if resume == "auto":
        resume = workdir is not None and Workdir(workdir).is_begun()
    options = dataclasses.replace(options, resume=resume)
    if num_children is not None:
        num_children = checked(num_children, int, "num_children")
        check_number(num_children, "num_children", least=1, most=MAX_SAMPLES)
        more = dataclasses.replace(options.search, num_children=num_children)
        options = dataclasses.replace(options, search=more)
    num_samples, seed, options = _completed(num_samples, seed, options, workdir)
    num_samples, seed = checked(num_samples, int, "num_samples"), checked(seed, int, "seed")
    check_number(num_samples, "num_samples", least=1, most=MAX_SAMPLES)
    check_number(seed, "seed", least=0, most=2**63 - 1)
    config = dataclasses.replace(options.search, num_samples=num_samples)
    if not resume:  # an earlier version took them
        _check_effect(config, space, evaluate, workers)
    check_own_searcher(config.searcher)
    with _evaluating(evaluate, space, config, workers) as evaluator:
        run = _run(space, evaluator, config=config, options=options, seed=seed)
        if workdir is None:
            return _executed(run, None, options)
        with claim_search(run, workdir, resume=resume) as claimed:
            return _executed(claimed.run, claimed.place, options)


def _run(
    space: SearchSpace,
    evaluator: Evaluator,
    *,
    config: SearchConfig,
    options: SearchOptions,
    seed: int,
) -> Run:
    return Run(
        name="own",
        source=f"{space.name}: {shown_count(space.size)} architectures",
        space=space,
        config=config,
        controller=options.controller,
        seed=seed,
        evaluator=MetricRequired(evaluator, options.metric) if options.metric else evaluator,
        description={"space": as_json(space)},
        location={"metric": options.metric} if options.metric else {},
        metric=options.metric,
    )


def _executed(run: Run, place: Workdir | None, options: SearchOptions) -> SearchResult:
    """Run a search; where somebody looks on, say of one that is stopped what there is."""
    result = execute(run, place, progress=options.progress)
    if result.interrupted and options.progress:
        how = "" if place is None else "; options=nas.SearchOptions(resume=True) goes on with it"
        warn(f"stopped: {result.describe_done(run.config)} are done, which the result has{how}")
    return result


@_flags_as_arguments()
def compare(
    space: SearchSpace | Mapping[str, Options],
    evaluate: EvaluateFunction,
    *,
    searchers: Sequence[str] = SEARCHERS,
    seeds: int = NUM_SEEDS,
    num_children: int = NUM_CHILDREN,
    workdir: str | Path | None = None,
    workers: int | None = None,
    options: SearchOptions = SearchOptions(),
) -> Standings:
    """Run several searchers on the same children, each with several seeds.

    An architecture is evaluated once, whichever searcher asks for it.

    Args:
      space, evaluate: as `search` takes them. A seed that `evaluate` takes is the architecture's
        own, for all searchers.
      searchers: by name, one of one's own as "module:Class", each with settings of its own for
        its controller in place of those of `options`, as "reinforce+advantage=ranks".
      seeds: how many searches each has, with the seeds from 0.
      num_children: different ones that a search may ask for.
      workdir: keeps what was evaluated, `report.html`, `results.json` and `curves.csv`; with the
        same arguments, or other searchers, seeds and budgets, the comparison goes on there.
      workers: as `search` takes them.
      options: everything else; its searcher, budgets, `metric` and `resume` have no effect.

    Returns:
      the standings, which print as the binary says them.

    Raises:
      InputError: an argument that cannot be used, or a workdir of something else.
      Exception: as `evaluate` raised it.
    """
    space, options = _checked_space(space), checked(options, SearchOptions, "options")
    check_evaluate(evaluate)
    workers = _checked_workers(workers)
    workdir = checked(workdir, str | None, "workdir")
    seeds = checked(seeds, int, "seeds")
    num_children = checked(num_children, int, "num_children")
    check_number(num_children, "num_children", least=1, most=MAX_SAMPLES)
    names = tuple(searchers) if not isinstance(searchers, str) else (searchers,)
    check_contest(names, seeds)
    check_own_searchers(names)
    _check_effect(options.search, space, evaluate, workers)
    contest = Contest(
        name="own",
        source=f"{space.name}: {shown_count(space.size)} architectures",
        space=space,
        config=config_for(options.search, num_children, space),
        controller=options.controller,
        searchers=names,
        num_seeds=seeds,
    )
    with _evaluating(evaluate, space, options.search, workers) as evaluator:
        if workdir is None:
            return run_in(contest, evaluator, None, progress=options.progress)
        with claim_contest(contest, workdir) as place:
            return run_in(contest, evaluator, place, progress=options.progress)


@contextlib.contextmanager
def _evaluating(
    evaluate: EvaluateFunction, space: SearchSpace, config: SearchConfig, workers: int | None
) -> Iterator[Evaluator]:
    """Yield what calls `evaluate`; at the end its processes are gone."""
    if workers is None:
        yield InProcess(evaluate, on_error=config.on_error)
        return
    # Here: cloudpickle, and what a child process is, where nothing is sent to one.
    from nas_with_rl.launch.evaluators.own_workers import OwnWorkers

    with OwnWorkers(evaluate, space, workers=workers, config=config) as evaluator:
        yield evaluator


def _checked_workers(workers: object) -> int | None:
    if workers is None:
        return None
    number: int = checked(workers, int, "workers")
    check_number(number, "workers", least=1, most=MAX_WORKERS)
    return number


def _completed(
    num_samples: int | None, seed: int | None, options: SearchOptions, workdir: str | Path | None
) -> tuple[int, int, SearchOptions]:
    """Return what is asked for; where nothing is, what the resumed run says, or the default."""
    usual: Any = options.search.num_samples
    is_usual, asked = usual == SearchConfig().num_samples, options.search.num_children
    stored_seed: Any = 0
    if asked and is_usual:
        usual = trials_for(asked)
    if options.resume:
        if workdir is None:
            raise InputError("options.resume needs a workdir, that of the run to continue")
        place = Workdir(workdir)
        stored = stored_search(place)
        stored_seed = stored.get("seed")
        if is_usual:
            usual = _trials(asked, stored["search"])
        options = _taken_over(options, stored, place)
    return (
        usual if num_samples is None else num_samples,
        stored_seed if seed is None else seed,
        options,
    )


def _taken_over(options: SearchOptions, stored: Mapping[str, Any], place: Workdir) -> SearchOptions:
    """Return options in which what was left alone is as the resumed run has it."""
    default, search, controller = SearchOptions(), options.search, options.controller
    run = _stored(SearchConfig, stored["search"], place)
    alone = dataclasses.replace(
        default.search,
        num_samples=search.num_samples,
        num_children=search.num_children,
        searcher=search.searcher,
    )
    if search == alone and search.searcher in (default.search.searcher, run.searcher):
        _check_named(run.searcher, search.searcher, place)
        search = dataclasses.replace(run, num_children=search.num_children)
    if controller == default.controller:
        controller = _stored(ReinforceConfig, stored["controller"], place)
    if not search.num_children:
        search = dataclasses.replace(search, num_children=run.num_children)
    metric = options.metric or metric_of(stored)
    return dataclasses.replace(options, search=search, controller=controller, metric=metric)


def _trials(asked: int, stored: Mapping[str, Any]) -> Any:
    """Return the ceiling on trials of a run that goes on, where nothing is said of it."""
    there = stored.get("num_samples")
    if asked in (0, stored.get("num_children")) or not isinstance(there, int):
        return there
    return max(there, trials_for(asked))


def _check_named(stored: str, given: str, place: Workdir) -> None:
    """Refuse to import a searcher that a workdir names and the arguments do not."""
    if is_own(stored) and given != stored:
        raise InputError(
            f"workdir={place.path} names a searcher of one's own, which is imported only where "
            "the arguments name it too: if it is one that you trust, add "
            f"options.search=nas.SearchConfig(searcher={stored!r})"
        )


def _stored(kind: type[Config], values: Any, place: Workdir) -> Config:
    try:
        return from_json(kind, values)
    except InputError as error:  # of a value that was not given here
        raise InputError(f"{shown_path(place.path / EXPERIMENT_FILE)}: {error}") from None


def _checked_space(space: object) -> SearchSpace:
    if isinstance(space, Mapping):
        return SearchSpace(space)  # type: ignore[arg-type]
    if not isinstance(space, SearchSpace):
        raise InputError(f"space is {shown(space)}, no SearchSpace and no {{name: options}}")
    return space


def _check_effect(
    config: SearchConfig, space: SearchSpace, evaluate: EvaluateFunction, workers: int | None
) -> None:
    """Raise InputError for settings that have no effect on such a search."""
    if config.num_replicas:
        raise InputError(
            f"search.num_replicas is {config.num_replicas}, which has no effect: it is of a cluster"
        )
    for name in ("child_seconds", "child_memory_gib"):
        if workers is None and (value := getattr(config, name)):
            raise InputError(
                f"search.{name} is {value}, which has no effect: evaluate is called in this "
                "process; with workers=1 it is called in one that has such a ceiling"
            )
    if config.early_stopping != "none" and "trial" not in named_arguments(evaluate):
        raise InputError(f"search.early_stopping is {config.early_stopping}, {NO_TRIAL}")
    if config.depth is not None and not space.depth:
        raise InputError(
            f"search.depth is {shown(config.depth)}, which has no effect: space "
            f"{shown(space.name)} has no layer_decisions"
        )
