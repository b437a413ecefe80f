"""How much memory a population needs on CPU, and how many children fit: linear in C.

Measured (`benchmarks/population_memory.py`): a process's largest resident set, for 32 to 128 units,
50 and 10,000 words, and up to 128 children.
"""

from __future__ import annotations

import math

import numpy as np

from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.size import LanguageModelSize, tree_weight_shapes
from nas_with_rl.search_spaces.errors import InputError

PROCESS_BYTES = 1.25 * 2**30  # TensorFlow, and XLA while it compiles
# How often each of these is there at the same time, per child.
_PRODUCTS = 3.5  # of each layer: x W, h U and their gradients, [T, B, N·H]
_STATES = 4.0  # of each layer: h, c and their gradients, [T, B, H]
_LOGITS = 4.5  # with probabilities and gradients, [T, B, V]
_WEIGHTS, _SLOTS = 11.5, 2.0  # with gradients and copies; and for each slot of the optimizer


class PopulationTooLarge(InputError):
    """A population that does not fit into its process."""


def child_bytes(size: LanguageModelSize, config: LanguageModelTraining, base: int) -> float:
    """Return what each further child adds.

    Args:
      size: its widths.
      config: B, T and the optimizer.
      base: N of its cell.
    """
    import keras

    rows = config.num_steps * config.batch_size
    num_slots = 2 if config.optimizer == "adam" else 0
    num_weights = sum(map(math.prod, tree_weight_shapes(size, base)))
    by_layer = (_PRODUCTS * base + _STATES) * size.units
    numbers = (
        rows * (by_layer * size.num_layers + _LOGITS * size.vocabulary)
        + (_WEIGHTS + _SLOTS * num_slots) * num_weights
    )
    return np.dtype(keras.config.floatx()).itemsize * numbers


def check_memory(
    num_children: int,
    size: LanguageModelSize,
    config: LanguageModelTraining,
    *,
    base: int,
    memory_gib: float,
) -> None:
    """Raise PopulationTooLarge where a population does not fit into a process's memory.

    Args:
      num_children: C.
      size, config, base: as `child_bytes` takes them.
      memory_gib: what the process may have.
    """
    each, memory = child_bytes(size, config, base), memory_gib * 2**30
    needed = PROCESS_BYTES + num_children * each
    if needed <= memory:
        return
    largest = max(math.floor((memory - PROCESS_BYTES) / each), 0)
    raise PopulationTooLarge(
        f"a population of {num_children:,} needs about {needed / 2**30:.1f} GiB, and its process "
        f"may have {memory_gib:.1f} GiB: at most {largest:,} children fit"
    )
