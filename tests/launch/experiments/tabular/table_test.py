"""Tables: rows by architecture, what is missing, what is doubled, and when a file is read again."""

import itertools
import os
import re

import pytest

from nas_with_rl.launch.experiments.tabular.table import read_table
from nas_with_rl.launch.experiments.tabular.tabular_space import TabularSpace
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.errors import InputError


@pytest.fixture
def written(tmp_path):
    def write(text, **settings):
        (tmp_path / "bench.csv").write_text(text)
        return TabularSpace(str(tmp_path / "bench.csv"), **settings)

    return write


def test_rows_are_known_by_their_architecture(written):
    text = "units,op,seed,cost,v\n16,a,0,3,0.5\n8,b,0,4,0.25\n16,a,1,5,\n16,b,0,,nan\n8,a,0,1,inf"
    table = read_table(written(text))
    table.check_complete()
    assert table.space.size == len(table.rows) == 4 and table.num_rows == 5
    rows = table.rows[parse_architecture("16 a", table.space).tokens]
    assert [(row.seed, dict(row.measured)) for row in rows] == [
        ("0", {"value": 0.5, "cost": 3.0}),
        ("1", {"cost": 5.0}),
    ]
    (failed,) = table.rows[parse_architecture("8 a", table.space).tokens]
    assert failed.value is None
    assert table.describe().endswith(
        "5 rows, 4 architectures of 2 decisions; value: 'v', the last column of numbers"
    )


def test_the_first_missing_architecture_is_named(written):
    rows = [f"{a},{b},{c},1" for a, b, c in itertools.product(range(3), "xyz", (0.5, 1.5))]
    whole = "a,b,c,v\n" + "\n".join(rows)
    read_table(written(whole)).check_complete()
    kept = [row for row in rows if row not in ("1,z,0.5,1", "1,z,1.5,1", "2,x,0.5,1")]
    message = "no row of a=1, b=z, c=0.5; 3 of the 18 architectures are missing"
    with pytest.raises(InputError, match=message):
        read_table(written("a,b,c,v\n" + "\n".join(kept))).check_complete()


def test_decisions_that_do_not_exist_are_not_missing(written):
    text = "op,size,units,v\npool,,1,1\nconv,3,1,2\nconv,5,1,3\npool,,2,4\nconv,5,2,5\n"
    message = "no row of op=conv, size=3, units=2; 1 of the 6 architectures are missing"
    with pytest.raises(InputError, match=message):
        read_table(written(text)).check_complete()
    read_table(written(text + "conv,3,2,6")).check_complete()


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("a,v\n1,1\n2,2\n1,3", {}, "line 4 has the decisions of line 2; a column seed tells"),
        ("a,seed,v\n1,0,1\n1,1,2\n1,0,3", {}, "line 4 has the decisions and seed of line 2"),
        ("a,v\n1,1\n2,high", {"value": "v"}, "line 3, column 'v': 'high' is no number"),
        ("a,m,v\n1,,1\n2,x,2", {"metrics": ("m",)}, "line 3, column 'm': 'x' is no number"),
    ],
)
def test_bad_rows_are_one_line_with_their_place(text, settings, message, written):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_table(written(text, **settings))
    assert str(caught.value).startswith("table /") and "\n" not in str(caught.value)


def test_a_file_is_read_once_until_it_changes(written):
    space = written("a,v\n1,1\n2,2")
    assert space.read() is space.read()
    before = space.read()
    changed = written("a,v\n1,1\n3,2")
    os.utime(changed.path, ns=(1, 1))  # of the same size, in the same instant perhaps
    assert changed == space and changed.read() is not before
    assert changed.search_space().decisions[0].options == (1, 3)
    assert changed.read().sha256 != before.sha256


def test_a_space_without_a_file_says_how_to_name_one():
    with pytest.raises(InputError, match=r"no table is named: --table=FILE \(space.path\)"):
        TabularSpace().search_space()
