"""What was tried: each once, by the mean of its rewards, kept and read again."""

import numpy as np
import pytest

from nas_with_rl.controller.dreaming.memory import Memory

ROWS = np.array([[0, 1], [2, -1], [1, 1], [0, 0]], np.int16)


@pytest.fixture
def memory():
    memory = Memory(2)
    memory.add(ROWS[:3], np.array([1.0, -5.0, 2.0]))
    return memory


def test_an_architecture_that_comes_again_counts_with_the_mean(memory):
    assert len(memory) == 3 and ROWS[1] in memory and ROWS[3] not in memory
    assert memory.add(ROWS[[1, 3, 1]], np.array([4.0, 0.5, 13.0])).tolist() == [1, 3, 1]
    rows, scores = memory.selected(memory.scores(), 10)
    # Means: 1, 4, 2 and 0.5.
    assert rows.tolist() == ROWS[[1, 2, 0, 3]].tolist()
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    assert memory.median() == 1.5


def test_what_comes_again_with_its_reward_keeps_its_ties(memory):
    memory.add(ROWS[[0, 3]], np.array([1.0, 0.1]))
    for _ in range(5):
        memory.add(ROWS[3:], np.array([0.1]))
    memory.add(np.array([[3, 3], [4, 4]], np.int16), np.array([0.1, 1e308]))
    memory.add(np.array([[4, 4]], np.int16), np.array([1e308]))
    scores = memory.scores()
    assert scores[3] == scores[4] and np.argmax(scores) == 5


def test_of_many_the_best_half_and_a_spread_are_selected():
    memory = Memory(1)
    rows = np.arange(100, dtype=np.int16)[:, None]
    memory.add(rows, np.arange(100.0))
    selected, _ = memory.selected(memory.scores(), 10)
    assert selected[:5, 0].tolist() == [99, 98, 97, 96, 95]
    assert selected[5:, 0].tolist() == [94, 71, 47, 24, 0]


def test_it_is_read_as_it_was_written(memory):
    again = Memory.of_arrays(memory.arrays(), 2)
    again.add(ROWS[:1], np.array([3.0]))
    memory.add(ROWS[:1], np.array([3.0]))
    assert np.array_equal(again.scores(), memory.scores())
    assert ROWS[1] in again and ROWS[3] not in again


@pytest.mark.parametrize(
    "damage",
    [
        {"rows": ROWS[:2]},
        {"rows": ROWS[[0, 1, 0]]},
        {"counts": np.array([1.0, 0.0, 1.0])},
        {"means": np.array([1.0])},
        {"means": np.array([1.0, np.inf, 2.0])},
    ],
)
def test_what_is_none_is_refused(memory, damage):
    with pytest.raises(ValueError):
        Memory.of_arrays({**memory.arrays(), **damage}, 2)
