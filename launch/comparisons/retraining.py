"""Training the best of a search again, with fresh seeds: `nas.retrain`."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nas_with_rl.launch.evaluators.evaluation import (
    EvaluateFunction,
    Evaluation,
    Evaluator,
    InProcess,
    Outcome,
    check_evaluate,
)
from nas_with_rl.launch.evaluators.local import local_children
from nas_with_rl.launch.evaluators.measurements import Failure
from nas_with_rl.launch.experiments.named_modules import naming_flags
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.host.progress_bars import NoBar, make_bar
from nas_with_rl.launch.host.terminal import warn
from nas_with_rl.launch.records.continuation import (
    complete_search,
    is_of_python,
    is_own_evaluation,
    stored_search,
)
from nas_with_rl.launch.records.ranking import ranked
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.results.loading import load
from nas_with_rl.launch.results.retrained import Retrained, retrained_of
from nas_with_rl.launch.results.search_result import SearchResult
from nas_with_rl.launch.searches.named_run import prepare_data
from nas_with_rl.search_spaces.errors import InputError, shown, shown_path
from nas_with_rl.search_spaces.field_checks import check_number, checked
from nas_with_rl.search_spaces.randomness import fresh_seeds

MOST = 10_000  # architectures, and seeds of each
_EXAMPLE = "nas.retrain(result, evaluate=evaluate)"


def retrain(
    result: SearchResult | str | Path,
    k: int = 3,
    seeds: int = 3,
    *,
    evaluate: EvaluateFunction | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Retrained:
    """Train the best architectures of a search again, each with the same few fresh seeds.

    A search's best is the highest of many values, which is partly luck: what it is worth, and
    whether it is the best at all, its mean and spread over seeds say that the search did not have.
    A result with a workdir keeps them there; what was trained is not trained again, so that the
    same call goes on after any end, and `result.retrained` has all of it.

    Args:
      result: of a search that has ended, or its workdir.
      k: how many different architectures, the best ones of the search.
      seeds: how many each is trained with. None of them is that of a trial.
      evaluate: the function of a search that one's own evaluates, as `nas.search` has it; its
        `seed` is a fresh one, its `trial` a training of this, which nothing stops early. None for
        the children of the binaries' experiments, which are trained as they were in the search.
      workers: processes that call `evaluate`, as `nas.search` has them; None for this one.
      progress: show a bar.

    Returns:
      what was measured, ranked by the mean, which shows itself; after Ctrl-C what there is.

    Raises:
      InputError: an argument that cannot be used; a result without a completed trial; a workdir
        that is none, or that a search is under way in.
      Exception: as `evaluate` raised it; what was trained until then is kept.
    """
    k, seeds = checked(k, int, "k"), checked(seeds, int, "seeds")
    check_number(k, "k", least=1, most=MOST)
    check_number(seeds, "seeds", least=1, most=MOST)
    if evaluate is not None:
        check_evaluate(evaluate)
    workers = _checked_workers(workers, evaluate)
    result = _result(result)
    if not ranked(result.trials):
        raise InputError(
            f"result has no completed trial of {len(result.trials)}: there is nothing to train"
        )
    if evaluate is None:
        _check_has_children(result)
    with _store(result) as store:
        again = _Again(result, store, _wanted(result, k, seeds))
        if again.is_left():
            _train(again, _evaluator(result, evaluate, workers), progress=progress)
        return retrained_of(result, again.found())


def _wanted(result: SearchResult, k: int, num_seeds: int) -> tuple[_Training, ...]:
    """Return what is to be trained, in its order.

    A seed after the other: whatever ends it has measured the architectures alike.
    """
    best = [each.trial for each in ranked(result.trials)[:k]]
    seeds = fresh_seeds(num_seeds, {trial.seed for trial in result.trials})
    return tuple(_Training(each.architecture, each.depth, seed) for seed in seeds for each in best)


class _Training(NamedTuple):
    architecture: str
    depth: int
    seed: int


@dataclasses.dataclass(frozen=True)
class _Again:
    """Trainings as a store has them, and as they are wanted."""

    result: SearchResult
    store: TrialStore
    wanted: Sequence[_Training]

    def found(self) -> list[Trial]:
        """Return the stored ones among those that are wanted, in that order."""
        stored = self._stored()
        return [stored[each] for each in self.wanted if each in stored]

    def _stored(self) -> dict[_Training, Trial]:
        trials = self.store.all()
        return {_Training(each.architecture, each.depth, each.seed): each for each in trials}

    def is_left(self) -> bool:
        """Return whether anything that is wanted has no outcome."""
        done = [trial for trial in self.found() if trial.status != "running"]
        return len(done) < len(self.wanted)

    def begin(self) -> list[Trial]:
        """Record what is wanted and not there; return what has no outcome."""
        there = self._stored()
        new = [each for each in self.wanted if each not in there]
        numbers = itertools.count(len(there))
        self.store.add([_begun(next(numbers), each) for each in new])
        return [trial for trial in self.found() if trial.status == "running"]


def _begun(number: int, training: _Training) -> Trial:
    return Trial(
        number,
        training.architecture,
        training.depth,
        "running",
        log_prob=None,
        sampled_version=0,
        updated_version=None,
        seed=training.seed,
    )


def _finished(trial: Trial, outcome: Outcome) -> Trial:
    trial = dataclasses.replace(
        trial, worker=outcome.worker, started=outcome.started, ended=outcome.ended
    )
    result = outcome.result
    if isinstance(result, Failure):
        return dataclasses.replace(
            trial, status="failed", failure=result.reason, message=result.message
        )
    return dataclasses.replace(
        trial,
        status="completed",
        reward=result.reward,
        metrics=result.metrics,
        num_parameters=result.num_parameters,
    )


def _train(
    again: _Again, making: contextlib.AbstractContextManager[Evaluator], *, progress: bool
) -> None:
    """Train what is left by an evaluator that is made for it; Ctrl-C ends it early."""
    left = {trial.number: trial for trial in again.begin()}
    total, result = len(again.wanted), again.result
    bar = make_bar(total, unit="training", initial=total - len(left)) if progress else NoBar()
    try:
        with contextlib.closing(bar), making as evaluator:
            queue = deque(
                Evaluation(each.number, result.architecture(each), each.seed)
                for each in left.values()
            )
            with contextlib.closing(evaluator.evaluate(queue)) as outcomes:
                for outcome in outcomes:
                    again.store.finish(_finished(left[outcome.evaluation.trial], outcome))
                    bar.update()
    except KeyboardInterrupt:
        if progress:
            warn(f"stopped: {bar.n} of {total} trainings are done; the same call goes on")


@contextlib.contextmanager
def _evaluator(
    result: SearchResult, evaluate: EvaluateFunction | None, workers: int | None
) -> Iterator[Evaluator]:
    """Yield what trains the search's children; at the end its processes are gone."""
    config = result.config or SearchConfig()
    if evaluate is not None and workers is None:
        yield InProcess(evaluate, on_error=config.on_error)
        return
    if evaluate is not None and workers is not None:
        # Here: cloudpickle, where nothing is sent to another process.
        from nas_with_rl.launch.evaluators.own_workers import OwnWorkers

        with OwnWorkers(evaluate, result.space, workers=workers, config=config) as own:
            yield own
        return
    request = complete_search(SearchRequest(workdir=str(result.workdir), resume=True))
    assert request.plan is not None  # of a binary's
    with local_children(prepare_data(request), request.plan) as children:
        yield children.evaluator


@contextlib.contextmanager
def _store(result: SearchResult) -> Iterator[TrialStore]:
    """Yield where trainings are kept: in the result's workdir, which is locked, or in memory."""
    if result.workdir is None:
        with contextlib.closing(TrialStore(None)) as store:
            yield store
        return
    with contextlib.closing(Workdir(result.workdir, flag="workdir")) as place:
        place.lock()
        place.sign()
        with contextlib.closing(TrialStore(place.retrained)) as store:
            yield store


def _checked_workers(workers: object, evaluate: EvaluateFunction | None) -> int | None:
    if workers is None:
        return None
    number: int = checked(workers, int, "workers")
    check_number(number, "workers", least=1, most=MOST)
    if evaluate is None:
        raise InputError(
            f"workers is {number}, which has no effect without evaluate: the children of an "
            "experiment are trained by the plan of their search"
        )
    return number


def _result(given: object) -> SearchResult:
    if isinstance(given, SearchResult):
        return given
    if not isinstance(given, str | Path):
        raise InputError(f"result is {shown(given)}, no SearchResult and no workdir of one")
    return load(given)


def _check_has_children(result: SearchResult) -> None:
    """Raise InputError unless a search's workdir says how its children are trained."""
    if result.workdir is None:
        raise InputError(f"evaluate is missing, the function that evaluated: {_EXAMPLE}")
    stored = stored_search(Workdir(result.workdir, flag="workdir"))
    where = f"workdir={shown_path(result.workdir)}"
    if is_of_python(stored) or is_own_evaluation(stored):
        raise InputError(
            f"evaluate is missing: {where} holds a search by a function of one's own, which is "
            f"to be given again, as in {_EXAMPLE}"
        )
    if named := naming_flags(stored.get("experiment"), overrides=_overrides(stored)):
        raise InputError(
            f"{where} names a module of one's own ({', '.join(named)}), which is not imported for "
            f"that: give what trains its children, as in {_EXAMPLE}"
        )


def _overrides(stored: dict[str, object]) -> Sequence[object]:
    overrides = stored.get("overrides")
    return overrides if isinstance(overrides, list) else ()
