"""What a network that counts a's and ignores X's does: a's and X's, Y, as many b's as a's.

Shapes: T tokens, H units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nas_with_rl.child_models.traces.trace import Trace
from nas_with_rl.explorer.findings import measurements, rows
from nas_with_rl.explorer.findings.measurements import Memory, memory_of
from nas_with_rl.explorer.findings.rows import OPEN, SHUT, Finding, number
from nas_with_rl.explorer.findings.task_lines import (
    Line,
    Places,
    characters,
    line_places,
    trained_sizes,
)

IGNORED = 0.2  # the change at X, as a share of that at a; the post: 0.02
BALANCED = 0.5  # the least of the changes at a and at b, as a share of the other; the post: 1.00
ORDERED = 0.95  # rank correlation with the number of a's; the post's neuron: 1
ALIKE = 0.05  # spread within equal numbers of a's, of all values' span; the post: 0.005
CRITERIA = (
    f"Changes are means over the text; at X it may be {IGNORED:.0%} of that at a, and of those at "
    f"a and b the smaller has to be {BALANCED:.0%} of the larger. The spread at Y is within lines "
    "of equally many a's, as a share of the span over all lines."
)


def selective_counter_findings(trace: Trace, lines: Sequence[Line]) -> Iterator[Finding]:
    """Yield the post's findings on its selective counter, of the first layer."""
    memory = memory_of(trace, 0)
    yield rows.continued_answers(trace, lines)
    lines = trained_sizes(lines)
    a, x, y, b = (line_places(lines, letter) for letter in "aXYb")
    claim = f"a {memory.cell_name} goes up at a, down at b, not at X"
    post = "neuron 20: +1.00, -1.00, +0.02"
    if not x.index.size or not rows.can_count(a.order):
        yield Finding(claim, "-", post, None)
    else:
        best = _up_and_down(memory, lines)
        yield _changes(memory, best, (a, x, b), claim=claim, post=post)
        yield from _input_gates(memory, best, (a, x, y, b))
        counted = np.concatenate([a.index[~a.first], x.index[~x.first]])
        yield from rows.keeping(memory, best, counted, while_="as it counts a's")
    yield _ordered(memory, y)
    yield rows.silent_then_loud(
        memory,
        np.concatenate([a.index, x.index]),
        y.index,
        claim="silent until Y, loud at Y",
        post="neuron 10",
    )
    yield rows.sharper(memory, characters(lines), "0.49 against 0.18")


def _up_and_down(memory: Memory, lines: Sequence[Line]) -> int:
    """Return the neuron whose cell changes most like +1 at each a, 0 at X, -1 at b."""
    changes, expected = [], []
    for letter, change in (("a", 1.0), ("X", 0.0), ("b", -1.0)):
        changes.append(_steps(memory, line_places(lines, letter)))
        expected.append(np.full(len(changes[-1]), change))
    agreements = measurements.agreements(np.concatenate(changes), np.concatenate(expected))
    return measurements.strongest(np.abs(agreements))


def _steps(memory: Memory, letters: Places) -> np.ndarray:
    """Return the cell's change at each letter [n, H], but for those that begin a line.

    A line's first character also throws away what was before.
    """
    index = letters.index[~letters.first]
    return memory.cell[index] - memory.cell[index - 1]


def _changes(
    memory: Memory, neuron: int, letters: tuple[Places, ...], *, claim: str, post: str
) -> Finding:
    at_a, at_x, at_b = (float(measurements.mean(_steps(memory, p))[neuron]) for p in letters)
    here = f"{rows.neuron(neuron)}: {number(at_a, '+.2f')}, "
    here += f"{number(at_b, '+.2f')}, {number(at_x, '+.2f')}"
    sizes = sorted((abs(at_a), abs(at_b)))
    ignores = abs(at_x) <= IGNORED * abs(at_a)
    shown = ignores and at_a * at_b < 0 and sizes[0] >= BALANCED * sizes[1]
    return Finding(claim, here, post, bool(shown))


def _input_gates(memory: Memory, neuron: int, letters: tuple[Places, ...]) -> Iterator[Finding]:
    if memory.write is None:
        return
    gates = [measurements.mean(memory.write[p.index]) for p in letters]
    at_a, at_x = gates[0], gates[1]
    yield Finding(
        f"its {memory.write_name} at a ≥ {OPEN}, X ≤ {SHUT} (then Y, b)",
        f"{rows.neuron(neuron)}: {', '.join(number(gate[neuron]) for gate in gates)}",
        "0.99, 0.00 to 0.01, 1.00, 1.00",
        bool(at_a[neuron] >= OPEN and at_x[neuron] <= SHUT),
    )
    ignoring = np.flatnonzero((at_a >= OPEN) & (at_x <= SHUT))
    everywhere = (
        f"mean of all: {number(float(np.nanmean(at_a)))}, {number(float(np.nanmean(at_x)))}"
    )
    yield Finding(
        f"any {memory.write_name} at a ≥ {OPEN}, X ≤ {SHUT}",
        f"{rows.neurons(ignoring)} ({everywhere})",
        "neuron 20",
        bool(ignoring.size),
    )


def _ordered(memory: Memory, y: Places) -> Finding:
    """Say whether a neuron's cell at Y holds the number of a's and nothing else of the line."""
    claim = f"a {memory.cell_name} at Y orders by a's: rank r ≥ {ORDERED}, spread ≤ {ALIKE:.0%}"
    post = "neuron 10: r = 1, spread 0.5%"
    if not rows.can_count(y.sizes):
        return Finding(claim, "-", post, None)
    values = memory.cell[y.index]
    ranked = np.abs(measurements.rank_correlations(values, y.sizes))
    groups = [values[y.sizes == size] for size in np.unique(y.sizes)]
    spread = np.max([measurements.spans(group) for group in groups], axis=0)
    span = measurements.spans(values)
    spread = spread / np.where(span > 0, span, np.nan)
    # Of all that order well the one that mixes equal counts least.
    best = measurements.strongest(np.where(ranked >= ORDERED, 2 - spread, ranked))
    here = f"{rows.neuron(best)}: r = {number(ranked[best])}, "
    here += f"spread {number(spread[best], '.1%')}"
    return Finding(claim, here, post, bool(ranked[best] >= ORDERED and spread[best] <= ALIKE))
