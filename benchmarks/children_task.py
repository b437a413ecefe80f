"""What every contestant of `children.py` does: the same children on the same text.

A character model with two recurrent layers, the embedding shared with the softmax, trained by
truncated back-propagation with the state carried on, Adam, and the gradient's global norm clipped.
Loss of a segment: the nll summed over its steps, averaged over its sequences. All contestants
start a cell from the same weights, so that their validation nll can be compared.

Shapes: T steps, B sequences, V vocabulary, H hidden units, N leaves of a cell, S segments.
Needs NumPy alone.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from nas_with_rl.child_models.data.text import TextDataConfig, contiguous_batches, load_corpus
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell, RecurrentCellSpace, cell_of

VOCABULARY = 50  # the most frequent characters but one, and one for all others
NUM_LAYERS, NUM_STEPS, BATCH_SIZE = 2, 35, 32
NUM_VALIDATION_SEGMENTS = 20
SEED = 0
INIT_SCALE = 0.1
LEARNING_RATE, BETA_1, BETA_2, EPSILON = 0.002, 0.9, 0.999, 1e-7  # Keras's Adam
CLIP_NORM = 5.0 * NUM_STEPS


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """Sizes and text.

    Attributes:
      units: H.
      base: N, the leaves of a cell.
      train, validation: [S·T + 1, B]; each row holds the targets of the one before.
    """

    units: int
    base: int
    train: np.ndarray
    validation: np.ndarray


class Children(Protocol):
    """Some children in training."""

    def train_epoch(self) -> Sequence[float]:
        """Train on all of `Task.train`, from a zero state; return each child's mean nll."""

    def validate(self) -> Sequence[float]:
        """Return each child's mean nll of `Task.validation`, from a zero state."""


def text(num_segments: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `Task.train`, of so many segments, and `Task.validation`."""
    rows = [segments * NUM_STEPS + 1 for segments in (num_segments, NUM_VALIDATION_SEGMENTS)]
    corpus = load_corpus(TextDataConfig("stdlib", "character", *(n * BATCH_SIZE for n in rows)))
    splits = (np.minimum(split, VOCABULARY - 1) for split in (corpus.train, corpus.validation))
    train, validation = (contiguous_batches(split, BATCH_SIZE).T for split in splits)
    return np.ascontiguousarray(train), np.ascontiguousarray(validation)


def save_text(path: Path, num_segments: int) -> None:
    """Write `text` for `load_task`."""
    train, validation = text(num_segments)
    np.savez(path, train=train, validation=validation)


def load_task(path: Path, units: int, base: int) -> Task:
    """Read what `save_text` wrote."""
    with np.load(path) as arrays:
        return Task(units, base, arrays["train"], arrays["validation"])


def segments(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut [S·T + 1, B] into inputs and targets, [S, T, B] each."""
    shape = (-1, NUM_STEPS, BATCH_SIZE)
    return tokens[:-1].reshape(shape), tokens[1:].reshape(shape)


def random_cell(number: int, base: int) -> RecurrentCell:
    """Draw a cell of the paper's space of a base, keyed by its number."""
    space = RecurrentCellSpace(base).search_space()
    return cell_of(random_architecture(space, np.random.default_rng([SEED, number])))


def initial_weights(units: int, base: int) -> list[np.ndarray]:
    """Draw a child's weights in the order of this project's `LanguageModel`.

    Returns:
      [embedding [V, H], softmax bias [V], then each layer's kernel and recurrent kernel,
      [H, N·H] both].
    """
    rng = np.random.default_rng(SEED)
    wide = (units, base * units)
    shapes = [(VOCABULARY, units), (VOCABULARY,), *[wide] * (2 * NUM_LAYERS)]
    return [rng.uniform(-INIT_SCALE, INIT_SCALE, shape).astype(np.float32) for shape in shapes]


def multiply_adds(units: int, base: int) -> int:
    """Return those of a training step's matrix products: forward, and the two of each backward."""
    by_token = NUM_LAYERS * 2 * units * base * units + units * VOCABULARY
    return 3 * NUM_STEPS * BATCH_SIZE * by_token
