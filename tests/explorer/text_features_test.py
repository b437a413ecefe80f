"""Features of small texts, by hand."""

import numpy as np
import pytest

from nas_with_rl.explorer.rankings import MOST_EXACT
from nas_with_rl.explorer.text_features import MOST_COUNTED, text_features
from tests.harness import examples


def feature(text, name):
    (found,) = (feature for feature in text_features(text) if feature.name == name)
    assert found.values.dtype == np.int32 and found.values.shape == (len(text),)
    return found.values.tolist()


def names(text):
    return [feature.name for feature in text_features(text)]


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("a\n  b c\n\n\td", "indentation", [0, 0, 1, 2, 2, 2, 2, 2, 0, 4, 4]),
        (" \tx\n   \ty", "indentation", [1, 4, 4, 4, 1, 2, 3, 4, 4]),
        ("f(a[1], {})\nx", "bracket_depth", [0, 1, 1, 2, 2, 1, 1, 1, 2, 1, 0, 0, 0]),
        (")(a", "bracket_depth", [0, 1, 1]),
        ("ab\n\nc", "column", [1, 2, 3, 1, 1]),
        ("#a b ## #cd1", "hashtag_position", [1, 2, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]),
        ("x#y #é", "hashtag_position", [0, 0, 0, 0, 1, 2]),
        ("at http://a.b/#c ok", "address_position", [0] * 3 + list(range(1, 14)) + [0] * 3),
        ("see www.a.b awww.", "address_position", [0] * 4 + list(range(1, 8)) + [0] * 6),
        ("me@a.b @ab_1!", "mention_position", [0] * 7 + [1, 2, 3, 4, 5, 0]),
        ("aaaXbbb\naX", "a_count", [1, 2, 3, 3, 3, 3, 3, 3, 1, 1]),
        ("aaaXbbb\naX", "b_count", [0, 0, 0, 0, 1, 2, 3, 3, 0, 0]),
        ("aaaXbbb\naX", "a_minus_b", [1, 2, 3, 3, 2, 1, 0, 0, 1, 1]),
        ("AxxxYa\nBxYb", "x_count", [0, 1, 2, 3, 3, 3, 3, 0, 1, 1, 1]),
        ("AxxxYa\nBxYb", "starts_with_A", [1] * 7 + [0] * 4),
    ],
)
def test_by_hand(text, name, values):
    assert feature(text, name) == values


def test_an_address_holds_no_hashtag_and_no_mention():
    assert names("x http://a.b/#c/@d yz") == ["column", "address_position"]


def test_only_what_varies_is_given():
    assert names("aaaa") == ["column", "a_count"]
    assert names("a") == [] == names("\n") == names("\n\n\n")
    assert names(examples.SOURCE_CODE) == ["indentation", "bracket_depth", "column"]
    assert names(examples.TWEET * 2) == [
        "column",
        "hashtag_position",
        "address_position",
        "mention_position",
    ]
    assert names(examples.counter_text(40)) == ["column", "a_count", "b_count", "a_minus_b"]


def test_lines_of_three_letters_tell_their_first():
    assert names("acbXacb\nbacXbac\ncabXcab\n") == [
        "column",
        "starts_with_a",
        "starts_with_b",
        "starts_with_c",
    ]


def test_tokens_of_several_characters_count_as_one():
    tokens = ["def", "<unk>", "(", "\u2028", "<eos>", "b", ")", "\r"]
    (depth,) = (f for f in text_features(tokens) if f.name == "bracket_depth")
    assert depth.values.tolist() == [0, 0, 1, 1, 1, 1, 0, 0]
    (column,) = (f for f in text_features(tokens) if f.name == "column")
    assert column.values.tolist() == [1, 2, 3, 4, 5, 1, 2, 3]


def test_words_are_no_letters_of_a_task():
    words = ("the", "cat", "<eos>", "a", "dog", "<eos>") * 3
    assert [feature.name for feature in text_features(words)] == ["column"]


def test_a_long_line_is_counted_to_a_limit_that_keeps_sums_exact():
    columns = feature("x" * (MOST_COUNTED + 50), "column")
    assert max(columns) == MOST_COUNTED and columns[-1] == MOST_COUNTED
    assert (10_000 * MOST_COUNTED) ** 2 < MOST_EXACT
