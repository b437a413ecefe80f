"""Explorations from request to page, at tiny sizes; the binary's flags and errors."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nas_with_rl.child_models.data.sequences import TASKS
from nas_with_rl.child_models.data.text import UNKNOWN
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.explorations import exploring
from nas_with_rl.launch.explorations.exploring import explore, run
from nas_with_rl.launch.explorations.preparation import ExploreRequest
from nas_with_rl.launch.explorations.subjects import TaskSubject, TextSubject
from nas_with_rl.search_spaces.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
FOUND = "add tanh | elem_mult relu | elem_mult sigmoid | add relu | 1 0"
TINY = ("child.epochs=2", "child.steps_per_epoch=3", "child.jit_compile=false")
CODE = "".join(f"def f{n}(x):\n    return [x, (x + {n})]\n\n" for n in range(80))


def page_data(path):
    (found,) = re.findall(
        r'<script type="application/json"[^>]*>(.*?)</script>', path.read_text(), re.DOTALL
    )
    return json.loads(found)


def test_two_cells_on_a_task_stand_side_by_side_and_are_trained_once(tmp_path, capsys):
    request = ExploreRequest(
        task="counter",
        cells=("lstm", FOUND),
        generate=20,
        workdir=str(tmp_path / "work"),
        overrides=TINY,
    )
    assert run(request) == 0
    printed = capsys.readouterr().out
    assert "accuracy by N" in printed and "h(t) =" in printed
    assert "not even every line" in printed  # after so few steps
    assert printed.count("generated at temperature 1.0:") == 2
    page = tmp_path / "work" / exploring.PAGE
    shown = page_data(page)
    assert [model["name"] for model in shown["models"]] == ["lstm", "cell"]
    assert "".join(shown["text"]) == TaskSubject("counter", ()).shown()
    lstm, cell = shown["models"]
    assert lstm["layers"][0]["tree"] is None
    assert len(cell["layers"][0]["tree"]["nodes"]) == 3
    assert all(len(model["samples"]) == 1 for model in shown["models"])

    model = tmp_path / "work" / "lstm" / "model.keras"
    written = model.stat().st_mtime_ns
    page.unlink()
    assert run(dataclasses.replace(request, generate=0)) == 0
    assert page.exists() and model.stat().st_mtime_ns == written


def test_an_exploration_takes_over_what_is_not_said_and_refuses_the_rest_first(tmp_path):
    where = {"workdir": str(tmp_path / "work")}
    explore(ExploreRequest(task="counter", cells=("rnn",), seed=3, overrides=TINY, **where))
    model = tmp_path / "work" / "rnn" / "model.keras"
    trained = model.read_bytes()
    again = explore(ExploreRequest(**where))  # all of it is known
    assert [each.name for each in again.models] == ["rnn"] and model.read_bytes() == trained
    for other in (
        {"seed": 4},
        {"num_layers": 2},
        {"task": "state_memorizer"},
        {"text": __file__},
        {"overrides": ("child.epochs=3",)},
    ):
        with pytest.raises(InputError, match="another run"):
            explore(ExploreRequest(**where, cells=("lstm", "rnn"), **other))
        assert not (tmp_path / "work" / "lstm").exists()  # refused before one is trained
    both = explore(ExploreRequest(**where, cells=("lstm", "rnn"), overrides=TINY[:1]))
    assert [each.name for each in both.models] == ["lstm", "rnn"]
    stored = json.loads((tmp_path / "work" / "lstm" / "experiment.json").read_text())
    assert (stored["seed"], stored["overrides"]) == (3, list(TINY))
    assert len(explore(ExploreRequest(**where)).models) == 2


def test_an_exploration_without_a_description_is_checked_by_its_trainings(tmp_path):
    where = {"workdir": str(tmp_path / "work")}
    explore(ExploreRequest(task="counter", cells=("rnn",), overrides=TINY, **where))
    (tmp_path / "work" / "experiment.json").unlink()  # earlier versions wrote none
    with pytest.raises(InputError, match="either a task or a text"):
        explore(ExploreRequest(**where))
    with pytest.raises(InputError, match="another run"):
        explore(ExploreRequest(task="counter", cells=("lstm", "rnn"), **where))
    assert not (tmp_path / "work" / "lstm").exists()
    request = ExploreRequest(task="counter", cells=("rnn",), overrides=TINY, **where)
    assert [each.name for each in explore(request).models] == ["rnn"]


def test_the_directory_of_another_run_has_an_exploration_too(tmp_path):
    (tmp_path / "run").mkdir()
    search = {"experiment": "quickstart", "search": {}, "controller": {}, "space": {}}
    (tmp_path / "run" / "experiment.json").write_text(json.dumps(search))
    request = ExploreRequest(task="counter", workdir=str(tmp_path / "run"), overrides=TINY)
    explore(request)
    assert json.loads((tmp_path / "run" / "experiment.json").read_text()) == search
    with pytest.raises(InputError, match="another run"):
        explore(dataclasses.replace(request, seed=1))


def test_a_text_that_has_changed_is_refused_before_a_cell_is_trained(tmp_path):
    (tmp_path / "text").write_text("a line of text\n" * 100)
    request = ExploreRequest(
        text=str(tmp_path / "text"),
        cells=("rnn",),
        workdir=str(tmp_path / "work"),
        overrides=(*TINY, "child.units=4"),
    )
    explore(request)
    (tmp_path / "text").write_text("another text\n" * 100)
    with pytest.raises(InputError, match="another run"):
        explore(dataclasses.replace(request, cells=("lstm", "rnn")))
    assert not (tmp_path / "work" / "lstm").exists()


def test_a_trained_model_is_shown_as_it_is_and_on_another_text(tmp_path):
    first = explore(ExploreRequest(task="counter", workdir=str(tmp_path / "first"), overrides=TINY))
    again = explore(
        ExploreRequest(task="counter", cells=(str(tmp_path / "first" / "lstm"),), workdir="none")
    )
    for one, other in zip(first.models, again.models, strict=True):
        np.testing.assert_array_equal(one.trace.probabilities, other.trace.probabilities)
    (tmp_path / "text").write_text("abX?\n" * 400)  # the question mark it never saw
    own = explore(
        ExploreRequest(
            text=str(tmp_path / "text"), cells=(str(tmp_path / "first" / "lstm"),), workdir="none"
        )
    )
    assert own.tokens[:5] == tuple("abX?\n")
    (model,) = own.models
    assert model.title.startswith("LSTM, the model of ")
    known = model.trace.vocabulary
    numbers = [known.index(c if c in known else UNKNOWN) for c in own.tokens]
    taken = [
        -np.log2(row[n]) for row, n in zip(model.trace.probabilities, numbers[1:], strict=False)
    ]
    assert f"; {np.mean(taken):.2f} bits per character" in model.title
    with pytest.raises(InputError, match="the samples have the character 'Y'"):
        explore(
            ExploreRequest(
                task="selective_counter",
                cells=(str(tmp_path / "first" / "lstm"),),
                workdir="none",
            )
        )
    assert not Path("none").exists()


def test_one_cell_that_diverges_leaves_the_page_to_the_other(tmp_path, capsys):
    doubling = "add identity | add identity | elem_mult identity | add identity | 2 0"
    request = ExploreRequest(
        task="counter",
        cells=(doubling, "rnn"),
        workdir=str(tmp_path / "work"),
        overrides=(*TINY, "child.init_scale=9"),
    )
    assert run(request) == 0
    shown = page_data(tmp_path / "work" / exploring.PAGE)
    assert [model["name"] for model in shown["models"]] == ["rnn"]
    assert shown["notes"][-1].startswith("cell cell: its training failed: diverged")
    assert shown["notes"][-1].rstrip(".") in capsys.readouterr().out
    with pytest.raises(InputError, match="its training failed: diverged"):
        explore(dataclasses.replace(request, cells=(doubling,)))


def test_a_text_of_ones_own_with_layers_and_its_structure(tmp_path):
    (tmp_path / "code.py").write_text(CODE)
    request = ExploreRequest(
        text=str(tmp_path / "code.py"),
        num_layers=3,
        workdir=str(tmp_path / "work"),
        overrides=(*TINY, "child.units=5", "child.epochs=1"),
    )
    (model,) = explore(request).models
    assert len(model.trace.layers) == 3 and "3 layers of 5 units" in model.title
    text = "".join(model.trace.tokens)
    assert CODE.endswith(text) and 1_900 < len(text) <= 2_000  # from a line's start
    assert CODE[: -len(text)].endswith("\n")
    features = model.tables[-1].as_text()
    assert all(name in features for name in ("indentation", "bracket", "column"))


def test_a_text_says_how_much_of_it_is_shown_and_was_trained_on(tmp_path):
    (tmp_path / "text").write_text("a line of text\n" * 20_000)
    subject = TextSubject(str(tmp_path / "text"), ())
    shown = len(subject.shown())
    assert 1_900 < shown <= 2_000 and subject.num_characters == 300_000
    assert subject.notes == (
        "The last 30,000 of the text's 300,000 characters were not trained on; what is shown "
        "begins there.",
    )
    (tmp_path / "text").write_text("a line of text\n" * 40_000)
    assert TextSubject(str(tmp_path / "text"), ()).notes[1:] == (
        "Of the others 480,000 were trained on (child.steps_per_epoch=300; 0 is all).",
    )
    assert not TextSubject(str(tmp_path / "text"), ("child.steps_per_epoch=0",)).notes[1:]
    (tmp_path / "text").write_text("two lines\nof it")
    assert TextSubject(str(tmp_path / "text"), ()).notes == (
        "The last 2 of the text's 15 characters were not trained on; what is shown begins "
        "before them.",
    )
    (tmp_path / "text").write_text("two lines\nof i")
    with pytest.raises(InputError, match="has 14 characters, below the 15"):
        TextSubject(str(tmp_path / "text"), ())


def test_a_pattern_says_what_of_it_is_left_out(tmp_path):
    (tmp_path / "package" / "inner").mkdir(parents=True)
    for name, text in (("__init__.py", ""), ("a.py", "one = 1\n"), ("b.py", "two = one + one\n")):
        (tmp_path / "package" / name).write_text(text)
    subject = TextSubject(str(tmp_path / "package" / "*"), ())
    assert subject.shown() == "one = 1\ntwo = one + one\n"
    assert subject.notes[-1] == "Left out of the files: 1 directory and 1 empty file."


@pytest.mark.slow
def test_models_that_know_other_characters_stand_side_by_side(tmp_path):
    explore(ExploreRequest(task="counter", workdir=str(tmp_path / "first"), overrides=TINY))
    (tmp_path / "code.py").write_text(CODE)
    both = explore(
        ExploreRequest(
            text=str(tmp_path / "code.py"),
            cells=(str(tmp_path / "first" / "lstm"), "rnn"),
            workdir=str(tmp_path / "work"),
            overrides=TINY,
        )
    )
    assert "".join(both.tokens) in CODE
    assert [len(model.trace.vocabulary) for model in both.models] == [5, len(set(CODE)) + 1]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_shows_lines_of_every_trained_size(name):
    task, subject = TASKS[name], TaskSubject(name, ())
    lines = subject.shown().splitlines(keepends=True)
    sizes = {sample.line: sample.size for sample in (*task.training, *task.held_out, *task.beyond)}
    assert {sizes[line] for line in lines} >= {sample.size for sample in task.training}
    assert len(subject.shown()) < 1_000


def test_overrides_of_a_texts_batches_stay_and_the_rest_is_made_for_the_text(tmp_path):
    (tmp_path / "text").write_text("abc\n" * 500)
    child = TextSubject(str(tmp_path / "text"), ("child.batch_size=2",)).experiment.child
    assert (child.batch_size, child.num_steps) == (2, configure("text", ()).child.num_steps)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "a task or"),
        ({"task": "counter", "workdir": ""}, "--workdir is empty"),
        ({"task": "counter", "text": "x"}, "a task or"),
        ({"task": "counter", "num_layers": 4}, "num_layers is 4, above 3"),
        ({"task": "counter", "num_layers": "2"}, "num_layers is '2', not"),
        ({"task": "counter", "generate": -1}, "generate is -1, below 0"),
        ({"task": "counter", "generate": 1e3}, "generate is 1000.0, not"),
        ({"task": "counter", "seed": -1}, "seed is -1, below 0"),
        ({"task": "counter", "seed": 10**5000}, "seed is a value of type int"),
        ({"task": "counter", "temperature": -0.5}, "temperature is -0.5, below 0"),
        ({"task": "counter", "temperature": float("nan")}, "temperature is nan"),
        ({"task": "counter", "temperature": "hot"}, "temperature is 'hot', not"),
        ({"task": "count"}, "task is 'count': no such task; there are counter, selective_counter,"),
        ({"task": "x" * 5000}, "xxx…: no such task"),
        ({"task": ["counter"]}, "task is ['counter']"),
        ({"text": "no/such/file"}, "no such file"),
        ({"text": "no\0file"}, "no such file"),
        ({"text": "~nosuchuser/file"}, "no such file"),
        ({"text": "x" * 5000}, "xxx…: no such file"),
        ({"text": ""}, "source is empty"),
        ({"text": "/dev/zero"}, "/dev/zero is no file but a device, a pipe or a socket"),
        ({"text": "counter"}, "text is 'counter': a file of that name is './counter'"),
        ({"task": "counter", "cells": ("lsmt",)}, "cell 'lsmt': no such cell"),
        ({"task": "counter", "cells": "lstm"}, "cells is 'lstm', not a tuple of"),
        ({"task": "counter", "cells": ()}, "no cell"),
        ({"task": "counter", "overrides": ("data.source=ptb",)}, "data.source is not overridden"),
        ({"task": "counter", "overrides": ("child.unit=3",)}, "no field 'unit'"),
    ],
)
def test_what_cannot_be_explored_is_one_clear_line(values, message):
    with pytest.raises(InputError) as error:
        run(ExploreRequest(**values))
    assert message in str(error.value) and str(error.value).isprintable()
    assert len(str(error.value)) < 500


def test_the_binary_lists_the_tasks_and_refuses_in_one_line():
    def binary(*flags):
        command = [sys.executable, "-m", "nas_with_rl.launch.explore", *flags]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = binary("--task=help")
    assert done.returncode == 0
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == list(TASKS)
    done = binary("--task=count")
    assert done.returncode == 2
    assert done.stderr.startswith("error: task is 'count': no such task")
    assert len(done.stderr.splitlines()) == 1


def test_a_title_says_which_text_it_is_and_how_it_begins(tmp_path):
    folder = tmp_path / "rhymes"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.txt").write_text(f"Sing a song of {number} pence,\n<b>rye</b>\n" * 20)
    title = TextSubject(str(folder / "0.txt"), ()).title
    assert title == "0.txt: “Sing a song of 0 pence, <b>rye</b> Sing a song …”"
    assert TextSubject(str(folder / "*.txt"), ()).title.startswith("rhymes/*.txt: “Sing a song of ")
