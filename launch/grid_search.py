"""Tune the best architectures of a search, train the winner and test it once:

    python -m nas_with_rl.launch.grid_search --search=runs/cifar10 --workdir=runs/cifar10-grid

Every combination of the axes, or --points of them, is trained for each of the best architectures
and compared by its validation figure. Without --grid the axes are the paper's, around the search's
own settings.
"""

from __future__ import annotations

from absl import flags

from nas_with_rl.launch import command_line

_SEARCH = flags.DEFINE_string("search", None, "Workdir of the search whose best are tuned.")
_EXPERIMENT = flags.DEFINE_string(
    "experiment",
    None,
    "The search's experiment; needed where it is one of your own, MODULE:ATTRIBUTE.",
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Directory that keeps the grid search.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Where the data lies. Default: as the search.")
_NUM_BEST = flags.DEFINE_integer(
    "num_best", None, "How many of the search's best architectures. Default: 3.", lower_bound=1
)
_GRID = flags.DEFINE_multi_string(
    "grid",
    [],
    "An axis, as in child.learning_rate=0.05,0.1; values that have commas themselves are "
    "separated by semicolons. Repeatable.",
)
_POINTS = flags.DEFINE_integer(
    "points",
    None,
    "How many combinations of the axes are tried, drawn so that each value comes as often as "
    "another. Default: all.",
    lower_bound=1,
)
_OVERRIDE = flags.DEFINE_multi_string(
    "override", [], "Changes a field of every training, as in child.epochs=50. Repeatable."
)
_FINAL_OVERRIDE = flags.DEFINE_multi_string(
    "final_override", [], "Changes a field of the winner's training beside. Repeatable."
)
_RESUME = flags.DEFINE_bool("resume", False, "Continue the grid search in --workdir.")


def main() -> int:
    """Run the grid search that the flags ask for; return the exit status."""
    from nas_with_rl.launch.experiments.catalogue import check_built_in

    check_built_in(_EXPERIMENT.value)
    command_line.prepare_backend()
    from nas_with_rl.launch.trainings import grid_run

    request = grid_run.GridRequest(
        workdir=_WORKDIR.value,
        search=_SEARCH.value,
        experiment=_EXPERIMENT.value,
        data_dir=_DATA_DIR.value,
        num_best=_NUM_BEST.value,
        axes=tuple(_GRID.value),
        num_points=_POINTS.value,
        overrides=tuple(_OVERRIDE.value),
        final_overrides=tuple(_FINAL_OVERRIDE.value),
        resume=_RESUME.value,
    )
    return grid_run.run(request)


if __name__ == "__main__":
    command_line.run_main(main)
