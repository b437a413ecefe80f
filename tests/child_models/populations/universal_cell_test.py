"""Any cell as data against `cell_step` and the gradient that TensorFlow derives from it.

Shapes: C children, B sequences, N leaves, H hidden units.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from nas_with_rl.child_models.cells.operations import activation, combination
from nas_with_rl.child_models.cells.tree_cell import cell_step
from nas_with_rl.child_models.populations.universal_cell import (
    UniversalCell,
    encode,
    kernel_columns,
    node_order,
    step,
    step_gradient,
)
from nas_with_rl.search_spaces.architecture import random_architecture
from nas_with_rl.search_spaces.recurrent_cell import (
    ACTIVATIONS,
    BASES,
    COMBINATIONS,
    Node,
    RecurrentCell,
    RecurrentCellSpace,
    cell_of,
)

C, B, H = 40, 3, 2
EXACT = ("identity", "relu")  # of whole numbers they are whole numbers


def universal(base, **options):
    return UniversalCell(
        base, **({"combinations": COMBINATIONS, "activations": ACTIVATIONS} | options)
    )


def random_cells(operations, count=C):
    space = RecurrentCellSpace(
        operations.base, operations.combinations, operations.activations
    ).search_space()
    return [
        cell_of(random_architecture(space, np.random.default_rng([operations.base, number])))
        for number in range(count)
    ]


def random_inputs(base, draw):
    """x W, h U, c, and the gradients of h_t and c_t: by child, float64."""
    return [tf.constant(draw((C, B, width * H)), tf.float64) for width in (base, base, 1, 1, 1)]


def of_universal(cells, operations, inputs):
    """Outputs and input gradients of all cells at once, the columns of x W and h U as a TreeCell
    has them."""
    columns = np.stack([kernel_columns(cell, H) for cell in cells])[:, np.newaxis]
    projected = [np.take_along_axis(each.numpy(), columns, axis=-1) for each in inputs[:2]]
    encoded = encode(cells, operations, units=H, dtype="float64")
    by_input, by_state = map(tf.constant, projected)
    d_hidden, d_cell_state = inputs[3:]
    read = by_input, by_state, inputs[2]
    *d_projected, d_cell_state = step_gradient(read, d_hidden, d_cell_state, encoded)
    back = np.argsort(columns)
    d_projected = [np.take_along_axis(each.numpy(), back, axis=-1) for each in d_projected]
    return [*step(*read, encoded), *d_projected, d_cell_state]


def of_cell_step(cell, inputs):
    """The same of one cell, [B, ...] each."""
    read, upstream = tuple(inputs[:3]), inputs[3:]
    with tf.GradientTape() as tape:
        tape.watch(read)
        written = cell_step(read[0], read[1], read[2], cell)
    gradients = tape.gradient(written, read, upstream, unconnected_gradients="zero")
    return [*written, *gradients]


def check_equal(operations, cells, draw, tolerance):
    inputs = random_inputs(operations.base, draw)
    found = [np.asarray(each) for each in of_universal(cells, operations, inputs)]
    for child, cell in enumerate(cells):
        expected = of_cell_step(cell, [each[child] for each in inputs])
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(
                ours[child], theirs, rtol=tolerance, atol=tolerance, err_msg=str(cell)
            )


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    "options", [{}, {"activations": ACTIVATIONS[:4]}, {"combinations": ("add", "max")}]
)
def test_a_step_and_its_gradient_are_those_of_the_cell(base, options):
    operations = universal(base, **options)
    draw = np.random.default_rng(base).normal
    check_equal(operations, random_cells(operations), lambda shape: draw(size=shape), 1e-12)


@pytest.mark.parametrize("base", BASES)
def test_the_papers_operations_need_no_maximum_and_no_sine(base):
    operations = UniversalCell(base)
    encoded = encode([operations.any_cell()], operations, units=H, dtype="float64")
    assert all(
        n.maximizes is n.turned is n.sines is None for n in (*encoded.levels, encoded.inject)
    )
    draw = np.random.default_rng(base).normal
    check_equal(operations, random_cells(operations), lambda shape: draw(size=shape), 1e-12)


@pytest.mark.parametrize("base", BASES)
def test_ties_go_where_the_cell_lets_them_go(base):
    # Whole numbers, so that sums and products tie exactly, at h = 0 and in the tree's upper levels.
    operations = universal(base, activations=EXACT)
    draw = np.random.default_rng(base).integers
    check_equal(operations, random_cells(operations), lambda shape: draw(-1, 2, shape), 0)


def test_cells_together_are_each_as_alone():
    operations = universal(4)
    cells = random_cells(operations, 6)
    draw = np.random.default_rng(0).normal
    inputs = [each[:6] for each in random_inputs(4, lambda shape: draw(size=shape))]
    together = of_universal(cells, operations, inputs)
    for child, cell in enumerate(cells):
        alone = of_universal([cell], operations, [each[child : child + 1] for each in inputs])
        for one, other in zip(together, alone, strict=True):
            np.testing.assert_allclose(one[child], other[0], rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("base", BASES)
def test_the_order_of_the_nodes_is_a_tree_with_the_inject_first(base):
    for cell in random_cells(universal(base)):
        levels = node_order(cell)
        assert [len(level) for level in levels] == [base >> n for n in range(len(levels))]
        assert sorted(itertools.chain(*levels)) == list(range(2 * base - 1))
        for below, above in itertools.pairwise(levels):
            for place, node in enumerate(above):
                pair = {below[place], below[place + len(above)]}
                assert pair == set(cell.inputs_of(node))
        assert cell.inject_node in [level[0] for level in levels]


# What saturates, overflows, or is nothing: 1e30² is infinite in float32.
SPECIAL = (np.inf, -np.inf, 1e30, -1e30, 0.0, -0.0, np.nan)


def of_pairs(compiled, dtype):
    """By combination and activation: their names; value, value before and gradients of all pairs
    of inputs, ours and the operations' own, [pairs] each."""
    kinds = list(itertools.product(COMBINATIONS, ACTIVATIONS))
    cells = [RecurrentCell((Node(*kind),), Node("add", "identity"), 0, 0) for kind in kinds]
    encoded = encode(cells, universal(1), units=1, dtype=dtype)
    pairs = np.array(list(itertools.product(SPECIAL, SPECIAL)), dtype)
    sides = tf.constant(pairs[:, 0]), tf.constant(pairs[:, 1])
    read = [tf.tile(side[tf.newaxis, :, tf.newaxis], (len(kinds), 1, 1)) for side in sides]

    def outputs_and_gradients(left, right):  # of one leaf, with c = 0
        zeros, ones = tf.zeros_like(left), tf.ones_like(left)
        read = left, right, zeros
        return *step(*read, encoded), *step_gradient(read, ones, zeros, encoded)[:2]

    if compiled:
        outputs_and_gradients = tf.function(outputs_and_gradients, jit_compile=True)
    ours = [each.numpy()[..., 0] for each in outputs_and_gradients(*read)]
    for child, (combined, activated) in enumerate(kinds):
        with tf.GradientTape() as tape:
            tape.watch(sides)
            before = combination(combined)(*sides)
            value = activation(activated)(before)
        theirs = [each.numpy() for each in (value, before, *tape.gradient(value, sides))]
        yield f"{combined} {activated}", [each[child] for each in ours], theirs


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("compiled", [False, True], ids=("eager", "xla"))
def test_saturation_is_that_of_the_real_operations(compiled, dtype):
    for name, ours, theirs in of_pairs(compiled, dtype):
        value, before, *gradients = ours
        np.testing.assert_array_equal(before, theirs[1], name)
        tolerance = 1e-5 if name.endswith("sin") else 0  # each program has its own sine of 1e30
        np.testing.assert_allclose(value, theirs[0], rtol=tolerance, err_msg=name)
        there = ~np.isnan(before)  # where it is NaN, the child has diverged anyway
        for found, expected in zip(gradients, theirs[2:], strict=True):
            np.testing.assert_allclose(found[there], expected[there], rtol=tolerance, err_msg=name)
