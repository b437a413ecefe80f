"""Search spaces as data.

A space is an ordered list of decisions. Some stand once (`decisions`), some once per layer
(`layer_decisions`, repeated `depth` times), so that one space serves every depth. A decision is
a `Choice` among options, or `Skips`: which earlier layers are inputs, answered through anchor
points (Zoph & Le, 2016, section 3.3).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence

from nas_with_rl.search_spaces.errors import InputError

Option = str | int | float | bool
# A choice's token is the index of an option. A skip decision's token is the tuple of the layers
# (numbered from 1) that it takes as inputs. None: the decision does not exist here.
Token = int | tuple[int, ...] | None


@dataclasses.dataclass(frozen=True)
class Choice:
    """A decision among named options.

    Attributes:
      name: unique in the space. A part before "/" groups decisions in the text form:
        "node_0/activation" belongs to the group "node_0".
      options: at least one, each with its own text, without white space, "|" or ",".
      only_if: `(decision, options)`: this decision exists only where that earlier choice took
        one of these options. Without it the decision always exists.
    """

    name: str
    options: tuple[Option, ...]
    only_if: tuple[str, tuple[Option, ...]] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.options, str):
            raise InputError(f"options of {self.name!r} are one text, {self.options!r}, no tuple")
        object.__setattr__(self, "options", tuple(self.options))
        _check_name(self.name)
        if not self.options:
            raise InputError(f"choice {self.name!r} has no options")
        for text in self.texts:
            if not text or any(c.isspace() or c in "|," for c in text) or text == "-":
                raise InputError(
                    f"choice {self.name!r}: option {text!r} cannot be written as one word "
                    "(no white space, '|' or ',', and not '-')"
                )
        if len(set(self.texts)) < len(self.texts):
            raise InputError(f"choice {self.name!r} has two options with the same text")
        if len(set(self.options)) < len(self.options):  # 1, 1.0 and True: conditions mix them up
            raise InputError(f"choice {self.name!r} has two equal options: {self.options}")
        if self.only_if is not None:
            parent, values = self.only_if
            object.__setattr__(self, "only_if", (parent, tuple(values)))

    @functools.cached_property
    def texts(self) -> tuple[str, ...]:
        """The options as the words that stand for them in an architecture's text."""
        return tuple(str(option) for option in self.options)


@dataclasses.dataclass(frozen=True)
class Skips:
    """A layer's decision which of the earlier layers are its inputs: an anchor point."""

    name: str = "inputs"

    def __post_init__(self) -> None:
        _check_name(self.name)


Decision = Choice | Skips


def _check_name(name: str) -> None:
    if not name or any(c.isspace() or c in "|," for c in name):
        raise InputError(f"a decision needs a name without white space, '|' or ',', not {name!r}")


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


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """An ordered list of decisions, once and per layer, at a given depth.

    Attributes:
      decisions: made once, before the layers.
      layer_decisions: made for every layer, in this order.
      depth: number of layers; 0 if and only if there are no layer decisions.
      name: for messages and files.
    """

    decisions: tuple[Decision, ...] = ()
    layer_decisions: tuple[Decision, ...] = ()
    depth: int = 0
    name: str = "space"

    def __post_init__(self) -> None:
        object.__setattr__(self, "decisions", tuple(self.decisions))
        object.__setattr__(self, "layer_decisions", tuple(self.layer_decisions))
        everything = self.decisions + self.layer_decisions
        if not everything:
            raise InputError(f"space {self.name!r} has no decisions")
        names = [decision.name for decision in everything]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"space {self.name!r} has two decisions named {name!r}")
        if any(isinstance(decision, Skips) for decision in self.decisions):
            raise InputError(f"space {self.name!r}: a skip decision belongs to layer_decisions")
        if sum(isinstance(decision, Skips) for decision in self.layer_decisions) > 1:
            raise InputError(f"space {self.name!r}: one skip decision a layer at most")
        if self.depth < 0 or bool(self.layer_decisions) != (self.depth > 0):
            raise InputError(
                f"space {self.name!r}: depth is {self.depth} with "
                f"{len(self.layer_decisions)} layer decisions; both or neither"
            )
        _ = self.steps  # conditions are checked where they are resolved

    def at_depth(self, depth: int) -> SearchSpace:
        """Return the same space with another number of layers."""
        return dataclasses.replace(self, depth=depth)

    def decision(self, name: str) -> Decision:
        """Return the decision of that name; KeyError if there is none."""
        for decision in self.decisions + self.layer_decisions:
            if decision.name == name:
                return decision
        raise KeyError(f"space {self.name!r} has no decision named {name!r}")

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
                f"choice {decision.name!r} depends on {parent_name!r}, which is no earlier choice"
            )
        unknown = [value for value in values if value not in parent.options]
        if unknown or not values:
            raise InputError(
                f"choice {decision.name!r} depends on {parent_name!r} being one of {values}, "
                f"of which it has {', '.join(parent.texts)}"
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

        @functools.cache
        def count(index: int) -> int:
            step = self.steps[index]
            if isinstance(step.decision, Skips):
                return 2**step.num_candidates
            dependants = children.get(index, ())
            return sum(
                math.prod(count(c) for c in dependants if token in self.steps[c].parent_tokens)
                for token in range(len(step.decision.options))
            )

        return math.prod(count(index) for index in children.get(None, ()))

    def exists(self, step: Step, tokens: Sequence[Token]) -> bool:
        """Whether a step's decision exists after the tokens of the earlier steps."""
        return step.parent is None or tokens[step.parent] in step.parent_tokens
