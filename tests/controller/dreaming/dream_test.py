"""The searcher that dreams: what it proposes, what it makes of rewards, how far it is trusted."""

import numpy as np
import pytest
import threadpoolctl

from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
from nas_with_rl.controller.dreaming import dream
from nas_with_rl.controller.dreaming.dream import Dream
from nas_with_rl.controller.reinforce import Reinforce
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips

SMALL = PolicyConfig(num_layers=1, num_units=8, jit_compile=False)
CHOICES = SearchSpace([Choice(f"d{i}", (0, 1, 2, 3)) for i in range(6)])
FEW = SearchSpace([Choice("a", (1, 2, 3, 4)), Choice("b", (1, 2, 3), only_if=("a", (1, 2)))])


@pytest.fixture(scope="module")
def learner_of(tmp_path_factory):
    """A function of a space: its learner, traced once, as it is at first."""
    made = {}

    def learner(space):
        key = str(space)
        if key not in made:
            config = ReinforceConfig(learning_rate=0.02, policy=SMALL)
            found = Reinforce(space, config, max_depth=space.depth, seed=0)
            made[key] = found, tmp_path_factory.mktemp("learner")
            found.save(made[key][1])
        made[key][0].restore(made[key][1])
        return made[key][0]

    return learner


def searched(searcher, space, reward, num_batches, *, first=0):
    """Return the architectures of some batches of 8, with their rewards."""
    found = []
    for batch in range(first, first + num_batches):
        proposals = searcher.ask(space, range(8 * batch, 8 * batch + 8))
        rewards = [reward(proposal.architecture) for proposal in proposals]
        searcher.tell(proposals, rewards)
        found += zip([proposal.architecture for proposal in proposals], rewards, strict=True)
    return found


def total(architecture):
    return float(sum(architecture.tokens))


def noise(architecture):
    return float(np.random.default_rng(list(architecture.tokens)).normal())


def test_it_finds_the_best_skip_connections_of_two_million(learner_of):
    space = SearchSpace(layer_decisions=(Skips(),), depth=7)
    wanted = np.random.default_rng(0).random((7, 7)) < 0.5

    def right(architecture):
        inputs = architecture["inputs"]
        return float(sum((j + 1 in inputs[i]) == wanted[i, j] for i in range(7) for j in range(i)))

    searcher = Dream(learner_of(space), space, max_depth=7, seed=0)
    found = searched(searcher, space, right, 12)
    assert max(reward for _, reward in found) == 21


def test_the_policy_learns_from_dreams(learner_of):
    searcher = Dream(learner_of(CHOICES), CHOICES, max_depth=0, seed=0)
    searched(searcher, CHOICES, total, 12)
    drawn = searcher._learner.policy.sample(CHOICES, seed=1, trials=range(64)).architectures
    assert np.mean([total(architecture) for architecture in drawn]) > 12  # chance: 9


def test_nothing_is_tried_twice_until_all_has_been(learner_of):
    assert FEW.size == 8
    searcher = Dream(learner_of(FEW), FEW, max_depth=0, seed=0)
    first = searched(searcher, FEW, lambda _: 0.0, 1)
    assert len({str(architecture) for architecture, _ in first}) == 8
    # Then it says again what there is; the loop takes their outcomes over.
    assert len(searched(searcher, FEW, lambda _: 0.0, 2, first=1)) == 16
    searcher = Dream(learner_of(CHOICES), CHOICES, max_depth=0, seed=0)
    found = searched(searcher, CHOICES, total, 15)
    assert len({str(architecture) for architecture, _ in found}) == 120


def test_what_is_under_way_is_not_proposed_again(learner_of):
    searcher = Dream(learner_of(CHOICES), CHOICES, max_depth=0, seed=0)
    batches = [searcher.ask(CHOICES, range(8 * k, 8 * k + 8)) for k in range(6)]
    for proposals in batches[:3]:
        searcher.tell(proposals, [total(proposal.architecture) for proposal in proposals])
    batches += [searcher.ask(CHOICES, range(8 * k, 8 * k + 8)) for k in range(6, 12)]
    assert len({str(each.architecture) for batch in batches for each in batch}) == 96


@pytest.mark.parametrize("change", [lambda r: 1e30 * r - 1e33, lambda r: -np.exp(-r)])
def test_scale_and_sign_change_nothing(learner_of, change):
    searcher = Dream(learner_of(CHOICES), CHOICES, max_depth=0, seed=0)
    plain = searched(searcher, CHOICES, total, 6)
    searcher = Dream(learner_of(CHOICES), CHOICES, max_depth=0, seed=0)
    changed = searched(searcher, CHOICES, lambda a: float(change(total(a))), 6)
    assert [a for a, _ in changed] == [a for a, _ in plain]


def test_the_best_is_found_among_outliers(learner_of):
    searcher = Dream(learner_of(CHOICES), CHOICES, max_depth=0, seed=0)
    found = searched(searcher, CHOICES, lambda a: total(a) if total(a) > 6 else -1e300, 6)
    assert max(total(a) for a, _ in found) == 18


def test_a_surrogate_that_predicts_nothing_is_not_followed(learner_of):
    searcher = Dream(learner_of(CHOICES), CHOICES, max_depth=0, seed=0)
    assert searcher.trust == 1.0
    searched(searcher, CHOICES, total, 8)
    assert searcher.trust > 0.9
    trusts = []
    for seed in range(3):
        searcher = Dream(learner_of(CHOICES), CHOICES, max_depth=0, seed=seed)
        searched(searcher, CHOICES, noise, 12)
        trusts.append(searcher.trust)
    assert np.mean(trusts) < 0.5
    searcher._predictions = [(float(k), -float(k)) for k in range(20)]
    assert searcher.trust == 0.0
    # Then the policy chooses, and new ones still.
    proposals = searcher.ask(CHOICES, range(1000, 1008))
    assert len({str(proposal.architecture) for proposal in proposals}) == 8


def test_what_is_restored_goes_on_as_what_was_saved(learner_of, tmp_path):
    searcher = Dream(learner_of(CHOICES), CHOICES, max_depth=0, seed=0)
    searched(searcher, CHOICES, noise, 5)
    searcher.save(tmp_path)
    going_on = searched(searcher, CHOICES, noise, 4, first=5)
    restored = Dream(learner_of(CHOICES), CHOICES, max_depth=0, seed=0)
    restored.restore(tmp_path)
    assert restored.version == 5
    assert searched(restored, CHOICES, noise, 4, first=5) == going_on


def test_the_state_of_another_space_is_refused(learner_of, tmp_path):
    searcher = Dream(learner_of(CHOICES), CHOICES, max_depth=0, seed=0)
    searched(searcher, CHOICES, total, 2)
    searcher.save(tmp_path)
    other = SearchSpace([Choice(f"d{i}", (0, 1, 2, 3)) for i in range(5)])
    with pytest.raises(ValueError):
        Dream(learner_of(other), other, max_depth=0, seed=0).restore(tmp_path)


def test_a_proposal_has_the_policys_log_probability(learner_of):
    searcher = Dream(learner_of(CHOICES), CHOICES, max_depth=0, seed=0)
    searched(searcher, CHOICES, total, 3)
    proposals = searcher.ask(CHOICES, range(24, 32))
    scores = searcher._learner.policy.score([proposal.architecture for proposal in proposals])
    assert [proposal.log_prob for proposal in proposals] == pytest.approx(scores.tolist())
    assert {proposal.version for proposal in proposals} == {3}


def test_the_night_is_as_long_in_a_long_space(learner_of, monkeypatch):
    steps = []
    space = SearchSpace([Choice(f"d{i}", (0, 1)) for i in range(60)])
    searcher = Dream(learner_of(space), space, max_depth=0, seed=0)
    step = searcher._learner.step
    monkeypatch.setattr(searcher._learner, "step", lambda *a: steps.append(0) or step(*a))
    searched(searcher, space, total, 1)
    assert len(steps) == 2  # one by the children, one dreamt


def test_batches_in_vain_make_it_bolder_until_one_brings_the_best(learner_of, monkeypatch):
    boldnesses = []
    make = dream.Wishes

    def noted(*args, **settings):
        boldnesses.append(settings["boldness"])
        return make(*args, **settings)

    monkeypatch.setattr(dream, "Wishes", noted)
    searcher = Dream(learner_of(CHOICES), CHOICES, max_depth=0, seed=0)
    searched(searcher, CHOICES, lambda _: 1.0, 13)
    once = [1 + dream.BOLDER * batch for batch in range(dream.BOLD_BATCHES)]
    assert boldnesses == [1.0, *(once * 2)[:11]]  # again and again
    searched(searcher, CHOICES, lambda _: 2.0, 1, first=13)
    searched(searcher, CHOICES, lambda _: 2.0, 2, first=14)
    assert boldnesses[-2:] == [1.0, 1.0]


def blas_threads():
    """Of NumPy's own, beside which SciPy may have another."""
    found = threadpoolctl.threadpool_info()
    return [row["num_threads"] for row in found if "numpy" in row["filepath"]]


def test_small_products_stay_on_one_core(learner_of, monkeypatch):
    searcher = Dream(learner_of(CHOICES), CHOICES, max_depth=0, seed=0)
    searched(searcher, CHOICES, total, 1)
    seen = []
    predict = searcher._surrogate.predict

    def noted(rows):
        seen.extend(blas_threads())
        return predict(rows)

    monkeypatch.setattr(searcher._surrogate, "predict", noted)
    with threadpoolctl.threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()  # as many as it can have: one, where it began with one
        searcher.ask(CHOICES, range(8, 16))
        after = blas_threads()
    assert set(seen) == {1} and after == before
