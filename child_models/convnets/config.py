"""How a ConvNet is trained."""

from __future__ import annotations

import dataclasses
import math

from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields, check_range

MAX_EPOCHS, MAX_BATCH, MAX_UPSAMPLED = 1_000_000, 1_000_000, 1_024

# The moving averages' momentum. Keras's default of 0.99 has forgotten too little of its first
# value after the few hundred steps of a short child; 0.9 is what Huang et al.'s code runs with.
BATCH_NORM_MOMENTUM = 0.9


@dataclasses.dataclass(frozen=True)
class ImageTraining:
    """How a ConvNet child is trained.

    The paper states the epochs, the optimiser (Nesterov momentum 0.9), the learning rate, the
    weight decay, whitening, "upsample, then random 32x32 crop", and flips. It leaves open what
    is marked "here", for which it refers to Huang et al. (2016a), whose code is followed.

    Attributes:
      epochs: passes over the training images. The paper's: 50.
      batch_size: here 64.
      learning_rate: at the start. The paper's: 0.1.
      momentum: Nesterov's. The paper's: 0.9.
      weight_decay: λ of the λw that is added to each weight's gradient. The paper's: 1e-4.
      decay_epochs: fractions of `epochs` after which the learning rate is multiplied by
        `decay_factor`. Here 1/2 and 3/4.
      decay_factor: here 0.1.
      upsampled_size: height and width to which images are upsampled before the crop, 0 for
        neither. Here 36, which moves a 32x32 crop by 4 pixels at most.
      flip: whether images are flipped left to right at random. The paper's: yes. (Never digits.)
      batch_norm_epsilon: what batch normalisation adds to the variance. Here Keras's 1e-3; the
        paper searches it for its final network.
      jit_compile: XLA in the place of TensorFlow's own kernels, in all of a step but its crops. On
        CPUs a child takes 2 to 3 s longer to compile, and its steps up to twice as long; on GPUs
        it has not been measured. Keras's JAX backend has XLA whatever this says.
    """

    epochs: int = 50
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    decay_epochs: tuple[float, ...] = (0.5, 0.75)
    decay_factor: float = 0.1
    upsampled_size: int = 36
    flip: bool = True
    batch_norm_epsilon: float = 1e-3
    jit_compile: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        check_range(self, ["epochs"], least=1, most=MAX_EPOCHS)
        check_range(self, ["batch_size"], least=1, most=MAX_BATCH)
        check_range(self, ["upsampled_size"], least=0, most=MAX_UPSAMPLED)
        for name in ("learning_rate", "decay_factor", "batch_norm_epsilon"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}, not above 0 and finite")
        if not 0 <= self.weight_decay < math.inf:
            raise InputError(f"weight_decay is {self.weight_decay}, below 0 or not finite")
        if not 0 <= self.momentum < 1:
            raise InputError(f"momentum is {self.momentum}, not at least 0 and below 1")
        for fraction in self.decay_epochs:
            if not 0 < fraction <= 1:
                raise InputError(f"decay_epochs has {fraction}, not above 0 and at most 1")

    def learning_rate_at(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 1."""
        decays = sum(epoch > fraction * self.epochs for fraction in self.decay_epochs)
        return self.learning_rate * self.decay_factor**decays
