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
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from nas_with_rl.search_spaces.counting import num_architectures
from nas_with_rl.search_spaces.decisions import (
    MAX_STEPS,
    Choice,
    Decision,
    Skips,
    decisions_of,
    plain,
)
from nas_with_rl.search_spaces.errors import InputError, shortened, shown
from nas_with_rl.search_spaces.field_checks import check_number, checked

if TYPE_CHECKING:  # which imports this module
    from nas_with_rl.search_spaces.architecture import Architecture

# A choice's token is the index of an option. A skip decision's token is the tuple of the layers
# (numbered from 1) that it takes as inputs. None: the decision does not exist here.
Token = int | tuple[int, ...] | None
MAX_DEPTH = 1_000


@dataclasses.dataclass(frozen=True)
class Step:
    """One decision at its place: what the controller answers in one step.

    Attributes:
      decision: what is decided.
      layer: 0 outside the layers, else 1 to depth.
      conditions: earlier steps, by their index, each with those of its tokens under which this one
        exists; all of them have to hold.
    """

    decision: Decision
    layer: int
    conditions: tuple[tuple[int, frozenset[int]], ...] = ()

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
            object.__setattr__(self, group, decisions_of(getattr(self, group), group))
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
        if isinstance(decision, Skips):
            return Step(decision, layer)
        found: dict[int, frozenset[int]] = {}
        for parent_name, values in decision.conditions:
            parent = self._earlier(decision, parent_name, layer, places)
            whole = parent.token_of(values)  # a tuple may be one option
            tokens = [whole] if whole is not None else [parent.token_of(each) for each in values]
            if None in tokens or not tokens:
                raise InputError(
                    f"choice {decision.name!r} depends on {shown(parent_name)} being one of "
                    f"{shown(values)}, of which it has {shortened(', '.join(parent.texts))}"
                )
            place = places[parent_name]
            allowed = frozenset(token for token in tokens if token is not None)
            found[place] = found.get(place, allowed) & allowed
            if not found[place]:
                raise InputError(
                    f"choice {decision.name!r} can never exist: it depends twice on "
                    f"{shown(parent_name)}, on different options"
                )
        return Step(decision, layer, tuple(found.items()))

    def _earlier(self, choice: Choice, name: str, layer: int, places: Mapping[str, int]) -> Choice:
        """Return the choice before another one that its condition names."""
        order = [decision.name for decision in self.layer_decisions]
        if layer and name in order:
            known = order.index(name) < order.index(choice.name)
        else:
            known = name in places
        parent = self.decision(name) if known else None
        if not isinstance(parent, Choice):
            raise InputError(
                f"choice {choice.name!r} depends on {shown(name)}, which is no earlier choice"
            )
        return parent

    @functools.cached_property
    def size(self) -> int:
        """The exact number of architectures.

        Raises:
          InputError: conditions hang together in a way that keeps them from being counted.
        """
        return num_architectures(self.steps)

    def exists(self, step: Step, tokens: Sequence[Token]) -> bool:
        """Whether a step's decision exists after the tokens of the earlier steps."""
        for parent, allowed in step.conditions:  # noqa: SIM110  # asked for each step of each text
            if tokens[parent] not in allowed:
                return False
        return True

    def plain(self) -> SearchSpace:
        """Return the space as it is written: an option that is no plain value is its text."""
        everything = self.decisions + self.layer_decisions
        choices = {each.name: each for each in everything if isinstance(each, Choice)}
        decisions, layer_decisions = (
            tuple(plain(each, choices) if isinstance(each, Choice) else each for each in group)
            for group in (self.decisions, self.layer_decisions)
        )
        return dataclasses.replace(self, decisions=decisions, layer_decisions=layer_decisions)
