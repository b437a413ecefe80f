"""Cells and ConvNets to build with: `nas.cell` and `nas.convnet`."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS, cell_kind
from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import ImageDataConfig
from nas_with_rl.launch.experiments.overrides import from_json
from nas_with_rl.launch.explorations.cells import PUBLISHED_NAMES, named_cell, path_named
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.results.retrained import best_of
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.convnet import ConvNet
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError, shown, shown_path
from nas_with_rl.search_spaces.field_checks import check_number, checked
from nas_with_rl.search_spaces.published import read_architecture
from nas_with_rl.search_spaces.recurrent_cell import cell_of

if TYPE_CHECKING:
    import keras

MOST_UNITS, MOST_PIXELS, MOST_CLASSES = 10**9, 10**6, 10**9


def cell(found: str | os.PathLike[str] | Architecture, units: int) -> keras.layers.Layer:
    """Return a recurrent cell for a model of one's own, as `keras.layers.RNN(nas.cell(...))`.

    Args:
      found: a name ("nas_cell", "max_cell", "lstm", ...), an architecture or its text, the workdir
        of a search, which stands for its best cell, or that of a training or its `model.keras`.
      units: of its hidden state.

    Returns:
      a new cell, untrained. `signals(inputs, states)` of it returns all that a step computes.

    Raises:
      InputError: it is none of these, or no cell.
    """
    units = checked(units, int, "units")
    check_number(units, "units", least=1, most=MOST_UNITS)
    architecture = found if isinstance(found, Architecture) else None
    return cell_kind(cell_of(architecture) if architecture else named_cell(_text(found))).make(
        units
    )


def convnet(
    found: str | os.PathLike[str] | Architecture,
    *,
    image_shape: tuple[int, int, int] | None = None,
    num_classes: int | None = None,
    space: ConvolutionalSpace | None = None,
    seed: int = 0,
) -> keras.Model:
    """Return a ConvNet, from images [batch, height, width, channels] to logits [batch, classes].

    Args:
      found: a name ("figure_7", ...), an architecture or its text, the workdir of a search, which
        stands for its best ConvNet, or that of a training.
      image_shape: (height, width, channels); None for that of the workdir's images, else 32 x 32
        pixels of 3 channels.
      num_classes: None for 10.
      space: what the architecture is read and built by; None for its own, the workdir's, or the
        paper's first.
      seed: the key of the weights' first values.

    Returns:
      a new model, untrained; a trained one `nas.load_model` opens.

    Raises:
      InputError: it is none of these, or no ConvNet.
    """
    from nas_with_rl.child_models.convnets.builder import build_convnet

    if space is not None and not isinstance(space, ConvolutionalSpace):
        raise InputError(f"space is {shown(space)}, no ConvolutionalSpace")
    read = _read(found, space)
    classes = checked(10 if num_classes is None else num_classes, int, "num_classes")
    check_number(classes, "num_classes", least=1, most=MOST_CLASSES)
    return build_convnet(
        read.convnet,
        image_shape=_checked_shape(image_shape or read.image_shape),
        num_classes=classes,
        batch_norm_epsilon=read.batch_norm_epsilon,
        seed=checked(seed, int, "seed"),
    )


@dataclasses.dataclass(frozen=True)
class _Read:
    """A ConvNet, and how it was built where it was found."""

    convnet: ConvNet
    image_shape: tuple[int, int, int] = (32, 32, 3)
    batch_norm_epsilon: float = ImageTraining.batch_norm_epsilon


def _checked_shape(given: object) -> tuple[int, int, int]:
    shape: tuple[int, ...] = checked(given, tuple[int, ...], "image_shape")
    for value in shape:
        check_number(value, "image_shape", least=1, most=MOST_PIXELS)
    if len(shape) != 3:
        raise InputError(f"image_shape is {shown(shape)}, not (height, width, channels)")
    return shape[0], shape[1], shape[2]


def _text(found: object) -> str:
    if not isinstance(found, str | os.PathLike):
        raise InputError(f"{shown(found)} is no name, text, path or Architecture")
    text: str = checked(found, str, "path")
    return text.strip()


def _read(found: object, space: ConvolutionalSpace | None) -> _Read:
    if isinstance(found, Architecture):
        reader = space or found.space.reader
        if not isinstance(reader, ConvolutionalSpace):
            raise InputError(f"an architecture of {found.space.name!r} is no ConvNet")
        return _Read(reader.convnet(found))
    text = _text(found)
    if path := path_named(text):
        return _of_run(path, space)
    if text in KNOWN_CELLS or text in PUBLISHED_NAMES:
        raise InputError(f"convnet {shown(text)} is a recurrent cell, which nas.cell makes")
    space = space or ConvolutionalSpace()
    return _Read(space.convnet(read_architecture(text, space)))


def _of_run(path: Path, space: ConvolutionalSpace | None) -> _Read:
    title = f"convnet '{shown_path(path)}'"
    place = Workdir(path if os.path.isdir(path) else path.parent, flag="convnet")
    if not place.is_begun():
        raise InputError(f"{title} is no workdir of a run: no experiment.json")
    stored = place.read()
    try:
        space = space or from_json(ConvolutionalSpace, stored.get("space"))
    except InputError:
        raise InputError(f"{title} is a run of no ConvNets of the spaces here") from None
    text = stored.get("architecture")  # of a training
    if text is None and os.path.exists(place.trials):
        best, _ = best_of(place)
        if best is None:
            raise InputError(f"{title}: no trial of this search is completed")
        text = best.trial.architecture
    if not isinstance(text, str):
        raise InputError(f"{title} is neither a search's workdir nor a training's")
    convnet = space.convnet(read_architecture(text, space))
    return _Read(convnet, **_built(stored))


def _built(stored: dict[str, Any]) -> dict[str, Any]:
    """Return how a run builds its ConvNets, as far as it says."""
    try:
        data = from_json(ImageDataConfig, stored.get("data"))
        training = from_json(ImageTraining, stored.get("child"))
    except InputError:  # one of one's own function, say
        return {}
    return {
        "image_shape": data.image_shape,
        "batch_norm_epsilon": training.batch_norm_epsilon,
    }
