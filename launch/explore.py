"""Look inside recurrent cells: train them on a task or a text, and write a page that shows them.

    python -m nas_with_rl.launch.explore --task=counter --cell=lstm
    python -m nas_with_rl.launch.explore --task=counter --cell=lstm --cell=runs/cells_that_count
    python -m nas_with_rl.launch.explore --text=book.txt --cell=gru --num_layers=2 --generate=200

The page is one HTML file that opens from disk, without a network. The trained models stay in
--workdir; the same command with it does not train again.
"""

from __future__ import annotations

from absl import flags

from nas_with_rl.launch import command_line

_TASK = flags.DEFINE_string(
    "task",
    None,
    "counter, selective_counter, state_memorizer, copy_machine or copy_machine_held_out; 'help' "
    "says what they are.",
)
_TEXT = flags.DEFINE_string(
    "text",
    None,
    "In place of a task: a UTF-8 file, or a pattern of files in quotes, of which empty files and "
    "directories are left out. Its last tenth is not trained on; the page shows up to 2,000 "
    "characters, from there or, of a short text, the last.",
)
_CELL = flags.DEFINE_multi_string(
    "cell",
    [],
    "lstm, gru, gru_reset_before, rnn, peephole_lstm, nas_cell, max_cell, figure_5; an "
    "architecture's text as a search prints it; a search's workdir, for its best cell; a trained "
    "model.keras. Given twice, both stand side by side. Default: lstm, or the cells of the "
    "exploration in --workdir.",
)
_NUM_LAYERS = flags.DEFINE_integer(
    "num_layers", None, "Recurrent layers, 1 to 3. Default: the task's, 1 for a text."
)
_GENERATE = flags.DEFINE_integer("generate", 0, "Characters by which each model goes on.")
_TEMPERATURE = flags.DEFINE_float(
    "temperature", 1.0, "Of what is generated; 0 takes the most probable character each time."
)
_SEED = flags.DEFINE_integer(
    "seed",
    None,
    "Equal seeds give equal models on one machine. Default: 0, or as the exploration in --workdir.",
    lower_bound=0,
    upper_bound=2**63 - 1,
)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Directory that keeps the models and the page; what is trained in it is not trained again, and "
    "what is not said is as in the exploration that it holds. "
    "Default: runs/explore-<task>-<date and time>.",
)
_OVERRIDE = flags.DEFINE_multi_string(
    "override", [], "Changes a setting of the training, as in child.units=20. Repeatable."
)


def main() -> int:
    """Explore what the flags ask for; return the exit status."""
    if _TASK.value == "help":
        from nas_with_rl.child_models.data.sequences import TASKS

        print("\n".join(f"{name}: {task.description}" for name, task in TASKS.items()))
        return 0
    command_line.prepare_tensorflow()
    from nas_with_rl.launch.explorations import exploring, preparation

    return exploring.run(
        preparation.ExploreRequest(
            task=_TASK.value,
            text=_TEXT.value,
            cells=tuple(_CELL.value) or None,
            num_layers=_NUM_LAYERS.value,
            generate=_GENERATE.value,
            temperature=_TEMPERATURE.value,
            seed=_SEED.value,
            workdir=_WORKDIR.value,
            overrides=tuple(_OVERRIDE.value),
        )
    )


if __name__ == "__main__":
    command_line.run_main(main)
