import dataclasses
import functools
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
        elif any(chosen[parent] not in values for parent, values in decision.conditions):
            answers = [(None, None)]
        else:
            answers = list(enumerate(decision.options))
        return [
            (token, *rest)
            for token, answer in answers
            for rest in extended(index + 1, {**chosen, decision.name: answer})
        ]

    return extended(0, {})


def parents(space: SearchSpace) -> list[list[int]]:
    return [[parent for parent, _ in step.conditions] for step in space.steps]


@st.composite
def small_spaces(draw: st.DrawFn) -> SearchSpace:
    """Spaces of at most some thousand architectures, with conditions and layers."""
    num_decisions = draw(st.integers(0, 4))
    num_layer_decisions = draw(st.integers(0 if num_decisions else 1, 2))
    choices: list[Choice] = []
    for index in range(num_decisions + num_layer_decisions):
        options = tuple(f"o{n}" for n in range(draw(st.integers(1, 3))))
        only_if = {}
        for _ in range(draw(st.integers(0, 3)) if choices else 0):
            parent = draw(st.sampled_from(choices))
            values = draw(st.lists(st.sampled_from(parent.options), min_size=1, unique=True))
            only_if[parent.name] = tuple(values)
        group = draw(st.sampled_from(("", "left/", "right/")))
        choices.append(Choice(f"{group}decision_{index}", options, only_if or None))
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


def test_several_conditions_are_counted_by_hand_and_however_many_hang_together():
    both = SearchSpace(
        [
            Choice("a", (1, 2, 3)),
            Choice("b", (1, 2), only_if=("a", (1, 2))),
            Choice("c", (1, 2, 3, 4), only_if={"a": (2, 3), "b": 2}),
        ]
    )
    # a 1: 2 of b; a 2: 1 and, with c, 4; a 3: no b, and so no c.
    assert both.size == 2 + (1 + 4) + 1 == len(every_architecture(both))
    flags = [Choice(f"f{n}", (False, True)) for n in range(40)]
    pairs = [
        Choice(f"p{n}", (1, 2, 3), only_if={f"f{n}": True, f"f{n + 1}": True})
        for n in range(0, 40, 2)
    ]
    assert SearchSpace([*flags, *pairs]).size == (3 + 3) ** 20
    every = {flag.name: True for flag in flags}
    assert SearchSpace([*flags, Choice("last", (1, 2, 3), only_if=every)]).size == 2**40 + 2
    chain = [Choice(f"p{n}", (1, 2), only_if={f"f{n}": True, f"f{n + 1}": True}) for n in range(39)]
    counts = {False: 1, True: 1}  # ways so far, by the last flag
    for _ in range(39):
        counts = {False: counts[False] + counts[True], True: counts[False] + 2 * counts[True]}
    assert SearchSpace([*flags, *chain]).size == sum(counts.values())
    tangled = [
        Choice(f"t{n}_{m}", (1, 2), only_if={f"f{n}": True, f"f{m}": True})
        for n, m in itertools.combinations(range(40), 2)
    ]
    with pytest.raises(InputError, match="cannot be counted: let fewer"):
        _ = SearchSpace([*flags, *tangled]).size


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
    assert parents(space) == [[], [0], [], [2]]
    assert space.size == 3**2
    assert space.at_depth(4).size == 3**4


def test_a_layers_condition_may_refer_to_a_decision_before_the_layers():
    space = SearchSpace(
        decisions=(Choice("kind", ("plain", "gated")),),
        layer_decisions=(Choice("gate", ("relu", "tanh"), only_if=("kind", ("gated",))),),
        depth=3,
    )
    assert parents(space) == [[], [0], [0], [0]]
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
        (lambda: Choice("a", (math.nan, 1.0)), "option nan cannot be chosen"),
        (lambda: Choice("a", ([3, 3], [5, 5])), "option [3, 3] cannot"),
        (lambda: Choice("a", ((3, [3]),)), "option (3, [3]) cannot"),
        (lambda: Choice("a", [lambda: 1, lambda: 2]), "two options with the same text; name them"),
        (lambda: Choice("a", ((3, 3), "3x3")), "two options with the same text; name them"),
        (lambda: Choice("a", {"x y": 1}), "an option's name is a word"),
        (lambda: Choice("a", {"-": 1}), "an option's name is a word"),
        (lambda: Choice("a", {3: 1}), "an option's name is a word (no white space, '|' or ','"),
        (lambda: Choice("a", (1, 2), names=("x",)), "has 2 options and 1 names"),
        (lambda: Choice("a", (1, 2), names=("x", "x")), "two options with the same text"),
        (lambda: Choice("a", (1, 2), names="xy"), "names of 'a' are one text"),
        (lambda: Choice("a", {}), "has no options"),
        (lambda: Choice("a", ({}, {"b": 1})), "option {} cannot"),
        (lambda: Choice("a", np.ones((2, 2))), "as one word"),
        (lambda: Choice("a", (functools.partial(abs),)), "option functools.partial(<built-in"),
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
        (lambda: Choice("a", (1,), only_if=()), "only_if is (), which says nothing"),
        (lambda: Choice("a", (1,), only_if={3: 1}), "only_if is {3: 1}, not (decision, options)"),
        (lambda: Choice("a", (1,), only_if=[("n", 1), "n"]), "only_if is [('n', 1), 'n'], not"),
        (
            lambda: SearchSpace([N, Choice("a", (1,), only_if=(("n", 1), ("n", 2)))]),
            "choice 'a' can never exist: it depends twice on 'n'",
        ),
        (
            lambda: SearchSpace([N, Choice("a", (1,), only_if={"n": 1, "m": 2})]),
            "choice 'a' depends on 'm', which is no earlier choice",
        ),
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


class Small:
    """A class, as an option."""


def test_options_of_any_kind_have_texts_of_their_own():
    options = (abs, Small, None, (3, 3), ("relu", True), ((3, 5), 7), 1.5, ())
    choice = Choice("a", options)
    assert choice.texts == ("abs", "Small", "None", "3x3", "relu+True", "3x5+7", "1.5", "()")
    assert choice.options == options and choice.names is None
    mapped = Choice("a", {"wide": [64, 64], "deep": [[8] * 3], "none": None})
    assert mapped.texts == ("wide", "deep", "none") and mapped.options[0] == [64, 64]
    assert mapped == Choice("a", ([64, 64], [[8] * 3], None), names=["wide", "deep", "none"])
    assert SearchSpace({"a": {"one": abs}, "b": [1, 2]}).decisions[0].options == (abs,)
    assert dataclasses.replace(mapped, name="b").texts == mapped.texts


def test_choices_are_equal_by_their_texts_and_plain_values():
    named = Choice("a", {"f": abs, "g": max}, only_if=("n", 1))
    assert named == Choice("a", {"f": max, "g": abs}, only_if=("n", (1,)))  # as another process's
    assert hash(named) == hash(pickle.loads(pickle.dumps(named)))
    assert pickle.loads(pickle.dumps(named)) == named and named.options == (abs, max)
    assert Choice("a", (1, 2)) != Choice("a", ("1", "2"))
    assert Choice("a", (1, 2)) != Choice("a", (1, 2), names=("1", "two"))
    assert Choice("a", {"f": abs}) != Choice("a", ("f",)) != Choice("b", ("f",))
    assert Choice("a", ((3, 3),)) != Choice("a", ("3x3",)) and Choice("a", (1,)) != "a"
    assert Choice("a", (1,), only_if={"n": 1, "m": 2}) != Choice("a", (1,), only_if=("n", 1))


def test_conditions_are_met_by_values_names_and_whole_tuples():
    kernel = Choice("kernel", ((3, 3), (5, 5), None))
    made = Choice("made", {"f": abs, "g": max, "h": Small})
    rest = [
        Choice("a", (1, 2), only_if=("kernel", (3, 3))),
        Choice("b", (1, 2), only_if=("kernel", ((5, 5), None))),
        Choice("c", (1, 2), only_if=("made", max)),
        Choice("d", (1, 2), only_if={"made": ("f", Small), "kernel": None}),
    ]
    space = SearchSpace([kernel, made, *rest])
    assert [step.conditions for step in space.steps[2:]] == [
        ((0, frozenset({0})),),
        ((0, frozenset({1, 2})),),
        ((1, frozenset({1})),),
        ((1, frozenset({0, 2})), (0, frozenset({2}))),
    ]
    # kernel 3x3 and 5x5: 2 x (1 + 2 + 1); None: 2 x (2 + 2 + 2), of b and of c or d
    assert space.size == 2 * 2 * 4 + 2 * 6


def test_a_space_is_written_in_plain_values_alone():
    plain = OPTIMISER.plain()
    assert repr(plain) == repr(OPTIMISER) and plain == OPTIMISER
    space = SearchSpace(
        [
            Choice("f", {"abs": abs, "largest": max}),
            Choice("kernel", ((3, 3), None, Small)),
            Choice("n", (1, 2), only_if={"f": max, "kernel": Small}),
            Choice("m", (1,), only_if=("kernel", None)),
        ]
    )
    assert [repr(each) for each in space.plain().decisions] == [
        "Choice(name='f', options=('abs', 'largest'), only_if=None)",
        "Choice(name='kernel', options=((3, 3), None, 'Small'), only_if=None)",
        "Choice(name='n', options=(1, 2), only_if=(('f', ('largest',)), ('kernel', ('Small',))))",
        "Choice(name='m', options=(1,), only_if=('kernel', (None,)))",
    ]
    named = SearchSpace({"a": {"small": 1, "abs": abs}}).plain().decisions[0]
    assert (
        repr(named) == "Choice(name='a', options=(1, 'abs'), only_if=None, names=('small', 'abs'))"
    )
    assert [step.conditions for step in space.plain().steps] == [s.conditions for s in space.steps]


def test_an_unknown_decision_is_a_key_error():
    with pytest.raises(KeyError, match="no decision named 'depth'"):
        OPTIMISER.decision("depth")
