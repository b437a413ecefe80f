"""A child under training: what ConvNets and language models have in common, on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # nothing here needs Keras before a model is there
    import keras

# Called after each epoch with (epoch from 1, training, validation): of ConvNets the loss and the
# accuracy, of language models the perplexities.
Report = Callable[[int, float, float], None]


class EpochByEpoch(Protocol):
    """What is trained and measured epoch by epoch.

    Attributes:
      num_parameters: how many numbers are trained.
    """

    num_parameters: int

    def train_epoch(self, epoch: int) -> float:
        """Train for an epoch, counted from 1, and return its mean cross-entropy in nats.

        Raises:
          ChildFailure: "diverged" where the loss is not finite, "out_of_memory".
        """

    def validate(self) -> float:
        """Return the mean over the validation split.

        ConvNets: the accuracy in [0, 1]. Language models: the negative log-likelihood in nats
        per token.
        """


class ChildInTraining(EpochByEpoch, Protocol):
    """One model with its optimizer and its data, trained epoch by epoch.

    Every random draw is keyed by the seed and the number of the epoch or step. So a child that is
    rebuilt from the same configuration and seed, and is given the values of another's
    `variables()`, continues like it.

    Attributes:
      model: what is trained.
      multiply_adds: of one forward pass, per image or per token.
    """

    model: keras.Model
    multiply_adds: int

    def test(self, data: Any) -> float:
        """Return the same for every image or token of other data, such as the test split's.

        Args:
          data: `LabelledImages` for ConvNets, token numbers (int32, one dimension) for language
            models.
        """

    def variables(self) -> list[keras.Variable]:
        """Return all that a resumed training needs, in a fixed order: weights, moving averages,
        the optimizer's variables."""
