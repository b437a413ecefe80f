"""What a contest says of searches that are made by hand, and how it is shown."""

import re
import statistics
import xml.etree.ElementTree as ET

import pytest

from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.launch.comparisons.contest import Contest, Entry, config_for
from nas_with_rl.launch.comparisons.page import page
from nas_with_rl.launch.comparisons.standings import Known, standings_of
from nas_with_rl.launch.comparisons.text import describe_standings, sentence
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.results.charts import Line, chart
from nas_with_rl.search_spaces.space import Choice, SearchSpace

SPACE = SearchSpace([Choice("n", tuple(range(1000)))])
HOSTILE = "<script>alert(1)</script>&'\""


def entry(name, seed, rewards, num_trials=None):
    children = [(f"{seed}-{place}-{reward}", reward) for place, reward in enumerate(rewards)]
    return Entry(name, seed, tuple(children), num_trials or len(children))


def made(rewards, *, num_children=8, name="made"):
    """Return the standings of rewards by searcher and seed."""
    num_seeds = len(next(iter(rewards.values())))
    contest = Contest(
        name, "by hand", SPACE, config_for(SearchConfig(), num_children, SPACE),
        ReinforceConfig(), tuple(rewards), num_seeds,
    )  # fmt: skip
    entries = [
        entry(searcher, seed, each) for searcher, own in rewards.items()
        for seed, each in enumerate(own)
    ]  # fmt: skip
    known = {text: r for each in entries for text, r in each.children if r is not None}
    return standings_of(contest, entries, Known(known, False), num_trained=len(known))


def test_the_best_so_far_its_mean_and_its_spread():
    found = made({"a": [[None, 1.0, 3.0, 2.0], [0.0, 0.0, 1.0, 5.0]]}, num_children=6).standings[0]
    assert found.after(1) == [None, 0.0] and found.mean(1) == 0.0
    assert found.after(2) == [1.0, 0.0] and found.after(3) == [3.0, 1.0]
    assert found.after(6) == [3.0, 5.0]  # of four children: the last is kept
    assert found.mean(6) == 4.0 and found.spread(6) == pytest.approx(statistics.stdev([3, 5]))
    assert found.ranks == (2, 1) and found.mean_rank == 1.5 and found.num_best == 1


def test_ranks_count_what_is_better():
    known = Known({"a": 1.0, "b": 2.0, "c": 2.0, "d": 3.0}, True)
    assert [known.rank(value) for value in (3.0, 2.0, 1.0, 0.0, None)] == [1, 2, 4, 5, None]
    assert known.best == ("d", 3.0)


def test_the_top_models_are_figure_6s():
    random_ones = [[float(n) for n in range(20)]] * 2
    better = [[n + 2.0 for n in range(20)], [n + 4.0 for n in range(20)]]
    found = made({"a": better, "random": random_ones}, num_children=20)
    ours, theirs = found.standings
    for k in (1, 5, 15):
        assert ours.top[k] == tuple((count, 3.0) for count in range(k, 21))
        assert all(difference == 0.0 for _, difference in theirs.top[k])
    assert made({"a": better}).standings[0].top == {}


def test_verdicts_and_sentences():
    low = [[0.1 + 0.01 * seed] for seed in range(8)]
    high = [[0.5 + 0.02 * seed] for seed in range(8)]
    found = made({"a": high, "b": low, "c": low}, num_children=1)
    pairs = {(pair.one, pair.other): pair for pair in found.final_pairs()}
    assert pairs["a", "b"].p == 2 / 2**8
    assert pairs["a", "b"].corrected == pytest.approx(3 * 2 / 2**8)
    assert pairs["a", "b"].verdict == "better" and pairs["b", "c"].verdict == "not told apart"
    assert sentence(pairs["a", "b"]) == (
        "a is better than b after 1 child: 0.5700 against 0.1350, better on 8 of 8 seeds "
        "(p = 0.0078, Wilcoxon signed-rank; 0.023 corrected for all pairs)"
    )
    assert "equal on 8" in sentence(pairs["b", "c"])
    turned = made({"b": low, "a": high}, num_children=1).final_pairs()[0]
    assert turned.verdict == "worse" and turned.p == 2 / 2**8


def test_too_few_seeds_are_said():
    found = made({"a": [[1.0]] * 3, "b": [[0.0]] * 3})
    assert found.final_pairs()[0].verdict == "not told apart"
    assert "3 seeds cannot tell 1 pair apart at p = 0.05: it takes 6" in describe_standings(found)


@pytest.mark.parametrize("number", [1, 9])
def test_the_page_is_whole_escapes_texts_and_asks_for_nothing(number):
    names = [f"m{n}:{HOSTILE}" if n else "random" for n in range(number)]
    rewards = {name: [[float(n), n + 1.5, 2.0], [None, 1.0, 4.0]] for n, name in enumerate(names)}
    found = page(made(rewards, name=f"x{HOSTILE}", num_children=3))
    assert "<script" not in found and HOSTILE not in found
    assert "default-src 'none'" in found and "width=device-width" in found
    assert not re.search(r"(src|href)=|url\((?!#)|@import", found)
    for drawing in re.findall(r"<svg.*?</svg>", found):
        assert not re.search(r"nan|inf|None", ET.tostring(ET.fromstring(drawing)).decode())
    # Equal results are equal bytes.
    assert found == page(made(rewards, name=f"x{HOSTILE}", num_children=3))


@pytest.mark.parametrize(
    "values", [(1.0, 1.0), (0.0, 0.0), (-3e300, 1e300), (1e-12, 2e-12), (5.0,)]
)
def test_a_chart_of_any_values_has_its_points_inside(values):
    points = tuple((place + 1.0, value) for place, value in enumerate(values))
    drawn = chart([Line("a", 0, points)], label="b", x_title="c")
    path = next(
        each.attrib["d"]
        for each in ET.fromstring(drawn).iter()
        if each.get("class", "")[:4] == "line"
    )
    for pair in path[1:].split("L"):
        x, y = map(float, pair.split())
        assert 0 <= x <= 480 and 0 <= y <= 300
    assert chart([Line("a", 0, ())], label="b", x_title="c") == ""
