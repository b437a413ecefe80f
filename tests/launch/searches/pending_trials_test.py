"""Trials on their way to an outcome: every course that those of one architecture may take."""

import contextlib
import dataclasses

import pytest

from nas_with_rl.launch.evaluators.evaluation import Evaluation, Outcome
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.launch.searches.pending_trials import PendingTrials
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.space import Choice, SearchSpace

SPACE = SearchSpace([Choice("letter", ("a", "b", "c"))])
FAILURE_REWARD = -7.0
RESULTS: dict[str, Measurement | Failure] = {
    "good": Measurement(0.5, num_parameters=9),
    "crashed": Failure("crashed", "by chance"),
    "infeasible": Failure("infeasible", "never"),
}


def course(path, events, *, reuse, retries=1):
    """Let things happen to trials; return what is evaluated when, and what each ends with.

    Args:
      path: of the store.
      events: words "a" to add the next trial, of that architecture, and "good", "crashed" or
        "infeasible" for what becomes of the evaluation that was queued first.

    Returns:
      The numbers of the trials evaluated, in order; "good", "crashed@0" (taken over from trial 0)
      or "running" for each trial; the numbers in the order in which they were finished.
    """
    evaluated, finished = [], []
    with contextlib.closing(TrialStore(path)) as store:
        pending = PendingTrials(
            store,
            reuse=reuse,
            failure_reward=FAILURE_REWARD,
            failure_retries=retries,
            evaluation_of=lambda trial: Evaluation(
                trial.number, parse_architecture(trial.architecture, SPACE), trial.seed
            ),
            on_finish=lambda trial: finished.append(trial.number),
        )
        for word in events.split():
            if word in RESULTS:
                evaluation = pending.queue.popleft()
                evaluated.append(evaluation.trial)
                pending.take(Outcome(evaluation, RESULTS[word], "here", 1.0, 2.0))
            else:
                number = len(store)
                trial = Trial(number, word, 0, "running", -1.0, 0, None, seed=number)
                store.add([trial])
                pending.add([trial])
        ends = list(map(end_of, store.all()))
        assert len(pending.queue) <= ends.count("running")
    return evaluated, ends, finished


def end_of(trial):
    """Return what a trial ended with, after a check of its record."""
    if trial.status == "running":
        assert trial.reward is None
        return "running"
    taken_over = "" if trial.reused_from is None else f"@{trial.reused_from}"
    if trial.status == "completed":
        assert (trial.reward, trial.num_parameters) == (0.5, 9)
        return f"good{taken_over}"
    assert trial.reward == FAILURE_REWARD and trial.message == RESULTS[trial.failure].message
    return f"{trial.failure}{taken_over}"


# Events; the trials that were evaluated; what each trial ended with.
WITH_REUSE = {
    "a good outcome holds": ("a good a", [0], "good good@0"),
    "a later one waits for it": ("a a a good", [0], "good good@0 good@0"),
    "another architecture does not": ("a b good good", [0, 1], "good good"),
    "what waits is not evaluated": ("a a", [], "running running"),
    "a failure is tried once more": ("a a crashed good", [0, 1], "crashed good"),
    "also when it comes later": ("a crashed a good a", [0, 1], "crashed good good@1"),
    "two failures are believed": ("a a a crashed crashed", [0, 1], "crashed crashed crashed@1"),
    "from then on": ("a crashed a crashed a a", [0, 1], "crashed crashed crashed@1 crashed@1"),
    "an infeasible one at once": ("a a infeasible a", [0], "infeasible infeasible@0 infeasible@0"),
    "infeasible after a crash": (
        "a crashed a infeasible a",
        [0, 1],
        "crashed infeasible infeasible@1",
    ),
    "in turn, each its own": (
        "a b a b crashed crashed good good",
        [0, 1, 2, 3],
        "crashed crashed good good",
    ),
}


@pytest.mark.parametrize("name", WITH_REUSE)
def test_trials_of_one_architecture_are_evaluated_one_at_a_time(tmp_path, name):
    events, evaluated, ends = WITH_REUSE[name]
    found, found_ends, finished = course(tmp_path / "trials.sqlite", events, reuse=True)
    assert (found, found_ends) == (evaluated, ends.split())
    assert sorted(finished) == [n for n, end in enumerate(found_ends) if end != "running"]


@pytest.mark.parametrize(
    ("retries", "evaluated", "ends"),
    [
        (0, [0], "crashed crashed@0 crashed@0"),
        (1, [0, 1], "crashed crashed crashed@1"),
        (2, [0, 1, 2], "crashed crashed crashed"),
    ],
)
def test_a_failure_is_believed_after_its_retries(tmp_path, retries, evaluated, ends):
    events = "a a a" + " crashed" * len(evaluated)
    found = course(tmp_path / "trials.sqlite", events, reuse=True, retries=retries)
    assert found[:2] == (evaluated, ends.split())


@pytest.mark.parametrize("events", ["a a good good", "a good a good", "a a crashed infeasible"])
def test_without_reuse_every_trial_is_evaluated(tmp_path, events):
    evaluated, ends, _ = course(tmp_path / "trials.sqlite", events, reuse=False)
    assert evaluated == [0, 1]
    assert ends == [word for word in events.split() if word in RESULTS]


def test_trials_end_in_the_order_in_which_their_outcomes_are_known(tmp_path):
    *_, finished = course(tmp_path / "trials.sqlite", "a b a b good good", reuse=True)
    assert finished == [0, 2, 1, 3]


def test_what_is_taken_over_is_the_outcome_and_not_the_trial(tmp_path):
    course(tmp_path / "trials.sqlite", "a good a", reuse=True)
    with contextlib.closing(TrialStore(tmp_path / "trials.sqlite")) as store:
        first, second = store.all()
    own = {"number": 1, "seed": 1, "reused_from": 0}
    assert second == dataclasses.replace(first, **own)
