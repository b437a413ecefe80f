"""ConvNets: the CIFAR-10 spaces (Zoph & Le, 2016, section 4.1)."""

from __future__ import annotations

import dataclasses

from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips


@dataclasses.dataclass(frozen=True)
class ConvolutionalSpace:
    """The choices of a ConvNet's layers; the defaults are the paper's.

    Attributes:
      filter_sizes: of height and of width, in pixels.
      filters: numbers of filters.
      skips: whether skip connections are predicted; without them each layer takes the one before.
    """

    filter_sizes: tuple[int, ...] = (1, 3, 5, 7)
    filters: tuple[int, ...] = (24, 36, 48, 64)
    skips: bool = True

    def __post_init__(self) -> None:
        for name in ("filter_sizes", "filters"):
            if not getattr(self, name) or min(getattr(self, name)) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; each must be at least 1")

    def search_space(self, depth: int) -> SearchSpace:
        """Return the decisions for a depth, in the paper's order (Figures 2 and 4).

        With stride 1 throughout, strides are no decision. The anchor point comes before the
        number of filters. The size is 64^L · 2^(L(L-1)/2) for L layers with skips.
        """
        anchor_point = (Skips("inputs"),) if self.skips else ()
        return SearchSpace(
            layer_decisions=(
                Choice("filter_height", self.filter_sizes),
                Choice("filter_width", self.filter_sizes),
                *anchor_point,
                Choice("filters", self.filters),
            ),
            depth=depth,
            name="convolutional",
        )


@dataclasses.dataclass(frozen=True)
class ConvolutionalLayer:
    """One predicted layer. `inputs` are earlier layers, numbered from 1; none means the image."""

    filter_height: int
    filter_width: int
    filters: int
    inputs: tuple[int, ...] = ()
    stride_height: int = 1
    stride_width: int = 1


def layers_of(architecture: Architecture) -> tuple[ConvolutionalLayer, ...]:
    """Read an architecture of a `ConvolutionalSpace` as layers, the first next to the image."""
    space = architecture.space
    names = {decision.name for decision in space.layer_decisions}
    if not {"filter_height", "filter_width", "filters"} <= names:
        raise InputError(f"an architecture of {space.name!r} is no ConvNet")
    chain = tuple((layer - 1,) if layer > 1 else () for layer in range(1, space.depth + 1))
    rows = zip(
        _column(architecture, "filter_height"),
        _column(architecture, "filter_width"),
        _column(architecture, "filters"),
        _column(architecture, "inputs") if "inputs" in names else chain,
        strict=True,
    )
    return tuple(ConvolutionalLayer(*row) for row in rows)


def _column(architecture: Architecture, name: str) -> tuple:
    values = architecture[name]
    assert isinstance(values, tuple)
    return values
