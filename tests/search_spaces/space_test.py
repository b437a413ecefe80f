import dataclasses
import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.convolutional import LAYER_TYPES, ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.recurrent_cell import (
    ACTIVATIONS,
    COMBINATIONS,
    RecurrentCellSpace,
)
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips

OPTIMISER = SearchSpace(
    decisions=(
        Choice("optimiser", ("sgd", "adam", "none")),
        Choice("momentum", (0.0, 0.9), only_if=("optimiser", ("sgd",))),
        Choice("nesterov", (True, False), only_if=("momentum", (0.9,))),
        Choice("rate", (1, 2, 3), only_if=("optimiser", ("sgd", "adam"))),
    )
)


def every_architecture(space: SearchSpace) -> list[tuple]:
    """Enumerate the token sequences from the decisions alone, without the space's own steps."""
    places = [(decision, 0) for decision in space.decisions]
    for layer in range(1, space.depth + 1):
        places += [(decision, layer) for decision in space.layer_decisions]

    def extended(index: int, chosen: dict[str, object]) -> list[tuple]:
        if index == len(places):
            return [()]
        decision, layer = places[index]
        if isinstance(decision, Skips):
            earlier = range(1, layer)
            answers = [
                (subset, subset)
                for size in range(layer)
                for subset in itertools.combinations(earlier, size)
            ]
        elif decision.only_if and chosen[decision.only_if[0]] not in decision.only_if[1]:
            answers = [(None, None)]
        else:
            answers = list(enumerate(decision.options))
        return [
            (token, *rest)
            for token, answer in answers
            for rest in extended(index + 1, {**chosen, decision.name: answer})
        ]

    return extended(0, {})


@st.composite
def small_spaces(draw: st.DrawFn) -> SearchSpace:
    """Spaces of at most some thousand architectures, with conditions and layers."""
    num_decisions = draw(st.integers(0, 4))
    num_layer_decisions = draw(st.integers(0 if num_decisions else 1, 2))
    choices: list[Choice] = []
    for index in range(num_decisions + num_layer_decisions):
        options = tuple(f"o{n}" for n in range(draw(st.integers(1, 3))))
        only_if = None
        if choices and draw(st.booleans()):
            parent = draw(st.sampled_from(choices))
            values = draw(st.lists(st.sampled_from(parent.options), min_size=1, unique=True))
            only_if = (parent.name, tuple(values))
        group = draw(st.sampled_from(("", "left/", "right/")))
        choices.append(Choice(f"{group}decision_{index}", options, only_if))
    layer_decisions: list[Choice | Skips] = list(choices[num_decisions:])
    if draw(st.booleans()):
        layer_decisions.insert(draw(st.integers(0, len(layer_decisions))), Skips())
    depth = draw(st.integers(1, 2)) if layer_decisions else 0
    return SearchSpace(tuple(choices[:num_decisions]), tuple(layer_decisions), depth)


@given(small_spaces())
def test_size_is_the_number_of_architectures(space):
    tokens = every_architecture(space)
    assert space.size == len(tokens) == len(set(tokens))
    assert len({str(Architecture(space, one)) for one in tokens}) == len(tokens)


def test_conditions_are_counted_by_hand():
    # sgd: (momentum 0.0 or 0.9 with 2 nesterovs) x 3 rates; adam: 3 rates; none: 1.
    assert OPTIMISER.size == (1 + 2) * 3 + 3 + 1 == len(every_architecture(OPTIMISER))


def test_a_long_chain_of_conditions_is_counted_at_once():
    chain = [Choice("c0", ("a", "b"))]
    for index in range(1, 2000):
        chain.append(Choice(f"c{index}", ("a", "b"), only_if=(f"c{index - 1}", ("a", "b"))))
    assert SearchSpace(tuple(chain)).size == 2**2000


@pytest.mark.parametrize(
    ("space", "size"),
    [
        (RecurrentCellSpace(base=2).search_space(), 36_864),
        (RecurrentCellSpace(base=4).search_space(), 8**8 * 7 * 7),
        (RecurrentCellSpace(base=8).search_space(), 8**16 * 225),
        (ConvolutionalSpace().search_space(depth=15), 2**195),
        (ConvolutionalSpace(skips=False).search_space(depth=15), 64**15),
        (NasBench201Space().search_space(), 15_625),
        (ConvolutionalSpace(strides=(1, 2, 3)).search_space(depth=20), 576**20 * 2**190),
        (ConvolutionalSpace(learning_rates=(0.1, 0.01)).search_space(depth=3), 2 * 64**3 * 2**3),
        # 64 convolutions, twice 2 x 2 poolings, 3 windows, 1 batch normalisation
        (
            ConvolutionalSpace(layer_types=tuple(LAYER_TYPES)).search_space(depth=6),
            (64 + 4 + 4 + 3 + 1) ** 6 * 2**15,
        ),
        (ConvolutionalSpace(block_size=3).search_space(depth=13), 64**13 * 2**78),
        (RecurrentCellSpace(8, COMBINATIONS, ACTIVATIONS).search_space(), 15**16 * 225),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_published_sizes(space, size):
    assert space.size == size


def test_the_paper_counts_about_6e16_cells_of_base_8():
    assert RecurrentCellSpace(base=8).search_space().size == pytest.approx(6e16, rel=0.06)


def test_with_max_and_sin_there_are_1_48e21_cells():
    space = RecurrentCellSpace(8, COMBINATIONS, ACTIVATIONS).search_space()
    assert space.size == 1_477_891_880_035_400_390_625
    assert RecurrentCellSpace().search_space().size == 63_331_869_759_897_600  # the default


@pytest.mark.parametrize(
    "space",
    [
        ConvolutionalSpace((1, 3), (4, 6), strides=(1, 2)).search_space(2),
        ConvolutionalSpace((1, 3), (4, 6), learning_rates=(0.1, 0.01)).search_space(2),
        ConvolutionalSpace(
            (1, 3), (4, 6), strides=(1, 2), layer_types=tuple(LAYER_TYPES)
        ).search_space(2),
        ConvolutionalSpace((1,), (4, 6), block_size=3, pool_after=(2,)).search_space(3),
        RecurrentCellSpace(2, ("add", "max"), ("sin",)).search_space(),
    ],
    ids=("strides", "learning_rate", "layer_types", "blocks", "max_and_sin"),
)
def test_each_space_has_as_many_architectures_as_it_says(space):
    tokens = every_architecture(space)
    assert space.size == len(tokens) == len(set(tokens))
    assert len({str(Architecture(space, one)) for one in tokens}) == len(tokens)


def test_a_layers_condition_refers_to_its_own_layer():
    space = SearchSpace(
        layer_decisions=(
            Choice("kind", ("conv", "pool")),
            Choice("filters", (8, 16), only_if=("kind", ("conv",))),
        ),
        depth=2,
    )
    assert [step.parent for step in space.steps] == [None, 0, None, 2]
    assert space.size == 3**2
    assert space.at_depth(4).size == 3**4


def test_a_layers_condition_may_refer_to_a_decision_before_the_layers():
    space = SearchSpace(
        decisions=(Choice("kind", ("plain", "gated")),),
        layer_decisions=(Choice("gate", ("relu", "tanh"), only_if=("kind", ("gated",))),),
        depth=3,
    )
    assert [step.parent for step in space.steps] == [None, 0, 0, 0]
    assert space.size == 1 + 2**3


def test_steps_follow_the_controllers_order():
    steps = ConvolutionalSpace().search_space(depth=2).steps
    assert [step.title for step in steps] == [
        f"layer {layer}, {name}"
        for layer in (1, 2)
        for name in ("filter_height", "filter_width", "inputs", "filters")
    ]
    assert [step.num_candidates for step in steps if step.decision.name == "inputs"] == [0, 1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Choice("a", ()), "choice 'a' has no options"),
        (lambda: Choice("a", ("x", "x")), "with the same"),
        (lambda: Choice("a", (1, "1")), "with the same"),
        (lambda: Choice("a", (1, True)), "two equal options"),
        (lambda: Choice("a", "relu"), "options of 'a' are one text, 'relu'"),
        (lambda: Choice("a", ("x y",)), "option 'x y' cannot"),
        (lambda: Choice("a", ("x|y",)), "as one word"),
        (lambda: Choice("a", ("1,2",)), "as one word"),
        (lambda: Choice("a", ("",)), "as one word"),
        (lambda: Choice("a", ("-",)), "as one word"),
        (lambda: Choice("a b", ("x",)), "not 'a b'"),
        (lambda: Choice("", ("x",)), "not ''"),
        (lambda: Skips("a|b"), "not 'a|b'"),
        (lambda: SearchSpace(name="mine"), "space 'mine' has no decisions"),
        (
            lambda: SearchSpace((Choice("a", (1,)), Choice("a", (2,)))),
            "two decisions named 'a'",
        ),
        (
            lambda: SearchSpace((Choice("a", (1,)),), (Choice("a", (2,)),), depth=1),
            "two decisions named 'a'",
        ),
        (lambda: SearchSpace((Skips(),)), "belongs to layer_decisions"),
        (
            lambda: SearchSpace(layer_decisions=(Skips("a"), Skips("b")), depth=1),
            "one skip decision",
        ),
        (lambda: SearchSpace((Choice("a", (1,)),), depth=2), "depth is 2 with 0 layer decisions"),
        (lambda: SearchSpace((Choice("a", (1,)),), depth=-1), "depth is -1"),
        (lambda: SearchSpace(layer_decisions=(Skips(),)), "depth is 0 with 1 layer decisions"),
        (lambda: SearchSpace(layer_decisions=(Skips(),), depth=-1), "depth is -1"),
        (
            lambda: SearchSpace((Choice("a", (1,), only_if=("b", (1,))), Choice("b", (1,)))),
            "choice 'a' depends on 'b', which is no earlier choice",
        ),
        (
            lambda: SearchSpace((Choice("a", (1,), only_if=("a", (1,))),)),
            "choice 'a' depends on 'a', which is no earlier choice",
        ),
        (
            lambda: SearchSpace(
                layer_decisions=(Skips("b"), Choice("a", (1,), only_if=("b", ((),)))), depth=2
            ),
            "choice 'a' depends on 'b', which is no earlier choice",
        ),
        (
            # In layer 2 "b" has been decided once, in layer 1; the order still is wrong.
            lambda: SearchSpace(
                layer_decisions=(Choice("a", (1,), only_if=("b", (1,))), Choice("b", (1,))),
                depth=2,
            ),
            "choice 'a' depends on 'b', which is no earlier choice",
        ),
        (
            lambda: SearchSpace((Choice("b", (1, 2)), Choice("a", (1,), only_if=("b", (3,))))),
            "choice 'a' depends on 'b' being one of (3,), of which it has 1, 2",
        ),
        (
            lambda: SearchSpace((Choice("b", (1, 2)), Choice("a", (1,), only_if=("b", ())))),
            "choice 'a' depends on 'b'",
        ),
        (lambda: RecurrentCellSpace(base=3), "base is 3, not one of 2, 4, 8"),
    ],
)
def test_a_wrong_space_is_refused_in_one_line(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


N = Choice("n", (1, 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        # An order that depends on how texts are hashed, anew in each process.
        (lambda: Choice("a", {"relu", "tanh"}), "options of 'a' are a set"),
        (lambda: Choice("a", frozenset([1])), "options of 'a' are a set"),
        (lambda: Choice("a", {"b": 1}.items()), "options of 'a' are a set"),
        (lambda: Choice("a", (1,), only_if=("n", {1, 2})), "options of only_if are a set"),
        (lambda: SearchSpace({N}), "decisions is {Choice("),
        (lambda: Choice("a", 5), "options of 'a' are 5, no tuple"),
        (lambda: Choice("a", None), "options of 'a' are None, no tuple"),
        (lambda: Choice("a", {"min": 1, "max": 8}), "options of 'a' are {'min': 1, 'max': 8}"),
        (lambda: Choice("a", b"ab"), "options of 'a' are b'ab', no tuple"),
        (lambda: Choice("a", np.array(3)), "no tuple"),
        (lambda: Choice("a", itertools.count()), "options of 'a' are more than 10,000"),
        (lambda: Choice("a", (None, "relu")), "option None cannot be chosen"),
        (lambda: Choice("a", (math.nan, 1.0)), "option nan cannot be chosen"),
        (lambda: Choice("a", ([3, 3], [5, 5])), "option [3, 3] cannot"),
        (lambda: Choice("a", ((3, 3),)), "option (3, 3) cannot"),
        (lambda: Choice("a", ({}, {"b": 1})), "option {} cannot"),
        (lambda: Choice("a", np.ones((2, 2))), "as one word"),
        (lambda: Choice("a", (abs,)), "option <built-in function abs> cannot be written"),
        (lambda: Choice("a", (10**5000,)), "as one word"),
        (lambda: Choice("a", ("x" * 10**6,)), "as one word"),
        (lambda: Choice("a", ("x\0",)), "as one word"),
        (lambda: Choice("a", ("\ud800",)), "as one word"),
        (lambda: Choice(5, (1,)), "not 5"),
        (lambda: Choice("x" * 10**6, (1,)), "decision needs a"),
        (lambda: Skips(None), "not None"),
        (lambda: Choice("a", (1,), only_if="n"), "only_if is 'n', not (decision, options)"),
        (lambda: Choice("a", (1,), only_if=("n",)), "only_if is ('n',), not"),
        (lambda: Choice("a", (1,), only_if=("n", 1, 2)), "only_if is ('n', 1, 2), not"),
        (lambda: Choice("a", (1,), only_if={"n": 1}), "only_if is {'n': 1}, not"),
        (lambda: Choice("a", (1,), only_if=(1, ("n",))), "only_if is (1, ('n',)), not"),
        (lambda: SearchSpace([N, Choice("a", (1,), only_if=("n", None))]), "one of (None,)"),
        (lambda: SearchSpace("ab"), "decisions is 'ab', no list of choices"),
        (lambda: SearchSpace(N), "decisions is Choice(name='n'"),
        (lambda: SearchSpace(["n"]), "decisions has 'n', which is no Choice and no Skips"),
        (lambda: SearchSpace([[N]]), "decisions has [Choice("),
        (lambda: SearchSpace({"n": {1, 2}}), "options of 'n' are a set"),
        (lambda: SearchSpace({}), "has no decisions"),
        (lambda: SearchSpace([N], name=5), "name is 5, not a text"),
        (lambda: SearchSpace([], [N], depth=True), "depth is True, not an integer"),
        (lambda: SearchSpace([], [N], depth="2"), "depth is '2', not an integer"),
        (lambda: SearchSpace([], [N], depth=10**9), "depth is 1000000000, above 1,000"),
    ],
    ids=itertools.count(),
)
def test_what_is_no_space_is_refused_in_one_short_line(make, message):
    with pytest.raises(InputError) as error:
        make()
    said = str(error.value)
    assert message in said and "\n" not in said and len(said) < 300


def test_what_means_the_same_is_the_same():
    space = SearchSpace([N, Choice("a", ("x", "y"), only_if=("n", (2,)))])
    assert SearchSpace([N, Choice("a", ["x", "y"], only_if=["n", 2])]) == space
    assert SearchSpace((N, Choice("a", iter("xy"), only_if=("n", np.int64(2))))) == space
    assert SearchSpace([Choice("r", ("relu", "x")), Choice("a", (1,), only_if=("r", "relu"))])
    assert SearchSpace({"n": [1, 2], "a": ("x", "y")}) == SearchSpace([N, Choice("a", ("x", "y"))])
    layers = SearchSpace({}, {"n": (1, 2)}, depth=np.int64(2))
    assert layers == SearchSpace(layer_decisions=[N], depth=2) and type(layers.depth) is int


@pytest.mark.parametrize(
    "space",
    [
        ConvolutionalSpace(block_size=2).search_space(3),
        ConvolutionalSpace(learning_rates=(0.1,)).search_space(3),
        RecurrentCellSpace(2).search_space(),
    ],
    ids=lambda space: space.name,
)
def test_a_space_keeps_its_reader_and_compares_without_it(space):
    sent = pickle.loads(pickle.dumps(space))
    assert sent.reader == space.reader and sent.reader is not None
    if space.depth:
        assert space.at_depth(5).reader is space.reader
    bare = dataclasses.replace(space, reader=None)
    assert bare == space and hash(bare) == hash(space) and repr(bare) == repr(space)


def test_an_unknown_decision_is_a_key_error():
    with pytest.raises(KeyError, match="no decision named 'depth'"):
        OPTIMISER.decision("depth")
