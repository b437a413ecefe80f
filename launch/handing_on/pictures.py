"""Pictures of architectures by their name, their text, or where they lie; without Keras."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS
from nas_with_rl.child_models.saved_models import describe_model
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.explorations.cells import path_named, read_cell
from nas_with_rl.launch.records.workdir import FINAL, GRID_SEARCH, MODEL_FILE, Workdir
from nas_with_rl.launch.results.loading import load, read_space
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError, shortened, shown_path
from nas_with_rl.search_spaces.pictures.picture import architecture_scene
from nas_with_rl.search_spaces.pictures.scene import Heading, Scene
from nas_with_rl.search_spaces.pictures.tables import Table, tables_scene
from nas_with_rl.search_spaces.published import PUBLISHED, current_name, read_architecture
from nas_with_rl.search_spaces.recurrent_cell import COMBINATIONS
from nas_with_rl.search_spaces.space import SearchSpace

_LONGEST_MEANING, _LONGEST_EQUATION = 48, 64


@dataclasses.dataclass(frozen=True)
class Subject:
    """What a picture is of: an architecture, or a cell that people designed.

    Attributes:
      title: above the picture; None for what it is.
      architecture: or `cell`.
      cell: the name of a designed cell, whose equations are written out.
    """

    title: str | None
    architecture: Architecture | None = None
    cell: str = ""

    def scene(self, *, simplified: bool = False) -> Scene:
        """Return where all things of the picture are."""
        if self.architecture is not None:
            title = f"{self.title}, simplified" if self.title and simplified else self.title
            return architecture_scene(self.architecture, simplified=simplified, title=title)
        kind = KNOWN_CELLS[self.cell]
        rows = tuple(
            (meaning.strip(), equation)
            for equation, _, meaning in (each.partition("    ") for each in kind.equations)
        )
        longest = (_LONGEST_MEANING, _LONGEST_EQUATION)
        return tables_scene([Table(rows)], Heading(self.title or kind.title), longest=longest)


def find_subject(
    found: str | os.PathLike[str],
    *,
    experiment: str | None = None,
    overrides: Sequence[str] = (),
) -> Subject:
    """Return what a text stands for.

    Args:
      found: a name ("figure_7", "nas_cell", "lstm", ...), an architecture's text, the workdir of
        a search, which stands for its best one, or that of a training or its `model.keras`.
      experiment: whose space a text is of; None for one that can be told by the text, a cell's or
        the paper's first for ConvNets.
      overrides: of the experiment.

    Raises:
      InputError: it is none of these.
    """
    text = os.fspath(found).strip()
    if experiment is not None:
        if path_named(text):
            raise InputError(
                f"architecture '{shown_path(text)}' is a workdir, which knows its space: leave the "
                "experiment out"
            )
        space = configure(experiment, overrides).search_space()
        return Subject(_published_title(text), read_architecture(text, space))
    if overrides:
        raise InputError(
            f"override {shortened(overrides[0])} changes an experiment, and none is named"
        )
    if current_name(text) in KNOWN_CELLS:
        return Subject(None, cell=current_name(text))
    if text in PUBLISHED:
        return Subject(_published_title(text), PUBLISHED[text].architecture)
    if path := path_named(text):
        return _lying_at(path)
    return Subject(None, _parsed(text))


def _published_title(text: str) -> str | None:
    return f"{text}: {PUBLISHED[text].title}" if text in PUBLISHED else None


def _parsed(text: str) -> Architecture:
    """Read the text of a cell, or of a ConvNet of the paper's first space."""
    if text.split(maxsplit=1)[:1] and text.split(maxsplit=1)[0] in COMBINATIONS:
        cell = read_cell(text)
        return read_architecture(cell.architecture, cell.space)
    try:
        return read_architecture(text, ConvolutionalSpace(), further_names=tuple(KNOWN_CELLS))
    except InputError as error:
        raise InputError(
            f"{error}; of another space than the paper's, name the experiment"
        ) from None


def _lying_at(path: Path) -> Subject:
    if not os.path.isdir(path):
        return _of_model(path)
    place = Workdir(path, flag="architecture")
    if not place.is_begun():
        if os.path.exists(place.model):
            return _of_model(place.model)
        raise InputError(
            f"architecture '{shown_path(path)}' is neither a search's workdir nor a training's: "
            f"no experiment.json, no {MODEL_FILE}"
        )
    kind = place.read().get("kind")
    if kind is None:
        return _best_of(path)
    if kind == GRID_SEARCH and os.path.isdir(path / FINAL):
        return _lying_at(path / FINAL)
    return _trained(place.read(), path)


def _best_of(path: Path) -> Subject:
    top = load(path).top(1)
    if not top:
        raise InputError(f"architecture '{shown_path(path)}': no trial of this search is completed")
    title = f"best of {shortened(path.name)}: trial {top[0].trial.number}, {top[0].describe()}"
    return Subject(title, top[0].architecture)


def _of_model(path: Path) -> Subject:
    """Return what a trained model is, read as the training beside it says."""
    described = describe_model(path)
    place = Workdir(path.parent, flag="architecture")
    if place.is_begun():
        return _trained(place.read(), path)
    return _titled(current_name(described.architecture), path, None)


def _trained(stored: Mapping[str, Any], path: Path) -> Subject:
    text = stored.get("architecture")
    if not isinstance(text, str):
        raise InputError(
            f"architecture '{shown_path(path)}' is neither a search's workdir nor a training's"
        )
    return _titled(current_name(text), path, read_space(stored.get("space")))


def _titled(text: str, path: Path, space: SearchSpace | None) -> Subject:
    name = path if path.is_dir() else path.parent
    title = f"trained in {shortened(name.resolve().name)}"
    if text in KNOWN_CELLS:
        return Subject(f"{KNOWN_CELLS[text].title}, {title}", cell=text)
    return Subject(title, _parsed(text) if space is None else read_architecture(text, space))
