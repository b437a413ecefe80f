"""How the controller is built and learns: plain data, importable without TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields, check_range

# Far above what learns, and what a machine's memory still holds.
MAX_LSTM_LAYERS, MAX_UNITS, MAX_SCALE, MAX_RATE = 10, 2_048, 1_000.0, 1_000.0

Advantage = Literal["raw", "normalised", "ranks"]  # each is said in `advantages`


@dataclasses.dataclass(frozen=True)
class PolicyConfig:
    """The policy's sizes; the defaults are the paper's (section 4.1).

    Attributes:
      num_layers, num_units: of the LSTM.
      init_scale: weights start uniform in ±init_scale.
      jit_compile: XLA. Sampling and updating are then three to five times as fast, after some
        seconds of compiling that a search of few samples does not earn back.
    """

    num_layers: int = 2
    num_units: int = 35
    init_scale: float = 0.08
    jit_compile: bool = True

    def __post_init__(self) -> None:
        check_fields(self, "policy")
        check_range(self, ["num_layers"], least=1, most=MAX_LSTM_LAYERS, group="policy")
        check_range(self, ["num_units"], least=1, most=MAX_UNITS, group="policy")
        check_range(self, ["init_scale"], least=0, most=MAX_SCALE, group="policy")


@dataclasses.dataclass(frozen=True)
class ReinforceConfig:
    """How the controller learns.

    Attributes:
      learning_rate: Adam's. Paper: 0.0006 for ConvNets, 0.0005 for recurrent cells, over some
        ten thousand samples; here: ten times that, so that a thousand are enough to learn from.
        The experiments `cifar10` and `ptb` have the paper's.
      baseline_decay: of the moving average of rewards, per architecture. Not in the paper.
      entropy_weight: of a bonus on the policy's entropy; 0 for the searcher's own: none for
        `reinforce`, as the paper names none, and `dreaming.dream.ENTROPY_WEIGHT` for `dream`.
      policy: the recurrent network's sizes.
      advantage: what a gradient is weighed with, see `advantages`: the paper's difference from the
        baseline, the same in standard deviations of the rewards, or their ranks alone. A
        controller that dreams has ranks anyway.
    """

    learning_rate: float = 0.006
    baseline_decay: float = 0.95
    entropy_weight: float = 0.0
    policy: PolicyConfig = dataclasses.field(default_factory=PolicyConfig)
    advantage: Advantage = "raw"

    def __post_init__(self) -> None:
        check_fields(self, "controller")
        if not 0 < self.learning_rate <= MAX_RATE:  # weights beyond float32 would say nothing
            raise InputError(
                f"controller.learning_rate is {self.learning_rate}, not above 0 and at most "
                f"{MAX_RATE:,}"
            )
        if not 0 <= self.baseline_decay < 1:
            raise InputError(
                f"controller.baseline_decay is {self.baseline_decay}, not at least 0 and below 1"
            )
        if not 0 <= self.entropy_weight < math.inf:
            raise InputError(
                f"controller.entropy_weight is {self.entropy_weight}, not at least 0 and finite"
            )
