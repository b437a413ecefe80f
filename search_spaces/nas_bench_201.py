"""NAS-Bench-201 (Dong & Yang, 2020): 15,625 cells, each trained on three image data sets.

A cell has four nodes; each of its six edges takes one of five operations. Only the decisions are
here; the table of results is an evaluator's.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.drawing import draw_decisions
from nas_with_rl.search_spaces.space import Choice, SearchSpace

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = tuple(f"edge_{source}_{target}" for target in (1, 2, 3) for source in range(target))


@dataclasses.dataclass(frozen=True)
class NasBench201Space:
    """The benchmark's cell; there is nothing to set."""

    noun: ClassVar[str] = "NAS-Bench-201 cell"

    def search_space(self) -> SearchSpace:
        """Return the six decisions, edges in the order of the benchmark's own strings."""
        return SearchSpace(
            decisions=tuple(Choice(edge, OPERATIONS) for edge in EDGES),
            name="nas_bench_201",
            reader=self,
        )

    def draw(self, architecture: Architecture) -> str:
        """Return the operation of each edge."""
        return draw_decisions(architecture)
