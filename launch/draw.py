"""Draw an architecture as a picture, an SVG file that opens in any browser:

    python -m nas_with_rl.launch.draw --architecture=figure_7 --output=figure_7.svg
    python -m nas_with_rl.launch.draw --architecture=runs/my_search --output=best.svg --simplified

It is light or dark as its reader's system is, and needs nothing else; in Python,
`architecture.svg()` is the same.
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

from nas_with_rl.launch import command_line

_ARCHITECTURE = flags.DEFINE_string(
    "architecture",
    None,
    "What to draw: a name as figure_7, nas_cell or lstm; a line of text as a search prints it; a "
    "search's workdir, for its best; a training's, or its model.keras.",
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "File to write, a name that ends in .svg. Default: the standard output.",
)
_SIMPLIFIED = flags.DEFINE_bool(
    "simplified",
    False,
    "Fold a cell, which is the same function without identities and what has no effect; of a "
    "ConvNet of blocks draw a box for each block.",
)
_EXPERIMENT = flags.DEFINE_string(
    "experiment",
    None,
    "Whose space a line of text is of, where it is no cell's and not that of the paper's ConvNets.",
)
_OVERRIDE = flags.DEFINE_multi_string(
    "override", [], "Changes a field of the experiment, as in space.block_size=3. Repeatable."
)


def main() -> None:
    """Draw what the flags ask for."""
    from nas_with_rl.launch.handing_on.pictures import find_subject
    from nas_with_rl.launch.records.workdir import absolute_path
    from nas_with_rl.search_spaces.errors import InputError
    from nas_with_rl.search_spaces.pictures.svg import svg
    from nas_with_rl.search_spaces.whole_files import write_whole

    if not (_ARCHITECTURE.value or "").strip():
        raise InputError("--architecture is missing: a name, a line of text, or a workdir")
    if _OUTPUT.value and Path(_OUTPUT.value).suffix != ".svg":
        raise InputError(f"--output={_OUTPUT.value} does not end in .svg")
    output = absolute_path(_OUTPUT.value, "--output") if _OUTPUT.value else None
    subject = find_subject(
        _ARCHITECTURE.value, experiment=_EXPERIMENT.value, overrides=tuple(_OVERRIDE.value)
    )
    scene = subject.scene(simplified=_SIMPLIFIED.value)
    if output is None:
        print(svg(scene), end="")
        return
    try:
        write_whole(svg(scene), output)
    except OSError as error:
        raise InputError(f"--output={_OUTPUT.value} cannot be written: {error.strerror}") from None
    print(f"wrote {_OUTPUT.value}: {scene.title}, {scene.width:.0f} x {scene.height:.0f}")


if __name__ == "__main__":
    command_line.run_main(main)
