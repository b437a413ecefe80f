"""Where a search's time went, added up over all of its starts: `ledger.json`."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from nas_with_rl.search_spaces.whole_files import write_whole


@dataclasses.dataclass(frozen=True)
class Ledger:
    """Seconds of the process that leads a search.

    Attributes:
      sampling: asking the searcher.
      learning: telling it, again after a restart too.
      waiting: for children; where this process evaluates them, evaluating.
      checkpoints: writing and reading them.
      rest: recording trials, curves, whatever else.
      starts: how often the search was begun or resumed.
    """

    sampling: float = 0.0
    learning: float = 0.0
    waiting: float = 0.0
    checkpoints: float = 0.0
    rest: float = 0.0
    starts: int = 0

    @property
    def total(self) -> float:
        """All of it, in seconds."""
        return self.sampling + self.learning + self.waiting + self.checkpoints + self.rest

    def plus(self, other: Ledger) -> Ledger:
        """Return both together."""
        names = [field.name for field in dataclasses.fields(self)]
        added: dict[str, Any] = {n: getattr(self, n) + getattr(other, n) for n in names}
        return Ledger(**added)


def read_ledger(path: Path) -> Ledger:
    """Return what is kept; nothing where that is missing or damaged: no search hangs on it."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        kept: dict[str, Any] = {
            f.name: float(values.get(f.name, 0)) for f in dataclasses.fields(Ledger)
        }
        starts = int(kept.pop("starts"))
        ledger = Ledger(**kept, starts=starts)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        return Ledger()
    is_sound = math.isfinite(ledger.total) and min(dataclasses.astuple(ledger)) >= 0
    return ledger if is_sound else Ledger()


def write_ledger(ledger: Ledger, path: Path) -> None:
    """Keep it, whole or not at all."""
    values = {name: round(value, 6) for name, value in dataclasses.asdict(ledger).items()}
    write_whole(json.dumps(values, indent=1) + "\n", path)
