"""The space of a table: its file, and which column is what."""

from __future__ import annotations

import dataclasses
import functools
import os
from typing import ClassVar, Literal

from nas_with_rl.launch.experiments.tabular.table import Table, read_table
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.drawing import draw_decisions
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields
from nas_with_rl.search_spaces.space import SearchSpace

Direction = Literal["maximize", "minimize"]


@dataclasses.dataclass(frozen=True)
class TabularSpace:
    """What the columns of a table span: each that is nothing else is a decision.

    An empty cell of a decision says that it does not exist in that row. A column without a name is
    left out.

    Attributes:
      path: of a CSV, JSON or SQLite file.
      table: of an SQLite database that has several, the table or view.
      value: column with what is to be found the best of; else the column "value" or "reward", or
        the last one of numbers. A row without it, or with NaN or an infinity, is a failed child.
      direction: which values are better.
      decisions: columns in the controller's order; else all that are nothing else, in theirs.
      seed: column that tells an architecture's trainings apart; else "seed", if there is one.
      test: column with what a test set says; else "test", if there is one. It is kept with each
        trial, and nothing learns of it.
      cost: column with what a training took; else "cost", if there is one.
      metrics: columns of further measurements, which are kept with each trial.
      ignored: columns that are left out.
    """

    path: str = ""
    table: str = ""
    value: str = ""
    direction: Direction = "maximize"
    decisions: tuple[str, ...] = ()
    seed: str = ""
    test: str = ""
    cost: str = ""
    metrics: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    noun: ClassVar[str] = "row of a table"

    def __post_init__(self) -> None:
        check_fields(self, "space")

    def read(self) -> Table:
        """Return the table; a file that has not changed is read once.

        Raises:
          InputError: it cannot be read.
        """
        if not self.path:
            raise InputError("no table is named: --table=FILE (space.path)")
        try:
            found = os.stat(self.path)
        except (OSError, ValueError):  # as reading it says
            return read_table(self)
        return _read_once(self, (found.st_mtime_ns, found.st_size, found.st_ino))

    def search_space(self) -> SearchSpace:
        """Return the decisions, which are read from the file."""
        return self.read().space

    def draw(self, architecture: Architecture) -> str:
        """Return the option of each decision."""
        return draw_decisions(architecture)


@functools.lru_cache(maxsize=4)
def _read_once(settings: TabularSpace, stamp: tuple[int, ...]) -> Table:
    return read_table(settings)
