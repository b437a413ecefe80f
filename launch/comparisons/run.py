"""A contest from its searches to its files, in a workdir or in memory: of binary and API alike."""

from __future__ import annotations

import contextlib

from nas_with_rl.launch.comparisons.contest import (
    CHILDREN_FILE,
    SEARCHES,
    Contest,
    run_contest,
)
from nas_with_rl.launch.comparisons.files import write_files
from nas_with_rl.launch.comparisons.shared_children import ChildStore
from nas_with_rl.launch.comparisons.standings import Known, Standings, standings_of
from nas_with_rl.launch.evaluators.evaluation import Evaluator
from nas_with_rl.launch.records.workdir import Workdir


def run_in(
    contest: Contest,
    evaluator: Evaluator,
    place: Workdir | None,
    *,
    known: Known | None = None,
    progress: bool = True,
) -> Standings:
    """Run a contest in a claimed workdir or, without one, in memory; write what came of it.

    Args:
      contest: what is compared.
      evaluator: of children.
      place: its workdir.
      known: what the best are ranked among; None for all that were trained here.
      progress: draw a progress bar.
    """
    folder = place.path if place else None
    with contextlib.closing(ChildStore(folder / CHILDREN_FILE if folder else None)) as children:
        entries = run_contest(
            contest,
            evaluator,
            children,
            folder=folder / SEARCHES if folder else None,
            progress=progress,
        )
        known = known or Known(children.rewards(), is_all=False)
        found = standings_of(contest, entries, known, num_trained=len(children))
    if place:
        write_files(found, entries, place)
    return found
