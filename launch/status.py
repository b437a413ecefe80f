"""Say how a search stands, under way or not: python -m nas_with_rl.launch.status --workdir=runs/nb

Reads the workdir alone, wherever it can be read: of another user, on another machine, on a mount
that cannot be written to, while the search goes on. Says whether it runs, and how that is known;
trials; the best so far; speed and time left. The exit status is 0 where it runs or is finished, 1
where it has ended before its end, so that --resume goes on with it, and 3 where that cannot be told
from here.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import sys
import time
from typing import TYPE_CHECKING

from absl import flags

from nas_with_rl.launch import command_line
from nas_with_rl.search_spaces.errors import InputError, shortened, shown_path

if TYPE_CHECKING:
    from nas_with_rl.launch.results.run_state import SearchState

_WORKDIR = flags.DEFINE_string("workdir", None, "Directory of the search.")
_WATCH = flags.DEFINE_float(
    "watch",
    None,
    "Say it again every so many seconds, until the search has ended or Ctrl-C.",
    lower_bound=0.1,
)
_FORMAT = flags.DEFINE_enum(
    "format", "text", ["text", "json"], "How it is printed; json is an object on a line."
)

_STATUSES = {"running": 0, "finished": 0, "interrupted": 1, "killed": 1, "unknown": 3}
_LONGEST = 120  # characters of an architecture


def main() -> int:
    """Print how the search that the flags name stands; return the exit status."""
    if not _WORKDIR.value:
        raise InputError("--workdir is missing: the directory of the search")
    from nas_with_rl.launch.results.run_state import state_of

    while True:
        state = state_of(_WORKDIR.value)
        if _FORMAT.value == "json":
            print(json.dumps(dataclasses.asdict(state)), flush=True)
        else:
            again = _WATCH.value is not None and sys.stdout.isatty()
            print(("\033[H\033[J" if again else "") + described(state, time.time()), flush=True)
        if _WATCH.value is None or state.state not in ("running", "unknown"):
            return _STATUSES[state.state]
        time.sleep(_WATCH.value)
        if _FORMAT.value == "text":
            print()


def described(state: SearchState, now: float) -> str:
    """Return what is known of a search in lines of text."""
    rows = [
        ("search", f"{state.experiment} in {shown_path(state.workdir)}"),
        ("state", f"{state.state}: {state.known_by}"),
    ]
    if state.since is not None:
        rows.append(("since", _moment(state.since, now)))
    rows.append(("trials", _trials(state)))
    if state.best is not None:
        rows.append(("best", f"{state.best.text} (trial {state.best.trial})"))
        rows.append(("", shortened(state.best.architecture, _LONGEST)))
    pace = state.pace
    if pace.per_minute is not None and pace.measured_seconds is not None:
        over = _duration(pace.measured_seconds)
        rows.append(("speed", f"{pace.per_minute:.3g} {pace.counts} a minute over {over}"))
    if pace.seconds_left:
        end = _clock(now + pace.seconds_left, now)
        rows.append(("left", f"about {_duration(pace.seconds_left)} at that speed, until {end}"))
    if state.last_write is not None:
        rows.append(("last write", _moment(state.last_write, now)))
    return "\n".join(f"{title:11}{text}" for title, text in rows)


def _trials(state: SearchState) -> str:
    counts, pace = state.trials, state.pace
    parts = [
        f"{pace.done:,} of {pace.budget:,} {pace.counts}",
        f"{counts.completed:,} completed",
        *([f"{counts.stopped:,} stopped early"] if counts.stopped else []),
        f"{counts.failed:,} failed",
        f"{counts.reused:,} reused",
        f"{counts.under_way:,} {'under way' if state.state == 'running' else 'without an outcome'}",
    ]
    return ", ".join(parts)


def _moment(moment: float, now: float) -> str:
    """Return a time of day with how long ago it is."""
    return f"{_clock(moment, now)}, {_duration(max(now - moment, 0.0))} ago"


def _clock(moment: float, now: float) -> str:
    there, here = (datetime.datetime.fromtimestamp(each) for each in (moment, now))
    return f"{there:%H:%M:%S}" if there.date() == here.date() else f"{there:%Y-%m-%d %H:%M}"


def _duration(seconds: float) -> str:
    from nas_with_rl.launch.results.times import duration

    return duration(seconds)


if __name__ == "__main__":
    command_line.run_main(main)
