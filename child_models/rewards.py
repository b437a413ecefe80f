"""Rewards: pure functions of what a child measured (Zoph & Le, 2016, sections 4.1 and 4.2)."""

import sys
from collections.abc import Sequence

LAST_EPOCHS = 5  # section 4.1: "the maximum validation accuracy of the last 5 epochs cubed"
PERPLEXITY_SCALE = 80.0  # section 4.2: c, "usually set at 80"


def accuracy_reward(accuracies: Sequence[float]) -> float:
    """Return (max validation accuracy of the last 5 epochs)³.

    Args:
      accuracies: one per epoch, each in [0, 1].
    """
    return max(accuracies[-LAST_EPOCHS:]) ** 3


def perplexity_reward(perplexity: float, scale: float = PERPLEXITY_SCALE) -> float:
    """Return c / (validation perplexity)², with c = `scale`."""
    return scale / perplexity**2


def failure_reward(worst: float, best: float) -> float:
    """Return what a failed child counts as: below the worst that trained, whatever the scale.

    It lies as far below the worst reward as the best lies above it; where those are equal, by their
    own size, or by 1 where that is 0.

    Args:
      worst, best: rewards of the children that trained.
    """
    margin = best - worst or abs(worst) or 1.0
    return max(worst - margin, -sys.float_info.max)
