"""Sizes: counted in closed form, searched for, and refused where none fits."""

import dataclasses

import pytest

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.language_models.size import (
    LanguageModelSize,
    closest_units,
    num_parameters,
    units_for,
)
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace, cell_of

NAS_CELL = cell_of(
    parse_architecture(
        "add sigmoid add relu add sigmoid elem_mult relu add tanh add sigmoid add tanh "
        "add sigmoid elem_mult tanh add tanh elem_mult tanh add sigmoid elem_mult identity "
        "add tanh elem_mult tanh add tanh 12 8",
        RecurrentCellSpace(8).search_space(),
    )
)
WORDS, CHARACTERS = 10_000, 50  # of the Penn Treebank


@pytest.mark.parametrize("cell", [*KNOWN_CELLS, NAS_CELL])
@pytest.mark.parametrize(
    "size",
    [
        LanguageModelSize(11, 6),
        LanguageModelSize(11, 6, 4),
        LanguageModelSize(11, 6, 0, True),
        LanguageModelSize(11, 6, num_layers=1),
        LanguageModelSize(11, 6, 4, num_layers=3),
    ],
)
def test_the_closed_form_counts_what_a_model_trains(cell, size):
    assert num_parameters(cell, size) == LanguageModel(cell, size).num_parameters


@pytest.mark.parametrize("tie_embeddings", [False, True])
def test_the_closest_size_is_found(tie_embeddings):
    size = LanguageModelSize(11, 6, tie_embeddings=tie_embeddings)
    counts = {
        units: num_parameters("lstm", dataclasses.replace(size, units=units))
        for units in range(1, 20)
    }
    for wanted in range(1, counts[18], 7):
        units = closest_units(wanted, "lstm", size)
        assert abs(counts[units] - wanted) == min(abs(c - wanted) for c in counts.values())
    assert closest_units(counts[7], "lstm", size) == 7


@pytest.mark.parametrize(
    ("size", "published", "units"),
    [
        (LanguageModelSize(WORDS, 1, tie_embeddings=True), 25e6, 741),
        (LanguageModelSize(WORDS, 1, tie_embeddings=True), 54e6, 1152),
        (LanguageModelSize(WORDS, 1), 32e6, 735),
        (LanguageModelSize(WORDS, 1), 20e6, 537),
    ],
)
def test_the_sizes_of_table_2(size, published, units):
    assert units_for(round(published), NAS_CELL, size) == units
    count = num_parameters(NAS_CELL, dataclasses.replace(size, units=units))
    assert count == pytest.approx(published, rel=0.005)


def test_the_character_model_of_table_3():
    # 2 x 800 units and an embedding of 128 are stated; the vocabulary's 51 tokens are the text's
    # 50 characters and the unknown one.
    assert num_parameters(NAS_CELL, LanguageModelSize(51, 800, 128)) == pytest.approx(
        16.28e6, rel=0.005
    )


@pytest.mark.parametrize(("units", "expected"), [(650, 19_775_200), (1500, 66_022_000)])
def test_zaremba_models_have_their_published_number_of_parameters(units, expected):
    assert num_parameters("lstm", LanguageModelSize(WORDS, units)) == expected


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (5_000, "num_parameters is 5,000: the smallest model (1 unit) has 20,032"),
        (24_000, "num_parameters is 24,000: the closest model (units 1) has 20,032, more than 5%"),
    ],
)
def test_a_size_that_no_model_meets_is_one_clear_line(wanted, message):
    size = LanguageModelSize(WORDS, 1, tie_embeddings=True)
    with pytest.raises(InputError) as error:
        units_for(wanted, NAS_CELL, size)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_tied_embeddings_need_equal_widths():
    with pytest.raises(InputError, match="tie_embeddings needs"):
        LanguageModelSize(5, 3, 4, True)
