"""The policy against closed forms and its NumPy twin."""

import math
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.controller.configuration import PolicyConfig
from nas_with_rl.controller.encoding import decode_architectures, encode_architectures
from nas_with_rl.controller.policy import Policy
from nas_with_rl.controller.random_search import uniform_log_prob
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips
from tests.harness import numpy_policy

CONDITIONAL = SearchSpace(
    decisions=(Choice("rate", (0.1, 0.2)), Choice("decay", (1, 2, 3), only_if=("rate", (0.1,)))),
    layer_decisions=(
        Choice("type", ("conv", "pool")),
        Choice("filters", (8, 16, 32), only_if=("type", ("conv",))),
        Choice("window", (2, 3), only_if=("type", ("pool",))),
        Skips("inputs"),
        Choice("deep", ("a", "b"), only_if={"decay": (2, 3), "type": "conv"}),
    ),
    depth=4,
)
SPACES = {
    "skips": ConvolutionalSpace().search_space(5),
    "tree": RecurrentCellSpace(base=2).search_space(),
    "conditional": CONDITIONAL,
}


def make_policy(space: SearchSpace, seed: int = 0, *, scale: float = 0.5, jit=False) -> Policy:
    # A wide start: at ±0.08 every policy is nearly uniform and hides mistakes.
    config = PolicyConfig(num_units=7, init_scale=scale, jit_compile=jit)
    return Policy(space, config, max_depth=space.depth + 2 if space.depth else 0, seed=seed)


@pytest.fixture(params=SPACES)
def space(request) -> SearchSpace:
    return SPACES[request.param]


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
def test_log_prob_equals_numpy_twin_and_sampling_equals_scoring(space, jit):
    policy = make_policy(space, jit=jit)
    sample = policy.sample(space, seed=1, trials=range(8))
    weights = numpy_policy.weights_of(policy)
    twin = [numpy_policy.log_prob(policy, weights, a) for a in sample.architectures]
    np.testing.assert_allclose(sample.log_prob, twin, rtol=1e-5)
    np.testing.assert_allclose(policy.score(sample.architectures), twin, rtol=1e-5)
    given = [random_architecture(space, np.random.default_rng(i)) for i in range(8)]
    twin = [numpy_policy.log_prob(policy, weights, a) for a in given]
    np.testing.assert_allclose(policy.score(given), twin, rtol=1e-5)


def test_zeroed_outputs_make_the_policy_exactly_uniform(space):
    policy = make_policy(space)
    for weight in (policy.softmax_kernels, policy.softmax_biases, policy.v):
        weight.assign(tf.zeros(weight.shape))
    sample = policy.sample(space, seed=0, trials=range(8))
    expected = [uniform_log_prob(a) for a in sample.architectures]
    np.testing.assert_allclose(sample.log_prob, expected, rtol=1e-6)
    if space is SPACES["skips"]:
        np.testing.assert_allclose(expected, -math.log(space.size))
        entropy = [math.log(4), math.log(4), 0, math.log(4), math.log(4), math.log(4), math.log(2)]
        np.testing.assert_allclose(sample.entropies[:7, 0], entropy, atol=1e-6)


def test_samples_follow_the_policy_that_scores_them():
    space = SearchSpace(
        (Choice("a", ("x", "y", "z")), Choice("b", ("x", "y"), only_if=("a", ("x", "z"))))
    )
    policy = make_policy(space, scale=1.5)
    sample = policy.sample(space, seed=0, trials=range(4000))
    counts = Counter(sample.architectures)
    architectures = list(counts)
    probabilities = np.exp(policy.score(architectures))
    assert len(architectures) == space.size == 5
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    for architecture, p in zip(architectures, probabilities, strict=True):
        assert counts[architecture] / 4000 == pytest.approx(
            p, abs=4 * math.sqrt(p * (1 - p) / 4000)
        )


def test_skip_samples_follow_the_policy_that_scores_them():
    space = SearchSpace(layer_decisions=(Skips(),), depth=3)
    policy = make_policy(space, scale=1.5)
    counts = Counter(policy.sample(space, seed=0, trials=range(4000)).architectures)
    probabilities = np.exp(policy.score(list(counts)))
    assert len(counts) == space.size == 8
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    for count, p in zip(counts.values(), probabilities, strict=True):
        assert count / 4000 == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 4000))


def test_draws_are_keyed_by_seed_and_trial():
    space = SPACES["skips"]
    policy = make_policy(space)
    whole = policy.sample(space, seed=3, trials=range(8)).architectures
    parts = [policy.sample(space, seed=3, trials=[trial]).architectures[0] for trial in range(8)]
    assert whole == parts
    assert policy.sample(space, seed=4, trials=range(8)).architectures != whole


def test_one_trace_serves_every_depth():
    space = ConvolutionalSpace().search_space(2)
    policy = Policy(space, PolicyConfig(num_units=7, jit_compile=False), max_depth=5, seed=0)
    for depth in range(2, 6):
        sample = policy.sample(space.at_depth(depth), seed=0, trials=range(4))
        assert {a.space.depth for a in sample.architectures} == {depth}
    assert policy.traces() == 1


def test_weights_start_uniform_and_differ_by_seed():
    space = SPACES["tree"]
    config = PolicyConfig()
    first, again, other = (Policy(space, config, max_depth=0, seed=s) for s in (0, 0, 1))
    flat = [
        np.concatenate([v.numpy().ravel() for v in policy.trainable_variables])
        for policy in (first, again, other)
    ]
    assert np.abs(flat[0]).max() <= 0.08 and flat[0].std() == pytest.approx(0.08 / 3**0.5, rel=0.02)
    assert (flat[0] == flat[1]).all() and not (flat[0] == flat[2]).any()


def test_architectures_survive_encoding(space):
    architectures = [random_architecture(space, np.random.default_rng(i)) for i in range(20)]
    encoded = encode_architectures(architectures, space.depth + 3)
    assert decode_architectures(encoded, space) == architectures
