"""Children that nothing here trains: looked up in a table, or measured by one's own function."""

from __future__ import annotations

import dataclasses
from typing import Literal

from nas_with_rl.launch.experiments.named_modules import check_name
from nas_with_rl.search_spaces.field_checks import check_fields

Statistic = Literal["mean", "median"]


@dataclasses.dataclass(frozen=True)
class TableLookup:
    """A child that was trained by the benchmark's authors.

    Attributes:
      dataset: which of the three image data sets.
      statistic: what stands for the two or three seeds of an architecture. The literature's figure
        is the mean; earlier versions took the median.
    """

    dataset: Literal["cifar10", "cifar100", "imagenet16-120"] = "cifar10"
    statistic: Statistic = "mean"

    def __post_init__(self) -> None:
        check_fields(self, "child")


@dataclasses.dataclass(frozen=True)
class OwnEvaluation:
    """A child that is trained and measured by a function of one's own.

    Attributes:
      function: "module:function", as Python imports it wherever children are evaluated.
    """

    function: str

    def __post_init__(self) -> None:
        check_fields(self)
        check_name(self.function, flag="function")
