"""Search spaces as data.

A space is an ordered list of decisions. Some stand once (`decisions`), some once per layer
(`layer_decisions`, repeated `depth` times), so that one space serves every depth. A decision is
a `Choice` among options, or `Skips`: which earlier layers are inputs, answered through anchor
points (Zoph & Le, 2016, section 3.3).
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import math
import unicodedata
from collections.abc import Iterable, Iterator, KeysView, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, Protocol

from nas_with_rl.search_spaces.errors import InputError, shortened, shown
from nas_with_rl.search_spaces.field_checks import check_number, checked

if TYPE_CHECKING:  # which imports this module
    from nas_with_rl.search_spaces.architecture import Architecture

Option = str | int | float | bool
# A choice's token is the index of an option. A skip decision's token is the tuple of the layers
# (numbered from 1) that it takes as inputs. None: the decision does not exist here.
Token = int | tuple[int, ...] | None
MAX_OPTIONS, MAX_DEPTH, MAX_STEPS = 10_000, 1_000, 100_000
MAX_WORD = 255  # characters of an option's text, and of a decision's name


@dataclasses.dataclass(frozen=True)
class Choice:
    """A decision among named options.

    Attributes:
      name: unique in the space. A part before "/" groups decisions in the text form:
        "node_0/activation" belongs to the group "node_0".
      options: at least one, each with its own text, without white space, "|" or ",". Their order
        is the controller's, so that a set cannot be used.
      only_if: `(decision, options)`: this decision exists only where that earlier choice took
        one of these options; a single one needs no tuple. Without it the decision always exists.
    """

    name: str
    options: tuple[Option, ...]
    only_if: tuple[str, tuple[Option, ...]] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _checked_name(self.name))
        object.__setattr__(self, "options", _in_order(self.options, f"options of {self.name!r}"))
        if not self.options:
            raise InputError(f"choice {self.name!r} has no options")
        for option in self.options:
            _check_option(self.name, option)
        if len(set(self.texts)) < len(self.texts):
            raise InputError(f"choice {self.name!r} has two options with the same text")
        if len(set(self.options)) < len(self.options):  # 1, 1.0 and True: conditions mix them up
            raise InputError(f"choice {self.name!r} has two equal options: {shown(self.options)}")
        object.__setattr__(self, "only_if", _condition(self.name, self.only_if))

    @functools.cached_property
    def texts(self) -> tuple[str, ...]:
        """The options as the words that stand for them in an architecture's text."""
        return tuple(str(option) for option in self.options)


@dataclasses.dataclass(frozen=True)
class Skips:
    """A layer's decision which of the earlier layers are its inputs: an anchor point."""

    name: str = "inputs"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _checked_name(self.name))


Decision = Choice | Skips


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


def _check_option(choice: str, option: object) -> None:
    """Raise InputError for an option that no word stands for, or that does not equal itself."""
    try:
        hash(option)
        is_itself = option is not None and option == option
        is_word = _is_word(str(option)) and str(option) != "-"
    except Exception:  # a list; an integer of thousands of digits; a text that cannot be made
        is_itself, is_word = True, False
    if not is_itself:
        raise InputError(
            f"choice {choice!r}: option {shown(option)} cannot be chosen; a text, as 'none', can"
        )
    if not is_word:
        raise InputError(
            f"choice {choice!r}: option {shown(option)} cannot be written as one word "
            f"(no white space, '|' or ',', not '-', at most {MAX_WORD} characters)"
        )


def _condition(choice: str, only_if: Any) -> tuple[str, tuple[Any, ...]] | None:
    """Return a condition with its options as a tuple."""
    if only_if is None:
        return None
    is_pair = isinstance(only_if, tuple | list) and len(only_if) == 2
    if not is_pair or not isinstance(only_if[0], str):
        raise InputError(f"choice {choice!r}: only_if is {shown(only_if)}, not (decision, options)")
    parent, values = only_if
    if isinstance(values, str) or not isinstance(values, Iterable):
        values = (values,)
    return str(parent), _in_order(values, f"choice {choice!r}: the options of only_if")


def _decisions(values: Any, group: str) -> tuple[Decision, ...]:
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


@dataclasses.dataclass(frozen=True)
class Step:
    """One decision at its place: what the controller answers in one step.

    Attributes:
      decision: what is decided.
      layer: 0 outside the layers, else 1 to depth.
      parent: index of the step that `only_if` refers to, None without a condition.
      parent_tokens: the tokens of that step under which this one exists.
    """

    decision: Decision
    layer: int
    parent: int | None = None
    parent_tokens: frozenset[int] = frozenset()

    @property
    def group(self) -> str:
        """What stands between two "|" in the text form."""
        if self.layer:
            return f"layer {self.layer}"
        return self.decision.name.partition("/")[0] if "/" in self.decision.name else ""

    @property
    def title(self) -> str:
        """The decision in an error message: "layer 2, filter_height"."""
        return f"layer {self.layer}, {self.decision.name}" if self.layer else self.decision.name

    @property
    def num_candidates(self) -> int:
        """Of a skip decision: how many earlier layers it can take as inputs."""
        return max(self.layer - 1, 0)


class Reader(Protocol):
    """What reads a space's architectures as more than decisions, as a `ConvolutionalSpace` does.

    A space is known by its reader, never by its name, which is free.
    """

    @property
    def noun(self) -> str:
        """What an architecture is, in words: "ConvNet"."""

    def draw(self, architecture: Architecture) -> str:
        """Return an architecture as lines of text that a person reads at a glance."""


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """An ordered list of decisions, once and per layer, at a given depth.

    Attributes:
      decisions: made once, before the layers.
      layer_decisions: made for every layer, in this order.
      depth: number of layers; 0 if and only if there are no layer decisions.
      name: for messages and files.
      reader: what reads and draws its architectures; None: they are drawn as their decisions. It
        decides nothing, spaces compare without it.

    `SearchSpace({"units": (16, 32)})` is short for `SearchSpace([Choice("units", (16, 32))])`.
    """

    decisions: tuple[Decision, ...] = ()
    layer_decisions: tuple[Decision, ...] = ()
    depth: int = 0
    name: str = "space"
    reader: Reader | None = dataclasses.field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        for group in ("decisions", "layer_decisions"):
            object.__setattr__(self, group, _decisions(getattr(self, group), group))
        object.__setattr__(self, "name", checked(self.name, str, "name"))
        object.__setattr__(self, "depth", checked(self.depth, int, "depth"))
        if self.reader is not None and not callable(getattr(self.reader, "draw", None)):
            raise InputError(f"reader is {shown(self.reader)}, which has no draw(architecture)")
        everything = self.decisions + self.layer_decisions
        if not everything:
            raise InputError(f"space {shown(self.name)} has no decisions")
        counts = collections.Counter(decision.name for decision in everything)
        name, most = counts.most_common(1)[0]
        if most > 1:
            raise InputError(f"space {shown(self.name)} has two decisions named {name!r}")
        if any(isinstance(decision, Skips) for decision in self.decisions):
            raise InputError(
                f"space {shown(self.name)}: a skip decision belongs to layer_decisions"
            )
        if sum(isinstance(decision, Skips) for decision in self.layer_decisions) > 1:
            raise InputError(f"space {shown(self.name)}: one skip decision a layer at most")
        if self.depth < 0 or bool(self.layer_decisions) != (self.depth > 0):
            raise InputError(
                f"space {shown(self.name)}: depth is {self.depth} with "
                f"{len(self.layer_decisions)} layer decisions; both or neither"
            )
        check_number(self.depth, "depth", least=0, most=self.max_depth)
        _ = self.steps  # conditions are checked where they are resolved

    @property
    def noun(self) -> str:
        """What its architectures are, in words."""
        return self.reader.noun if self.reader else "own architecture"

    def search_space(self) -> SearchSpace:
        """Return the space itself, as the spaces that write their decisions return one."""
        return self

    @property
    def max_depth(self) -> int:
        """The greatest number of layers that the space can have; 0 without layer decisions."""
        layer = len(self.layer_decisions)
        return min(MAX_DEPTH, (MAX_STEPS - len(self.decisions)) // layer) if layer else 0

    def at_depth(self, depth: int) -> SearchSpace:
        """Return the same space with another number of layers."""
        return dataclasses.replace(self, depth=depth)

    def decision(self, name: str) -> Decision:
        """Return the decision of that name; KeyError if there is none."""
        for decision in self.decisions + self.layer_decisions:
            if decision.name == name:
                return decision
        raise KeyError(f"space {shown(self.name)} has no decision named {name!r}")

    @functools.cached_property
    def steps(self) -> tuple[Step, ...]:
        """Every decision at its place, in the controller's order."""
        steps: list[Step] = []
        places: dict[str, int] = {}  # where a name was decided last
        for decision, layer in self._places():
            steps.append(self._resolved(decision, layer, places))
            places[decision.name] = len(steps) - 1
        return tuple(steps)

    def _places(self) -> Iterator[tuple[Decision, int]]:
        yield from ((decision, 0) for decision in self.decisions)
        for layer in range(1, self.depth + 1):
            yield from ((decision, layer) for decision in self.layer_decisions)

    def _resolved(self, decision: Decision, layer: int, places: dict[str, int]) -> Step:
        if isinstance(decision, Skips) or decision.only_if is None:
            return Step(decision, layer)
        parent_name, values = decision.only_if
        if layer and parent_name in (d.name for d in self.layer_decisions):
            order = [d.name for d in self.layer_decisions]
            known = order.index(parent_name) < order.index(decision.name)
        else:
            known = parent_name in places
        parent = self.decision(parent_name) if known else None
        if not isinstance(parent, Choice):
            raise InputError(
                f"choice {decision.name!r} depends on {shown(parent_name)}, which is no "
                "earlier choice"
            )
        unknown = [value for value in values if value not in parent.options]
        if unknown or not values:
            raise InputError(
                f"choice {decision.name!r} depends on {shown(parent_name)} being one of "
                f"{shown(values)}, of which it has {shortened(', '.join(parent.texts))}"
            )
        tokens = frozenset(parent.options.index(value) for value in values)
        return Step(decision, layer, places[parent_name], tokens)

    @functools.cached_property
    def size(self) -> int:
        """The exact number of architectures.

        Conditions make a forest: a choice counts, for each of its options, the product of what
        the decisions that exist under that option count.
        """
        children: dict[int | None, list[int]] = {}
        for index, step in enumerate(self.steps):
            children.setdefault(step.parent, []).append(index)
        counts = [0] * len(self.steps)
        for index in reversed(range(len(self.steps))):  # what depends on a choice comes after it
            step = self.steps[index]
            if isinstance(step.decision, Skips):
                counts[index] = 2**step.num_candidates
                continue
            dependants = children.get(index, ())
            counts[index] = sum(
                math.prod(counts[c] for c in dependants if token in self.steps[c].parent_tokens)
                for token in range(len(step.decision.options))
            )
        return math.prod(counts[index] for index in children.get(None, ()))

    def exists(self, step: Step, tokens: Sequence[Token]) -> bool:
        """Whether a step's decision exists after the tokens of the earlier steps."""
        return step.parent is None or tokens[step.parent] in step.parent_tokens
