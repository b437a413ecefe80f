"""Trained models as `.keras` files that say which architecture they are.

A file is Keras's own, so `keras.models.load_model` takes it, with one member more in the archive:
`nas_with_rl.json`, the description.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nas_with_rl.child_models.registration import register_now
from nas_with_rl.child_models.saved_classes import check_classes
from nas_with_rl.search_spaces.errors import InputError, shortened
from nas_with_rl.search_spaces.field_checks import check_fields
from nas_with_rl.search_spaces.published import with_current_names
from nas_with_rl.search_spaces.whole_files import written_whole

if TYPE_CHECKING:  # a file is described without
    import keras

MEMBER = "nas_with_rl.json"
_OF_KERAS = "config.json"  # a member of every .keras file

_MOST_BYTES = 16 * 2**20  # of a member of JSON; a vocabulary of a million words has about as much

ModelKind = Literal["convnet", "language_model"]
_CLASS_OF = {"convnet": "Functional", "language_model": "LanguageModel"}  # by kind


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

    kind: ModelKind
    architecture: str
    experiment: str
    epoch: int
    validation: float
    vocabulary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)


def save_model(model: keras.Model, path: Path, description: SavedDescription) -> None:
    """Write a model, whole or not at all."""
    with written_whole(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(MEMBER, json.dumps(dataclasses.asdict(description)))


def describe_model(path: str | Path) -> SavedDescription:
    """Return what a saved model is, without loading it.

    Raises:
      InputError: no such file, no `.keras` file, or one of another project's model.
    """
    path = Path(path).expanduser()
    members = _read(path)
    if MEMBER not in members and _OF_KERAS not in members:
        raise InputError(f"{path} is no .keras file: it has no {_OF_KERAS}")
    another = (
        f"{path} is another model, neither a ConvNet nor a language model that train_architecture "
        "saved"
    )
    if MEMBER not in members:
        raise InputError(f"{another}: it has no {MEMBER}")
    try:
        saved = with_current_names(members[MEMBER])
        return SavedDescription(**{"vocabulary": None, **saved})  # None is refused
    except (TypeError, InputError):  # what is missing or unknown; a value of another type
        raise InputError(f"{another}: its {MEMBER} does not describe one") from None


def load_model(path: str | Path) -> keras.Model:
    """Load a model that a final training saved.

    Keras sees the file after the classes that it names have been compared with those of this
    project's models; see `saved_classes`.

    Raises:
      InputError: as `describe_model`; the file is damaged, or names another class.
    """
    path = Path(path).expanduser()
    kind = describe_model(path).kind
    if path.suffix != ".keras":
        raise InputError(f"{path} does not end in .keras, as Keras wants a model's file to")
    config = _read(path).get(_OF_KERAS)
    try:
        check_classes(config)
    except InputError as error:
        raise InputError(f"{path} is not loaded: {error}") from None
    if not isinstance(config, dict) or config.get("class_name") != _CLASS_OF[kind]:
        raise InputError(f"{path} is damaged: its {_OF_KERAS} is not that of a {kind}")
    register_now()
    import keras

    try:
        model = keras.models.load_model(path, compile=False)
        if kind == "convnet":  # Keras writes for ONNX only what has been called
            model(keras.ops.zeros((1, *model.input_shape[1:])))
        return model
    except Exception as error:  # there is no end to what Keras may meet in a damaged file
        raise InputError(f"{path} is damaged, Keras cannot load it: {_reason(error)}") from None


def _read(path: Path) -> dict[str, Any]:
    """Return the JSON members of a .keras file, those of `MEMBER` and `_OF_KERAS` that it has.

    Raises:
      InputError: no such file, one that cannot be read, or with a member that is too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {each.filename: each for each in archive.infolist()}
            wanted = [members[name] for name in (MEMBER, _OF_KERAS) if name in members]
            for each in wanted:
                if each.file_size > _MOST_BYTES:
                    size = f"{each.file_size / 2**20:,.0f} MiB"
                    limit = f"{_MOST_BYTES // 2**20} MiB"
                    raise ValueError(f"its {each.filename} has {size}, more than {limit}")
            return {each.filename: json.loads(archive.read(each)) for each in wanted}
    except Exception as error:  # there is no end to what zipfile may meet in a damaged file
        raise InputError(f"{path} is no .keras file that can be read: {_reason(error)}") from None


def _reason(error: Exception, limit: int = 200) -> str:
    """Return an error's first line, without the path that a system's error repeats."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return shortened((text.strip() or type(error).__name__).splitlines()[0], limit)
