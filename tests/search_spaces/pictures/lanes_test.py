"""Lanes beside the boxes of a ConvNet."""

import itertools

import numpy as np

from nas_with_rl.search_spaces.pictures.lanes import SIDES, Lane, Way, colours_of, lanes_of


def crossings(lanes):
    """Count where a line on its way to or from its lane crosses another lane, row by row."""
    count = 0
    for (one, lane), (other, lane_2) in itertools.permutations(lanes.items(), 2):
        if lane.side == lane_2.side and lane.number > lane_2.number:
            # In a row come first the arrows in, the inner lanes' above, and then the way out.
            at = [(one.source, 1, 0), *((row, 0, lane.number) for row in one.targets)]
            begins, ends = (other.source, 1, 0), (other.last, 0, lane_2.number)
            count += sum(begins < each < ends for each in at)
    return count


def test_ways_that_do_not_meet_share_a_lane():
    ways = [Way(0, (2,)), Way(3, (5,)), Way(6, (8,))]
    assert {lane.number for lane in lanes_of(ways).values()} == {0}


def test_of_three_the_inner_one_lies_inside():
    ways = [Way(0, (9,)), Way(1, (8,)), Way(2, (7,))]
    lanes = lanes_of(ways)
    assert len(set(lanes.values())) == 3 and crossings(lanes) == 0
    for one, other in itertools.combinations(ways, 2):
        if lanes[one].side == lanes[other].side:
            assert lanes[one].number > lanes[other].number


def test_what_ends_where_another_begins_has_another_lane():
    lanes = lanes_of([Way(0, (2,)), Way(2, (4,)), Way(1, (3,))])
    assert len(set(lanes.values())) == 3


def random_ways(rng):
    taken = {n: [row for row in range(n + 2, 16) if rng.random() < 0.4] for n in range(14)}
    return [Way(source, tuple(rows)) for source, rows in taken.items() if rows]


def test_no_two_that_meet_share_a_lane_and_none_is_wasted():
    rng = np.random.default_rng(1)
    for ways in (random_ways(rng) for _ in range(20)):
        lanes = lanes_of(ways)
        assert set(lanes) == set(ways)
        for one, other in itertools.combinations(ways, 2):
            assert lanes[one] != lanes[other] or one.last < other.source or other.last < one.source
        for side in SIDES:
            numbers = {lane.number for lane in lanes.values() if lane.side == side}
            assert numbers == set(range(len(numbers)))


def test_lanes_cross_far_less_than_in_the_order_of_their_sources():
    rng = np.random.default_rng(0)
    ours = in_order = 0
    for ways in (random_ways(rng) for _ in range(20)):
        ours += crossings(lanes_of(ways))
        in_order += crossings({way: Lane(SIDES[n % 2], n) for n, way in enumerate(ways)})
    assert 0 < ours < 0.7 * in_order


def test_neighbours_have_different_colours():
    ways = [Way(source, (source + 14, source + 15)) for source in range(12)]
    lanes = lanes_of(ways)
    colours = colours_of(lanes, 6)
    for one, other in itertools.combinations(ways, 2):
        if lanes[one].side == lanes[other].side:
            assert (
                abs(lanes[one].number - lanes[other].number) > 1 or colours[one] != colours[other]
            )
