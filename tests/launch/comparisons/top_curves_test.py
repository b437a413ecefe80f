"""Figure 6 from a comparison: the curves of a closed form, their signs, what is refused."""

import contextlib
import json

import pytest

from nas_with_rl.launch.comparisons.contest import COMPARISON, search_file
from nas_with_rl.launch.comparisons.top_curves import Point, curves_of, read_contest
from nas_with_rl.launch.comparisons.top_figure import all_curves, describe, draw
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.search_spaces.errors import InputError


def write(folder, searchers, seeds=2):
    """Write a comparison of 40 models each: perplexity by searcher, seed and number."""
    told = {
        "kind": COMPARISON.kind, "experiment": "toy", "seeds": seeds,
        "searchers": list(searchers), "search": {"num_children": 40}, "controller": {}, "space": {},
        "data": {"unit": "character"},
    }  # fmt: skip
    inside = folder / "searches" / "40-children"
    inside.mkdir(parents=True)
    (folder / "experiment.json").write_text(json.dumps(told))
    for name, perplexity in searchers.items():
        for seed in range(seeds):
            trials = [
                Trial(
                    n, f"{n}", 0, "completed", -1.0, n, None, seed=1, reward=1.0,
                    metrics={"validation_perplexity": [perplexity(seed, n)]},
                )
                for n in range(40)
            ]  # fmt: skip
            with contextlib.closing(TrialStore(search_file(inside, name, seed))) as store:
                store.add(trials)


LINES = {
    "random": lambda seed, n: 100.0 - n + seed,
    "mine:Own+learning_rate=0.1": lambda seed, n: 98.0 - n,
    "worse": lambda seed, n: 101.5 - n + seed,
    "either": lambda seed, n: 100.5 - n,
}


def test_the_curves_are_differences_of_the_same_seed(tmp_path):
    write(tmp_path, LINES)
    contest = read_contest(tmp_path)
    assert contest.metric == "perplexity" and len(contest.models["random"]) == 2
    curves = curves_of(contest, "mine:Own+learning_rate=0.1")
    assert curves[1] == tuple(Point(n, (2.0, 3.0)) for n in range(1, 41))
    assert curves[15][0].num_models == 15  # before there are not fifteen
    ends = {name: by_k[5][-1] for name, by_k in all_curves(contest).items()}
    assert [end.sign for end in ends.values()] == ["better", "worse", "not told"]
    assert ends["worse"].mean == -1.5


def test_it_is_told_with_the_papers_sign_and_drawn(tmp_path):
    write(tmp_path / "run", LINES)
    contest = read_contest(tmp_path / "run")
    curves = all_curves(contest)
    text = describe(contest, curves)
    assert "top 1, top 5, top 15: better than random search with every seed, the paper's" in text
    assert "+2.500 ± 0.707 (+8.45)" in text  # the paper's after all of its models
    pytest.importorskip("matplotlib")
    draw(contest, curves, tmp_path / "a.svg")
    draw(contest, curves, tmp_path / "b.svg")
    drawn = (tmp_path / "a.svg").read_bytes()
    assert drawn == (tmp_path / "b.svg").read_bytes() and b"learning_rate=0.1" in drawn


def test_what_is_no_whole_comparison_is_one_clear_line(tmp_path):
    for folder, message in (
        ("nothing", "holds no comparison"),
        ("alone", "compares random:"),
        ("cut", "has not ended"),
    ):
        place = tmp_path / folder
        if folder == "alone":
            write(place, {"random": LINES["random"]})
        if folder == "cut":
            write(place, LINES)
            search_file(place / "searches" / "40-children", "either", 1).unlink()
        with pytest.raises(InputError) as error:
            read_contest(place)
        assert message in str(error.value) and "\n" not in str(error.value)
