"""The table of `side_by_side.py`: ratios, targets, who is missing, and what is measured again."""

import importlib
import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module", name="side_by_side")
def _side_by_side():
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("side_by_side")
    finally:
        sys.path.remove(str(FOLDER))


def test_a_ratio_is_of_the_others_cost_and_bold_where_it_is_above_its_target(side_by_side):
    figure = side_by_side.Figure(
        "a step",
        "ms",
        {"here": 6.0, "beside": 12.0, "JAX by hand": 5.0, "TensorFlow": 300.4},
        {"here": 5.5, "beside": 0.5, "JAX by hand": 1.15, "PyTorch by hand": None},
    )
    assert list(side_by_side.lines_of(figure)) == [
        "| a step | ms | **6 (≤ 5.5)** | 12 | 0.50 (≤ 0.5) | JAX by hand | 5 | **1.20 (≤ 1.15)** |",
        "|  |  |  |  |  | PyTorch by hand | not installed: `pip install torch` |  |",
        "|  |  |  |  |  | TensorFlow | 300 | 0.02 |",
    ]
    assert [figure.met(who) for who in figure.targets] == [False, True, False, None]


def test_a_figure_without_a_peer_or_another_checkout_has_one_line(side_by_side):
    figure = side_by_side.Figure("a start", "MiB", {"here": 50.0}, {"here": 110.0, "beside": 0.5})
    lines = list(side_by_side.lines_of(figure))
    assert lines == ["| a start | MiB | 50 (≤ 110) |  |  |  |  |  |"]
    assert figure.met("here") is True and figure.met("beside") is None


def test_words_for_which_nothing_is_given_are_left_out(side_by_side):
    row = side_by_side.Row(("a.py", "--beside={beside}", "--torch={torch}"), ("-s",), 1, ("-l",))
    given = {"beside": "/there", "torch": None}
    words = [side_by_side.words_of(row, given, smallest=smallest) for smallest in (True, False)]
    assert words == [["a.py", "--beside=/there", "-s"], ["a.py", "--beside=/there", "-l"]]


def test_every_row_is_a_program_of_the_folder_that_has_all_its_flags(side_by_side):
    for row in side_by_side.ROWS.values():
        text = (FOLDER / row.command[0]).read_text(encoding="utf-8")
        for word in (*row.command[1:], *row.size, *row.smallest):
            name = word.partition("=")[0]
            assert f'"{name}"' in text or f'"{name.removeprefix("--")}"' in text, (row, name)


# A benchmark that counts how often it was run, in a file beside it.
TOY = """
import pathlib, sys
sys.path.insert(0, {folder!r})
import figures
runs = pathlib.Path(__file__).with_name("runs")
number = len(runs.read_text()) if runs.exists() else 0
runs.write_text("x" * (number + 1))
json, *others = sys.argv[1:]
if "--fail" not in others:
    found = [figures.Figure("toy", "s", dict(here=1.0 + number), dict(here=9.0))]
    figures.write(json.partition("=")[2], found)
"""


def _run(side_by_side, monkeypatch, output, *words):
    monkeypatch.setattr(sys, "argv", ["side_by_side.py", f"--output={output}", *words])
    return side_by_side.main()


@pytest.mark.parametrize("wrong", [False, True])
def test_what_is_kept_is_not_measured_again_unless_the_commit_is_another(
    side_by_side, monkeypatch, tmp_path, capsys, wrong
):
    (tmp_path / "toy.py").write_text(TOY.format(folder=str(FOLDER)))
    command = ("toy.py", "--json={json}", *(["--fail"] if wrong else []))
    row = side_by_side.Row(command, (), 0, all_cores=True)
    monkeypatch.setattr(side_by_side, "ROWS", {"toy": row})
    monkeypatch.setattr(side_by_side, "FOLDER", tmp_path)
    monkeypatch.setattr(side_by_side, "busy_cores", lambda: 0.0)
    commit = ["aaa"]
    monkeypatch.setattr(side_by_side, "commit_of", lambda checkout: checkout and commit[0])
    output, runs = tmp_path / "kept.json", tmp_path / "runs"
    words = ("--rows=toy", f"--torch-python={sys.executable}")
    if wrong:
        assert _run(side_by_side, monkeypatch, output, *words) == 2
        assert "not measured: toy" in capsys.readouterr().out and not output.exists()
        return
    assert _run(side_by_side, monkeypatch, output, *words) == 0
    assert _run(side_by_side, monkeypatch, output, *words) == 0
    assert runs.read_text() == "x"
    assert "| toy | s | 1 (≤ 9) |" in capsys.readouterr().out
    commit[0] = "bbb"
    assert _run(side_by_side, monkeypatch, output, *words) == 0
    assert _run(side_by_side, monkeypatch, output, *words, "--again") == 0
    assert runs.read_text() == "xxx"
    kept = json.loads(output.read_text(encoding="utf-8"))["toy"]
    assert kept["of"]["commits"]["here"] == "bbb" and kept["found"][0]["costs"] == {"here": 3.0}


def test_a_row_that_there_is_not_is_refused(side_by_side, monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit):
        _run(side_by_side, monkeypatch, tmp_path / "kept.json", "--rows=starts,stars")
    assert "--rows has 'stars', not one of starts" in capsys.readouterr().err
