"""Averages of the top k unique models, on trials written by hand."""

import json

import pytest

from nas_with_rl.launch.paper.top_models import (
    RunModel,
    check_comparable,
    improvements,
    interval,
    read_search,
    top_averages,
)
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.search_spaces.errors import InputError


def write_search(
    workdir, outcomes, *, searcher="reinforce", metric="validation_perplexity", **more
):
    """Write a search's workdir: outcomes are (architecture, value, or None for a failure)."""
    workdir.mkdir()
    description = {
        "experiment": "ptb",
        "search": {"searcher": searcher, "num_samples": 15_000, "batch_size": 10, "depth": None},
        "space": {"kind": "RecurrentCellSpace", "base": 8},
        "data": {"kind": "TextDataConfig", "source": "ptb", "unit": "word"},
        **more,
    }
    (workdir / "experiment.json").write_text(json.dumps(description))
    store = TrialStore(workdir / "trials.sqlite")
    for number, (architecture, value) in enumerate(outcomes):
        running = Trial(number, architecture, 0, "running", -1.5, number, None, seed=7)
        store.add([running])
        done = {"status": "failed", "reward": 0.0, "failure": "diverged"}
        if value is not None:
            done = {"status": "completed", "reward": 1.0, "metrics": {metric: value}}
        store.finish(Trial(**{**vars(running), **done}))
    store.close()
    return workdir


def models(*outcomes):
    return [RunModel(*outcome) for outcome in outcomes]


def test_averages_of_the_top_k_in_closed_form():
    run = models(("a", 90.0), ("b", None), ("a", 10.0), ("c", 70.0), ("d", 80.0), ("e", 60.0))
    # After 3 models there is one: b failed, and a keeps the value that it had first.
    assert top_averages(run, (3, 4, 5, 6), 1) == {3: 90.0, 4: 70.0, 5: 70.0, 6: 60.0}
    assert top_averages(run, (3, 4, 5, 6), 2) == {4: 80.0, 5: 75.0, 6: 65.0}
    assert top_averages(run, (6, 3), 4) == {6: 75.0}
    assert top_averages(run, (6,), 5) == {}


def test_a_point_every_400_models_or_every_fortieth_of_a_shorter_run():
    assert [interval(n) for n in (20_000, 16_000, 15_000, 400, 41, 7)] == [400, 400, 375, 10, 1, 1]


def test_improvements_in_closed_form(tmp_path):
    # Policy gradient's n-th model has 200 - 2n, random search's 200 - n: after n models the top 1
    # differ by n, the top 5 by n minus the mean of 0, 1, 2, 3, 4.
    learned = [(f"l{n}", 200.0 - 2 * n) for n in range(1, 61)]
    drawn = [(f"r{n}", 200.0 - n) for n in range(1, 51)]
    curves = improvements(
        read_search(write_search(tmp_path / "rl", learned), "policy gradient"),
        read_search(write_search(tmp_path / "rs", drawn, searcher="random"), "random search"),
    )
    assert list(curves) == [1, 5, 15]
    assert dict(curves[1]) == {n: pytest.approx(n) for n in range(1, 51)}
    assert dict(curves[5]) == {n: pytest.approx(n - 2) for n in range(5, 51)}
    assert dict(curves[15]) == {n: pytest.approx(n - 7) for n in range(15, 51)}


def test_the_last_perplexity_and_the_best_accuracy_of_the_last_five_epochs_count(tmp_path):
    words = write_search(tmp_path / "words", [("a", [50.0, 30.0, 40.0])])
    assert read_search(words, "policy gradient").models == (RunModel("a", 40.0),)
    accuracies = [0.99, 0.5, 0.75, 0.5, 0.5, 0.5]
    images = write_search(
        tmp_path / "images", [("a", None), ("b", accuracies), ("c", 0.25)],
        metric="validation_accuracy",
    )  # fmt: skip
    search = read_search(images, "policy gradient")
    assert (search.metric, search.num_failed) == ("error", 1)
    assert search.models == (RunModel("a", None), RunModel("b", 25.0), RunModel("c", 75.0))


def test_a_running_trial_is_not_read(tmp_path):
    workdir = write_search(tmp_path / "rl", [("a", 5.0)])
    store = TrialStore(workdir / "trials.sqlite")
    store.add([Trial(1, "b", 0, "running", -1.5, 1, None, seed=7)])
    store.close()
    assert len(read_search(workdir, "policy gradient").models) == 1


def test_what_is_no_search_is_one_clear_line_and_stays_as_it_is(tmp_path):
    finished = write_search(tmp_path / "rl", [("a", 5.0)])
    (tmp_path / "empty").mkdir()
    training = tmp_path / "training"
    training.mkdir()
    (training / "experiment.json").write_text('{"experiment": "ptb_25m"}')
    failed = write_search(tmp_path / "failed", [("a", None)])
    own = write_search(tmp_path / "own", [("a", 1.0)], metric="score")
    for workdir, searcher, message in (
        (tmp_path / "empty", "policy gradient", "holds no search: no experiment.json"),
        (training, "policy gradient", "holds no search: no trials.sqlite"),
        (finished, "random search", "search.searcher reinforce, not random as random search is"),
        (failed, "policy gradient", "no completed trial"),
        (own, "policy gradient", "trial 0 has neither validation_perplexity nor"),
    ):
        with pytest.raises(InputError) as caught:
            read_search(workdir, searcher)
        assert message in str(caught.value) and "\n" not in str(caught.value)
    assert [path.name for path in training.iterdir()] == ["experiment.json"]


def test_only_the_searcher_may_differ(tmp_path):
    learned = read_search(write_search(tmp_path / "rl", [("a", 5.0)]), "policy gradient")
    same = {"searcher": "random", "num_samples": 9, "batch_size": 8, "depth": None}
    control = write_search(
        tmp_path / "rs", [("a", 6.0)], searcher="random", experiment="ptb_random", search=same
    )
    check_comparable(learned, read_search(control, "random search"))
    for name, changed, message in (
        ("space", {"kind": "RecurrentCellSpace", "base": 4}, "space.base: 8 / 4"),
        ("data", {"source": "ptb", "unit": "character"}, "data.kind"),
        ("child", {"epochs": 3}, "child: None / {'epochs': 3}"),
        ("search", {**same, "depth": {"initial": 6}}, "search.depth: None / {'initial': 6}"),
    ):
        other = write_search(tmp_path / name, [("a", 6.0)], searcher="random", **{name: changed})
        with pytest.raises(InputError, match="than the searcher") as caught:
            check_comparable(learned, read_search(other, "random search"))
        assert message in str(caught.value)
