"""Training of a language model by truncated back-propagation (Zoph & Le, 2016, section 4.2).

The stream is cut into B parallel sequences and these into segments of T steps; the state is
carried from segment to segment and starts from zero with every epoch (Zaremba et al., 2014).
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Literal

import keras
import numpy as np

from nas_with_rl.child_models.cells.known_cells import Cell
from nas_with_rl.child_models.child_in_training import ChildInTraining
from nas_with_rl.child_models.data.text import Corpus, contiguous_batches
from nas_with_rl.child_models.language_models.dropout import Dropout, MaskShapes
from nas_with_rl.child_models.language_models.size import LanguageModelSize, units_for
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure, release_child
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields, check_range

# Called after each epoch with (epoch from 1, training perplexity, validation perplexity).
Report = Callable[[int, float, float], None]

MAX_PARAMETERS = 10**12  # of a model, and of a layer's hidden units
MAX_NLL = 20.0  # nats per token; a perplexity is reported as at most e^20 = 4.9e8
MAX_LAYERS, MAX_EPOCHS, MAX_BATCH = 100, 1_000_000, 1_000_000


@dataclasses.dataclass(frozen=True)
class LanguageModelTraining:
    """How a child is built and trained.

    Attributes:
      units: hidden units of each layer.
      num_layers: recurrent layers, one above the other.
      num_parameters: a whole model's; units are chosen so that it comes closest. 0: `units`
        counts.
      embedding_units: the embedding's width; 0 for as many as units.
      tie_embeddings: share the embedding with the softmax.
      init_scale: weights start from U[-init_scale, init_scale].
      epochs: passes over the training tokens.
      steps_per_epoch: segments per epoch, from the start of the data; 0 for all.
      batch_size, num_steps: B and T.
      optimizer: "sgd" or "adam".
      learning_rate: in the first epoch.
      decay_factor, decay_after: after epoch `decay_after`, the learning rate is multiplied by
        the factor before each further epoch.
      clip_norm: ceiling of the gradients' global norm. Gradients are those of the nll summed over a
        segment's steps and averaged over its sequences, as in Zaremba et al. (2014): with SGD,
        rates and ceilings of the literature mean this sum.
      weight_decay: share of every weight that each update takes away, after the gradient's step
        and whatever the learning rate (Gal's code).
      dropout: rates.
      jit_compile: XLA; for one long training, not for a search.
    """

    units: int = 32
    num_layers: int = 2
    num_parameters: int = 0
    embedding_units: int = 0
    tie_embeddings: bool = False
    init_scale: float = 0.1
    epochs: int = 1
    steps_per_epoch: int = 0
    batch_size: int = 20
    num_steps: int = 35
    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = 1.0
    decay_factor: float = 1.0
    decay_after: int = 0
    clip_norm: float = 5.0
    weight_decay: float = 0.0
    dropout: Dropout = dataclasses.field(default_factory=Dropout)
    jit_compile: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        check_range(self, ["units"], least=1, most=MAX_PARAMETERS)
        check_range(self, ["num_parameters", "embedding_units"], least=0, most=MAX_PARAMETERS)
        check_range(self, ["num_layers"], least=1, most=MAX_LAYERS)
        check_range(self, ["epochs"], least=1, most=MAX_EPOCHS)
        check_range(self, ["batch_size", "num_steps"], least=1, most=MAX_BATCH)
        for name in ("steps_per_epoch", "decay_after"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)}, below 0")
        for name in ("learning_rate", "decay_factor", "clip_norm", "init_scale"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise InputError(f"{name} is {value}, not a number above 0")
        if not 0 <= self.weight_decay < 1:
            raise InputError(f"weight_decay is {self.weight_decay}, not at least 0 and below 1")
        if self.tie_embeddings and self.embedding_units:
            raise InputError(
                f"embedding_units is {self.embedding_units}, not 0 (as many as units) as "
                "tie_embeddings needs"
            )

    def learning_rate_of(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 1."""
        return self.learning_rate * self.decay_factor ** max(epoch - self.decay_after, 0)

    def size(self, vocabulary: int, cell: Cell) -> LanguageModelSize:
        """The widths of a cell's model for a vocabulary.

        Raises:
          InputError: no model of this cell comes close to `num_parameters`.
        """
        size = LanguageModelSize(
            vocabulary,
            self.units,
            self.embedding_units,
            tie_embeddings=self.tie_embeddings,
            num_layers=self.num_layers,
        )
        if not self.num_parameters:
            return size
        return dataclasses.replace(size, units=units_for(self.num_parameters, cell, size))

    def mask_shapes(self, size: LanguageModelSize) -> MaskShapes:
        """The extents of one segment's dropout masks."""
        return MaskShapes(
            self.num_steps,
            self.batch_size,
            size.vocabulary,
            size.embedding_width,
            size.units,
            size.num_layers,
        )


@dataclasses.dataclass(frozen=True)
class LanguageModelResult:
    """What a trained child measured.

    Attributes:
      validation_perplexity, train_perplexity: one per epoch; at most e^20.
      num_parameters: how many numbers were trained.
      seconds: wall-clock time, building and tracing included.
    """

    validation_perplexity: tuple[float, ...]
    train_perplexity: tuple[float, ...]
    num_parameters: int
    seconds: float


def train_language_model(
    cell: Cell,
    corpus: Corpus,
    config: LanguageModelTraining,
    *,
    seed: int,
    report: Report | None = None,
) -> LanguageModelResult:
    """Train a child and measure its perplexity after every epoch.

    The same seed gives the same numbers, to the bit, on the same machine.

    Args:
      cell: a tree, or the name of a known cell.
      corpus: training and validation tokens.
      config: size and training.
      seed: of the weights and the dropout masks; at least 0.
      report: called after each epoch; what it raises ends the training.

    Raises:
      InputError: a split too small for one segment, or a size that no model meets.
      ChildFailure: "diverged" (a loss that is not finite) or "out_of_memory".
    """
    try:
        return _train(cell, corpus, config, seed=seed, report=report)
    finally:
        release_child()


def _train(
    cell: Cell,
    corpus: Corpus,
    config: LanguageModelTraining,
    *,
    seed: int,
    report: Report | None,
) -> LanguageModelResult:
    start = time.monotonic()
    child = begin_training(cell, corpus, config, seed=seed)
    train_nll, validation_nll = [], []
    for epoch in range(1, config.epochs + 1):
        train_nll.append(child.train_epoch(epoch))
        validation_nll.append(child.validate())
        if report is not None:
            report(epoch, perplexity(train_nll[-1]), perplexity(validation_nll[-1]))
    return LanguageModelResult(
        validation_perplexity=tuple(map(perplexity, validation_nll)),
        train_perplexity=tuple(map(perplexity, train_nll)),
        num_parameters=child.num_parameters,
        seconds=time.monotonic() - start,
    )


def begin_training(
    cell: Cell, corpus: Corpus, config: LanguageModelTraining, *, seed: int
) -> ChildInTraining:
    """Build a child and its optimizer on Keras's backend; arguments as in `train_language_model`.

    Raises:
      InputError: as `train_language_model`, or a backend that language models do not run on.
      ChildFailure: "out_of_memory".
    """
    check_corpus(corpus, config)
    with out_of_memory_is_a_failure():
        if keras.backend.backend() == "jax":
            from nas_with_rl.child_models.language_models import jax_epochs

            return jax_epochs.LanguageModelInTraining(cell, corpus, config, seed=seed)
        from nas_with_rl.child_models.language_models import tf_epochs

        return tf_epochs.LanguageModelInTraining(cell, corpus, config, seed=seed)


def check_corpus(corpus: Corpus, config: LanguageModelTraining) -> None:
    """Raise InputError unless each split has the tokens of one batch."""
    for split, tokens in (("training", corpus.train), ("validation", corpus.validation)):
        needed = config.batch_size * (config.num_steps + 1)
        if tokens.size < needed:
            raise InputError(
                f"the {split} text has {tokens.size} tokens, below the {needed} of one batch "
                f"(batch_size {config.batch_size}, num_steps {config.num_steps})"
            )


def segments_of(tokens: np.ndarray, config: LanguageModelTraining, *, most: int = 0) -> np.ndarray:
    """Cut a stream into B parallel ones and these into segments; a rest is left out.

    Args:
      tokens: as `check_corpus` accepts them.
      config: B and T.
      most: segments, from the start; 0 for all.

    Returns:
      [segments·T + 1, B]: each row holds the targets of the one before.
    """
    batches = contiguous_batches(tokens, config.batch_size)  # [B, steps]
    num_segments = (batches.shape[1] - 1) // config.num_steps
    num_segments = min(num_segments, most) if most else num_segments
    return np.ascontiguousarray(batches.T[: num_segments * config.num_steps + 1])


def perplexity(nll: float) -> float:
    """Return e^nll, from the mean negative log-likelihood in nats, but at most e^20."""
    return math.exp(min(nll, MAX_NLL))


def bits_per_character(nll: float) -> float:
    """Return a mean negative log-likelihood of characters, in nats, as bits: log2(e) times it."""
    return nll / math.log(2)
