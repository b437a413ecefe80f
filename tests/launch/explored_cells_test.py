"""What --cell takes: names, architectures of every base, searches, trained models."""

import contextlib
import dataclasses
import json
import zipfile

import pytest

from nas_with_rl.child_models.known_cells import KNOWN_CELLS
from nas_with_rl.launch.explored_cells import NAMES, described, read_cell, read_cells
from nas_with_rl.launch.trials import Trial, TrialStore
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.published import PUBLISHED

BASE_2 = "add tanh | elem_mult relu | elem_mult sigmoid | add relu | 1 0"


def test_every_known_cell_has_a_name_and_lstm_is_the_cell_that_people_mean():
    assert set(NAMES.values()) == set(KNOWN_CELLS)
    cell = read_cell("lstm")
    assert (cell.architecture, described(cell)) == ("baseline_lstm", "LSTM")


@pytest.mark.parametrize(
    ("name", "base"), [("figure_5", 2), ("max_cell", 8), ("nas_cell", 8), ("lstm", 8)]
)
def test_an_architectures_text_says_its_base_with_bars_or_without(name, base):
    text = str(PUBLISHED[name].architecture)
    cell = read_cell(text)
    assert (cell.name, cell.architecture, cell.space.base) == ("cell", text, base)
    assert read_cell(text.replace(" | ", "  ")) == cell
    assert described(cell).startswith(f"cell of base {base}\nh(t) =\n")


def test_a_published_name_is_drawn():
    assert described(read_cell("figure_5")).splitlines()[1] == "h(t) ="


def stored_search(directory, architectures):
    """A search's workdir with completed trials, rewards rising."""
    directory.mkdir()
    with contextlib.closing(TrialStore(directory / "trials.sqlite")) as store:
        for number, text in enumerate(architectures):
            running = Trial(number, text, 0, "running", -1.5, 0, None, seed=7)
            store.add([running])
            values = {"status": "completed", "reward": float(number)}
            store.finish(dataclasses.replace(running, **values))
    return directory


def test_a_searchs_workdir_is_its_best_cell(tmp_path):
    other = BASE_2.replace("tanh", "relu")
    place = stored_search(tmp_path / "found_here", [other, BASE_2])
    cell = read_cell(str(place))
    assert (cell.name, cell.architecture) == ("found", BASE_2)
    assert cell.title == "cell of base 2, the best of found_here"
    assert [path.name for path in place.iterdir()] == ["trials.sqlite"]  # it may be read alone


def test_cells_of_one_kind_get_names_of_their_own():
    other = BASE_2.replace("tanh", "relu")
    assert [cell.name for cell in read_cells((BASE_2, "lstm", other))] == ["cell", "lstm", "cell_2"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("lsmt",), "--cell=lsmt: no such cell; there are lstm, rnn, gru,"),
        (("add tanh",), "has 2 words; an architecture's text has 10 (base 2), 18 (base 4), 34"),
        ((BASE_2.replace("tanh", "tan"),), "'tan'"),
        (("lstm", "lstm"), "--cell=lstm is there twice"),
        (("nothing/model.keras",), "--cell=nothing/model.keras: no such file"),
        ((".",), "--cell=. is neither a search's workdir nor a training's"),
    ],
)
def test_what_is_no_cell_is_one_clear_line(texts, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        read_cells(texts)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_trained_models_in_directories_of_one_name_get_names_of_their_own(tmp_path):
    description = {
        "kind": "language_model",
        "architecture": "baseline_lstm",
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
        f"--cell={place} is a search of no recurrent cells; its best: 3 3 - 24 | 7 3 - 6"
    )


def test_a_search_without_a_completed_trial_is_one_clear_line(tmp_path):
    place = stored_search(tmp_path / "empty", [])
    with pytest.raises(InputError, match="no trial of this search is completed"):
        read_cell(str(place))
