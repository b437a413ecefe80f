"""Figures of a cluster from when its children began and ended, and the load of one chief.

W workers, T seconds a child, m children a batch of the controller.
"""

import dataclasses
from collections.abc import Sequence

FIRST_SHARE, LAST_SHARE = 0.2, 0.1  # of the children: not counted as steady


@dataclasses.dataclass(frozen=True)
class Span:
    """When a worker was at a child, in seconds since the epoch."""

    worker: str
    started: float
    ended: float


@dataclasses.dataclass(frozen=True)
class Busy:
    """How busy workers were.

    Attributes:
      share: busy worker seconds / (workers x seconds), from `begun` to `last_given`.
      begun: when the last worker began its first child.
      last_given: when the last child began; from then on workers run out of children.
      ended: when the last child ended.
    """

    share: float
    begun: float
    last_given: float
    ended: float


def steady_window(spans: Sequence[Span]) -> tuple[float, float, int]:
    """Return the ends of the steady time, and how many children ended after its beginning."""
    ends = sorted(span.ended for span in spans)
    first = int(len(ends) * FIRST_SHARE)
    last = len(ends) - 1 - int(len(ends) * LAST_SHARE)
    if last <= first:
        raise ValueError(f"{len(ends)} children are too few for a steady time")
    return ends[first], ends[last], last - first


def busy_share(spans: Sequence[Span]) -> Busy:
    """Return how busy the workers were between the start and the last wave."""
    firsts: dict[str, float] = {}
    for span in spans:
        firsts[span.worker] = min(span.started, firsts.get(span.worker, span.started))
    begun, last_given = max(firsts.values()), max(span.started for span in spans)
    if last_given <= begun:
        raise ValueError("no worker has had a second child")
    within = (min(span.ended, last_given) - max(span.started, begun) for span in spans)
    seconds = sum(max(0.0, part) for part in within)
    share = seconds / (len(firsts) * (last_given - begun))
    return Busy(share, begun, last_given, max(span.ended for span in spans))


@dataclasses.dataclass(frozen=True)
class ChiefCosts:
    """What a chief was measured to need.

    Attributes:
      dispatches_per_second: children that it gave out, when they took no time.
      updates_per_second: batches that the controller sampled and learned from.
      cpu_seconds_per_child: of the whole search: sampling, giving out, recording, learning.
      base_mib: its memory without workers.
      mib_per_worker: its memory for each.
    """

    dispatches_per_second: float
    updates_per_second: float
    cpu_seconds_per_child: float
    base_mib: float
    mib_per_worker: float


@dataclasses.dataclass(frozen=True)
class ChiefLoad:
    """What W workers ask of one chief, and the shares of what it can do."""

    dispatches_per_second: float
    dispatch_share: float
    updates_per_second: float
    update_share: float
    cores: float
    memory_mib: float


def chief_load(
    costs: ChiefCosts, *, num_workers: int, child_seconds: float, batch_size: int
) -> ChiefLoad:
    """Return the load of a chief: the formulas of `cluster`."""
    dispatches = num_workers / child_seconds
    updates = dispatches / batch_size
    return ChiefLoad(
        dispatches_per_second=dispatches,
        dispatch_share=dispatches / costs.dispatches_per_second,
        updates_per_second=updates,
        update_share=updates / costs.updates_per_second,
        cores=dispatches * costs.cpu_seconds_per_child,
        memory_mib=costs.base_mib + num_workers * costs.mib_per_worker,
    )


def line_through(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the intercept and the slope of the least-squares line."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if not spread:
        raise ValueError("a line needs points at two places")
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return mean_y - slope * mean_x, slope
