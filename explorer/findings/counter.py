"""What a network that counts a's does: N times a, X, N times b."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nas_with_rl.child_models.data.sequences import MOST_TRAINED
from nas_with_rl.child_models.traces.trace import Trace
from nas_with_rl.explorer.findings import rows
from nas_with_rl.explorer.findings.measurements import memory_of
from nas_with_rl.explorer.findings.rows import Finding
from nas_with_rl.explorer.findings.task_lines import (
    Line,
    characters,
    line_places,
    right_lines,
    trained_sizes,
)

POST_COUNTED_TO = 18


def counter_findings(trace: Trace, lines: Sequence[Line]) -> Iterator[Finding]:
    """Yield the post's findings on its counter, of the first layer."""
    memory = memory_of(trace, 0)
    trained = trained_sizes(lines)
    a, b = line_places(trained, "a"), line_places(trained, "b")
    yield rows.continued_answers(trace, lines, sizes=range(1, MOST_TRAINED + 1))
    yield counted_to(trace, lines)
    yield rows.counting(memory, a.index, a.order, what="a's read", post="neuron 1: r = 1.000")
    yield rows.ordering(memory, a.index, a.order, what="a's read")
    yield rows.counting(memory, b.index, b.left, what="b's left", post="neuron 6: r = 0.995")
    if rows.can_count(a.order):
        best = rows.best_counter(memory, a.index, a.order)
        # The first a of a line is where the count before is thrown away.
        counted = a.index[~a.first]
        yield from rows.keeping(memory, best, counted, while_="as it counts a's")
    yield rows.sharper(memory, characters(trained), "0.18 against 0.002")
    yield rows.silent_then_loud(
        memory,
        a.index,
        b.index,
        claim="silent at a's, loud at b's",
        post="neurons 1, 3, 5, 7",
    )


def counted_to(trace: Trace, lines: Sequence[Line]) -> Finding:
    """Say up to which number all lines of the text are right, beyond the trained ones."""
    right = right_lines(trace, lines)
    sizes = np.array([line.sample.size for line in lines])
    claim, post = f"counts beyond {MOST_TRAINED} in the lines tested", f"to {POST_COUNTED_TO}"
    if not np.any(sizes > MOST_TRAINED):
        return Finding(claim, "-", post, None)
    wrong = sizes[~right]
    first_wrong = wrong.min() if wrong.size else np.inf
    below = sizes[sizes < first_wrong]
    counted = int(below.max()) if below.size else 0
    tried = "" if wrong.size else ", the most there"
    return Finding(claim, f"to {counted}{tried}", post, counted > MOST_TRAINED)
