"""Search for architectures: python -m nas_with_rl.launch.search --experiment=quickstart

Starts a named experiment in a new workdir, or continues one:

    python -m nas_with_rl.launch.search --workdir=runs/ptb --resume --num_samples=2000
"""

from __future__ import annotations

import dataclasses
import time

from absl import flags

from nas_with_rl.launch import command_line
from nas_with_rl.launch.host import backend, interruption
from nas_with_rl.launch.search_flags import SearchFlags

_SEARCH = SearchFlags()
_PLAN = flags.DEFINE_string(
    "plan",
    None,
    "How children are trained: auto (measured, the default), population:CHILDREN@PROCESSES, "
    "single@PROCESSES (each compiles its own program) or here (in this process).",
)


def main() -> int:
    """Run the search that the flags ask for; return the exit status."""
    backend.prepare_tensorflow()
    from nas_with_rl.launch.experiments import catalogue
    from nas_with_rl.launch.searches import named_run

    if _SEARCH.asks_for_help():
        print(catalogue.describe_experiments())
        return 0
    request = dataclasses.replace(_SEARCH.request(), plan=_PLAN.value)
    started = time.monotonic()
    interrupted = named_run.run_experiment(request)
    print(f"{(time.monotonic() - started) / 60:.1f} minutes in all")
    return interruption.INTERRUPTED_STATUS if interrupted else 0


if __name__ == "__main__":
    command_line.run_main(main)
