"""The widths of a language model, and the hidden size that a number of parameters asks for."""

from __future__ import annotations

import bisect
import dataclasses

from nas_with_rl.child_models.cells.known_cells import Cell, cell_kind
from nas_with_rl.search_spaces.errors import InputError

TOLERANCE = 0.05  # how far from the wanted number of parameters a model may be


@dataclasses.dataclass(frozen=True)
class LanguageModelSize:
    """The widths of a model.

    Attributes:
      vocabulary: V.
      units: H.
      embedding_units: E; 0 for as many as units.
      tie_embeddings: the softmax's kernel is the embedding transposed (the paper's "shared
        embeddings": Inan et al., 2016; Press & Wolf, 2016).
      num_layers: recurrent layers, one above the other; the paper's models have two.
    """

    vocabulary: int
    units: int
    embedding_units: int = 0
    tie_embeddings: bool = False
    num_layers: int = 2

    def __post_init__(self) -> None:
        if self.num_layers < 1:
            raise InputError(f"num_layers is {self.num_layers}, below 1")
        if self.tie_embeddings and self.embedding_width != self.units:
            raise InputError(
                f"embedding_units is {self.embedding_units} and units {self.units}: "
                "tie_embeddings needs them equal (embedding_units 0)"
            )

    @property
    def embedding_width(self) -> int:
        """E, resolved."""
        return self.embedding_units or self.units

    @property
    def input_widths(self) -> tuple[int, ...]:
        """The width of each layer's input."""
        return (self.embedding_width, *(self.units,) * (self.num_layers - 1))


def num_parameters(cell: Cell, size: LanguageModelSize) -> int:
    """Return how many numbers a model trains, without building it."""
    kind = cell_kind(cell)
    recurrent = sum(kind.num_parameters(width, size.units) for width in size.input_widths)
    softmax_kernel = 0 if size.tie_embeddings else size.units * size.vocabulary
    embedding = size.vocabulary * size.embedding_width
    return embedding + recurrent + softmax_kernel + size.vocabulary


def tree_weight_shapes(size: LanguageModelSize, base: int) -> list[tuple[int, ...]]:
    """Return the shapes of a tree's model, in the order of `LanguageModel.trainable_variables`.

    Embedding, softmax bias, softmax kernel if it has its own, then each layer's kernel and
    recurrent kernel.

    Args:
      size: the widths.
      base: N, leaves of the tree.
    """
    shapes: list[tuple[int, ...]] = [(size.vocabulary, size.embedding_width), (size.vocabulary,)]
    if not size.tie_embeddings:
        shapes.append((size.units, size.vocabulary))
    for width in size.input_widths:
        shapes += [(width, base * size.units), (size.units, base * size.units)]
    return shapes


def tree_weight_names(size: LanguageModelSize) -> list[str]:
    """Return the names of the same weights, in the same order."""
    first = ["embedding", "softmax_bias", *([] if size.tie_embeddings else ["softmax_kernel"])]
    return [*first, *["kernel", "recurrent_kernel"] * size.num_layers]


def multiply_adds(cell: Cell, size: LanguageModelSize) -> int:
    """Return the multiply-adds per token, as `LanguageModel.multiply_adds`, without building it.

    A cell's products are G·H wide, which is what one more input adds to its parameters.
    """
    kind, units = cell_kind(cell), size.units
    width = kind.num_parameters(1, units) - kind.num_parameters(0, units)
    recurrent = sum(width * (inputs + units) for inputs in size.input_widths)
    return recurrent + units * size.vocabulary


def closest_units(wanted: int, cell: Cell, size: LanguageModelSize) -> int:
    """Return the H whose model comes closest to a number of parameters, at least 1.

    Args:
      wanted: as `num_parameters` counts them.
      cell: a tree or the name of a known cell.
      size: vocabulary, embedding and tying; its units are not read.
    """

    def count(units: int) -> int:
        return num_parameters(cell, _with_units(size, units))

    larger = bisect.bisect_left(range(wanted + 1), wanted, lo=1, key=count)
    return min((max(larger - 1, 1), larger), key=lambda units: abs(count(units) - wanted))


def units_for(wanted: int, cell: Cell, size: LanguageModelSize) -> int:
    """Return `closest_units`, where it comes close.

    Raises:
      InputError: even one unit is more than wanted, or no model comes within 5 %.
    """
    units = closest_units(wanted, cell, size)
    found = num_parameters(cell, _with_units(size, units))
    if units == 1 and found > wanted:
        raise InputError(f"num_parameters is {wanted:,}: the smallest model (1 unit) has {found:,}")
    if abs(found - wanted) > TOLERANCE * wanted:
        raise InputError(
            f"num_parameters is {wanted:,}: the closest model (units {units}) has {found:,}, "
            f"more than {TOLERANCE:.0%} away"
        )
    return units


def _with_units(size: LanguageModelSize, units: int) -> LanguageModelSize:
    return dataclasses.replace(size, units=units)
