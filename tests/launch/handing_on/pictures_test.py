"""Pictures by name, text or workdir, and those of docs/."""

import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.handing_on.pictures import find_subject
from nas_with_rl.search_spaces.pictures.svg import svg
from nas_with_rl.search_spaces.published import PUBLISHED

ROOT = Path(__file__).resolve().parents[3]
BEFORE = ROOT / "tests" / "harness" / "workdirs_before"
FIGURE_5 = PUBLISHED["figure_5"].architecture


def labels(scene):
    return [text.content for box in scene.boxes for text in box.texts]


@pytest.mark.parametrize("found", ["figure_5", f" {FIGURE_5} "], ids=["name", "text"])
def test_a_cell_by_its_name_or_its_text(found):
    scene = find_subject(found).scene()
    assert labels(scene) == labels(find_subject("figure_5").scene())
    assert ("figure_5: the worked example" in scene.title) == (found == "figure_5")
    simple = find_subject(found).scene(simplified=True)
    assert len(simple.boxes) == len(scene.boxes) and "0" in [t.content for t in simple.texts]


@pytest.mark.parametrize("name", ["lstm", "baseline_gru"])
def test_a_designed_cell_as_its_equations(name):
    texts = labels(find_subject(name).scene())
    assert any(text.startswith("h_t = ") for text in texts)
    assert find_subject(name).scene().title in ("LSTM", "GRU")


def test_the_best_of_a_search_as_its_space_builds_it():
    best = nas.load(BEFORE / "finished_search_of_convnets").best
    subject = find_subject(BEFORE / "finished_search_of_convnets")
    assert str(subject.architecture) == str(best.architecture)
    title = subject.scene().title
    assert title.startswith(f"best of finished_search_of_convnets: trial {best.trial.number}, ")
    filters = [label.rpartition("×")[2] for label in labels(subject.scene()) if "×" in label]
    assert filters == [str(layer) for layer in best.architecture["filters"]]


def test_the_best_of_a_search_of_ones_own_space():
    best = nas.load(BEFORE / "search_in_python").best.architecture
    texts = labels(find_subject(BEFORE / "search_in_python").scene())
    assert texts == ["activation", best["activation"], "units", str(best["units"])]


def test_a_training_and_its_model():
    for path in (BEFORE / "training", BEFORE / "training" / "model.keras"):
        subject = find_subject(path)
        assert str(subject.architecture) == "1 1 - 4 | 3 1 1 4"
        assert subject.scene().title == "trained in training"
    assert find_subject(BEFORE / "exploration" / "rnn").cell == "rnn"


def test_a_model_without_its_workdir(tmp_path):
    shutil.copy(BEFORE / "exploration" / "rnn" / "model.keras", tmp_path)
    assert find_subject(tmp_path / "model.keras").cell == "rnn"
    assert find_subject(tmp_path).cell == "rnn"


def test_a_text_of_the_space_of_an_experiment():
    subject = find_subject("3 1 1 2 - 24", experiment="cifar10_strides_small")
    assert "stride 1×2" in labels(subject.scene())
    changed = find_subject("3 3 - 24", experiment="cifar10_small", overrides=["space.block_size=2"])
    assert labels(changed.scene()).count("3×3×24") == 2


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ("nothing", "no such published architecture; there are figure_7, .*, lstm, "),
        ("9 9 - 36", "filter_height is '9'.*; of another space than the paper's, name the exp"),
        ("add tanh", "has 2 words; an architecture's has 10"),
        (BEFORE, "neither a search's workdir nor a training's: no experiment.json, no model"),
        (BEFORE / "comparison", "neither a search's workdir nor a training's$"),
        (BEFORE / "model.keras", "No such file"),
    ],
)
def test_what_is_none_is_refused_in_one_sentence(found, message):
    with pytest.raises(nas.InputError, match=message):
        find_subject(found)


def test_a_search_without_a_completed_trial_has_no_best(tmp_path):
    shutil.copytree(BEFORE / "search", tmp_path / "search")
    with sqlite3.connect(tmp_path / "search" / "trials.sqlite") as store:
        store.execute("DELETE FROM trials")
    store.close()
    with pytest.raises(nas.InputError, match="no trial of this search is completed"):
        find_subject(tmp_path / "search")


def test_an_experiment_beside_a_workdir_and_overrides_of_none_are_refused():
    with pytest.raises(nas.InputError, match="is a workdir, which knows its space"):
        find_subject(BEFORE / "search", experiment="quickstart")
    with pytest.raises(nas.InputError, match="changes an experiment, and none is named"):
        find_subject("figure_7", overrides=["space.base=4"])


def commands():
    text = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")
    return re.findall(r"^python -m nas_with_rl\.launch\.draw (.*)$", text, re.MULTILINE)


def test_the_pictures_of_the_documentation_are_what_the_binary_draws(tmp_path):
    assert len(commands()) >= 3
    for words in map(shlex.split, commands()):
        flags = dict(word.removeprefix("--").partition("=")[::2] for word in words)
        scene = find_subject(flags["architecture"]).scene(simplified="simplified" in flags)
        kept = (ROOT / flags["output"]).read_text(encoding="utf-8")
        assert svg(scene) == kept, f"python -m nas_with_rl.launch.draw {shlex.join(words)}"


@pytest.mark.real_start
def test_the_binary_writes_a_file_or_the_standard_output(tmp_path):
    def run(*flags):
        words = [sys.executable, "-m", "nas_with_rl.launch.draw", *flags]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = run("--architecture=nas_cell", "--output=cell.svg", "--simplified")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"wrote cell\.svg: nas_cell: .*, \d+ x \d+\n", done.stdout)
    written = (tmp_path / "cell.svg").read_text(encoding="utf-8")
    printed = run("--architecture=nas_cell", "--simplified")
    assert printed.stdout == written and written.startswith("<svg ")
    for flags, message in (
        ((), "--architecture is missing"),
        (("--architecture=lstm", "--output=x.png"), "--output=x.png does not end in .svg"),
        (("--architecture=lstm", "--output=no/x.svg"), "--output=no/x.svg cannot be written: No"),
    ):
        done = run(*flags)
        assert done.returncode == 2 and done.stderr.startswith(f"error: {message}")
        assert done.stderr.count("\n") == 1
