"""Cells and ConvNets for one's own code, by name, text, architecture or workdir."""

import shutil
import sqlite3
from pathlib import Path

import keras
import numpy as np
import pytest

import nas_with_rl as nas
from nas_with_rl.child_models.cells.tree_cell import TreeCell
from nas_with_rl.child_models.saved_models import describe_model
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.published import PUBLISHED
from nas_with_rl.search_spaces.recurrent_cell import cell_of

BEFORE = Path(__file__).resolve().parents[2] / "harness" / "workdirs_before"
FIGURE_5 = PUBLISHED["figure_5"].architecture
SEARCH, TRAINING = BEFORE / "finished_search_of_convnets", BEFORE / "training"


def weights(layer):
    return sum(int(np.prod(weight.shape)) for weight in layer.weights)


@pytest.mark.parametrize(
    "found",
    ["figure_5", str(FIGURE_5), f"  {FIGURE_5} ", FIGURE_5],
    ids=["name", "text", "blanks", "architecture"],
)
def test_a_cell_by_its_name_its_text_or_as_an_architecture(found):
    made = nas.cell(found, 3)
    assert isinstance(made, TreeCell) and made.units == 3
    assert made.cell == cell_of(FIGURE_5)
    outputs = keras.layers.RNN(made)(np.zeros((2, 4, 5), np.float32))
    assert outputs.shape == (2, 3)


def test_a_designed_cell_is_kerass():
    made = nas.cell("lstm", np.int64(3))
    assert isinstance(made, keras.layers.LSTMCell)
    keras.layers.RNN(made)(np.zeros((2, 4, 5), np.float32))
    assert weights(made) == 4 * 3 * (5 + 3 + 1)


def test_a_cell_of_a_training_and_its_model():
    path = BEFORE / "exploration" / "rnn"
    for found in (path, str(path / "model.keras")):
        assert type(nas.cell(found, 2)).__name__ == "BasicRNNCell"


def test_a_convnet_by_its_name():
    made = nas.convnet("figure_7")
    assert made.input_shape == (None, 32, 32, 3) and made.output_shape == (None, 10)
    assert sum(int(np.prod(w.shape)) for w in made.trainable_variables) == 4_201_630


def test_a_convnet_is_built_by_the_space_that_is_given():
    space = nas.ConvolutionalSpace(strides=(1, 2), width_multiplier=0.5)
    architecture = nas.parse_architecture("3 1 2 1 - 36", space.search_space())
    for found, given in (("3 1 2 1 - 36", space), (architecture, None)):
        made = nas.convnet(found, space=given, image_shape=(8, 6, 1), num_classes=3)
        assert made.get_layer("layer_1_convolution").kernel.shape == (3, 1, 1, 18)
        assert made.get_layer("layer_1_relu").output.shape == (None, 4, 6, 18)
        assert made.output_shape == (None, 3)
    whole = nas.convnet(architecture, space=nas.ConvolutionalSpace(strides=(1, 2)))
    assert whole.get_layer("layer_1_convolution").filters == 36


def test_a_convnet_of_a_run_has_the_shape_of_its_images():
    best = nas.convnet(SEARCH)
    assert best.input_shape == (None, 8, 8, 1) and best.output_shape == (None, 10)
    trained = nas.load_model(TRAINING / "model.keras")
    for found in (TRAINING, TRAINING / "model.keras"):
        made = nas.convnet(found)
        assert [w.shape for w in made.weights] == [w.shape for w in trained.weights]
    assert describe_model(TRAINING / "model.keras").kind == "convnet"


def test_equal_seeds_have_equal_weights():
    one, same, other = (nas.convnet("3 3 - 24", seed=seed) for seed in (1, 1, 2))
    for left, right in zip(one.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert np.abs(one.get_weights()[0] - other.get_weights()[0]).max() > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nas.cell("lstmm", 3), "cell 'lstmm': no such cell; there are lstm"),
        (lambda: nas.cell("add tanh", 3), "cell 'add tanh' has 2 words; an architecture's has"),
        (lambda: nas.cell(SEARCH, 3), "is a search of no recurrent cells; its best"),
        (lambda: nas.cell(TRAINING, 3), "is no language model$"),
        (lambda: nas.cell(BEFORE, 3), "is neither a search's workdir nor a training's"),
        (lambda: nas.cell("nas_cell", 0), "units is 0, below 1"),
        (lambda: nas.cell("nas_cell", 1.5), "units is 1.5, not an integer"),
        (lambda: nas.cell(7, 3), "7 is no name, text, path or Architecture"),
        (lambda: nas.cell(PUBLISHED["figure_7"].architecture, 3), "is no recurrent cell"),
        (lambda: nas.convnet("nas_cell"), "'nas_cell' is a recurrent cell, which nas.cell makes"),
        (lambda: nas.convnet("figure_9"), "no such published architecture; there are figure_7"),
        (lambda: nas.convnet("3 4 - 24"), "filter_width is '4', not one of 1, 3, 5, 7"),
        (lambda: nas.convnet(FIGURE_5), "is no ConvNet"),
        (lambda: nas.convnet(BEFORE / "exploration" / "rnn"), "is a run of no ConvNets"),
        (lambda: nas.convnet(BEFORE), "is no workdir of a run: no experiment.json"),
        (lambda: nas.convnet(None), "None is no name, text, path or Architecture"),
        (lambda: nas.convnet("figure_7", image_shape=(8, 8)), r"not \(height, width, channels\)"),
        (lambda: nas.convnet("figure_7", image_shape=(8, 0, 1)), "image_shape is 0, below 1"),
        (lambda: nas.convnet("figure_7", num_classes=0), "num_classes is 0, below 1"),
        (lambda: nas.convnet("figure_7", space=FIGURE_5.space), "no ConvolutionalSpace"),
    ],
)
def test_what_cannot_be_built_is_one_line_of_pythons_words(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text and "--" not in text


def test_a_search_whose_children_all_failed_has_no_best(tmp_path):
    shutil.copytree(SEARCH, tmp_path / "run")
    store = tmp_path / "run" / "trials.sqlite"
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE trials SET status = 'failed'")
    with pytest.raises(InputError, match="no trial of this search is completed"):
        nas.convnet(tmp_path / "run")
