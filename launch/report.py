"""Write or serve the report of a search: python -m nas_with_rl.launch.report --workdir=runs/nb

Of any search, running, stopped or finished; nothing else is written, and its workdir may be one
that cannot be written to:

    python -m nas_with_rl.launch.report --workdir=runs/nb --output=/tmp/nb.html
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

from nas_with_rl.launch import command_line
from nas_with_rl.launch.records.storage_errors import storing
from nas_with_rl.launch.records.workdir import Workdir, absolute_path
from nas_with_rl.search_spaces.errors import InputError

_WORKDIR = flags.DEFINE_string("workdir", None, "Directory of the search.")
_OUTPUT = flags.DEFINE_string("output", None, "File to write. Default: report.html in the workdir.")


def main() -> None:
    """Write the report that the flags ask for."""
    if _WORKDIR.value is None:
        raise InputError("--workdir is missing: the directory of a search")
    from nas_with_rl.launch.reports.subject import read_subject
    from nas_with_rl.launch.reports.writing import write_report

    place = Workdir(_WORKDIR.value)
    path = _output(place)
    subject = read_subject(_WORKDIR.value)
    with storing(path):
        write_report(subject, path)
    print(path)


def _output(place: Workdir) -> Path:
    path = place.report if _OUTPUT.value is None else absolute_path(_OUTPUT.value, "--output")
    if path.is_dir():
        raise InputError(f"--output={_OUTPUT.value} is a directory, not a file")
    return path


if __name__ == "__main__":
    command_line.run_main(main)
