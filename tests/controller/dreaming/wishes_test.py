"""What the surrogate wants tried: new, of the space, and the best where it is known."""

import numpy as np
import pytest

from nas_with_rl.controller.advantages import normal_scores
from nas_with_rl.controller.columns import Columns
from nas_with_rl.controller.dreaming import wishes
from nas_with_rl.controller.dreaming.surrogate import Surrogate
from nas_with_rl.controller.dreaming.wishes import Wishes
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips

CONDITIONS = SearchSpace(
    [Choice("a", (1, 2, 3)), *(Choice(f"b{i}", (1, 2, 3), only_if=("a", (1, 2))) for i in range(8))]
)
LAYERS = SearchSpace(layer_decisions=(Choice("n", (1, 2, 3)), Skips()), depth=6)
LONG = SearchSpace([Choice(f"d{i}", (1, 2, 3, 4)) for i in range(40)])


@pytest.mark.parametrize("space", [CONDITIONS, LAYERS, LONG])
def test_wishes_are_new_different_and_of_the_space(space):
    depth = 4 if space.depth else 0
    columns, generator = Columns(space, max_depth=space.depth), np.random.default_rng(0)
    rows = np.unique(columns.uniform(30, depth - 1 if depth else 0, generator), axis=0)
    surrogate = Surrogate(columns)
    surrogate.condition(rows, normal_scores(generator.normal(size=len(rows))))
    drawn = columns.uniform(40, depth, generator)
    tried = {row.tobytes() for row in np.concatenate([rows, drawn[:20]])}
    chooser = Wishes(columns, surrogate, depth, lambda row: row.tobytes() not in tried)
    chosen = chooser.choose(7, rows[:8], drawn, generator)
    assert len({row.tobytes() for row in chosen} - tried) == 7
    at_depth = space.at_depth(depth) if depth else space
    assert len(columns.architectures(chosen, at_depth)) == 7  # which checks them


def test_the_best_of_a_known_function_is_wanted_first():
    columns, generator = Columns(LONG, max_depth=0), np.random.default_rng(0)
    rows = columns.uniform(300, 0, generator)
    value = (rows[:, :10] == 2).sum(1).astype(float)
    surrogate = Surrogate(columns)
    surrogate.fit(rows, normal_scores(value))
    surrogate.condition(rows, normal_scores(value))
    best = rows[np.argsort(-value)[:8]]
    chooser = Wishes(columns, surrogate, 0, lambda row: True)
    chosen = chooser.choose(1, best, rows[:1], generator)
    assert (chosen[0, :10] == 2).sum() >= value.max() + 2


def test_of_a_small_space_all_are_looked_at(monkeypatch):
    columns, generator = Columns(CONDITIONS, max_depth=0), np.random.default_rng(0)
    assert columns.all_rows(0, most=2 * 3**8) is None
    everything = columns.all_rows(0, most=2 * 3**8 + 1)
    assert len(np.unique(everything, axis=0)) == len(everything) == 2 * 3**8 + 1
    monkeypatch.setattr(wishes, "SMALL_SPACE", len(everything))
    surrogate = Surrogate(columns)
    surrogate.condition(everything[:5], np.arange(5.0))
    last = everything[1234].tobytes()
    chooser = Wishes(columns, surrogate, 0, lambda row: row.tobytes() == last)
    chosen = chooser.choose(3, everything[:1], everything[:0], generator)
    assert [row.tobytes() for row in chosen] == [last]


def test_bolder_wishes_are_of_what_is_known_less():
    columns, generator = Columns(LONG, max_depth=0), np.random.default_rng(0)
    rows = columns.uniform(100, 0, generator)
    value = (rows[:, :10] == 2).sum(1).astype(float)
    surrogate = Surrogate(columns)
    surrogate.fit(rows, normal_scores(value))
    surrogate.condition(rows, normal_scores(value))
    deviations = []
    for boldness in (1.0, 5.0):
        chooser = Wishes(columns, surrogate, 0, lambda row: True, boldness=boldness)
        chosen = chooser.choose(7, rows[:8], rows[:1], np.random.default_rng(1))
        deviations.append(np.sqrt(surrogate.predict(chosen).variance).mean())
    assert deviations[1] > 1.05 * deviations[0]
