"""Trained models as `.keras` files that say which architecture they are.

A file is Keras's own, so `keras.models.load_model` takes it, with one member more in the archive:
`nas_with_rl.json`, the description.
"""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
from pathlib import Path
from typing import Any, Literal

import keras

from nas_with_rl.search_spaces.errors import InputError

MEMBER = "nas_with_rl.json"
_OF_KERAS = "config.json"  # a member of every .keras file

Kind = Literal["convnet", "language_model"]


@dataclasses.dataclass(frozen=True)
class SavedDescription:
    """What a saved model is.

    Attributes:
      kind: a ConvNet takes whitened images (`images.whiten`), a language model token numbers.
      architecture: as one line of text.
      experiment: whose training it had.
      epoch: after how many epochs it was saved.
      validation: its figure then, in the metric of the training.
      vocabulary: of a language model, the token of each number.
    """

    kind: Kind
    architecture: str
    experiment: str
    epoch: int
    validation: float
    vocabulary: tuple[str, ...] = ()


def save_model(model: keras.Model, path: Path, description: SavedDescription) -> None:
    """Write a model, whole or not at all."""
    temporary = path.with_name(f"writing-{path.name}")  # Keras wants the ending
    model.save(temporary)
    with zipfile.ZipFile(temporary, "a") as archive:
        archive.writestr(MEMBER, json.dumps(dataclasses.asdict(description)))
    os.replace(temporary, path)


def describe_model(path: str | Path) -> SavedDescription:
    """Return what a saved model is, without loading it.

    Raises:
      InputError: no such file, no `.keras` file, or one of another project's model.
    """
    path = Path(path).expanduser()
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            values: Any = json.loads(archive.read(MEMBER)) if MEMBER in members else None
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{path} is no .keras file that can be read: {reason}") from None
    if values is None and _OF_KERAS not in members:
        raise InputError(f"{path} is no .keras file: it has no {_OF_KERAS}")
    try:
        return SavedDescription(**values | {"vocabulary": tuple(values["vocabulary"])})
    except (TypeError, KeyError):
        raise InputError(
            f"{path} is another model, neither a ConvNet nor a language model that "
            f"train_architecture saved: it has no {MEMBER}"
        ) from None


def load_model(path: str | Path) -> keras.Model:
    """Load a model that a final training saved.

    Raises:
      InputError: as `describe_model`, or the file is damaged.
    """
    describe_model(path)
    try:
        return keras.models.load_model(Path(path).expanduser(), compile=False)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path} is damaged, Keras cannot load it: {reason}") from None
