"""The paper in miniature in words: its tables beside the paper's, and which claims hold."""

from __future__ import annotations

import dataclasses
import shlex
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from nas_with_rl.launch.comparisons.top_curves import ContestModels
from nas_with_rl.launch.comparisons.top_figure import all_curves, describe
from nas_with_rl.launch.miniature.asked import (
    CHARACTERS,
    CONTESTS,
    DOCUMENTATION,
    IMAGES,
    SAME,
    SOURCE_CODE,
    TABLES,
    WORDS,
    MiniatureContest,
    MiniatureTable,
)
from nas_with_rl.launch.miniature.found import (
    FoundRow,
    best_of_each,
    read_miniature_contest,
    read_rows,
)
from nas_with_rl.launch.paper.printed_tables import PAPER_TABLES

Format = Literal["text", "markdown"]
_HEADING = ("", "parameters", "multiply-adds", "s an epoch", "validation", "test", "paper")
_UNITS = {
    "accuracy": "error in %",
    "perplexity": "perplexity",
    "bits_per_character": "bits per character",
}


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim of the paper about two rows of a table: the first is better.

    Attributes:
      table: in which both stand.
      better, worse: names of rows; a searcher's is what it has found.
      sentence: the claim.
    """

    table: MiniatureTable
    better: str
    worse: str
    sentence: str


CLAIMS = (
    Claim(CHARACTERS, "reinforce", "lstm", "a cell that the policy found beats the LSTM"),
    Claim(CHARACTERS, "reinforce", "random", "the policy's cell beats random search's"),
    Claim(CHARACTERS, "nas_cell", "lstm", "NASCell beats the LSTM on characters"),
    Claim(WORDS, "nas_cell", "lstm", "NASCell beats the LSTM on words"),
    Claim(WORDS, "reinforce", "lstm", "a cell found on characters beats the LSTM on words"),
    Claim(SOURCE_CODE, "reinforce", "lstm", "a found cell beats the LSTM on source code"),
    Claim(DOCUMENTATION, "reinforce", "lstm", "a found cell beats the LSTM on another text"),
    Claim(IMAGES, "figure_7", "figure_7_dense", "Figure 7 with all skip connections is worse"),
    Claim(IMAGES, "figure_7", "figure_7_no_skips", "Figure 7 without skip connections is worse"),
    Claim(IMAGES, "figure_7", "plain_stack", "Figure 7 beats a plain stack of its parameters"),
    Claim(IMAGES, "reinforce", "random", "the policy's ConvNet beats random search's"),
)


def describe_miniature(runs: Path, asked: str, form: Format) -> str:
    """Return every table, Figure 6 and the claims; what was not run with its command.

    Args:
      runs: the directory of all runs.
      asked: "1", "2", "3" for the tables of that number alone; "" for all.
      form: how tables are written.
    """
    contests = {each.key: read_miniature_contest(each, runs) for each in CONTESTS}
    rows = {table.key: read_rows(table, runs) for table in TABLES}
    shown = [table for table in TABLES if asked in ("", str(table.number or ""))]
    waiting = [table.found for table in shown if not rows[table.key]]
    parts = [
        _contest(each, contests[each.key], runs)
        for each in CONTESTS
        if not asked or (each in waiting and contests[each.key] is None)
    ]
    parts += [_table(table, rows[table.key], runs, contests, form) for table in shown]
    claims = [claim for claim in CLAIMS if claim.table in shown]
    parts.append("\n".join(("What holds at this size:", *_claims(claims, rows))))
    return "\n\n".join(parts)


def command_of(
    table: MiniatureTable, runs: Path, contests: Mapping[str, ContestModels | None]
) -> tuple[str, ...] | None:
    """Return the command of a table; None while its contest, whose best join, has not ended."""
    models = contests[table.found.key]
    return None if models is None else table.command(str(runs), best_of_each(table.found, models))


def as_line(command: Sequence[str]) -> str:
    """Return a command as it is typed."""
    program, *flags = command
    return f"{program} {shlex.join(flags)}".replace("'--data_dir=$DATA'", "--data_dir=$DATA")


def _contest(contest: MiniatureContest, models: ContestModels | None, runs: Path) -> str:
    title = f"Figure 6: {contest.title}"
    if models is None:
        return f"{title}\nnot run: {as_line(contest.command(str(runs)))}"
    return f"{title}\n{describe(models, all_curves(models))}"


def _table(
    table: MiniatureTable,
    rows: Sequence[FoundRow],
    runs: Path,
    contests: Mapping[str, ContestModels | None],
    form: Format,
) -> str:
    number = f"Table {table.number}: " if table.number else ""
    title = f"{number}{table.title}"
    if not rows:
        command = command_of(table, runs, contests)
        waits = f"not run: after {table.found.key}, whose best cells or ConvNets join it"
        return f"{title}\n{waits if command is None else f'not run: {as_line(command)}'}"
    metric = _UNITS[rows[0].metric]
    heading = (*_HEADING[:4], f"{_HEADING[4]}, {metric}", *_HEADING[5:], "tuned to")
    cells = [heading, *(_cells(row, table) for row in _ordered(rows))]
    return f"{title}\n{_markdown(cells) if form == 'markdown' else _text(cells)}"


def _ordered(rows: Sequence[FoundRow]) -> list[FoundRow]:
    return sorted(rows, key=lambda row: statistics.fmean(row.figures("best_validation")))


def _cells(row: FoundRow, table: MiniatureTable) -> tuple[str, ...]:
    first, seconds = row.results[0], row.seconds_per_epoch
    digits = 4 if row.metric == "bits_per_character" else 2
    return (
        row.name,
        f"{first.num_parameters:,}",
        f"{first.multiply_adds:,}",
        "-" if seconds is None else f"{seconds:.1f}",
        _mean(row.figures("best_validation"), digits),
        _mean(row.figures("test"), digits),
        _printed(table, row.name),
        " ".join(each.removeprefix("child.") for each in row.settings),
    )


def _mean(values: Sequence[float], digits: int) -> str:
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{spread} ({len(values)})"


def _printed(table: MiniatureTable, name: str) -> str:
    """Return the paper's figure of a row with its parameters, "" where it has none."""
    key = table.printed.get(name)
    for row in PAPER_TABLES[table.number - 1].rows if key and table.number else ():
        if row.key == key:
            return f"{row.result} ({row.params})"
    return ""


def _claims(claims: Sequence[Claim], rows: Mapping[str, Sequence[FoundRow]]) -> list[str]:
    lines = []
    for claim in claims:
        of_table = {name: row for row in rows[claim.table.key] for name in row.name.split(SAME)}
        pair = of_table.get(claim.better), of_table.get(claim.worse)
        lines.append(f"- {claim.sentence} ({claim.table.key}): {_verdict(*pair)}")
    return lines


def _verdict(better: FoundRow | None, worse: FoundRow | None) -> str:
    """Say whether the seeds of two rows lie apart, and on which side."""
    if better is None or worse is None:
        return "not run, or every training has failed"
    if better is worse:
        return "both are the same architecture"
    which = "test" if better.figures("test") and worse.figures("test") else "best_validation"
    ours, theirs = better.figures(which), worse.figures(which)
    means = f"{statistics.fmean(ours):.4g} against {statistics.fmean(theirs):.4g}"
    if min(len(ours), len(theirs)) < 2:
        return f"one seed does not tell ({means})"
    if max(ours) < min(theirs):
        return f"holds, with every seed ({means})"
    if min(ours) > max(theirs):
        return f"does not hold, with every seed ({means})"
    return f"cannot be told from {len(ours)} seeds ({means})"


def _text(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *map(str.rjust, row[1:-1], widths[1:-1]), row[-1]]
        ).rstrip()
        for row in rows
    )


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
