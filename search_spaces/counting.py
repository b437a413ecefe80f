"""How many architectures a space has, exactly.

Where each decision has one condition at most, conditions make a forest: a choice counts, for each
of its options, the product of what the decisions that exist under that option count. What hangs on
several others, and those others, are counted one after the other, by what the later ones still have
to know of the earlier: whether they exist.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from nas_with_rl.search_spaces.decisions import Skips
from nas_with_rl.search_spaces.errors import InputError

if TYPE_CHECKING:  # which imports this module
    from nas_with_rl.search_spaces.space import Step

MOST_STATES = 100_000  # what may be to be known at a time


def shown_count(number: int) -> str:
    """Return a number of architectures in digits, while a person can read them."""
    return f"{number:,}" if number < 10**24 else f"about 10^{math.log10(number):.0f}"


def num_architectures(steps: Sequence[Step]) -> int:
    """Return how many ways there are to answer a space's steps.

    Raises:
      InputError: too much is to be known at a time.
    """
    tied = _tied(steps)
    children: dict[int | None, list[int]] = collections.defaultdict(list)
    for index, step in enumerate(steps):
        if index not in tied:
            children[step.conditions[0][0] if step.conditions else None].append(index)
    allowed = {index: step.conditions[0][1] for index, step in enumerate(steps) if step.conditions}
    weights: list[list[int]] = [[] for _ in steps]  # of each token: what hangs on it alone
    for index in reversed(range(len(steps))):  # what depends on a choice comes after it
        weights[index] = [
            math.prod(sum(weights[c]) for c in children.get(index, ()) if token in allowed[c])
            for token in range(num_tokens(steps[index]))
        ]
        if isinstance(steps[index].decision, Skips):
            weights[index] = [2 ** steps[index].num_candidates]
    free = math.prod(sum(weights[index]) for index in children.get(None, ()))
    groups = _groups(steps, tied)
    return free * math.prod(_counted(steps, group, weights) for group in groups)


def num_tokens(step: Step) -> int:
    """Return how many options a choice has; 1 of skip decisions."""
    return 1 if isinstance(step.decision, Skips) else len(step.decision.options)


def _tied(steps: Sequence[Step]) -> frozenset[int]:
    """Return the steps with several conditions, and all that these hang on."""
    tied: set[int] = set()
    for index in reversed(range(len(steps))):
        if index in tied or len(steps[index].conditions) > 1:
            tied.add(index)
            tied.update(parent for parent, _ in steps[index].conditions)
    return frozenset(tied)


def _groups(steps: Sequence[Step], tied: Iterable[int]) -> list[list[int]]:
    """Return the tied steps in groups that hang together, each in the steps' order."""
    group_of: dict[int, list[int]] = {}
    for index in sorted(tied):
        merged = [index]
        for other in {id(group_of[p]): group_of[p] for p, _ in steps[index].conditions}.values():
            merged = other + merged
        for each in merged:
            group_of[each] = merged
    return [sorted(group) for group in {id(each): each for each in group_of.values()}.values()]


def _counted(steps: Sequence[Step], group: Sequence[int], weights: Sequence[list[int]]) -> int:
    """Return how many ways there are to answer the steps of a group.

    A state has the steps, still to be counted, that do not exist.
    """
    readers = _readers(steps, group)
    states: dict[frozenset[int], int] = {frozenset(): 1}
    for index in _order(steps, group, readers):
        following: dict[frozenset[int], int] = collections.defaultdict(int)
        hanging = frozenset(reader for reader, _ in readers[index])
        excluded = [  # by token
            frozenset(reader for reader, tokens in readers[index] if token not in tokens)
            for token in range(len(weights[index]))
        ]
        for state, count in states.items():
            if index in state:
                following[state - {index} | hanging] += count
                continue
            for weight, absent in zip(weights[index], excluded, strict=True):
                following[state | absent] += count * weight
        states = following
        if len(states) > MOST_STATES:
            raise InputError(
                "the conditions of the space's decisions hang on so many others that its "
                "architectures cannot be counted: let fewer decisions have several conditions"
            )
    return sum(states.values())


_Readers = Mapping[int, Sequence[tuple[int, frozenset[int]]]]


def _readers(steps: Sequence[Step], group: Sequence[int]) -> _Readers:
    """Return by step of a group which others hang on it, under which tokens."""
    found: dict[int, list[tuple[int, frozenset[int]]]] = {index: [] for index in group}
    for index in group:
        for parent, tokens in steps[index].conditions:
            found[parent].append((index, tokens))
    return found


def _order(steps: Sequence[Step], group: Sequence[int], readers: _Readers) -> list[int]:
    """Return a group's steps so that each comes after what it hangs on, and soon after it."""
    missing = {index: {parent for parent, _ in steps[index].conditions} for index in group}
    waiting: dict[int, None] = {}  # that hang on a step before
    order: list[int] = []
    for first in group:
        while first in missing:
            wanted = min(waiting, key=lambda each: len(missing[each]), default=first)
            while missing[wanted]:
                wanted = min(missing[wanted])
            del missing[wanted]
            waiting.pop(wanted, None)
            order.append(wanted)
            for reader, _ in readers[wanted]:
                missing[reader].discard(wanted)
                waiting[reader] = None
    return order
