"""What an experiment may ask of each kind of child: its spaces, its data, its settings.

The other part of a kind's row, how its children are trained, is `evaluators.kinds`'.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

from nas_with_rl.launch.experiments.tabular.tabular_space import TabularSpace
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import SearchSpace

SPACES = (ConvolutionalSpace, RecurrentCellSpace, NasBench201Space, TabularSpace, SearchSpace)
# From a child's configuration and a space to the settings that have no effect, and why.
Unused = Callable[[Any, Any], Mapping[str, str]]


def _none(child: Any, space: Any) -> Mapping[str, str]:
    return {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChildFit:
    """What a kind of child is made for.

    Attributes:
      spaces: classes, each with a `search_space()` that returns the decisions.
      data: class of what the children are trained on; of `None`, where the experiment names none.
      is_above_zero: whether every child that trains has a reward above 0, as cubed accuracies and
        inverse perplexities are; a failed one's is then 0.
      is_compared: whether the best cell is trained beside an LSTM at the end, if asked: language
        models alone.
      unused: which settings have no effect beside the others.
    """

    spaces: tuple[type, ...] = SPACES
    data: type = NoneType
    is_above_zero: bool = False
    is_compared: bool = False
    unused: Unused = _none


ANY_SPACE = ChildFit()
