"""Search for architectures: python -m nas_with_rl.launch.search --experiment=quickstart

Starts a named experiment in a new workdir, or continues one:

    python -m nas_with_rl.launch.search --workdir=runs/ptb --resume --num_samples=2000
"""

from __future__ import annotations

import sys
import time

from nas_with_rl.launch import command_line
from nas_with_rl.launch.host import interruption
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.search_flags import SearchFlags


def main(flags: SearchFlags) -> int:
    """Run the search that the flags ask for; return the exit status."""
    from nas_with_rl.launch.experiments import catalogue

    if flags.asks_for_help():
        print(catalogue.describe_experiments())
        return 0
    request = flags.request()
    from nas_with_rl.launch.searches.named_run import prepare_libraries

    prepare_libraries(request)
    if "keras" in sys.modules:  # else they are few
        command_line.keep_imports()
    return run(request)


def run(request: SearchRequest) -> int:
    """Run a search to its end result, printed; return the exit status.

    Raises:
      InputError: an impossible request.
    """
    from nas_with_rl.launch.evaluators.local import local_children
    from nas_with_rl.launch.searches import fresh_seeds, summary
    from nas_with_rl.launch.searches.named_run import prepare
    from nas_with_rl.launch.searches.run import execute

    started = time.monotonic()
    named = prepare(request)  # the experiment, its data, a workdir that is free or the run's own
    with (
        local_children(named.data, named.plan) as children,
        named.claim(named.on(children.evaluator, children.plan)) as claimed,
    ):
        print(summary.describe_beginning(named, claimed, children.reason), flush=True)
        with summary.saying_how_to_go_on(claimed.run, named.how_to_go_on):
            result = execute(claimed.run, claimed.place, progress=True)  # store, curves, the loop
        if result.interrupted:
            print(summary.describe_interruption(result, claimed.run, named.how_to_go_on()))
        else:
            print("\n" + summary.describe_search(result, metric=named.metric))
            fresh_seeds.compare_again(result, claimed, children)  # the best cell beside an LSTM
            print(summary.describe_places(result))
    print(f"{(time.monotonic() - started) / 60:.1f} minutes in all")
    return interruption.INTERRUPTED_STATUS if result.interrupted else 0


if __name__ == "__main__":  # where this is imported no flag is defined
    FLAGS = SearchFlags(plan=True)
    command_line.run_main(lambda: main(FLAGS))
