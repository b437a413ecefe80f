"""How a language model is built and trained."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from nas_with_rl.child_models.cells.known_cells import Cell
from nas_with_rl.child_models.language_models.dropout import Dropout, MaskShapes
from nas_with_rl.child_models.language_models.size import LanguageModelSize, units_for
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields, check_range

MAX_PARAMETERS = 10**12  # of a model, and of a layer's hidden units
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
      init_scale: weights start from U[-init_scale, init_scale]; 0 for Keras's usual start, see
        `model.draw_weights`.
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
        for name in ("learning_rate", "decay_factor", "clip_norm"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise InputError(f"{name} is {value}, not a number above 0")
        if not 0 <= self.init_scale < math.inf:
            raise InputError(f"init_scale is {self.init_scale}, not a number of at least 0")
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
