"""What the report of 20,000 trials takes: CPU seconds to write it, bytes, ms until it is ready.

    PYTHONPATH=. python benchmarks/report.py --beside=../before
    PYTHONPATH=. python benchmarks/report.py --html=/tmp    # and keep the pages there

Each figure is the median of several processes that take turns with those of the checkout beside;
a process makes the trials, writes the report once to have everything imported, and is timed as it
writes it twice more. Two spaces: NAS-Bench-201, where architectures come again, and ConvNets of 15
layers with skip connections, of which no two are equal. Ready is a page in Chromium (where there
is one) when its drawings are drawn and its table can be sorted.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
NUM_TRIALS = 20_000
SPACES = ("nas_bench_201", "convnets")
# Runs in either checkout; what it needs of this file is given to it as text.
WRITE = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[1])
import report
print(json.dumps(report.timed(sys.argv[2], sys.argv[3])))
"""


@dataclasses.dataclass(frozen=True)
class Written:
    """A report that was written.

    Attributes:
      seconds: CPU seconds for it.
      num_bytes: of its file.
    """

    seconds: float
    num_bytes: int


def trials_of(name: str, number: int = NUM_TRIALS) -> tuple:
    """Return a space and trials in it as a search leaves them, without a search."""
    from nas_with_rl.launch.records.trial_store import Trial
    from nas_with_rl.search_spaces.architecture import random_architecture
    from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
    from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space

    spaces = {
        "nas_bench_201": NasBench201Space().search_space(),
        "convnets": ConvolutionalSpace().search_space(15),
    }
    space, generator = spaces[name], np.random.default_rng(0)
    known: dict[str, Trial] = {}
    found, now = [], 1.7e9
    for row in range(number):
        text = str(random_architecture(space, generator))
        accuracy = float(np.clip(generator.normal(0.6 + 0.3 * row / number, 0.05), 0.05, 0.99))
        seconds = float(generator.uniform(1, 20))
        now += seconds / 4
        trial = Trial(
            number=row,
            architecture=text,
            depth=space.depth,
            status="completed",
            log_prob=-9.0,
            sampled_version=row // 8,
            updated_version=row // 8 + 1,
            seed=row,
            reward=accuracy**3,
            metrics={"validation_accuracy": [0.8 * accuracy, 0.9 * accuracy, accuracy]},
            num_parameters=int(generator.integers(10_000, 2_000_000)),
            worker=f"worker {row % 4}",
            started=now,
            ended=now + seconds,
            batch=row // 8,
        )
        if generator.random() < 0.02:
            message = f"the loss is nan\nat step {row % 7}"
            trial = dataclasses.replace(
                trial, status="failed", reward=0.0, metrics={}, failure="diverged", message=message
            )
        elif text in known:
            first = known[text]
            trial = dataclasses.replace(
                first, number=row, reused_from=first.number, batch=row // 8, worker=None
            )
        else:
            known[text] = trial
        found.append(trial)
    return space, tuple(found)


def timed(name: str, path: str, repeats: int = 3) -> dict[str, float]:
    """Write a report, in the checkout that is imported; return its figures."""
    import time

    from nas_with_rl.launch.results.search_result import SearchResult

    space, trials = trials_of(name)
    folder = Path(path).parent
    result = SearchResult(space, trials, folder, metric="validation_accuracy")
    try:
        from nas_with_rl.launch.records.workdir import Workdir
        from nas_with_rl.launch.reports.subject import subject_of
        from nas_with_rl.launch.reports.writing import write_report

        def write() -> None:
            subject = subject_of(result, Workdir(folder), state="finished", source="a benchmark")
            write_report(subject, Path(path))
    except ImportError:  # a checkout of before
        from nas_with_rl.launch.searches import report as before  # type: ignore[attr-defined]

        def write() -> None:
            before.write_report(result, title=name, source="a benchmark", path=Path(path))

    seconds = []
    for _ in range(repeats):
        began = time.process_time()
        write()
        seconds.append(time.process_time() - began)
    return {"seconds": statistics.median(seconds[1:]), "bytes": Path(path).stat().st_size}


def written(checkout: Path, name: str, path: Path) -> Written:
    """Write a report in a process of its own, with a checkout's code."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WRITE, str(ROOT / "benchmarks"), name, str(path)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=path.parent
    )
    if done.returncode:
        sys.exit(done.stderr)
    values = json.loads(done.stdout.splitlines()[-1])
    return Written(values["seconds"], int(values["bytes"]))


def ready_ms(path: Path, count: int) -> float | None:
    """Return after how many ms a page is ready, the median; None without a browser."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        return None
    sys.path.insert(0, str(ROOT))
    from tests.harness import browser

    started = browser.start_browser()
    try:
        return statistics.median(started.open(path) for _ in range(count))
    finally:
        started.driver.quit()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--beside", type=Path, help="another checkout, of before")
    parser.add_argument("--count", type=int, default=5, help="processes for each figure")
    parser.add_argument("--html", type=Path, help="where the pages are kept")
    arguments = parser.parse_args()
    checkouts = {"here": ROOT}
    if arguments.beside:
        checkouts["beside"] = arguments.beside.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.html or Path(temporary)
        for name in SPACES:
            found: dict[str, list[Written]] = {where: [] for where in checkouts}
            for _ in range(arguments.count):
                for where, checkout in checkouts.items():
                    path = folder / f"{name}-{where}.html"
                    found[where].append(written(checkout, name, path))
            medians = {w: statistics.median(e.seconds for e in each) for w, each in found.items()}
            ready = ready_ms(folder / f"{name}-here.html", arguments.count)
            shown = "" if ready is None else f", ready after {ready:.0f} ms"
            print(
                f"{name}: {medians['here']:.3f} CPU s, {found['here'][0].num_bytes:,} bytes{shown}"
            )
            if "beside" in medians:
                ratio = medians["here"] / medians["beside"]
                print(
                    f"  beside: {medians['beside']:.3f} CPU s, "
                    f"{found['beside'][0].num_bytes:,} bytes; ratio {ratio:.2f}"
                )


if __name__ == "__main__":
    main()
