"""Explorations: cells are trained on a task or a text, traced, and shown on one page.

<workdir>/experiment.json   what is explored, taken over where a later request leaves it open
<workdir>/<cell>/           each cell's final training; done once, taken from there afterwards
<workdir>/explore.html      the page
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

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
from nas_with_rl.launch.explorations.cells import ExploredCell, describe_cell
from nas_with_rl.launch.explorations.preparation import (
    ExploreRequest,
    PreparedExploration,
    claim_exploration,
    prepare,
)
from nas_with_rl.launch.host.interruption import INTERRUPTED_STATUS, leave_now, run_interruptibly
from nas_with_rl.launch.host.terminal import say
from nas_with_rl.launch.records.workdir import Workdir, absolute_path
from nas_with_rl.launch.trainings.progress import EpochBar
from nas_with_rl.launch.trainings.training import train
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

PAGE = "explore.html"
_LEAST_PROBABILITY = 2.0**-64  # float32 rounds the softmax's least ones to 0
PROMPT = 500  # characters at the end of the page's text, which the generated text continues


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


def explore_cells(prepared: PreparedExploration, *, is_shown: bool = False) -> Exploration:
    """Train, trace and measure each cell, one after the other.

    Args:
      prepared: what is asked for.
      is_shown: print each cell, and what was found on it.
    """
    subject, cells = prepared.subject, prepared.cells
    models: list[ExploredModel] = []
    failures: list[TrainingFailed] = []
    with claim_exploration(prepared):
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
