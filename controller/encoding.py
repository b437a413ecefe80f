"""A search space as arrays, so that one compiled program walks through every space and depth.

Legend: m architectures, T steps, V choices, L layers (T, V, L: padded), P conditions of a step (the
most of any, 1 at least).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Token

ABSENT = -1


@dataclasses.dataclass(frozen=True)
class EncodedSpace:
    """The steps of a space at one depth, padded to the greatest depth.

    Attributes:
      num_steps: steps that are walked, the rest is padding.
      layers: `[T]` 0 outside the layers, else from 1.
      is_anchor: `[T]` whether the step is an anchor point.
      valid: `[T, V]` which choices the step has.
      parents: `[P, T]` the step that a condition reads; the step itself without one.
      exists_if: `[P, T, V + 1]` tokens of the parent under which the condition holds; the last
        column, where ABSENT is found by its index -1, is true only without a condition.
    """

    num_steps: np.ndarray
    layers: np.ndarray
    is_anchor: np.ndarray
    valid: np.ndarray
    parents: np.ndarray
    exists_if: np.ndarray

    def tensors(self) -> tuple[np.ndarray, ...]:
        """The arrays in the order of the attributes, as a compiled function takes them."""
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))


def max_choices(space: SearchSpace) -> int:
    """Return V, the greatest number of options of a choice."""
    decisions = space.decisions + space.layer_decisions
    return max((len(d.options) for d in decisions if isinstance(d, Choice)), default=1)


def padded(space: SearchSpace, max_depth: int) -> SearchSpace:
    """Return the space at the greatest depth; itself where it has no layers."""
    return space.at_depth(max_depth) if space.depth else space


def encode_space(space: SearchSpace, max_depth: int) -> EncodedSpace:
    """Return a space as arrays, padded to the steps that it has at `max_depth`."""
    steps = padded(space, max_depth).steps
    num_steps, num_choices = len(steps), max_choices(space)
    layers = np.zeros(num_steps, np.int32)
    is_anchor = np.zeros(num_steps, bool)
    valid = np.zeros((num_steps, num_choices), bool)
    valid[:, 0] = True  # a softmax over nothing would not be finite
    num_conditions = max(1, *(len(step.conditions) for step in steps))
    parents = np.tile(np.arange(num_steps, dtype=np.int32), (num_conditions, 1))
    exists_if = np.ones((num_conditions, num_steps, num_choices + 1), bool)
    for index, step in enumerate(steps):
        layers[index] = step.layer
        if not isinstance(step.decision, Choice):
            is_anchor[index] = True
            continue
        valid[index, : len(step.decision.options)] = True
        for place, (parent, tokens) in enumerate(step.conditions):
            parents[place, index] = parent
            exists_if[place, index] = [token in tokens for token in range(num_choices + 1)]
    return EncodedSpace(
        np.array(len(space.steps), np.int32), layers, is_anchor, valid, parents, exists_if
    )


@dataclasses.dataclass(frozen=True)
class EncodedArchitectures:
    """m architectures as arrays.

    Attributes:
      choices: `[T, m]` int32 tokens; ABSENT at anchor points, absent decisions and padding.
      skips: `[L, L, m]` float32; `skips[i, j]` is 1 where layer i + 1 takes layer j + 1.
    """

    choices: np.ndarray
    skips: np.ndarray


def encode_architectures(
    architectures: Sequence[Architecture], max_depth: int
) -> EncodedArchitectures:
    """Return architectures of one space and depth as arrays."""
    space = architectures[0].space
    num_steps = len(padded(space, max_depth).steps)
    choices = np.full((num_steps, len(architectures)), ABSENT, np.int32)
    skips = np.zeros((max(max_depth, 1),) * 2 + (len(architectures),), np.float32)
    for column, architecture in enumerate(architectures):
        for row, (step, token) in enumerate(zip(space.steps, architecture.tokens, strict=True)):
            if isinstance(token, int):
                choices[row, column] = token
            else:
                for layer in token or ():
                    skips[step.layer - 1, layer - 1, column] = 1.0
    return EncodedArchitectures(choices, skips)


def decode_architectures(encoded: EncodedArchitectures, space: SearchSpace) -> list[Architecture]:
    """Return arrays as architectures of the space."""
    choices = encoded.choices.T.tolist()
    skips = (np.moveaxis(encoded.skips, -1, 0) > 0.5).tolist()

    def token(column: int, row: int) -> Token:
        step = space.steps[row]
        if isinstance(step.decision, Choice):
            value = choices[column][row]
            return None if value == ABSENT else value
        # Rows and columns from 0, layers from 1.
        inputs = skips[column][step.layer - 1][: step.layer - 1]
        return tuple(layer for layer, is_taken in enumerate(inputs, 1) if is_taken)

    return [
        Architecture(space, tuple(token(column, row) for row in range(len(space.steps))))
        for column in range(len(choices))
    ]
