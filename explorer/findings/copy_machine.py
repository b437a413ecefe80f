"""What a network that copies does: three letters, X, the same three letters.

Shapes: H units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nas_with_rl.child_models.data.sequences import COPIED_LETTERS
from nas_with_rl.child_models.traces.trace import Trace
from nas_with_rl.explorer.findings import measurements, rows
from nas_with_rl.explorer.findings.copy_neurons import (
    APART,
    Groups,
    neurons_for,
    next_groups,
    reading,
    start_groups,
    writing,
)
from nas_with_rl.explorer.findings.measurements import Memory, memory_of
from nas_with_rl.explorer.findings.rows import TOLD_APART, Finding, number
from nas_with_rl.explorer.findings.task_lines import Line, characters

POST_STARTS = {"a": "-", "b": "neuron 20: +0.87, -0.89", "c": "neuron 5: +0.84, -0.91"}
POST_NEXT = {"a": "neurons 2, 12", "b": "neuron 20: +0.78, -0.78", "c": "neurons 5, 6, 15"}
CRITERIA = (
    f"A neuron is for a letter where its mean h is far from that of every other letter: d' ≥ "
    f"{TOLD_APART:g} and {APART:.0%} of its span over the text. {rows.D_PRIME}"
)


def copy_machine_findings(trace: Trace, lines: Sequence[Line]) -> Iterator[Finding]:
    """Yield the post's findings on its copy machine, of the last layer."""
    memory = memory_of(trace, -1)
    yield rows.continued_answers(trace, lines)
    starts, following = start_groups(lines), next_groups(lines)
    for letter in COPIED_LETTERS:
        claim = f'at X a neuron is for "starts with {letter}": d\' ≥ {TOLD_APART:g}'
        yield _apart(memory, starts, letter, claim=claim, post=POST_STARTS[letter])
    yield _ordered(memory, starts)
    for letter in COPIED_LETTERS:
        claim = f'after X one is for "next is {letter}": d\' ≥ {TOLD_APART:g}'
        yield _apart(memory, following, letter, claim=claim, post=POST_NEXT[letter])
    yield rows.silent_then_loud(
        memory,
        reading(lines),
        writing(lines),
        claim="silent while reading, loud from X on",
        post="neurons 5, 20",
    )
    yield rows.sharper(memory, characters(lines), "0.25 against 0.02")


def _apart(memory: Memory, groups: Groups, letter: str, *, claim: str, post: str) -> Finding:
    if not all(index.size for index in groups.values()):
        return Finding(claim, "-", post, None)
    best = neurons_for(memory, groups, letter)[0]
    here = f"{rows.neuron(best.number)}: {number(best.own, '+.2f')}, "
    here += f"nearest {number(best.nearest, '+.2f')}, "
    here += f"d' {rows.d_prime(best.separation)}"
    return Finding(claim, here, post, best.tells, judged=post != "-")


def _ordered(memory: Memory, starts: Groups) -> Finding:
    """Say whether a neuron's cell at X has all strings of one first letter beyond all others."""
    claim = f"at X a {memory.cell_name} has one first letter beyond all others"
    post = "neuron 20: b, gap 2.2"
    if not all(index.size for index in starts.values()):
        return Finding(claim, "-", post, None)
    gaps = {letter: _gaps(memory, starts, letter) for letter in starts}
    letter = max(gaps, key=lambda each: np.max(gaps[each]))
    best = measurements.strongest(gaps[letter])
    own = memory.cell[starts[letter], best]
    here = f"{rows.neuron(best)}: {letter} {number(own.min())} to {number(own.max())}, "
    here += f"gap {number(gaps[letter][best])}"
    return Finding(claim, here, post, bool(gaps[letter][best] > 0))


def _gaps(memory: Memory, starts: Groups, letter: str) -> np.ndarray:
    """Return the gap [H] between one letter's cells and all others; negative where they mix."""
    own = memory.cell[starts[letter]]
    others = memory.cell[np.concatenate([starts[each] for each in starts if each != letter])]
    gaps = np.maximum(own.min(axis=0) - others.max(axis=0), others.min(axis=0) - own.max(axis=0))
    return np.where(np.isfinite(gaps), gaps, -np.inf)
