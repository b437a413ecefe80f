"""Every searcher with every seed, on the same children; killed at any moment, it goes on.

A search keeps its trials in a file of its own; one that is not at its end learns again from them.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from absl import logging

from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.controller.searcher import Update
from nas_with_rl.launch.comparisons.shared_children import ChildStore, SharedChildren
from nas_with_rl.launch.comparisons.variants import variant_of
from nas_with_rl.launch.evaluators.evaluation import CrashLimit, Evaluator
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.experiments.search_config import SearchConfig, trials_for
from nas_with_rl.launch.experiments.searchers import check_own_searcher
from nas_with_rl.launch.host.progress_bars import NoBar, make_bar
from nas_with_rl.launch.records import resumption
from nas_with_rl.launch.records.resumption import Description, RunKind
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.searches.loop import Search, run_search
from nas_with_rl.launch.searches.run import Run, searcher_of
from nas_with_rl.search_spaces.errors import InputError, shown
from nas_with_rl.search_spaces.space import SearchSpace

SEARCHERS = ("dream", "reinforce", "evolution", "local_search", "random")
NUM_SEEDS, NUM_CHILDREN = 10, 100
MAX_SEEDS = 1000
CHILDREN_FILE, SEARCHES = "children.sqlite", "searches"
COMPARISON = RunKind(
    "comparison of searchers",
    "comparison_of_searchers",
    {},
    may_change=("searchers", "seeds", "search.num_children", "search.num_samples"),
    groups=("search", "controller", "space"),
)


@dataclasses.dataclass(frozen=True)
class Contest:
    """What is compared.

    Attributes:
      name, source: of the experiment.
      space: in which all search.
      config: how, but for the searcher; its `num_children` is the budget of each search.
      controller: of the searchers that learn.
      searchers: by name, with settings of their own as `variants` has them.
      num_seeds: searches of each, with the seeds from 0.
      description: further JSON-ready facts that have to agree where it is continued.
    """

    name: str
    source: str
    space: SearchSpace
    config: SearchConfig
    controller: ReinforceConfig
    searchers: tuple[str, ...]
    num_seeds: int
    description: dict[str, Any] = dataclasses.field(default_factory=dict)

    def describe(self) -> Description:
        """Return what `experiment.json` says of it."""
        return {
            "kind": COMPARISON.kind,
            "experiment": self.name,
            "searchers": list(self.searchers),
            "seeds": self.num_seeds,
            "search": as_json(self.config) | {"searcher": ""},
            "controller": as_json(self.controller),
            "space": as_json(self.space),
            **self.description,
        }


@dataclasses.dataclass(frozen=True)
class Entry:
    """One search of a contest.

    Attributes:
      searcher: its name, with settings of its own.
      seed: of it.
      children: the architectures and rewards of what it asked for, in their order; None for one
        that failed. What was asked for again is not there.
      num_trials: with what was asked for again.
    """

    searcher: str
    seed: int
    children: tuple[tuple[str, float | None], ...]
    num_trials: int


def config_for(search: SearchConfig, num_children: int, space: SearchSpace) -> SearchConfig:
    """Return how each of the searches runs.

    A failure is believed at once, since the child is the same whoever asks.

    Raises:
      InputError: children are to be stopped early.
    """
    if search.early_stopping != "none":
        raise InputError(
            f"search.early_stopping is {search.early_stopping}, which a comparison cannot have: "
            "its searches share their children, and which are stopped hangs on each search"
        )
    if not space.depth:
        num_children = min(num_children, space.size)
    return dataclasses.replace(
        search,
        num_children=num_children,
        num_samples=trials_for(num_children),
        duplicates="reuse",
        failure_retries=0,
    )


def check_contest(searchers: Sequence[str], num_seeds: int) -> None:
    """Raise InputError for searchers or settings that there are not, and for too few seeds."""
    if not searchers or not all(isinstance(name, str) for name in searchers):
        raise InputError("searchers is empty: name at least one, as in evolution,random")
    for place, name in enumerate(searchers):
        if name in searchers[:place]:
            raise InputError(f"searchers has {shown(name)} twice")
        variant_of(name)
    if not 1 <= num_seeds <= MAX_SEEDS:
        raise InputError(f"seeds is {num_seeds}, not from 1 to {MAX_SEEDS:,}")


def check_own_searchers(searchers: Sequence[str]) -> None:
    """Import the classes of one's own among some searchers; see `check_own_searcher`."""
    for name in searchers:
        check_own_searcher(variant_of(name).searcher)


@contextlib.contextmanager
def claim_contest(contest: Contest, workdir: str | Path) -> Iterator[Workdir]:
    """Claim a workdir: a new one, or that of the same contest.

    Searchers, seeds and the budget may be others: what was trained is there for all.

    Raises:
      InputError: it holds something else, is in use or damaged.
    """
    wanted = contest.describe()

    def take_up(stored: Description, place: Workdir) -> Description:
        resumption.check_same(stored, wanted, kind=COMPARISON, workdir=place.path)
        return stored | {name: wanted[name] for name in ("searchers", "seeds", "search")}

    with resumption.claim_workdir(
        workdir,
        wanted,
        kind=COMPARISON,
        resume=Workdir(workdir).is_begun(),
        take_up=take_up,
    ) as place:
        yield place


def run_contest(
    contest: Contest, evaluator: Evaluator, children: ChildStore, *, folder: Path | None,
    progress: bool,
) -> list[Entry]:  # fmt: skip
    """Run all searches that have not ended; return every one, the searchers in their order.

    Args:
      contest: what is compared.
      evaluator: of children that were never trained.
      children: that were.
      folder: for the searches' trials; None for memory.
      progress: draw a progress bar.
    """
    if contest.config.on_error == "fail":
        evaluator = CrashLimit(evaluator)
    shared, found = SharedChildren(evaluator, children), {}
    if folder:
        # With another budget a search is another one: its last batch is cut elsewhere.
        folder = folder / f"{contest.config.num_children}-children"
        folder.mkdir(parents=True, exist_ok=True)
    with _Bar(contest, progress) as bar, _without_notes():
        for seed in range(contest.num_seeds):  # so that what is there when it is killed is fair
            for name in contest.searchers:
                bar.begin(name, seed)
                found[name, seed] = _entry(contest, shared, children, folder, bar)
    return [found[name, seed] for name in contest.searchers for seed in range(contest.num_seeds)]


def _title(searcher: str, seed: int) -> str:
    return f"{searcher.replace(':', '.')}-{seed}"


def search_file(folder: Path, searcher: str, seed: int) -> Path:
    """Return the store of a search's trials, in the folder of those of its budget."""
    return folder / f"{_title(searcher, seed)}.sqlite"


def _entry(
    contest: Contest, shared: SharedChildren, children: ChildStore, folder: Path | None, bar: _Bar
) -> Entry:
    name, seed = bar.searcher, bar.seed
    path = search_file(folder, name, seed) if folder else None
    ended = f"{_title(name, seed)} of {contest.config.num_children} children"
    is_there = path is not None and path.exists() and children.has_ended(ended)
    with contextlib.closing(TrialStore(path)) as store:
        if not is_there:
            bar.finish(store.num_evaluated())
            run_search(_search(contest, shared, store, bar))
            children.end(ended)
        trials = store.all()
    bar.end()
    own = [trial for trial in trials if trial.reused_from is None]
    measured = [(t.architecture, t.reward if t.status == "completed" else None) for t in own]
    return Entry(name, seed, tuple(measured), len(trials))


def _search(contest: Contest, shared: SharedChildren, store: TrialStore, bar: _Bar) -> Search:
    variant = variant_of(bar.searcher)
    config = dataclasses.replace(contest.config, searcher=variant.searcher)
    controller = variant.controller(contest.controller)
    run = Run(contest.name, contest.source, contest.space, config, controller, bar.seed, shared)
    return Search(
        space=contest.space,
        config=config,
        seed=bar.seed,
        searcher=searcher_of(run),
        evaluator=shared,
        store=store,
        observers=(bar,),
    )


@contextlib.contextmanager
def _without_notes() -> Iterator[None]:
    """Keep back what single searches say: how often each repeats itself is in the result."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)


class _Bar:
    """Draws a line for all searches: children that have been asked for, of all that may be.

    Attributes:
      searcher, seed: of the search that is under way.
    """

    def __init__(self, contest: Contest, progress: bool):
        self._budget, self._begun = contest.config.num_children, 0
        self.searcher, self.seed = "", 0
        total = self._budget * len(contest.searchers) * contest.num_seeds
        self._bar = make_bar(total, unit="child") if progress else NoBar()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def begin(self, searcher: str, seed: int) -> None:
        """Begin with a search."""
        self.searcher, self.seed, self._begun = searcher, seed, self._bar.n
        self._bar.describe(f"{searcher}, seed {seed}")

    def finish(self, number: int) -> None:
        """Count children."""
        self._bar.update(number)

    def end(self) -> None:
        """End a search: what it has not asked for it will not."""
        self._bar.update(self._begun + self._budget - self._bar.n)

    def finished(self, trial: Trial) -> None:
        """See `Observer`."""
        if trial.reused_from is None:
            self._bar.update()

    def learned(self, update: Update, trials: Sequence[Trial], store: TrialStore) -> None:
        """Nothing to draw."""
