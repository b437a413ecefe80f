"""Training of a language model by truncated back-propagation (Zoph & Le, 2016, section 4.2).

The stream is cut into B parallel sequences and these into segments of T steps; the state is
carried from segment to segment and starts from zero with every epoch (Zaremba et al., 2014).

An epoch is one call of one compiled graph, by default without XLA: on one core a base-2 cell of
32 units needs 1 s to build and trace and 4 to 7 ms a step; with XLA 3 to 5 s and 2 to 3 ms, so
that XLA pays beyond some 1,000 steps (`jit_compile`). It also keeps 10 MB of every child.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_model import (
    NO_DROPOUT,
    NUM_LAYERS,
    CellFactory,
    DropoutMasks,
    LanguageModel,
    LanguageModelSize,
    State,
    tree_cells,
)
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure, release_child
from nas_with_rl.child_models.text import Corpus, contiguous_batches
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

# Called after each epoch with (epoch from 1, training perplexity, validation perplexity).
Report = Callable[[int, float, float], None]

MAX_NLL = 20.0  # nats per token; a perplexity is reported as at most e^20 = 4.9e8
OPTIMIZERS = ("sgd", "adam")


@dataclasses.dataclass(frozen=True)
class Dropout:
    """Rates of dropping, each in [0, 1).

    Attributes:
      kind: "variational": one mask per sequence and segment, the same at every step (Gal &
        Ghahramani, 2015); "zaremba": a new mask at every step, none inside the recurrence
        (Zaremba et al., 2014).
      input: on the embedding's output.
      recurrent: on h where the cell's recurrent product reads it.
      output: on every layer's output, so between the layers and before the softmax.
    """

    kind: Literal["variational", "zaremba"] = "variational"
    input: float = 0.0
    recurrent: float = 0.0
    output: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("variational", "zaremba"):
            raise InputError(f"dropout.kind is {self.kind!r}, not variational or zaremba")
        for name in ("input", "recurrent", "output"):
            rate = getattr(self, name)
            if not 0 <= rate < 1:
                raise InputError(f"dropout.{name} is {rate}, not at least 0 and below 1")
        if self.kind == "zaremba" and self.recurrent:
            raise InputError(
                f"dropout.recurrent is {self.recurrent}, not 0 as dropout.kind zaremba needs"
            )


@dataclasses.dataclass(frozen=True)
class LanguageModelTraining:
    """How a child is built and trained.

    Attributes:
      units: hidden units of both layers, and the embedding's width.
      epochs: passes over the training tokens.
      steps_per_epoch: segments per epoch, from the start of the data; 0 for all.
      batch_size, num_steps: B and T.
      optimizer: "sgd" or "adam".
      learning_rate: in the first epoch.
      decay_factor, decay_after: after epoch `decay_after`, the learning rate is multiplied by
        the factor before each further epoch.
      clip_norm: ceiling of the gradients' global norm.
      init_scale: weights start from U[-init_scale, init_scale].
      dropout: rates.
      tie_embeddings: share the embedding with the softmax.
      jit_compile: XLA; for one long training, not for a search.
    """

    units: int = 32
    epochs: int = 1
    steps_per_epoch: int = 0
    batch_size: int = 20
    num_steps: int = 35
    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = 1.0
    decay_factor: float = 1.0
    decay_after: int = 0
    clip_norm: float = 5.0
    init_scale: float = 0.1
    dropout: Dropout = Dropout()
    tie_embeddings: bool = False
    jit_compile: bool = False

    def __post_init__(self) -> None:
        for name in ("units", "epochs", "batch_size", "num_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}, below 1")
        for name in ("steps_per_epoch", "decay_after"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)}, below 0")
        for name in ("learning_rate", "decay_factor", "clip_norm", "init_scale"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise InputError(f"{name} is {value}, not a number above 0")
        if self.optimizer not in OPTIMIZERS:
            raise InputError(f"optimizer is {self.optimizer!r}, not one of {', '.join(OPTIMIZERS)}")

    def learning_rate_of(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 1."""
        return self.learning_rate * self.decay_factor ** max(epoch - self.decay_after, 0)

    def size(self, vocabulary: int) -> LanguageModelSize:
        """The widths of the model for a vocabulary."""
        return LanguageModelSize(vocabulary, self.units, tie_embeddings=self.tie_embeddings)


@dataclasses.dataclass(frozen=True)
class LanguageModelResult:
    """What a trained child measured.

    Attributes:
      validation_perplexity, train_perplexity: one per epoch; at most e^20.
      test_perplexity: after the last epoch, where test tokens were given.
      num_parameters: how many numbers were trained.
      seconds: wall-clock time, building and tracing included.
    """

    validation_perplexity: tuple[float, ...]
    train_perplexity: tuple[float, ...]
    test_perplexity: float | None
    num_parameters: int
    seconds: float


def train_language_model(
    cell: RecurrentCell | CellFactory,
    corpus: Corpus,
    config: LanguageModelTraining,
    *,
    seed: int,
    test_tokens: np.ndarray | None = None,
    report: Report | None = None,
) -> LanguageModelResult:
    """Train a child and measure its perplexity after every epoch.

    The same seed gives the same numbers, to the bit, on the same machine.

    Args:
      cell: an architecture, or a factory of Keras cells.
      corpus: training and validation tokens.
      config: size and training.
      seed: of the weights and the dropout masks; at least 0.
      test_tokens: measured once, after the last epoch.
      report: called after each epoch; what it raises ends the training.

    Raises:
      InputError: a split too small for one segment.
      ChildFailure: "diverged" (a loss that is not finite) or "out_of_memory".
    """
    splits = {"training": corpus.train, "validation": corpus.validation}
    if test_tokens is not None:
        splits["test"] = test_tokens
    segments = {name: _segments(tokens, name, config) for name, tokens in splits.items()}
    try:
        with out_of_memory_is_a_failure():
            return _train(cell, len(corpus.vocabulary), segments, config, seed=seed, report=report)
    finally:
        release_child()


def _train(
    cell: RecurrentCell | CellFactory,
    vocabulary_size: int,
    segments: Mapping[str, np.ndarray],
    config: LanguageModelTraining,
    *,
    seed: int,
    report: Report | None,
) -> LanguageModelResult:
    start = time.monotonic()
    child = _Child(cell, vocabulary_size, config, seed=seed)
    train_nll, validation_nll = [], []
    for epoch in range(1, config.epochs + 1):
        train_nll.append(child.train_epoch(segments["training"], epoch))
        validation_nll.append(child.evaluate(segments["validation"]))
        if report is not None:
            report(epoch, perplexity(train_nll[-1]), perplexity(validation_nll[-1]))
    test_nll = child.evaluate(segments["test"]) if "test" in segments else None
    return LanguageModelResult(
        validation_perplexity=tuple(map(perplexity, validation_nll)),
        train_perplexity=tuple(map(perplexity, train_nll)),
        test_perplexity=None if test_nll is None else perplexity(test_nll),
        num_parameters=child.model.num_parameters,
        seconds=time.monotonic() - start,
    )


def check_corpus(corpus: Corpus, config: LanguageModelTraining) -> None:
    """Raise InputError unless each split has the tokens of one batch."""
    _segments(corpus.train, "training", config)
    _segments(corpus.validation, "validation", config)


def perplexity(nll: float) -> float:
    """Return e^nll, from the mean negative log-likelihood in nats, but at most e^20."""
    return math.exp(min(nll, MAX_NLL))


def _segments(tokens: np.ndarray, split: str, config: LanguageModelTraining) -> np.ndarray:
    """Return [segments·T + 1, B]: each row the targets of the one before; a rest is dropped."""
    batches = contiguous_batches(tokens, config.batch_size)  # [B, steps]
    num_segments = (batches.shape[1] - 1) // config.num_steps
    if num_segments < 1:
        needed = config.batch_size * (config.num_steps + 1)
        raise InputError(
            f"the {split} text has {tokens.size} tokens, below the {needed} of one batch "
            f"(batch_size {config.batch_size}, num_steps {config.num_steps})"
        )
    if split == "training" and config.steps_per_epoch:
        num_segments = min(num_segments, config.steps_per_epoch)
    return np.ascontiguousarray(batches.T[: num_segments * config.num_steps + 1])


class _Child:
    """One model with its optimizer and its two compiled functions."""

    def __init__(
        self,
        cell: RecurrentCell | CellFactory,
        vocabulary_size: int,
        config: LanguageModelTraining,
        *,
        seed: int,
    ):
        make_cell = tree_cells(cell) if isinstance(cell, RecurrentCell) else cell
        self.config = config
        self.seed = seed
        self.model = LanguageModel(
            make_cell, config.size(vocabulary_size), init_scale=config.init_scale, seed=seed
        )
        kinds = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}
        self.optimizer = kinds[config.optimizer](config.learning_rate)
        self.optimizer.build(self.model.trainable_variables)
        compiled = {"autograph": False, "jit_compile": config.jit_compile or None}
        self._train_loop = tf.function(self._train_segments, **compiled)
        self._evaluation_loop = tf.function(self._evaluate_segments, **compiled)

    def train_epoch(self, segments: np.ndarray, epoch: int) -> float:
        """Train on segments [segments·T + 1, B] and return their mean nll."""
        self.optimizer.learning_rate.assign(self.config.learning_rate_of(epoch))
        return self._mean_nll(self._train_loop, segments, f"training, epoch {epoch}")

    def evaluate(self, segments: np.ndarray) -> float:
        """Return the mean nll of segments [segments·T + 1, B]."""
        return self._mean_nll(self._evaluation_loop, segments, "evaluation")

    def _mean_nll(self, loop: Any, segments: np.ndarray, when: str) -> float:
        num_segments = (len(segments) - 1) // self.config.num_steps
        # Traced by name: TensorFlow warns of functions that their calls trace again and again.
        traced = loop.get_concrete_function(tf.TensorSpec(segments.shape, segments.dtype))
        nll = float(traced(tf.constant(segments))) / num_segments
        if not math.isfinite(nll):
            raise ChildFailure("diverged", f"the loss became {nll} in {when}")
        return nll

    def _train_segments(self, segments: tf.Tensor) -> tf.Tensor:
        variables = self.model.trainable_variables

        def train(inputs: tf.Tensor, targets: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
            masks = self._masks(self.optimizer.iterations)
            with tf.GradientTape() as tape:
                nll, state = self._nll(inputs, targets, state, masks)
            gradients = tape.gradient(nll, [variable.value for variable in variables])
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
            self._update(gradients)
            return nll, state

        return self._sum_over_segments(train, segments)

    def _update(self, gradients: list[tf.Tensor]) -> None:
        """Apply the optimizer's rule to the clipped gradients."""
        # Not optimizer.apply: its reduction over replicas is a tf.custom_gradient, which enters
        # the graph into a table of the process for good (7 MB a child), and traces for longer.
        gradients, _ = tf.clip_by_global_norm(gradients, self.config.clip_norm)
        for gradient, variable in zip(gradients, self.model.trainable_variables, strict=True):
            self.optimizer.update_step(gradient, variable, self.optimizer.learning_rate)
        self.optimizer.iterations.assign_add(1)

    def _evaluate_segments(self, segments: tf.Tensor) -> tf.Tensor:
        return self._sum_over_segments(self._nll, segments)

    def _sum_over_segments(self, function: Any, segments: tf.Tensor) -> tf.Tensor:
        """Return the sum of the segments' nll; stops at one that is not finite."""
        num_steps, batch_size = self.config.num_steps, self.config.batch_size
        num_segments = (tf.shape(segments)[0] - 1) // num_steps

        def body(index: tf.Tensor, total: tf.Tensor, state: State) -> Any:
            shape = (num_steps, batch_size)
            inputs = tf.slice(segments, (index * num_steps, 0), shape)
            targets = tf.slice(segments, (index * num_steps + 1, 0), shape)
            nll, state = function(inputs, targets, state)
            return index + 1, total + nll, state

        def unfinished(index: tf.Tensor, total: tf.Tensor, state: State) -> tf.Tensor:
            return tf.logical_and(index < num_segments, tf.math.is_finite(total))

        start = (0, 0.0, self.model.initial_state(batch_size))
        # One segment at a time: the weights of the last one's update are read by the next.
        return tf.while_loop(unfinished, body, start, parallel_iterations=1)[1]

    def _nll(
        self,
        inputs: tf.Tensor,
        targets: tf.Tensor,
        state: State,
        masks: DropoutMasks = NO_DROPOUT,
    ) -> tuple[tf.Tensor, State]:
        """Return the mean nll in nats per token and the last state, for tokens [T, B]."""
        logits, state = self.model(inputs, state, masks)
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)
        return tf.reduce_mean(nll), state

    def _masks(self, step: tf.Tensor) -> DropoutMasks:
        shape = (self.config.num_steps, self.config.batch_size)
        return draw_masks(self.config.dropout, self.model.size, shape, key=(self.seed, step))


def draw_masks(
    dropout: Dropout,
    size: LanguageModelSize,
    shape: tuple[int, int],
    *,
    key: tuple[int, tf.Tensor | int],
) -> DropoutMasks:
    """Draw the masks of one segment; the same key draws the same.

    Args:
      dropout: the rates.
      size: the model's widths.
      shape: (T, B).
      key: the seed, and the number of the training step.
    """
    num_steps, batch_size = shape
    times = num_steps if dropout.kind == "zaremba" else 1
    seed, step = tf.constant(key[0], tf.int64), tf.cast(key[1], tf.int64)

    def draw(index: int, mask_shape: tuple[int, ...], rate: float) -> tf.Tensor | None:
        if not rate:
            return None
        number = step * (1 + 2 * NUM_LAYERS) + index
        uniform = tf.random.stateless_uniform(mask_shape, tf.stack([seed, number]))
        return tf.cast(uniform >= rate, tf.float32) / (1 - rate)

    layers = range(NUM_LAYERS)
    hidden = (batch_size, size.units)
    return DropoutMasks(
        input=draw(0, (times, batch_size, size.embedding_width), dropout.input),
        recurrent=tuple(draw(1 + i, hidden, dropout.recurrent) for i in layers),
        output=tuple(draw(1 + NUM_LAYERS + i, (times, *hidden), dropout.output) for i in layers),
    )
