"""Explorations: cells are trained on a task or a text, traced, and shown on one page.

<workdir>/experiment.json   what is explored, taken over where a later request leaves it open
<workdir>/<cell>/           each cell's final training; done once, taken from there afterwards
<workdir>/explore.html      the page
"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from nas_with_rl.child_models.cells.known_cells import cell_kind
from nas_with_rl.child_models.data.text import numbers_of
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.saved_models import describe_model, load_model
from nas_with_rl.child_models.traces.connectivity import connectivity
from nas_with_rl.child_models.traces.generation import generate
from nas_with_rl.child_models.traces.trace import Trace
from nas_with_rl.child_models.traces.tracing import trace
from nas_with_rl.explorer.exploration import Exploration, ExploredModel, Table
from nas_with_rl.explorer.page.page import write_page
from nas_with_rl.explorer.rankings import feature_table
from nas_with_rl.launch.explorations.cells import ExploredCell, describe_cell, read_cells
from nas_with_rl.launch.explorations.subjects import Subject, TaskSubject, TextSubject
from nas_with_rl.launch.host.interruption import INTERRUPTED_STATUS, leave_now, run_interruptibly
from nas_with_rl.launch.host.terminal import say
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
from nas_with_rl.launch.records.workdir import Workdir, absolute_path
from nas_with_rl.launch.trainings.progress import EpochBar
from nas_with_rl.launch.trainings.trainees import FinalTraining, describe_training, make_trainee
from nas_with_rl.launch.trainings.training import train
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields, check_range
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

PAGE = "explore.html"
MOST_LAYERS, MOST_GENERATED, MOST_TEMPERATURE = 3, 10_000, 1e6
_LEAST_PROBABILITY = 2.0**-64  # float32 rounds the softmax's least ones to 0
PROMPT = 500  # characters at the end of the page's text, which the generated text continues
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


def run(request: ExploreRequest) -> int:
    """Explore what is asked for, print what was found, write the page; return the status.

    Raises:
      InputError: an impossible request.
    """
    prepared = prepare(request)
    say(prepared.subject.title)
    try:
        exploration = run_interruptibly(lambda: explore_cells(prepared, is_shown=True))
    except KeyboardInterrupt:
        say(f"stopped; the same command with --workdir={prepared.workdir} continues")
        leave_now(INTERRUPTED_STATUS)
    page = write_page(exploration, absolute_path(prepared.workdir) / PAGE)
    say(f"\nthe page: {page.resolve()} ({page.stat().st_size / 1e6:.2f} MB, opens from disk)")
    if request.workdir is None:
        say(f"the same without training again: --workdir={prepared.workdir}")
    return 0


def explore(request: ExploreRequest) -> Exploration:
    """Return an exploration, for `write_page` or a notebook's `show`.

    Args:
      request: with a workdir, the trainings in it are continued or taken as they are.

    Raises:
      InputError: an impossible request.
    """
    return explore_cells(prepare(request))


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


def explore_cells(prepared: PreparedExploration, *, is_shown: bool = False) -> Exploration:
    """Train, trace and measure each cell, one after the other.

    Args:
      prepared: what is asked for.
      is_shown: print each cell, and what was found on it.
    """
    subject, cells = prepared.subject, prepared.cells
    models: list[ExploredModel] = []
    failures: list[TrainingFailed] = []
    with _claimed(prepared):
        for cell in cells:
            if is_shown:
                say(f"\n{cell.name}: {describe_cell(cell)}")
            try:
                models.append(explored_model(prepared, cell))
            except TrainingFailed as failure:
                failures.append(failure)
                if is_shown and len(cells) > 1:
                    say(str(failure))
            else:
                if is_shown:
                    say(_as_text(models[-1], prepared.request))
    if not models:
        raise failures[0]
    notes = (*subject.notes, *(f"{failure}." for failure in failures))
    return Exploration(subject.title, notes, tuple(models), subject.num_characters)


def _claimed(prepared: PreparedExploration) -> contextlib.AbstractContextManager[Workdir | None]:
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


def _as_text(model: ExploredModel, request: ExploreRequest) -> str:
    """Return what the terminal shows of a model: its tables, and what it wrote."""
    generated = f"generated at temperature {request.temperature}:"
    parts = [model.title, *(table.as_text() for table in model.tables)]
    return "\n\n".join([*parts, *(f"{generated}\n{sample}" for sample in model.samples)])


class TrainingFailed(InputError):
    """A cell's training failed; the page is of the others."""


@dataclasses.dataclass(frozen=True)
class _Reader:
    """A trained model with the characters that it knows."""

    model: LanguageModel
    vocabulary: tuple[str, ...]

    def numbers(self, text: str) -> np.ndarray:
        """Return a text's characters as numbers; one that the model never saw is UNKNOWN."""
        return numbers_of(text, self.vocabulary)

    def trace(self, text: str) -> Trace:
        """Return what the model does on a text, whose own characters are the tokens.

        Two models may know different ones, and stand side by side on the same text.
        """
        found = trace(self.model, self.numbers(text), self.vocabulary)
        return dataclasses.replace(found, tokens=tuple(text))

    def bits(self, found: Trace) -> float:
        """Return the mean of what each character takes, in bits, as predicted before it."""
        following = self.numbers("".join(found.tokens[1:]))
        predicted = found.probabilities[np.arange(len(following)), following]
        return float(-np.mean(np.log2(np.maximum(predicted, _LEAST_PROBABILITY))))

    def continued(self, text: str, request: ExploreRequest) -> tuple[str, ...]:
        """Return how the model goes on after a text, if that is asked for."""
        if not request.generate:
            return ()
        written = generate(
            self.model,
            self.vocabulary,
            text[-PROMPT:],
            length=request.generate,
            temperature=request.temperature,
            seed=request.seed or 0,
        )
        return (written,)


def explored_model(prepared: PreparedExploration, cell: ExploredCell) -> ExploredModel:
    """Return one cell's part of the page."""
    request, subject = prepared.request, prepared.subject
    path = cell.model or _trained(prepared, cell, cell.name)
    reader, text = _read(path), subject.shown()
    model, found = reader.model, reader.trace(text)
    tables = (
        *subject.tables(model, found, reader.trace),
        *_on_held_out(prepared, cell),
    )
    shown = ExploredModel(
        name=cell.name,
        title=_title(cell, model, reader.bits(found)),
        trace=found,
        equations=cell_kind(model.cell).equations,
        connectivity=connectivity(model, reader.numbers(text)),
        tree=model.cell if isinstance(model.cell, RecurrentCell) else None,
        tables=tables,
        samples=reader.continued(text, request),
    )
    features = feature_table(shown)
    return dataclasses.replace(shown, tables=(*tables, features)) if features else shown


def _read(path: Path) -> _Reader:
    model = load_model(path)
    assert isinstance(model, LanguageModel)
    return _Reader(model, describe_model(path).vocabulary)


def _on_held_out(prepared: PreparedExploration, cell: ExploredCell) -> tuple[Table, ...]:
    """Return the accuracy of the same cell, trained with lines held out, on these."""
    held_out = prepared.subject.held_out
    if held_out is None or cell.model is not None:
        return ()
    reader = _read(_trained(prepared, cell, f"{cell.name}-held_out"))
    return (held_out.accuracy(reader.model, reader.vocabulary),)


def _training(subject: Subject, cell: ExploredCell, request: ExploreRequest) -> FinalTraining:
    experiment = dataclasses.replace(subject.experiment, space=cell.space)
    return FinalTraining(
        experiment, cell.architecture, request.seed or 0, overrides=request.settings
    )


def _trained(prepared: PreparedExploration, cell: ExploredCell, name: str) -> Path:
    """Return the model of a cell, trained to the end now, or earlier in the same workdir."""
    directory = Path(prepared.workdir, name)
    place = Workdir(directory)
    result = train(
        prepared.trainings()[directory],
        place.path,
        resume=place.is_begun(),
        test="never",
        progress=EpochBar(name),
    )
    if result.status == "failed":
        raise TrainingFailed(f"cell {cell.name}: its training failed: {result.failure}")
    return place.model


def _title(cell: ExploredCell, model: LanguageModel, bits: float) -> str:
    layers = model.size.num_layers
    kind = "" if cell.model is None else f"{cell_kind(model.cell).title}, "
    measured = f"{bits:.2f} bits per character on this text"
    return (
        f"{kind}{cell.title}, {layers} layer{'s' * (layers > 1)} of {model.size.units} units, "
        f"{model.num_parameters:,} parameters; "
        f"{measured if np.isfinite(bits) else 'what it predicts on this text is no number'}"
    )
