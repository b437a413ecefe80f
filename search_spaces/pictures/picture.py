"""The picture of any architecture: by what reads its space."""

from __future__ import annotations

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
from nas_with_rl.search_spaces.pictures.scene import Scene, printable
from nas_with_rl.search_spaces.pictures.svg import svg
from nas_with_rl.search_spaces.pictures.tables import decisions_scene
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell, RecurrentCellSpace, cell_of


def architecture_svg(
    architecture: Architecture, *, simplified: bool = False, title: str | None = None
) -> str:
    """Return an architecture's picture as SVG; see `Architecture.svg`."""
    return svg(architecture_scene(architecture, simplified=simplified, title=title))


def architecture_scene(
    architecture: Architecture, *, simplified: bool = False, title: str | None = None
) -> Scene:
    """Return where all things of an architecture's picture are; see `Architecture.svg`."""
    reader = architecture.space.reader
    given = None if title is None else printable(title)
    if isinstance(reader, RecurrentCellSpace):
        return recurrent_cell_scene(cell_of(architecture), simplified=simplified, title=given)
    if isinstance(reader, ConvolutionalSpace):
        return _convnet(architecture, reader, simplified, given)
    noun = printable(architecture.space.noun)
    return decisions_scene(architecture, title=noun if given is None else given)


def recurrent_cell_scene(
    cell: RecurrentCell, *, simplified: bool = False, title: str | None = None
) -> Scene:
    """Return the picture of a cell."""
    values = cell_values(cell)
    name = f"recurrent cell of base {cell.base}"
    if simplified:
        return cell_scene(
            folded(values),
            title=f"{name}, simplified" if title is None else title,
            name_leaves=True,
        )
    return cell_scene(values, title=name if title is None else title)


def _convnet(
    architecture: Architecture, space: ConvolutionalSpace, simplified: bool, title: str | None
) -> Scene:
    rate = predicted_learning_rate(architecture)
    if simplified and space.block_size > 1:
        convnet = ConvNet(predicted_layers(architecture), learning_rate=rate)
        unit, block_size = "blocks", 1
    else:
        convnet, unit, block_size = space.convnet(architecture), "layers", space.block_size
    count = len(convnet.layers)
    name = f"ConvNet of {count} {unit if count > 1 else unit[:-1]}"
    notes = [f"learning rate {rate}"] if rate is not None else []
    return convnet_scene(
        convnet, title=name if title is None else title, notes=tuple(notes), block_size=block_size
    )
