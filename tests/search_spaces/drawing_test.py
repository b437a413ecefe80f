"""Drawings of architectures."""

from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.drawing import draw
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace


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
