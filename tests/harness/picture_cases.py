"""Architectures whose pictures are looked at: the published ones, deep ones, random ones."""

import numpy as np

from nas_with_rl.search_spaces.architecture import parse_architecture, random_architecture
from nas_with_rl.search_spaces.convolutional import LAYER_TYPES, ConvolutionalSpace
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.published import PUBLISHED
from nas_with_rl.search_spaces.recurrent_cell import (
    ACTIVATIONS,
    COMBINATIONS,
    RecurrentCellSpace,
)
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips

NUM_RANDOM = 20
OWN = SearchSpace(
    [
        Choice("optimizer", ("sgd", "adam")),
        Choice("momentum", (0.0, 0.9), only_if=("optimizer", "sgd")),
        Choice("the_name_of_this_decision_is_longer_than_any_column", ("w" * 200, "猫の名前" * 20)),
    ],
    [Choice("type", ("convolution", "pooling")), Choice("units", (8, 16)), Skips()],
    5,
)
EVERYTHING = ConvolutionalSpace(
    strides=(1, 2, 3), learning_rates=(0.1, 0.01), layer_types=tuple(LAYER_TYPES)
)
BLOCKS = ConvolutionalSpace(block_size=3, pool_after=(13, 26), extra_filters=40)
LARGE = ConvolutionalSpace(filter_sizes=(1, 1000), filters=(24, 100_000), strides=(1, 1000))
SPACES = {
    "paper": ConvolutionalSpace().search_space(15),
    "20_layers": ConvolutionalSpace().search_space(20),
    "39_layers": ConvolutionalSpace().search_space(39),
    "everything": EVERYTHING.search_space(12),
    "chains": ConvolutionalSpace(skips=False, pool_after=(2,)).search_space(5),
    "blocks": BLOCKS.search_space(13),
    "large": LARGE.search_space(4),
    "one_layer": ConvolutionalSpace().search_space(1),
    **{
        f"base_{base}": RecurrentCellSpace(base, COMBINATIONS, ACTIVATIONS).search_space()
        for base in (2, 4, 8)
    },
    "nas_bench_201": NasBench201Space().search_space(),
    "own": OWN,
}


def dense(depth):
    """Return a ConvNet of which each layer takes all earlier ones."""
    layers = [f"3 3 {','.join(map(str, range(1, n))) or '-'} 36" for n in range(1, depth + 1)]
    return parse_architecture(" | ".join(layers), ConvolutionalSpace().search_space(depth))


def architectures():
    """Return what is looked at, by name."""
    found = {name: each.architecture for name, each in PUBLISHED.items()}
    found |= {"dense_39": dense(39), "dense_2": dense(2)}
    found |= {"without_cell": WITHOUT_CELL, "cell_of_another_part": CELL_OF_ANOTHER_PART}
    for name, space in SPACES.items():
        generator = np.random.default_rng(0)
        for number in range(5 if name == "39_layers" else NUM_RANDOM):
            found[f"{name}-{number}"] = random_architecture(space, generator)
    return found


def tree(text):
    """Return the cell of a text, of any operations."""
    space = RecurrentCellSpace(8, COMBINATIONS, ACTIVATIONS).search_space()
    return parse_architecture(text, space)


# [12] is at least 1, and [13] at most 1: their maximum is [12], whatever happens below [13]. There
# c enters; or there it is read, and it enters where it is heard.
_OUTLASTED = (
    "add relu | add relu | add relu | add relu | add tanh | add tanh | add tanh | add tanh"
    " | add sigmoid | add sigmoid | add tanh | add tanh | add identity | elem_mult tanh"
    " | max identity"
)
WITHOUT_CELL = tree(f"{_OUTLASTED} | add tanh | 12 4")
CELL_OF_ANOTHER_PART = tree(f"{_OUTLASTED} | max relu | 13 1")
