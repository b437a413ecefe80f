"""How a message shows a value: cut, printable, on one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_with_rl.search_spaces.errors import LONGEST_SHOWN, quoted, shown


@pytest.mark.parametrize(
    ("value", "as_shown", "in_quotes"),
    [
        ("max_cell", "max_cell", "'max_cell'"),
        ("", "", "''"),
        ("a\0b\nc\ud800", r"a\x00b\nc\ud800", r"'a\x00b\nc\ud800'"),
        ("Größe", "Größe", "'Größe'"),
        (3, "3", "3"),
        (None, "None", "None"),
        ({"a": [1.5]}, "{'a': [1.5]}", "{'a': [1.5]}"),
    ],
)
def test_short_values_are_shown_whole(value, as_shown, in_quotes):
    assert (shown(value), quoted(value)) == (as_shown, in_quotes)


def test_long_and_deep_values_are_cut():
    assert shown("x" * LONGEST_SHOWN) == "x" * LONGEST_SHOWN
    assert shown("x" * 5000) == "x" * (LONGEST_SHOWN - 1) + "…"
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert len(shown(deep)) <= LONGEST_SHOWN
    assert len(shown(10**10_000)) <= LONGEST_SHOWN
    while deep:  # freed level by level
        deep = deep.pop()


@given(st.text())
def test_any_text_is_one_printable_line(text):
    assert shown(text).isprintable()
