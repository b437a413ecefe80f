"""Train one architecture: python -m nas_with_rl.launch.train_architecture --experiment=ptb_small
--architecture='...' --data_dir=...

The architecture is the line of text that a search prints and keeps in `trials.sqlite`. It is
trained as the experiment trains its children; overrides change that, as in child.epochs=35.
"""

from __future__ import annotations

from absl import flags

from nas_with_rl.launch import command_line
from nas_with_rl.search_spaces.errors import InputError

_EXPERIMENT = flags.DEFINE_string(
    "experiment", None, "Whose space, data and training are used; 'help' lists the experiments."
)
_ARCHITECTURE = flags.DEFINE_string("architecture", None, "What to train, as one line of text.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Where the data lies, for experiments whose data is not embedded."
)
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "Equal seeds give equal children on one machine.",
    lower_bound=0,
    upper_bound=2**63 - 1,
)
_OVERRIDE = flags.DEFINE_multi_string(
    "override", [], "Changes a field of the experiment, as in child.epochs=35. Repeatable."
)


def main() -> int:
    """Train what the flags ask for; return the exit status."""
    command_line.prepare_tensorflow()
    from nas_with_rl.launch import experiments, single_training

    if _EXPERIMENT.value == "help":
        print(experiments.describe_experiments())
        return 0
    experiment = experiments.configured(_EXPERIMENT.value, _OVERRIDE.value)
    if _ARCHITECTURE.value is None:
        raise InputError("--architecture is missing: a line of text as a search prints it")
    request = single_training.Request(_ARCHITECTURE.value, _DATA_DIR.value, _SEED.value)
    print(single_training.train(experiment, request))
    return 0


if __name__ == "__main__":
    command_line.run(main)
