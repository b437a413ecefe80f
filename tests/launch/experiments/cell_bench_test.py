"""Cell-Bench: which cells there are, which of them are the same, and what their seeds are."""

import dataclasses

import pytest

from nas_with_rl.launch.experiments.cell_bench import (
    CELL_BENCH,
    NUM_CELLS,
    cell_at,
    mirrored,
    number_of,
    seed_of,
)
from nas_with_rl.search_spaces.published import published
from nas_with_rl.search_spaces.recurrent_cell import cell_of


def test_cells_are_numbered_in_the_order_of_their_decisions():
    assert NUM_CELLS == 8**4 * 3 * 3 == 36_864
    first, second, last = (str(cell_at(number)) for number in (0, 1, NUM_CELLS - 1))
    assert first == "add identity | add identity | add identity | add identity | 0 0"
    assert second == "add identity | add identity | add identity | add identity | 0 1"
    assert last == "elem_mult relu | elem_mult relu | elem_mult relu | elem_mult relu | 2 2"
    for number in (0, 1, 9_102, NUM_CELLS - 1):
        assert number_of(cell_at(number)) == number
    assert cell_at(number_of(published("figure_5").architecture)).tokens == (
        published("figure_5").architecture.tokens
    )


def test_a_number_beyond_the_cells_is_refused():
    with pytest.raises(ValueError, match="out of bounds"):
        cell_at(NUM_CELLS)


def test_a_mirrored_cell_has_its_leaves_and_their_indices_exchanged():
    cell = number_of(published("figure_5").architecture)
    assert str(cell_at(mirrored(cell))) == (
        "elem_mult relu | add tanh | elem_mult sigmoid | add relu | 0 1"
    )
    pairs = {number: mirrored(number) for number in range(0, NUM_CELLS, 97)}
    assert all(mirrored(other) == number for number, other in pairs.items())
    for number, other in pairs.items():
        one, mirror = cell_of(cell_at(number)), cell_of(cell_at(other))
        assert one.nodes == (mirror.nodes[1], mirror.nodes[0], mirror.nodes[2])
        assert (one.output_node == 2) == (mirror.output_node == 2)


def test_cells_that_are_their_own_mirror_have_equal_leaves_and_indices_at_the_root():
    same = [number for number in range(0, NUM_CELLS, 4) if mirrored(number) == number]
    for number in same:
        cell = cell_of(cell_at(number))
        assert cell.nodes[0] == cell.nodes[1] and cell.output_node == cell.inject_node == 2
    # Every fourth number: 8 leaves · 8 roots · 8 injects, each at the last of nine indices.
    assert len(same) == 8**3 // 4


def test_seeds_differ_between_cells_their_mirrors_and_trainings():
    cells = [cell_at(number) for number in (9_102, mirrored(9_102), 5)]
    seeds = [seed_of(cell, training) for cell in cells for training in range(4)]
    assert len(set(seeds)) == len(seeds) and all(0 <= seed < 2**31 for seed in seeds)
    # Of the first bytes of SHA-256: another one would be another table.
    assert seed_of(cell_at(0), 0) == 618_040_618


def test_other_settings_have_another_digest():
    other = dataclasses.replace(CELL_BENCH, num_further=4)
    assert other.digest != CELL_BENCH.digest == dataclasses.replace(CELL_BENCH).digest
