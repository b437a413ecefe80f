"""The architectures that the paper prints (Zoph & Le, 2016, Figures 5, 7 and 8), by name.

A binary takes such a name wherever it takes an architecture's text (`read_architecture`), and the
name of a cell that people designed: `lstm` and the like are no trees, see
`child_models.cells.known_cells`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from nas_with_rl.search_spaces.architecture import Architecture, parse_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError, shown
from nas_with_rl.search_spaces.recurrent_cell import (
    ACTIVATIONS,
    BASES,
    COMBINATIONS,
    RecurrentCellSpace,
)
from nas_with_rl.search_spaces.space import SearchSpace


class Space(Protocol):
    """The choices of a space, as a `ConvolutionalSpace`, or the space itself."""

    def search_space(self) -> SearchSpace:
        """Return the decisions; with one layer, where layers can be of any number."""


# Filter height, filter width, inputs, filters. The figure draws the arrow from 1 to 10 twice.
_FIGURE_7 = (
    "3 3 - 36 | 3 3 1 48 | 3 3 1,2 36 | 5 5 1,2,3 36 | 3 7 3,4 48 | 7 7 2,3,4,5 48"
    " | 7 7 2,3,4,5,6 48 | 7 3 1,6,7 36 | 7 1 1,5,6,8 36 | 7 7 1,3,4,5,6,7,8,9 36"
    " | 5 7 1,2,5,6,7,8,9,10 36 | 7 7 1,2,3,4,6,11 48 | 7 5 1,3,6,7,8,9,10,11,12 48"
    " | 7 5 3,7,12,13 48 | 7 5 2,7,11,12,13,14 48"
)
# Node by node, leaves first; then the cell inject; then where c_t is read and c_(t-1) enters.
_NAS_CELL = (
    "add sigmoid | add relu | add sigmoid | elem_mult relu"
    " | add tanh | add sigmoid | add tanh | add sigmoid"
    " | elem_mult tanh | add tanh | elem_mult tanh | add sigmoid"
    " | elem_mult identity | add tanh | elem_mult tanh | add tanh | 12 8"
)
# Which leaf is which is free: a tree with subtrees exchanged is the same cell.
_MAX_CELL = (
    "max tanh | max identity | add tanh | add relu"
    " | add tanh | add identity | add tanh | max tanh"
    " | add identity | add sigmoid | add sigmoid | add sigmoid"
    " | elem_mult identity | elem_mult sigmoid | elem_mult tanh | add identity | 12 0"
)
_FIGURE_5 = "add tanh | elem_mult relu | elem_mult sigmoid | add relu | 1 0"
# Figure 8's LSTM is no balanced tree. In one, the forget gate is the sum of leaves 2 and 3, the
# output gate that of leaves 4 to 7: more weights than it needs.
_LSTM = (
    "add sigmoid | add tanh | add identity | add identity"
    " | add identity | add identity | add identity | add identity"
    " | elem_mult identity | add sigmoid | add identity | add identity"
    " | add tanh | add sigmoid | elem_mult identity | elem_mult identity | 12 9"
)

FIGURE_8_LSTM = "figure_8_lstm"
# Before, the designed cells had a prefix, and the tree of Figure 8 the name of Keras's LSTM.
_OLD_PREFIX, _OLD_FIGURE_8_LSTM = "baseline_", "lstm"


@dataclasses.dataclass(frozen=True)
class Published:
    """An architecture from the paper.

    Attributes:
      name: as `--architecture` takes it.
      title: what it is, with the figure.
      architecture: in the space that the paper found it in.
    """

    name: str
    title: str
    architecture: Architecture


def _published() -> Mapping[str, Published]:
    convnets, base_8 = ConvolutionalSpace().search_space(15), RecurrentCellSpace(8).search_space()
    max_and_sin = RecurrentCellSpace(8, COMBINATIONS, ACTIVATIONS).search_space()
    base_2 = RecurrentCellSpace(2).search_space()
    dense = _with_inputs(_FIGURE_7, lambda layer: range(1, layer))
    chain = _with_inputs(_FIGURE_7, lambda layer: range(max(layer - 1, 1), layer))
    rows: tuple[tuple[str, str, str, SearchSpace], ...] = (
        ("figure_7", "the ConvNet without strides or pooling (Figure 7)", _FIGURE_7, convnets),
        ("figure_7_dense", "Figure 7 with all layers connected (section 4.1)", dense, convnets),
        ("figure_7_no_skips", "Figure 7 without skip connections (section 4.1)", chain, convnets),
        ("nas_cell", "the cell found on the Penn Treebank (Figure 8)", _NAS_CELL, base_8),
        ("max_cell", "the cell found with max and sin (Figure 8)", _MAX_CELL, max_and_sin),
        ("figure_5", "the worked example with base 2 (Figure 5)", _FIGURE_5, base_2),
        (FIGURE_8_LSTM, "the LSTM (Figure 8), written with base 8", _LSTM, base_8),
    )
    return MappingProxyType(
        {
            name: Published(name, title, parse_architecture(text, space))
            for name, title, text, space in rows
        }
    )


def _with_inputs(text: str, inputs: Callable[[int], range]) -> str:
    """Return a ConvNet's text with other skip connections."""
    layers = []
    for number, layer in enumerate(text.split(" | "), start=1):
        height, width, _, filters = layer.split()
        layers.append(f"{height} {width} {','.join(map(str, inputs(number))) or '-'} {filters}")
    return " | ".join(layers)


PUBLISHED: Mapping[str, Published] = _published()


def published(name: str) -> Published:
    """Return the published architecture of that name; InputError where there is none."""
    if name not in PUBLISHED:
        raise InputError(
            f"architecture {shown(name)}: no such published architecture; there are "
            f"{', '.join(PUBLISHED)}"
        )
    return PUBLISHED[name]


def current_name(text: str) -> str:
    """Return an architecture's name or text as it is now: `gru` was `baseline_gru`."""
    return text.removeprefix(_OLD_PREFIX)


def with_current_names(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run keeps of its training with today's `architecture` and `named`."""
    current = {**stored}
    for key in ("architecture", "named"):
        if isinstance(value := current.get(key), str):
            current[key] = current_name(value)
    if current.get("named") == _OLD_FIGURE_8_LSTM != current.get("architecture"):
        current["named"] = FIGURE_8_LSTM
    return current


def current_names(old: Sequence[str]) -> tuple[str, ...]:
    """Return today's name or text of each that was given when `lstm` was the tree of Figure 8."""
    return tuple(
        FIGURE_8_LSTM if text == _OLD_FIGURE_8_LSTM else current_name(text) for text in old
    )


def names_taken(texts: Sequence[str]) -> tuple[str, ...]:
    """Return a line for each name that was another one, or another architecture's, before."""
    lines = []
    for name in dict.fromkeys(map(str.strip, texts)):
        if name != current_name(name):
            lines.append(f"{name} is taken for {current_name(name)}, as it is called now")
        elif name == _OLD_FIGURE_8_LSTM:
            lines.append(f"{name} is Keras's LSTM; the tree of Figure 8 is {FIGURE_8_LSTM}")
    return tuple(lines)


def read_architecture(
    text: str, space: Space, *, further_names: Sequence[str] = ()
) -> Architecture:
    """Read an architecture: a published one's name, or a line of text of any depth or base.

    Args:
      text: the name, or what `str(architecture)` writes.
      space: what the text belongs to; a cell may have another base. A published architecture keeps
        the space it was found in, which need not be this one, but has to be of its kind.
      further_names: what else a name may be, for the error message.

    Raises:
      InputError: a name that is none, or of another kind than the space; a text that the space
        cannot read.
    """
    name = text.strip()
    if name in PUBLISHED:
        _check_kind(name, space)
        return PUBLISHED[name].architecture
    own = _of_its_base(name, space).search_space()
    if len(name.split()) == 1 and len(own.steps) > 1:
        known = ", ".join((*PUBLISHED, *further_names))
        raise InputError(
            f"architecture {shown(name)}: no such published architecture; there are {known}"
        )
    return parse_architecture(text, own, any_depth=True)


def _of_its_base(text: str, space: Space) -> Space:
    """Return the space of cells with as many leaves as a text has; others as they are."""
    base = text.count("|") // 2  # 2 · base - 1 nodes, the cell inject and the cell indices
    if not isinstance(space, RecurrentCellSpace) or base not in BASES:
        return space
    return dataclasses.replace(space, base=base)


def _check_kind(name: str, space: Space) -> None:
    kind, wanted = PUBLISHED[name].architecture.space.noun, space.search_space().noun
    if kind != wanted:
        raise InputError(f"architecture {name!r} is a {kind}, the space has {wanted}s")
    if isinstance(space, ConvolutionalSpace) and space.block_size > 1:
        raise InputError(
            f"architecture {name!r} says what each layer is, the space predicts "
            f"blocks of {space.block_size} convolutions (block_size)"
        )
