"""Parameters and multiply-adds of the tables' rows: golden figures, and what is really built."""

import math

import numpy as np
import pytest

from nas_with_rl.child_models.convnets.builder import build_convnet, multiply_adds
from nas_with_rl.child_models.convnets.size import convnet_counts
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.language_models.size import LanguageModelSize, num_parameters
from nas_with_rl.child_models.language_models.size import multiply_adds as model_multiply_adds
from nas_with_rl.launch.paper.our_rows import OUR_ROWS
from nas_with_rl.launch.paper.row_costs import (
    CONVOLUTIONAL_RATE,
    Work,
    costs_of,
)
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.published import PUBLISHED
from nas_with_rl.search_spaces.recurrent_cell import cell_of

IMAGE = (32, 32, 3)


def built_counts(convnet):
    model = build_convnet(convnet, image_shape=IMAGE, num_classes=10)
    return sum(math.prod(w.shape) for w in model.trainable_variables), multiply_adds(model)


def test_figure_7_has_the_papers_parameters():
    counted = convnet_counts(
        ConvolutionalSpace().convnet(PUBLISHED["figure_7"].architecture), IMAGE
    )
    # With stride 1 every weight of a convolution is used at each of the 32 · 32 pixels.
    assert counted == (4_201_630, 4_199_868 * 1024 + 480)
    costs = costs_of(OUR_ROWS["v1"])
    assert costs.num_parameters == 4_201_630 and len(costs.work) == 1
    assert costs.work[0].hours == pytest.approx(
        6 * counted.multiply_adds * 45_000 * 300 / CONVOLUTIONAL_RATE / 3600
    )


@pytest.mark.parametrize(
    ("space", "depth"),
    [
        (ConvolutionalSpace(), 6),
        (ConvolutionalSpace(strides=(1, 2, 3)), 9),
        (ConvolutionalSpace(block_size=3, pool_after=(4, 8), extra_filters=5), 4),
    ],
)
def test_a_convnet_is_counted_as_it_is_built(space, depth):
    for seed in range(3):
        drawn = random_architecture(space.search_space(depth), np.random.default_rng(seed))
        convnet = space.convnet(drawn)
        assert convnet_counts(convnet, IMAGE) == built_counts(convnet)


@pytest.mark.parametrize("name", ["nas_cell", "lstm", "gru", "rnn"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_language_model_is_counted_as_it_is_built(name, tied):
    cell = cell_of(PUBLISHED[name].architecture) if name in PUBLISHED else name
    size = LanguageModelSize(11, 6, 0 if tied else 4, tie_embeddings=tied)
    model = LanguageModel(cell, size)
    assert num_parameters(cell, size) == model.num_parameters
    assert model_multiply_adds(cell, size) == model.multiply_adds


# Hidden sizes as the paper's counts imply them (32M untied, 25M and 54M shared, characters).
@pytest.mark.parametrize(
    ("key", "units", "paper"),
    [
        ("base_8_32m", 735, 32e6),
        ("base_8_25m", 741, 25e6),
        ("base_8_54m", 1152, 54e6),
        ("lstm", 716, 6.57e6),
        ("new_cell", 501, 6.57e6),
        ("new_cell_16m", 800, 16.28e6),
    ],
)
def test_language_models_are_within_half_a_percent_of_the_paper(key, units, paper):
    costs = costs_of(OUR_ROWS[key])
    assert costs.units == units
    assert costs.num_parameters == pytest.approx(paper, rel=0.005)


def test_the_25m_model_in_closed_form():
    # Shared embedding, two layers of eight leaves, the softmax's bias.
    assert costs_of(OUR_ROWS["base_8_25m"]).num_parameters == (
        10_000 * 741 + 2 * 8 * 741 * (741 + 741) + 10_000
    )


def test_a_searched_row_costs_a_search_a_grid_and_a_training():
    search, grid, final = costs_of(OUR_ROWS["v3_more_filters"]).work
    assert costs_of(OUR_ROWS["v3_more_filters"]).num_parameters is None
    assert (search.trainings, search.epochs, final.epochs) == (12_800, 50, 300)
    assert grid.trainings == 48 and "13 blocks of 3" in final.title
    # The filters that are added count in the final training alone.
    plain = costs_of(OUR_ROWS["v3"]).work
    assert plain[:2] == (search, grid)
    assert final.multiply_adds > 3 * plain[2].multiply_adds


def test_hours_in_closed_form():
    work = Work("", multiply_adds=10, examples=600, epochs=2, rate=20.0, trainings=5)
    assert work.hours == pytest.approx(5 * 6 * 10 * 600 * 2 / 20 / 3600)
