"""Runs: a search with everything around it, in a workdir or in memory.

The named experiments of the binaries and the searches of the Python API both come through here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.controller.searcher import Searcher
from nas_with_rl.launch.evaluators.evaluation import CrashLimit, Evaluator
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.experiments.searchers import SearcherSetting, make_searcher
from nas_with_rl.launch.records import continuation, resumption
from nas_with_rl.launch.records.checkpoints import Checkpoints
from nas_with_rl.launch.records.continuation import SEARCH
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.reports.subject import State, subject_of
from nas_with_rl.launch.reports.writing import ReportSoFar, write_report
from nas_with_rl.launch.results.search_result import SearchResult
from nas_with_rl.launch.searches.loop import Observer, Pace, Search, run_search
from nas_with_rl.launch.searches.observers import ClosingObserver, Dispensable, attempt
from nas_with_rl.launch.searches.progress import Progress
from nas_with_rl.launch.searches.time_spent import TimedEvaluator, TimedSearcher, TimeSpent
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import SearchSpace


@dataclasses.dataclass(frozen=True)
class Run:
    """A search that can be started or continued.

    Attributes:
      name: of the experiment.
      source: where its settings come from, for the report.
      space, config, controller, seed: what is searched and how.
      evaluator: what measures architectures.
      pace: how much is under way at a time; None for the synchronous pace.
      strategy: of the parameter servers that hold the controller; None keeps it in this process.
      description: further JSON-ready facts for `experiment.json` that a resumed run must share.
      location: where the data lies and the like, which a resumed run may change.
      metric: the measurement that people think of it in; None for the reward.
    """

    name: str
    source: str
    space: SearchSpace
    config: SearchConfig
    controller: ReinforceConfig
    seed: int
    evaluator: Evaluator
    pace: Pace | None = None
    strategy: Any = None  # tf.distribute.ParameterServerStrategy
    description: dict[str, Any] = dataclasses.field(default_factory=dict)
    location: dict[str, Any] = dataclasses.field(default_factory=dict)
    metric: str | None = None

    def describe(self) -> dict[str, Any]:
        """Return what `experiment.json` says of the run."""
        return {
            "experiment": self.name,
            "seed": self.seed,
            "search": as_json(self.config),
            "controller": as_json(self.controller),
            **self.description,
            "location": self.location,
        }


@dataclasses.dataclass(frozen=True)
class Claim:
    """A run with the workdir that is its own until it ends.

    Attributes:
      run: with the settings that it has taken over, where it is continued.
      place: its workdir.
      changed: what evaluates now and did not before, as `experiment.json` keeps it.
    """

    run: Run
    place: Workdir
    changed: dict[str, Any] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def claim_search(run: Run, workdir: str | Path, *, resume: bool) -> Iterator[Claim]:
    """Claim a workdir: a new one to start a run in, or the run's own to continue it.

    Raises:
      InputError: a workdir that is another run's, in use, damaged, or not there to be resumed.
    """
    changed: dict[str, Any] = {}
    if resume:
        stored = continuation.stored_search(Workdir(workdir))
        config, controller = continuation.taken_over(run.config, run.controller, stored)
        run = dataclasses.replace(run, config=config, controller=controller)
    wanted = run.describe()

    def take_up(stored: dict[str, Any], place: Workdir) -> dict[str, Any]:
        continuation.check_same_search(stored, wanted, place.path)
        changed.update(continuation.change_of(stored, wanted))
        num_trials = _check_length(run, place)
        return continuation.continued(stored, wanted, num_trials)

    with resumption.claim_workdir(
        workdir, wanted, kind=SEARCH, resume=resume, take_up=take_up
    ) as place:
        yield Claim(run, place, changed)


def _check_length(run: Run, place: Workdir) -> int:
    """Return how many trials a run has; InputError where that is more than it is to have."""
    with contextlib.closing(TrialStore(place.trials)) as store:
        num_trials, num_children = len(store), store.num_evaluated()
    if num_trials > run.config.num_samples:
        raise InputError(
            f"--num_samples={run.config.num_samples} is below the {num_trials} trials that "
            f"--workdir={place.path} has"
        )
    if 0 < run.config.num_children < num_children:
        raise InputError(
            f"search.num_children={run.config.num_children} is below the {num_children} children "
            f"that --workdir={place.path} has trained"
        )
    return num_trials


def execute(run: Run, place: Workdir | None, *, progress: bool) -> SearchResult:
    """Run a search to its end, in a claimed workdir or, without one, in memory.

    Ctrl-C ends the search; the result then says `interrupted`. An exception that ends it has the
    result so far as its attribute `search_result`.
    """
    spent = TimeSpent(place.ledger if place else None)
    searcher = TimedSearcher(searcher_of(run), spent)
    evaluator = CrashLimit(run.evaluator) if run.config.on_error == "fail" else run.evaluator
    store = TrialStore(place.trials if place else None)
    with contextlib.closing(store), _observers(run, store, place, progress) as observers:
        search = Search(
            space=run.space,
            config=run.config,
            seed=run.seed,
            searcher=searcher,
            evaluator=TimedEvaluator(evaluator, spent),
            store=store,
            pace=run.pace,
            checkpoints=Checkpoints(place.checkpoints) if place else None,
            children=place.children if place else None,
            observers=tuple(observers),
        )
        interrupted = False
        try:
            with spent.kept():
                run_search(search)
        except KeyboardInterrupt:
            interrupted = True  # perhaps within an update: only what is stored counts
        except Exception as error:
            with contextlib.suppress(Exception):  # of a store that is the error's own reason
                _attach(_found(run, store, place, interrupted=True), error, run)
            raise
        return _found(run, store, place, interrupted=interrupted)


def _found(
    run: Run, store: TrialStore, place: Workdir | None, *, interrupted: bool
) -> SearchResult:
    """Return the result so far, and write its report."""
    found = _result(run, store, place, interrupted=interrupted)
    if place and found.trials:
        report(run, found, place)
    return found


def _result(
    run: Run, store: TrialStore, place: Workdir | None, *, interrupted: bool
) -> SearchResult:
    return SearchResult(
        run.space,
        tuple(store.all()),
        place.path if place else None,
        interrupted,
        metric=run.metric,
        config=run.config,
    )


def report(run: Run, found: SearchResult, place: Workdir) -> None:
    """Write `report.html` of a search that has ended, if that can be done.

    Args:
      run: the search.
      found: its result.
      place: its workdir, from which the rest is read.
    """
    state: State = "stopped" if found.interrupted else "finished"
    attempt("the report", lambda: _write_report(run, found, place, state))


def _write_report(run: Run, found: SearchResult, place: Workdir, state: State) -> None:
    write_report(subject_of(found, place, state=state, source=run.source), place.report)


def _attach(found: SearchResult, error: Exception, run: Run) -> None:
    """Let an exception that ends a search carry the result so far, and say so."""
    error.search_result = found  # type: ignore[attr-defined]
    stored = f"; they are kept in {found.workdir}, where the run can be resumed"
    error.add_note(
        f"{found.describe_done(run.config)} are done: `search_result` of this "
        f"exception has them{stored if found.workdir else ''}"
    )


def searcher_of(run: Run) -> Searcher:
    """Return the run's searcher, new."""
    schedule = run.config.depth if run.space.depth else None
    setting = SearcherSetting(
        space=run.space,
        max_depth=schedule.maximum if schedule else run.space.depth,
        seed=run.seed,
        controller=run.controller,
        strategy=run.strategy,
    )
    return make_searcher(run.config.searcher, setting)


def _curves(directory: Path, store: TrialStore) -> ClosingObserver:
    from nas_with_rl.launch.searches.curves import Curves  # seldom there without TensorFlow

    return Curves(directory, store)


@contextlib.contextmanager
def _observers(
    run: Run, store: TrialStore, place: Workdir | None, progress: bool
) -> Iterator[Sequence[Observer]]:
    observers: list[Dispensable] = []

    def write_so_far() -> None:
        if place:
            result = _result(run, store, place, interrupted=False)
            _write_report(run, result, place, "running")

    with contextlib.ExitStack() as stack:
        if place:
            so_far = functools.partial(ReportSoFar, write_so_far)
            observers.append(Dispensable("the report so far", so_far))
            curves = functools.partial(_curves, place.tensorboard, store)
            observers.append(Dispensable("the curves for TensorBoard", curves))
        if progress:
            bar = functools.partial(
                Progress,
                run.config,
                store,
                has_layers=bool(run.space.depth),
                metric=run.metric,
            )
            observers.append(Dispensable("the progress bar", bar))
        for observer in observers:
            stack.enter_context(contextlib.closing(observer))
        yield observers
