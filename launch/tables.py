"""Print a table of the paper beside this project's own results:
python -m nas_with_rl.launch.tables --table=2

The paper's Table 1 (CIFAR-10), 2 (Penn Treebank, words) or 3 (characters), complete, with a
column "here" that is read from the finished trainings below --runs (`our_results` says which
count for which row), and for each of the paper's own rows the command that makes it, its
parameters and the GPU hours to expect. --scale=miniature asks the same questions at a size that
one machine carries.
"""

from __future__ import annotations

import sys
from pathlib import Path

from absl import flags

from nas_with_rl.launch import command_line
from nas_with_rl.launch.records.workdir import absolute_path
from nas_with_rl.search_spaces.errors import InputError

_TABLE = flags.DEFINE_enum("table", None, ["1", "2", "3"], "Which of the paper's tables.")
_SCALE = flags.DEFINE_enum(
    "scale",
    "paper",
    ["paper", "miniature"],
    "Of the paper's size, or in miniature, as one machine carries it: then Figure 6, the tables "
    "and which of the paper's claims hold, of --table alone where it is given.",
)
_RUNS = flags.DEFINE_string(
    "runs",
    None,
    "Directory below which finished trainings are looked for. Default: runs, of the paper in "
    "miniature runs/miniature.",
)
_FORMAT = flags.DEFINE_enum("format", "text", ["text", "markdown"], "How it is printed.")


def main() -> None:
    """Print the table that the flags ask for."""
    miniature = _SCALE.value == "miniature"
    asked = _TABLE.value or ""
    if not asked and not miniature:
        raise InputError("--table is missing: 1, 2 or 3")
    given = _RUNS.value or ("runs/miniature" if miniature else "runs")
    folder = absolute_path(given, "--runs")
    if _RUNS.value and not folder.is_dir():
        raise InputError(f"--runs={_RUNS.value} is no directory")
    if miniature:
        from nas_with_rl.launch.miniature.told import describe_miniature

        print(describe_miniature(Path(given), asked, _FORMAT.value))
        return
    from nas_with_rl.launch.paper import our_results, printed_tables, text, views

    runs, warnings = our_results.read_runs(folder)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    table = printed_tables.PAPER_TABLES[int(asked) - 1]
    view = views.view_table(table, runs)
    printers = {"text": text.as_text, "markdown": text.as_markdown}
    print(printers[_FORMAT.value](view))


if __name__ == "__main__":
    command_line.run_main(main)
