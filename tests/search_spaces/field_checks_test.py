"""Fields hold what their types say: what is right but for its type is converted."""

import dataclasses
import enum
import fractions
import itertools
import typing
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields, check_number, check_range, checked


class Unshowable:
    def __repr__(self):
        raise RuntimeError("no text")


class Word(enum.StrEnum):
    RANDOM = "random"


@dataclasses.dataclass(frozen=True)
class Inner:
    number: int = 1


@dataclasses.dataclass(frozen=True)
class Config:
    count: int = 1
    rate: float = 0.5
    title: str = "a"
    flag: bool = False
    kind: Literal["reinforce", "random"] = "random"
    sizes: tuple[int, ...] = (1,)
    ceiling: float | None = None
    inner: Inner | None = None

    def __post_init__(self):
        check_fields(self, "group")


@pytest.mark.parametrize(
    ("field", "given", "held"),
    [
        ("count", np.int64(16), 16),
        ("count", np.array(3), 3),
        ("rate", 1, 1.0),
        ("rate", np.float32(0.25), 0.25),
        ("rate", np.int8(2), 2.0),
        ("rate", fractions.Fraction(1, 4), 0.25),
        ("title", np.str_("b"), "b"),
        ("title", Path("a/b"), "a/b"),
        ("flag", np.True_, True),
        ("kind", np.str_("random"), "random"),
        ("kind", Word.RANDOM, "random"),
        ("sizes", [1, np.int32(2)], (1, 2)),
        ("sizes", np.array([1, 2]), (1, 2)),
        ("sizes", range(3), (0, 1, 2)),
        ("sizes", [], ()),
        ("ceiling", 3, 3.0),
        ("ceiling", None, None),
        ("inner", Inner(2), Inner(2)),
    ],
)
def test_what_is_right_but_for_its_type_is_converted(field, given, held):
    found = getattr(Config(**{field: given}), field)
    assert found == held and type(found) is type(held)
    if isinstance(held, tuple):
        assert [type(item) for item in found] == [type(item) for item in held]


@pytest.mark.parametrize(
    ("field", "given", "message"),
    [
        ("count", True, "group.count is True, not an integer"),
        ("count", np.True_, "not an integer"),
        ("count", 16.0, "group.count is 16.0, not an integer"),
        ("count", "16", "group.count is '16', not an integer"),
        ("count", None, "group.count is None, not an integer"),
        ("count", 2**63, "not an integer of 64 bits"),
        ("count", 10**5000, "group.count is a value of type int, not an integer of 64 bits"),
        ("rate", "fast", "group.rate is 'fast', not a number"),
        ("rate", True, "group.rate is True, not a number"),
        ("rate", 10**400, "not a number"),
        ("rate", 1 + 2j, "not a number"),
        ("title", 5, "group.title is 5, not a text"),
        ("title", b"a", "not a text"),
        ("flag", 1, "group.flag is 1, not True or False"),
        ("flag", "false", "group.flag is 'false', not True or False"),
        ("kind", "Random", "group.kind is 'Random', not one of reinforce, random"),
        ("kind", 1, "group.kind is 1, not one of reinforce, random"),
        ("sizes", 3, "group.sizes is 3, not a tuple"),
        ("sizes", "12", "group.sizes is '12', not a tuple"),
        ("sizes", {1, 2}, "group.sizes is {1, 2}, not a tuple"),
        ("sizes", [1, "x"], "group.sizes has 'x', not an integer"),
        ("sizes", np.ones((2, 2), int), "group.sizes is array([[1, 1], [1, 1]]), not a tuple"),
        ("ceiling", "x", "group.ceiling is 'x', not a number or None"),
        ("inner", Inner, "not an Inner or None"),
        ("inner", Unshowable(), "group.inner is a value of type Unshowable, not an Inner or None"),
        ("title", ["x" * 10**6], "not a text"),
    ],
    ids=itertools.count(),
)
def test_the_rest_is_refused_in_one_short_line(field, given, message):
    with pytest.raises(InputError) as error:
        Config(**{field: given})
    said = str(error.value)
    assert message in said and "\n" not in said and len(said) < 200


def test_a_field_that_fits_is_left_as_it_is():
    inner = Inner()
    assert Config(inner=inner).inner is inner
    assert checked(5, int | str, "x") == 5 and checked("5", int | str, "x") == "5"
    assert checked(Unshowable, typing.Any, "x") is Unshowable


def test_ranges_name_the_limit():
    config = Config(count=5)
    check_range(config, ["count"], least=5, most=5)
    with pytest.raises(InputError, match=r"^search\.count is 5, below 6$"):
        check_range(config, ["count"], least=6, most=10, group="search")
    with pytest.raises(InputError, match=r"^count is 5, above 4$"):
        check_range(config, ["count"], least=1, most=4)
    with pytest.raises(InputError, match="rate is nan"):
        check_number(float("nan"), "rate", least=0, most=1)
