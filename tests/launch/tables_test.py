"""The paper's tables with the column of this project's own results, in process and as a binary."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nas_with_rl.launch.experiments.overrides import as_json, with_overrides
from nas_with_rl.launch.paper.our_results import read_runs
from nas_with_rl.launch.paper.our_rows import OUR_ROWS, PENN_TREEBANK
from nas_with_rl.launch.paper.printed_tables import PAPER_TABLES
from nas_with_rl.launch.paper.text import LINE_WIDTH, as_markdown, as_text
from nas_with_rl.launch.paper.views import view_table
from nas_with_rl.launch.records.training_result import FinalResult, write_result
from nas_with_rl.launch.records.workdir import Workdir, write_object

ROOT = Path(__file__).resolve().parents[2]
FIGURES = {"v1": 0.9437, "v2": 0.93, "base_8_25m": 64.25, "lstm": 1.2571, "new_cell_16m": 1.3}


def write_run(folder, key, *, overrides=(), **result):
    """Write the workdir that a row's final training leaves."""
    row = OUR_ROWS[key]
    experiment = with_overrides(row.configuration(), overrides)
    text = row.text or "3 3 1 1 - 36"
    metric = {1: "accuracy", 2: "perplexity", 3: "bits_per_character"}[row.table]
    values = {
        "status": "finished", "test": FIGURES[key], "test_looks": 1, "num_parameters": 1234567,
        "seconds_per_epoch": 36.0, "validation": (0.5,) * 100, "device": "one H200",
    }  # fmt: skip
    done = FinalResult(
        experiment.name, text, row.architecture, metric, experiment.child.epochs, **values
    )
    folder.mkdir(parents=True)
    write_result(dataclasses.replace(done, **result), Workdir(folder))
    description = {
        "kind": "training", "experiment": experiment.name, "architecture": text,
        "named": row.architecture, "seed": 7, "overrides": list(overrides),
        "data_found": [{"name": name, "sha256": sha} for name, sha in PENN_TREEBANK.items()],
        **{name: as_json(getattr(experiment, name)) for name in ("space", "child", "data")},
    }  # fmt: skip
    write_object(description, folder / "experiment.json")
    return folder


def printed(number, folder, form=as_text):
    found, warnings = read_runs(folder)
    assert not warnings
    return form(view_table(PAPER_TABLES[number - 1], found))


def row_of(text, model, params):
    (line,) = [
        line for line in text.splitlines() if re.search(rf"{re.escape(model)} .*{params}", line)
        and not line.startswith(model)
    ]  # fmt: skip
    return line.split("  ")[-1].strip()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_table_is_complete_and_fits_a_terminal(number, tmp_path):
    table, text = PAPER_TABLES[number - 1], printed(number, tmp_path)
    for row in table.rows:
        assert re.search(rf"{re.escape(row.model)} .*{row.result}", text)
    assert max(map(len, text.splitlines())) <= LINE_WIDTH
    own = [row for row in table.rows if row.key]
    lines = [line for line in text.splitlines() if line.endswith("not run")]
    assert len(lines) == 2 * len(own)  # in the table and in the details
    assert text.count("GPU hours  ") == len(own) and "an assumption" in text


def test_the_papers_numbers():
    assert [len(table.rows) for table in PAPER_TABLES] == [23, 22, 6]
    bold = {row.key: (row.result, row.params) for t in PAPER_TABLES for row in t.rows if row.bold}
    assert bold == {
        "v1": ("5.50", "4.2M"),
        "v2": ("6.01", "2.5M"),
        "v3": ("4.47", "7.1M"),
        "v3_more_filters": ("3.65", "37.4M"),
        "base_8_32m": ("67.9", "32M"),
        "base_8_25m": ("64.0", "25M"),
        "base_8_54m": ("62.4", "54M"),
        "new_cell": ("1.228", "6.57M"),
        "new_cell_16m": ("1.214", "16.28M"),
    }


def test_the_column_is_read_from_the_runs_and_changes_with_them(tmp_path):
    workdir = write_run(tmp_path / "anywhere" / "x", "base_8_25m")
    model = "NAS with base 8 and shared embeddings"
    assert row_of(printed(2, tmp_path), model, "25M") == "64.25"
    assert row_of(printed(2, tmp_path), model, "54M") == "not run"
    stored = json.loads((workdir / "result.json").read_text())
    (workdir / "result.json").write_text(json.dumps(stored | {"test": 71.5}))
    assert row_of(printed(2, tmp_path), model, "25M") == "71.50"


def test_runs_and_those_that_do_not_count_are_named(tmp_path):
    write_run(tmp_path / "a", "lstm")
    write_run(tmp_path / "b", "lstm", test=1.2671, test_looks=3)
    write_run(tmp_path / "short", "lstm", overrides=("child.epochs=1",))
    write_run(tmp_path / "killed", "lstm", status="training", test=None, test_looks=0)
    text = printed(3, tmp_path)
    assert row_of(text, "Two layer LSTM", "6.57M") == "1.262 ± 0.007 (2)†"
    assert "† the test set of such a run was looked at more than once" in text
    assert f"{tmp_path}/a: 1.257, seed 7, 1.0 hours of epochs on one H200" in unwrapped(text)
    assert "test set looked at 3 times" in unwrapped(text)
    assert f"{tmp_path}/short does not count: child.epochs 1, not" in unwrapped(text)
    assert f"{tmp_path}/killed does not count: status training" in unwrapped(text)


def unwrapped(text):
    return " ".join(text.split())


@pytest.mark.parametrize("name", ["result.json", "experiment.json"])
def test_no_wrong_value_in_a_file_ends_the_table(name, tmp_path):
    workdir = write_run(tmp_path / "a", "lstm")
    stored = json.loads((workdir / name).read_text())
    for key in stored:
        for value in (None, -1, "x", [], [{}], {}, {"name": []}):
            (workdir / name).write_text(json.dumps(stored | {key: value}))
            found, warnings = read_runs(tmp_path)
            assert len(found) + len(warnings) == 1
            assert as_text(view_table(PAPER_TABLES[2], found))


def test_convnets_are_compared_by_error(tmp_path):
    write_run(tmp_path / "a", "v1")
    write_run(tmp_path / "b" / "final", "v2", overrides=("child.learning_rate=0.05",))
    grid = {"kind": "grid_search", "search": {"finished_trials": 12_800}}
    write_object(grid, tmp_path / "b" / "experiment.json")
    write_run(tmp_path / "c", "v1", overrides=("space.width_multiplier=0.25",))
    text = printed(1, tmp_path)
    assert row_of(text, "NAS v1, no stride or pooling", "4.2M") == "5.63"
    assert row_of(text, "NAS v2, predicting strides", "2.5M") == "7.00"
    flat = unwrapped(text)
    assert "child.learning_rate 0.05 (0.1) in the command's place" in flat
    assert "of an architecture that it does not print; here 1,234,567" in flat
    assert "4,201,630, +0.039 % from the paper's 4.2M" in flat
    assert "space.width_multiplier 0.25, not 1" in flat


def test_markdown_has_the_same_figures(tmp_path):
    write_run(tmp_path / "a", "new_cell_16m")
    text = printed(3, tmp_path, as_markdown)
    assert "| **Two layer with new cell** | 16.28M | **1.214** | 1.300 |" in text
    assert "| Two layer LSTM | 6.57M | 1.243 | not run |" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len(tables) == 2 + 6 + 2 + 3
    assert {line.count("|") for line in tables[:8]} == {5}
    assert "`python -m nas_with_rl.launch.train_architecture --experiment=char_ptb " in text


def run(*flags, cwd):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "nas_with_rl.launch.tables", *flags],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_binary_prints_a_table_and_warns_of_a_damaged_run(tmp_path):
    write_run(tmp_path / "runs" / "good", "lstm")
    write_run(tmp_path / "runs" / "damaged", "lstm")
    (tmp_path / "runs" / "damaged" / "result.json").write_text("{")
    done = run("--table=3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert row_of(done.stdout, "Two layer LSTM", "6.57M") == "1.257"
    (warning,) = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert "runs/damaged is left out" in warning
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--table is missing"),
        (["--table=4"], "value should be one of <1|2|3>"),
        (["--table=1", "--runs=no/such"], "--runs=no/such is no directory"),
        (["--table=1", "--format=html"], "value should be one of <text|markdown>"),
    ],
)
def test_a_user_error_is_one_line(tmp_path, flags, message):
    done = run(*flags, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr and len(done.stderr.splitlines()) == 1
