"""Architectures as text that a person reads at a glance."""

from __future__ import annotations

from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalLayer, layers_of
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell, cell_of


def draw(architecture: Architecture) -> str:
    """Return an architecture as lines of text: a cell as its tree, a ConvNet as its layers."""
    names = {d.name for d in architecture.space.decisions + architecture.space.layer_decisions}
    if "cell_indices/output" in names:
        return draw_cell(cell_of(architecture))
    if {"filter_height", "filter_width", "filters"} <= names:
        return "\n".join(
            _layer_line(number, layer) for number, layer in enumerate(layers_of(architecture), 1)
        )
    return "\n".join(f"{d.name}: {architecture[d.name]}" for d in architecture.space.decisions)


def _layer_line(number: int, layer: ConvolutionalLayer) -> str:
    inputs = ", ".join(map(str, layer.inputs))
    source = f"layer{'s' * (len(layer.inputs) > 1)} {inputs}" if inputs else "the image"
    shape = f"{layer.filter_height}x{layer.filter_width}"
    return f"layer {number:2}: {shape} convolution, {layer.filters} filters, of {source}"


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
    sign = {"add": "+", "elem_mult": "⊙"}.get(node.combination, node.combination)
    name = "" if node.activation == "identity" else node.activation
    return f"{name}({left} {sign} {right})"
