"""What the programs of a population take and change, on every backend.

Shapes: C children, L layers, B sequences, H hidden units.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.tensors import Tensor

# Up to this V the embedding is a product with one-hot rows: XLA adds up the gradient of gathered
# rows one after the other.
MAX_ONE_HOT = 512

Weights = tuple[Tensor, ...]  # each [C, ...], in the order of `tree_weight_shapes`


class TrainState(NamedTuple):
    """What training changes.

    Attributes:
      weights: of all children.
      slots: the optimizer's moving averages: none for "sgd", first and second moments for "adam".
      step: updates made so far, a scalar.
      alive: [C]; a child whose loss was not finite is frozen.
      hidden, cell_state: h and c after the last segment, [L, C, B, H]; zeros where an epoch starts.
    """

    weights: Weights
    slots: tuple[Weights, ...]
    step: Tensor
    alive: Tensor
    hidden: Tensor
    cell_state: Tensor


class Settings(NamedTuple):
    """What a child may have for itself, [C] each.

    Attributes:
      learning_rate: of this epoch.
      clip_norm: ceiling of the global norm of its gradients.
      seed: of its dropout masks, int64.
    """

    learning_rate: Tensor
    clip_norm: Tensor
    seed: Tensor


def common_config(config: LanguageModelTraining) -> LanguageModelTraining:
    """Return what a program has of a configuration: equal for all that differ in its inputs."""
    return dataclasses.replace(
        config,
        # Any that are valid: the program reads the children's own (`Settings`), draws no
        # weights and counts no epochs. Were they kept, each learning rate would be compiled for
        # anew.
        learning_rate=1.0,
        decay_factor=1.0,
        decay_after=0,
        clip_norm=1.0,
        init_scale=1.0,
        epochs=1,
        steps_per_epoch=0,
        units=1,
        num_parameters=0,
    )
