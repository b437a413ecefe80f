"""Write or serve the report of a search: python -m nas_with_rl.launch.report --workdir=runs/nb

Of any search, running, stopped or finished; nothing else is written, and its workdir may be one
that cannot be written to:

    python -m nas_with_rl.launch.report --workdir=runs/nb --output=/tmp/nb.html
    python -m nas_with_rl.launch.report --workdir=runs/nb --serve=8000

What is served renews itself while the search runs, for this machine alone. At any other address, as
--host=0.0.0.0, a reader needs the token that is printed.
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
_SERVE = flags.DEFINE_integer(
    "serve",
    None,
    "Serve the report at this port in place of writing it; 0 takes a free one.",
    lower_bound=0,
    upper_bound=65535,
)
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to serve at; others need the token.")
_TOKEN = flags.DEFINE_string("token", None, "What a reader has to know. Default: a new one.")


def main() -> None:
    """Write or serve the report that the flags ask for."""
    if _WORKDIR.value is None:
        raise InputError("--workdir is missing: the directory of a search")
    if _SERVE.value is not None:
        return _serve(_WORKDIR.value, _SERVE.value)
    for flag in ("host", "token"):
        if flags.FLAGS[flag].present:
            raise InputError(f"--{flag} has no effect without --serve")
    from nas_with_rl.launch.reports.subject import read_subject
    from nas_with_rl.launch.reports.writing import write_report

    path = _output(Workdir(_WORKDIR.value))
    subject = read_subject(_WORKDIR.value)
    try:
        with storing(path):
            write_report(subject, path)
    except FileNotFoundError as error:
        raise InputError(f"--output={path} cannot be written: {error.strerror}") from None
    print(path)
    return None


def _output(place: Workdir) -> Path:
    path = place.report if _OUTPUT.value is None else absolute_path(_OUTPUT.value, "--output")
    if path.is_dir():
        raise InputError(f"--output={_OUTPUT.value} is a directory, not a file")
    if path.suffix not in (".html", ".htm"):
        raise InputError(f"--output={_OUTPUT.value} does not end in .html")
    return path


def _serve(workdir: str, port: int) -> None:
    """Serve until Ctrl-C."""
    if _OUTPUT.value is not None:
        raise InputError("--output and --serve: the report is written or served, not both")
    from nas_with_rl.launch.reports import serving

    token = serving.token_for(_HOST.value, _TOKEN.value)
    server = serving.ReportServer(serving.Pages(workdir), _HOST.value, port, token)
    with server:
        print(f"{server.address}  (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended")


if __name__ == "__main__":
    command_line.run_main(main)
