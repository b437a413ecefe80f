"""What the benchmark of recurrent children counts, and the gradient of its contestant in JAX."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def _imported(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


cells = _imported("children_cells")


def test_cells_that_diverge_are_left_out_and_named():
    asked = []

    def is_finite(number):
        asked.append(number)
        return number not in (1, 4, 7)

    assert cells.first_finite(4, is_finite) == cells.ChosenCells((0, 2, 3, 5), (1, 4))
    assert asked == [0, 1, 2, 3, 4, 5]  # no further ones


def test_where_nearly_all_diverge_there_is_no_table():
    with pytest.raises(ValueError, match="of 8 cells 1 train, not 2"):
        cells.first_finite(2, lambda number: number == 5)


def test_every_group_is_full_and_made_of_the_first_cells():
    kept = (0, 2, 3, 5, 6, 8)
    assert cells.grouped(kept, 4, 1) == [[0], [2], [3], [5]]
    assert cells.grouped(kept, 4, 4) == [[0, 2, 3, 5]]
    assert cells.grouped(kept, 4, 3) == [[0, 2, 3], [5, 6, 8]]
    with pytest.raises(ValueError, match="8 cells are needed, of 6"):
        cells.grouped(kept, 4, 8)


def test_a_cell_that_diverges_while_it_is_measured_is_found_in_its_group():
    assert cells.diverged([[0, 2], [3, 5]], [[1.5, 2.5], [None, 1.0]]) == {3}
    assert cells.diverged([[0], [2]], [[1.5], [0.0]]) == set()


def test_what_only_the_first_group_took_is_counted_once():
    # Ready at 2, 7 s for the first group of which 4 are warming up, 3 for each further one.
    assert cells.scaled(2.0, [9.0, 12.0, 15.0], 10) == 2 + 4 + 10 * 3
    assert cells.scaled(2.0, [9.0, 12.0, 15.0], 3) == 15  # all were trained
    assert cells.scaled(2.0, [9.0], 3) == 2 + 3 * 7


def test_the_gradient_by_hand_in_jax_is_that_of_the_steps_written_out(monkeypatch):
    jax = pytest.importorskip("jax")
    monkeypatch.syspath_prepend(str(FOLDER))
    child = _imported("children_jax")
    task = sys.modules["children_task"]
    rng = np.random.default_rng(0)
    num_steps, batch_size, units = 3, 2, 4

    def drawn(*shape):
        return jax.numpy.asarray(rng.normal(size=shape).astype(np.float32))

    wide = 8 * units
    weights = drawn(num_steps, batch_size, wide), drawn(units, wide) / 4
    state = drawn(batch_size, units), drawn(batch_size, units)
    factors = drawn(num_steps, batch_size, units)

    for number in (0, 3):
        cell = task.random_cell(number, base=8)

        def by_hand(projected, kernel, cell=cell):
            hiddens, _ = child._unroll(cell, projected, kernel, *state)
            return jax.numpy.sum(hiddens * factors)

        def written_out(projected, kernel, cell=cell):
            (hidden, cell_state), total = state, 0.0
            for at, factor in zip(projected, factors, strict=True):
                hidden, cell_state = child._cell_step(cell, at, hidden @ kernel, cell_state)
                total += jax.numpy.sum(hidden * factor)
            return total

        wanted = jax.jit(jax.value_and_grad(written_out, (0, 1)))(*weights)
        got = jax.jit(jax.value_and_grad(by_hand, (0, 1)))(*weights)
        for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
