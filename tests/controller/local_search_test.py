"""Local search: where it goes from where, in batches and as the depth grows."""

import math

import numpy as np
import pytest

from nas_with_rl.controller import local_search
from nas_with_rl.controller.local_search import LocalSearch
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips

DIGITS = SearchSpace([Choice(f"d{place}", tuple(range(4))) for place in range(4)])
LAYERS = SearchSpace(layer_decisions=(Choice("units", tuple(range(6))), Skips()), depth=2)


def searched(searcher, space, value, number, batch_size=1, first=0):
    """Return the tokens that a search has proposed, in their order."""
    found = []
    for start in range(first, first + number, batch_size):
        proposals = searcher.ask(space, range(start, start + batch_size))
        searcher.tell(proposals, [value(p.architecture.tokens) for p in proposals])
        found += [p.architecture.tokens for p in proposals]
    return found


def distance(one, other):
    return sum(a != b for a, b in zip(one, other, strict=True))


def peaks(tokens):
    """The sum of the digits, and a worse summit at 0000."""
    return sum(tokens) if sum(tokens) > 3 else 3.5 - sum(tokens)


def test_each_proposal_is_a_neighbour_of_the_best_until_a_summit():
    found = searched(LocalSearch(DIGITS, max_depth=0, seed=1), DIGITS, sum, 40)
    summit = found.index((3, 3, 3, 3))
    best = found[0]
    for tokens in found[1 : summit + 1]:
        assert distance(best, tokens) == 1
        best = max(best, tokens, key=sum)
    # Of the summit's neighbours only those that are not known yet; then another start.
    around = {each for each in found if distance(each, best) == 1}
    assert len(around) == 12 and len(set(found)) == 40
    assert distance(found[max(map(found.index, around)) + 1], best) > 1


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_nothing_is_proposed_twice_while_there_is_anything_else(batch_size):
    number = 256 // batch_size * batch_size
    searcher = LocalSearch(DIGITS, max_depth=0, seed=0)
    found = searched(searcher, DIGITS, peaks, number, batch_size)
    assert len(set(found)) == number
    beyond = searched(searcher, DIGITS, peaks, 8, 4, first=number)  # and goes on
    assert len(beyond) == 8


def test_a_search_under_way_asks_for_nothing_twice():
    searcher = LocalSearch(DIGITS, max_depth=0, seed=0)
    asked = [searcher.ask(DIGITS, range(first, first + 8)) for first in range(0, 64, 8)]
    found = [p.architecture.tokens for batch in asked for p in batch]
    assert len(set(found)) == 64
    for batch in reversed(asked):  # in another order than that of asking
        searcher.tell(batch, [sum(p.architecture.tokens) for p in batch])
    (proposal,) = searcher.ask(DIGITS, [64])
    least = max(sum(p.architecture.tokens) for p in asked[-1])  # which it has climbed from first
    near = [each for each in found if distance(each, proposal.architecture.tokens) == 1]
    assert max(map(sum, near)) >= least
    rest = searched(searcher, DIGITS, sum, 80, 8, first=64)
    assert len(set(found + rest)) == 64 + 80 and max(map(sum, rest + found)) == 12


def test_a_batch_goes_to_its_best_improvement_and_from_its_best_start():
    searcher = LocalSearch(DIGITS, max_depth=0, seed=2)
    starts = searched(searcher, DIGITS, sum, 8, 8)
    best = max(starts, key=sum)
    around = searched(searcher, DIGITS, sum, 8, 8, first=8)
    assert {distance(best, tokens) for tokens in around} == {1}
    better = max(around, key=sum)
    assert sum(better) > sum(best)
    next_ones = searched(searcher, DIGITS, sum, 4, 4, first=16)
    assert {distance(better, tokens) for tokens in next_ones} == {1}


def test_rewards_of_a_lesser_depth_count_no_longer_and_its_best_gets_layers():
    def value(tokens):
        return sum(token for token in tokens if isinstance(token, int)) - 100 * len(tokens)

    searcher = LocalSearch(LAYERS, max_depth=4, seed=0)
    before = searched(searcher, LAYERS, value, 60, 4)
    assert before[-1][:4] and max(map(value, before)) == 10 - 400
    place = tuple(searcher._columns.architectures(searcher._state.place[None], LAYERS)[0].tokens)
    deeper = LAYERS.at_depth(4)
    first, *others = searched(searcher, deeper, value, 1 + 40, 1, first=60)
    assert first[:4] == place
    assert {len(tokens) for tokens in (first, *others)} == {8}
    best = first
    for tokens in others[:20]:
        assert distance(tokens, best) == 1
        best = max(best, tokens, key=value)
    assert value(best) > value(first)


def test_large_neighbourhoods_are_made_in_part(monkeypatch):
    made = []
    changed = local_search.Columns.changed

    def counted(self, row, columns, *rest):
        made.append(len(columns))
        return changed(self, row, columns, *rest)

    monkeypatch.setattr(local_search.Columns, "changed", counted)
    space = SearchSpace(layer_decisions=(Choice("units", tuple(range(200))), Skips()), depth=20)
    searcher = LocalSearch(space, max_depth=20, seed=0)
    searched(searcher, space, lambda tokens: 0.0, 4, 4)
    searched(searcher, space, lambda tokens: 0.0, 4, 4, first=4)
    assert set(made) == {64} and len(made) <= 2


def test_what_is_saved_is_all_and_damage_is_noticed(tmp_path):
    space = RecurrentCellSpace(base=2).search_space()

    def value(tokens):
        return math.sin(sum(hash(token) for token in tokens if token))

    searcher = LocalSearch(space, max_depth=0, seed=5)
    searched(searcher, space, value, 60, 4)
    searcher.save(tmp_path)
    again = LocalSearch(space, max_depth=0, seed=5)
    again.restore(tmp_path)
    assert again.version == 15
    assert searched(again, space, value, 60, 4, 60) == searched(searcher, space, value, 60, 4, 60)
    other = LocalSearch(DIGITS, max_depth=0, seed=5)
    with pytest.raises(ValueError, match="tokens, not 4"):
        other.restore(tmp_path)
    assert other.version == 0 and not other._known


def test_a_start_that_a_failed_child_ranks_low_is_left():
    searcher = LocalSearch(DIGITS, max_depth=0, seed=0)
    found = searched(searcher, DIGITS, lambda tokens: -1e9 if tokens[0] == 0 else sum(tokens), 60)
    assert np.max([sum(tokens) for tokens in found]) == 12
