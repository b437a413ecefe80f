"""The search loop on stores in memory, with evaluators that cost nothing."""

import dataclasses
import itertools
import random
from collections import deque

import pytest

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.controller.random_search import RandomSearch
from nas_with_rl.launch.evaluators.evaluation import InProcess
from nas_with_rl.launch.experiments.search_config import DepthSchedule, SearchConfig
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.searches.loop import Pace, Search, run_search
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


class Workers(InProcess):
    """An evaluator whose `number` workers finish in a random order, as those of a cluster do."""

    def __init__(self, function, number, stop_after=None):
        super().__init__(function)
        self._number, self._random, self._stop_after = number, random.Random(0), stop_after
        self.most_at_once = 0

    def evaluate(self, queue):
        under_way = []
        for count in itertools.count():
            while queue and len(under_way) < self._number:
                under_way.append(queue.popleft())
            self.most_at_once = max(self.most_at_once, len(under_way))
            if not under_way:
                return
            if count == self._stop_after:
                raise KeyboardInterrupt
            taken = under_way.pop(self._random.randrange(len(under_way)))
            yield from super().evaluate(deque([taken]))


def run_asynchronously(pace, store=None, searcher=None, stop_after=None, workers=3, **config):
    """Return the trials, the searcher and the workers of a search with several replicas."""
    store = TrialStore(None) if store is None else store
    searcher = searcher or Recorder()
    evaluator = Workers(config.pop("evaluate", total), workers, stop_after)
    space = config.pop("space", SPACE)
    config = SearchConfig(**{"num_samples": 22, **config})
    search = Search(space, config, 0, searcher, evaluator, store, pace)
    run_search(search)
    return store.all(), searcher, evaluator


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


def test_an_error_of_the_program_stops_the_search():
    with pytest.raises(ZeroDivisionError):
        run(lambda architecture: 1 / 0)
    with pytest.raises(InputError, match="evaluate returned 'good'"):
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


PACES = [Pace(3, 4, 1), Pace(5, 1, 3), Pace(1, 4, 1), Pace(2, 5, 2)]


def check_history(trials, told, pace):
    """Every trial is learned from once, whole batches at a time, none before it has an outcome."""
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert all(trial.status == "completed" for trial in trials)
    by_number = sorted(pair for batch in told for pair in batch)
    assert by_number == [(trial.number, trial.reward) for trial in trials]
    versions = [trial.updated_version for trial in trials]
    assert set(versions) == set(range(1, len(told) + 1))
    for batch in {trial.batch for trial in trials}:
        members = [trial for trial in trials if trial.batch == batch]
        assert len({(t.sampled_version, t.updated_version) for t in members}) == 1
        assert [t.number for t in members] == list(
            range(members[0].number, members[0].number + len(members))
        )
        assert members[0].sampled_version < members[0].updated_version
    for version, batch in enumerate(told, start=1):
        learned = {t.batch for t in trials if t.updated_version == version}
        assert len(learned) == pace.accumulated or version == len(told)
        assert [number for number, _ in batch] == [
            t.number for t in trials if t.updated_version == version
        ]


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("duplicates", ["reuse", "evaluate"])
def test_replicas_learn_from_every_trial_once(pace, duplicates):
    trials, searcher, _ = run_asynchronously(pace, duplicates=duplicates)
    check_history(trials, searcher.told, pace)
    staleness = [t.updated_version - 1 - t.sampled_version for t in trials]
    assert (max(staleness) > 0) == (pace.num_replicas > 1)


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("stop", [0, 1, 7, 16])
def test_an_interrupted_asynchronous_search_loses_and_repeats_nothing(pace, stop):
    store, evaluated = TrialStore(None), []

    def evaluate(architecture, seed):
        evaluated.append(seed)
        return total(architecture) + seed % 7

    arguments = {"store": store, "evaluate": evaluate, "duplicates": "evaluate"}
    with pytest.raises(KeyboardInterrupt):
        run_asynchronously(pace, stop_after=stop, **arguments)
    recorded = [trial for trial in store.all() if trial.status == "completed"]
    assert len(recorded) == stop == len(evaluated)
    trials, searcher, _ = run_asynchronously(pace, **arguments)
    check_history(trials, searcher.told, pace)
    assert sorted(evaluated) == sorted(trial.seed for trial in trials)  # each once
    for before in recorded:
        kept = dataclasses.replace(trials[before.number], updated_version=before.updated_version)
        assert kept == before


def test_replicas_keep_their_batches_under_way():
    trials, _, workers = run_asynchronously(Pace(3, 4, 1), workers=99, duplicates="evaluate")
    assert workers.most_at_once == 12
    assert [trial.sampled_version for trial in trials[:12]] == [0] * 12
    _, _, workers = run_asynchronously(Pace(2, 1, 5), workers=99, duplicates="evaluate")
    assert workers.most_at_once == 2  # those that wait to be learned from count no more


def test_one_architecture_is_evaluated_at_a_time():
    """Later trials of an architecture under way wait for its outcome, in whatever batch."""
    evaluated = []

    def evaluate(architecture):
        evaluated.append(str(architecture))
        if architecture["a"] == 1 and evaluated.count(str(architecture)) < 3:
            raise ChildFailure("crashed", "by the machine")
        return total(architecture)

    store = TrialStore(None)
    config = SearchConfig(num_samples=60)
    evaluator = Workers(evaluate, 30)
    search = Search(SPACE, config, 0, Recorder(), evaluator, store, Pace(10, 3, 1))
    run_search(search)
    trials = store.all()
    for architecture in {trial.architecture for trial in trials}:
        own = [trial for trial in trials if trial.architecture == architecture]
        tried = 3 if architecture.startswith("1 ") else 1  # twice for a reason of the machine
        assert evaluated.count(architecture) == tried
        assert [t.failure for t in own[: tried - 1]] == ["crashed"] * (tried - 1)
        assert all(t.reused_from == own[tried - 1].number for t in own[tried:])


def test_the_synchronous_pace_samples_accumulated_batches_together():
    config = {"num_samples": 20, "batch_size": 2, "accumulate_gradients": 3}
    trials, searcher = run(total, **config)
    assert [len(batch) for batch in searcher.told] == [6, 6, 6, 2]
    assert [trial.sampled_version for trial in trials] == [n // 6 for n in range(20)]


def test_an_update_learns_from_one_depth():
    space = ConvolutionalSpace().search_space(2)
    trials, searcher, _ = run_asynchronously(
        Pace(4, 1, 4),
        space=space,
        evaluate=lambda architecture: len(architecture["filters"]),
        depth=DepthSchedule(initial=2, increment=1, every=10, maximum=3),
    )
    depths = [{trials[number].depth for number, _ in batch} for batch in searcher.told]
    assert all(len(of_update) == 1 for of_update in depths)
    assert sorted(n for batch in searcher.told for n, _ in batch) == list(range(22))


def test_the_asynchronous_pace_keeps_all_workers_busy():
    def pace(workers, **config):
        return Pace.asynchronous(SearchConfig(**config), num_workers=workers)

    assert pace(800, batch_size=8, num_replicas=100) == Pace(100, 8, 1)
    assert pace(400, batch_size=1, accumulate_gradients=10, num_replicas=400) == Pace(400, 1, 10)
    assert pace(3) == Pace(2, 8, 1)
    assert pace(8, batch_size=1) == Pace(13, 1, 1)


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
    with pytest.raises(InputError, match=r"search\.accumulate_gradients is 0"):
        SearchConfig(accumulate_gradients=0)
    with pytest.raises(InputError, match=r"search\.num_replicas is -1"):
        SearchConfig(num_replicas=-1)
    with pytest.raises(InputError, match=r"search\.batch_size is 100000000000, above 100,000"):
        SearchConfig(batch_size=100_000_000_000)
    with pytest.raises(InputError, match="their product must be at most 100,000"):
        SearchConfig(batch_size=1_000, accumulate_gradients=101)
    with pytest.raises(InputError, match=r"search\.depth\.maximum is 1001, above 1,000"):
        DepthSchedule(maximum=1001)
    with pytest.raises(InputError, match="initial is 9"):
        DepthSchedule(initial=9, maximum=8)
