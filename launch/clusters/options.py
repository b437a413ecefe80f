"""What a role of a cluster is asked for beside its search."""

from __future__ import annotations

import dataclasses
import math

from nas_with_rl.search_spaces.field_checks import check_fields, check_range

START_TIMEOUT_SECONDS = 120.0


@dataclasses.dataclass(frozen=True)
class ClusterOptions:
    """How a cluster goes about a search.

    Attributes:
      synchronous: whether it gives the trials and the controller of a single process; None for
        asynchronously, or as the run that is resumed.
      start_timeout: seconds that the chief waits for the roles that are missing.
    """

    synchronous: bool | None = None
    start_timeout: float = START_TIMEOUT_SECONDS

    def __post_init__(self) -> None:
        check_fields(self)
        check_range(self, ["start_timeout"], least=0, most=math.inf)

    def words(self) -> tuple[str, ...]:
        """Return the flags that say the same."""
        timeout = f"--start_timeout={self.start_timeout!r}"
        if self.synchronous is None:
            return (timeout,)
        return (timeout, "--synchronous" if self.synchronous else "--nosynchronous")
