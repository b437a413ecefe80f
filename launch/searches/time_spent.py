"""Where a search's time goes: its searcher and its evaluator, timed from outside.

Neither the loop nor a trial knows of it; the clock is monotonic.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.controller.searcher import Proposal, Searcher, Update
from nas_with_rl.launch.evaluators.evaluation import Evaluation, Evaluator, Outcome
from nas_with_rl.launch.records.ledger import Ledger, read_ledger, write_ledger
from nas_with_rl.launch.searches.observers import attempt
from nas_with_rl.search_spaces.space import SearchSpace

SECONDS_BETWEEN_WRITES = 30.0  # what a kill may lose


class TimeSpent:
    """Times one start of a search, beside what earlier starts have kept."""

    def __init__(self, path: Path | None):
        """Begin.

        Args:
          path: of the file that keeps it; None keeps it nowhere.
        """
        self._path = path
        self._before = read_ledger(path) if path else Ledger()
        self._seconds = dict.fromkeys(("sampling", "learning", "waiting", "checkpoints"), 0.0)
        self._began = self._written = time.monotonic()

    @contextlib.contextmanager
    def timing(self, name: str) -> Iterator[None]:
        """Add what the block takes to one of the ledger's kinds."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._seconds[name] += time.monotonic() - begun

    def ledger(self) -> Ledger:
        """Return what all starts have taken, this one so far."""
        rest = time.monotonic() - self._began - sum(self._seconds.values())
        return self._before.plus(Ledger(**self._seconds, rest=max(rest, 0.0), starts=1))

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Keep it when the block ends, however it does."""
        try:
            yield
        finally:
            self._write()

    def write_if_due(self) -> None:
        """Keep it from time to time: a search may be killed."""
        if time.monotonic() - self._written >= SECONDS_BETWEEN_WRITES:
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        # A start that was refused, for damage say, leaves no trace.
        has_run = any(self._seconds[name] for name in ("sampling", "learning", "waiting"))
        path = self._path if has_run else None
        if path and not attempt("the ledger", lambda: write_ledger(self.ledger(), path)):
            self._path = None


class TimedSearcher:
    """A searcher, timed."""

    def __init__(self, searcher: Searcher, spent: TimeSpent):
        self._searcher, self._spent = searcher, spent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._searcher, name)  # whatever else it can do

    @property
    def version(self) -> int:
        """Updates made so far."""
        return self._searcher.version

    def ask(self, space: SearchSpace, trials: Sequence[int]) -> list[Proposal]:
        """See `Searcher`."""
        with self._spent.timing("sampling"):
            return self._searcher.ask(space, trials)

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Update:
        """See `Searcher`."""
        with self._spent.timing("learning"):
            update = self._searcher.tell(proposals, rewards)
        self._spent.write_if_due()
        return update

    def save(self, directory: Path) -> None:
        """See `Searcher`."""
        with self._spent.timing("checkpoints"):
            self._searcher.save(directory)

    def restore(self, directory: Path) -> None:
        """See `Searcher`."""
        with self._spent.timing("checkpoints"):
            self._searcher.restore(directory)


class TimedEvaluator:
    """An evaluator, timed: how long its outcomes are waited for."""

    def __init__(self, evaluator: Evaluator, spent: TimeSpent):
        self._evaluator, self._spent = evaluator, spent

    def evaluate(self, queue: deque[Evaluation]) -> Generator[Outcome, None, None]:
        """See `Evaluator`."""
        with contextlib.closing(self._evaluator.evaluate(queue)) as outcomes:
            while True:
                with self._spent.timing("waiting"):
                    outcome = next(outcomes, None)
                if outcome is None:
                    return
                yield outcome
