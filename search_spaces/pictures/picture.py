"""The picture of any architecture: by what reads its space."""

from __future__ import annotations

import functools
from collections.abc import Callable

from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.convnet import ConvNet
from nas_with_rl.search_spaces.convolutional import (
    ConvolutionalSpace,
    predicted_layers,
    predicted_learning_rate,
)
from nas_with_rl.search_spaces.pictures.cell_values import cell_values, folded
from nas_with_rl.search_spaces.pictures.cells import cell_scene
from nas_with_rl.search_spaces.pictures.convnets import convnet_scene
from nas_with_rl.search_spaces.pictures.scene import Heading, Scene, printable
from nas_with_rl.search_spaces.pictures.svg import svg
from nas_with_rl.search_spaces.pictures.tables import decisions_scene
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell, RecurrentCellSpace, cell_of

LONGEST_TITLE = 160  # characters; it goes on in further lines
MOST_LAYERS, MOST_LINES = 100, 2_000  # of a ConvNet: more is no picture any more
_Drawn = tuple[Heading, Callable[[Heading], Scene]]


def architecture_svg(
    architecture: Architecture,
    *,
    simplified: bool = False,
    title: str | None = None,
    notes: bool = True,
) -> str:
    """Return an architecture's picture as SVG; see `Architecture.svg`."""
    return svg(architecture_scene(architecture, simplified=simplified, title=title, notes=notes))


def architecture_scene(
    architecture: Architecture,
    *,
    simplified: bool = False,
    title: str | None = None,
    notes: bool = True,
) -> Scene:
    """Return where all things of an architecture's picture are; see `Architecture.svg`."""
    reader = architecture.space.reader
    if isinstance(reader, RecurrentCellSpace):
        heading, draw = _cell(cell_of(architecture), simplified)
    elif isinstance(reader, ConvolutionalSpace):
        heading, draw = _convnet(architecture, reader, simplified)
    else:
        heading = Heading(printable(architecture.space.noun))
        draw = functools.partial(decisions_scene, architecture)
    return draw(
        Heading(
            heading.title if title is None else printable(title, LONGEST_TITLE),
            heading.notes if notes else heading.notes[:0],
        )
    )


def _cell(cell: RecurrentCell, simplified: bool) -> _Drawn:
    """Return what stands above a cell's picture, and what draws it."""
    values, title = cell_values(cell), f"recurrent cell of base {cell.base}"
    notes = [
        "×: element by element. Each leaf has weights of its own for x(t) and h(t-1).",
        f"c(t-1) enters at node {cell.inject_node}; c(t) is read at node {cell.output_node}, "
        "before its activation.",
    ]
    if simplified:
        values, title = folded(values), f"{title}, simplified"
        notes[0] = "×: element by element. Below: the leaves whose weights x(t) and h(t-1) meet."
        if any(len(each.leaves) > 1 for each in values.hidden.all()):
            notes[0] += " Those joined by + are added up."
        if values.cell is None:
            notes[1] = "The cell state has no effect on h(t), and is left out."
    draw = functools.partial(cell_scene, values, name_leaves=simplified)
    return Heading(title, tuple(notes)), draw


def _convnet(architecture: Architecture, space: ConvolutionalSpace, simplified: bool) -> _Drawn:
    """Return what stands above a ConvNet's picture, and what draws it."""
    rate, size = predicted_learning_rate(architecture), space.block_size
    if simplified and size > 1:
        convnet = ConvNet(predicted_layers(architecture), learning_rate=rate)
        title, block_size = _counted(len(convnet.layers), "block"), 1
        notes = [f"A block: {size} convolutions of height×width×filters, before changes of width."]
        if space.pool_after:
            after = ", ".join(map(str, space.pool_after))
            notes.append(f"2×2 max pooling of all after layers {after}, where there are as many.")
    else:
        convnet, block_size = space.convnet(architecture), size
        title = _counted(len(convnet.layers), "layer")
        notes = ["Convolutions: height×width×filters."]
    num_lines = sum(len(layer.inputs) for layer in convnet.layers)
    if len(convnet.layers) > MOST_LAYERS or num_lines > MOST_LINES:
        heading = Heading(title, (f"{num_lines:,} lines between layers: too many to be drawn.",))
        return heading, functools.partial(decisions_scene, architecture)
    notes.append(
        "A line leads from a box to all that take it; beside its tip, the number of the box."
    )
    if rate is not None:
        notes.insert(0, f"Learning rate {rate}.")
    draw = functools.partial(convnet_scene, convnet, block_size=block_size)
    return Heading(title, tuple(notes)), draw


def _counted(count: int, unit: str) -> str:
    return f"ConvNet of {count} {unit}{'s' * (count > 1)}"
