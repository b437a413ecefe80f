"""Tables of one's own as evaluators: what others measured of each architecture, looked up.

`nas.table("bench.csv")` is one for Python, `search --table=bench.csv` for the command line.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.launch.evaluators.kinds.kind import LocatedExperiment
from nas_with_rl.launch.evaluators.measurements import Measurement
from nas_with_rl.launch.experiments.children import STATISTICS, Missing, TabularLookup, Values
from nas_with_rl.launch.experiments.tabular.table import Row, Table, Tokens, described
from nas_with_rl.launch.experiments.tabular.tabular_space import Direction, TabularSpace
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.decisions import Option
from nas_with_rl.search_spaces.errors import InputError, shown
from nas_with_rl.search_spaces.field_checks import check_number, checked
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Token


@dataclasses.dataclass(frozen=True)
class BestOfTable:
    """The best architecture of a table, and what was measured of it."""

    architecture: Architecture
    value: float
    metrics: Mapping[str, float]


class MeasuredTable:
    """Looks architectures up in a table.

    Attributes:
      space: what can be chosen.
      data: JSON-ready facts of the table.
    """

    def __init__(self, settings: TabularSpace, lookup: TabularLookup):
        """Read the table.

        Raises:
          InputError: it cannot be read; an architecture is missing that is to be there.
        """
        self._settings, self._lookup = settings, lookup
        self._table: Table = settings.read()
        if lookup.missing == "refuse":
            self._table.check_complete()
        self.space: SearchSpace = self._table.space
        self.data = {
            "architectures": len(self._table.rows),
            "rows": self._table.num_rows,
            "value": self._table.value,
            "sha256": self._table.sha256,
        }

    def __repr__(self) -> str:
        return f"<{self._table.describe()}>"

    def __call__(self, architecture: Architecture, seed: int) -> Measurement:
        """Look one architecture up. Raises ChildFailure where it has no value."""
        return self.evaluate(architecture, seed)

    def evaluate(
        self, architecture: Architecture | Mapping[str, Option | None], seed: int = 0
    ) -> Measurement:
        """Return an architecture's measurement, as `nas.search` takes it.

        Its reward is the value, or minus the value where less is better. Its metrics have the
        "value", the "test" and "cost" that there are, and the further metrics by their names.

        Args:
          architecture: of the space, or the option of each decision by its name.
          seed: which draws one of the architecture's rows, with `values="draw"`.

        Raises:
          ChildFailure: the table has no row of it, or none with a value.
          InputError: it is no architecture of the space.
        """
        measured = self._measured(self._tokens(architecture), seed)
        value = measured["value"]
        return Measurement(value if self._settings.direction == "maximize" else -value, measured)

    def value(self, architecture: Architecture | Mapping[str, Option | None]) -> float:
        """Return the mean of an architecture's values, or their median; see `evaluate`."""
        return self._true(self._tokens(architecture))["value"]

    @functools.cached_property
    def best(self) -> BestOfTable:
        """The architecture of the best mean, or median; the first of equal ones.

        Raises:
          InputError: no row has a value.
        """
        found = {
            tokens: self._true(tokens)
            for tokens, rows in self._table.rows.items()
            if any(row.value is not None for row in rows)
        }
        if not found:
            raise InputError(f"{self._table.title}: no row has a value")
        better = max if self._settings.direction == "maximize" else min
        tokens = better(found, key=lambda each: found[each]["value"])
        measured = dict(found[tokens])
        return BestOfTable(Architecture(self.space, tokens), measured.pop("value"), measured)

    def _measured(self, tokens: Tokens, seed: int) -> dict[str, float]:
        if self._lookup.values != "draw":
            return self._true(tokens)
        rows = self._rows(tokens)
        check_number(seed, "seed", least=0, most=2**63 - 1)
        row = rows[int(np.random.Generator(np.random.Philox(key=seed)).integers(len(rows)))]
        if row.value is None:
            raise ChildFailure("diverged", f"this row of {self._named(tokens)} has no value")
        return dict(row.measured)

    def _true(self, tokens: Tokens) -> dict[str, float]:
        rows = [row for row in self._rows(tokens) if row.value is not None]
        summarised = STATISTICS.get(self._lookup.values, statistics.fmean)
        names = dict.fromkeys(name for row in rows for name in row.measured)
        return {
            name: summarised([row.measured[name] for row in rows if name in row.measured])
            for name in names
        }

    def _rows(self, tokens: Tokens) -> Sequence[Row]:
        """Return an architecture's rows, one of which has a value at least."""
        rows = self._table.rows.get(tokens, ())
        if not any(row.value is not None for row in rows):
            what = "has no value" if rows else "has no row"
            raise ChildFailure("infeasible", f"{self._named(tokens)} {what}")
        return rows

    def _named(self, tokens: Tokens) -> str:
        return described(Architecture(self.space, tokens))

    def _tokens(self, architecture: Any) -> Tokens:
        if isinstance(architecture, Architecture):
            given, own = architecture.space, self.space
            if given is not own and (given.decisions, given.depth) != (own.decisions, 0):
                raise InputError(
                    f"architecture '{architecture}' is of another space than {self._table.title}"
                )
            return architecture.tokens
        if not isinstance(architecture, Mapping):
            raise InputError(
                f"architecture is {shown(architecture)}, no Architecture and no {{name: option}}"
            )
        return _tokens_of(self.space, architecture)


def _tokens_of(space: SearchSpace, options: Mapping[str, Option | None]) -> Tokens:
    """Return the tokens of the options by the decisions' names.

    One that does not exist under the others may be left out or None.
    """
    tokens: list[Token] = []
    left = dict(options)
    for step in space.steps:
        option, decision = left.pop(step.decision.name, None), step.decision
        assert isinstance(decision, Choice)
        if not space.exists(step, tokens):
            option_fits, token = option is None, None
        else:
            option_fits = option in decision.options
            token = decision.options.index(option) if option_fits else None
        if not option_fits:
            known = ", ".join(decision.texts) if space.exists(step, tokens) else "None here"
            raise InputError(f"{decision.name} is {shown(option)}, not one of {known}")
        tokens.append(token)
    if left:
        raise InputError(f"the table has no decision {shown(next(iter(left)))}")
    return tuple(tokens)


def table(
    file: str | Path | TabularSpace,
    *,
    value: str = "",
    direction: Direction = "maximize",
    values: Values = "mean",
    missing: Missing = "refuse",
) -> MeasuredTable:
    """Return a table of measured architectures as a space and its evaluation.

    `nas.search(table.space, table.evaluate)` searches it; `table.value({"units": 16})` is for any
    other library, `table.best` the answer.

    Args:
      file: CSV, JSON or SQLite, each row with an option for each decision and a value; a
        `TabularSpace` says more of its columns.
      value: the column with what is to be found the best of; else "value", "reward" or the last
        column of numbers.
      direction: which values are better.
      values: what stands for the rows of an architecture that was trained with several seeds.
      missing: whether a table without some of its space's architectures is refused, or these fail.

    Raises:
      InputError: the table cannot be read, or is not complete.
    """
    if not isinstance(file, TabularSpace):
        path = checked(file, str, "file")
        settings = TabularSpace(path, value=value, direction=direction)
    elif value or direction != "maximize":
        raise InputError("value and direction are the TabularSpace's own: give them there")
    else:
        settings = file
    return MeasuredTable(settings, TabularLookup(values, missing))


def load(data: LocatedExperiment) -> MeasuredTable:
    """Read the table; InputError for one that cannot be used."""
    return MeasuredTable(data.experiment.space, data.experiment.child)
