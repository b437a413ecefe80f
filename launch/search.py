"""Search for architectures: python -m nas_with_rl.launch.search --experiment=quickstart

Starts a named experiment in a new workdir, or continues one:

    python -m nas_with_rl.launch.search --workdir=runs/ptb --resume --num_samples=2000
"""

from __future__ import annotations

import time

from absl import flags

from nas_with_rl.launch import command_line

_EXPERIMENT = flags.DEFINE_string(
    "experiment", None, "Which experiment to run; 'help' lists them. Not needed with --resume."
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Directory that keeps the run. Default: runs/<experiment>-<date and time>."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Where the data lies, for experiments whose data is not embedded."
)
_NUM_SAMPLES = flags.DEFINE_integer(
    "num_samples",
    None,
    "Architectures to sample; a larger number extends a resumed run.",
    lower_bound=1,
)
_SEED = flags.DEFINE_integer(
    "seed",
    None,
    "Equal seeds give equal searches. Default: 0.",
    lower_bound=0,
    upper_bound=2**63 - 1,
)
_RESUME = flags.DEFINE_bool("resume", False, "Continue the run in --workdir.")
_PLAN = flags.DEFINE_string(
    "plan",
    None,
    "How children are trained: auto (measured, the default), population:CHILDREN@PROCESSES, "
    "single@PROCESSES (each compiles its own program) or here (in this process).",
)
_OVERRIDE = flags.DEFINE_multi_string(
    "override", [], "Changes a field of the experiment, as in child.epochs=5. Repeatable."
)


def main() -> int:
    """Run the search that the flags ask for; return the exit status."""
    command_line.prepare_tensorflow()
    from nas_with_rl.launch import experiment_runs, experiments

    if _EXPERIMENT.value == "help":
        print(experiments.describe_experiments())
        return 0
    request = experiment_runs.Request(
        experiment=_EXPERIMENT.value,
        workdir=_WORKDIR.value,
        data_dir=_DATA_DIR.value,
        num_samples=_NUM_SAMPLES.value,
        seed=_SEED.value,
        overrides=tuple(_OVERRIDE.value),
        resume=_RESUME.value,
        plan=_PLAN.value,
    )
    started = time.monotonic()
    interrupted = experiment_runs.run_experiment(request)
    print(f"{(time.monotonic() - started) / 60:.1f} minutes in all")
    return command_line.INTERRUPTED_STATUS if interrupted else 0


if __name__ == "__main__":
    command_line.run(main)
