"""Runs the paper in miniature: its comparison of searchers, then its tables, one after the other.

    python benchmarks/miniature.py --data_dir=$DATA            # everything, some 20 hours of a core
    python benchmarks/miniature.py --data_dir=$DATA --only=figure_6_cells,characters
    python -m nas_with_rl.launch.tables --scale=miniature      # what was found, at any time

After any end the same command goes on: what is there is not run again. <runs>/times.json has the
wall-clock and processor seconds of every run, summed over its parts.
"""

from __future__ import annotations

import argparse
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

from nas_with_rl.launch.miniature.asked import CONTESTS, TABLES, MiniatureContest, MiniatureTable
from nas_with_rl.launch.miniature.found import best_of_each, read_miniature_contest
from nas_with_rl.launch.records.workdir import Workdir, read_object, write_object

TIMES = "times.json"
DATA = "--data_dir=$DATA"


def command(run: MiniatureContest | MiniatureTable, runs: Path, data_dir: str) -> list[str] | None:
    """Return what runs something, or goes on with it; None while what it needs was not run."""
    if isinstance(run, MiniatureContest):
        program, *flags = run.command(str(runs))
    else:
        models = read_miniature_contest(run.found, runs)
        if models is None:
            return None
        program, *flags = run.command(str(runs), best_of_each(run.found, models))
        if Workdir(runs / run.key).is_begun():
            flags = ["--resume", f"--workdir={runs / run.key}", DATA]
    flags = [f"--data_dir={data_dir}" if flag == DATA else flag for flag in flags]
    return [sys.executable, *program.split()[1:], *flags]


def run_timed(key: str, words: list[str], runs: Path) -> int:
    """Run a command, and add what it took to the times; return its exit status."""
    print(f"\n== {key}\n{shlex.join(words)}", flush=True)
    path, begun, before = runs / TIMES, time.monotonic(), _processor_seconds()
    try:
        return subprocess.run(words, check=False).returncode
    finally:
        times = read_object(path) if path.exists() else {}
        told = times.get(key, {"wall_seconds": 0.0, "processor_seconds": 0.0})
        times[key] = {
            "wall_seconds": told["wall_seconds"] + time.monotonic() - begun,
            "processor_seconds": told["processor_seconds"] + _processor_seconds() - before,
        }
        write_object(times, path)


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", default="runs/miniature", help="directory of all runs")
    parser.add_argument("--data_dir", required=True, help="directory with ptb/ and tfds/")
    parser.add_argument("--only", default="", help="keys of some runs, separated by commas")
    given = parser.parse_args()
    every = {run.key: run for run in (*CONTESTS, *TABLES)}
    keys = given.only.split(",") if given.only else list(every)
    if unknown := [key for key in keys if key not in every]:
        parser.error(f"--only has {unknown[0]!r}, not one of {', '.join(every)}")
    runs = Path(given.runs)
    runs.mkdir(parents=True, exist_ok=True)
    for key in keys:
        words = command(every[key], runs, given.data_dir)
        if words is None:
            print(f"\n== {key}: waits for the comparison of searchers whose best join", flush=True)
            continue
        if status := run_timed(key, words, runs):
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
