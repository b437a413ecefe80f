"""Any search ends, and goes on from wherever it was stopped, as one that was never stopped."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
from nas_with_rl.controller.reinforce import Reinforce
from nas_with_rl.launch.evaluators.evaluation import InProcess
from nas_with_rl.launch.experiments.search_config import DepthSchedule, SearchConfig
from nas_with_rl.launch.records.checkpoints import Checkpoints
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.searches.loop import Search, run_search
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips
from tests.launch.searches.loop_test import run, timeless

SPACES = [
    SearchSpace([Choice("units", (16, 32, 64))]),
    SearchSpace([Choice("a", (1, 2)), Choice("b", (1, 2), only_if=("a", (1,)))]),
    SearchSpace(layer_decisions=(Choice("units", (1, 2)), Skips()), depth=2),
    ConvolutionalSpace(filter_sizes=(1, 3), filters=(4, 8), skips=False).search_space(1),
    RecurrentCellSpace(base=2).search_space(),
    SearchSpace({"a": (abs, None), "b": {"x": [1], "y": (3, 3)}}),
    SearchSpace(
        [
            Choice("a", (1, 2)),
            Choice("b", (1, 2), only_if=("a", 1)),
            Choice("c", (1, 2), only_if={"a": 1, "b": 2}),
        ]
    ),
]
GROWING = DepthSchedule(initial=1, increment=1, every=3, maximum=3)


class Stopped(Exception):
    pass


def searched(space, settings_, *, store=None, stop_after=None, jit_compile=False):
    """Return the trials of a search and how often the controller has learned."""
    calls = []

    def evaluate(architecture, seed):
        calls.append(architecture)
        if len(calls) == stop_after:
            raise Stopped
        return float("nan") if seed % 11 == 0 else -(seed % 7) - len(str(architecture))

    depth = GROWING if settings_.pop("grows") and space.depth else None
    policy = PolicyConfig(num_layers=1, num_units=4, init_scale=0.5, jit_compile=jit_compile)
    searcher = Reinforce(space, ReinforceConfig(0.1, policy=policy), max_depth=3, seed=0)
    trials, _ = run(evaluate, space=space, store=store, searcher=searcher, depth=depth, **settings_)
    return [timeless(trial) for trial in trials], searcher.version


def check_going_on(space, stop_after, **numbers):
    store = TrialStore(None)
    expected, version = searched(space, dict(numbers, duplicates="evaluate"))
    assert [trial.number for trial in expected] == list(range(numbers["num_samples"]))
    assert all(trial.status != "running" for trial in expected)
    try:
        searched(space, dict(numbers, duplicates="evaluate"), store=store, stop_after=stop_after)
    except Stopped:
        found = searched(space, dict(numbers, duplicates="evaluate"), store=store)
        assert found == (expected, version)


def test_a_search_is_gone_on_from_within_accumulated_gradients_in_a_space_that_grows():
    numbers = {"num_samples": 8, "batch_size": 3, "accumulate_gradients": 2, "grows": True}
    check_going_on(SPACES[2], stop_after=5, **numbers)


@pytest.mark.slow
@settings(max_examples=8)
@given(
    space=st.sampled_from(SPACES),
    num_samples=st.integers(1, 11),
    batch_size=st.integers(1, 4),
    accumulate_gradients=st.integers(1, 3),
    grows=st.booleans(),
    stop_after=st.integers(1, 8),
)
def test_any_numbers_work_and_any_stop_is_gone_on_from(space, stop_after, **numbers):
    check_going_on(space, stop_after, **numbers)


@pytest.mark.slow
def test_a_last_batch_of_one_under_xla():
    space = SPACES[2]
    numbers = {"num_samples": 5, "batch_size": 2, "grows": False}
    with_xla, without = (searched(space, dict(numbers), jit_compile=jit) for jit in (True, False))
    assert with_xla[1] == without[1] == 3
    assert [t.architecture for t in with_xla[0]] == [t.architecture for t in without[0]]


def test_a_controller_that_learned_from_what_is_no_number_learns_again(tmp_path):
    """Versions that bounded no reward left such checkpoints; what the store holds is sound."""
    space, store = SPACES[0], TrialStore(None)

    def reinforce():
        policy = PolicyConfig(num_layers=1, num_units=4, jit_compile=False)
        return Reinforce(space, ReinforceConfig(0.1, policy=policy), max_depth=0, seed=0)

    def searched(num_samples, *, store, directory):
        searcher = reinforce()
        search = Search(
            space,
            SearchConfig(num_samples=num_samples, batch_size=4, checkpoint_every=1),
            seed=0,
            searcher=searcher,
            evaluator=InProcess(lambda a, seed: -(seed % 7) - (1e30 if seed % 5 == 0 else 0)),
            store=store,
            checkpoints=Checkpoints(directory),
        )
        run_search(search)
        (log_prob,) = searcher.policy.score([parse_architecture("16", space)])
        return [timeless(trial) for trial in store.all()], log_prob

    searched(12, store=store, directory=tmp_path / "stopped")
    for path in sorted((tmp_path / "stopped").glob("version-*")):
        broken = reinforce()
        broken.restore(path)
        for weight in broken.policy.trainable_variables:
            weight.assign(weight.value * float("nan"))
        Checkpoints(tmp_path / "stopped").save(broken)
    found = searched(20, store=store, directory=tmp_path / "stopped")
    assert found == searched(20, store=TrialStore(None), directory=tmp_path / "never stopped")
