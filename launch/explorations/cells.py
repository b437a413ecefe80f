"""The cells that the explorer is asked for: by name, by their text, or by where they lie."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS, Cell, cell_kind
from nas_with_rl.child_models.data.text import UNKNOWN
from nas_with_rl.child_models.saved_models import describe_model
from nas_with_rl.launch.records.workdir import MODEL_FILE, Workdir
from nas_with_rl.launch.results.retrained import best_of
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.drawing import draw
from nas_with_rl.search_spaces.errors import LONGEST_PATH, InputError, shortened, shown, shown_path
from nas_with_rl.search_spaces.published import PUBLISHED, current_name, read_architecture
from nas_with_rl.search_spaces.recurrent_cell import (
    ACTIVATIONS,
    BASES,
    COMBINATIONS,
    RecurrentCellSpace,
    cell_of,
)

PUBLISHED_NAMES = tuple(
    name
    for name, each in PUBLISHED.items()
    if isinstance(each.architecture.space.reader, RecurrentCellSpace)
)


@dataclasses.dataclass(frozen=True)
class ExploredCell:
    """A cell that is shown, or a model that has been trained with one.

    Attributes:
      name: of its directory and on the page.
      title: in words.
      architecture: as `FinalTraining` takes it; empty for a trained model.
      space: that the architecture belongs to.
      model: the `.keras` file of a trained model.
    """

    name: str
    title: str
    architecture: str = ""
    space: RecurrentCellSpace = dataclasses.field(default_factory=RecurrentCellSpace)
    model: Path | None = None


def read_cells(texts: Sequence[str]) -> tuple[ExploredCell, ...]:
    """Read what the cells' texts say.

    Raises:
      InputError: as `read_cell`, or one that is there twice.
    """
    cells: list[ExploredCell] = []
    for text in texts:
        cell = read_cell(text)
        same = (cell.architecture, cell.model)
        if same in [(each.architecture, each.model) for each in cells]:
            raise InputError(f"cell {shown(text)} is there twice")
        names = (cell.name, *(f"{cell.name}_{number}" for number in range(2, len(cells) + 2)))
        taken = {each.name for each in cells}
        name = next(name for name in names if name not in taken)
        cells.append(dataclasses.replace(cell, name=name))
    return tuple(cells)


def named_cell(text: str) -> Cell:
    """Return the cell that a text stands for as `read_cell` reads it, of a model of words too."""
    read = read_cell(text, of_characters=False)
    name = read.architecture if read.model is None else describe_model(read.model).architecture
    if name in KNOWN_CELLS:
        return name
    return cell_of(read_architecture(name, read.space if read.model is None else _space_of(name)))


def read_cell(text: str, *, of_characters: bool = True) -> ExploredCell:
    """Read a cell: a name, an architecture's text, a search's workdir, or a trained model.

    A search's workdir stands for its best cell; a training's, for its `model.keras`.

    Args:
      text: what says which.
      of_characters: whether a model has to be one of characters.

    Raises:
      InputError: it is none of these.
    """
    name = str(text).strip()  # in Python it may be a Path
    if current_name(name) in KNOWN_CELLS:
        name = current_name(name)
        return ExploredCell(name, cell_kind(name).title, name)
    if name in PUBLISHED_NAMES:
        return ExploredCell(name, PUBLISHED[name].title, name)
    if path := path_named(name):
        return _lying_at(path, of_characters=of_characters)
    space, architecture = _parsed(name)
    return ExploredCell("cell", f"cell of base {space.base}", architecture, space)


def path_named(name: str) -> Path | None:
    """Return the directory or the model that a text names, None for what names neither.

    An architecture's text may be longer than any path, and a text may hold what no path does.
    """
    try:
        path = Path(name).expanduser()
        is_named = path.suffix == ".keras" or os.path.isdir(path)
    except (ValueError, RuntimeError):  # a NUL in a user's name; the home of nobody
        return None
    return path if name and is_named else None


def _lying_at(path: Path, *, of_characters: bool) -> ExploredCell:
    if not os.path.isdir(path):
        return _trained(path, of_characters=of_characters)
    place = Workdir(path, flag="cell")
    if os.path.exists(place.model):
        return _trained(place.model, of_characters=of_characters)
    if not os.path.exists(place.trials):
        inside = [shown_path(each.parent) for each in sorted(path.glob(f"*/{MODEL_FILE}"))]
        raise InputError(
            f"cell {_in_quotes(path)} is neither a search's workdir nor a training's: no "
            f"{place.trials.name}, no {MODEL_FILE}"
            + (f"; the trainings in it are {', '.join(inside)}" if inside else "")
        )
    best, _ = best_of(place)
    if best is None:
        raise InputError(f"cell {_in_quotes(path)}: no trial of this search is completed")
    text = best.trial.architecture
    try:
        space, architecture = _parsed(text)
    except InputError:
        raise InputError(
            f"cell {_in_quotes(path)} is a search of no recurrent cells; its best: "
            f"{shortened(text, LONGEST_PATH)}"
        ) from None
    title = f"cell of base {space.base}, the best of {shortened(path.name)}"
    return ExploredCell("found", title, architecture, space)


def _trained(path: Path, *, of_characters: bool) -> ExploredCell:
    if not os.path.isfile(path):
        is_there = os.path.exists(path)
        raise InputError(f"cell {_in_quotes(path)}: {'not a file' if is_there else 'no such file'}")
    saved = describe_model(path)
    words = any(len(token) > 1 for token in saved.vocabulary if token != UNKNOWN)
    if saved.kind != "language_model" or (of_characters and words):
        of = " of characters" if of_characters else ""
        raise InputError(f"cell {_in_quotes(path)} is no language model{of}")
    name = shortened(path.resolve().parent.name) or "model"
    return ExploredCell(name, f"the model of {shown_path(path)}", model=path)


def _in_quotes(path: Path) -> str:
    return f"'{shown_path(path)}'"


def _parsed(text: str) -> tuple[RecurrentCellSpace, str]:
    """Return an architecture's space and its text as a search prints it."""
    space = _space_of(text)
    return space, str(parse_architecture(text, space.search_space()))


def _space_of(text: str) -> RecurrentCellSpace:
    """Return the space of every operation that has as many decisions as the text has words.

    Raises:
      InputError: there is none.
    """
    num_words = len(text.replace("|", " ").split())
    spaces = [RecurrentCellSpace(base, COMBINATIONS, ACTIVATIONS) for base in BASES]
    sizes = {len(space.search_space().decisions): space for space in spaces}
    if num_words in sizes:
        return sizes[num_words]
    if num_words <= 1:
        names = ", ".join((*KNOWN_CELLS, *PUBLISHED_NAMES))
        raise InputError(
            f"cell {shown(text)}: no such cell; there are {names}, an architecture's text, a "
            "search's workdir, a trained model.keras"
        )
    wanted = ", ".join(f"{words} (base {space.base})" for words, space in sizes.items())
    raise InputError(f"cell {shown(text)} has {num_words} words; an architecture's has {wanted}")


def describe_cell(cell: ExploredCell) -> str:
    """Return a cell as lines of text: its tree, or its name in words."""
    if cell.model is not None or cell.architecture in KNOWN_CELLS:
        return cell.title
    return f"{cell.title}\n{draw(read_architecture(cell.architecture, cell.space))}"
