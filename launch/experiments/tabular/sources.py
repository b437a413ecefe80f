"""Tables as files: CSV, JSON and SQLite, read as rows of cells that know where they stand.

What a file is its content says, whatever its name. Standard library alone.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.search_spaces.errors import InputError, shortened, shown, shown_path

Cell = str | int | float | bool | None
_SQLITE = b"SQLite format 3\0"
_DELIMITERS = ",\t;"
_SCALARS = str | int | float | None  # True and False are integers


@dataclasses.dataclass(frozen=True)
class Source:
    """The rows of a file.

    Attributes:
      title: the file, for messages.
      columns: their names, each once.
      rows: a cell for each column; an empty one is None.
      noun: what a row is counted by: "line" or "row".
      numbers: of the rows, from 1.
      is_text: whether cells are texts that may stand for numbers, as a CSV file's.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    noun: str
    numbers: Sequence[int]
    is_text: bool = False

    def place(self, row: int) -> str:
        """Return where a row, counted from 0, stands, for messages."""
        return f"{self.noun} {self.numbers[row]}"


def read_source(path: str, table: str = "") -> Source:
    """Read a file.

    Args:
      path: of a CSV file (by commas, semicolons or tabs, its first line the names), a JSON file (a
        list of objects, an object of lists, or an object a line) or an SQLite database.
      table: or view, of a database that has several.

    Raises:
      InputError: a file that is not there, is none of these, or has no rows.
    """
    title = f"table {shown_path(path)}"
    try:
        with Path(path).open("rb") as file:
            is_database = file.read(len(_SQLITE)) == _SQLITE
        if is_database:
            return _checked(_database(title, Path(path), table))
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{title}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{title} is no text in UTF-8 and no SQLite database") from None
    if table:
        raise InputError(
            f"{title}: the setting table is {shown(table)}, which has no effect: the file is no "
            "SQLite database"
        )
    if text.lstrip()[:1] in ("[", "{"):
        return _checked(_json(title, text))
    return _checked(_csv(title, text))


def _checked(source: Source) -> Source:
    names = source.columns
    doubled = next((name for name in names if name and names.count(name) > 1), None)
    if doubled is not None:
        raise InputError(f"{source.title} has two columns named {shown(doubled)}")
    if not source.rows:
        raise InputError(f"{source.title} has no rows")
    return source


def _csv(title: str, text: str) -> Source:
    first = text.lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: tuple[str, ...] = ()
    rows: list[list[str | None]] = []
    numbers: list[int] = []
    try:
        for cells in reader:
            if not cells:  # a blank line
                continue
            if not columns:
                columns = tuple(cell.strip() for cell in cells)
                continue
            if len(cells) != len(columns):
                raise InputError(
                    f"{title}: line {reader.line_num} has {len(cells)} cells, and the first line "
                    f"names {len(columns)} columns"
                )
            rows.append([cell.strip() or None for cell in cells])
            numbers.append(reader.line_num)
    except csv.Error as error:
        raise InputError(f"{title}: line {reader.line_num}: {error}") from None
    return Source(title, columns, rows, "line", numbers, is_text=True)


def _json(title: str, text: str) -> Source:
    try:
        found = _parsed(title, text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.lstrip()[0] == "{":
            return _json_lines(title, text)
        raise InputError(f"{title}: line {error.lineno}: {error.msg}") from None
    if isinstance(found, dict) and any(isinstance(each, list) for each in found.values()):
        found = _transposed(title, found)
    objects = found if isinstance(found, list) else [found]
    return _of_objects(title, objects, "row", range(1, len(objects) + 1))


def _json_lines(title: str, text: str) -> Source:
    objects, numbers = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            objects.append(_parsed(title, line))
        except json.JSONDecodeError as error:
            raise InputError(f"{title}: line {number}: {error.msg}") from None
        numbers.append(number)
    return _of_objects(title, objects, "line", numbers)


def _parsed(title: str, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:  # nested without end; a number of 5,000 digits
        raise InputError(f"{title} cannot be read as JSON: {shortened(str(error))}") from None


def _transposed(title: str, columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an object of lists, one for each column."""
    lengths = {name: len(each) for name, each in columns.items() if isinstance(each, list)}
    length = next(iter(lengths.values()))
    for name in columns:
        if lengths.get(name) != length:
            there = f"{lengths[name]} values" if name in lengths else "no list"
            raise InputError(
                f"{title}: column {shown(name)} has {there}, and {shown(next(iter(lengths)))} has "
                f"{length}"
            )
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _of_objects(title: str, objects: list[Any], noun: str, numbers: Sequence[int]) -> Source:
    names: dict[str, None] = {}
    for number, each in zip(numbers, objects, strict=True):
        if not isinstance(each, dict):
            raise InputError(f"{title}: {noun} {number} is {shown(each)}, no object")
        names.update(dict.fromkeys(each))
    rows = [[each.get(name) for name in names] for each in objects]
    source = Source(title, tuple(names), rows, noun, numbers)
    _check_scalars(source)
    return dataclasses.replace(source, rows=[[_cell(cell) for cell in row] for row in rows])


def _check_scalars(source: Source) -> None:
    for index, row in enumerate(source.rows):
        for name, cell in zip(source.columns, row, strict=True):
            if not isinstance(cell, _SCALARS):
                raise InputError(
                    f"{source.title}: {source.place(index)}, column {shown(name)}: {shown(cell)} "
                    "is no number and no text"
                )


def _cell(cell: Cell) -> Cell:
    return (cell.strip() or None) if isinstance(cell, str) else cell


def _database(title: str, path: Path, table: str) -> Source:
    try:
        with _opened(path) as connection:
            name = _table_name(title, connection, table)
            quoted = name.replace('"', '""')
            cursor = connection.execute(f'SELECT * FROM "{quoted}"')
            columns = tuple(str(each[0]) for each in cursor.description)
            rows = [tuple(_cell(cell) for cell in row) for row in cursor]
    except sqlite3.Error as error:
        raise InputError(f"{title}: {shortened(str(error))}") from None
    source = Source(title, columns, rows, "row", range(1, len(rows) + 1))
    _check_scalars(source)
    return source


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    uri = f"{path.absolute().as_uri()}?mode=ro"  # nothing is written, nothing is made
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
        yield connection


def _table_name(title: str, connection: sqlite3.Connection, wanted: str) -> str:
    query = (
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND substr(name, 1, 7) "
        "!= 'sqlite_' ORDER BY rowid"
    )
    names = [str(name) for (name,) in connection.execute(query)]
    if wanted in names:
        return wanted
    listed = shortened(", ".join(names), 200) or "none"
    if wanted:
        raise InputError(f"{title} has no table {shown(wanted)}; it has {listed}")
    if len(names) != 1:
        raise InputError(
            f"{title} has {len(names)} tables ({listed}); the setting table names the one to read"
        )
    return names[0]
