"""Which column is what: by settings, by name, by type; options and conditions as they stand."""

import json
import re

import pytest

from nas_with_rl.launch.experiments.tabular.columns import decided, number_of, roles_of
from nas_with_rl.launch.experiments.tabular.sources import Source, read_source
from nas_with_rl.launch.experiments.tabular.tabular_space import TabularSpace
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import Choice


def source(header, *rows, is_text=True):
    columns = tuple(header.split(","))
    cells = [tuple(cell or None for cell in row.split(",")) for row in rows]
    return Source("table t", columns, cells, "line", range(2, 2 + len(rows)), is_text)


def roles(header, row, **settings):
    """Return the decisions' names and what is measured by which column."""
    found = roles_of(source(header, row), TabularSpace(**settings))
    names = header.split(",")
    measured = {name: names[place] for name, place in found.measured.items()}
    seed = None if found.seed is None else names[found.seed]
    return [names[place] for place in found.decisions], measured, seed


@pytest.mark.parametrize(
    ("header", "row", "settings", "expected"),
    [
        ("a,b,acc", "x,1,2", {}, (["a", "b"], {"value": "acc"}, None)),
        ("a,value,b", "1,2,3", {}, (["a", "b"], {"value": "value"}, None)),
        ("a,reward,b", "1,2,3", {}, (["a", "b"], {"value": "reward"}, None)),
        ("a,acc,b", "1,2,x", {}, (["a", "b"], {"value": "acc"}, None)),
        ("a,acc,seed,cost", "x,2,3,4", {}, (["a"], {"value": "acc", "cost": "cost"}, "seed")),
        ("a,cost,seed", "x,2,3", {"value": "cost"}, (["a"], {"value": "cost"}, "seed")),
        ("a,acc,test", "x,2,3", {}, (["a"], {"value": "acc", "test": "test"}, None)),
        ("a,test", "x,2", {"value": "test"}, (["a"], {"value": "test"}, None)),
        ("a,cost,v", "x,2,3", {"decisions": ("cost", "a")}, (["cost", "a"], {"value": "v"}, None)),
        (",a,v", "0,1,2", {}, (["a"], {"value": "v"}, None)),
        (
            "a,valid,t,run,hours,size,id",
            "x,2,3,4,5,6,7",
            {
                "value": "valid",
                "test": "t",
                "seed": "run",
                "cost": "hours",
                "metrics": ("size",),
                "ignored": ("id",),
            },
            (["a"], {"value": "valid", "test": "t", "cost": "hours", "size": "size"}, "run"),
        ),
        (
            "a,b,c,v",
            "1,2,3,4",
            {"decisions": ("c", "a"), "value": "v"},
            (["c", "a"], {"value": "v"}, None),
        ),
    ],
)
def test_each_column_has_a_role(header, row, settings, expected):
    assert roles(header, row, **settings) == expected


@pytest.mark.parametrize(
    ("header", "row", "settings", "message"),
    [
        ("a,b", "x,y", {}, "no column of numbers that could be the value; it has a, b: the"),
        ("a,b", "x,1", {"value": "c"}, "has no column 'c' (setting value); it has a, b"),
        ("a,b", "x,1", {"metrics": ("c",)}, "has no column 'c' (setting metrics); it has a, b"),
        ("a,b", "x,1", {"value": "b", "test": "b"}, "column 'b' is named as two things"),
        ("v", "1", {}, "has no decisions: each of its columns, v, is something else"),
        ("a,cost,v", "x,1,1", {"metrics": ("cost",)}, "a metric cannot be named 'cost'"),
    ],
)
def test_a_column_that_is_not_there_is_named(header, row, settings, message):
    with pytest.raises(InputError, match=re.escape(message)):
        roles(header, row, **settings)


@pytest.mark.parametrize(
    ("cells", "options"),
    [
        ("16,8,128,8", (8, 16, 128)),
        ("-1,0", (-1, 0)),
        ("0.1,1e-3,2,0.10", (0.001, 0.1, 2.0)),
        ("007,010", ("007", "010")),
        ("relu,tanh,elu", ("relu", "tanh", "elu")),
        ("1,x,0.5", ("1", "x", "0.5")),
        ("nan,1", ("nan", "1")),
        ("True,False", ("True", "False")),
        ("1e999,1", ("1e999", "1")),
        ("conv 3x3,a|b", ("conv_3x3", "a/b")),
        ("12345678901234567890123,1", (1.0, 12345678901234567890123.0)),
    ],
)
def test_options_of_a_text_file_have_the_type_that_fits_them_all(cells, options):
    column = decided(source("a", *cells.split(",")), 0)
    assert column.options == options
    assert [type(option) for option in column.options] == [type(option) for option in options]
    assert len(column.tokens) == len(cells.split(","))


def test_options_of_json_are_as_they_are(tmp_path):
    rows = [{"a": each, "v": 1} for each in (2, True, 1.5, "2", None, 1.5, False)]
    (tmp_path / "bench.json").write_text(json.dumps(rows))
    column = decided(read_source(str(tmp_path / "bench.json")), 0)
    assert column.options == (2, True, 1.5, "2", False)
    assert column.tokens == [0, 1, 2, 3, None, 2, 4]
    with pytest.raises(InputError, match="column 'a' is empty"):
        decided(source("a,v", ",1"), 0)


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        *(("1", 1), ("-.5e1", -5), (3, 3), (0.5, 0.5)),
        *((each, None) for each in ("", None, "NaN", "-inf", float("nan"), 10**400, "1e999")),
    ],
)
def test_numbers_are_read(cell, number):
    assert number_of(cell or None) == number


@pytest.mark.parametrize("cell", ["high", "1_000", "0x1", "1,5", True, "١"])
def test_what_is_no_number_is_refused(cell):
    with pytest.raises(ValueError, match=re.escape(str(cell))):
        number_of(cell)


def decisions(tmp_path, text, **settings):
    (tmp_path / "bench.csv").write_text(text)
    return TabularSpace(str(tmp_path / "bench.csv"), **settings).search_space().decisions


def test_empty_cells_are_decisions_that_an_earlier_one_explains(tmp_path):
    rows = ("adam,,,1", "sgd,0,,2", "sgd,0.9,no,3", "sgd,0.9,yes,4", "lion,,,5")
    text = "\n".join(("optimizer,momentum,nesterov,v", *rows))
    assert decisions(tmp_path, text) == (
        Choice("optimizer", ("adam", "sgd", "lion")),
        Choice("momentum", (0.0, 0.9), only_if=("optimizer", ("sgd",))),
        Choice("nesterov", ("no", "yes"), only_if=("momentum", (0.9,))),
    )


def test_empty_cells_that_nothing_explains_are_refused(tmp_path):
    text = "momentum,optimizer,v\n,adam,1\n0,sgd,2\n0.9,sgd,3"
    with pytest.raises(InputError, match="line 2 has no 'momentum', and no single earlier column"):
        decisions(tmp_path, text)
    found = decisions(tmp_path, text, decisions=("optimizer", "momentum"))
    assert found[1].only_if == ("optimizer", ("sgd",))
    with pytest.raises(InputError, match="line 3 has no 'b'"):
        decisions(tmp_path, "a,b,v\nx,1,1\nx,,2\ny,1,3")


def test_names_and_options_that_are_no_words_any_more_are_refused(tmp_path):
    assert decisions(tmp_path, "learning rate,v\n1,1\n2,2")[0].name == "learning_rate"
    for text, message in (
        ("a b,a_b,v\n1,1,1\n2,2,2", "two decisions named 'a_b'"),
        ("a,v\nb c,1\nb_c,2", "choice 'a' has two options with the same text"),
        ("a,v\n-,1\nb,2", "choice 'a': option '-' cannot be written"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            decisions(tmp_path, text)
        assert str(caught.value).startswith("table /")
