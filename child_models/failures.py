"""How a child may fail, or be stopped. That is part of the experiment; anything else is an error.

Any child may fail by chance, with its seed or on its machine, and its architecture train well the
next time; but for "infeasible", which says that the architecture will never do.
"""

from typing import Literal, get_args

FailureReason = Literal["diverged", "out_of_memory", "timed_out", "crashed", "infeasible"]
FAILURE_REASONS: tuple[str, ...] = get_args(FailureReason)


class Stopped(Exception):
    """A child that is stopped early, as it is no good: raised where it reports how good it is.

    It is no failure: the child counts as what it has reported last.
    """


class ChildFailure(Exception):
    """A child that has no measurement, for a reason from the closed list.

    Attributes:
      reason: one of `FAILURE_REASONS`.
    """

    def __init__(self, reason: FailureReason, message: str = ""):
        if reason not in FAILURE_REASONS:
            raise ValueError(f"reason is {reason!r}, not one of {', '.join(FAILURE_REASONS)}")
        super().__init__(message or reason)
        self.reason = reason
