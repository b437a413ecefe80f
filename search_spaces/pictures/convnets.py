"""ConvNets as pictures in the manner of Figure 7 (Zoph & Le, 2016), the image on top.

What a layer makes is one line, whatever number of layers take it. It goes straight down to the
next layer, and to the others down a lane beside the boxes. A number in a box beside the tip of an
arrow is the layer that the arrow comes from.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

from nas_with_rl.search_spaces.convnet import (
    ConvNet,
    ConvolutionalLayer,
    Layer,
    LocalContrastNormalizationLayer,
    PoolingLayer,
)
from nas_with_rl.search_spaces.pictures.lanes import Lane, Side, Way, colours_of, lanes_of
from nas_with_rl.search_spaces.pictures.scene import (
    MARGIN,
    Box,
    Heading,
    Line,
    Net,
    Scene,
    Text,
    text_width,
)

IMAGE = 0  # the row of what is no layer
LABEL_SIZE, SMALL_SIZE, PORT_SIZE = 12.0, 9.5, 8.5
LANE, FIRST_LANE = 8.0, 16.0  # between two lanes; from the boxes to the nearest
PORT = 10.0  # between two arrows into a box
NUM_COLOURS = 6
_LEAST_HEIGHT, _GAP = 28.0, 20.0
_BLOCK_PAD, _BLOCK_TITLE = 7.0, 14.0
_PILL = 18.0  # height of what says that there is pooling


@dataclasses.dataclass(frozen=True)
class Row:
    """A box of the column.

    Attributes:
      lines: of text in it.
      kind: of box.
      number: in front of the text; empty for none.
      inputs: the rows that it takes.
      title: in words.
    """

    lines: tuple[str, ...]
    kind: str
    number: str = ""
    inputs: tuple[int, ...] = ()
    title: str = ""


def convnet_scene(convnet: ConvNet, heading: Heading, *, block_size: int = 1) -> Scene:
    """Return the picture of a ConvNet.

    Args:
      convnet: what is drawn.
      heading: above it.
      block_size: of layers that are drawn as belonging together.
    """
    rows = _rows(convnet)
    pooled = dict.fromkeys(convnet.pool_after, "2×2 max pool of all")
    return _Column(rows, pooled, block_size).scene(heading)


def layer_lines(layer: Layer) -> tuple[str, ...]:
    """Return a layer in few characters."""
    if isinstance(layer, ConvolutionalLayer):
        size = f"{layer.filter_height}×{layer.filter_width}×{layer.filters}"
        if (layer.stride_height, layer.stride_width) == (1, 1):
            return (size,)
        return size, f"stride {layer.stride_height}×{layer.stride_width}"
    if isinstance(layer, PoolingLayer):
        kind = layer.kind.removesuffix("_pooling").replace("average", "mean")
        return (f"{kind} pool {layer.pool_size}×{layer.pool_size}", f"stride {layer.pool_stride}")
    if isinstance(layer, LocalContrastNormalizationLayer):
        return "contrast norm", f"window {layer.window}×{layer.window}"
    return ("batch norm",)


def _kind(layer: Layer) -> str:
    if isinstance(layer, ConvolutionalLayer):
        return "convolution"
    return "pooling" if isinstance(layer, PoolingLayer) else "normalization"


def _rows(convnet: ConvNet) -> list[Row]:
    rows = [Row(("image",), "image")]
    for number, layer in enumerate(convnet.layers, start=1):
        inputs = layer.inputs or (IMAGE,)
        words = ", ".join(map(str, layer.inputs)) or "the image"
        lines = layer_lines(layer)
        title = f"layer {number}: {', '.join(lines)}, of {words}"
        rows.append(Row(lines, _kind(layer), str(number), inputs, title))
    words = ", ".join(map(str, convnet.unconnected))
    title = f"global average pooling and one linear layer, of {words}"
    return [*rows, Row(("softmax",), "classifier", "", convnet.unconnected, title)]


class _Column:
    """Rows of boxes one below the other, with lanes on both sides."""

    def __init__(self, rows: Sequence[Row], pooled: Mapping[int, str], block_size: int):
        self._rows, self._pooled, self._block_size = rows, pooled, block_size
        taken = collections.defaultdict(list)
        for number, row in enumerate(rows):
            for source in row.inputs:
                if source < number - 1:
                    taken[source].append(number)
        self._lanes = lanes_of([Way(source, tuple(rows)) for source, rows in taken.items()])
        self._slots = [self._slots_of(number) for number in range(len(rows))]

    def scene(self, heading: Heading) -> Scene:
        self._measure()
        gutters = {side: self._gutter(side) for side in ("left", "right")}
        drawn = self._width + gutters["left"] + gutters["right"] + 2 * MARGIN
        texts, width, top = heading.placed(drawn)
        left = (width - drawn) / 2 + MARGIN + gutters["left"]
        edges = left - gutters["left"], left + self._width + gutters["right"]
        boxes, rules = self._placed(left, top, edges)
        pills = [box for box in boxes if box.kind == "pooling pill"]
        by_row = [box for box in boxes if box.kind != "pooling pill"]
        backdrops, names = self._blocks(by_row)
        return Scene(
            title=heading.title or "ConvNet",
            description="; ".join(row.title for row in self._rows if row.title),
            width=width,
            height=boxes[-1].bottom + MARGIN,
            boxes=tuple(boxes),
            nets=(*self._straight(by_row, pills), *self._sideways(by_row)),
            texts=(*texts, *names),
            backdrops=backdrops,
            rules=rules,
        )

    def _slots_of(self, number: int) -> dict[Side, list[int | None]]:
        """Return what a box has on each side, from the top: arrows in by source, None: out."""
        slots: dict[Side, list[int | None]] = {"left": [], "right": []}
        arriving = sorted(
            (lane.number, way.source, lane.side)
            for way, lane in self._lanes.items()
            if number in way.targets
        )
        for _, source, side in arriving:
            slots[side].append(source)
        for way, lane in self._lanes.items():
            if way.source == number:
                slots[lane.side].append(None)
        return slots

    def _measure(self) -> None:
        rows = self._rows
        self._number_width = max(text_width(row.number, LABEL_SIZE) for row in rows)
        label = max(
            text_width(line, LABEL_SIZE if not place else SMALL_SIZE)
            for row in rows
            for place, line in enumerate(row.lines)
        )
        ports = [
            text_width(self._port_text(source), PORT_SIZE)
            for slots in self._slots
            for side in slots.values()
            for source in side
            if source is not None
        ]
        self._port_width = max(ports) + 8 if ports else 0.0
        inner = self._number_width + 10 + label
        pill = max((text_width(text, SMALL_SIZE) for text in self._pooled.values()), default=0.0)
        self._width = max(inner + 2 * self._port_width + 20, pill + 16, 110.0)

    def _gutter(self, side: Side) -> float:
        numbers = [lane.number for lane in self._lanes.values() if lane.side == side]
        return FIRST_LANE + LANE * max(numbers) if numbers else 0.0

    def _height(self, number: int) -> float:
        slots = max(map(len, self._slots[number].values()))
        lines = len(self._rows[number].lines)
        return max(_LEAST_HEIGHT + 11 * (lines - 1), PORT * slots + 8)

    def _placed(
        self, left: float, top: float, edges: tuple[float, float]
    ) -> tuple[list[Box], tuple[Line, ...]]:
        """Return the boxes from the top, and the lines that say that all is pooled."""
        boxes: list[Box] = []
        rules: list[Line] = []
        y = top
        for number in range(len(self._rows)):
            if number:
                y += _GAP
            if self._begins_block(number):
                y += _BLOCK_TITLE + _BLOCK_PAD
            boxes.append(self._box(number, left, y))
            y = boxes[-1].bottom
            if self._ends_block(number):
                y += _BLOCK_PAD
            if number in self._pooled:
                y += _GAP
                boxes.append(self._pill(number, left, y))
                middle = y + _PILL / 2
                for start, end in ((edges[0] - 6, left), (left + self._width, edges[1] + 6)):
                    rules.append(Line(((start, middle), (end, middle))))
                y += _PILL
        return boxes, tuple(rules)

    def _box(self, number: int, left: float, top: float) -> Box:
        row, height = self._rows[number], self._height(number)
        middle = left + self._width / 2
        texts: list[Text] = []
        first = top + height / 2 + 4 - 5.5 * (len(row.lines) - 1)
        inner = max(
            text_width(line, SMALL_SIZE if place else LABEL_SIZE)
            for place, line in enumerate(row.lines)
        )
        if row.number:
            start = left + self._port_width + 8 + self._number_width
            texts.append(Text(start, first, row.number, LABEL_SIZE, "end", "strong"))
            middle = max(middle, start + 10 + inner / 2)
        for place, line in enumerate(row.lines):
            size = SMALL_SIZE if place else LABEL_SIZE
            texts.append(Text(middle, first + 11.5 * place, line, size))
        box = Box(left, top, self._width, height, row.kind, (), row.title)
        for side, slots in self._slots[number].items():
            at = left + 4 if side == "left" else box.right - 4
            anchor: Literal["start", "end"] = "start" if side == "left" else "end"
            for place, source in enumerate(slots):
                if source is not None:
                    y = self._port(box, slots, place) + 3
                    texts.append(Text(at, y, self._port_text(source), PORT_SIZE, anchor, "faint"))
        return dataclasses.replace(box, texts=tuple(texts))

    def _pill(self, number: int, left: float, top: float) -> Box:
        text = Text(left + self._width / 2, top + _PILL / 2 + 3.3, self._pooled[number], SMALL_SIZE)
        title = f"2×2 max pooling, stride 2, of all that was made up to layer {number}"
        return Box(left, top, self._width, _PILL, "pooling pill", (text,), title, _PILL / 2)

    @staticmethod
    def _port_text(source: int) -> str:
        return str(source) if source else "img"

    @staticmethod
    def _port(box: Box, slots: Sequence[object], place: int) -> float:
        return box.top + box.height / 2 + PORT * (place - (len(slots) - 1) / 2)

    def _straight(self, boxes: Sequence[Box], pills: Sequence[Box]) -> list[Net]:
        """Return the arrows from each row to the next one, through what pools."""
        nets = []
        for number, (above, below) in enumerate(itertools.pairwise(boxes)):
            if number not in self._rows[number + 1].inputs:
                continue
            between = [pill for pill in pills if above.bottom < pill.top < below.top]
            stops = [above, *between, below]
            x = above.left + above.width / 2
            lines = [
                Line(((x, start.bottom), (x, end.top)), arrow=True)
                for start, end in itertools.pairwise(stops)
            ]
            nets.append(Net(self._net_title(number, (number + 1,)), tuple(lines)))
        return nets

    def _sideways(self, boxes: Sequence[Box]) -> list[Net]:
        ordered = sorted(self._lanes.items(), key=lambda each: each[0].source)
        colours = colours_of(self._lanes, NUM_COLOURS)
        return [
            Net(
                self._net_title(way.source, way.targets),
                tuple(self._lines(way, lane, boxes)),
                f"n{colours[way]}",
            )
            for way, lane in ordered
        ]

    def _lines(self, way: Way, lane: Lane, boxes: Sequence[Box]) -> list[Line]:
        start, side = boxes[way.source], lane.side
        away = FIRST_LANE + LANE * lane.number
        x = start.left - away if side == "left" else start.right + away
        slots = self._slots[way.source][side]
        y = self._port(start, slots, slots.index(None))
        points = [(start.left if side == "left" else start.right, y), (x, y)]
        lines = []
        for target in way.targets:
            box, slots = boxes[target], self._slots[target][side]
            port = self._port(box, slots, slots.index(way.source))
            edge = box.left if side == "left" else box.right
            begin = points if target == way.last else [(x, port - 8)]
            lines.append(Line((*begin, (x, port), (edge, port)), arrow=True))
        return lines

    def _net_title(self, source: int, targets: Sequence[int]) -> str:
        names = ["softmax" if row == len(self._rows) - 1 else f"layer {row}" for row in targets]
        return f"{f'layer {source}' if source else 'image'} to {', '.join(names)}"

    def _begins_block(self, number: int) -> bool:
        is_layer = 0 < number < len(self._rows) - 1
        return self._block_size > 1 and is_layer and number % self._block_size == 1

    def _ends_block(self, number: int) -> bool:
        is_layer = 0 < number < len(self._rows) - 1
        return self._block_size > 1 and is_layer and number % self._block_size == 0

    def _blocks(self, boxes: Sequence[Box]) -> tuple[tuple[Box, ...], tuple[Text, ...]]:
        """Return what lies behind the boxes of each block, and their names."""
        backdrops, names = [], []
        for number in range(1, len(boxes) - 1):
            if not self._begins_block(number):
                continue
            first, last = boxes[number], boxes[number + self._block_size - 1]
            top = first.top - _BLOCK_TITLE - _BLOCK_PAD
            backdrops.append(
                Box(
                    first.left - _BLOCK_PAD,
                    top,
                    first.width + 2 * _BLOCK_PAD,
                    last.bottom + _BLOCK_PAD - top,
                    "backdrop",
                    radius=7.0,
                )
            )
            name = f"block {(number - 1) // self._block_size + 1}"
            names.append(Text(first.left, top + 13, name, SMALL_SIZE, "start", "faint"))
        return tuple(backdrops), tuple(names)
