"""A folded cell is the same function as the cell."""

import numpy as np
import pytest

from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.pictures.cell_values import CELL, bounds, cell_values, folded
from nas_with_rl.search_spaces.published import PUBLISHED
from nas_with_rl.search_spaces.recurrent_cell import cell_of
from tests.harness.picture_cases import CELL_OF_ANOTHER_PART, SPACES, WITHOUT_CELL

ACTIVATED = {
    "identity": lambda value: value,
    "tanh": np.tanh,
    "sigmoid": lambda value: 1 / (1 + np.exp(-value)),
    "relu": lambda value: np.maximum(value, 0),
    "sin": np.sin,
}
COMBINED = {"add": np.add, "elem_mult": np.multiply, "max": np.maximum}
CELLS = {
    **{name: PUBLISHED[name].architecture for name in ("nas_cell", "max_cell", "figure_5")},
    "figure_8_lstm": PUBLISHED["figure_8_lstm"].architecture,
    "without_cell": WITHOUT_CELL,
    "cell_of_another_part": CELL_OF_ANOTHER_PART,
}
for base in (2, 4, 8):
    generator = np.random.default_rng(base)
    for number in range(60):
        CELLS[f"base_{base}-{number}"] = random_architecture(SPACES[f"base_{base}"], generator)


def value_of(value, products):
    """Return a value of x·W and h·U of each leaf, [N, B, H] each, and of c, [B, H]."""
    if value.operation == CELL:
        return products[CELL]
    if not value.operands:
        return sum(products[value.operation][leaf] for leaf in value.leaves)
    operands = [value_of(each, products) for each in value.operands]
    if value.is_activation:
        return ACTIVATED[value.operation](*operands)
    found = operands[0]
    for other in operands[1:]:
        found = COMBINED[value.operation](found, other)
    return found


def drawn_products(base, seed=0):
    rng = np.random.default_rng(seed)
    products = {name: rng.normal(scale=2, size=(base, 16, 5)) for name in "xh"}
    return products | {CELL: rng.normal(scale=2, size=(16, 5))}


@pytest.mark.parametrize("name", CELLS)
def test_a_folded_cell_is_the_same_function(name):
    cell = cell_of(CELLS[name])
    values, products = cell_values(cell), drawn_products(cell.base)
    fewer = folded(values)
    hidden = value_of(values.hidden, products)
    np.testing.assert_allclose(value_of(fewer.hidden, products), hidden, rtol=1e-9, atol=1e-12)
    if fewer.cell is not None:
        new_cell = value_of(values.cell, products)
        np.testing.assert_allclose(value_of(fewer.cell, products), new_cell, rtol=1e-9, atol=1e-12)
    else:  # no h hears of it: with another c the same h comes out
        another = {**products, CELL: products[CELL] + 1}
        np.testing.assert_array_equal(value_of(values.hidden, another), hidden)
    low, high = bounds(values.hidden)
    assert (hidden >= low - 1e-12).all() and (hidden <= high + 1e-12).all()


@pytest.mark.parametrize("name", [name for name in CELLS if not name.endswith(tuple("3456789"))])
def test_a_drawn_cell_is_what_keras_computes(name):
    from nas_with_rl.child_models.cells.tree_cell import cell_step

    cell = cell_of(CELLS[name])
    products = drawn_products(cell.base)
    inputs, state = (np.concatenate(list(products[key]), axis=-1) for key in "xh")
    hidden, new_cell = cell_step(inputs, state, products[CELL], cell)
    for values in (cell_values(cell), folded(cell_values(cell))):
        np.testing.assert_allclose(value_of(values.hidden, products), hidden, rtol=1e-9, atol=1e-12)
        if values.cell is not None:
            found = value_of(values.cell, products)
            np.testing.assert_allclose(found, new_cell, rtol=1e-9, atol=1e-12)


def operations(value):
    return [each.operation for each in value.all()]


@pytest.mark.parametrize("name", CELLS)
def test_nothing_is_left_that_could_be_folded(name):
    fewer = folded(cell_values(cell_of(CELLS[name])))
    roots = [fewer.hidden] if fewer.cell is None else [fewer.hidden, fewer.cell]
    for value in (each for root in roots for each in root.all()):
        assert value.operation != "identity"
        assert not value.is_combination or len(value.operands) > 1
        for operand in value.operands:
            if operand.operation == value.operation:
                assert operand is fewer.cell or value.is_activation
            if value.operation == "relu":
                assert bounds(operand)[0] < 0
        if value.operation == "add":
            from_below = [each.operation for each in value.operands if each.leaves]
            assert len(from_below) == len(set(from_below))


def test_the_lstm_of_figure_8_folds_to_the_lstm():
    fewer = folded(cell_values(cell_of(CELLS["figure_8_lstm"])))
    new_cell = fewer.cell
    assert operations(fewer.hidden).count("sigmoid") == 3  # its three gates
    assert operations(fewer.hidden).count("tanh") == 2
    assert fewer.hidden.operands[0].operands == (new_cell,)  # o · tanh(c)
    gates = [each for each in fewer.hidden.all() if each.operation == "sigmoid"]
    leaves = [gate.operands[0].operands[0].leaves for gate in gates]
    assert leaves == [(0,), (2, 3), (4, 5, 6, 7)]


def test_what_is_never_the_greater_is_left_out():
    fewer = folded(cell_values(cell_of(WITHOUT_CELL)))
    assert fewer.cell is None and operations(fewer.hidden).count("tanh") == 0
    assert {"max", "elem_mult", "relu"} & set(operations(fewer.hidden)) == {"relu"}
    fewer = folded(cell_values(cell_of(CELL_OF_ANOTHER_PART)))
    assert CELL in operations(fewer.hidden) and "tanh" not in operations(fewer.hidden)
    assert "tanh" in operations(fewer.cell)
