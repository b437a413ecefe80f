"""The figure_6 binary, run as people do."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nas_with_rl.launch.paper.printed_curves import FIGURE_6
from nas_with_rl.launch.records.trial_store import Trial, TrialStore

ROOT = Path(__file__).resolve().parents[2]
SEARCH = (
    '{"experiment": "ptb", "search": {"searcher": "%s"}, "data": {"source": "ptb", "unit": "word"}}'
)


def write_search(workdir, searcher, values):
    """Write a search with one validation perplexity per trial."""
    workdir.mkdir()
    (workdir / "experiment.json").write_text(SEARCH % searcher)
    store = TrialStore(workdir / "trials.sqlite")
    trials = [
        Trial(
            number, f"{number}", 0, "completed", -1.0, number, None, seed=1, reward=1.0,
            metrics={"validation_perplexity": [value]},
        )
        for number, value in enumerate(values)
    ]  # fmt: skip
    store.add(trials)
    store.close()


def run(*flags, cwd):
    return subprocess.run(
        [sys.executable, "-m", "nas_with_rl.launch.figure_6", *flags],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--comparison=rl", "--random=rs"), "--random has no effect with --comparison"),
        (("--comparison=nowhere",), "--comparison=nowhere holds no comparison of searchers"),
        (("--comparison=rl",), "--comparison="),  # a search
    ],
)
def test_a_comparison_is_asked_for_alone(short, flags, message):
    done = run(*flags, cwd=short)
    assert done.returncode == 2 and message in done.stderr and "--workdir" not in done.stderr


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Two searches of 40 models; random search is always 2.5 worse."""
    folder = tmp_path_factory.mktemp("short")
    write_search(folder / "rl", "reinforce", [100.0 - n for n in range(40)])
    write_search(folder / "rs", "random", [102.5 - n for n in range(40)])
    return folder


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """Two searches as long as the paper's, of which the first 15 models differ."""
    folder = tmp_path_factory.mktemp("long")
    write_search(folder / "rl", "reinforce", [50.0] * 15_000)
    write_search(folder / "rs", "random", [50.0 + 3.0] * 15_100)
    return folder


def test_it_prints_the_numbers_and_draws_them(short):
    done = run("--policy_gradient=rl", "--random=rs", "--out=6.svg", cwd=short)
    assert done.returncode == 0, done.stderr
    assert "policy gradient: rl, 40 models, 0 failed" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if re.match(r" +\d", line)]
    assert rows[0] == ["1", "2.50", "-", "-"] and rows[-1] == ["40", "2.50", "2.50", "2.50"]
    assert len(rows) == 40
    assert "left out: the run has 40 models, the paper's 15,000" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120
    picture = (short / "6.svg").read_text()
    assert picture.count('id="line2d') >= 4 and "<svg" in picture


def test_a_run_as_long_as_the_papers_is_drawn_over_it(long, short):
    done = run("--policy_gradient=rl", "--random=rs", "--out=6.svg", cwd=long)
    assert done.returncode == 0, done.stderr
    assert "a point every 375 models, 1/40 of the shorter run" in done.stdout
    assert "thin lines" in done.stdout
    run("--policy_gradient=rl", "--random=rs", "--out=6.svg", cwd=short)
    lines = [(folder / "6.svg").read_text().count("stroke-width: 0.7") for folder in (long, short)]
    assert lines[0] >= 3 and lines[1] == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--random=rs"], "--policy_gradient and --random"),
        (["--policy_gradient=rl", "--random=none"], "none holds no search: no experiment.json"),
        (["--policy_gradient=rs", "--random=rl"], "rs holds a search with search.searcher random"),
        (["--policy_gradient=rl", "--random=rs", "--out=6.png"], "end in .svg"),
        (
            ["--policy_gradient=rl", "--random=rs", "--out=/no/such/6.svg"],
            "--out=/no/such/6.svg cannot be written",
        ),
    ],
)
def test_a_user_error_is_one_line(short, flags, message):
    done = run(*flags, cwd=short)
    assert done.returncode == 2
    assert message in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_papers_curves_are_as_measured():
    assert [len(FIGURE_6[k]) for k in (1, 5, 15)] == [52, 52, 50]
    assert [FIGURE_6[k][-1] for k in (1, 5, 15)] == [
        (20_800, 9.69),
        (20_800, 18.84),
        (20_800, 35.56),
    ]
    assert dict(FIGURE_6[1])[1_200] == -0.1 and dict(FIGURE_6[15])[12_000] == 27.64
    for k in (1, 5, 15):
        assert min(value for models, value in FIGURE_6[k] if models >= 1_600) > 0
