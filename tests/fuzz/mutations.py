"""Inputs that are nearly valid: strategies of Hypothesis that start from valid ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

MOST_CHANGES = 4
MOST_COPIES = 300  # of a part of a text, which makes it long

CHARACTERS = st.characters(codec=None)  # surrogates too, as a command line's bytes may become
TEXTS = st.text(CHARACTERS, max_size=60)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([0, -1, 1, 2**31, 2**63 - 1, 2**63, 10**30, 1e308, 5e-324, -0.0]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def mutated_texts(draw: Any, valid: Sequence[str], words: Sequence[str] = ()) -> str:
    """Draw a valid text with a few changes of characters, words and length.

    Args:
      draw: Hypothesis's.
      valid: what to start from.
      words: what is inserted besides characters at random.
    """
    text = draw(st.sampled_from(valid))
    inserted = st.one_of(TEXTS, st.sampled_from([*words, *valid])) if words else TEXTS
    for _ in range(draw(st.integers(0, MOST_CHANGES))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 12)))
        part = text[start:end]
        change = draw(st.integers(0, 5))
        if change == 0:
            part = ""
        elif change in (1, 2):
            part = draw(inserted)
        elif change == 3:
            part = part * draw(st.sampled_from([2, 3, MOST_COPIES]))
        elif change == 4:
            part = part.swapcase()[::-1]
        else:  # the end is lost
            end = len(text)
            part = ""
        text = text[:start] + part + text[end:]
    return text


@st.composite
def mutated_bytes(draw: Any, valid: bytes) -> bytes:
    """Draw valid content with bytes changed, inserted, lost or in another place."""
    content = bytearray(valid)
    for _ in range(draw(st.integers(1, MOST_CHANGES))):
        if not content:
            break
        start = draw(st.integers(0, len(content) - 1))
        length = draw(st.sampled_from([1, 1, 2, 4, 16, 100, 4096]))
        change = draw(st.integers(0, 4))
        if change == 0:
            content[start : start + length] = draw(st.binary(min_size=1, max_size=8))
        elif change == 1:
            del content[start : start + length]
        elif change == 2:
            content[start:start] = draw(st.binary(min_size=1, max_size=20))
        elif change == 3:
            other = draw(st.integers(0, len(content) - 1))
            content[start : start + length] = content[other : other + length]
        else:
            del content[start:]
    return bytes(content)


def mutated_json(valid: Any) -> st.SearchStrategy[str]:
    """Return JSON texts: a value with parts lost, renamed or of another type, or damaged text."""
    written = _mutated_values(valid).map(json.dumps)
    return st.one_of(written, written, written, mutated_texts([json.dumps(valid)]))


@st.composite
def _mutated_values(draw: Any, valid: Any) -> Any:
    value = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, MOST_CHANGES))):
        places = list(_places(value))
        if not places:
            return draw(JSON_VALUES)
        container, key = draw(st.sampled_from(places))
        _change(draw, container, key)
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) within a value, small containers' as often as large ones'."""
    found = []
    for key in value if isinstance(value, dict) else range(len(value)):
        found.append((value, key))
        if isinstance(value[key], dict | list):
            found += _places(value[key])
    return found


def _change(draw: Callable[[Any], Any], container: Any, key: Any) -> None:
    change = draw(st.integers(0, 5))
    if change == 0:
        del container[key]
    elif change == 1 and isinstance(container, dict):
        container[draw(st.text(max_size=12))] = container.pop(key)
    elif change == 2:
        container[key] = [container[key]]
    elif change == 3 and isinstance(container[key], int | float | str):
        value = container[key]
        container[key] = float(value) if isinstance(value, int) else str(value)
    else:
        container[key] = draw(JSON_VALUES)
