"""Tables of one's own, as files: whatever is read of one is said of it again."""

from __future__ import annotations

import json
import math
import sqlite3
from pathlib import Path

from fuzzing import unchanged_if_refused
from hypothesis import strategies as st
from mutations import mutated_bytes, mutated_json, mutated_texts
from search_subjects import encoded

import nas_with_rl as nas

ROWS = [
    {"op": "a", "size": 3, "rate": 0.1, "seed": 1, "value": 0.5},
    {"op": "a", "size": 3, "rate": 0.1, "seed": 2, "value": None},
    {"op": "a", "size": 5, "rate": 0.1, "seed": 1, "value": -2},
    {"op": "b", "size": None, "rate": 0.1, "seed": 1, "value": 1e300},
    {"op": "b", "size": None, "rate": 2.0, "seed": 1, "value": 7},
]
CSV = "\n".join(
    [",".join(ROWS[0]), *(",".join("" if c is None else str(c) for c in r.values()) for r in ROWS)]
)
WORDS = [",", ";", "\t", "\n", '"', "nan", "inf", "1e9", "-", "|", " ", "\0", "\ufeff", "[", "{"]


class Tables:
    """CSV, JSON and SQLite files, of any content, read by any settings."""

    name = "table"

    def __init__(self, folder: Path):
        """Write a database to be damaged."""
        self._folder = folder / "tables"
        self._folder.mkdir()
        path = folder / "valid.sqlite"
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE bench (op, size, rate, seed, value)")
        rows = [tuple(row.values()) for row in ROWS]
        connection.executemany("INSERT INTO bench VALUES (?, ?, ?, ?, ?)", rows)
        connection.commit()
        connection.close()
        lines = "\n".join(map(json.dumps, ROWS))
        contents = st.one_of(
            mutated_texts([CSV, CSV.replace(",", ";"), lines], WORDS).map(encoded),
            mutated_json(ROWS).map(encoded),
            mutated_json({name: [row[name] for row in ROWS] for name in ROWS[0]}).map(encoded),
            mutated_bytes(path.read_bytes()),
        )
        columns = st.sampled_from(["", "", "op", "value", "size", "none such", "bench"])
        self.inputs = st.tuples(
            contents, columns, columns, st.sampled_from(["mean", "median", "draw"]), st.booleans()
        )

    def use(self, example: tuple[bytes, str, str, str, bool]) -> None:
        """Read it, and look everything up that it has."""
        content, value, test, values, is_whole = example
        (self._folder / "bench").write_bytes(content)
        with unchanged_if_refused(self._folder):
            table = nas.table(
                nas.TabularSpace(str(self._folder / "bench"), value=value, test=test),
                values=values,
                missing="refuse" if is_whole else "fail",
            )
            best = table.best
        again = nas.parse_architecture(str(best.architecture), table.space)
        assert again == best.architecture
        assert table.value(again) == best.value and math.isfinite(best.value)
        answers = {d.name: again[d.name] for d in table.space.decisions}
        assert table.value(answers) == best.value
        assert table.data["architectures"] == table.space.size or not is_whole


SUBJECTS = (Tables,)
