"""Rewards: pure functions of what a child measured (Zoph & Le, 2016, sections 4.1 and 4.2)."""

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
