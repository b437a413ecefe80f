"""Which architecture is the best: by the mean of its own evaluations, everywhere."""

import dataclasses

from nas_with_rl.launch.records.ranking import best_so_far, ranked
from nas_with_rl.launch.records.trial_store import Trial


def trials(*measured):
    """Return trials of (architecture, reward), a reward of None for a failed one."""
    made = []
    for number, (text, reward) in enumerate(measured):
        status = "failed" if reward is None else "completed"
        trial = Trial(number, text, 0, status, -1.0, 0, None, seed=number, reward=reward)
        made.append(trial)
    return made


def ranking(measured):
    return [(each.trial.architecture, each.trial.number, each.reward) for each in ranked(measured)]


def test_the_mean_of_several_evaluations_counts_with_its_spread():
    measured = trials(("lucky", 1.0), ("good", 0.75), ("lucky", 0.0), ("good", 0.5), ("bad", 0.1))
    best, *_ = ranked(measured)
    assert ranking(measured) == [("good", 1, 0.625), ("lucky", 0, 0.5), ("bad", 4, 0.1)]
    assert best.rewards == (0.75, 0.5) and abs(best.spread - 0.125 * 2**0.5) < 1e-12
    assert best.describe() == "0.6250 ± 0.1768 (2 evaluations)"


def test_outcomes_taken_over_failures_and_running_trials_do_not_count():
    measured = trials(("a", 0.5), ("a", 0.9), ("b", None), ("c", None))
    measured[1] = dataclasses.replace(measured[1], reused_from=0)
    measured[3] = dataclasses.replace(measured[3], status="running")
    assert ranking(measured) == [("a", 0, 0.5)]
    assert ranked(measured)[0].describe() == "0.5000" and ranked(measured)[0].spread == 0.0
    assert ranked([]) == [] and list(best_so_far([])) == []


def test_of_equals_the_earliest_is_first_however_often_it_was_measured():
    measured = trials(("a", 0.1), ("b", 0.1), ("b", 0.1), ("b", 0.1))
    assert ranking(measured) == ranking(measured[::-1]) == [("a", 0, 0.1), ("b", 1, 0.1)]


def test_rewards_as_far_apart_as_numbers_can_be_have_a_mean():
    [only] = ranked(trials(("a", 1.7e308), ("a", -1.7e308)))
    assert only.reward == 0.0 and only.spread > 1e308


def test_the_best_so_far_falls_with_a_mean_and_ends_at_the_best():
    measured = trials(("a", 1.0), ("b", 0.75), ("a", 0.0), ("c", 0.8), ("b", 1.0))
    so_far = list(best_so_far(measured))
    assert [reward for _, reward in so_far] == [1.0, 1.0, 0.75, 0.8, 0.875]
    assert so_far[-1][1] == ranked(measured)[0].reward
