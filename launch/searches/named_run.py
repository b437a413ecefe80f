"""A named experiment's search before it runs: what is asked for, checked, and as a `Run`."""

from __future__ import annotations

import dataclasses
import functools
import os
from contextlib import AbstractContextManager
from typing import Any, Literal

from nas_with_rl.launch.evaluators.evaluation import Evaluator
from nas_with_rl.launch.evaluators.kinds.kind import LocatedExperiment
from nas_with_rl.launch.evaluators.kinds.rows import kind_of, trainer_of
from nas_with_rl.launch.evaluators.local import check_early_stopping, check_limits
from nas_with_rl.launch.evaluators.plans import AUTO, Plan
from nas_with_rl.launch.experiments import named_modules
from nas_with_rl.launch.experiments.catalogue import check_overrides, configure
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.experiments.search_config import SearchConfig, trials_for
from nas_with_rl.launch.experiments.searchers import check_own_searcher, needs_tensorflow
from nas_with_rl.launch.experiments.tabular.tabular_space import TabularSpace
from nas_with_rl.launch.host import backend, forking
from nas_with_rl.launch.records.continuation import (
    asked_children,
    check_evaluation,
    complete_search,
    stored_search,
)
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.searches.run import Claim, Run, claim_search
from nas_with_rl.search_spaces.errors import InputError, shown

Where = Literal["in one process", "on a synchronous cluster", "on an asynchronous cluster"]
# Why replicas of the controller have no effect, where they have none.
_SINGLE = {
    "in one process": "one process has a single one",
    "on a synchronous cluster": "a synchronous search has a single one",
}


@dataclasses.dataclass(frozen=True)
class NamedRun:
    """A search of a named experiment that can begin, or go on, here or on a cluster.

    Attributes:
      request: completed.
      data: the experiment, whose search has as many samples as are asked for, and where it lies.
    """

    request: SearchRequest
    data: LocatedExperiment

    @property
    def search(self) -> SearchConfig:
        """How it searches."""
        assert self.data.experiment.search is not None
        return self.data.experiment.search

    @property
    def plan(self) -> str:
        """How children are trained, as `parse_plan` reads it, or "auto"."""
        return self.request.plan or AUTO

    @property
    def metric(self) -> str | None:
        """The measurement that is told beside the reward."""
        return kind_of(self.data.experiment).metric

    def how_to_go_on(self) -> str:
        """By which command it is continued."""
        return f"continue with: {self.request.resume_command('search')}"

    def claim(self, run: Run) -> AbstractContextManager[Claim]:
        """Claim the workdir for the run, as `on` returns it."""
        return claim_search(run, str(self.request.workdir), resume=self.request.resume)

    def on(self, evaluator: Evaluator, plan: Plan) -> Run:
        """Return the run, whose children an evaluator measures by a plan's program."""
        experiment = self.data.experiment
        return Run(
            name=self.request.experiment or experiment.name,
            source=experiment.source,
            space=experiment.search_space(),
            config=self.search,
            controller=experiment.controller,
            seed=self.data.seed,
            evaluator=evaluator,
            description={
                **_describe(self.request, experiment),
                "data_found": trainer_of(self.data).data,
                # Programs round differently; how many processes run them changes nothing.
                "program": [plan.program, plan.num_children],
            },
            location={"data_dir": self.request.data_dir, "plan": str(plan)},
            metric=self.metric,
        )


def prepare_libraries(request: SearchRequest) -> None:
    """Prepare what the process that leads a search needs: it is seconds and half a gigabyte.

    A controller that learns needs TensorFlow, children that are networks need Keras, the rest none
    of the two. An experiment of one's own is taken for one that has both: its module is to find
    them prepared.

    Raises:
      InputError: there is no such experiment, it has no search, or a library is missing.
    """
    request = complete_search(request)
    if request.resume and stored_search(request.place()).get("children_on") == "jax":
        os.environ.setdefault("KERAS_BACKEND", "jax")  # as everything that is not given
    fork = functools.partial(_let_children_be_forked, request)
    if request.experiment and ":" in request.experiment:
        return backend.prepare_controller(imported=fork)
    experiment = _with_search(request)
    assert experiment.search is not None
    if isinstance(experiment.space, TabularSpace):  # what is wrong with it is said at once
        trainer_of(LocatedExperiment(experiment, request.data_dir, request.seed or 0))
    if needs_tensorflow(experiment.search.searcher):
        needs_keras = kind_of(experiment).needs_keras
        return backend.prepare_controller(imported=fork if needs_keras else None)
    if kind_of(experiment).needs_keras:
        backend.prepare_backend(imported=fork)
    return None


def _let_children_be_forked(request: SearchRequest) -> None:
    """Let child processes be forked off this one, where they will have what it has imported."""
    # A module of one's own may have begun whatever it likes; its functions need no TensorFlow.
    is_ours = request.evaluate is None and not named_modules.any_is_imported()
    if is_ours and request.plan != "here":
        forking.begin_on_cores()


def prepare(request: SearchRequest, where: Where = "in one process") -> NamedRun:
    """Return the search that is asked for, before anything is measured.

    Its data is loaded; its workdir is free, or holds a run that can go on.

    Raises:
      InputError: an impossible request.
    """
    request = complete_search(request)
    experiment = _with_search(request)
    if not request.resume:
        _check_effect(request, experiment, _SINGLE.get(where))
        if where == "in one process":
            check_limits(experiment, request.plan or AUTO)
    data = LocatedExperiment(experiment, request.data_dir, request.seed or 0)
    check_early_stopping(experiment, trainer_of(data))
    assert experiment.search is not None
    check_own_searcher(experiment.search.searcher)
    place = request.place()
    if request.resume:
        check_evaluation(stored_search(place), _describe(request, experiment), place.path)
    else:
        place.check_unused()
    return NamedRun(request, data)


def prepare_data(request: SearchRequest) -> LocatedExperiment:
    """Return what a worker trains, of a search whose chief looks after its workdir."""
    return LocatedExperiment(_with_search(request), request.data_dir, request.seed or 0)


def _with_search(request: SearchRequest) -> Experiment:
    """Return the experiment that is asked for, with its search.

    Raises:
      InputError: there is no such experiment, or it has no search.
    """
    experiment = configure(request.experiment, request.overrides, evaluate=request.evaluate)
    if experiment.search is None:
        raise InputError(
            f"--experiment={experiment.name} has no search, it trains a given architecture: "
            f"python -m nas_with_rl.launch.{experiment.command}"
        )
    asked = asked_children(request)
    num_samples = request.num_samples if asked is None else trials_for(asked)
    if num_samples is None or num_samples == experiment.search.num_samples:
        return experiment
    search = dataclasses.replace(experiment.search, num_samples=num_samples)
    return dataclasses.replace(experiment, search=search)


def _check_effect(request: SearchRequest, experiment: Experiment, single: str | None) -> None:
    """Raise InputError for settings that have no effect in a run that is begun.

    Args:
      request: of a run that is begun; one that is continued keeps what it has.
      experiment: that is asked for.
      single: why replicas of the controller have none, if they have none.
    """
    search = experiment.search
    assert search is not None
    check_overrides(experiment, request.overrides)
    set_here = [override.partition("=")[0].strip() for override in request.overrides]
    if single and search.num_replicas and "search.num_replicas" in set_here:
        raise InputError(
            f"search.num_replicas is {search.num_replicas}, which has no effect: of replicas of "
            f"the controller, {single}"
        )
    if search.depth is not None and not experiment.search_space().depth:
        raise InputError(
            f"search.depth is {shown(search.depth)}, which has no effect: the space has no layers"
        )


def _describe(request: SearchRequest, experiment: Experiment) -> dict[str, Any]:
    """Return what a binary says of a run beside its settings, before its data is looked at."""
    described: dict[str, Any] = {
        "experiment": request.experiment or experiment.name,  # as --resume finds it again
        "overrides": list(request.overrides),
        "evaluate": request.evaluate,
        "space": as_json(experiment.space),
        "child": as_json(experiment.child),
        "data": as_json(experiment.data),
        # None for TensorFlow's, as in runs that do not say it.
        "children_on": _backend_of(experiment),
    }
    if isinstance(experiment.space, TabularSpace):  # which its settings do not say
        described["space"] |= as_json(experiment.search_space())
    if "decisions" in described["space"]:
        return described
    return described | {"decisions": as_json(experiment.search_space())}  # as Python compares them


def _backend_of(experiment: Experiment) -> str | None:
    """Return the backend that children train on, which rounds as no other; None for TensorFlow."""
    found = backend.of_children()
    return found if kind_of(experiment).needs_keras and found != backend.BACKENDS[0] else None
