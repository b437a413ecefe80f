"""A table of the paper with this project's own results beside it, as data for `text`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nas_with_rl.launch.paper.our_results import OurRun, RowResult, Wanted, our_result_of
from nas_with_rl.launch.paper.our_rows import OUR_ROWS, PENN_TREEBANK, OurRow
from nas_with_rl.launch.paper.printed_tables import PaperRow, PaperTable, PrintedMetric
from nas_with_rl.launch.paper.row_costs import (
    CONVOLUTIONAL_RATE,
    NUM_DRAWN,
    RECURRENT_RATE,
    RowCosts,
    costs_of,
)

DECIMALS: dict[PrintedMetric, int] = {"error": 2, "perplexity": 2, "bits_per_character": 3}
MOST_REJECTED = 3  # runs that are named beside a row though they do not count

DATA = "$DATA: the directory above ptb, which holds ptb.train.txt, ptb.valid.txt, ptb.test.txt."
LOOKED_AGAIN = "† the test set of such a run was looked at more than once."
HERE = (
    "here: read from the finished trainings below --runs; of several the mean ± the sample "
    "standard deviation (their number)."
)


@dataclasses.dataclass(frozen=True)
class OwnRowView:
    """What is said of a row that is made here.

    Attributes:
      row: the paper's.
      here: its result here, or "not run".
      commands: what makes it, in order; each a program and its flags.
      parameters: counted here, against the paper's.
      hours: expected, one entry for each stage.
      runs: what counts and what does not, one line each.
    """

    row: PaperRow
    here: str
    commands: tuple[tuple[str, ...], ...]
    parameters: str
    hours: str
    runs: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class TableView:
    """A table with a column of our own.

    Attributes:
      table: the paper's.
      own: by key, the rows that are made here.
      notes: below the table.
    """

    table: PaperTable
    own: dict[str, OwnRowView]
    notes: tuple[str, ...]


def view_table(table: PaperTable, runs: Sequence[OurRun]) -> TableView:
    """Return a table with what the runs say of its rows."""
    own = {
        row.key: _own_row_view(row, OUR_ROWS[row.key], table.metric, runs)
        for row in table.rows
        if row.key
    }
    versions = (f"{row.model}: {row.first_version}" for row in table.rows if row.first_version)
    first = "; ".join(versions)
    notes = (
        *table.notes,
        *([f"The paper's first version (November 2016) has instead: {first}."] if first else []),
        HERE,
        *([LOOKED_AGAIN] if any("†" in view.here for view in own.values()) else []),
        _counting_note(table),
        _hours_note(table),
        *([DATA] if any("$DATA" in str(view.commands) for view in own.values()) else []),
    )
    return TableView(table, own, notes)


def wanted_by(row: OurRow, metric: PrintedMetric) -> Wanted:
    """Return what a run has to be to count for a row."""
    return Wanted(row.configuration(), row.text, metric, PENN_TREEBANK)


def _own_row_view(
    row: PaperRow, own: OurRow, metric: PrintedMetric, runs: Sequence[OurRun]
) -> OwnRowView:
    wanted, costs = wanted_by(own, metric), costs_of(own)
    result = our_result_of(wanted, runs)
    return OwnRowView(
        row=row,
        here=result.shown(DECIMALS[metric]),
        commands=own.commands(),
        parameters=_parameters(row, own, costs, result),
        hours=", ".join(f"{_hours(work.hours)} for {work.title}" for work in costs.work),
        runs=(
            *(_counting(run, wanted, DECIMALS[metric]) for run in result.runs),
            *_not_counting(result),
        ),
    )


def _parameters(row: PaperRow, own: OurRow, costs: RowCosts, result: RowResult) -> str:
    """Say how many parameters there are beside how many the paper has."""
    if costs.num_parameters is None:
        found = sorted({run.result.num_parameters for run in result.runs})
        here = f"; here {' and '.join(f'{count:,}' for count in found)}" if found else ""
        return f"the paper has {row.params}, of an architecture that it does not print{here}"
    count = costs.num_parameters
    paper = float(row.params.removesuffix("M")) * 1e6
    difference = f"{100 * (count - paper) / paper:+.3f} % from the paper's {row.params}"
    units = f" with two layers of {costs.units:,} units" if costs.units else ""
    return f"{count:,}{units}, {difference}" + (f". {own.note}" if own.note else "")


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.1f}"


def _counting(run: OurRun, wanted: Wanted, decimals: int) -> str:
    result = run.result
    took = (result.seconds_per_epoch or 0.0) * len(result.validation) / 3600
    facts = [
        f"{wanted.figure(run):.{decimals}f}",
        f"seed {run.description.get('seed')}",
        f"{_hours(took)} hours of epochs on {result.device or 'an unnamed device'}",
        *([f"test set looked at {result.test_looks} times"] if result.test_looks > 1 else []),
        *(f"{departure} in the command's place" for departure in wanted.departures(run)),
    ]
    return f"{run.workdir}: {', '.join(facts)}"


def _not_counting(result: RowResult) -> list[str]:
    lines = [f"{run.workdir} does not count: {why}" for run, why in result.rejected]
    more = len(lines) - MOST_REJECTED
    return lines[:MOST_REJECTED] + ([f"{more} more do not count"] if more > 0 else [])


def _counting_note(table: PaperTable) -> str:
    if table.metric == "error":
        return (
            "Parameters: of convolutions without biases, two of batch normalisation a filter, and "
            "one linear layer after global average pooling."
        )
    return (
        "Parameters: embedding, two layers (an LSTM's with biases, a tree's without), softmax with "
        "bias; except where the paper gives it, the hidden size is the one whose total comes "
        "closest to the paper's rounded one."
    )


def _hours_note(table: PaperTable) -> str:
    convolutional = table.metric == "error"
    rate = CONVOLUTIONAL_RATE if convolutional else RECURRENT_RATE
    note = (
        "GPU hours, expected: 3 · 2 · multiply-adds · examples · epochs / rate / 3600, with a rate "
        f"of {rate / 1e12:g} · 10^12 operations per second: an assumption, about what one H200 "
        "sustains in tf32 on kernels as small as these."
    )
    if convolutional:
        note += (
            " An architecture that the paper does not print is counted as the median of "
            f"{NUM_DRAWN} random ones."
        )
    return note
