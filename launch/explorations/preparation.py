"""What is to be explored: asked for, completed, and checked before a cell is trained."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

from nas_with_rl.launch.explorations.cells import ExploredCell, read_cells
from nas_with_rl.launch.explorations.subjects import Subject, TaskSubject, TextSubject
from nas_with_rl.launch.records.resumption import (
    Description,
    RunKind,
    RunRequest,
    check_same,
    claim_workdir,
    fill_in,
    new_workdir,
    read_run,
)
from nas_with_rl.launch.records.training_result import TRAINING
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.trainings.trainees import FinalTraining, describe_training, make_trainee
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields, check_range

MOST_LAYERS, MOST_GENERATED, MOST_TEMPERATURE = 3, 10_000, 1e6
EXPLORATION = RunKind(
    "exploration",
    "exploration",
    {name: (name,) for name in ("task", "text", "cells", "num_layers", "seed")},
    may_change=("cells",),  # a page of others in the same directory
)

_EITHER = "what is explored is either a task or a text: name one of the two"


@dataclasses.dataclass(frozen=True)
class ExploreRequest(RunRequest):
    """What is to be explored.

    Attributes:
      task: a task of `child_models.sequences`; or else
      text: a path or pattern of UTF-8 files.
      cells: as `read_cell` reads them; None for those of the workdir, or an LSTM.
      num_layers: None for as many as the task has in the post, 1 for a text.
      generate: how many characters each model continues the text by.
      temperature: of these; 0 takes the most probable each time.
      seed: of the weights, and of the generated text; None for the workdir's, or 0.
      workdir: None for a new one below runs/. What is not given is as an exploration in it says.
      overrides: "path.to.field=value", of the experiment by which the cells are trained.
    """

    task: str | None = None
    text: str | None = None
    cells: tuple[str, ...] | None = None
    num_layers: int | None = None
    generate: int = 0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_fields(self)
        is_known = self.is_about or self.workdir is not None
        if (self.task is not None and self.text is not None) or not is_known:
            raise InputError(_EITHER)
        if self.cells == ():
            raise InputError("no cell is named: a name, an architecture's text, a search's workdir")
        if self.num_layers is not None:
            check_range(self, ["num_layers"], least=1, most=MOST_LAYERS)
        check_range(self, ["generate"], least=0, most=MOST_GENERATED)
        check_range(self, ["temperature"], least=0, most=MOST_TEMPERATURE)
        if self.seed is not None:
            check_range(self, ["seed"], least=0, most=2**63 - 1)
        if self.temperature != 1 and not self.generate:
            raise InputError(
                f"temperature is {self.temperature}, which has no effect: generate is 0"
            )
        for assignment in self.overrides:
            path = assignment.partition("=")[0].strip()
            if path in ("data.source", "data.unit"):
                raise InputError(f"{path} is not overridden here: task or text says what is read")

    @property
    def is_about(self) -> bool:
        """Whether it says what is explored."""
        return self.task is not None or self.text is not None

    @property
    def settings(self) -> tuple[str, ...]:
        """The overrides, with the number of layers."""
        layers = () if self.num_layers is None else (f"child.num_layers={self.num_layers}",)
        return (*layers, *self.overrides)


@dataclasses.dataclass(frozen=True)
class PreparedExploration:
    """An exploration that can begin or go on.

    Attributes:
      request: completed.
      subject: what it is about.
      cells: which cells.
      workdir: where the trainings are kept.
    """

    request: ExploreRequest
    subject: Subject
    cells: tuple[ExploredCell, ...]
    workdir: str

    def describe(self) -> Description:
        """Return what `experiment.json` says of it."""
        asked = {name: getattr(self.request, name) for name in EXPLORATION.stored}
        described: dict[str, Any] = {"kind": EXPLORATION.kind, "experiment": self.subject.name}
        cells = list(asked.pop("cells"))
        return described | asked | {"cells": cells, "overrides": list(self.request.overrides)}

    def trainings(self) -> dict[Path, FinalTraining]:
        """Return what is trained, each with its directory."""
        subjects = {"": self.subject, "-held_out": self.subject.held_out}
        return {
            Path(self.workdir, f"{cell.name}{end}"): _training(subject, cell, self.request)
            for cell in self.cells
            for end, subject in subjects.items()
            if cell.model is None and subject is not None
        }


def prepare(request: ExploreRequest) -> PreparedExploration:
    """Return the exploration that is asked for, before anything is trained.

    Raises:
      InputError: an impossible request, or a workdir whose exploration or trainings are others.
    """
    place = None if request.workdir is None else Workdir(request.workdir)
    stored = _stored(place) if place else None
    if stored:
        known = {name: stored.get(name) for name in EXPLORATION.stored}
        if request.is_about:  # either of the two is asked for: it has to be the one that is there
            known |= {"task": None, "text": None}
        request = fill_in(request, known, stored.get("overrides") or ())
    if not request.is_about:
        raise InputError(_EITHER)
    request = dataclasses.replace(
        request, cells=request.cells or ("lstm",), seed=0 if request.seed is None else request.seed
    )
    subject, cells = subject_of(request), read_cells(request.cells or ())
    workdir = request.workdir
    if workdir is None:
        workdir = new_workdir(f"explore-{subject.name}")
    prepared = PreparedExploration(request, subject, cells, workdir)
    if place and stored:
        check_same(stored, prepared.describe(), kind=EXPLORATION, workdir=place.path)
    for directory, training in prepared.trainings().items():  # all of them, before one is trained
        part = Workdir(directory)
        if part.is_begun():
            found = {"data_found": make_trainee(training).data_found}  # as a text's digest
            wanted = describe_training(training) | found
            check_same(read_run(part, TRAINING), wanted, kind=TRAINING, workdir=part.path)
    return prepared


def _stored(place: Workdir) -> Description | None:
    """Return the description of the exploration that is here.

    None without one: earlier versions wrote none, and a search's own directory may have the page
    and the trainings of its cell.
    """
    if not place.is_begun() or place.read().get("kind") != EXPLORATION.kind:
        return None
    return read_run(place, EXPLORATION)


def subject_of(request: ExploreRequest) -> Subject:
    """Return what a request is about; InputError where there is no such task or text."""
    if request.task is not None:
        return TaskSubject(request.task, request.settings)
    assert request.text is not None
    return TextSubject(request.text, request.settings)


def claim_exploration(
    prepared: PreparedExploration,
) -> contextlib.AbstractContextManager[Workdir | None]:
    """Claim the workdir, if anything is trained in it."""
    if not prepared.trainings():
        return contextlib.nullcontext()
    wanted = prepared.describe()

    def take_up(stored: Description, place: Workdir) -> Description:
        check_same(stored, wanted, kind=EXPLORATION, workdir=place.path)
        return stored | {"cells": wanted["cells"]}

    place = Workdir(prepared.workdir)
    is_begun = place.is_begun()
    if is_begun and _stored(place) is None:
        return contextlib.nullcontext()  # it is another run's
    return claim_workdir(place.path, wanted, kind=EXPLORATION, resume=is_begun, take_up=take_up)


def _training(subject: Subject, cell: ExploredCell, request: ExploreRequest) -> FinalTraining:
    experiment = dataclasses.replace(subject.experiment, space=cell.space)
    return FinalTraining(
        experiment, cell.architecture, request.seed or 0, overrides=request.settings
    )
