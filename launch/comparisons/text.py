"""A contest's result as text: a table of the searchers, and a sentence for each pair."""

from __future__ import annotations

from collections.abc import Sequence

from nas_with_rl.launch.comparisons.paired_tests import ALPHA, fewest_seeds
from nas_with_rl.launch.comparisons.standings import Pair, Standing, Standings

Row = tuple[str, ...]
TEST = "Wilcoxon signed-rank"


def describe_standings(result: Standings) -> str:
    """Return all that is printed at the end."""
    contest, lines = result.contest, []
    lines.append(
        f"{contest.name}: {len(contest.searchers)} searchers, {contest.num_seeds} seeds each, "
        f"{contest.config.num_children:,} children a search; {children_trained(result)}"
    )
    lines += ["", *_aligned(standings_table(result)), "", rank_note(result)]
    if top := top_table(result):
        lines += ["", top_note(result), *_aligned(top)]
    if result.pairs:
        lines += ["", *map(sentence, result.final_pairs())]
    if note := seeds_note(result):
        lines.append(note)
    best = result.known.best
    if best:
        found = "best of all" if result.known.is_all else "best that was found"
        lines += ["", f"{found} (reward {best[1]:.5g}): --architecture='{best[0]}'"]
    return "\n".join(lines)


def children_trained(result: Standings) -> str:
    """Return how many children were trained, for how many that were asked for."""
    return f"{result.num_trained:,} children trained for {result.num_asked:,} asked for"


def standings_table(result: Standings) -> list[Row]:
    """Return a row for each searcher below that of the titles."""
    first, *others = (f"{budget:,}" for budget in result.budgets)
    titles = ("searcher", f"best after {first}", *others, "rank", "found it", "repeats")
    return [titles, *(_row(each, result) for each in result.standings)]


def _row(each: Standing, result: Standings) -> Row:
    repeats = 1 - each.num_children / each.num_trials if each.num_trials else 0.0
    return (
        each.searcher,
        *(_measured(each, budget) for budget in result.budgets),
        "-" if each.mean_rank is None else f"{each.mean_rank:,.1f}",
        f"{each.num_best} of {len(each.ranks)}",
        f"{repeats:.0%}",
    )


def _measured(each: Standing, budget: int) -> str:
    mean = each.mean(budget)
    return "-" if mean is None else f"{mean:.4f} ± {each.spread(budget):.4f}"


def rank_note(result: Standings) -> str:
    """Say what the columns are."""
    number = f"{len(result.known.rewards):,}"
    among = f"all {number} of the table" if result.known.is_all else f"the {number} trained here"
    return (
        "best: mean reward of the best child so far, ± standard deviation over the seeds; rank: of "
        f"the best at the end among {among}, mean; found it: seeds that have the first of these; "
        "repeats: trials that cost no child"
    )


def top_table(result: Standings) -> list[Row]:
    """Return the end of the paper's Figure 6 for each searcher; nothing without random search."""
    rows = [
        (each.searcher, *(f"{curve[-1][1]:+.4f}" if curve else "-" for curve in each.top.values()))
        for each in result.standings
        if each.top and each.searcher != "random"
    ]
    counts = next((each.top for each in result.standings if each.top), {})
    return [("searcher", *(f"top {k}" for k in counts)), *rows] if rows else []


def top_note(result: Standings) -> str:
    """Say what `top_table` has."""
    return (
        f"mean reward of the top k unique models above random search's, after "
        f"{result.budgets[-1]:,} children (the paper's Figure 6)"
    )


def sentence(pair: Pair) -> str:
    """Return which of two is better, or that they are not told apart."""
    first, second = ("none" if mean is None else f"{mean:.4f}" for mean in pair.means)
    if pair.verdict == "not told apart":
        found = f"{pair.one} and {pair.other} are not told apart"
    else:
        found = f"{pair.one} is {pair.verdict} than {pair.other}"
    equal = f", equal on {pair.num_equal}" if pair.num_equal else ""
    children = "1 child" if pair.num_children == 1 else f"{pair.num_children:,} children"
    return (
        f"{found} after {children}: {first} against {second}, better on "
        f"{pair.num_better} of {pair.num_seeds} seeds{equal} (p = {_p(pair.p)}, {TEST}; "
        f"{_p(pair.corrected)} corrected for all pairs)"
    )


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.0e}"


def seeds_note(result: Standings) -> str:
    """Say that there are too few seeds to tell any pair apart; nothing where there are enough."""
    pairs = result.final_pairs()
    if not pairs or result.contest.num_seeds >= fewest_seeds(len(pairs)):
        return ""
    return (
        f"{result.contest.num_seeds} seeds cannot tell {len(pairs)} "
        f"pair{'s' if len(pairs) > 1 else ''} apart at p = {ALPHA}: it takes "
        f"{fewest_seeds(len(pairs))} at least"
    )


def _aligned(rows: Sequence[Row]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
