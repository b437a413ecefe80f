"""Cell-Bench: every cell of base 2 that the paper's operations make, and how each is trained.

Three nodes and the cell inject have two combinations and four activations each, and each of the two
cell indices names one of the three nodes: 36,864 cells, numbered from 0 in the order of their
decisions, the last one fastest. A cell whose leaves have changed places computes the same (it has
other weights only), so that most are there twice: 18,688 differ.

Each is trained once. Of those that differ, the best and some at random are trained with further
seeds and for longer. What a training draws is keyed by the cell's text and the training's number.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from nas_with_rl.child_models.data.text import TextDataConfig
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import Choice

SPACE = RecurrentCellSpace(base=2).search_space()
NUM_CELLS = SPACE.size
_EXTENTS = tuple(
    len(step.decision.options) for step in SPACE.steps if isinstance(step.decision, Choice)
)
_SEED_BITS = 31


@dataclasses.dataclass(frozen=True)
class CellBench:
    """How the cells are trained.

    Attributes:
      data: the text.
      training: of each cell, in one pass: `steps_per_epoch` is the longest training's.
      checkpoints: after how many segments every cell's validation perplexity is measured.
      further_checkpoints: the same of the further trainings.
      num_best, num_random: cells that are trained further.
      num_further: trainings of each of these.
    """

    data: TextDataConfig
    training: LanguageModelTraining
    checkpoints: tuple[int, ...] = (100, 200)
    further_checkpoints: tuple[int, ...] = (100, 200, 400, 800)
    num_best: int = 1_000
    num_random: int = 1_000
    num_further: int = 3

    def as_json(self) -> dict[str, Any]:
        """Return the settings as the stores of trainings keep them, JSON-ready."""
        settings = dataclasses.asdict(self)
        if not self.data.test_share:  # as it was written before there was such a share
            del settings["data"]["test_share"]
        return settings

    @property
    def digest(self) -> str:
        """SHA-256 of the settings."""
        return hashlib.sha256(json.dumps(self.as_json()).encode()).hexdigest()


CELL_BENCH = CellBench(
    data=TextDataConfig(source="ptb", unit="character", max_validation_tokens=16_000),
    training=LanguageModelTraining(
        units=32,
        num_layers=2,
        init_scale=0.3,
        epochs=1,
        steps_per_epoch=800,
        batch_size=16,
        num_steps=20,
        optimizer="adam",
        learning_rate=0.01,
        clip_norm=10.0,
    ),
)


def cell_at(number: int) -> Architecture:
    """Return the cell of a number from 0 to 36,863."""
    return Architecture(SPACE, _tokens_at(number))


def number_of(cell: Architecture) -> int:
    """Return the number of a cell of `SPACE`."""
    return _number_of(np.array(cell.tokens, np.int64).tolist())


def mirrored(number: int) -> int:
    """Return the number of the cell with the leaves exchanged: the same where both are alike."""
    *nodes, output, inject = _tokens_at(number)
    other = {0: 1, 1: 0, 2: 2}  # the root stays
    return _number_of([*nodes[2:4], *nodes[:2], *nodes[4:], other[output], other[inject]])


def seed_of(cell: Architecture, training: int) -> int:
    """Return the seed of a cell's training, counted from 0: below 2^31."""
    digest = hashlib.sha256(f"{cell} # {training}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - _SEED_BITS)


def _tokens_at(number: int) -> tuple[int, ...]:
    return tuple(map(int, np.unravel_index(number, _EXTENTS)))


def _number_of(tokens: Sequence[int]) -> int:
    return int(np.ravel_multi_index(tuple(tokens), _EXTENTS))
