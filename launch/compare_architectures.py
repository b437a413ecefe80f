"""Train given architectures one after the other and compare them:

    python -m nas_with_rl.launch.compare_architectures --experiment=cifar10_small --data_dir=... \\
        --architecture=figure_7 --architecture=figure_7_dense --architecture=figure_7_no_skips \\
        --override=space.width_multiplier=0.25 --workdir=runs/figure_7

Each is a final training of its own in <workdir>/<name>, as train_architecture's, with the same
settings and seed. With --grid each is tuned first, by the same trials for all, and with --seeds
trained several times with the best of them:

    --grid=child.learning_rate=0.002,0.005,0.01,0.02 --grid=child.dropout.output=0,0.2 --points=6 \\
    --grid_override=child.epochs=2 --seeds=3

After any end, --resume --workdir=... continues with what is left.
"""

from __future__ import annotations

import sys

from absl import flags

from nas_with_rl.launch import command_line

_EXPERIMENT = flags.DEFINE_string(
    "experiment",
    None,
    "Whose space, data and training are used; 'help' lists the experiments. Not needed with "
    "--resume.",
)
_ARCHITECTURE = flags.DEFINE_multi_string(
    "architecture",
    [],
    "What to train: one line of text, or a name such as figure_7; NAME=TEXT names a text. "
    "Repeatable.",
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Directory that keeps the comparison.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Where the data lies, for experiments whose data is not embedded."
)
_SEED = flags.DEFINE_integer(
    "seed",
    None,
    "Of every training, with --seeds the first. Default: 0.",
    lower_bound=0,
    upper_bound=2**63 - 1,
)
_OVERRIDE = flags.DEFINE_multi_string(
    "override", [], "Changes a field of the experiment, as in child.epochs=35. Repeatable."
)
_GRID = flags.DEFINE_multi_string(
    "grid",
    [],
    "A setting that is tuned and its values, as in child.learning_rate=0.005,0.01; values that "
    "have commas themselves are separated by semicolons. Repeatable.",
)
_POINTS = flags.DEFINE_integer(
    "points",
    None,
    "How many combinations of the --grid values are tried, drawn so that each value comes as "
    "often as another. Default: all.",
    lower_bound=1,
)
_GRID_OVERRIDE = flags.DEFINE_multi_string(
    "grid_override", [], "Changes a field of these trials alone, as in child.epochs=2. Repeatable."
)
_SEEDS = flags.DEFINE_integer(
    "seeds", None, "Final trainings of each architecture. Default: 1.", lower_bound=1
)
_RESUME = flags.DEFINE_bool("resume", False, "Continue the comparison in --workdir.")
_TEST = flags.DEFINE_enum(
    "test",
    "once",
    ["once", "never", "again"],
    "Whether to look at the test set after each training; see train_architecture.",
)


def main() -> int:
    """Compare what the flags ask for; return the exit status."""
    from nas_with_rl.launch.experiments import catalogue

    if _EXPERIMENT.value == "help":
        print(catalogue.describe_experiments())
        return 0
    catalogue.check_built_in(_EXPERIMENT.value)
    command_line.prepare_backend()
    from nas_with_rl.launch.trainings import comparison
    from nas_with_rl.search_spaces.published import names_taken

    for line in names_taken(_ARCHITECTURE.value):
        print(line, file=sys.stderr, flush=True)
    return comparison.run(
        comparison.ComparisonRequest(
            experiment=_EXPERIMENT.value,
            architectures=tuple(_ARCHITECTURE.value),
            workdir=_WORKDIR.value,
            data_dir=_DATA_DIR.value,
            seed=_SEED.value,
            overrides=tuple(_OVERRIDE.value),
            resume=_RESUME.value,
            test=_TEST.value,
            axes=tuple(_GRID.value),
            num_points=_POINTS.value,
            point_overrides=tuple(_GRID_OVERRIDE.value),
            num_seeds=_SEEDS.value,
        )
    )


if __name__ == "__main__":
    command_line.run_main(main)
