"""How a search in a workdir stands, as far as its files tell: for who looks on from anywhere.

Nothing is written. Certain is that a search runs where its lock is held, and that it is finished
where all its trials have their outcome. That it has ended before is certain on the machine that it
ran on alone, since not every mount shares locks: elsewhere it is not said.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.records.trial_store import Trial
from nas_with_rl.launch.records.workdir import Workdir, WorkdirUser
from nas_with_rl.launch.results.loading import load
from nas_with_rl.launch.results.search_result import SearchResult
from nas_with_rl.search_spaces.errors import shortened

State = Literal["running", "finished", "interrupted", "killed", "unknown"]
WINDOW_SECONDS = 600.0  # over which the speed is measured, where enough has ended in it
LEAST_ENDED = 4
_ALIVE_SECONDS = 120.0  # since the last write: a search whose lock cannot be seen may well run
_SLOW_CHILDREN = 3  # or so many times what its slowest child took


@dataclasses.dataclass(frozen=True)
class TrialCounts:
    """How many trials trained, were stopped early, failed, took over an outcome, or have none."""

    completed: int
    stopped: int
    failed: int
    reused: int
    under_way: int


@dataclasses.dataclass(frozen=True)
class SearchPace:
    """How far a search is.

    Attributes:
      done, budget: of trials, or of trained children where these are its budget.
      counts: which of the two, "trials" or "children".
      per_minute: of `done`, over the last `measured_seconds`; None where nothing can be said.
      measured_seconds: see there.
      seconds_left: at that speed; sooner where architectures repeat, later where depths grow.
    """

    done: int
    budget: int
    counts: Literal["trials", "children"]
    per_minute: float | None = None
    measured_seconds: float | None = None
    seconds_left: float | None = None


@dataclasses.dataclass(frozen=True)
class BestSoFar:
    """The best architecture so far.

    Attributes:
      architecture: its text.
      trial: that measured it first.
      metric: the measurement that the search is thought of in, or "reward".
      value: of it, the mean; None where it has none.
      text: what was measured, as it is printed.
    """

    architecture: str
    trial: int
    metric: str
    value: float | None
    text: str


@dataclasses.dataclass(frozen=True)
class SearchState:
    """How a search stands; times are in seconds since the epoch.

    Attributes:
      workdir: of the search.
      experiment: its name.
      state: "running"; "finished", all its trials have their outcome; "interrupted", it has ended
        in order before that; "killed", it has not ended in order; or "unknown" from here.
      known_by: how that is known, or why not.
      since: when the process that works in it has begun; None where none does, or it is not known.
      trials, pace, best: see there.
      last_write: to any of its files.
    """

    workdir: str
    experiment: str
    state: State
    known_by: str
    since: float | None
    trials: TrialCounts
    pace: SearchPace
    best: BestSoFar | None
    last_write: float | None


def state_of(workdir: str | Path, *, now: float | None = None) -> SearchState:
    """Return how the search in a workdir stands; nothing is written.

    Args:
      workdir: the directory, wherever it can be read.
      now: seconds since the epoch; None for the clock's.

    Raises:
      InputError: there is no search in it, or it cannot be read.
    """
    place = Workdir(workdir, flag="workdir")
    user = place.user()  # first: what ends meanwhile is taken for running, not for killed
    result = load(workdir)
    last_write = _last_write(place)
    # The clock of who writes may be ahead.
    now = max(time.time() if now is None else now, *_ended(result.trials), last_write or 0.0)
    state, known_by, is_alive = _judged(place, user, result, quiet=now - (last_write or 0.0))
    since = user.since if state == "running" else None
    pace = _pace(result)
    if is_alive and (speed := _speed(_ended(_counted(result)), now, since)):
        left = max(pace.budget - pace.done, 0)
        pace = dataclasses.replace(
            pace,
            per_minute=60 * speed[0],
            measured_seconds=speed[1],
            seconds_left=left / speed[0],
        )
    return SearchState(
        workdir=str(place.path),
        experiment=shortened(str(place.read().get("experiment"))),
        state=state,
        known_by=known_by,
        since=since,
        trials=_counts(result.trials),
        pace=pace,
        best=_best(result),
        last_write=last_write,
    )


def _counts(trials: Sequence[Trial]) -> TrialCounts:
    own = [trial for trial in trials if trial.reused_from is None]
    return TrialCounts(
        completed=sum(trial.status == "completed" for trial in own),
        stopped=sum(trial.status == "stopped" for trial in own),
        failed=sum(trial.status == "failed" for trial in own),
        reused=len(trials) - len(own),
        under_way=sum(trial.status == "running" for trial in own),
    )


def _config(result: SearchResult) -> SearchConfig:
    assert result.config is not None  # of one that was loaded
    return result.config


def _counted(result: SearchResult) -> list[Trial]:
    """Return the trials with an outcome that count against the search's budget."""
    done = [trial for trial in result.trials if trial.status != "running"]
    if not _config(result).num_children:
        return done
    return [trial for trial in done if trial.reused_from is None]


def _pace(result: SearchResult) -> SearchPace:
    config, done = _config(result), len(_counted(result))
    if config.num_children:
        return SearchPace(done, config.num_children, "children")
    return SearchPace(done, config.num_samples, "trials")


def _best(result: SearchResult) -> BestSoFar | None:
    for found in result.top(1):
        return BestSoFar(
            architecture=str(found.architecture),
            trial=found.trial.number,
            metric=found.metric,
            value=found.value,
            text=found.describe(),
        )
    return None


def _judged(
    place: Workdir, user: WorkdirUser, result: SearchResult, *, quiet: float
) -> tuple[State, str, bool]:
    """Return a search's state, how it is known, and whether it seems to run.

    Args:
      place: its workdir.
      user: who has that.
      result: so far.
      quiet: seconds since its last write.
    """
    is_complete = _is_complete(result, _config(result))
    if user.is_working:
        who = f"process {user.pid} of {user.host}" if user.host else "a process"
        after = ", with all trials done: it trains the best again, say" if is_complete else ""
        return "running", f"{who} has the workdir locked{after}", not is_complete
    if is_complete:
        return "finished", "all its trials have their outcome", False
    if user.is_working is False and user.is_of_this_machine:
        if _size(_log(place)):
            return "killed", "nothing has it locked, and its store was not closed", False
        return "interrupted", "nothing has it locked, and its store was closed", False
    seconds = [t.ended - t.started for t in result.trials if t.ended and t.started]
    is_alive = quiet < max(_ALIVE_SECONDS, _SLOW_CHILDREN * max(seconds, default=0.0))
    host = user.host or "a machine that it does not name"
    lock = "its lock cannot be seen here" if user.is_working is None else "locks may not show here"
    guess = "it seems to run" if is_alive else "it seems to have ended early"
    return "unknown", f"it ran on {host}, and {lock}; by its last write {guess}", is_alive


def _is_complete(result: SearchResult, config: SearchConfig) -> bool:
    """Say whether nothing is left to be sampled and all that was has its outcome."""
    trials = result.trials
    if any(trial.status == "running" for trial in trials):
        return False
    if len(trials) >= config.num_samples:
        return True
    own = [trial for trial in trials if trial.reused_from is None]
    if not config.num_children or len(own) >= config.num_children:
        return bool(config.num_children)
    # All architectures of its space have their outcome: it ends earlier.
    schedule = config.depth if result.space.depth else None
    depth = schedule.depth(config.num_samples - 1) if schedule else result.space.depth
    space = result.space.at_depth(depth) if depth else result.space
    return config.duplicates == "reuse" and space.size <= len(_settled(own, depth, config))


def _settled(own: Iterable[Trial], depth: int, config: SearchConfig) -> set[str]:
    """Return the architectures of a depth whose outcome later trials take over."""
    settled, failures = set(), dict[str, int]()
    for trial in own:
        if trial.depth != depth:
            continue
        failures[trial.architecture] = failures.get(trial.architecture, 0) + 1
        is_final = trial.status in ("completed", "stopped") or trial.failure == "infeasible"
        if is_final or failures[trial.architecture] > config.failure_retries:
            settled.add(trial.architecture)
    return settled


def _ended(trials: Iterable[Trial]) -> list[float]:
    return sorted(trial.ended for trial in trials if trial.ended is not None)


def _speed(ended: Sequence[float], now: float, since: float | None) -> tuple[float, float] | None:
    """Return how many end a second, and over how many seconds that is measured.

    These are the last ten minutes, or as many more as four of them take; no more than this process
    has worked in.
    """
    begun = max(since or 0.0, ended[0] if ended else 0.0)
    if not ended or begun <= 0:
        return None
    start = now - WINDOW_SECONDS
    if len(ended) > LEAST_ENDED:
        start = min(start, ended[-LEAST_ENDED - 1])
    # Without its start the first one that ended begins the clock, and does not count itself.
    start = max(start, since if since is not None else begun)
    count = sum(each > start for each in ended)
    return (count / (now - start), now - start) if count and now > start else None


def _log(place: Workdir) -> Path:
    """Return what SQLite writes to first, and takes away when the store is closed."""
    return place.trials.with_name(place.trials.name + "-wal")


def _last_write(place: Workdir) -> float | None:
    files = [
        place.trials,
        _log(place),
        place.ledger,
        place.report,
        place.comparison,
        place.checkpoints,
    ]
    with contextlib.suppress(OSError):
        files += sorted(place.tensorboard.iterdir())
    times = [found for found in map(_time_of_change, files) if found is not None]
    return max(times, default=None)


def _time_of_change(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
