"""Where things lie in pictures: nothing overlaps, all texts fit, every line can be followed."""

import dataclasses
import itertools
import math

import pytest

from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.pictures.picture import architecture_scene
from nas_with_rl.search_spaces.pictures.scene import Scene
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from tests.harness.picture_cases import BLOCKS, architectures

ADVANCE = 0.605  # of a size, the widest of the monospaced fonts that are asked for (DejaVu 0.602)
CLEAR = 1.0  # between a line and a box that it does not end at
UNDER = 3.5  # how far a line may go in under a box that it ends at, whose corner is round
APART = 4.0  # between lines of two values that run side by side

GROUPS = sorted({name.partition("-")[0] for name in architectures()})


@dataclasses.dataclass(frozen=True)
class Case:
    """A picture: of what, how, and where all things are."""

    name: str
    architecture: Architecture
    simplified: bool
    scene: Scene


@pytest.fixture(scope="module", params=GROUPS)
def cases(request):
    return [
        Case(name, found, simplified, architecture_scene(found, simplified=simplified))
        for name, found in architectures().items()
        for simplified in (False, True)
        if name.partition("-")[0] == request.param
    ]


@pytest.fixture
def scenes(cases):
    return [case.scene for case in cases]


def rectangle(box):
    return box.left, box.top, box.right, box.bottom


def overlap(one, other, by=0.01):
    """Return whether two rectangles have more than so much in common in both directions."""
    return all(
        min(one[end], other[end]) - max(one[start], other[start]) > by
        for start, end in ((0, 2), (1, 3))
    )


def text_extent(text):
    cells = sum(1 if each < "\u0530" or each in "×…–" else 2 for each in text.content)
    width = ADVANCE * text.size * cells
    left = text.x - width * {"start": 0, "middle": 0.5, "end": 1}[text.anchor]
    return left, text.y - 0.75 * text.size, left + width, text.y + 0.22 * text.size


def polyline(line):
    """Return the points of a line; of a smooth one, those of its cubic curve."""
    if not line.smooth:
        return list(line.points)
    (x, y), (to_x, to_y) = line.points
    points = []
    for t in (step / 24 for step in range(25)):
        share = 3 * t**2 - 2 * t**3  # of the way across: its handles stand upright
        middle = 3 * t * (1 - t) * 0.5 + t**3
        points.append((x + share * (to_x - x), y + middle * (to_y - y)))
    return points


def segments(line):
    return list(itertools.pairwise(polyline(line)))


def meets(segment, box):
    """Return whether a segment has a point inside a rectangle (Liang and Barsky, 1984)."""
    (x, y), (to_x, to_y) = segment
    enters, leaves = 0.0, 1.0
    for start, step, low, high in ((x, to_x - x, box[0], box[2]), (y, to_y - y, box[1], box[3])):
        if step == 0:
            if not low < start < high:
                return False
            continue
        at = sorted(((low - start) / step, (high - start) / step))
        enters, leaves = max(enters, at[0]), min(leaves, at[1])
    return enters < leaves


def grown(box, by):
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def holds(box, point, by):
    left, top, right, bottom = grown(box, by)
    return left <= point[0] <= right and top <= point[1] <= bottom


def test_no_two_boxes_overlap_and_all_lie_inside(scenes):
    for scene in scenes:
        boxes = [rectangle(each) for each in scene.boxes]
        for one, other in itertools.combinations(boxes, 2):
            assert not overlap(one, other)
        whole = (0, 0, scene.width, scene.height)
        for box in (*boxes, *map(text_extent, scene.texts), *map(rectangle, scene.backdrops)):
            assert whole[0] < box[0] and whole[1] < box[1]
            assert box[2] < whole[2] and box[3] < whole[3]


def test_every_text_fits_its_box(scenes):
    for scene in scenes:
        for box in scene.boxes:
            left, top, right, bottom = rectangle(box)
            extents = [text_extent(text) for text in box.texts]
            for extent in extents:
                assert left + 1 < extent[0] and extent[2] < right - 1, box
                assert top < extent[1] and extent[3] < bottom, box
            for one, other in itertools.combinations(extents, 2):
                assert not overlap(one, other), box


def test_texts_beside_boxes_meet_nothing(scenes):
    for scene in scenes:
        extents = [text_extent(text) for text in scene.texts]
        for one, other in itertools.combinations(extents, 2):
            assert not overlap(one, other)
        lines = [segment for net in scene.nets for line in net.lines for segment in segments(line)]
        for text, extent in zip(scene.texts, extents, strict=True):
            assert not any(overlap(extent, rectangle(box)) for box in scene.boxes), text
            assert not any(meets(segment, extent) for segment in lines), text


def test_no_line_crosses_a_box(scenes):
    for scene in scenes:
        for net in scene.nets:
            for line in net.lines:
                ends = (line.points[0], line.points[-1])
                for box in map(rectangle, scene.boxes):
                    at_end = any(holds(box, end, 0.01) for end in ends)
                    around = grown(box, -UNDER if at_end else CLEAR)
                    assert not any(meets(segment, around) for segment in segments(line)), net.title


def test_lines_of_two_values_never_run_side_by_side_too_near(scenes):
    for scene in scenes:
        upright = {0: [], 1: []}  # by which coordinate stays the same
        for number, net in enumerate(scene.nets):
            for line in net.lines:
                for start, end in [] if line.smooth else segments(line):
                    for same in (0, 1):
                        if start[same] == end[same]:
                            reach = sorted((start[1 - same], end[1 - same]))
                            upright[same].append((start[same], *reach, number))
        for found in upright.values():
            for (at, low, high, net), (at_2, low_2, high_2, net_2) in itertools.combinations(
                found, 2
            ):
                if net != net_2 and abs(at - at_2) < APART:
                    together = min(high, high_2) - max(low, low_2)
                    assert together <= 0.01, (scene.nets[net].title, scene.nets[net_2].title)


def test_lines_into_one_box_do_not_cross(scenes):
    for scene in scenes:
        curves = [
            (line.points[1], polyline(line))
            for net in scene.nets
            for line in net.lines
            if line.smooth
        ]
        for (end, one), (end_2, other) in itertools.combinations(curves, 2):
            if end[1] == end_2[1]:
                sides = {math.copysign(1, a[0] - b[0]) for a, b in zip(one, other, strict=True)}
                assert len(sides) == 1 or one[0][1] != other[0][1]


def boxes_at(scene, point):
    return [n for n, box in enumerate(scene.boxes) if holds(rectangle(box), point, 0.01)]


def convnet_of(case):
    """Return the ConvNet that a picture shows layer by layer, None for another picture."""
    space = case.architecture.space.reader
    of_layers = isinstance(space, ConvolutionalSpace) and not (case.simplified and space == BLOCKS)
    return space.convnet(case.architecture) if of_layers else None


def connections(scene):
    """Yield from which row a line leads to which, and where its tip is."""
    is_row = [box.kind != "pooling pill" for box in scene.boxes]
    row_of = dict(zip([n for n, row in enumerate(is_row) if row], itertools.count()))
    for net in scene.nets:
        # What begins at no box begins on the line that does.
        roots = [line for line in net.lines if boxes_at(scene, line.points[0])]
        (start,) = boxes_at(scene, roots[0].points[0])
        for line in net.lines:
            assert line.arrow
            (tip,) = boxes_at(scene, line.points[-1])
            if line not in roots:
                x, y = line.points[0]
                (lane_x, low), (_, high) = roots[0].points[1:3]
                assert x == lane_x and low <= y <= high
            if is_row[tip]:
                yield row_of[start], row_of[tip], line.points[-1]


def test_a_convnets_lines_lead_from_each_layer_to_those_that_take_it(cases):
    for case in cases:
        if (convnet := convnet_of(case)) is None:
            continue
        wanted = [
            (source, number)
            for number, layer in enumerate(convnet.layers, start=1)
            for source in layer.inputs or (0,)
        ]
        wanted += [(source, len(convnet.layers) + 1) for source in convnet.unconnected]
        found = [(start, end) for start, end, _ in connections(case.scene)]
        assert sorted(found) == sorted(wanted)


def test_beside_the_tip_of_an_arrow_stands_where_it_comes_from(cases):
    for case in cases:
        if convnet_of(case) is None:
            continue
        boxes = [box for box in case.scene.boxes if box.kind != "pooling pill"]
        for start, end, (x, y) in connections(case.scene):
            if start == end - 1:
                continue  # straight down
            near = [
                text.content
                for text in boxes[end].texts
                if abs(text.x - x) < 8 and abs(text.y - 3 - y) < 0.01
            ]
            assert near == [str(start) if start else "img"]


def test_what_ends_at_a_box_is_crossed_by_nothing_on_its_way_in(cases):
    for case in cases:
        if convnet_of(case) is None:
            continue
        arriving = [
            (line.points[-3:], line is net.lines[-1])
            for net in case.scene.nets
            for line in net.lines
            if len(line.points) > 2
        ]
        for (one, ends), (other, _) in itertools.permutations(arriving, 2):
            if one[-1][0] == other[-1][0] and ends:  # at the same edge
                (x, y), (x_2, y_2) = one[-2], other[-2]
                crosses = min(other[-1][0], x_2) < x < max(other[-1][0], x_2) and y - 60 < y_2 < y
                same_box = boxes_at(case.scene, one[-1]) == boxes_at(case.scene, other[-1])
                assert not (crosses and same_box)


def test_a_cells_picture_has_every_operation_and_signal(cases):
    for case in cases:
        architecture, simplified, scene = case.architecture, case.simplified, case.scene
        if not isinstance(architecture.space.reader, RecurrentCellSpace) or simplified:
            continue
        shown = [text.content for box in scene.boxes for text in box.texts]
        chosen = [str(value) for name, value in architecture.items() if "/" in name]
        signs = {"add": "+", "elem_mult": "×", "max": "max"}
        wanted = [signs.get(value, value) for value in chosen if not value.isdigit()]
        assert sorted(shown) == sorted([*wanted, "x(t)", "h(t-1)", "c(t-1)", "c(t)", "h(t)"])
        indices = sorted(int(text.content) for text in scene.texts if text.content.isdigit())
        assert indices == list(range(len(wanted) // 2 - 1))
