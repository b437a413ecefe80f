"""Drawings of architectures."""

import pytest

from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.convolutional import LAYER_TYPES, ConvolutionalSpace
from nas_with_rl.search_spaces.drawing import draw, draw_convnet
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.published import published
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips


def test_figure_5_as_a_tree():
    text = "add tanh | elem_mult relu | elem_mult sigmoid | add relu | 1 0"
    architecture = parse_architecture(text, RecurrentCellSpace(base=2).search_space())
    assert draw(architecture).splitlines() == [
        "h(t) =",
        "[2] = sigmoid([0] ⊙ [1])",
        "├─ [0] = tanh(x·W + h·U), then relu([0] + c(t-1))",
        "└─ [1] = relu(x·W ⊙ h·U)  → c(t), before the activation",
    ]


def test_a_convnet_as_its_layers():
    space = ConvolutionalSpace().search_space(3)
    architecture = parse_architecture("3 3 - 36 | 5 1 1 48 | 7 7 1,2 24", space)
    assert draw(architecture).splitlines() == [
        "layer  1: 3x3 convolution, 36 filters, of the image",
        "layer  2: 5x1 convolution, 48 filters, of layer 1",
        "layer  3: 7x7 convolution, 24 filters, of layers 1, 2",
    ]


def test_a_learning_rate_strides_and_types_of_layer():
    space = ConvolutionalSpace(
        strides=(1, 2, 3), learning_rates=(0.1, 0.01), layer_types=tuple(LAYER_TYPES)
    ).search_space(5)
    text = (
        "0.01 | convolution 3 5 1 2 - 36 | max_pooling 2 2 1 | average_pooling 3 1 2"
        " | local_contrast_normalization 9 1,3 | batch_normalization -"
    )
    assert draw(parse_architecture(text, space)).splitlines() == [
        "learning rate 0.01",
        "layer  1: 3x5 convolution, stride 1x2, 36 filters, of the image",
        "layer  2: 2x2 max pooling, stride 2, of layer 1",
        "layer  3: 3x3 average pooling, stride 1, of layer 2",
        "layer  4: 9x9 local contrast normalization, of layers 1, 3",
        "layer  5: batch normalization, of the image",
    ]


def test_blocks_as_predicted_and_as_built():
    space = ConvolutionalSpace(block_size=2, pool_after=(3,), extra_filters=40)
    architecture = parse_architecture("3 3 - 24 | 5 1 1 36", space.search_space(2))
    assert draw(architecture).splitlines() == [
        "2 convolutions to a block, each of all earlier ones in it",
        "block  1: 3x3 convolution, 24 filters, of the image",
        "block  2: 5x1 convolution, 36 filters, of block 1",
    ]
    assert draw_convnet(space.convnet(architecture)).splitlines() == [
        "layer  1: 3x3 convolution, 64 filters, of the image",
        "layer  2: 3x3 convolution, 64 filters, of layer 1",
        "layer  3: 5x1 convolution, 76 filters, of layer 2",
        "          2x2 max pooling, stride 2, of all so far",
        "layer  4: 5x1 convolution, 76 filters, of layer 3",
    ]


def test_a_cell_with_max():
    lines = draw(published("max_cell").architecture).splitlines()
    assert lines[4] == "│  │  ├─ [0] = tanh(max(x·W, h·U)), then ([0] + c(t-1))"
    assert lines[5] == "│  │  └─ [1] = max(x·W, h·U)"


def test_any_other_architecture_as_its_decisions():
    space = SearchSpace((Choice("units", (8, 16)),), (Choice("type", ("a", "b")), Skips()), 2)
    assert draw(parse_architecture("16 | a - | b 1", space)).splitlines() == [
        "units: 16",
        "type: ('a', 'b')",
        "inputs: ((), (1,))",
    ]


class Wheels:
    """A reader as a user may have one."""

    noun = "cart"

    def draw(self, architecture):
        return "o" * architecture["wheels"]


@pytest.mark.parametrize("name", ["carts", "convolutional", "recurrent_cell_base_mine"])
def test_a_space_of_ones_own_is_drawn_by_its_reader_whatever_its_name(name):
    decisions = [Choice("wheels", (2, 4))]
    architecture = parse_architecture("4", SearchSpace(decisions, name=name, reader=Wheels()))
    assert draw(architecture) == "oooo" and architecture.space.noun == "cart"
    assert draw(parse_architecture("4", SearchSpace(decisions, name=name))) == "wheels: 4"


def test_a_reader_that_does_not_draw_is_refused():
    with pytest.raises(InputError, match=r"reader is 3, which has no draw\(architecture\)"):
        SearchSpace([Choice("wheels", (2, 4))], reader=3)
