"""How a ConvNet's layers are put together, whatever they are made of (Zoph & Le, 2016, 3.3).

Four rules keep any architecture from failing: a layer without inputs takes the image; outputs that
no layer takes go to the classifier together; smaller inputs are padded with zeros up to the
largest; and strides divide sizes rounding up (padding is "same"), so that no map becomes smaller
than 1 x 1, however many strides there are.

Shapes: B images, H height, W width, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from nas_with_rl.search_spaces.convnet import ConvNet, Layer

IMAGE = 0  # the number of what is no layer's output

Sides = tuple[tuple[int, int], tuple[int, int]]  # rows above and below, columns left and right


class Map(Protocol):
    """What layers take and give: a tensor, Keras's stand-in for one, or its sizes alone."""

    @property
    def shape(self) -> Any:
        """[B, H, W, C]; B may be unknown."""


AnyMap = TypeVar("AnyMap", bound=Map)


class Parts(Protocol[AnyMap]):
    """What a network is made of."""

    def layer(self, inputs: AnyMap, layer: Layer, number: int) -> AnyMap:
        """Return a layer's output."""

    def max_pooled(self, x: AnyMap, source: int, after: int) -> AnyMap:
        """Return what a layer made, pooled after another: 2 x 2, stride 2, sizes rounded up."""

    def padded(self, x: AnyMap, sides: Sides, name: str) -> AnyMap:
        """Pad with zeros."""

    def concatenated(self, inputs: Sequence[AnyMap], name: str) -> AnyMap:
        """Concatenate in depth."""


def classifier_inputs(convnet: ConvNet, image: AnyMap, parts: Parts[AnyMap]) -> AnyMap:
    """Put all layers together and return what the classifier takes.

    Args:
      convnet: its layers, and after which of them the maps are pooled. The classifier comes
        after all of them, so what it takes has been pooled as often as there is a pooling.
      image: [B, H, W, C].
      parts: what the layers are made of.
    """
    outputs = _Outputs(image, convnet.pool_after, parts)
    for number, layer in enumerate(convnet.layers, start=1):
        taken = outputs.taken(layer.inputs or (IMAGE,), by=number)
        inputs = _concatenated(taken, f"layer_{number}", parts)
        outputs.append(parts.layer(inputs, layer, number))
    taken = outputs.taken(convnet.unconnected, by=len(convnet.layers) + 1)
    return _concatenated(taken, "classifier", parts)


class _Outputs:
    """What has been made so far, the image first, pooled on its way to later layers."""

    def __init__(self, image: Any, pool_after: Sequence[int], parts: Parts[Any]):
        self._outputs = [image]
        self._pool_after, self._parts = pool_after, parts
        self._pooled: dict[tuple[int, int], Any] = {}  # by source, after which layer

    def append(self, output: Any) -> None:
        """Enter the next layer's output."""
        self._outputs.append(output)

    def taken(self, sources: Sequence[int], *, by: int) -> list[Any]:
        """Return what a layer gets of the layers that it takes."""
        return [self._taken(source, by) for source in sources]

    def _taken(self, source: int, by: int) -> Any:
        output = self._outputs[source]
        for after in self._pool_after:
            if source <= after < by:
                if (source, after) not in self._pooled:
                    pooled = self._parts.max_pooled(output, source, after)
                    self._pooled[source, after] = pooled
                output = self._pooled[source, after]
        return output


def _concatenated(inputs: Sequence[AnyMap], name: str, parts: Parts[AnyMap]) -> AnyMap:
    """Concatenate in depth, after padding up to the largest height and the largest width."""
    if len(inputs) == 1:
        return inputs[0]
    height = max(x.shape[1] for x in inputs)
    width = max(x.shape[2] for x in inputs)
    padded = []
    for place, x in enumerate(inputs, start=1):
        sides = _missing(height - x.shape[1]), _missing(width - x.shape[2])
        if any(map(any, sides)):
            x = parts.padded(x, sides, f"{name}_padding_{place}")
        padded.append(x)
    return parts.concatenated(padded, f"{name}_concatenation")


def _missing(size: int) -> tuple[int, int]:
    """Return how many zeros come before and after.

    Paper: "padded with zeros so that the concatenated layers have the same sizes"; here: the
    smaller input in the middle, an odd row or column at the bottom or the right.
    """
    return size // 2, size - size // 2
