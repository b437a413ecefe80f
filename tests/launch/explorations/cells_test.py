"""What --cell takes: names, architectures of every base, searches, trained models."""

import contextlib
import dataclasses
import json
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS
from nas_with_rl.launch.explorations.cells import describe_cell, read_cell, read_cells
from nas_with_rl.launch.records.trial_store import Trial, TrialStore
from nas_with_rl.search_spaces.architecture import parse_architecture, random_architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.published import PUBLISHED
from nas_with_rl.search_spaces.recurrent_cell import (
    ACTIVATIONS,
    BASES,
    COMBINATIONS,
    RecurrentCellSpace,
    cell_of,
)

BASE_2 = "add tanh | elem_mult relu | elem_mult sigmoid | add relu | 1 0"


def test_every_known_cell_has_a_name_and_lstm_is_the_cell_that_people_mean():
    for name in KNOWN_CELLS:
        assert read_cell(name).architecture == read_cell(f" baseline_{name}").name == name
    cell = read_cell("lstm")
    assert (cell.architecture, describe_cell(cell)) == ("lstm", "LSTM")


@pytest.mark.parametrize(
    ("name", "base"), [("figure_5", 2), ("max_cell", 8), ("nas_cell", 8), ("figure_8_lstm", 8)]
)
def test_an_architectures_text_says_its_base_with_bars_or_without(name, base):
    text = str(PUBLISHED[name].architecture)
    cell = read_cell(text)
    assert (cell.name, cell.architecture, cell.space.base) == ("cell", text, base)
    assert read_cell(text.replace(" | ", "  ")) == cell
    assert describe_cell(cell).startswith(f"cell of base {base}\nh(t) =\n")


@settings(max_examples=100)
@given(base=st.sampled_from(BASES), seed=st.integers(0, 2**32), longest=st.booleans())
def test_the_text_of_any_cell_is_read_as_that_cell(base, seed, longest):
    """The longest texts, of 310 characters, are longer than a file's name may be, 255."""
    chosen = (("elem_mult",), ("identity",)) if longest else (COMBINATIONS, ACTIVATIONS)
    space = RecurrentCellSpace(base, *chosen)
    architecture = random_architecture(space.search_space(), np.random.default_rng(seed))
    for text in (str(architecture), str(architecture).replace(" | ", " "), f" {architecture}\n"):
        cell = read_cell(text)
        assert (cell.architecture, cell.space.base) == (str(architecture), base)
    read = parse_architecture(cell.architecture, cell.space.search_space())
    assert cell_of(read) == cell_of(architecture)


WORDS = st.sampled_from([*COMBINATIONS, *ACTIVATIONS, "|", "0", "14", "-", "x"])


@settings(max_examples=300)
@given(
    st.text()
    | st.text().map(lambda text: f"{text}.keras")
    | st.text().map(lambda text: f"~{text}/")
    | st.lists(WORDS, max_size=60).map(" ".join)
    | st.integers(1, 10_000).map(lambda length: "a/" * length)
)
def test_any_text_is_a_cell_or_one_line(text):
    if os.path.isdir(text.strip()):
        return
    try:
        cell = read_cell(text)
    except InputError as error:
        assert str(error).isprintable() and len(str(error)) < 500
    else:
        assert text.strip() in (*KNOWN_CELLS, *PUBLISHED) or cell.architecture


def test_a_path_is_a_cell_in_python_too_and_a_pipe_is_no_model(tmp_path):
    place = stored_search(tmp_path / "found.keras", [BASE_2])
    assert read_cell(place).architecture == BASE_2
    os.mkfifo(tmp_path / "model.keras")
    for text in (tmp_path, tmp_path / "model.keras"):
        with pytest.raises(InputError, match=r"model\.keras': not a file"):
            read_cell(text)


def test_a_published_name_is_drawn():
    assert describe_cell(read_cell("figure_5")).splitlines()[1] == "h(t) ="


def stored_search(directory, architectures, rewards=None):
    """A search's workdir with completed trials, rewards rising."""
    directory.mkdir()
    with contextlib.closing(TrialStore(directory / "trials.sqlite")) as store:
        for number, text in enumerate(architectures):
            running = Trial(number, text, 0, "running", -1.5, 0, None, seed=7)
            store.add([running])
            reward = float(number) if rewards is None else rewards[number]
            values = {"status": "completed", "reward": reward}
            store.finish(dataclasses.replace(running, **values))
    return directory


def test_a_searchs_workdir_is_its_best_cell(tmp_path):
    other = BASE_2.replace("tanh", "relu")
    place = stored_search(tmp_path / "found_here", [other, BASE_2])
    cell = read_cell(str(place))
    assert (cell.name, cell.architecture) == ("found", BASE_2)
    assert cell.title == "cell of base 2, the best of found_here"
    assert [path.name for path in place.iterdir()] == ["trials.sqlite"]  # it may be read alone
    place = stored_search(tmp_path / "by_mean", [other, BASE_2, other], [1.0, 0.75, 0.0])
    assert read_cell(str(place)).architecture == BASE_2


def test_cells_of_one_kind_get_names_of_their_own():
    other = BASE_2.replace("tanh", "relu")
    assert [cell.name for cell in read_cells((BASE_2, "lstm", other))] == ["cell", "lstm", "cell_2"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("lsmt",), "cell 'lsmt': no such cell; there are lstm, rnn, gru,"),
        (("",), "cell '': no such cell"),
        ((" | ",), "cell '|': no such cell"),
        (("~nosuchuser/run",), "cell '~nosuchuser/run': no such cell"),
        (("~no\0user/run",), r"cell '~no\x00user/run': no such cell"),
        (("\ud800",), r"cell '\ud800': no such cell"),
        (("lstm/",), "cell 'lstm/': no such cell"),
        (("x" * 100_000,), "xxx…: no such cell"),
        (("x" * 5000 + ".keras",), "xxx…': no such file"),
        (("a\0b.keras",), r"cell 'a\x00b.keras': no such file"),
        (("x " * 5000,), "has 5000 words; an architecture's has 10 (base 2)"),
        (("add tanh",), "has 2 words; an architecture's has 10 (base 2), 18 (base 4), 34"),
        ((BASE_2.replace("tanh", "tan"),), "'tan'"),
        (("lstm", "lstm"), "cell 'lstm' is there twice"),
        (("nothing/model.keras",), "cell 'nothing/model.keras': no such file"),
        ((".",), "cell '.' is neither a search's workdir nor a training's"),
    ],
)
def test_what_is_no_cell_is_one_clear_line(texts, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        read_cells(texts)
    assert message in str(error.value) and str(error.value).isprintable()
    assert len(str(error.value)) < 500


def test_trained_models_in_directories_of_one_name_get_names_of_their_own(tmp_path):
    description = {
        "kind": "language_model",
        "architecture": "lstm",
        "experiment": "counter",
        "epoch": 1,
        "validation": 1.0,
        "vocabulary": ["a", "b", "<unk>"],
    }
    places = [tmp_path / one / "size-10" for one in "ab"]
    for place in places:
        place.mkdir(parents=True)
        with zipfile.ZipFile(place / "model.keras", "w") as archive:
            archive.writestr("nas_with_rl.json", json.dumps(description))
    names = [cell.name for cell in read_cells(tuple(map(str, places)))]
    assert names == ["size-10", "size-10_2"]


def test_a_directory_of_trainings_names_them(tmp_path):
    for name in ("gru", "lstm"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.keras").touch()
    with pytest.raises(InputError) as error:
        read_cell(str(tmp_path))
    assert str(error.value).endswith(f"the trainings in it are {tmp_path}/gru, {tmp_path}/lstm")


def test_a_search_of_other_architectures_is_one_clear_line(tmp_path):
    place = stored_search(tmp_path / "images", ["3 3 - 24 | 7 3 - 6"])
    with pytest.raises(InputError) as error:
        read_cell(str(place))
    assert str(error.value) == (
        f"cell '{place}' is a search of no recurrent cells; its best: 3 3 - 24 | 7 3 - 6"
    )


def test_a_search_without_a_completed_trial_is_one_clear_line(tmp_path):
    place = stored_search(tmp_path / "empty", [])
    with pytest.raises(InputError, match="no trial"):
        read_cell(str(place))
