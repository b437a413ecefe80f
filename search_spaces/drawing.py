"""Architectures as text that a person reads at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.convnet import (
    ConvNet,
    ConvolutionalLayer,
    Layer,
    LocalContrastNormalizationLayer,
    PoolingLayer,
)

if TYPE_CHECKING:  # which draws by this module
    from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell


def draw(architecture: Architecture) -> str:
    """Return an architecture as lines of text: a cell as its tree, a ConvNet as its layers.

    A ConvNet's layers are drawn as they were predicted; what its `ConvolutionalSpace` makes of
    them (blocks, pooling, other numbers of filters) is `draw_convnet`'s. An architecture whose
    space has no reader is drawn as its decisions.
    """
    reader = architecture.space.reader
    return reader.draw(architecture) if reader else draw_decisions(architecture)


def draw_decisions(architecture: Architecture) -> str:
    """Return a line for each decision."""
    return "\n".join(f"{name}: {value}" for name, value in architecture.written().items())


def draw_blocks(
    layers: Sequence[Layer], block_size: int, *, learning_rate: float | None = None
) -> str:
    """Return predictions as lines of text, of which each stands for a block of convolutions.

    Args:
      layers: what was predicted for each block; `inputs` count blocks.
      block_size: convolutions in a block.
      learning_rate: if it was predicted.
    """
    lines = [_layer_line(number, layer, "block") for number, layer in enumerate(layers, 1)]
    heading = f"{block_size} convolutions to a block, each of all earlier ones in it"
    return "\n".join([*_rate_lines(learning_rate), heading, *lines])


def draw_convnet(convnet: ConvNet) -> str:
    """Return a ConvNet as lines of text: its learning rate, its layers, its pooling."""
    lines = _rate_lines(convnet.learning_rate)
    for number, layer in enumerate(convnet.layers, 1):
        lines.append(_layer_line(number, layer, "layer"))
        if number in convnet.pool_after:
            lines.append("          2x2 max pooling, stride 2, of all so far")
    return "\n".join(lines)


def _rate_lines(learning_rate: float | None) -> list[str]:
    return [] if learning_rate is None else [f"learning rate {learning_rate}"]


def _layer_line(number: int, layer: Layer, unit: str) -> str:
    inputs = ", ".join(map(str, layer.inputs))
    source = f"{unit}{'s' * (len(layer.inputs) > 1)} {inputs}" if inputs else "the image"
    return f"{unit} {number:2}: {_layer_text(layer)}, of {source}"


def _layer_text(layer: Layer) -> str:
    if isinstance(layer, ConvolutionalLayer):
        strides = (layer.stride_height, layer.stride_width)
        stride = "" if strides == (1, 1) else f"stride {strides[0]}x{strides[1]}, "
        shape = f"{layer.filter_height}x{layer.filter_width}"
        return f"{shape} convolution, {stride}{layer.filters} filters"
    if isinstance(layer, PoolingLayer):
        size, kind = layer.pool_size, layer.kind.replace("_", " ")
        return f"{size}x{size} {kind}, stride {layer.pool_stride}"
    if isinstance(layer, LocalContrastNormalizationLayer):
        return f"{layer.window}x{layer.window} local contrast normalization"
    return "batch normalization"


def draw_cell(cell: RecurrentCell) -> str:
    """Return a cell as a tree, its root h_t on top.

    ⊙ is the element-wise product; each leaf has its own W and U. "→ c(t)" marks the node whose
    value before activation is the new cell state.
    """
    root = len(cell.nodes) - 1
    lines: list[str] = []

    def visit(index: int, lead: str, branch: str) -> None:
        lines.append(f"{lead}{branch}{_node_text(cell, index)}")
        if index < cell.base:
            return
        deeper = lead + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
        left, right = cell.inputs_of(index)
        visit(left, deeper, "├─ ")
        visit(right, deeper, "└─ ")

    lines.append("h(t) =")
    visit(root, "", "")
    return "\n".join(lines)


def _node_text(cell: RecurrentCell, index: int) -> str:
    node = cell.nodes[index]
    operands = ("x·W", "h·U")
    if index >= cell.base:
        operands = tuple(f"[{child}]" for child in cell.inputs_of(index))  # type: ignore[assignment]
    text = f"[{index}] = {_applied(node, *operands)}"
    if index == cell.inject_node:
        text += f", then {_applied(cell.inject, f'[{index}]', 'c(t-1)')}"
    if index == cell.output_node:
        text += "  → c(t), before the activation"
    return text


def _applied(node: Node, left: str, right: str) -> str:
    sign = {"add": " + ", "elem_mult": " ⊙ ", "max": ", "}[node.combination]
    combined = f"{'max' * (node.combination == 'max')}({left}{sign}{right})"
    if node.activation == "identity":
        return combined
    nested = f"({combined})" if combined.startswith("max") else combined
    return f"{node.activation}{nested}"
