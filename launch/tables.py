"""Print a table of the paper beside this project's own results:
python -m nas_with_rl.launch.tables --table=2

The paper's Table 1 (CIFAR-10), 2 (Penn Treebank, words) or 3 (characters), complete, with a
column "here" that is read from the finished trainings below --runs (`our_results` says which
count for which row), and for each of the paper's own rows the command that makes it, its
parameters and the GPU hours to expect.
"""

from __future__ import annotations

import sys

from absl import flags

from nas_with_rl.launch import command_line
from nas_with_rl.launch.records.workdir import absolute_path
from nas_with_rl.search_spaces.errors import InputError

_TABLE = flags.DEFINE_enum("table", None, ["1", "2", "3"], "Which of the paper's tables.")
_RUNS = flags.DEFINE_string(
    "runs", "runs", "Directory below which finished trainings are looked for."
)
_FORMAT = flags.DEFINE_enum("format", "text", ["text", "markdown"], "How it is printed.")


def main() -> None:
    """Print the table that the flags ask for."""
    if _TABLE.value is None:
        raise InputError("--table is missing: 1, 2 or 3")
    folder = absolute_path(_RUNS.value, "--runs")
    if flags.FLAGS["runs"].present and not folder.is_dir():
        raise InputError(f"--runs={_RUNS.value} is no directory")
    from nas_with_rl.launch.paper import our_results, printed_tables, text, views

    runs, warnings = our_results.read_runs(folder)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    table = printed_tables.PAPER_TABLES[int(_TABLE.value) - 1]
    view = views.view_table(table, runs)
    printers = {"text": text.as_text, "markdown": text.as_markdown}
    print(printers[_FORMAT.value](view))


if __name__ == "__main__":
    command_line.run_main(main)
