"""A search as its workdir records it, read without writing anything there."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.launch.experiments.overrides import from_json
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.experiments.searchers import SearcherSetting, is_own
from nas_with_rl.launch.records import checkpoints
from nas_with_rl.launch.records.continuation import stored_search
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.records.workdir import EXPERIMENT_FILE, Workdir
from nas_with_rl.launch.results.loading import stored_space
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import SearchSpace


@dataclasses.dataclass(frozen=True)
class Batch:
    """Trials that were proposed together.

    Attributes:
      number: from 0.
      trials: by number.
      version: updates that the searcher had made then.
      update: that learned from it, as most of its trials say; None for none.
      is_whole: whether no number is missing before, in or behind it.
      is_alone: whether all earlier batches had been learned from when it was proposed.
    """

    number: int
    trials: tuple[Trial, ...]
    version: int
    update: int | None
    is_whole: bool
    is_alone: bool

    @property
    def numbers(self) -> tuple[int, ...]:
        """The trials' numbers."""
        return tuple(trial.number for trial in self.trials)


@dataclasses.dataclass(frozen=True)
class RecordedSearch:
    """What there is of a search.

    Attributes:
      path: its workdir.
      description: its `experiment.json`.
      space: at any depth.
      config, controller, seed: what it searches with.
      searcher: by name.
      trials: by number.
      batches: by number.
      states: the kept checkpoints by version: a copy, or what is wrong with it.
    """

    path: Path
    description: Mapping[str, Any]
    space: SearchSpace
    config: SearchConfig
    controller: ReinforceConfig
    seed: int
    searcher: str
    trials: tuple[Trial, ...]
    batches: tuple[Batch, ...]
    states: Mapping[int, Path | str]

    @property
    def is_asynchronous(self) -> bool:
        """Whether several batches may have been under way."""
        location = self.description.get("location")
        return isinstance(location, dict) and location.get("synchronous") is False

    @property
    def last_update(self) -> int:
        """The newest update that the trials name; 0 without any."""
        return max((trial.updated_version or 0 for trial in self.trials), default=0)

    def setting(self) -> SearcherSetting:
        """Return what the searcher is made from, in this process."""
        schedule = self.config.depth if self.space.depth else None
        return SearcherSetting(
            space=self.space,
            max_depth=schedule.maximum if schedule else self.space.depth,
            seed=self.seed,
            controller=self.controller,
        )

    def depth_of(self, trial: int) -> int:
        """Return the depth of a batch that begins with a trial; 0 in a space without layers."""
        if not self.space.depth or self.config.depth is None:
            return self.space.depth
        return self.config.depth.depth(trial)

    def space_at(self, depth: int) -> SearchSpace:
        """Return the space at a depth."""
        return self.space.at_depth(depth) if depth else self.space


@contextlib.contextmanager
def read_recorded(workdir: str | Path, *, searcher: str | None = None) -> Iterator[RecordedSearch]:
    """Yield a search that a workdir records; it may go on meanwhile.

    Args:
      workdir: where it is.
      searcher: of one's own, which is imported only where it is named.

    Raises:
      InputError: there is no search, or it cannot be read.
    """
    place = Workdir(workdir)
    description = stored_search(place)
    if not place.trials.exists():
        raise InputError(f"--workdir={place.path} holds no {place.trials.name}: nothing to audit")
    config = _stored(SearchConfig, description["search"], place)
    _check_named(config.searcher, searcher, place)
    controller = _stored(ReinforceConfig, description["controller"], place)
    space, seed = stored_space(description, place), description.get("seed")
    if seed is None:
        raise InputError(f"{_file(place)} does not say the seed")
    with tempfile.TemporaryDirectory(prefix="nas_with_rl-") as folder:
        # Before the trials: the store knows of every update that a checkpoint has made.
        states = checkpoints.copy_kept(place.checkpoints, Path(folder))
        with contextlib.closing(TrialStore(place.trials, read_only=True)) as store:
            trials = tuple(store.all())
        yield RecordedSearch(
            path=place.path,
            description=description,
            space=space,
            config=config,
            controller=controller,
            seed=seed,
            searcher=config.searcher,
            trials=trials,
            batches=_batches(trials),
            states=states,
        )


def _check_named(stored: str, given: str | None, place: Workdir) -> None:
    if given is not None and given != stored:
        raise InputError(
            f"--searcher={given}: --workdir={place.path} has been searched by {stored}"
        )
    if is_own(stored) and given is None:
        raise InputError(
            f"--workdir={place.path} names a searcher of one's own, which is imported only where "
            f"the command line names it too: if it is one that you trust, add --searcher={stored}"
        )


def _stored(kind: type, values: Any, place: Workdir) -> Any:
    try:
        return from_json(kind, values)
    except InputError as error:
        raise InputError(f"{_file(place)}: {error}") from None


def _file(place: Workdir) -> Path:
    return place.path / EXPERIMENT_FILE


def _batches(trials: Sequence[Trial]) -> tuple[Batch, ...]:
    by_number: dict[int, list[Trial]] = collections.defaultdict(list)
    for trial in trials:
        by_number[trial.batch].append(trial)
    found, learned, expected = [], 0.0, 0
    for number in sorted(by_number):
        members = by_number[number]
        first, last = members[0].number, members[-1].number
        is_whole = first == expected and len(members) == last - first + 1
        version = _most(trial.sampled_version for trial in members)
        update = _most(trial.updated_version for trial in members)
        assert version is not None
        found.append(Batch(number, tuple(members), version, update, is_whole, learned <= version))
        learned = max(learned, math.inf if update is None else update)
        expected = last + 1
    for index, (here, following) in enumerate(itertools.pairwise(found)):
        if not following.is_whole:  # what is missing may be of this one
            found[index] = dataclasses.replace(here, is_whole=False)
    return tuple(found)


def _most(values: Iterator[int | None]) -> int | None:
    """Return what most of some values are; the first of as many."""
    return collections.Counter(values).most_common(1)[0][0]
