"""Searchers beside REINFORCE, over every space, stopped and gone on from anywhere."""

import dataclasses

import pytest

from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
from nas_with_rl.launch.evaluators.evaluation import InProcess
from nas_with_rl.launch.experiments.search_config import DepthSchedule, SearchConfig
from nas_with_rl.launch.experiments.searchers import SEARCHERS, SearcherSetting, make_searcher
from nas_with_rl.launch.records.checkpoints import Checkpoints
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.searches.loop import Pace, Search, run_search
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips
from tests.launch.searches.loop_test import Workers, timeless

OWN = "tests.harness.own_searchers:Careful"
NAMES = [*(name for name in SEARCHERS if name != "reinforce"), OWN]
SPACES = {
    "one option": SearchSpace([Choice("only", ("one",))]),
    "conditions": SearchSpace(
        [
            Choice("a", (1, 2)),
            Choice("b", (1, 2, 3), only_if=("a", 1)),
            Choice("c", (1, 2), only_if={"a": 1, "b": (1, 3)}),
        ]
    ),
    "layers": SearchSpace(
        layer_decisions=(Choice("kind", (1, 2)), Choice("n", (1, 2), only_if=("kind", 2)), Skips()),
        depth=2,
    ),
    "convolutional": ConvolutionalSpace(filter_sizes=(1, 3), filters=(4, 8)).search_space(2),
    "recurrent": RecurrentCellSpace(base=2).search_space(),
}
GROWING = DepthSchedule(initial=2, increment=1, every=40, maximum=4)
NUM_SAMPLES = 120
CONTROLLER = ReinforceConfig(policy=PolicyConfig(num_layers=1, num_units=4, jit_compile=False))


def cases(quick):
    """Every searcher on every space; those of the costly one are slow, but for its quick space."""
    return [
        pytest.param(name, space, marks=[pytest.mark.slow] if is_slow else [])
        for name in NAMES
        for space in SPACES
        for is_slow in [name == "dream" and space != quick]
    ]


class Stopped(Exception):
    pass


class Stopping(InProcess):
    """Stops a search when so many children have been evaluated."""

    def __init__(self, stop_after):
        super().__init__(self._measured)
        self._left = stop_after

    def _measured(self, architecture, seed):
        if self._left == 0:
            raise Stopped
        self._left -= 1
        text = str(architecture)
        return float("nan") if sum(text.encode()) % 11 == 0 else sum(text.encode()) % 97 - len(text)


def search_of(name, space, store, folder, *, stop_after=-1, **config):
    setting = SearcherSetting(space=space, max_depth=4, seed=3, controller=CONTROLLER)
    config = {"num_samples": NUM_SAMPLES, "batch_size": 4, "checkpoint_every": 5, **config}
    return Search(
        space,
        SearchConfig(searcher=name, depth=GROWING if space.depth else None, **config),
        seed=3,
        searcher=make_searcher(name, setting),
        evaluator=Stopping(stop_after),
        store=store,
        checkpoints=Checkpoints(folder),
    )


def ended(search):
    run_search(search)
    return [timeless(trial) for trial in search.store.all()]


@pytest.mark.parametrize(("name", "space"), cases(quick="layers"))
def test_a_search_that_is_stopped_again_and_again_has_the_trials_of_one_that_never_was(
    name, space, tmp_path
):
    space = SPACES[space]
    whole = ended(search_of(name, space, TrialStore(None), tmp_path / "whole"))
    assert [trial.number for trial in whole] == list(range(NUM_SAMPLES))
    assert [trial.updated_version for trial in whole] == [1 + n // 4 for n in range(NUM_SAMPLES)]
    assert {trial.depth for trial in whole} == ({2, 3, 4} if space.depth else {0})
    store = TrialStore(None)
    for count in (3, 1, 14, 6, 0, 23):
        try:
            run_search(search_of(name, space, store, tmp_path / "run", stop_after=count))
        except Stopped:
            continue
    assert ended(search_of(name, space, store, tmp_path / "run")) == whole
    # Without a checkpoint everything is learned again.
    again = ended(search_of(name, space, store, tmp_path / "again", num_samples=NUM_SAMPLES + 8))
    longer = search_of(name, space, TrialStore(None), tmp_path / "l", num_samples=NUM_SAMPLES + 8)
    assert again == ended(longer)


@pytest.mark.parametrize(("name", "space"), cases(quick="convolutional"))
def test_children_come_in_any_order(name, space, tmp_path):
    search = search_of(name, SPACES[space], TrialStore(None), tmp_path)
    pace = Pace(num_replicas=5, batch_size=4, accumulated=2)
    workers = Workers(Stopping(-1)._measured, 7)
    trials = ended(dataclasses.replace(search, pace=pace, evaluator=workers))
    assert len(trials) == NUM_SAMPLES and all(trial.updated_version for trial in trials)
    if space == "recurrent":  # with enough to choose from
        assert workers.most_at_once == 7


@pytest.mark.parametrize(("name", "expected"), [("evolution", True), ("random", False)])
def test_what_has_no_probability_is_stored_without(name, expected, tmp_path):
    search = search_of(
        name, SPACES["conditions"], TrialStore(tmp_path / "t.sqlite"), tmp_path / "c"
    )
    assert all((trial.log_prob is None) == expected for trial in ended(search))
    with_none = TrialStore(tmp_path / "t.sqlite", read_only=True)
    assert [timeless(trial) for trial in with_none.all()] == [
        timeless(trial) for trial in search.store.all()
    ]
