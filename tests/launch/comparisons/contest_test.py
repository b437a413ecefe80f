"""Contests of searchers that need no TensorFlow: sharing, kills, additions, bad input."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import nas_with_rl as nas
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.launch.comparisons import named_contest
from nas_with_rl.launch.comparisons.named_contest import ContestRequest
from nas_with_rl.launch.comparisons.shared_children import seed_of
from nas_with_rl.launch.records.resumption import SearchRequest
from nas_with_rl.search_spaces.space import Choice, SearchSpace

ROOT = Path(__file__).resolve().parents[3]
SEARCHERS = ("evolution", "local_search", "random")
SPACE = SearchSpace([Choice(f"d{place}", (0, 1, 2, 3)) for place in range(5)])
FILES = ("results.json", "curves.csv", "report.html")


def value(architecture):
    digits = [architecture[f"d{place}"] for place in range(5)]
    if digits[:2] == [3, 3]:
        raise ChildFailure("diverged", "it does")
    return sum(digits) - 4 * (digits[0] == digits[4])


def compare(
    evaluate=value, *, searchers=SEARCHERS, seeds=3, num_children=60, workdir=None, **search
):
    options = nas.SearchOptions(
        search=nas.SearchConfig(**{"batch_size": 4, **search}), progress=False
    )
    return nas.compare(
        SPACE, evaluate, searchers=searchers, seeds=seeds, num_children=num_children,
        workdir=workdir, options=options,
    )  # fmt: skip


def files(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


def test_a_child_is_evaluated_once_with_a_seed_of_its_own(tmp_path):
    evaluated = []

    def evaluate(architecture, seed):
        assert seed == seed_of(str(architecture))
        evaluated.append(str(architecture))
        return value(architecture)

    found = compare(evaluate, workdir=tmp_path)
    assert len(evaluated) == len(set(evaluated)) == found.num_trained
    assert found.num_asked == 3 * 3 * 60 > found.num_trained
    with (tmp_path / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == found.num_asked
    assert {row["architecture"] for row in rows} == set(evaluated)
    for name in SEARCHERS:
        for seed in "012":
            own = [row for row in rows if (row["searcher"], row["seed"]) == (name, seed)]
            assert [int(row["child"]) for row in own] == list(range(1, 61))
            assert len({row["architecture"] for row in own}) == 60
    assert str(found).startswith("own: 3 searchers, 3 seeds each, 60 children a search; ")


@pytest.mark.parametrize("name", SEARCHERS)
def test_each_search_is_the_one_that_it_would_be_alone(name, tmp_path):
    compare(workdir=tmp_path)
    config = nas.SearchConfig(searcher=name, batch_size=4, failure_retries=0)
    options = nas.SearchOptions(search=config, progress=False)
    alone = nas.search(SPACE, value, num_children=60, seed=1, options=options)
    with (tmp_path / "curves.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if (r["searcher"], r["seed"]) == (name, "1")]
    own = [trial for trial in alone.trials if trial.reused_from is None]
    assert [row["architecture"] for row in rows] == [trial.architecture for trial in own]
    assert float(rows[-1]["best"]) == alone.best.reward


class Stopped(Exception):
    pass


def test_a_comparison_that_is_stopped_again_and_again_ends_as_one_that_never_was(tmp_path):
    compare(workdir=tmp_path / "whole")
    evaluated, left = [], [0]

    def evaluate(architecture):
        if not left[0]:
            raise Stopped
        left[0] -= 1
        evaluated.append(str(architecture))
        return value(architecture)

    for count in (0, 1, 7, 61, 30):
        left[0] = count
        with pytest.raises(Stopped):
            compare(evaluate, workdir=tmp_path / "run")
    left[0] = 10**6
    compare(evaluate, workdir=tmp_path / "run")
    assert len(evaluated) == len(set(evaluated))
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_a_search_whose_file_is_gone_is_searched_again(tmp_path):
    compare(workdir=tmp_path)
    before = files(tmp_path)
    (gone,) = tmp_path.glob("searches/*/random-1.sqlite")
    gone.unlink()
    compare(lambda _: pytest.fail("all children are known"), workdir=tmp_path)
    assert files(tmp_path) == before and gone.exists()


_KILLED = """
import os, signal, sys
sys.path.insert(0, {root!r})
from tests.launch.comparisons.contest_test import *
left = [{count}]
def evaluate(architecture):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    with open("evaluated", "a") as file:
        file.write(str(architecture) + "\\n")
    return value(architecture)
compare(evaluate, workdir="run", seeds=2)
"""


def test_a_comparison_that_is_killed_goes_on(tmp_path):
    compare(workdir=tmp_path / "whole", seeds=2)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for count, status in ((40, -signal.SIGKILL), (70, -signal.SIGKILL), (-1, 0)):
        script = _KILLED.format(root=str(ROOT), count=count)
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env=environment, check=False
        )
        assert done.returncode == status
    evaluated = (tmp_path / "evaluated").read_text().splitlines()
    assert len(evaluated) == len(set(evaluated))
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_searchers_and_seeds_are_added_to_a_comparison(tmp_path):
    own = "tests.harness.own_searchers:Careful"
    compare(workdir=tmp_path / "whole", searchers=(*SEARCHERS, own))
    evaluated = []

    def evaluate(architecture):
        evaluated.append(str(architecture))
        return value(architecture)

    compare(evaluate, workdir=tmp_path / "run", searchers=("random",), seeds=1)
    compare(evaluate, workdir=tmp_path / "run", searchers=(*SEARCHERS, own))
    assert len(evaluated) == len(set(evaluated))
    assert files(tmp_path / "run") == files(tmp_path / "whole")
    found = json.loads((tmp_path / "run" / "results.json").read_text())
    assert [each["searcher"] for each in found["searchers"]] == [*SEARCHERS, own]


def test_another_budget_has_what_was_trained_and_the_same_result(tmp_path):
    compare(workdir=tmp_path / "whole")
    evaluated = []

    def evaluate(architecture):
        evaluated.append(str(architecture))
        return value(architecture)

    compare(evaluate, workdir=tmp_path / "run", num_children=30)
    less = files(tmp_path / "run")
    compare(evaluate, workdir=tmp_path / "run", num_children=60)
    assert len(evaluated) == len(set(evaluated))
    assert files(tmp_path / "run") == files(tmp_path / "whole")
    compare(evaluate, workdir=tmp_path / "run", num_children=30)
    assert files(tmp_path / "run")["curves.csv"] == less["curves.csv"]


def test_a_budget_above_the_space_is_all_of_it():
    space = SearchSpace([Choice("a", (1, 2)), Choice("b", (1, 2, 3))])
    options = nas.SearchOptions(progress=False)
    found = nas.compare(
        space, lambda a: a["a"] * a["b"], searchers=("random",), seeds=2, options=options
    )
    assert found.num_trained == 6 and found.budgets[-1] == 6
    assert found.standings[0].ranks == (1, 1)


def test_children_that_all_fail_are_no_error(tmp_path):
    def evaluate(architecture):
        raise ChildFailure("diverged", "always")

    found = compare(evaluate, workdir=tmp_path, num_children=10)
    assert found.known.best is None
    assert "not told apart after 10 children: none against none" in str(found)
    json.loads((tmp_path / "results.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"searchers": ("evolution", "best")}, "searchers is 'best', not one of dream, reinforce,"),
        ({"searchers": ("no_such_module:Class",)}, "no_such_module"),
        ({"searchers": ()}, "searchers is empty"),
        ({"searchers": ("random", "random")}, "searchers has 'random' twice"),
        ({"seeds": 0}, "seeds is 0, not from 1 to 1,000"),
        ({"seeds": "ten"}, "seeds is 'ten'"),
        ({"num_children": 0}, "num_children is 0, below 1"),
        ({"batch_size": 8}, "holds another run.*batch_size: 4 / 8"),
    ],
)
def test_bad_input_is_one_line(arguments, message, tmp_path):
    compare(workdir=tmp_path, seeds=1)
    before = files(tmp_path)
    with pytest.raises(nas.InputError, match=message) as caught:
        compare(workdir=tmp_path, **{"seeds": 1, **arguments})
    assert "\n" not in str(caught.value)
    assert files(tmp_path) == before


def test_the_workdir_of_another_kind_of_run_is_refused(tmp_path):
    options = nas.SearchOptions(search=nas.SearchConfig(searcher="random"), progress=False)
    nas.search(SPACE, value, num_samples=5, workdir=tmp_path / "search", options=options)
    with pytest.raises(nas.InputError, match="another kind of run, not a comparison of searchers"):
        compare(workdir=tmp_path / "search")
    compare(workdir=tmp_path / "comparison", seeds=1, num_children=5)
    options = nas.SearchOptions(resume=True, progress=False)
    with pytest.raises(nas.InputError, match="another kind of run, not a search"):
        nas.search(SPACE, value, workdir=tmp_path / "comparison", options=options)


def write_table(path):
    """Write a table of 64 architectures, of which "3 3 3" is the best."""
    with path.open("w") as file:
        table = csv.writer(file)
        table.writerow(("a", "b", "c", "value"))
        for number in range(64):
            a, b, c = number // 16, number // 4 % 4, number % 4
            table.writerow((a, b, c, 0.1 * a + 0.2 * b + 0.3 * c))


def test_a_table_is_compared_and_ranked_among_all_of_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "t.csv")
    search = SearchRequest("table", workdir="run", overrides=(f"space.path={tmp_path}/t.csv",))
    found = named_contest.run(ContestRequest(search, SEARCHERS, 4, 16))
    assert found.known.is_all and len(found.known.rewards) == 64
    ordered = sorted(found.known.rewards.values(), reverse=True)
    for each in found.standings:
        for rank, reward in zip(each.ranks, each.after(16), strict=True):
            assert ordered.index(reward) + 1 == rank
    printed = capsys.readouterr().out
    assert "among all 64 of the table" in printed and "--architecture='3 3 3'" in printed
    before = files(tmp_path / "run")
    named_contest.run(ContestRequest(search, SEARCHERS, 4, 16))  # again: nothing to do
    assert files(tmp_path / "run") == before
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().replace("1.8", "1.9"))
    with pytest.raises(nas.InputError, match=r"holds another run.*sha256"):
        named_contest.run(ContestRequest(search, SEARCHERS, 4, 16))


def binary(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "nas_with_rl.launch.compare_searchers", *words],
        cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.real_start
def test_the_binary(tmp_path):
    write_table(tmp_path / "t.csv")
    words = ("--table=t.csv", "--searchers=evolution,random", "--seeds=2", "--num_children=8")
    done = binary(*words, "--workdir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"evolution and random are not told apart after 8 children: .*p = 1,", done.stdout
    )
    assert "2 seeds cannot tell 1 pair apart at p = 0.05: it takes 6 at least" in done.stdout
    for wrong, message in (
        (("--experiment=quickstart",), "--table=t.csv is a search of its own"),
        (("--searchers=best",), "searchers is 'best'"),
        (("--seeds=0",), "seeds is 0, not from 1 to 1,000"),
        (("--override=search.searcher=random",), "has no effect: --searchers names them"),
        (("--workdir=run", "--override=search.batch_size=3"), "batch_size: 8 / 3"),
    ):
        done = binary(*words, *wrong, cwd=tmp_path)
        assert done.returncode == 2 and message in done.stderr
        assert len(done.stderr.splitlines()) == 1
