"""The published architectures, token by token, and how binaries read architectures."""

import numpy as np
import pytest

from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.convolutional import LAYER_TYPES, ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.published import (
    PUBLISHED,
    current_names,
    names_taken,
    published,
    read_architecture,
    with_current_names,
)
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCellSpace, cell_of

# Zoph & Le (2016), Figure 7: filter height, filter width, filters, inputs of each layer.
FIGURE_7 = (
    (3, 3, 36, ()),
    (3, 3, 48, (1,)),
    (3, 3, 36, (1, 2)),
    (5, 5, 36, (1, 2, 3)),
    (3, 7, 48, (3, 4)),
    (7, 7, 48, (2, 3, 4, 5)),
    (7, 7, 48, (2, 3, 4, 5, 6)),
    (7, 3, 36, (1, 6, 7)),
    (7, 1, 36, (1, 5, 6, 8)),
    (7, 7, 36, (1, 3, 4, 5, 6, 7, 8, 9)),
    (5, 7, 36, (1, 2, 5, 6, 7, 8, 9, 10)),
    (7, 7, 48, (1, 2, 3, 4, 6, 11)),
    (7, 5, 48, (1, 3, 6, 7, 8, 9, 10, 11, 12)),
    (7, 5, 48, (3, 7, 12, 13)),
    (7, 5, 48, (2, 7, 11, 12, 13, 14)),
)
# The cells as the controller writes them: combination and activation of each node, leaves first,
# of the cell inject, then both cell indices.
CELLS = {
    "nas_cell": (
        "add sigmoid add relu add sigmoid elem_mult relu add tanh add sigmoid add tanh "
        "add sigmoid elem_mult tanh add tanh elem_mult tanh add sigmoid elem_mult identity "
        "add tanh elem_mult tanh add tanh 12 8"
    ),
    "max_cell": (
        "max tanh max identity add tanh add relu add tanh add identity add tanh max tanh "
        "add identity add sigmoid add sigmoid add sigmoid elem_mult identity elem_mult sigmoid "
        "elem_mult tanh add identity 12 0"
    ),
    "figure_5": "add tanh elem_mult relu elem_mult sigmoid add relu 1 0",
    "figure_8_lstm": (
        "add sigmoid add tanh add identity add identity add identity add identity add identity "
        "add identity elem_mult identity add sigmoid add identity add identity add tanh "
        "add sigmoid elem_mult identity elem_mult identity 12 9"
    ),
}


def layers(name: str) -> list[tuple]:
    convnet = ConvolutionalSpace().convnet(published(name).architecture)
    return [(x.filter_height, x.filter_width, x.filters, x.inputs) for x in convnet.layers]


def test_there_are_seven():
    assert list(PUBLISHED) == [
        "figure_7", "figure_7_dense", "figure_7_no_skips",
        "nas_cell", "max_cell", "figure_5", "figure_8_lstm",
    ]  # fmt: skip
    assert all(entry.name == name and "Figure" in entry.title for name, entry in PUBLISHED.items())


def test_figure_7_and_its_two_perturbations():
    assert layers("figure_7") == list(FIGURE_7)
    edges = sum(len(inputs) for *_, inputs in FIGURE_7)
    assert edges == 65  # 14 from layer to layer and 51 skips
    sizes = [row[:3] for row in FIGURE_7]
    assert [row[:3] for row in layers("figure_7_dense")] == sizes
    assert [row[3] for row in layers("figure_7_dense")] == [
        tuple(range(1, n)) for n in range(1, 16)
    ]
    assert [row[:3] for row in layers("figure_7_no_skips")] == sizes
    assert [row[3] for row in layers("figure_7_no_skips")] == [(), *((n,) for n in range(1, 15))]


@pytest.mark.parametrize("name", CELLS)
def test_the_cells_token_by_token(name):
    architecture = published(name).architecture
    assert str(architecture).replace(" |", "") == CELLS[name]
    assert len(architecture.tokens) == {"figure_5": 10}.get(name, 34)


def test_only_the_max_cell_needs_the_larger_space_and_it_has_no_sin():
    for name in CELLS:
        cell = cell_of(published(name).architecture)
        combinations = {node.combination for node in (*cell.nodes, cell.inject)}
        assert ("max" in combinations) == (name == "max_cell")
        assert all(node.activation != "sin" for node in (*cell.nodes, cell.inject))
    cell = cell_of(published("max_cell").architecture)
    assert [i for i, node in enumerate(cell.nodes) if node.combination == "max"] == [0, 1, 7]
    assert cell.nodes[7] == Node("max", "tanh")
    assert published("max_cell").architecture.space.size == 15**16 * 225
    assert published("nas_cell").architecture.space == RecurrentCellSpace(8).search_space()


@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("figure_7", ConvolutionalSpace()),
        (" figure_7_dense\n", ConvolutionalSpace(strides=(1, 2, 3), filters=(6, 12))),
        ("figure_7_no_skips", ConvolutionalSpace(layer_types=tuple(LAYER_TYPES))),
        ("nas_cell", RecurrentCellSpace(8)),
        ("max_cell", RecurrentCellSpace(8)),  # it keeps its own space
        ("figure_5", RecurrentCellSpace(8)),
    ],
)
def test_a_name_stands_for_the_architecture(name, space):
    assert read_architecture(name, space) == PUBLISHED[name.strip()].architecture


def test_a_line_of_text_of_any_depth():
    space = ConvolutionalSpace(learning_rates=(0.1, 0.01), layer_types=tuple(LAYER_TYPES))
    for depth in (1, 3, 20):
        architecture = random_architecture(space.search_space(depth), np.random.default_rng(depth))
        assert read_architecture(str(architecture), space) == architecture
    text = CELLS["figure_5"]
    assert str(read_architecture(text, RecurrentCellSpace(2))).replace(" |", "") == text
    one_word = ConvolutionalSpace(layer_types=("batch_normalization",), skips=False)
    assert read_architecture("batch_normalization", one_word).tokens == (0,)


@pytest.mark.parametrize(
    ("text", "space", "message"),
    [
        (
            "figure_8",
            ConvolutionalSpace(),
            "architecture 'figure_8': no such published architecture; there are figure_7, "
            "figure_7_dense, figure_7_no_skips, nas_cell, max_cell, figure_5, figure_8_lstm",
        ),
        ("nascell", RecurrentCellSpace(8), "architecture 'nascell': no such published"),
        ("x" * 5000, RecurrentCellSpace(8), "xxx…: no such published"),
        ("x\0\ud800", RecurrentCellSpace(8), r"architecture 'x\x00\ud800': no such published"),
        (
            "nas_cell",
            ConvolutionalSpace(),
            "'nas_cell' is a recurrent cell, the space has ConvNets",
        ),
        (
            "figure_7",
            RecurrentCellSpace(8),
            "'figure_7' is a ConvNet, the space has recurrent cells",
        ),
        (
            "figure_7",
            NasBench201Space(),
            "'figure_7' is a ConvNet, the space has NAS-Bench-201 cells",
        ),
        (
            "figure_7",
            ConvolutionalSpace(block_size=3),
            "'figure_7' says what each layer is, the space predicts blocks of 3",
        ),
        ("3 3 - 40", ConvolutionalSpace(), "layer 1, filters is '40', not one of 24, 36, 48, 64"),
        ("", ConvolutionalSpace(), "missing token for layer 1, filter_height"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(text, space, message):
    with pytest.raises(InputError) as error:
        read_architecture(text, space)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_name_that_was_another_is_said_to_be_taken():
    assert names_taken(("nas_cell", "gru", "add tanh", "")) == ()
    assert names_taken(("baseline_gru", " lstm ", "baseline_gru")) == (
        "baseline_gru is taken for gru, as it is called now",
        "lstm is Keras's LSTM; the tree of Figure 8 is figure_8_lstm",
    )
    assert current_names(("baseline_lstm", "lstm", "figure_5", "1 1 - 4")) == (
        *("lstm", "figure_8_lstm", "figure_5", "1 1 - 4"),
    )


@pytest.mark.parametrize(
    ("stored", "current"),
    [
        (("baseline_lstm", "baseline_lstm"), ("lstm", "lstm")),
        (("lstm", "lstm"), ("lstm", "lstm")),
        (("add tanh | 1 0", "lstm"), ("add tanh | 1 0", "figure_8_lstm")),
        (("add tanh | 1 0", "figure_8_lstm"), ("add tanh | 1 0", "figure_8_lstm")),
        (("add tanh | 1 0", None), ("add tanh | 1 0", None)),
        ((3, None), (3, None)),
    ],
)
def test_what_a_run_has_kept_is_read_with_todays_names(stored, current):
    given = dict(zip(("architecture", "named"), stored, strict=True), seed=1)
    assert with_current_names(given) == {"architecture": current[0], "named": current[1], "seed": 1}
    assert with_current_names({"seed": 1}) == {"seed": 1}
