"""Configurations whose fields hold what their type hints say.

A frozen dataclass calls `check_fields` first in its `__post_init__`; its limits come after.
"""

from __future__ import annotations

import dataclasses
import functools
import numbers
import operator
import os
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from nas_with_rl.search_spaces.errors import InputError, shown

_UNFIT: Any = object()
_WORDS = {
    int: "an integer",
    float: "a number",
    str: "a text",
    bool: "True or False",
    type(None): "None",
    dict: "an object",
    os.PathLike: "a path",
}


def check_fields(config: Any, group: str = "") -> None:
    """Check each field of a dataclass against its type, in place.

    What is right but for its type is converted: NumPy's scalars to Python's, an integer where a
    number is meant, a list to a tuple, a path to its text.

    Args:
      config: the dataclass, just made.
      group: before a field's name in messages, as in "search.batch_size".

    Raises:
      InputError: a value of another type, or none of the choices.
    """
    for name, kind in _kinds(config.__class__).items():
        value = getattr(config, name)
        converted = checked(value, kind, f"{group}.{name}" if group else name)
        if converted is not value:
            object.__setattr__(config, name, converted)


def check_range(
    config: Any, names: Sequence[str], *, least: float, most: float, group: str = ""
) -> None:
    """Raise InputError for a field that is not from `least` to `most`, both allowed."""
    for name in names:
        check_number(
            getattr(config, name), f"{group}.{name}" if group else name, least=least, most=most
        )


def check_number(value: float, title: str, *, least: float, most: float) -> None:
    """Raise InputError unless a number is from `least` to `most`, both allowed; NaN is not."""
    if not least <= value <= most:
        limit = f"below {least:,}" if value < least else f"above {most:,}"
        raise InputError(f"{title} is {shown(value)}, {limit if value == value else 'no number'}")


def checked(value: object, kind: Any, title: str) -> Any:
    """Return a value as one of a type.

    Args:
      value: anything.
      kind: int, float, bool, str, a Literal, a class; or a tuple or a union of these and None.
      title: what the value is, for the message.

    Raises:
      InputError: it is not of that type.
    """
    fitted = _fitted(value, kind)
    if fitted is not _UNFIT:
        return fitted
    if typing.get_origin(kind) is tuple and (items := _items(value)) is not None:
        (inner, *_) = typing.get_args(kind)
        wrong = next(item for item in items if _fitted(item, inner) is _UNFIT)
        raise InputError(f"{title} has {shown(wrong)}, not {_phrase(inner)}")
    too_large = kind is int and isinstance(value, int) and not isinstance(value, bool)
    raise InputError(
        f"{title} is {shown(value)}, not {_phrase(kind)}{' of 64 bits' if too_large else ''}"
    )


@functools.cache
def _kinds(config: type) -> Mapping[str, Any]:
    hints = typing.get_type_hints(config)
    return {field.name: hints[field.name] for field in dataclasses.fields(config)}


def _fitted(value: Any, kind: Any) -> Any:
    """Return the value as one of that type, `_UNFIT` where it is none."""
    origin = typing.get_origin(kind)
    if origin is Literal:
        return next((choice for choice in typing.get_args(kind) if _same(choice, value)), _UNFIT)
    if origin in (typing.Union, types.UnionType):
        fitted = (_fitted(value, each) for each in typing.get_args(kind))
        return next((each for each in fitted if each is not _UNFIT), _UNFIT)
    if origin is tuple:
        items = _items(value)
        fits = [_fitted(item, typing.get_args(kind)[0]) for item in items or ()]
        return _UNFIT if items is None or any(each is _UNFIT for each in fits) else tuple(fits)
    if kind is Any:
        return value
    if kind in _CONVERTERS:
        return _CONVERTERS[kind](value)
    return value if isinstance(value, origin or kind) else _UNFIT


def _same(choice: object, value: object) -> bool:
    return isinstance(value, type(choice)) and value == choice


def _items(value: Any) -> list[Any] | None:
    """Return the items of a list, tuple, range or array of one dimension; None for the rest."""
    if isinstance(value, np.ndarray):
        return list(value) if value.ndim == 1 else None
    return list(value) if isinstance(value, list | tuple | range) else None


def _integer(value: Any) -> Any:
    if isinstance(value, bool):
        return _UNFIT
    try:
        number = operator.index(value)  # not of 16.0, nor of np.True_
    except TypeError:
        return _UNFIT
    return number if -(2**63) <= number < 2**63 else _UNFIT


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return _UNFIT
    try:
        return float(value)
    except OverflowError:
        return _UNFIT


def _truth(value: Any) -> Any:
    return bool(value) if isinstance(value, bool | np.bool_) else _UNFIT


def _text(value: Any) -> Any:
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    return str(text) if isinstance(text, str) else _UNFIT


_CONVERTERS = {int: _integer, float: _number, bool: _truth, str: _text}


def _phrase(kind: Any) -> str:
    """Return what is expected, in words."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin in (typing.Union, types.UnionType):
        *first, last = map(_phrase, arguments)
        return f"{', '.join(first)} or {last}"
    if origin is tuple:
        return f"a tuple of items, each {_phrase(arguments[0])}"
    if kind in _WORDS:
        return _WORDS[kind]
    name = (origin or kind).__name__
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
