"""REINFORCE: its gradient by finite differences of the NumPy twin, its baseline, its memory."""

import dataclasses
import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
from nas_with_rl.controller.encoding import encode_architectures
from nas_with_rl.controller.policy import Policy
from nas_with_rl.controller.random_search import RandomSearch, uniform_log_prob
from nas_with_rl.controller.reinforce import (
    Reinforce,
    moving_average,
    policy_gradient,
)
from nas_with_rl.controller.searcher import NotFinite
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips
from tests.harness import numpy_policy

STACKED = PolicyConfig(num_units=5, init_scale=0.5, jit_compile=False)
SMALL = dataclasses.replace(STACKED, num_layers=1)


def slow(*values):
    """A case that a quicker one beside it stands for."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def beginner(tmp_path_factory):
    """A controller of one choice, whose programs are traced once, and its state at first."""
    config = ReinforceConfig(policy=SMALL)
    searcher = Reinforce(SPACES["one choice"], config, max_depth=0, seed=0)
    state = tmp_path_factory.mktemp("beginner")
    searcher.save(state)
    return searcher, state


@pytest.fixture
def searcher(beginner):
    """A controller of one choice that has learned nothing."""
    searcher, state = beginner
    searcher.restore(state)
    return searcher


def test_gradient_equals_finite_differences_of_the_numpy_twin():
    space = ConvolutionalSpace(filters=(8, 16, 32)).search_space(3)
    policy = Policy(space, STACKED, max_depth=3, seed=0)
    architectures = policy.sample(space, seed=0, trials=range(4)).architectures
    advantages = np.array([0.5, -1.0, 2.0, 0.25], np.float32)
    encoded = encode_architectures(architectures, 3)
    gradient, _ = policy_gradient(
        policy, (policy.encoded(space), encoded.choices, encoded.skips), advantages
    )
    weights = numpy_policy.weights_of(policy)

    def objective() -> float:
        log_probs = [numpy_policy.log_prob(policy, weights, a) for a in architectures]
        return -float(np.mean(log_probs * advantages))

    generator = np.random.default_rng(0)
    for (name, weight), computed in zip(weights.items(), gradient, strict=True):
        computed = tf.convert_to_tensor(computed).numpy()
        for index in {tuple(generator.integers(size) for size in weight.shape) for _ in range(12)}:
            kept, sides = weight[index], []
            for sign in (1, -1):
                weight[index] = kept + sign * 1e-5
                sides.append(objective())
            weight[index] = kept
            difference = (sides[0] - sides[1]) / 2e-5
            assert computed[index] == pytest.approx(difference, abs=2e-5), (name, index)


def test_every_weight_gets_a_gradient():
    space = ConvolutionalSpace().search_space(4)
    policy = Policy(space, SMALL, max_depth=4, seed=0)
    encoded = encode_architectures(policy.sample(space, seed=0, trials=range(8)).architectures, 4)
    batch = (policy.encoded(space), encoded.choices, encoded.skips)
    gradient, _ = policy_gradient(policy, batch, np.ones(8, np.float32))
    assert all(np.any(tf.convert_to_tensor(g).numpy()) for g in gradient)


# A ConvNet's layers share their weights, whose gradients are sums over the layers.
@pytest.mark.parametrize(
    "space",
    [slow(NasBench201Space().search_space()), ConvolutionalSpace().search_space(3)],
    ids=["every kind once", "every kind thrice"],
)
def test_updates_take_adam_steps_and_move_the_baseline(space):
    searcher = Reinforce(space, ReinforceConfig(0.01, policy=SMALL), max_depth=space.depth, seed=0)
    proposals = searcher.ask(space, range(4))
    rewards = [1.0, 0.0, 0.5, 0.1]
    encoded = encode_architectures([p.architecture for p in proposals], space.depth)
    advantages = np.array(rewards, np.float32) - np.mean(rewards).astype(np.float32)
    batch = (searcher.policy.encoded(space), encoded.choices, encoded.skips)
    gradient, _ = policy_gradient(searcher.policy, batch, advantages)
    before = [v.numpy() for v in searcher.policy.trainable_variables]
    update = searcher.tell(proposals, rewards)
    baselines = [update.baseline]
    squares = [np.sum(tf.convert_to_tensor(g).numpy() ** 2) for g in gradient]
    assert update.gradient_norm == pytest.approx(np.sqrt(sum(squares)), rel=1e-4)
    for old, variable, g in zip(before, searcher.policy.trainable_variables, gradient, strict=True):
        g = tf.convert_to_tensor(g).numpy()
        # Adam's first step, with its ε beside sqrt((1 - β2) g²): rate · g / (|g| + ε').
        step = 0.01 * g / (np.abs(g) + 1e-7 / np.sqrt(1 - 0.999))
        np.testing.assert_allclose(variable.numpy(), old - step, atol=1e-5)
    baselines.append(searcher.tell(proposals, [4.0, 6.0, 4.0, 6.0]).baseline)
    baselines.append(searcher.tell(proposals, rewards).baseline)
    assert baselines[:2] == [0.4, 0.4]  # the first batch is its own baseline
    assert baselines[2] == pytest.approx(moving_average(0.4, [4.0, 6.0, 4.0, 6.0], 0.95))
    assert searcher.version == 3


def test_moving_average_takes_rewards_one_by_one():
    assert moving_average(None, [1.0, 2.0], 0.9) == 1.5
    assert moving_average(1.5, [3.0, 0.0], 0.9) == pytest.approx((1.5 * 0.9 + 3.0 * 0.1) * 0.9)


def test_growing_the_depth_makes_no_new_trace():
    space = ConvolutionalSpace().search_space(2)
    searcher = Reinforce(space, ReinforceConfig(policy=SMALL), max_depth=5, seed=0)
    for depth in range(2, 6):
        proposals = searcher.ask(space.at_depth(depth), range(4))
        searcher.tell(proposals, [0.0, 1.0, 0.5, 0.2])
    assert (searcher.policy.traces(), searcher.update_traces()) == (1, 1)


SPACES = {
    "one choice": SearchSpace([Choice("units", (16, 32, 64))]),
    "a condition": SearchSpace([Choice("a", (1, 2)), Choice("b", (1, 2), only_if=("a", (1,)))]),
    "one layer that may skip": ConvolutionalSpace().search_space(1),
    "a cell": RecurrentCellSpace(base=2).search_space(),
}


@pytest.mark.parametrize(
    "name", [slow("one choice"), slow("a condition"), "one layer that may skip", slow("a cell")]
)
def test_a_batch_of_one_learns_as_one_of_two_equal_ones(name):
    space = SPACES[name]
    config = ReinforceConfig(0.01, entropy_weight=0.1, policy=SMALL)
    one, two = (Reinforce(space, config, max_depth=space.depth, seed=0) for _ in range(2))
    for trial, reward in enumerate((1.0, 0.25, 0.5)):
        (proposal,) = one.ask(space, [trial])
        same = two.ask(space, [trial, trial])[0]
        assert same.architecture == proposal.architecture
        norms = [
            one.tell([proposal], [reward]).gradient_norm,
            two.tell([proposal] * 2, [reward] * 2).gradient_norm,
        ]
        assert norms[0] == pytest.approx(norms[1], rel=1e-4, abs=1e-6)
        two._baseline = one._baseline  # an average of twice as many
    weights = zip(one.policy.trainable_variables, two.policy.trainable_variables, strict=True)
    assert all(np.allclose(a.numpy(), b.numpy(), atol=2e-3) for a, b in weights)


@pytest.mark.parametrize("learns", [False, slow(True)])
def test_several_searches_of_one_process_trace_without_a_warning(caplog, learns):
    space = SPACES["one choice"]
    with caplog.at_level(logging.WARNING, logger="tensorflow"):
        for seed in range(5):
            searcher = Reinforce(space, ReinforceConfig(policy=SMALL), max_depth=0, seed=seed)
            proposals = searcher.ask(space, range(4))
            if learns:
                searcher.tell(proposals, [0.0, 1.0, 0.5, 0.2])
    assert not caplog.records


@pytest.mark.parametrize("name", ["mixed_float16", slow("mixed_bfloat16"), slow("float64")])
def test_a_dtype_policy_for_children_does_not_reach_the_controller(name):
    space, told = SPACES["one choice"], []
    before = keras.config.dtype_policy()
    try:
        for policy in (name, before):
            keras.config.set_dtype_policy(policy)
            searcher = Reinforce(space, ReinforceConfig(policy=SMALL), max_depth=0, seed=0)
            proposals = searcher.ask(space, range(4))
            norm = searcher.tell(proposals, [0.0, 1.0, 0.5, 0.2]).gradient_norm
            told.append((norm, [p.log_prob for p in searcher.ask(space, range(4, 8))]))
    finally:
        keras.config.set_dtype_policy(before)
    assert told[0] == told[1]


def weights_of(searcher):
    return [variable.numpy() for variable in searcher._optimizer.variables] + [
        variable.numpy() for variable in searcher.policy.trainable_variables
    ]


def test_a_step_that_is_not_finite_is_not_taken_and_its_trials_are_named(searcher):
    space = SPACES["one choice"]
    searcher.tell(searcher.ask(space, range(4)), [0.0, 1.0, 0.5, 0.2])
    before = weights_of(searcher)
    # All so large that none is an outlier: the squares of their gradients have no float32.
    update = searcher.tell(searcher.ask(space, range(4, 20)), [1e300 * n for n in range(1, 17)])
    assert all(np.array_equal(a, b) for a, b in zip(before, weights_of(searcher), strict=True))
    assert update.version == searcher.version == 2
    assert "4, 5" in update.notes[-1]


def test_an_outlier_is_named_and_bounded(searcher):
    space = SPACES["one choice"]
    plain = searcher.tell(searcher.ask(space, range(8)), [-1.0, -2.0, -3.0, -4.0] * 2)
    assert plain.notes == ()
    update = searcher.tell(searcher.ask(space, range(8, 12)), [-1.0, -2.0, -1e30, -4.0])
    assert "trial 10" in update.notes[0] and len(update.notes) == 1
    assert np.isfinite(update.gradient_norm)
    assert -10 < searcher._baseline < 0


def test_a_state_that_is_not_finite_is_not_restored(tmp_path):
    space = SPACES["one choice"]
    config = ReinforceConfig(policy=SMALL)
    broken, searcher = (Reinforce(space, config, max_depth=0, seed=0) for _ in range(2))
    before = weights_of(searcher)
    broken.policy.trainable_variables[0].assign(
        np.full_like(broken.policy.trainable_variables[0].numpy(), np.nan)
    )
    broken.save(tmp_path)
    with pytest.raises(NotFinite):
        searcher.restore(tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(before, weights_of(searcher), strict=True))


@pytest.mark.parametrize(
    "state",
    ["[]", "{}", '{"version": 1, "baseline": []}', '{"version": "x", "baseline": 0.5}', "{"],
)
def test_a_state_of_another_shape_is_not_restored(state, tmp_path):
    space = SPACES["one choice"]
    searcher = Reinforce(space, ReinforceConfig(policy=SMALL), max_depth=0, seed=0)
    searcher.save(tmp_path)
    (tmp_path / "reinforce.json").write_text(state)
    with pytest.raises(ValueError):
        searcher.restore(tmp_path)


@pytest.mark.parametrize("advantage", ["raw", slow("normalised"), "ranks"])
def test_save_and_restore_continue_exactly(advantage, tmp_path):
    space = ConvolutionalSpace().search_space(2)
    config = ReinforceConfig(learning_rate=0.01, policy=SMALL, advantage=advantage)

    def advance(searcher, batches):
        texts = []
        for batch in batches:
            proposals = searcher.ask(space, range(4 * batch, 4 * batch + 4))
            rewards = [len(str(p.architecture)) / 10 for p in proposals]
            texts += [(str(p.architecture), p.log_prob, p.version) for p in proposals]
            searcher.tell(proposals, rewards)
        return texts

    first = Reinforce(space, config, max_depth=3, seed=0)
    advance(first, range(3))
    first.save(tmp_path)
    second = Reinforce(space, config, max_depth=3, seed=99)
    second.restore(tmp_path)
    assert second.version == 3
    second._seed = 0
    assert advance(second, range(3, 6)) == advance(first, range(3, 6))


def trials_of(searcher, space, of_reward):
    """Let a searcher that has learned nothing search; return what it proposed."""
    proposed = []
    for batch in range(12):
        proposals = searcher.ask(space, range(4 * batch, 4 * batch + 4))
        proposed += [(str(p.architecture), p.log_prob) for p in proposals]
        # Some dozen values, of which one is far away.
        values = [int.from_bytes(str(p.architecture).encode(), "big") % 13 for p in proposals]
        rewards = np.where(np.array(values) == 12, -60.0, np.array(values) / 12)
        searcher.tell(proposals, [float(reward) for reward in of_reward(rewards)])
    return proposed


@pytest.mark.parametrize(
    ("advantage", "maps"),
    [
        ("normalised", [lambda r: 100 * r, lambda r: 0.01 * r, lambda r: 5 * r - 1e4]),
        ("ranks", [lambda r: 1e-9 * r, np.exp, np.arctan, lambda r: np.where(r < -1, -1e300, r)]),
    ],
)
def test_the_rewards_scale_does_not_change_the_trials(advantage, maps, tmp_path):
    space = NasBench201Space().search_space()
    config = ReinforceConfig(0.05, policy=SMALL, advantage=advantage)
    searcher = Reinforce(space, config, max_depth=0, seed=0)
    searcher.save(tmp_path)
    plain = trials_of(searcher, space, lambda rewards: rewards)
    for of_reward in maps:
        searcher.restore(tmp_path)
        assert trials_of(searcher, space, of_reward) == plain
    # It can fail: what is told matters.
    searcher.restore(tmp_path)
    assert trials_of(searcher, space, lambda rewards: -rewards) != plain


def test_learns_skip_connections_with_a_known_best():
    """Reward: the share of skip bits that agree with a hidden pattern; anchors must learn it."""
    space = SearchSpace(layer_decisions=(Skips(),), depth=5)
    wanted = {2: (1,), 3: (1,), 4: (2, 3), 5: (1, 4)}

    def agreement(architecture) -> float:
        rows = architecture["inputs"]
        bits = [(j in rows[i - 1]) == (j in wanted[i]) for i in wanted for j in range(1, i)]
        return float(np.mean(bits))

    searcher = Reinforce(space, ReinforceConfig(0.02, entropy_weight=0.02), max_depth=5, seed=0)
    means = []
    for batch in range(100):
        proposals = searcher.ask(space, range(8 * batch, 8 * batch + 8))
        rewards = [agreement(p.architecture) for p in proposals]
        searcher.tell(proposals, rewards)
        means.append(np.mean(rewards))
    assert np.mean(means[:5]) < 0.62  # random: 0.5
    assert np.mean(means[-5:]) > 0.8  # all skips off, the easy answer: 0.6


def test_random_search_is_uniform_and_keyed():
    space = ConvolutionalSpace().search_space(3)
    searcher = RandomSearch(seed=0)
    proposals = searcher.ask(space, range(50))
    assert [p.architecture for p in proposals[10:12]] == [
        p.architecture for p in RandomSearch(seed=0).ask(space, [10, 11])
    ]
    assert proposals[0].log_prob == pytest.approx(-np.log(float(space.size)))
    assert proposals[0].log_prob == uniform_log_prob(proposals[0].architecture)
