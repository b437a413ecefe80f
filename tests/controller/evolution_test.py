"""Regularised evolution: who is a parent, who dies, and what a child is."""

import pytest

from nas_with_rl.controller.columns import Columns
from nas_with_rl.controller.evolution import POPULATION, Evolution
from nas_with_rl.controller.random_search import RandomSearch
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips

DIGITS = SearchSpace([Choice(f"d{place}", tuple(range(5))) for place in range(6)])
LAYERS = SearchSpace(layer_decisions=(Choice("units", (1, 2, 3)), Skips()), depth=2)


def told(searcher, space, first, number, reward, batch_size=10):
    """Return the architectures of a part of a search."""
    found = []
    for start in range(first, first + number, batch_size):
        proposals = searcher.ask(space, range(start, start + batch_size))
        searcher.tell(proposals, [reward(p) for p in proposals])
        found += [p.architecture for p in proposals]
    return found


def distance(one, other):
    return sum(a != b for a, b in zip(one.tokens, other.tokens, strict=True))


def test_the_population_is_filled_by_what_random_search_draws():
    searcher = Evolution(DIGITS, max_depth=0, seed=4)
    found = told(searcher, DIGITS, 0, POPULATION, lambda p: 0.0)
    drawn = RandomSearch(seed=4).ask(DIGITS, range(POPULATION))
    assert found == [proposal.architecture for proposal in drawn]


def test_a_child_differs_from_a_parent_of_the_last_fifty_in_one_decision():
    searcher = Evolution(DIGITS, max_depth=0, seed=0)
    found = told(searcher, DIGITS, 0, POPULATION, lambda p: p.trial)
    for child in range(POPULATION, 200, 10):
        (first, *_) = searcher.ask(DIGITS, [child])
        parents = [each for each in found[-POPULATION:] if distance(each, first.architecture) == 1]
        assert parents
        found += told(searcher, DIGITS, child, 10, lambda p: p.trial)
    assert len(searcher._population) == POPULATION


def test_the_best_of_a_sample_is_the_parent_until_it_is_the_oldest():
    searcher = Evolution(DIGITS, max_depth=0, seed=0)
    found = told(searcher, DIGITS, 0, POPULATION, lambda p: 100.0 * (p.trial == 49))
    best = found[49]

    def share(first):
        asked = searcher.ask(DIGITS, range(first, first + 1000))
        return sum(distance(p.architecture, best) == 1 for p in asked) / 1000

    assert abs(share(1000) - (1 - (1 - 1 / POPULATION) ** 10)) < 0.05  # drawn at all: 18 %
    others = told(
        searcher, DIGITS, 50, 50, lambda p: -5.0
    )  # none has more, and it dies all the same
    rest = [p.architecture for p in searcher.ask(DIGITS, range(2000, 3000))]
    assert all(any(distance(child, each) == 1 for each in others) for child in rest)


def test_a_failed_child_is_no_parent_where_others_are():
    searcher = Evolution(DIGITS, max_depth=0, seed=0)
    found = told(searcher, DIGITS, 0, POPULATION, lambda p: -1e9 if p.trial < 25 else 1.0)
    failed, trained = found[:25], found[25:]
    children = [p.architecture for p in searcher.ask(DIGITS, range(1000, 1300))]
    of_failed = [c for c in children if min(distance(c, each) for each in trained) > 1]
    assert len(of_failed) < 3 and failed  # each in 1,000 samples has failed ones alone


def test_a_parent_of_fewer_layers_has_children_of_more():
    searcher = Evolution(LAYERS, max_depth=4, seed=0)
    parents = told(searcher, LAYERS, 0, POPULATION, lambda p: float(p.trial % 7))
    deeper = LAYERS.at_depth(4)
    children = [p.architecture for p in searcher.ask(deeper, range(50, 250))]
    heads = {str(each) for each in parents}
    columns = Columns(LAYERS, max_depth=4)
    near = 0
    for child in children:
        head = columns.rows([child])
        head[:, columns.layers > 2] = -1
        (short,) = columns.architectures(head, LAYERS)
        near += any(distance(short, each) <= 1 for each in parents)
    assert near == len(children) and len(heads) > 10
    assert {child["units"][3] for child in children} == {1, 2, 3}
    assert {child["inputs"][3] for child in children} >= {(), (1, 2, 3), (2,)}


def test_the_order_of_batches_alone_decides(tmp_path):
    one, other = (Evolution(DIGITS, max_depth=0, seed=0) for _ in range(2))
    batches = [one.ask(DIGITS, range(first, first + 10)) for first in range(0, 80, 10)]
    for batch in batches[::-1]:
        one.tell(batch, [float(p.trial) for p in batch])
    for count, batch in enumerate(batches[::-1]):
        other.tell(batch, [float(p.trial) for p in batch])
        if count == 5:  # saved and restored in between
            other.save(tmp_path)
            other = Evolution(DIGITS, max_depth=0, seed=0)
            other.restore(tmp_path)
    assert one.version == other.version == 8
    assert one.ask(DIGITS, range(80, 120)) == other.ask(DIGITS, range(80, 120))


def test_a_state_of_another_space_is_refused(tmp_path):
    searcher = Evolution(DIGITS, max_depth=0, seed=0)
    told(searcher, DIGITS, 0, 10, lambda p: 0.0)
    searcher.save(tmp_path)
    with pytest.raises(ValueError, match="tokens, not"):
        Evolution(LAYERS, max_depth=2, seed=0).restore(tmp_path)
