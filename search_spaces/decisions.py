"""Decisions: what is chosen among, and under which conditions.

Every option has a text of its own, a word, by which architectures are written, stored and read
again; what it stands for may be anything: a number, a class, a function, a tuple, None.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import numbers
import unicodedata
from collections.abc import Iterable, KeysView, Mapping, Sequence, Set
from typing import Any

from nas_with_rl.search_spaces.errors import InputError, shown

Option = Any  # whatever is chosen; its text is a word
Options = Sequence[Option] | Mapping[str, Option]  # in order, or by their texts
# A decision and those of its options under which another one exists.
Condition = tuple[str, tuple[Option, ...]]
MAX_OPTIONS, MAX_STEPS = 10_000, 100_000
MAX_WORD = 255  # characters of an option's text, and of a decision's name
# Keys of what others write for a range, which a list of named options is easily taken for.
_OF_A_RANGE = frozenset({"min", "max", "min_value", "max_value", "low", "high", "step", "default"})


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Choice:
    """A decision among options.

    Attributes:
      name: unique in the space. A part before "/" groups decisions in the text form:
        "node_0/activation" belongs to the group "node_0".
      options: at least one. Their order is the controller's, so that a set cannot be used. A
        mapping has the options by their texts, as `{"small": (16, 16), "adam": make_adam}`.
      only_if: `(decision, options)`: this decision exists only where that earlier choice took
        one of these options; a single one needs no tuple. Several such pairs, or a mapping of
        decisions to options: where all of them hold. Without it the decision always exists.
      names: each option's text, a word without "|" or ","; None: its own as Python writes it, a
        class's or a function's name, or those of a tuple's items, as 3x3.

    Choices of equal texts are equal, where those of plain options stand for equal values: what a
    text stands for may be a function, which no process shares with another.
    """

    name: str
    options: tuple[Option, ...]
    only_if: Condition | tuple[Condition, ...] | None = None
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        name = _checked_name(self.name)
        object.__setattr__(self, "name", name)
        options: Any = self.options
        if isinstance(options, Mapping) and self.names is None:
            _check_no_range(name, options)
            object.__setattr__(self, "names", tuple(options))
            options = options.values()
        object.__setattr__(self, "options", _in_order(options, f"options of {name!r}"))
        if not self.options:
            raise InputError(f"choice {name!r} has no options")
        if self.names is not None:
            object.__setattr__(self, "names", _checked_names(name, self.names, len(self.options)))
        for option in self.options:
            _check_option(name, option, is_named=self.names is not None)
        if len(set(self.texts)) < len(self.texts):
            raise InputError(
                f"choice {name!r} has two options with the same text; "
                "name them, as in {'name': option}"
            )
        if _has_equals(self.options):  # 1, 1.0 and True: conditions mix them up
            raise InputError(f"choice {name!r} has two equal options: {shown(self.options)}")
        object.__setattr__(self, "only_if", _checked_conditions(name, self.only_if))

    @functools.cached_property
    def texts(self) -> tuple[str, ...]:
        """The options as the words that stand for them in an architecture's text."""
        return self.names or tuple(map(_text, self.options))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Those of `only_if`, however many."""
        only_if: Any = self.only_if
        if only_if is None:
            return ()
        return (only_if,) if isinstance(only_if[0], str) else only_if

    def token_of(self, option: object) -> int | None:
        """Return an option's index; of a text that is no option, that of the option so named."""
        for token, each in enumerate(self.options):
            if _are_equal(each, option):
                return token
        is_name = isinstance(option, str) and option in self.texts
        return self.texts.index(option) if is_name else None

    def written(self, token: int) -> Option:
        """Return an option as it is shown: itself where it is a plain value, else its text."""
        option = self.options[token]
        return option if _is_literal(option) else self.texts[token]

    @functools.cached_property
    def _identity(self) -> tuple[Any, ...]:
        options = tuple(zip(self.texts, map(_value_of, self.options), strict=True))
        conditions = [(parent, tuple(map(_value_of, each))) for parent, each in self.conditions]
        return self.name, options, tuple(conditions)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Choice):
            return NotImplemented
        return self is other or self._identity == other._identity

    def __hash__(self) -> int:
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:
        return hash(self._identity)

    def __getstate__(self) -> dict[str, Any]:
        # Texts are hashed anew in each process.
        fields = ("name", "options", "only_if", "names")
        return {field: getattr(self, field) for field in fields}

    def __repr__(self) -> str:
        names = "" if self.names is None else f", names={self.names!r}"
        return (
            f"Choice(name={self.name!r}, options={self.options!r}, only_if={self.only_if!r}{names})"
        )


@dataclasses.dataclass(frozen=True)
class Skips:
    """A layer's decision which of the earlier layers are its inputs: an anchor point."""

    name: str = "inputs"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _checked_name(self.name))


Decision = Choice | Skips


def plain(choice: Choice, earlier: Mapping[str, Choice]) -> Choice:
    """Return a choice whose options are literals of Python: each other one is its text.

    Args:
      choice: to be written.
      earlier: the choices before it by name, those that its conditions name among them.
    """
    conditions = [
        (parent, tuple(_plain_value(value, earlier.get(parent)) for value in values))
        for parent, values in choice.conditions
    ]
    only_if: Any = conditions[0] if len(conditions) == 1 else tuple(conditions) or None
    if all(map(_is_literal, choice.options)):
        return dataclasses.replace(choice, only_if=only_if)
    options = tuple(map(choice.written, range(len(choice.options))))
    needs_names = tuple(map(_text, options)) != choice.texts
    return Choice(choice.name, options, only_if, choice.texts if needs_names else None)


def _plain_value(value: Option, parent: Choice | None) -> Option:
    token = None if parent is None or _is_literal(value) else parent.token_of(value)
    return value if parent is None or token is None else parent.texts[token]


def decisions_of(values: Any, group: str) -> tuple[Decision, ...]:
    """Return decisions as a tuple; of a mapping, a choice for each name."""
    if isinstance(values, Mapping):
        return tuple(Choice(name, options) for name, options in values.items())
    if isinstance(values, str | Set) or not isinstance(values, Iterable):
        raise InputError(f"{group} is {shown(values)}, no list of choices")
    found = tuple(itertools.islice(values, MAX_STEPS + 1))
    for value in found:
        if not isinstance(value, Choice | Skips):
            raise InputError(f"{group} has {shown(value)}, which is no Choice and no Skips")
    return found


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not _is_word(name):
        raise InputError(
            f"a decision needs a name without white space, '|' or ',', of at most {MAX_WORD} "
            f"characters, not {shown(name)}"
        )
    return str(name)


def _is_word(text: str) -> bool:
    """Whether a text can be written between blanks, stored and read again."""
    unwritable = ("Cc", "Cs")  # control characters, and halves of characters
    return 0 < len(text) <= MAX_WORD and not any(
        c.isspace() or c in "|," or unicodedata.category(c) in unwritable for c in text
    )


def _in_order(values: Any, title: str) -> tuple[Any, ...]:
    """Return the values of a list, a tuple or another sequence; InputError for anything else."""
    if isinstance(values, str):
        raise InputError(f"{title} are one text, {shown(values)}, no tuple")
    if isinstance(values, Set) and not isinstance(values, KeysView):
        raise InputError(
            f"{title} are a set, {shown(values)}, which has no order of its own; write a tuple"
        )
    if isinstance(values, Mapping | bytes) or not isinstance(values, Iterable):
        raise InputError(f"{title} are {shown(values)}, no tuple")
    try:
        found = tuple(itertools.islice(values, MAX_OPTIONS + 1))
    except TypeError:  # an array of no dimension
        raise InputError(f"{title} are {shown(values)}, no tuple") from None
    if len(found) > MAX_OPTIONS:
        raise InputError(f"{title} are more than {MAX_OPTIONS:,}")
    return found


def _check_no_range(choice: str, options: Mapping[Any, Any]) -> None:
    if options and _OF_A_RANGE.issuperset(options):
        raise InputError(
            f"options of {choice!r} are {shown(options)}, no tuple: of a range, write all values, "
            "as in tuple(range(1, 9))"
        )


def _checked_names(choice: str, names: Any, number: int) -> tuple[str, ...]:
    found = _in_order(names, f"names of {choice!r}")
    for name in found:
        if not isinstance(name, str) or not _is_word(name) or name == "-":
            raise InputError(
                f"choice {choice!r}: an option's name is a word (no white space, '|' or ',', not "
                f"'-', at most {MAX_WORD} characters), not {shown(name)}"
            )
    if len(found) != number:
        raise InputError(f"choice {choice!r} has {number} options and {len(found)} names")
    return tuple(map(str, found))


def _check_option(choice: str, option: object, *, is_named: bool) -> None:
    """Raise InputError for an option that no word stands for, or that does not equal itself."""
    if isinstance(option, numbers.Number) and option != option:  # NaN
        raise InputError(
            f"choice {choice!r}: option {shown(option)} cannot be chosen; a text, as 'none', can"
        )
    if is_named:
        return
    try:
        hash(option)
        is_word = _is_word(_text(option)) and _text(option) != "-"
    except Exception:  # a list; an integer of thousands of digits; a text that cannot be made
        is_word = False
    if not is_word:
        raise InputError(
            f"choice {choice!r}: option {shown(option)} cannot be written as one word "
            f"(no white space, '|' or ',', not '-', at most {MAX_WORD} characters); "
            "name it, as in {'name': option}"
        )


def _text(option: Any) -> str:
    """Return an option's own text: a word, or what `_check_option` refuses."""
    text = str(option)
    if _is_word(text):
        return text
    if isinstance(option, tuple) and option:
        are_numbers = all(isinstance(each, int | float) for each in option)
        return ("x" if are_numbers else "+").join(map(_text, option))
    name = getattr(option, "__name__", None)  # of classes and functions
    return name if isinstance(name, str) else text


def _is_literal(option: object) -> bool:
    """Say whether Python reads an option's `repr` as the same value."""
    if isinstance(option, tuple):
        return all(map(_is_literal, option))
    # NumPy's numbers are written with their types, and read as Python's.
    return option is None or type(option) in (str, int, float, bool) or _is_of_numpy(option)


def _is_of_numpy(option: object) -> bool:
    return isinstance(option, numbers.Number) and type(option).__module__ == "numpy"


def _value_of(option: Option) -> Any:
    """Return what tells options of one text apart: a plain value, or that it is none."""
    is_plain = _is_literal(option) or isinstance(option, str | numbers.Number)
    return (True, option) if is_plain else (False, None)


def _are_equal(one: object, other: object) -> bool:
    try:
        return one is other or bool(one == other)
    except Exception:  # arrays, which are equal item by item
        return False


def _has_equals(options: Sequence[Option]) -> bool:
    """Say whether two of the options that can be hashed are equal."""
    known = set()
    for option in options:
        try:
            if option in known:
                return True
            known.add(option)
        except Exception:  # a list: it is told apart by its name alone
            continue
    return False


def _checked_conditions(choice: str, only_if: Any) -> Condition | tuple[Condition, ...] | None:
    """Return conditions with their options as tuples; one alone stands by itself."""
    if only_if is None:
        return None
    pairs: Sequence[Any] = [only_if]
    if isinstance(only_if, Mapping):
        pairs = list(only_if.items())
    elif isinstance(only_if, tuple | list) and all(map(_is_pair, only_if)):
        pairs = list(only_if)
    found = tuple(_condition(choice, pair, only_if) for pair in pairs)
    if not found:
        raise InputError(f"choice {choice!r}: only_if is {shown(only_if)}, which says nothing")
    return found[0] if len(found) == 1 else found


def _is_pair(value: object) -> bool:
    is_pair = isinstance(value, tuple | list) and len(value) == 2
    return is_pair and isinstance(value[0], str)  # type: ignore[index]


def _condition(choice: str, pair: Any, only_if: Any) -> Condition:
    if not _is_pair(pair):
        raise InputError(f"choice {choice!r}: only_if is {shown(only_if)}, not (decision, options)")
    parent, values = pair
    if isinstance(values, str) or not isinstance(values, Iterable):
        values = (values,)
    return str(parent), _in_order(values, f"choice {choice!r}: the options of only_if")
