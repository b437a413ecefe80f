"""What a report is of: a search as its workdir has it, running, stopped or finished."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.records.ledger import Ledger, read_ledger
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.results.candidates import Comparison, read_comparison
from nas_with_rl.launch.results.loading import load
from nas_with_rl.launch.results.search_result import SearchResult
from nas_with_rl.search_spaces.errors import InputError

_TABLES = ("TableLookup", "TabularLookup")
State = Literal["running", "stopped", "finished"]
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Subject:
    """A search, and what is kept beside its trials.

    Attributes:
      result: its trials and its space.
      place: its workdir.
      state: "stopped" where no process works on it and it has not come to its end.
      source: where its settings come from, in a sentence; empty where that is not known.
      description: what `experiment.json` says.
      ledger: where its time went.
      comparison: of its best with others, on fresh seeds.
      moment: seconds since the epoch, when all of this was read.
    """

    result: SearchResult
    place: Workdir
    state: State
    source: str = ""
    description: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    ledger: Ledger = dataclasses.field(default_factory=Ledger)
    comparison: Comparison | None = None
    moment: float = 0.0

    @property
    def name(self) -> str:
        """The experiment's name, of a search in Python "own"."""
        name = self.description.get("experiment")
        return name if isinstance(name, str) else "search"

    @property
    def is_looked_up(self) -> bool:
        """Whether its children are rows of a table: equal each time, and in no time."""
        return self.group("child").get("kind") in _TABLES

    def group(self, name: str) -> Mapping[str, Any]:
        """Return an object of `experiment.json`; an empty one where there is none."""
        value = self.description.get(name)
        return value if isinstance(value, dict) else _NOTHING


def read_subject(workdir: str | Path) -> Subject:
    """Return the search in a workdir, in which nothing is written.

    Raises:
      InputError: there is no search, or it cannot be read.
    """
    place = Workdir(workdir)
    state: State = "running" if is_at_work(place) else "stopped"  # before its trials are read
    result = load(workdir)
    if state == "stopped" and _is_finished(result):
        state = "finished"
    return subject_of(result, place, state=state, source=_source(place))


def subject_of(result: SearchResult, place: Workdir, *, state: State, source: str) -> Subject:
    """Return the search of a result, with what its workdir keeps beside.

    Args:
      result: so far.
      place: its workdir.
      state: of it.
      source: where its settings come from.
    """
    description: Mapping[str, Any] = _NOTHING
    with contextlib.suppress(InputError):  # what it says is left out of the report
        description = place.read()
    return Subject(
        result,
        place,
        state,
        source,
        description,
        read_ledger(place.ledger),
        read_comparison(place.comparison),
        time.time(),
    )


def is_at_work(place: Workdir) -> bool:
    """Say whether a process of this machine, or of one that shares its locks, has the workdir."""
    try:
        with (place.path / ".lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no lock was ever made, or it is not ours to see, or a mount has none
        return False
    return False


def _is_finished(result: SearchResult) -> bool:
    """Say whether a search has spent its budget, or has an outcome of every architecture."""
    config, trials = result.config, result.trials
    if config is None or any(trial.status == "running" for trial in trials):
        return False
    num_children = sum(trial.reused_from is None for trial in trials)
    if len(trials) >= config.num_samples or 0 < config.num_children <= num_children:
        return True
    with contextlib.suppress(InputError):  # a space that cannot be counted
        return len({trial.architecture for trial in trials}) >= result.space.size
    return False


def _source(place: Workdir) -> str:
    """Return what a built-in experiment says of itself; a module of one's own is not imported."""
    stored = place.read()
    name, overrides = stored.get("experiment"), stored.get("overrides")
    if not isinstance(name, str) or ":" in name or not isinstance(overrides, list):
        return ""
    evaluate = stored.get("evaluate")
    with contextlib.suppress(InputError):  # a name or a setting of another version
        return configure(name, overrides, evaluate=evaluate if evaluate else None).source
    return ""
