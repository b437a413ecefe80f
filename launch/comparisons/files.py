"""A contest's result on disk: `results.json`, and `curves.csv` with every child of every search."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.launch.comparisons.contest import Entry
from nas_with_rl.launch.comparisons.page import write_page
from nas_with_rl.launch.comparisons.standings import Standings
from nas_with_rl.launch.comparisons.text import TEST, sentence
from nas_with_rl.launch.records.storage_errors import storing
from nas_with_rl.launch.records.workdir import Workdir, write_object
from nas_with_rl.search_spaces.whole_files import write_whole

RESULTS_FILE, CURVES_FILE = "results.json", "curves.csv"


def write_files(result: Standings, entries: Sequence[Entry], place: Workdir) -> None:
    """Write all of a workdir's files that say what came of a contest, each whole."""
    write_object(results(result), place.path / RESULTS_FILE)
    _write(curves(entries), place.path / CURVES_FILE)
    with storing(place.report):
        write_page(result, place.report)


def results(result: Standings) -> dict[str, Any]:
    """Return the result as JSON-ready values; None stands for a reward that there is not."""
    budgets, best = result.budgets, result.known.best
    return {
        "experiment": result.contest.name,
        "seeds": result.contest.num_seeds,
        "num_children": budgets[-1],
        "children_trained": result.num_trained,
        "children_asked_for": result.num_asked,
        "ranked_among": len(result.known.rewards),
        "ranked_among_all": result.known.is_all,
        "best": None if best is None else {"architecture": best[0], "reward": best[1]},
        "test": TEST,
        "searchers": [
            {
                "searcher": each.searcher,
                "best_mean": [each.mean(n) for n in range(1, budgets[-1] + 1)],
                "best_standard_deviation": [each.spread(n) for n in range(1, budgets[-1] + 1)],
                "best_by_seed": each.after(budgets[-1]),
                "rank_by_seed": list(each.ranks),
                "mean_trials": each.num_trials,
                "mean_children": each.num_children,
                "top_above_random": {str(k): curve for k, curve in each.top.items()},
            }
            for each in result.standings
        ],
        "pairs": [
            {
                "one": pair.one,
                "other": pair.other,
                "num_children": pair.num_children,
                "verdict": pair.verdict,
                "p": pair.p,
                "p_corrected": pair.corrected,
                "sentence": sentence(pair),
            }
            for pair in result.pairs
        ],
    }


def curves(entries: Sequence[Entry]) -> str:
    """Return every child of every search as CSV; of a failed one the reward is empty."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("searcher", "seed", "child", "reward", "best", "architecture"))
    for entry in entries:
        best: float | None = None
        for number, (architecture, reward) in enumerate(entry.children, start=1):
            if reward is not None and (best is None or reward > best):
                best = reward
            table.writerow((entry.searcher, entry.seed, number, reward, best, architecture))
    return text.getvalue()


def _write(text: str, path: Path) -> None:
    with storing(path):
        write_whole(text, path)
