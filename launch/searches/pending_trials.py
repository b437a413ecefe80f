"""Trials on their way to an outcome: which are evaluated, and which wait for one that is."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Sequence

from nas_with_rl.launch.evaluators.evaluation import Evaluation, Outcome
from nas_with_rl.launch.evaluators.measurements import Failure
from nas_with_rl.launch.records.trial_store import Trial, TrialStore


class PendingTrials:
    """Records the outcome of every trial that it is given, evaluated or taken over.

    With `reuse` one trial of an architecture is evaluated at a time: the later ones wait and take
    its outcome over; should it fail, the next is evaluated, until the failure is believed.

    Attributes:
      queue: what the evaluator is to take.
    """

    def __init__(
        self,
        store: TrialStore,
        *,
        reuse: bool,
        failure_reward: float | None,
        failure_retries: int,
        evaluation_of: Callable[[Trial], Evaluation],
        on_finish: Callable[[Trial], None],
    ):
        self.queue: deque[Evaluation] = deque()
        self._store, self._reuse = store, reuse
        self._failure_reward, self._failure_retries = failure_reward, failure_retries
        self._evaluation_of, self._on_finish = evaluation_of, on_finish
        self._waiting: dict[str, deque[Trial]] = {}  # by architecture; the first is evaluated

    def add(self, trials: Sequence[Trial]) -> None:
        """Have running trials evaluated, in the order of their numbers."""
        for trial in trials:
            waiting = self._waiting.setdefault(self._key(trial), deque())
            waiting.append(trial)
            if len(waiting) == 1:
                self._go_on(waiting)

    def take(self, outcome: Outcome) -> None:
        """Record the outcome of an evaluation, and what follows for trials that waited for it."""
        evaluation = outcome.evaluation
        key = str(evaluation.architecture) if self._reuse else str(evaluation.trial)
        waiting = self._waiting[key]
        trial = waiting.popleft()
        self._finish(_with_outcome(trial, outcome, self._failure_reward))
        self._go_on(waiting)
        if not waiting:
            del self._waiting[key]

    def costs_nothing(self, trial: Trial) -> bool:
        """Whether a trial is certain to take over the outcome of an earlier one."""
        return self._reuse and self._earlier(trial) is not None

    def _key(self, trial: Trial) -> str:
        return trial.architecture if self._reuse else str(trial.number)

    def _go_on(self, waiting: deque[Trial]) -> None:
        """Let trials take over what there is; evaluate the first that cannot."""
        while waiting:
            earlier = self._earlier(waiting[0]) if self._reuse else None
            if earlier is None:
                self.queue.append(self._evaluation_of(waiting[0]))
                return
            if earlier.status == "failed":  # it counts as failures do now
                earlier = dataclasses.replace(earlier, reward=self._failure_reward)
            self._finish(_with_reused(waiting.popleft(), earlier))

    def _earlier(self, trial: Trial) -> Trial | None:
        """Return an earlier trial whose outcome holds for this one too."""
        # Before by number, not by time: a search that is resumed finds the same ones.
        found = self._store.evaluated_before(trial)
        failures = [each for each in found if each.status == "failed"]
        if len(failures) < len(found):
            return next(each for each in found if each.status != "failed")
        is_believed = len(failures) > self._failure_retries or any(
            each.failure == "infeasible" for each in failures
        )
        # Nothing takes over a failure that may have been chance: it is evaluated.
        return failures[-1] if is_believed else None

    def _finish(self, trial: Trial) -> None:
        self._store.finish(trial)
        self._on_finish(trial)


def _with_outcome(trial: Trial, outcome: Outcome, failure_reward: float | None) -> Trial:
    result = outcome.result
    done = dataclasses.replace(
        trial, worker=outcome.worker, started=outcome.started, ended=outcome.ended
    )
    if isinstance(result, Failure):
        return dataclasses.replace(
            done,
            status="failed",
            reward=failure_reward,
            failure=result.reason,
            message=result.message,
        )
    return dataclasses.replace(
        done,
        status="stopped" if result.is_stopped else "completed",
        reward=float(result.reward),
        metrics=result.metrics,
        num_parameters=result.num_parameters,
    )


def _with_reused(trial: Trial, earlier: Trial) -> Trial:
    return dataclasses.replace(
        earlier,
        number=trial.number,
        log_prob=trial.log_prob,
        sampled_version=trial.sampled_version,
        updated_version=None,
        seed=trial.seed,
        batch=trial.batch,
        reused_from=earlier.number if earlier.reused_from is None else earlier.reused_from,
    )
