"""Train one architecture to the end, keep its best weights, test them once:

    python -m nas_with_rl.launch.train_architecture --experiment=ptb_small --data_dir=... \\
        --architecture=nas_cell --workdir=runs/nas_cell

The architecture is a line of text as a search prints it and keeps it in `trials.sqlite`, one of
the paper's by name (figure_7, nas_cell, ...), a designed cell (lstm, ...), or a search's workdir,
which stands for its best, and for its experiment, overrides and data where --experiment is not
given. It is trained as the experiment trains its children; overrides change that, as in
child.epochs=35. After any end, --resume --workdir=... continues it.
"""

from __future__ import annotations

import sys

from absl import flags

from nas_with_rl.launch import command_line

_EXPERIMENT = flags.DEFINE_string(
    "experiment",
    None,
    "Whose space, data and training are used; 'help' lists the experiments. Not needed with "
    "--resume, nor with a search's workdir.",
)
_ARCHITECTURE = flags.DEFINE_string(
    "architecture",
    None,
    "What to train: one line of text, a name such as figure_7, or a search's workdir, for its best "
    "architecture.",
)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Directory that keeps the training. Default: runs/<experiment>-<architecture>-<date and time>.",
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Where the data lies, for experiments whose data is not embedded."
)
_SEED = flags.DEFINE_integer(
    "seed",
    None,
    "Equal seeds give equal trainings on one machine. The split of images is that of a search of "
    "seed 0, whatever this is. Default: 0.",
    lower_bound=0,
    upper_bound=2**63 - 1,
)
_OVERRIDE = flags.DEFINE_multi_string(
    "override", [], "Changes a field of the experiment, as in child.epochs=35. Repeatable."
)
_RESUME = flags.DEFINE_bool("resume", False, "Continue the training in --workdir.")
_TEST = flags.DEFINE_enum(
    "test",
    "once",
    ["once", "never", "again"],
    "Whether to look at the test set at the end: once, whatever was resumed; never, so that a "
    "later --resume does; or again, after it was looked at.",
)


def main() -> int:
    """Train what the flags ask for; return the exit status."""
    from nas_with_rl.launch.experiments import catalogue

    if _EXPERIMENT.value == "help":
        print(catalogue.describe_experiments())
        return 0
    catalogue.check_built_in(_EXPERIMENT.value)
    command_line.prepare_backend()
    from nas_with_rl.launch.trainings import training_run
    from nas_with_rl.search_spaces.published import names_taken

    for line in names_taken([_ARCHITECTURE.value or ""]):
        print(line, file=sys.stderr, flush=True)
    return training_run.run(
        training_run.TrainingRequest(
            experiment=_EXPERIMENT.value,
            architecture=_ARCHITECTURE.value,
            workdir=_WORKDIR.value,
            data_dir=_DATA_DIR.value,
            seed=_SEED.value,
            overrides=tuple(_OVERRIDE.value),
            resume=_RESUME.value,
            test=_TEST.value,
        )
    )


if __name__ == "__main__":
    command_line.run_main(main)
