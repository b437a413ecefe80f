"""What one page shows: a text, and what one or more models did on it.

Shapes: T tokens of the text, R steps back.
"""

from __future__ import annotations

import dataclasses
import textwrap

import numpy as np

from nas_with_rl.child_models.traces.trace import LayerTrace, Signal, Trace
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

_TERMINAL_WIDTH = 100


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of findings, the same under the page and in the terminal.

    Attributes:
      title: one line.
      columns: headings.
      rows: as many cells each as there are columns.
      note: how to read it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise InputError(
                    f"table {self.title!r}: row {row!r} has {len(row)} cells, "
                    f"not {len(self.columns)} as there are columns"
                )

    def as_text(self) -> str:
        """Return the title, the aligned columns and the note, as lines."""
        lines = [self.title]
        widths = [
            max(len(cell) for cell in column)
            for column in zip(self.columns, *self.rows, strict=True)
        ]
        for row in (self.columns, *self.rows):
            cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
            lines.append(f"  {'  '.join(cells)}".rstrip())
        lines += textwrap.wrap(
            self.note, _TERMINAL_WIDTH, initial_indent="  ", subsequent_indent="  "
        )
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True, eq=False)
class ExploredModel:
    """One model's part of a page.

    Attributes:
      name: "lstm", "nas_cell", "found cell".
      title: one line, as in "LSTM, 1 layer of 10 units, 741 parameters".
      trace: of the page's text.
      equations: of the cell, a line each.
      connectivity: float32 [T, R], `child_models.connectivity`; None where it is not shown.
      tree: of a tree cell; each of its nodes is a signal of every layer.
      tables: findings, accuracy by size.
      samples: text that the model generated.
    """

    name: str
    title: str
    trace: Trace
    equations: tuple[str, ...] = ()
    connectivity: np.ndarray | None = None
    tree: RecurrentCell | None = None
    tables: tuple[Table, ...] = ()
    samples: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        steps = len(self.trace.tokens)
        if self.connectivity is not None and (
            self.connectivity.ndim != 2 or len(self.connectivity) != steps
        ):
            raise InputError(
                f"{self.name}: connectivity is {list(self.connectivity.shape)}, "
                f"not [{steps}, reach] as the text asks for"
            )
        if self.tree is not None:
            for layer in self.trace.layers:
                for node in range(len(self.tree.nodes)):
                    layer.signal(f"node_{node}")

    def first_tokens(self, num_tokens: int) -> ExploredModel:
        """Return the same of the text's beginning; tables and samples stay."""
        trace = self.trace
        layers = tuple(
            LayerTrace(
                tuple(Signal(signal.kind, signal.values[:num_tokens]) for signal in layer.signals)
            )
            for layer in trace.layers
        )
        return dataclasses.replace(
            self,
            trace=Trace(
                tokens=trace.tokens[:num_tokens],
                vocabulary=trace.vocabulary,
                layers=layers,
                probabilities=trace.probabilities[:num_tokens],
            ),
            connectivity=None if self.connectivity is None else self.connectivity[:num_tokens],
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Exploration:
    """A whole page.

    Attributes:
      title: its heading.
      notes: a sentence each, under the heading.
      models: one, or several that read the same text side by side.
      num_tokens: of the whole text, where the models read a part; 0 for as many as they read.
    """

    title: str
    notes: tuple[str, ...]
    models: tuple[ExploredModel, ...]
    num_tokens: int = 0

    def __post_init__(self) -> None:
        if not self.models:
            raise InputError(f"exploration {self.title!r} has no model")
        if not self.tokens:
            raise InputError(f"exploration {self.title!r} has no text, 1 character is the least")
        for model in self.models:
            if model.trace.tokens != self.tokens:
                raise InputError(
                    f"{model.name} read another text than {self.models[0].name}: "
                    "models side by side need the same"
                )

    @property
    def tokens(self) -> tuple[str, ...]:
        """The text that every model read."""
        return self.models[0].trace.tokens

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The notes, and first how much of the text is shown, where it is not all."""
        shown, whole = len(self.tokens), max(self.num_tokens, len(self.tokens))
        if shown == whole:
            return self.notes
        of_characters = all(len(token) == 1 or token.startswith("<") for token in self.tokens)
        unit = "characters" if of_characters else "words"
        return (f"{shown:,} of {whole:,} {unit} are shown.", *self.notes)

    def first_tokens(self, num_tokens: int) -> Exploration:
        """Return the same of the text's beginning."""
        return dataclasses.replace(
            self,
            models=tuple(model.first_tokens(num_tokens) for model in self.models),
            num_tokens=max(self.num_tokens, len(self.tokens)),
        )
