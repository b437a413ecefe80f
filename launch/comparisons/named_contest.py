"""A contest on a named experiment: what is asked for, checked, run, and told."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import sys

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.controller.columns import Columns
from nas_with_rl.launch.comparisons.contest import (
    CHILDREN_FILE,
    NUM_CHILDREN,
    SEARCHES,
    Contest,
    check_contest,
    check_own_searchers,
    claim_contest,
    config_for,
)
from nas_with_rl.launch.comparisons.files import CURVES_FILE, RESULTS_FILE
from nas_with_rl.launch.comparisons.run import run_in
from nas_with_rl.launch.comparisons.shared_children import seed_of
from nas_with_rl.launch.comparisons.standings import Known, Standings
from nas_with_rl.launch.comparisons.text import describe_standings
from nas_with_rl.launch.comparisons.variants import variant_of
from nas_with_rl.launch.evaluators.kinds.kind import LocatedExperiment
from nas_with_rl.launch.evaluators.kinds.rows import trainer_of
from nas_with_rl.launch.evaluators.local import local_children
from nas_with_rl.launch.evaluators.plans import AUTO
from nas_with_rl.launch.experiments.catalogue import check_overrides
from nas_with_rl.launch.experiments.children import TableLookup, TabularLookup
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.experiments.searchers import needs_tensorflow
from nas_with_rl.launch.host.terminal import say
from nas_with_rl.launch.records.resumption import SearchRequest, new_workdir
from nas_with_rl.launch.searches.named_run import prepare_data, prepare_libraries
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.errors import InputError, shortened
from nas_with_rl.search_spaces.space import SearchSpace

_NO_EFFECT = {
    "search.searcher": "--searchers names them",
    "search.num_samples": "each search ends with its children, --num_children",
    "search.duplicates": "a child is trained once",
    "search.failure_retries": "a child is trained once",
}
MOST_RANKED = 200_000  # architectures of a table that are all looked up


@dataclasses.dataclass(frozen=True)
class ContestRequest:
    """What the binary is asked for.

    Attributes:
      search: the experiment, its overrides, where its data lies, and the workdir.
      searchers: by name.
      num_seeds: of each.
      num_children: of each search; None for what the experiment says, or `NUM_CHILDREN`.
    """

    search: SearchRequest
    searchers: tuple[str, ...]
    num_seeds: int
    num_children: int | None = None

    def led(self) -> SearchRequest:
        """Return the search whose needs are those of all."""
        names = [variant_of(title).searcher for title in self.searchers]
        lead = next(filter(needs_tensorflow, names), names[0])
        overrides = (*self.search.overrides, f"search.searcher={lead}")
        return dataclasses.replace(self.search, overrides=overrides)

    def command(self) -> str:
        """Return the command that continues it."""
        budget = () if self.num_children is None else (f"--num_children={self.num_children}",)
        words = (
            *self.search.words(),
            f"--searchers={','.join(self.searchers)}",
            f"--seeds={self.num_seeds}",
            *budget,
        )
        return shlex.join((sys.executable, "-m", "nas_with_rl.launch.compare_searchers", *words))


def run(request: ContestRequest) -> Standings:
    """Run a contest to its end, or go on with it; say and write what came of it.

    Raises:
      InputError: an impossible request.
    """
    check_contest(request.searchers, request.num_seeds)
    prepare_libraries(request.led())
    check_own_searchers(request.searchers)
    data = prepare_data(request.led())
    contest = _contest(request, data)
    search = dataclasses.replace(request.search, workdir=_workdir(request, contest))
    request = dataclasses.replace(request, search=search)
    data = dataclasses.replace(
        data, experiment=dataclasses.replace(data.experiment, search=contest.config)
    )
    with claim_contest(contest, str(search.workdir)) as place:
        say(f"{contest.name}: {contest.source}\nworkdir: {search.workdir}")
        try:
            told = place.read()
            # Programs round differently: what is left is trained by the one that began.
            with local_children(data, told.get("location", {}).get("plan", AUTO)) as children:
                say(children.reason)
                place.write(told | {"location": {"plan": str(children.plan)}})
                found = run_in(contest, children.evaluator, place, known=known_of(data, contest))
        except BaseException:
            say(f"what was trained is kept; continue with: {request.command()}")
            raise
        say("\n" + describe_standings(found))
        say(
            f"\neverything lies in {place.path}:\n  {place.report.name}  {RESULTS_FILE}  "
            f"{CURVES_FILE}  {CHILDREN_FILE}  {SEARCHES}/"
        )
    return found


def _contest(request: ContestRequest, data: LocatedExperiment) -> Contest:
    experiment = data.experiment
    check_overrides(experiment, request.search.overrides)
    for override in request.search.overrides:
        if reason := _NO_EFFECT.get(override.partition("=")[0].strip()):
            raise InputError(f"override {shortened(override)} has no effect: {reason}")
    assert experiment.search is not None
    asked = request.num_children or experiment.search.num_children or NUM_CHILDREN
    space = experiment.search_space()
    return Contest(
        name=request.search.experiment or experiment.name,
        source=_source(experiment, request),
        space=space,
        config=config_for(experiment.search, asked, space),
        controller=experiment.controller,
        searchers=request.searchers,
        num_seeds=request.num_seeds,
        description={
            "child": as_json(experiment.child),
            "data": as_json(experiment.data),
            "data_found": trainer_of(data).data,
        },
    )


def _source(experiment: Experiment, request: ContestRequest) -> str:
    """Return where the settings come from, without the searcher that is not theirs."""
    changed = ", ".join(request.search.overrides)
    return experiment.source.partition("; changed: ")[0] + (changed and f"; changed: {changed}")


def _workdir(request: ContestRequest, contest: Contest) -> str:
    return request.search.workdir or new_workdir(f"{contest.name.rpartition(':')[2]}-searchers")


def known_of(data: LocatedExperiment, contest: Contest) -> Known | None:
    """Return the rewards of all of a table, which is then where the best are ranked; else None."""
    is_table = isinstance(data.experiment.child, TableLookup | TabularLookup)
    if not is_table or contest.space.size > MOST_RANKED or contest.space.depth:
        return None
    look_up, rewards = trainer_of(data), {}
    for architecture in _all(contest.space):
        text = str(architecture)
        with contextlib.suppress(ChildFailure):
            rewards[text] = look_up(architecture, seed_of(text)).reward
    return Known(rewards, is_all=True)


def _all(space: SearchSpace) -> list[Architecture]:
    columns = Columns(space, max_depth=space.depth)
    rows = columns.all_rows(space.depth, most=MOST_RANKED)
    assert rows is not None
    return columns.architectures(rows, space)
