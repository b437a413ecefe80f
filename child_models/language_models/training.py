"""Training of a language model by truncated back-propagation (Zoph & Le, 2016, section 4.2).

The stream is cut into B parallel sequences and these into segments of T steps; the state is
carried from segment to segment and starts from zero with every epoch (Zaremba et al., 2014).
"""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np

from nas_with_rl.child_models.cells.known_cells import Cell
from nas_with_rl.child_models.child_in_training import ChildInTraining, Report
from nas_with_rl.child_models.data.text import Corpus, contiguous_batches
from nas_with_rl.child_models.failures import ChildFailure, Stopped
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure, release_child
from nas_with_rl.search_spaces.errors import InputError

MAX_NLL = 20.0  # nats per token; a perplexity is reported as at most e^20 = 4.9e8


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
      report: called after each epoch; what it raises ends the training, `Stopped` with what was
        measured until then.

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
        try:
            if report is not None:
                report(epoch, perplexity(train_nll[-1]), perplexity(validation_nll[-1]))
        except Stopped:
            break
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
    import keras

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


def finite_nll(nll: float, when: str) -> float:
    """Return a mean nll; ChildFailure "diverged" where it is not finite, with when that was."""
    if not math.isfinite(nll):
        raise ChildFailure("diverged", f"the loss became {nll} in {when}")
    return nll


def perplexity(nll: float) -> float:
    """Return e^nll, from the mean negative log-likelihood in nats, but at most e^20."""
    return math.exp(min(nll, MAX_NLL))


def bits_per_character(nll: float) -> float:
    """Return a mean negative log-likelihood of characters, in nats, as bits: log2(e) times it."""
    return nll / math.log(2)
