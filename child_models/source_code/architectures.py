"""An architecture as a file of plain Keras 3, whichever of the spaces here it is of."""

from __future__ import annotations

from nas_with_rl.child_models.source_code.cells import cell_source
from nas_with_rl.child_models.source_code.convnets import convnet_source
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace, cell_of


def architecture_source(architecture: Architecture) -> str:
    """Return the file's text; see `Architecture.source`."""
    reader = architecture.space.reader
    if isinstance(reader, RecurrentCellSpace):
        return cell_source(cell_of(architecture), str(architecture))
    if isinstance(reader, ConvolutionalSpace):
        return convnet_source(reader.convnet(architecture), str(architecture))
    raise InputError(
        f"an architecture of {architecture.space.name!r} is no recurrent cell and no ConvNet: "
        "what it stands for is built elsewhere, and is not known here"
    )
