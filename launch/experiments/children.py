"""Children that nothing here trains: looked up in tables, or measured by one's own function."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from nas_with_rl.launch.experiments.named_modules import check_name
from nas_with_rl.search_spaces.field_checks import check_fields

Statistic = Literal["mean", "median"]
STATISTICS: Mapping[str, Callable[[list[float]], float]] = MappingProxyType(
    {"mean": statistics.fmean, "median": statistics.median}
)
Values = Literal["mean", "median", "draw"]
Missing = Literal["refuse", "fail"]


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
class TabularLookup:
    """A child that was trained by whoever made a table of one's own.

    Attributes:
      values: what stands for an architecture's rows: the mean or the median of those that have a
        value, or one of them, which the trial's seed draws. An architecture that is sampled again
        takes over the first draw, unless `SearchConfig(duplicates="evaluate")`.
      missing: what an architecture without a row does: the table is refused before the search
        begins, or the child fails as "infeasible".
    """

    values: Values = "mean"
    missing: Missing = "refuse"

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
