"""What a ConvolutionalSpace makes of an architecture: layers, strides, types, blocks, pooling."""

import math

import numpy as np
import pytest

from nas_with_rl.search_spaces.architecture import parse_architecture, random_architecture
from nas_with_rl.search_spaces.convnet import (
    BatchNormalizationLayer,
    ConvNet,
    ConvolutionalLayer,
    LocalContrastNormalizationLayer,
    PoolingLayer,
)
from nas_with_rl.search_spaces.convolutional import LAYER_TYPES, ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import Choice, SearchSpace

THREE_LAYERS = "3 3 - 36 | 3 3 1 48 | 5 7 1,2 36"
V3 = ConvolutionalSpace(filters=(6, 12, 24, 36), block_size=3, pool_after=(13, 24))


def read(space: ConvolutionalSpace, text: str) -> ConvNet:
    return space.convnet(parse_architecture(text, space.search_space(1), any_depth=True))


def test_layers():
    architecture = parse_architecture(THREE_LAYERS, ConvolutionalSpace().search_space(3))
    assert architecture["filters"] == (36, 48, 36)
    assert architecture["inputs"] == ((), (1,), (1, 2))
    assert ConvolutionalSpace().convnet(architecture) == ConvNet(
        (
            ConvolutionalLayer(3, 3, 36),
            ConvolutionalLayer(3, 3, 48, inputs=(1,)),
            ConvolutionalLayer(5, 7, 36, inputs=(1, 2)),
        )
    )


def test_without_skips_each_layer_takes_the_one_before():
    convnet = read(ConvolutionalSpace(skips=False), "3 3 36 | 1 5 24 | 7 7 64")
    assert [layer.inputs for layer in convnet.layers] == [(), (1,), (2,)]
    assert convnet.unconnected == (3,)


def test_decisions_come_in_the_papers_order():
    space = ConvolutionalSpace(
        strides=(1, 2, 3), learning_rates=(0.1, 0.01), layer_types=tuple(LAYER_TYPES)
    ).search_space(1)
    assert [step.title for step in space.steps] == ["learning_rate"] + [
        f"layer 1, {name}"
        for name in (
            "type",
            "filter_height",
            "filter_width",
            "stride_height",
            "stride_width",
            "pool_size",
            "pool_stride",
            "window",
            "inputs",
            "filters",
        )
    ]


def test_predicted_strides():
    convnet = read(ConvolutionalSpace(strides=(1, 2, 3)), "3 5 2 1 - 36 | 7 1 3 2 1 24")
    assert convnet.layers == (
        ConvolutionalLayer(3, 5, 36, stride_height=2, stride_width=1),
        ConvolutionalLayer(7, 1, 24, (1,), stride_height=3, stride_width=2),
    )


def test_a_single_stride_is_no_decision_but_holds():
    space = ConvolutionalSpace(strides=(2,))
    assert space.search_space(4).size == ConvolutionalSpace().search_space(4).size
    (layer,) = read(space, "3 3 - 36").layers
    assert (layer.stride_height, layer.stride_width) == (2, 2)


def test_every_type_of_layer_with_its_own_decisions_alone():
    space = ConvolutionalSpace(layer_types=tuple(LAYER_TYPES), learning_rates=(0.1, 0.01))
    convnet = read(
        space,
        "0.01 | max_pooling 2 1 - | convolution 3 5 - 36 | average_pooling 3 2 1,2"
        " | local_contrast_normalization 9 2 | batch_normalization 1,4",
    )
    assert convnet == ConvNet(
        (
            PoolingLayer("max_pooling", 2, 1),
            ConvolutionalLayer(3, 5, 36),
            PoolingLayer("average_pooling", 3, 2, (1, 2)),
            LocalContrastNormalizationLayer(9, (2,)),
            BatchNormalizationLayer((1, 4)),
        ),
        learning_rate=0.01,
    )
    with pytest.raises(InputError, match="surplus token at word 7"):
        read(space, "0.1 | max_pooling 2 1 - 36")


def test_a_space_without_convolutions_has_none_of_their_decisions():
    space = ConvolutionalSpace(
        layer_types=("batch_normalization", "max_pooling"), strides=(1, 2), skips=False
    )
    assert space.search_space(2).size == (1 + 2 * 2) ** 2
    assert read(space, "batch_normalization | max_pooling 3 2").layers == (
        BatchNormalizationLayer(),
        PoolingLayer("max_pooling", 3, 2, (1,)),
    )


def test_blocks_of_three_convolutions():
    convnet = read(V3, "3 5 - 6 | 7 1 1 12 | 1 1 - 24 | 3 3 1,3 36")
    assert convnet.layers == (
        ConvolutionalLayer(3, 5, 6),
        ConvolutionalLayer(3, 5, 6, (1,)),
        ConvolutionalLayer(3, 5, 6, (1, 2)),
        ConvolutionalLayer(7, 1, 12, (3,)),  # block 1 is its last convolution
        ConvolutionalLayer(7, 1, 12, (4,)),
        ConvolutionalLayer(7, 1, 12, (4, 5)),
        ConvolutionalLayer(1, 1, 24),
        ConvolutionalLayer(1, 1, 24, (7,)),
        ConvolutionalLayer(1, 1, 24, (7, 8)),
        ConvolutionalLayer(3, 3, 36, (3, 9)),
        ConvolutionalLayer(3, 3, 36, (10,)),
        ConvolutionalLayer(3, 3, 36, (10, 11)),
    )
    assert convnet.unconnected == (6, 12)
    assert convnet.pool_after == ()  # 13 lies beyond the twelve layers


def test_the_papers_third_space_has_39_layers_and_two_poolings():
    space = V3.search_space(13)
    convnet = V3.convnet(random_architecture(space, np.random.default_rng(0)))
    assert space.size == 64**13 * 2**78
    assert len(convnet.layers) == 39
    assert convnet.pool_after == (13, 24)


def test_the_stride_of_a_block_is_its_first_convolutions():
    convnet = read(ConvolutionalSpace(strides=(1, 2), block_size=2), "3 3 2 1 - 24")
    assert [(layer.stride_height, layer.stride_width) for layer in convnet.layers] == [
        (2, 1),
        (1, 1),
    ]


@pytest.mark.parametrize(
    ("multiplier", "extra", "filters"),
    [
        (1.0, 40, [64, 76, 88, 104]),
        (0.25, 0, [6, 9, 12, 16]),
        (0.01, 0, [1] * 4),
        (0.01, 2, [3] * 4),
    ],
)
def test_numbers_of_filters_are_multiplied_then_raised(multiplier, extra, filters):
    space = ConvolutionalSpace(width_multiplier=multiplier, extra_filters=extra)
    convnet = read(space, "1 1 - 24 | 1 1 1 36 | 1 1 2 48 | 1 1 3 64")
    assert [layer.filters for layer in convnet.layers] == filters
    assert space.search_space(4) == ConvolutionalSpace().search_space(4)  # as predicted


def test_an_architecture_with_fewer_decisions_is_read_by_a_wider_space():
    architecture = parse_architecture(THREE_LAYERS, ConvolutionalSpace().search_space(3))
    wide = ConvolutionalSpace(
        strides=(1, 2, 3),
        learning_rates=(0.1, 0.01),
        layer_types=tuple(LAYER_TYPES),
        pool_after=(1, 2, 4),
    )
    convnet = wide.convnet(architecture)
    assert convnet.layers == ConvolutionalSpace().convnet(architecture).layers
    assert convnet.learning_rate is None
    assert convnet.pool_after == (1, 2)


def test_what_is_no_convnet_or_of_other_blocks_is_refused():
    generator = np.random.default_rng(0)
    cell = random_architecture(RecurrentCellSpace(base=2).search_space(), generator)
    with pytest.raises(InputError, match="'recurrent_cell_base_2' is no ConvNet"):
        ConvolutionalSpace().convnet(cell)
    own = SearchSpace(layer_decisions=(Choice("type", ("conv", "max_pooling")),), depth=1)
    with pytest.raises(InputError, match="'space' is no ConvNet"):
        ConvolutionalSpace().convnet(random_architecture(own, generator))
    single = random_architecture(ConvolutionalSpace().search_space(2), generator)
    with pytest.raises(
        InputError,
        match=r"'convolutional' predicts single layers, the space blocks of 3 convolutions",
    ):
        V3.convnet(single)
    blocks = random_architecture(V3.search_space(2), generator)
    with pytest.raises(InputError, match="predicts blocks of 3 convolutions, the space single"):
        ConvolutionalSpace().convnet(blocks)
    with pytest.raises(InputError, match="of 3 convolutions, the space blocks of 2 convolutions"):
        ConvolutionalSpace(block_size=2).convnet(blocks)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"filter_sizes": ()}, "filter_sizes is (); each must be at least 1"),
        ({"strides": (0, 1)}, "strides is (0, 1); each must be at least 1"),
        ({"learning_rates": (0.1, 0.0)}, "learning_rates has 0.0, not above 0"),
        ({"learning_rates": (math.nan,)}, "learning_rates has nan, not above 0"),
        ({"layer_types": ("pooling",)}, "layer_types has 'pooling', not one of convolution, max_"),
        ({"block_size": 0}, "block_size is 0, below 1"),
        ({"block_size": 3, "layer_types": ("convolution",)}, "block_size is 3 with layer_types"),
        ({"pool_after": (24, 13)}, "pool_after is (24, 13); it takes numbers of layers, from 1"),
        ({"pool_after": (0, 13)}, "pool_after is (0, 13)"),
        ({"pool_after": (13, 13)}, "pool_after is (13, 13)"),
        ({"width_multiplier": 0.0}, "width_multiplier is 0.0, not above 0"),
        ({"width_multiplier": math.inf}, "width_multiplier is inf, not above 0 and at most"),
        ({"extra_filters": -1}, "extra_filters is -1, below 0"),
    ],
)
def test_a_wrong_space_is_refused_in_one_line(fields, message):
    with pytest.raises(InputError) as error:
        ConvolutionalSpace(**fields)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


ONE = ConvolutionalLayer(1, 1, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConvNet(()), "least 1 layer"),
        (
            lambda: ConvNet((ConvolutionalLayer(1, 1, 1, (1,)),)),
            "layer 1 takes layer 1, and there is none before",
        ),
        (lambda: ConvNet((ONE, ONE, BatchNormalizationLayer((3,)))), "between 1 and 2"),
        (lambda: ConvNet((ONE,), pool_after=(2,)), "pool_after has 2, above the 1 layers"),
        (lambda: ConvNet((ONE,), learning_rate=0.0), "learning_rate is 0.0, not above 0"),
        (lambda: ConvolutionalLayer(1, 0, 1), "filter_width is 0, below 1"),
        (lambda: PoolingLayer("sum", 2, 2), "kind is 'sum', not one of max_pooling, average"),
        (lambda: PoolingLayer("max_pooling", 2, 0), "pool_stride is 0, below 1"),
        (lambda: LocalContrastNormalizationLayer(4), "window is 4, not odd and at least 1"),
    ],
)
def test_a_convnet_that_cannot_be_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
