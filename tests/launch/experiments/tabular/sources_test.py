"""Files as rows: CSV, JSON and SQLite say the same; what is wrong with one is one line."""

import json
import sqlite3

import pytest

from nas_with_rl.launch.experiments.tabular.sources import read_source
from nas_with_rl.search_spaces.errors import InputError

COLUMNS = ("op", "units", "value")
ROWS = [("a", 1, 0.5), ("b", 2, 0.25), ("a", 2, None)]
OBJECTS = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
CSV = "op,units,value\na,1,0.5\nb,2,0.25\na,2,\n"
TEXTS = [("a", "1", "0.5"), ("b", "2", "0.25"), ("a", "2", None)]
FORMS = {
    "csv": (CSV, True),
    "csv of Windows": ("\ufeff" + CSV.replace("\n", "\r\n"), True),
    "semicolons": (CSV.replace(",", ";"), True),
    "tabs, blanks and a blank line": (CSV.replace(",", " \t ").replace("\nb", "\n\nb"), True),
    "objects": (json.dumps(OBJECTS, indent=1), False),
    "objects by line": ("\n".join(map(json.dumps, OBJECTS)), False),
    "lists": (json.dumps({n: [o[n] for o in OBJECTS] for n in COLUMNS}), False),
}


def file(tmp_path, text):
    path = tmp_path / "bench"
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


def database(tmp_path, **tables):
    path = tmp_path / "bench.sqlite"
    with sqlite3.connect(path) as connection:
        for name, rows in tables.items():
            connection.execute(f'CREATE TABLE "{name}" (op, units, value)')
            connection.executemany(f'INSERT INTO "{name}" VALUES (?, ?, ?)', rows)
    connection.close()
    return str(path)


@pytest.mark.parametrize(("text", "is_text"), FORMS.values(), ids=FORMS)
def test_every_form_has_the_same_rows(text, is_text, tmp_path):
    source = read_source(file(tmp_path, text))
    assert source.columns == COLUMNS and source.is_text == is_text
    assert list(map(tuple, source.rows)) == (TEXTS if is_text else ROWS)


def test_a_database_is_read_and_not_written(tmp_path):
    path = database(tmp_path, bench=ROWS)
    source = read_source(path)
    assert source.columns == COLUMNS and list(source.rows) == ROWS
    assert [each.name for each in tmp_path.iterdir()] == ["bench.sqlite"]
    connection = sqlite3.connect(path)
    connection.execute('CREATE VIEW "the best" AS SELECT * FROM bench WHERE value > 0.3')
    connection.commit()
    connection.close()
    assert list(read_source(path, "the best").rows) == ROWS[:1]
    with pytest.raises(InputError, match=r"has 2 tables \(bench, the best\); the setting table"):
        read_source(path)
    with pytest.raises(InputError, match="has no table 'x'; it has bench, the best"):
        read_source(path, "x")


def test_rows_know_where_they_stand(tmp_path):
    quoted = 'op,units,value\n"a\nb",1,2\n\nc,2,3\n'
    source = read_source(file(tmp_path, quoted))
    assert [source.place(index) for index in range(2)] == ["line 3", "line 5"]
    source = read_source(file(tmp_path, json.dumps(OBJECTS)))
    assert source.place(1) == "row 2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("a,b\n", "has no rows"),
        ("a,b\n1,2\n3\n", "line 3 has 1 cells, and the first line names 2 columns"),
        ("a,a\n1,2\n", "has two columns named 'a'"),
        ('a,b\n1,"2\n', "line 2: unexpected end of data"),
        ("[]", "has no rows"),
        ('[{"a": 1},\n 5]', "row 2 is 5, no object"),
        ('[{"a": [1]}]', "row 1, column 'a': [1] is no number and no text"),
        ('[{"a": 1},\n}', "line 2: "),
        ('{"a": 1}\n{"a": \n', "line 2: Expecting value"),
        ('{"a": [1, 2], "b": [1]}', "column 'b' has 1 values, and 'a' has 2"),
        ('{"a": [1, 2], "b": 1}', "column 'b' has no list, and 'a' has 2"),
        ("[" * 100_000, "cannot be read as JSON"),
    ],
)
def test_what_is_wrong_is_one_line(text, message, tmp_path):
    with pytest.raises(InputError) as caught:
        read_source(file(tmp_path, text))
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"table {tmp_path / 'bench'}")


def test_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "damaged").write_bytes(b"SQLite format 3\0" + b"x" * 100)
    for name, message in (
        ("nowhere", "No such file"),
        (".", "Is a directory"),
        ("bytes", "no text in UTF-8"),
        ("damaged", "file is not a database"),
    ):
        with pytest.raises(InputError, match=message):
            read_source(str(tmp_path / name))
    with pytest.raises(InputError, match="the setting table is 't', which has no effect"):
        read_source(file(tmp_path, CSV), "t")
    blobs = database(tmp_path, bench=[("a", 1, b"\0")])
    with pytest.raises(InputError, match=r"row 1, column 'value': b'\\x00' is no number"):
        read_source(blobs)
