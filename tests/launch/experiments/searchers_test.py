"""Searchers by name, in Python and in a binary: found, refused, resumed."""

import dataclasses
import json
import sys
from pathlib import Path

import pytest

import nas_with_rl as nas
from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.launch.experiments.searchers import SEARCHERS, SearcherSetting, make_searcher
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.launch.search import run as run_search
from tests.harness.kills import trials_of

HARNESS = Path(__file__).parents[2] / "harness"
SPACE = nas.SearchSpace({"a": (1, 2, 3), "b": (1, 2, 3, 4), "c": (1, 2)})
OWN = "own_searchers:Careful"


@pytest.fixture(autouse=True)
def _own_modules(monkeypatch):
    monkeypatch.syspath_prepend(str(HARNESS))
    monkeypatch.delitem(sys.modules, "own_searchers", raising=False)


def options(searcher, *, resume=False, **config):
    return nas.SearchOptions(
        search=nas.SearchConfig(searcher=searcher, **config), resume=resume, progress=False
    )


def score(architecture):
    return architecture["a"] * architecture["b"] - architecture["c"]


def test_every_built_in_searcher_is_made_by_its_name():
    for name, row in SEARCHERS.items():
        if not row.needs_tensorflow:
            setting = SearcherSetting(
                space=SPACE, max_depth=0, seed=0, controller=ReinforceConfig()
            )
            made = make_searcher(name, setting)
            proposals = made.ask(SPACE, range(3))
            assert made.tell(proposals, [1.0, 2.0, 3.0]).version == made.version == 1
            assert nas.SearchConfig(searcher=name).searcher == name


@pytest.mark.parametrize("searcher", ["evolution", "local_search", OWN])
def test_a_search_in_python_is_resumed(searcher, tmp_path):
    def interrupted(architecture):
        calls.append(architecture)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return score(architecture)

    calls = []
    config = {"batch_size": 4, "checkpoint_every": 2}
    chosen = options(searcher, **config)
    nas.search(SPACE, score, num_samples=60, workdir=tmp_path / "whole", options=chosen)
    found = nas.search(
        SPACE, interrupted, num_samples=60, workdir=tmp_path / "stopped", options=chosen
    )
    assert found.interrupted
    again = options(searcher, resume=True)  # the rest is the run's
    nas.search(SPACE, score, workdir=tmp_path / "stopped", options=again)
    assert trials_of(tmp_path / "stopped") == trials_of(tmp_path / "whole")
    assert len(trials_of(tmp_path / "whole")) == 60


def test_a_workdir_alone_names_no_searcher_that_is_imported(tmp_path):
    nas.search(SPACE, score, num_samples=4, workdir=tmp_path / "run", options=options(OWN))
    del sys.modules["own_searchers"]
    resumed = nas.SearchOptions(resume=True, progress=False)
    with pytest.raises(nas.InputError, match=r"one that you trust, add options\.search") as caught:
        nas.search(SPACE, score, workdir=tmp_path / "run", options=resumed)
    assert "\n" not in str(caught.value) and "own_searchers" not in sys.modules
    with pytest.raises(nas.InputError, match="holds another run"):
        nas.search(
            SPACE, score, workdir=tmp_path / "run", options=options("evolution", resume=True)
        )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("genetic", "search.searcher is 'genetic', not one of reinforce, "),
        ("own_searchers:", "expected MODULE:NAME"),
        ("own_searcher:Careful", "the module own_searcher cannot be imported"),
        ("own_searchers:Carefull", "the module own_searchers has no 'Carefull'"),
        ("own_searchers:NUMBER", "search.searcher=own_searchers:NUMBER: it is of type int"),
        ("own_searchers:Silent", "search.searcher=own_searchers:Silent: it has no tell"),
        ("own_searchers:Short", "own_searchers:Short.ask has returned 7 architectures for 8"),
        ("own_searchers:factory", "own_searchers:factory: it has no ask"),
    ],
)
def test_a_wrong_name_is_one_line(name, message, tmp_path):
    with pytest.raises(nas.InputError) as caught:
        nas.search(SPACE, score, workdir=tmp_path / "run", options=options(name))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def request(workdir, **changes):
    overrides = (f"search.searcher={OWN}", "search.batch_size=4", "search.checkpoint_every=2")
    settings = {"experiment": "own_experiments:MINE", "plan": "here", "overrides": overrides}
    return SearchRequest(workdir=str(workdir), **{**settings, **changes})


def test_a_binary_finds_resumes_and_refuses_one(tmp_path, capsys):
    assert run_search(request(tmp_path / "whole", num_samples=40)) == 0
    assert run_search(request(tmp_path / "run", num_samples=16)) == 0
    stored = json.loads((tmp_path / "run" / "experiment.json").read_text())
    assert stored["search"]["searcher"] == OWN
    resumed = SearchRequest(workdir=str(tmp_path / "run"), resume=True, num_samples=40)
    resumed = dataclasses.replace(resumed, experiment="own_experiments:MINE")
    with pytest.raises(nas.InputError, match=r"add --override=search.searcher=own_searchers:Care"):
        run_search(resumed)
    assert run_search(dataclasses.replace(resumed, overrides=request("").overrides)) == 0
    assert "40 trials:" in capsys.readouterr().out
    assert len(trials_of(tmp_path / "run")) == 40
    assert trials_of(tmp_path / "run") == trials_of(tmp_path / "whole")
    refused = request(tmp_path / "new", overrides=("search.searcher=own_searchers:Silent",))
    with pytest.raises(nas.InputError, match="it has no tell"):
        run_search(refused)
    assert not (tmp_path / "new").exists()


def test_trials_without_a_probability_have_a_report_and_curves(tmp_path):
    nas.search(SPACE, score, num_samples=8, workdir=tmp_path / "run", options=options("evolution"))
    assert {trial.log_prob for trial in trials_of(tmp_path / "run")} == {None}
    assert "<svg" in (tmp_path / "run" / "report.html").read_text()
    assert list((tmp_path / "run" / "tensorboard").iterdir())
