"""The search loop on stores in memory, with evaluators that cost nothing."""

import dataclasses

import pytest

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.controller.random_search import RandomSearch
from nas_with_rl.launch.evaluation import InProcess
from nas_with_rl.launch.search_loop import DepthSchedule, Search, SearchConfig, run_search
from nas_with_rl.launch.trials import TrialStore
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.randomness import child_seed
from nas_with_rl.search_spaces.space import Choice, SearchSpace

SPACE = SearchSpace((Choice("a", (1, 2, 3, 4)), Choice("b", (10, 20))))


class Recorder:
    """A searcher that draws at random and remembers what it was told."""

    def __init__(self, seed=0):
        self._random = RandomSearch(seed=seed)
        self.told = []

    @property
    def version(self):
        return self._random.version

    def ask(self, space, trials):
        return self._random.ask(space, trials)

    def tell(self, proposals, rewards):
        self.told.append([(p.trial, r) for p, r in zip(proposals, rewards, strict=True)])
        return self._random.tell(proposals, rewards)


def run(evaluate, space=SPACE, store=None, searcher=None, observers=(), **config):
    store = TrialStore(None) if store is None else store
    searcher = searcher or Recorder()
    search = Search(
        space,
        SearchConfig(**{"num_samples": 20, "batch_size": 4, **config}),
        seed=0,
        searcher=searcher,
        evaluator=InProcess(evaluate),
        store=store,
        observers=observers,
    )
    run_search(search)
    return store.all(), searcher


def total(architecture):
    return architecture["a"] + architecture["b"]


def test_every_trial_is_recorded_and_learned_from_once_in_order():
    trials, searcher = run(total)
    assert [trial.number for trial in trials] == list(range(20))
    assert {trial.status for trial in trials} == {"completed"}
    told = [pair for batch in searcher.told for pair in batch]
    assert told == [(trial.number, trial.reward) for trial in trials]
    assert [trial.updated_version for trial in trials] == [1 + n // 4 for n in range(20)]
    assert [trial.sampled_version for trial in trials] == [n // 4 for n in range(20)]


def test_a_duplicate_takes_over_the_first_outcome_and_says_so():
    evaluated = []

    def evaluate(architecture):
        evaluated.append(str(architecture))
        return total(architecture)

    trials, _ = run(evaluate)
    assert sorted(evaluated) == sorted({trial.architecture for trial in trials})
    for trial in trials:
        first = next(t for t in trials if t.architecture == trial.architecture)
        assert trial.reused_from == (None if first is trial else first.number)
        assert trial.reward == first.reward
    again = []
    trials, _ = run(lambda a: again.append(a) or 1.0, duplicates="evaluate")
    assert len(again) == 20 and all(trial.reused_from is None for trial in trials)


def test_a_failed_child_has_the_stated_reward_and_never_stops_the_search():
    def evaluate(architecture):
        if architecture["a"] == 1:
            raise ChildFailure("out_of_memory", "too large")
        if architecture["a"] == 2:
            return float("nan")
        return total(architecture)

    trials, _ = run(evaluate, failure_reward=-1.0)
    failures = {t.architecture.split()[0]: (t.failure, t.reward) for t in trials if t.failure}
    assert failures == {"1": ("out_of_memory", -1.0), "2": ("diverged", -1.0)}
    assert sum(t.status == "completed" for t in trials) + sum(bool(t.failure) for t in trials) == 20
    # Having diverged is reused; running out of memory may be the machine's and is tried again.
    assert all(t.reused_from is None for t in trials if t.failure == "out_of_memory")
    assert any(t.reused_from is not None for t in trials if t.failure == "diverged")


def test_an_error_of_the_program_stops_the_search():
    with pytest.raises(ZeroDivisionError):
        run(lambda architecture: 1 / 0)
    with pytest.raises(TypeError, match="evaluate must return"):
        run(lambda architecture: "good")


@pytest.mark.parametrize("stop", [0, 1, 5, 13])
def test_an_interrupted_search_continues_as_if_nothing_had_happened(stop):
    calls = []

    def evaluate(architecture, seed):
        calls.append(architecture)
        if len(calls) == stop + 1:
            raise KeyboardInterrupt
        return total(architecture) + seed % 7

    store = TrialStore(None)
    with pytest.raises(KeyboardInterrupt):
        run(evaluate, store=store, duplicates="evaluate")
    trials, searcher = run(evaluate, store=store, duplicates="evaluate")  # a new searcher
    expected, never_stopped = run(lambda a, seed: total(a) + seed % 7, duplicates="evaluate")
    assert searcher.told == never_stopped.told
    assert [timeless(t) for t in trials] == [timeless(t) for t in expected]
    assert len(calls) == 21  # nothing recorded is evaluated again


def timeless(trial):
    return dataclasses.replace(trial, started=None, ended=None, worker=None)


def test_more_samples_extend_a_search_whose_last_batch_was_short():
    store = TrialStore(None)
    run(total, store=store, num_samples=6)
    trials, searcher = run(total, store=store, num_samples=13)
    assert [len(batch) for batch in searcher.told] == [4, 2, 4, 3]
    assert [trial.number for trial in trials] == list(range(13))


def test_seeds_are_keyed_by_trial():
    trials, _ = run(total)
    assert [trial.seed for trial in trials] == [child_seed(0, number) for number in range(20)]
    assert len({trial.seed for trial in trials}) == 20


def test_depth_grows_with_the_samples():
    space = ConvolutionalSpace().search_space(2)
    depth = DepthSchedule(initial=2, increment=1, every=8, maximum=3)
    trials, _ = run(lambda a: len(a["filters"]), space=space, depth=depth)
    assert [trial.depth for trial in trials] == [2] * 8 + [3] * 12
    assert [trial.reward for trial in trials] == [2] * 8 + [3] * 12
    paper = DepthSchedule()
    assert [paper.depth(n) for n in (0, 1599, 1600, 3200, 12_799)] == [6, 6, 8, 10, 20]


def test_bad_settings_are_named():
    with pytest.raises(InputError, match=r"search\.batch_size is 0"):
        SearchConfig(batch_size=0)
    with pytest.raises(InputError, match="initial is 9"):
        DepthSchedule(initial=9, maximum=8)
