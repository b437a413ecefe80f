"""Architectures as rows: there and back, and every row that is made is an architecture."""

import collections
import math

import numpy as np
import pytest

from nas_with_rl.controller import columns as columns_module
from nas_with_rl.controller.columns import Columns
from nas_with_rl.controller.encoding import ABSENT, encode_architectures
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips

CHAIN = SearchSpace(
    [
        Choice("a", (1, 2, 3)),
        Choice("only", ("one",)),
        Choice("b", (1, 2), only_if=("a", (1, 2))),
        Choice("c", (1, 2, 3, 4), only_if=("b", 2)),
        Choice("d", (1, 2), only_if=("c", (1, 4))),
    ]
)
SPACES = {
    "one option": SearchSpace([Choice("only", ("one",))]),
    "chain": CHAIN,
    "layers": SearchSpace(
        [Choice("first", (1, 2))],
        (
            Choice("kind", ("x", "y")),
            Choice("size", (1, 2, 3), only_if=("kind", "y")),
            Choice("again", (1, 2), only_if=("first", 2)),
            Skips(),
        ),
        depth=3,
    ),
    "several conditions": SearchSpace(
        [
            Choice("a", (1, 2, 3)),
            Choice("b", (1, 2), only_if=("a", (1, 2))),
            Choice("c", (1, 2, 3, 4), only_if={"a": (2, 3), "b": 2}),
        ],
        (
            Choice("kind", ("x", "y")),
            Choice("size", (1, 2, 3), only_if={"kind": "y", "a": (1, 3)}),
            Choice("again", (1, 2), only_if={"size": (1, 2), "kind": "y", "a": 1}),
        ),
        depth=2,
    ),
    "skips alone": SearchSpace(layer_decisions=(Skips(),), depth=4),
    "cells": NasBench201Space().search_space(),
    "recurrent": RecurrentCellSpace(base=2).search_space(),
}
GREATEST = 5


@pytest.fixture(params=SPACES)
def space(request):
    return SPACES[request.param]


@pytest.fixture
def columns(space):
    return Columns(space, max_depth=GREATEST)


def depths(space):
    return (1, space.depth, GREATEST) if space.depth else (0,)


def at_depth(space, depth):
    return space.at_depth(depth) if depth else space


def generator(seed=0):
    return np.random.default_rng(seed)


def test_rows_and_architectures_there_and_back(space, columns):
    for depth in depths(space):
        here = at_depth(space, depth)
        drawn = [random_architecture(here, generator(seed)) for seed in range(30)]
        rows = columns.rows(drawn)
        assert rows.shape == (30, len(columns.sizes)) and rows.dtype == np.int16
        assert columns.architectures(rows, here) == drawn
        encoded = columns.encoded_rows(encode_architectures(drawn, GREATEST), depth)
        np.testing.assert_array_equal(encoded, rows)
        assert ((rows < columns.sizes) & (rows >= ABSENT)).all()
        assert (rows[:, columns.layers > depth] == ABSENT).all()


def test_what_is_drawn_or_changed_is_an_architecture_of_the_depth(space, columns):
    for depth in depths(space):
        here = at_depth(space, depth)
        drawn = columns.uniform(40, depth, generator())
        columns.architectures(drawn, here)  # refuses what is none
        for later in (each for each in depths(space) if each >= depth):
            counts = generator(1).integers(0, 4, size=40)
            mutated = columns.mutated(drawn, counts, later, generator(2))
            found = columns.architectures(mutated, at_depth(space, later))
            np.testing.assert_array_equal(columns.rows(found), mutated)
            around = columns.neighbours(drawn[0], later, generator(3))
            columns.architectures(around, at_depth(space, later))
        smaller = columns.mutated(drawn, np.ones(40, int), min(depth, 1), generator(4))
        columns.architectures(smaller, at_depth(space, min(depth, 1)))


def hanging_on(space, step, tokens):
    """Return whether a step's existence hangs on one of the steps, directly or not."""
    parents = [parent for parent, _ in space.steps[step].conditions]
    return any(parent in tokens or hanging_on(space, parent, tokens) for parent in parents)


def changes_between(columns, space, one, other):
    """Return the columns that differ, but for those that hang on another that differs."""
    first = {column: t for t, column in enumerate(columns._first[:-1])}
    differing = [int(column) for column in np.flatnonzero(one != other)]
    steps = {first[column] for column in differing if column in first}
    return [c for c in differing if c not in first or not hanging_on(space, first[c], steps)]


def test_a_mutation_changes_as_many_decisions_as_asked_for():
    space = SPACES["layers"]
    columns = Columns(space, max_depth=3)
    rows = columns.uniform(200, 3, generator())
    before = rows.copy()
    once = columns.mutated(rows, np.ones(200, int), 3, generator(1))
    np.testing.assert_array_equal(rows, before)
    for one, other in zip(rows, once, strict=True):
        assert len(changes_between(columns, space, one, other)) == 1
    np.testing.assert_array_equal(columns.mutated(rows, np.zeros(200, int), 3, generator(2)), rows)


def test_a_mutation_chooses_place_and_token_uniformly():
    space = SearchSpace([Choice("a", (1, 2)), Choice("b", (1, 2, 3, 4)), Choice("only", ("one",))])
    columns = Columns(space, max_depth=0)
    rows = np.zeros((6000, 3), np.int16)
    mutated = columns.mutated(rows, np.ones(6000, int), 0, generator())
    found = collections.Counter(map(tuple, mutated.tolist()))
    assert set(found) == {(1, 0, 0), (0, 1, 0), (0, 2, 0), (0, 3, 0)}
    assert abs(found[1, 0, 0] - 3000) < 4 * math.sqrt(1500)  # standard deviations
    for token in (1, 2, 3):
        assert abs(found[0, token, 0] - 1000) < 4 * math.sqrt(6000 * 5 / 36)


def test_where_nothing_has_a_choice_nothing_changes():
    columns = Columns(SPACES["one option"], max_depth=0)
    rows = np.zeros((3, 1), np.int16)
    np.testing.assert_array_equal(columns.mutated(rows, np.full(3, 2), 0, generator()), rows)
    assert columns.neighbours(rows[0], 0, generator()).shape == (0, 1)


def test_what_a_longer_architecture_has_more_is_drawn_uniformly():
    space = SearchSpace(layer_decisions=(Choice("units", (1, 2, 3)), Skips()), depth=1)
    columns = Columns(space, max_depth=3)
    rows = columns.uniform(1, 1, generator()).repeat(3000, 0)
    longer = columns.mutated(rows, np.zeros(3000, int), 3, generator(1))
    np.testing.assert_array_equal(longer[:, columns.layers == 1], rows[:, columns.layers == 1])
    for column in np.flatnonzero(columns.layers > 1):
        size = columns.sizes[column]
        counts = np.bincount(longer[:, column], minlength=size)
        assert (abs(counts - 3000 / size) < 4 * np.sqrt(3000 / size * (1 - 1 / size))).all()


def test_neighbours_are_all_that_differ_in_one_decision(space, columns):
    for depth in depths(space):
        here = at_depth(space, depth)
        row = columns.uniform(1, depth, generator(5))[0]
        around = columns.neighbours(row, depth, generator(6))
        exists = row != ABSENT
        assert len(around) == (columns.sizes - 1)[exists].sum()
        assert len({each.tobytes() for each in around}) == len(around)
        for each in around:
            assert len(changes_between(columns, at_depth(here, depth), row, each)) == 1


def test_decisions_are_drawn_uniformly():
    columns = Columns(CHAIN, max_depth=0)
    rows = columns.uniform(12_000, 0, generator())
    found = collections.Counter(map(str, columns.architectures(rows, CHAIN)))

    def probability(architecture):
        product = 1.0
        for step, token in zip(CHAIN.steps, architecture.tokens, strict=True):
            product /= len(step.decision.options) if token is not None else 1
        return product

    expected = {
        str(each): probability(each)
        for each in {random_architecture(CHAIN, generator(seed)) for seed in range(3000)}
    }
    assert sum(expected.values()) == pytest.approx(1) and set(found) == set(expected)
    for text, p in expected.items():
        assert abs(found[text] - 12_000 * p) < 4.5 * math.sqrt(12_000 * p * (1 - p))


def test_equal_generators_give_equal_rows(space, columns):
    row = columns.uniform(1, space.depth, generator())[0]
    one, other = (columns.neighbours(row, space.depth, generator(1)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_too_many_decisions_are_one_line(monkeypatch):
    monkeypatch.setattr(columns_module, "MAX_COLUMNS", 10)
    Columns(SPACES["layers"].at_depth(1), max_depth=2)
    with pytest.raises(InputError, match="=reinforce has no such limit") as caught:
        Columns(SPACES["layers"], max_depth=3)
    assert "\n" not in str(caught.value)
