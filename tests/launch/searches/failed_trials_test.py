"""What a failed child counts as, and when a failure is believed."""

import pytest

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.rewards import failure_reward
from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
from nas_with_rl.controller.reinforce import Reinforce
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.search_spaces.space import Choice, SearchSpace
from tests.launch.searches.loop_test import Recorder, run, timeless

SPACE = SearchSpace([Choice("a", (1, 2, 3, 4)), Choice("b", (10, 20, 30))])


def loss(architecture):
    """A loss between 1 and 4; the smaller half of `a` fails."""
    if architecture["a"] < 3:
        raise ChildFailure("crashed", "as it always does")
    return -(architecture["a"] - 2) - architecture["b"] / 20


def test_a_failure_counts_less_than_any_child_that_has_trained():
    trials, searcher = run(loss, space=SPACE, num_samples=60, failure_retries=0)
    trained = []
    for batch, told in enumerate(searcher.told):
        members = [trial for trial in trials if trial.batch == batch]
        trained += [trial.reward for trial in members if trial.status == "completed"]
        failed = [trial for trial in members if trial.status == "failed"]
        assert all(t.reward == failure_reward(min(trained), max(trained)) for t in failed)
        assert told == [(trial.number, trial.reward) for trial in members]  # and is in the store
    assert any(trial.status == "failed" for trial in trials)


@pytest.mark.parametrize(
    ("shift", "scale"),
    [
        (1000.0, 1e-3),
        *(
            pytest.param(*values, marks=pytest.mark.slow)
            for values in ((0.0, 1.0), (-1000.0, 1.0), (1000.0, 1e6))
        ),
    ],
)
def test_the_controller_learns_to_avoid_failures_whatever_the_rewards(shift, scale):
    policy = PolicyConfig(num_units=8, jit_compile=False)
    searcher = Reinforce(SPACE, ReinforceConfig(0.03, policy=policy), max_depth=0, seed=0)
    trials, _ = run(
        lambda architecture: scale * (shift + loss(architecture)),
        space=SPACE,
        searcher=searcher,
        num_samples=240,
        batch_size=8,
    )
    first, last = (
        sum(trial.status == "failed" for trial in part) for part in (trials[:48], trials[-48:])
    )
    assert first > 12 and last < first / 3


def test_failures_before_anything_has_trained_count_from_the_first_that_did():
    calls = []

    def evaluate(architecture):
        calls.append(architecture)
        if len(calls) <= 9:
            raise ChildFailure("crashed")
        return -7.0

    trials, searcher = run(evaluate, duplicates="evaluate")  # batches of 4
    assert [trial.reward for trial in trials[:10]] == [-14.0] * 9 + [-7.0]
    assert [trial.sampled_version for trial in trials[::4]] == [0, 0, 0, 3, 4]
    assert [trial.updated_version for trial in trials[::4]] == [1, 2, 3, 4, 5]
    assert [number for batch in searcher.told for number, _ in batch] == list(range(20))


def test_nothing_is_learned_where_nothing_trains_and_more_samples_go_on():
    def fail(architecture):
        raise ChildFailure("crashed")

    store = TrialStore(None)
    trials, searcher = run(fail, store=store)
    assert not searcher.told and {trial.reward for trial in trials} == {None}
    trials, searcher = run(lambda a: 0.5, store=store, duplicates="evaluate", num_samples=24)
    assert [len(batch) for batch in searcher.told] == [4] * 6
    assert all(trial.reward < 0.5 for trial in trials[:20])


@pytest.mark.parametrize("stop", [3, 8, 10])
def test_what_failures_count_as_is_the_same_after_an_interruption(stop):
    calls = []

    def evaluate(architecture):
        calls.append(architecture)
        if len(calls) == stop + 1:
            raise KeyboardInterrupt
        return loss(architecture)

    store = TrialStore(None)
    with pytest.raises(KeyboardInterrupt):
        run(evaluate, space=SPACE, store=store)
    trials, searcher = run(evaluate, space=SPACE, store=store)
    expected, never_stopped = run(loss, space=SPACE)
    assert [timeless(trial) for trial in trials] == [timeless(trial) for trial in expected]
    assert searcher.told == never_stopped.told


def by_architecture(trials, text):
    return [(t.status, t.reused_from) for t in trials if t.architecture == text]


@pytest.mark.parametrize("chances", [1, 2])
def test_one_failure_does_not_condemn_an_architecture(chances):
    calls = []

    def evaluate(architecture):
        if architecture["a"] == 1:
            calls.append(architecture)
            if len(calls) <= chances:
                return float("nan")
        return 0.5

    space = SearchSpace([Choice("a", (1, 2))])
    trials, _ = run(evaluate, space=space)
    found = by_architecture(trials, "1")
    assert [status for status, _ in found[:chances]] == ["failed"] * chances
    first = next(trial.number for trial in trials if trial.architecture == "1" and trial.reward)
    assert {status for status, _ in found[chances:]} == {"completed"}
    assert found[chances][1] is None and first is not None


@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_a_failure_is_believed_after_a_stated_number_of_tries(retries):
    def evaluate(architecture):
        return float("nan") if architecture["a"] == 1 else 0.5

    trials, _ = run(evaluate, space=SearchSpace([Choice("a", (1, 2))]), failure_retries=retries)
    found = by_architecture(trials, "1")
    assert len(found) > 6 and {status for status, _ in found} == {"failed"}
    assert [reused is None for _, reused in found] == [n <= retries for n in range(len(found))]


def test_what_is_infeasible_is_believed_at_once():
    def evaluate(architecture):
        if architecture["a"] == 1:
            raise ChildFailure("infeasible", "no such network")
        return 0.5

    trials, _ = run(evaluate, space=SearchSpace([Choice("a", (1, 2))]))
    assert sum(reused is None for _, reused in by_architecture(trials, "1")) == 1


def test_a_stated_failure_reward_is_obeyed():
    trials, _ = run(loss, space=SPACE, failure_reward=0.25)
    assert {trial.reward for trial in trials if trial.status == "failed"} == {0.25}
    searcher = Recorder()
    run(loss, space=SPACE, failure_reward=-1e9, searcher=searcher)
    assert -1e9 in {reward for batch in searcher.told for _, reward in batch}


def test_a_trial_waits_for_its_reward_to_be_recorded():
    store = TrialStore(None)
    run(loss, space=SPACE, store=store, num_samples=8)
    (failed,) = [t for t in store.all() if t.status == "failed"][:1]
    assert store.count_failures([failed.batch], lambda worst, best: 99.0)  # it has one already
    assert failed == store.all()[failed.number]
