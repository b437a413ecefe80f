"""Compare searchers on the same children, and say which are better:
python -m nas_with_rl.launch.compare_searchers --experiment=nas_bench_201 \\
    --searchers=dream,reinforce,evolution,local_search,random --seeds=10 --workdir=runs/searchers

Each searcher is run with each seed until it has asked for --num_children different children. A
child is trained once, whoever asks. After any end the same command goes on in its --workdir, and
may name other searchers, seeds and budgets.
"""

from __future__ import annotations

from absl import flags

from nas_with_rl.launch import command_line
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.search_flags import of_table

_EXPERIMENT = flags.DEFINE_string(
    "experiment", None, "Whose space, children and search are used; 'help' lists the experiments."
)
_SEARCHERS = flags.DEFINE_list(
    "searchers",
    "dream,reinforce,evolution,local_search,random",
    "Which, by name, one of your own as MODULE:CLASS; with settings of its controller as in "
    "reinforce,reinforce+advantage=ranks+learning_rate=0.01.",
)
_SEEDS = flags.DEFINE_integer("seeds", 10, "Searches of each: the seeds from 0.")
_NUM_CHILDREN = flags.DEFINE_integer(
    "num_children", None, "Different children of each search. Default: 100.", lower_bound=1
)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Directory that keeps the comparison, or has it to go on with. Default: "
    "runs/<experiment>-searchers-<date and time>.",
)
_TABLE = flags.DEFINE_string(
    "table", None, "A table of measured architectures in an experiment's place, as of search."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Where the data lies, for experiments whose data is not embedded."
)
_OVERRIDE = flags.DEFINE_multi_string(
    "override", [], "Changes a field of the experiment, as in search.batch_size=4. Repeatable."
)


def main() -> int:
    """Compare what the flags ask for; return the exit status."""
    from nas_with_rl.launch.experiments import catalogue

    if _EXPERIMENT.value == "help":
        print(catalogue.describe_experiments())
        return 0
    experiment, overrides = of_table(_EXPERIMENT.value, tuple(_OVERRIDE.value), _TABLE.value)
    catalogue.check_built_in(experiment)
    from nas_with_rl.launch.comparisons import named_contest

    search = SearchRequest(
        experiment, workdir=_WORKDIR.value, data_dir=_DATA_DIR.value, overrides=overrides
    )
    request = named_contest.ContestRequest(
        search, tuple(_SEARCHERS.value), _SEEDS.value, _NUM_CHILDREN.value
    )
    named_contest.run(request)
    return 0


if __name__ == "__main__":
    command_line.run_main(main)
