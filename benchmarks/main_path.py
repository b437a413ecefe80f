"""How long the way from a search's request to its loop is: functions, modules, changes of module.

    PYTHONPATH=. python benchmarks/main_path.py
    PYTHONPATH=CHECKOUT python benchmarks/main_path.py --list

Another checkout of this project is measured by the same script, the version of commit 79b5901 too.
What is counted are the functions of this project that have a name, each once, in the order of their
first calls; a change of module is between two of these. Those of Keras and the like do not count.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import itertools
import os
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nas_with_rl

ROOT = Path(nas_with_rl.__file__).resolve().parents[1]
LOOP = "run_search"


@dataclasses.dataclass(frozen=True)
class Called:
    """A function: the file that it stands in, below the root, and its name."""

    file: str
    name: str


class LoopReached(BaseException):
    """The search's loop is about to begin."""


def path_of(action: Callable[[], object]) -> list[Called]:
    """Return the functions that are called, in the order of their first calls, until the loop."""
    found: dict[Called, None] = {}

    def note(frame: types.FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_filename.startswith("<") or "<" in code.co_name:
            return
        path = Path(os.path.realpath(code.co_filename))
        if not path.is_relative_to(ROOT) or "site-packages" in path.parts:
            return
        found.setdefault(Called(str(path.relative_to(ROOT)), code.co_qualname))
        if code.co_name == LOOP:
            sys.setprofile(None)
            raise LoopReached

    sys.setprofile(note)
    try:
        action()
    except LoopReached:
        return list(found)
    finally:
        sys.setprofile(None)
    raise RuntimeError("the loop was never reached")


def search_of(workdir: str, experiment: str) -> Callable[[], object]:
    """Return what begins a search in this process, in the version that is imported."""
    settings: dict[str, Any] = {"workdir": workdir, "num_samples": 8, "plan": "here"}
    try:
        request = importlib.import_module("nas_with_rl.launch.request").Request
        run = importlib.import_module("nas_with_rl.launch.experiment_runs").run_experiment
    except ModuleNotFoundError:
        request = importlib.import_module("nas_with_rl.launch.records.resumption").SearchRequest
        run = importlib.import_module("nas_with_rl.launch.search").run
        importlib.import_module("nas_with_rl.controller.parameter_servers")  # an import is no call
        for module in ("local", "fresh_seeds", "summary", "curves", "kinds.nas_bench_201"):
            room = "evaluators" if module in ("local", "kinds.nas_bench_201") else "searches"
            importlib.import_module(f"nas_with_rl.launch.{room}.{module}")
    return lambda: run(request(experiment, **settings))


def main() -> None:
    """Print the figures, or the path itself."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--experiment", default="nas_bench_201", help="a named experiment")
    parser.add_argument("--list", action="store_true", help="print every function")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = path_of(search_of(f"{folder}/run", arguments.experiment))
    if arguments.list:
        print("\n".join(f"{called.file}  {called.name}" for called in path))
    changes = sum(one.file != other.file for one, other in itertools.pairwise(path))
    files = {called.file for called in path}
    print(f"functions {len(path)}, modules {len(files)}, changes of module {changes}")


if __name__ == "__main__":
    main()
