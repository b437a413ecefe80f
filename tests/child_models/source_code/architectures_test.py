"""Architectures as files of plain Keras: equal to what is built here, where this project is not."""

import ast
import shutil

import keras
import numpy as np
import pytest

import nas_with_rl as nas
from nas_with_rl.child_models.cells.operations import ACTIVATION_FUNCTIONS, COMBINATION_FUNCTIONS
from nas_with_rl.child_models.cells.tree_cell import TreeCell
from nas_with_rl.child_models.convnets.builder import build_convnet
from nas_with_rl.child_models.source_code.cells import ACTIVATION_CODE, COMBINATION_CODE
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.convolutional import LAYER_TYPES, ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.published import PUBLISHED
from nas_with_rl.search_spaces.recurrent_cell import (
    ACTIVATIONS,
    BASES,
    COMBINATIONS,
    RecurrentCellSpace,
    cell_of,
)
from tests.harness.plain_keras import differences, write_case
from tests.harness.plain_keras_process import UNITS

pytestmark = pytest.mark.real_start  # a forked process has this project
CONVNETS = {
    "convolutional": ConvolutionalSpace(),
    "strides": ConvolutionalSpace(strides=(1, 2, 3), filters=(3, 5)),
    "learning_rate": ConvolutionalSpace(learning_rates=(0.1, 0.05), width_multiplier=0.1),
    "layer_types": ConvolutionalSpace(layer_types=tuple(LAYER_TYPES), strides=(1, 2)),
    "blocks": ConvolutionalSpace(
        filters=(6, 12), block_size=3, pool_after=(2, 4), width_multiplier=0.5, extra_filters=1
    ),
    "chain": ConvolutionalSpace(skips=False, strides=(2,), filters=(3, 4)),
}
CELLS = {f"base_{base}": RecurrentCellSpace(base) for base in BASES}
CELLS["base_8_max_sin"] = RecurrentCellSpace(8, COMBINATIONS, ACTIVATIONS)
IMAGES = np.random.default_rng(0).normal(size=(2, 9, 7, 3)).astype(np.float32)
SEQUENCES = np.random.default_rng(1).normal(size=(3, 4, 5)).astype(np.float32)
CASES = [
    pytest.param(5, id="five"),
    pytest.param(100, id="hundred", marks=pytest.mark.slow),
]


def built_cell(architecture):
    """A model of one layer of the cell, which returns all that the layer does."""
    layer = keras.layers.RNN(
        TreeCell(cell_of(architecture), UNITS), return_sequences=True, return_state=True
    )
    inputs = keras.Input(SEQUENCES.shape[1:])
    flat = [keras.layers.Flatten()(each) for each in layer(inputs)]
    return keras.Model(inputs, keras.ops.concatenate(flat, axis=-1))


def built_convnet(architecture):
    convnet = architecture.space.reader.convnet(architecture)
    return build_convnet(convnet, image_shape=IMAGES.shape[1:], num_classes=3)


def with_other_weights(model, rng):
    """Give a model weights of which none is what it was made with."""

    def drawn(weight):
        if weight.name.startswith("moving"):
            return rng.uniform(0.5, 1.5, weight.shape)
        return weight + rng.normal(0, 0.1, weight.shape)

    model.set_weights([drawn(weight) for weight in model.weights])
    return model


def cases(space, count, folder):
    """Write cases of random architectures; return their folders."""
    rng = np.random.default_rng(count)
    folders = []
    for number in range(count):
        if space in CELLS:
            architecture = random_architecture(CELLS[space].search_space(), rng)
            model, inputs = built_cell(architecture), SEQUENCES
        else:
            depth = int(rng.integers(1, 3 if space == "blocks" else 6))
            architecture = random_architecture(CONVNETS[space].search_space(depth), rng)
            model, inputs = built_convnet(architecture), IMAGES
        folders.append(folder / f"{space}_{number}")
        model = with_other_weights(model, rng)
        write_case(folders[-1], architecture.source(), model, inputs, thorough=not number)
    return folders


@pytest.mark.parametrize("count", CASES)
def test_the_files_are_what_is_built_here(tmp_path, count):
    folders = [each for space in (*CELLS, *CONVNETS) for each in cases(space, count, tmp_path)]
    folders.append(changed(folders[0]))
    found = differences(folders)
    assert len(found) == count * (len(CELLS) + len(CONVNETS)) + 1
    assert found.pop("changed") > 1e-3  # of what is another cell
    assert {name: value for name, value in found.items() if value > 1e-6} == {}


@pytest.mark.slow
def test_they_run_on_another_backend(tmp_path):
    folders = [
        each
        for space in ("base_8_max_sin", "layer_types", "blocks")
        for each in cases(space, 2, tmp_path)
    ]
    assert {n: v for n, v in differences(folders, backend="jax").items() if v > 1e-5} == {}


def changed(folder):
    """Copy a case of a cell of base 2, with one node in the place of another."""
    copy = shutil.copytree(folder, folder.with_name("changed"))
    text = (copy / "found.py").read_text(encoding="utf-8")
    assert "return node_2, [" in text
    text = text.replace("return node_2, [", "return node_1, [")
    (copy / "found.py").write_text(text, encoding="utf-8")
    return copy


def test_every_operation_has_its_code():
    assert COMBINATION_CODE.keys() == COMBINATION_FUNCTIONS.keys()
    assert ACTIVATION_CODE.keys() == ACTIVATION_FUNCTIONS.keys()


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_files_read_as_files_do(name):
    """They say what they are, import Keras and NumPy alone, and no line is long."""
    architecture = PUBLISHED[name].architecture
    source = architecture.source()
    assert max(map(len, source.splitlines())) <= 100
    tree = ast.parse(source)
    first = " ".join((ast.get_docstring(tree) or "").split())
    assert str(architecture) in first
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {ast.unparse(each).split()[1] for each in imports} <= {"keras", "numpy"}
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert ("FoundCell" in names) != ("build" in names)
    assert nas.draw(architecture).splitlines()[-1].strip() in source


def test_what_is_not_built_here_has_no_file():
    own = nas.Architecture(nas.SearchSpace({"units": (16, 32)}), (1,))
    cell = random_architecture(NasBench201Space().search_space(), np.random.default_rng(0))
    for architecture in (own, cell):
        with pytest.raises(InputError, match="is no recurrent cell and no ConvNet"):
            architecture.source()
