"""Populations: many language models of one base, trained together by one compiled program.

A group of children costs no compilation of its own: the cells are the program's inputs. What
`language_models.training` trains one after the other comes out the same, up to rounding.

Shapes: C children, T steps, B sequences, V vocabulary, H hidden units, N leaves of a cell.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from nas_with_rl.child_models.data.text import Corpus
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.model import draw_weights
from nas_with_rl.child_models.language_models.size import (
    LanguageModelSize,
    tree_weight_names,
    tree_weight_shapes,
)
from nas_with_rl.child_models.language_models.training import (
    LanguageModelResult,
    check_corpus,
    perplexity,
    segments_of,
)
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure
from nas_with_rl.child_models.populations.memory import check_memory
from nas_with_rl.child_models.populations.states import Settings, TrainState, common_config
from nas_with_rl.child_models.populations.universal_cell import (
    UniversalCell,
    encode,
    kernel_columns,
)
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell

# Called after each epoch with the epoch from 1 and, by child, training and validation perplexity.
PopulationReport = Callable[[int, Sequence[float], Sequence[float]], None]


@dataclasses.dataclass(frozen=True)
class Member:
    """A child of a population.

    Attributes:
      cell: its architecture.
      seed: of its weights and dropout masks; at least 0.
      learning_rate: in the first epoch; None for the configuration's.
      clip_norm: ceiling of its gradients' global norm; None for the configuration's.
    """

    cell: RecurrentCell
    seed: int
    learning_rate: float | None = None
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed is {self.seed}, not from 0 to 2^63 - 1")
        for name in ("learning_rate", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise InputError(f"{name} is {value}, not a number above 0")


class Population:
    """Trains groups of at most C children; what has been compiled in a process is used again.

    On CPU a child's numbers depend on its neighbours in no bit; between different C they agree up
    to rounding. One that diverges is frozen, and the others go on.

    Attributes:
      num_children: C.
      operations: what the cells may be made of.
      num_parameters: how many numbers each child trains.
    """

    def __init__(
        self,
        operations: UniversalCell,
        corpus: Corpus,
        config: LanguageModelTraining,
        *,
        num_children: int,
        memory_gib: float = math.inf,
    ):
        """Cut the text; nothing is compiled yet.

        Args:
          operations: what the cells may be made of.
          corpus: training and validation tokens.
          config: size and training of each child.
          num_children: C.
          memory_gib: what this process may have on CPU.

        Raises:
          InputError: fewer than one child or more than fit into the memory, a split too small for
            one segment, or a size that no model meets.
        """
        check_corpus(corpus, config)
        if num_children < 1:
            raise InputError(f"num_children is {num_children}, below 1")
        self.num_children, self.operations, self.config = num_children, operations, config
        self.size = config.size(len(corpus.vocabulary), operations.any_cell())
        check_memory(num_children, self.size, config, base=operations.base, memory_gib=memory_gib)
        self.shapes = tree_weight_shapes(self.size, operations.base)
        self.num_parameters = sum(map(math.prod, self.shapes))
        self.train_tokens = segments_of(corpus.train, config, most=config.steps_per_epoch)
        self.validation_tokens = segments_of(corpus.validation, config)
        self.train_loop, self.validation_loop = _loops(self.size, config)

    def begin(self, members: Sequence[Member]) -> PopulationInTraining:
        """Draw the weights of a group of children.

        Raises:
          InputError: no child, more than C, or a cell that is not of `operations`.
        """
        if not 1 <= len(members) <= self.num_children:
            raise InputError(f"{len(members)} children in a population of {self.num_children}")
        return PopulationInTraining(self, members)

    def train(
        self, members: Sequence[Member], report: PopulationReport | None = None
    ) -> list[LanguageModelResult | ChildFailure]:
        """Train children and measure their perplexities after every epoch.

        Returns:
          By child, what it measured, with an equal share of the seconds, or how it failed.

        Raises:
          InputError: as `begin`.
          ChildFailure: "out_of_memory", of the whole group.
        """
        start = time.monotonic()
        with out_of_memory_is_a_failure():
            group = self.begin(members)
            train_nll, validation_nll = [], []
            for epoch in range(1, self.config.epochs + 1):
                train_nll.append(group.train_epoch(epoch))
                validation_nll.append(group.validate())
                if report is not None:
                    nlls = train_nll[-1], validation_nll[-1]
                    report(epoch, *(list(map(perplexity, each)) for each in nlls))
        seconds = (time.monotonic() - start) / len(members)
        return [
            _result(*nlls, self.num_parameters, seconds)
            for nlls in zip(np.transpose(train_nll), np.transpose(validation_nll), strict=True)
        ]


def _loops(size: LanguageModelSize, config: LanguageModelTraining) -> tuple[Any, Any]:
    """Return the loops of training and validation on Keras's backend, kept in the process."""
    if keras.backend.backend() == "jax":
        from nas_with_rl.child_models.populations import jax_program

        return jax_program.loops(size, common_config(config))
    from nas_with_rl.child_models.populations import tf_program

    return tf_program.loops(size, common_config(config))


class PopulationInTraining:
    """Some children of a population in training.

    Places that are left free train copies of the first child, unseen.
    """

    def __init__(self, population: Population, members: Sequence[Member]):
        """Draw the weights; see `Population.begin`."""
        self._population, self._num_members = population, len(members)
        num_copies = population.num_children - len(members)
        # The program is compiled for C; whatever is in the free places changes no bit of the
        # others.
        self._members = [*members, *[members[0]] * num_copies]
        self._dtype = keras.config.floatx()
        cells = encode(
            [member.cell for member in self._members],
            population.operations,
            units=population.size.units,
            dtype=self._dtype,
        )
        # Once, not at every call of a loop: dozens of arrays take as long as a third of a step.
        self._cells = keras.tree.map_structure(
            keras.ops.convert_to_tensor, cells, none_is_leaf=False
        )
        num_slots = 2 if population.config.optimizer == "adam" else 0
        weights = self._drawn()
        # Adam's first and second moments.
        slots = tuple(tuple(map(np.zeros_like, weights)) for _ in range(num_slots))
        alive = np.ones(population.num_children, bool)
        step = np.zeros((), np.int32)
        self._training = TrainState(weights, slots, step, alive, *self._zero_state())
        self._next_segment = 0

    def train_epoch(self, epoch: int, *, most: int = 0) -> np.ndarray:
        """Train for an epoch, counted from 1; return the mean nll of each child, in nats per token.

        It is not finite for a child that has diverged: NaN in the epochs after.

        Args:
          epoch: from 1.
          most: segments, from the start; 0 for all.
        """
        hidden, cell_state = self._zero_state()
        self._training = self._training._replace(hidden=hidden, cell_state=cell_state)
        self._next_segment = 0
        return self.continue_epoch(epoch, most=most)

    def continue_epoch(self, epoch: int, *, most: int = 0) -> np.ndarray:
        """Train on an epoch's next segments, as `train_epoch`, which has begun it.

        An epoch in parts is the same epoch: the state goes on from one to the next.

        Args:
          epoch: from 1.
          most: segments, from where the last part has ended; 0 for all that are left.
        """
        population = self._population
        tokens, num_segments = self._segments(population.train_tokens)
        first = self._next_segment
        last = min(first + most, int(num_segments)) if most else int(num_segments)
        if last <= first:
            raise InputError(f"all {num_segments} segments of epoch {epoch} were trained on")
        training = keras.tree.map_structure(keras.ops.convert_to_tensor, self._training)
        self._training, nll = population.train_loop(
            training, self._settings(epoch), self._cells, tokens, np.array([first, last], np.int32)
        )
        self._next_segment = last
        return np.array(nll)[: self._num_members]

    def validate(self, *, most: int = 0) -> np.ndarray:
        """Return each child's mean nll of the validation text in nats per token.

        Args:
          most: segments, from the start; 0 for all.
        """
        population = self._population
        nll = population.validation_loop(
            self._training.weights,
            self._cells,
            *self._segments(population.validation_tokens, most),
        )
        return np.array(nll)[: self._num_members]

    def weights(self, child: int) -> list[np.ndarray]:
        """Return a child's weights as `LanguageModel.trainable_variables` has them.

        Args:
          child: its place among the members.
        """
        values = [np.array(weight[child]) for weight in self._training.weights]
        columns = kernel_columns(self._members[child].cell, self._population.size.units)
        for index in self._kernels:
            # The sorting permutation undoes the one of `_drawn`.
            values[index] = values[index][:, np.argsort(columns)]
        return values

    def _segments(self, tokens: np.ndarray, most: int = 0) -> tuple[np.ndarray, np.int32]:
        num_segments = len(tokens) // self._population.config.num_steps
        return tokens, np.int32(min(num_segments, most) if most else num_segments)

    def _zero_state(self) -> tuple[np.ndarray, np.ndarray]:
        """Return h and c of all layers, [L, C, B, H], as an epoch starts with them."""
        size, config = self._population.size, self._population.config
        shape = (size.num_layers, self._population.num_children, config.batch_size, size.units)
        return np.zeros(shape, self._dtype), np.zeros(shape, self._dtype)

    @property
    def _kernels(self) -> range:
        # Before the cells' kernels: embedding, softmax bias and, unless it is the embedding, its
        # kernel.
        first = 2 if self._population.size.tie_embeddings else 3
        return range(first, len(self._population.shapes))

    def _drawn(self) -> tuple[np.ndarray, ...]:
        """Draw every child's weights, [C, ...] each, as `LanguageModel` does."""
        population, by_child = self._population, []
        for member in self._members:
            drawn = draw_weights(
                population.shapes,
                population.config.init_scale,
                member.seed,
                names=tree_weight_names(population.size),
            )
            columns = kernel_columns(member.cell, population.size.units)
            for index in self._kernels:
                # Drawn in the tree's order, then moved: a cell starts as it would in a program of
                # its own.
                drawn[index] = drawn[index][:, columns]
            by_child.append(drawn)
        return tuple(np.stack(each).astype(self._dtype) for each in zip(*by_child, strict=True))

    def _settings(self, epoch: int) -> Settings:
        config = self._population.config
        rates = [m.learning_rate or config.learning_rate for m in self._members]
        decay = config.learning_rate_of(epoch) / config.learning_rate
        clips = [m.clip_norm or config.clip_norm for m in self._members]
        return Settings(
            np.array(rates, self._dtype) * np.array(decay, self._dtype),
            np.array(clips, self._dtype),
            np.array([m.seed for m in self._members], np.int64),
        )


def _result(
    train_nll: np.ndarray, validation_nll: np.ndarray, num_parameters: int, seconds: float
) -> LanguageModelResult | ChildFailure:
    for epoch, nlls in enumerate(zip(train_nll, validation_nll, strict=True), start=1):
        for nll, when in zip(nlls, (f"training, epoch {epoch}", "validation"), strict=True):
            if not math.isfinite(nll):
                return ChildFailure("diverged", f"the loss became {nll} in {when}")
    return LanguageModelResult(
        validation_perplexity=tuple(map(perplexity, validation_nll)),
        train_perplexity=tuple(map(perplexity, train_nll)),
        num_parameters=num_parameters,
        seconds=seconds,
    )
