"""Budgets of trained children, repeats and exhausted spaces, stopped and gone on from anywhere."""

import contextlib
import dataclasses
import itertools
import json
import logging
import re

import pytest

import nas_with_rl as nas
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.controller.random_search import uniform_log_prob
from nas_with_rl.controller.searcher import Proposal
from nas_with_rl.launch.experiments.search_config import DepthSchedule, SearchConfig
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.search import run as run_named
from nas_with_rl.launch.searches.budget import drawn_anew
from nas_with_rl.launch.searches.loop import Pace, Search, run_search
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.space import Choice, SearchSpace
from tests.launch.searches.loop_test import SPACE, Recorder, Workers, run, timeless, total

LARGE = SearchSpace([Choice(f"d{place}", (1, 2, 3)) for place in range(4)])  # 81


class Stubborn(Recorder):
    """Proposes one architecture for ever."""

    def ask(self, space, trials):
        only = parse_architecture("1 10", space)
        return [Proposal(trial, only, None, self.version) for trial in trials]


def value(architecture):
    return float(sum(str(architecture).encode()) % 17)


def limited(num_children, *, store=None, evaluated=None, stop_after=None, **config):
    """Run a search of LARGE; return its trials."""
    left = itertools.count(stop_after if stop_after is not None else 10**6, -1)

    def evaluate(architecture):
        if next(left) == 0:
            raise KeyboardInterrupt
        if evaluated is not None:
            evaluated.append(str(architecture))
        if value(architecture) == 3:
            raise ChildFailure("diverged", "it does")
        return value(architecture)

    config = {"num_samples": 5000, "num_children": num_children, **config}
    trials, _ = run(evaluate, space=LARGE, store=store, **config)
    return [timeless(trial) for trial in trials]


@pytest.mark.parametrize("num_children", [1, 2, 7, 30, 60])
@pytest.mark.parametrize("duplicates", ["reuse", "evaluate"])
def test_as_many_children_are_trained_as_asked(num_children, duplicates):
    evaluated = []
    trials = limited(num_children, evaluated=evaluated, duplicates=duplicates)
    assert len(evaluated) == num_children
    assert sum(trial.reused_from is None for trial in trials) == num_children
    assert all(trial.status != "running" for trial in trials)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    # The trials are those of a search without the budget, as far as they go.
    free = limited(0, num_samples=len(trials), duplicates=duplicates)
    assert [trial.architecture for trial in trials] == [trial.architecture for trial in free]


@pytest.mark.parametrize("on_repeats", ["note", "explore"])
def test_a_budget_is_kept_through_stops_and_can_be_extended(on_repeats):
    whole = limited(50, on_repeats=on_repeats)
    store = TrialStore(None)
    for count in (0, 3, 1, 17, 2):
        with pytest.raises(KeyboardInterrupt):
            limited(50, store=store, stop_after=count, on_repeats=on_repeats)
    evaluated = []
    assert limited(50, store=store, evaluated=evaluated, on_repeats=on_repeats) == whole
    assert len(evaluated) == 50 - 23
    more = []
    longer = limited(60, store=store, evaluated=more, on_repeats=on_repeats)
    assert len(more) == 10 and [t.number for t in longer[: len(whole)]] == list(range(len(whole)))


@pytest.mark.parametrize("pace", [Pace(4, 4, 1), Pace(5, 3, 2)])
@pytest.mark.parametrize("num_children", [1, 11, 40, 81])
def test_children_under_way_count(pace, num_children):
    evaluated = []

    def evaluate(architecture):
        evaluated.append(str(architecture))
        return value(architecture)

    config = SearchConfig(num_samples=5000, num_children=num_children, batch_size=pace.batch_size)
    store = TrialStore(None)
    workers = Workers(evaluate, 7)
    run_search(Search(LARGE, config, 0, Recorder(), workers, store, pace))
    assert len(evaluated) == len(set(evaluated)) == num_children
    assert all(trial.updated_version for trial in store.all())


def test_the_ceiling_on_trials_holds_and_is_said(caplog):
    trials, _ = run(total, searcher=Stubborn(), num_samples=100, num_children=3)
    assert len(trials) == 100
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("the last 42 trials repeat what has its outcome, as 98% of all do")
    assert lines[1:] == [
        "the search ends with its 100 trials (search.num_samples), for which 1 of 3 children were "
        "trained: the others repeated them (search.on_repeats=explore draws what is new instead)"
    ]


def test_repeats_are_said_once_without_a_budget_too(caplog):
    trials, _ = run(total, searcher=Stubborn(), num_samples=200)
    assert len(trials) == 200
    assert len(caplog.records) == 1 and caplog.records[0].levelno == logging.WARNING


def test_a_searcher_that_repeats_itself_is_made_to_explore(caplog):
    trials, _ = run(total, searcher=Stubborn(), num_samples=100, on_repeats="explore", batch_size=4)
    new = [trial for trial in trials if trial.reused_from is None]
    assert [trial.number for trial in new[:5]] == [0, 44, 45, 46, 47]
    assert len({trial.architecture for trial in new}) == len(new) == 8  # all of them
    for trial in new[1:]:
        architecture = parse_architecture(trial.architecture, SPACE)
        assert trial.log_prob == pytest.approx(uniform_log_prob(architecture))
    assert len(caplog.records) == 1


def test_what_is_drawn_anew_is_uniform_among_what_no_trial_has():
    store = TrialStore(None)
    run(total, store=store, num_samples=4)
    known = {trial.architecture for trial in store.all()}
    counts = {}
    for seed in range(2000):
        (found,) = drawn_anew(SPACE, [9], seed=seed, version=3, store=store)
        counts[str(found.architecture)] = counts.get(str(found.architecture), 0) + 1
        assert found.version == 3
    assert len(counts) == SPACE.size - len(known) and not known & set(counts)
    expected = 2000 / len(counts)
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_squared < 30  # of at most 7 degrees of freedom: 1e-4
    run(total, store=store, searcher=Recorder(1), num_samples=200)
    assert drawn_anew(SPACE, [9], seed=0, version=0, store=store) == []


def test_what_is_left_of_a_space_is_found_without_luck():
    space, searcher, store = (
        SearchSpace([Choice("a", tuple(range(3000)))]),
        Recorder(),
        TrialStore(None),
    )
    searcher.ask = lambda _, trials: [
        Proposal(trial, parse_architecture(str(trial + (trial >= 1234)), space)) for trial in trials
    ]
    run(total_of_one, space=space, store=store, searcher=searcher, num_samples=2999, batch_size=500)
    for seed in range(3):
        (only,) = drawn_anew(space, [0, 1, 2], seed=seed, version=0, store=store)
        assert str(only.architecture) == "1234"


def total_of_one(architecture):
    return architecture["a"]


@pytest.mark.parametrize("retries", [0, 2])
def test_an_exhausted_space_ends_a_search_with_one_line(retries, caplog):
    evaluated = []

    def evaluate(architecture):
        evaluated.append(str(architecture))
        if architecture["a"] == 1:
            raise ChildFailure("diverged", "always")
        return total(architecture)

    trials, _ = run(evaluate, num_samples=10**4, num_children=1000, failure_retries=retries)
    assert set(evaluated) == {f"{a} {b}" for a in (1, 2, 3, 4) for b in (10, 20)}
    assert len(evaluated) == 6 + 2 * (1 + retries)
    assert len(trials) < 200
    assert [record.getMessage() for record in caplog.records] == [
        f"all 8 architectures of the space have their outcome: the search ends after "
        f"{len(evaluated)} children"
    ]


def test_a_depth_that_is_exhausted_does_not_end_a_search_that_grows():
    space = SearchSpace(layer_decisions=(Choice("a", (1, 2)),), depth=1)
    depth = DepthSchedule(initial=1, increment=1, every=40, maximum=3)
    evaluated = []
    trials, _ = run(
        lambda a: evaluated.append(str(a)) or 1.0,
        space=space, num_samples=10**4, num_children=500, depth=depth,
    )  # fmt: skip
    assert len(evaluated) == len(set(evaluated)) == 2 + 4 + 8
    assert trials[-1].depth == 3


def test_the_api_takes_children_alone_and_extends_them(tmp_path):
    evaluated = []

    def evaluate(architecture):
        evaluated.append(str(architecture))
        return value(architecture)

    def search(num_children=None, *, resume=False, **arguments):
        config = SearchConfig() if resume else SearchConfig(searcher="evolution")
        options = nas.SearchOptions(search=config, resume=resume, progress=False)
        return nas.search(
            LARGE,
            evaluate,
            num_children=num_children,
            options=options,
            workdir=tmp_path,
            **arguments,
        )

    search(12)
    assert len(evaluated) == len(set(evaluated)) == 12
    search(resume=True)
    assert len(evaluated) == 12
    search(20, resume=True)
    assert len(evaluated) == len(set(evaluated)) == 20
    with pytest.raises(nas.InputError, match="num_children=5 is below the 20 children that"):
        search(5, resume=True)
    for bad in (0, -1, "ten", 1.5):
        with pytest.raises(nas.InputError, match="num_children"):
            nas.search(LARGE, evaluate, num_children=bad)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_children": -1}, "search.num_children is -1, below 0"),
        ({"on_repeats": "stop"}, "search.on_repeats is 'stop', not one of"),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(nas.InputError, match=message):
        SearchConfig(**arguments)


def test_exploring_is_gone_on_with_from_anywhere():
    def explored(store, stop_after=None):
        left = itertools.count(10**6 if stop_after is None else stop_after, -1)

        def evaluate(architecture):
            if next(left) == 0:
                raise KeyboardInterrupt
            return total(architecture)

        config = {"num_samples": 400, "num_children": 7, "on_repeats": "explore", "batch_size": 3}
        trials, _ = run(evaluate, store=store, searcher=Stubborn(), **config)
        return [timeless(trial) for trial in trials]

    whole = explored(TrialStore(None))
    assert sum(trial.reused_from is None for trial in whole) == 7 and len(whole) > 80
    store = TrialStore(None)
    for count in (1, 1, 0, 2):
        with pytest.raises(KeyboardInterrupt):
            explored(store, stop_after=count)
    assert explored(store) == whole


def test_a_binary_takes_children_alone_and_extends_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [f"{a},{b},{a * b}" for a in range(8) for b in range(8)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,value", *rows]) + "\n")

    def searched(*overrides, **arguments):
        request = SearchRequest(
            workdir="run", overrides=tuple(f"search.{each}" for each in overrides), **arguments
        )
        assert run_named(dataclasses.replace(request, plan="here")) == 0
        told = json.loads((tmp_path / "run" / "experiment.json").read_text())["search"]
        with contextlib.closing(TrialStore(tmp_path / "run" / "trials.sqlite")) as store:
            return store.num_evaluated(), told["num_children"], told["num_samples"]

    table = [f"space.path={tmp_path}/t.csv", "search.searcher=evolution", "search.num_children=12"]
    begun = SearchRequest("table", workdir="run", overrides=tuple(table), plan="here")
    assert run_named(begun) == 0
    assert "12 children evaluated" in capsys.readouterr().out
    assert searched(resume=True) == (12, 12, 600)
    assert searched("num_children=20", resume=True) == (20, 20, 1000)
    assert searched("num_children=20", resume=True) == (20, 20, 1000)
    assert searched("num_children=21", resume=True, num_samples=700) == (21, 21, 700)
    with pytest.raises(nas.InputError, match="num_children=3 is below the 21 children that"):
        searched("num_children=3", resume=True, num_samples=700)


def test_the_progress_bar_counts_children_and_shows_repeats(monkeypatch, capfd):
    monkeypatch.setenv("NAS_WITH_RL_PROGRESS", "1")
    space = SearchSpace([Choice("a", (1, 2, 3, 4, 5))])
    nas.search(
        space,
        lambda a: a["a"],
        num_children=5,
        options=nas.SearchOptions(search=SearchConfig(searcher="random", batch_size=1)),
    )
    drawn = capfd.readouterr().err
    assert "5/5" in drawn and re.search(r"best reward 5.0000, [1-9]\d?% repeats", drawn)


def test_that_a_space_is_exhausted_is_said_without_a_budget_too(caplog):
    trials, _ = run(total, num_samples=300)
    assert len(trials) == 300
    assert [record.getMessage() for record in caplog.records] == [
        "all 8 architectures of the space have their outcome, and further trials repeat them; "
        "with search.num_children it ends here"
    ]
