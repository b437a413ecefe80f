"""How a message shows a value: cut, printable, on one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_with_rl.search_spaces.errors import LONGEST_PATH, shortened, shown, shown_path


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("max_cell", "'max_cell'"),
        ("", "''"),
        ("a\0b\nc\ud800", r"'a\x00b\nc\ud800'"),
        ("Größe", "'Größe'"),
        (3, "3"),
        (None, "None"),
        ({"a": [1.5]}, "{'a': [1.5]}"),
    ],
)
def test_short_values_are_shown_whole(value, text):
    assert shown(value) == text


def test_long_and_deep_values_are_cut():
    assert shortened("x" * 60) == "x" * 60
    assert shortened("x" * 5000) == "x" * 59 + "…"
    assert shortened("x" + " " * 10**6) == "x…"
    assert shortened(" a\n b\0") == r"a b\x00"
    assert shown_path("y" * 5000) == "y" * (LONGEST_PATH - 1) + "…"
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert len(shown(deep)) <= 60 and len(shown(10**10_000)) <= 60
    while deep:  # freed level by level
        deep = deep.pop()


@given(st.text())
def test_any_text_is_one_printable_line(text):
    assert shortened(text).isprintable() and shown(text).isprintable()


def test_what_cannot_be_printed_counts_as_it_is_written():
    assert len(shortened("\U0003134b" * 100)) <= 60
    assert len(shown("\ud7fc" * 100)) <= 60
