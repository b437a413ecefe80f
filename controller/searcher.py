"""What proposes architectures and learns from their rewards: the ask/tell interface.

A searcher is a module beside this one; `launch.searches.run` makes it by its name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.space import SearchSpace


@dataclasses.dataclass(frozen=True)
class Proposal:
    """An architecture for a trial.

    Attributes:
      trial: its number, from 0.
      architecture: what is to be evaluated.
      log_prob: of the architecture under the searcher that proposed it, in nats; None where that
        has no probability.
      version: updates that the searcher had made when it proposed it.
    """

    trial: int
    architecture: Architecture
    log_prob: float | None = None
    version: int = 0


@dataclasses.dataclass(frozen=True)
class Update:
    """What one `tell` did.

    Attributes:
      version: updates made so far, this one included.
      baseline: what this update's rewards are compared with.
      entropies: nats, averaged over the batch and a decision's places, by decision.
      gradient_norm: global norm of the gradient; 0 where nothing is learned.
      notes: what a user has to know of it, a sentence each.
    """

    version: int
    baseline: float
    entropies: Mapping[str, float]
    gradient_norm: float
    notes: tuple[str, ...] = ()


class NotFinite(ValueError):
    """A saved state that has learned from what is no number: no use in going on from there."""


class Searcher(Protocol):
    """Proposes architectures and learns from rewards. Equal calls give equal answers."""

    @property
    def version(self) -> int:
        """Updates made so far."""

    def ask(self, space: SearchSpace, trials: Sequence[int]) -> list[Proposal]:
        """Propose one architecture of the space for each trial number."""

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Update:
        """Learn from the rewards of proposals of one depth, in the order of their trials."""

    def save(self, directory: Path) -> None:
        """Write the whole state into an existing empty directory."""

    def restore(self, directory: Path) -> None:
        """Read what `save` wrote.

        Raises:
          ValueError: it cannot be read; `NotFinite` where it is of no use.
        """
