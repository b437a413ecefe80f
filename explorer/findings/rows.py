"""Rows of a table of findings: what the post found, what this network shows, and whether it agrees.

"The post" is Chen, "Exploring LSTMs" (2017). A row states its criterion, which is the post's figure
made a little more generous; the figures are those of the activations recorded with the post.

Shapes: T tokens, H units, n of the tokens.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from nas_with_rl.child_models.traces.trace import Trace
from nas_with_rl.explorer.findings import measurements
from nas_with_rl.explorer.findings.measurements import NEAR_ZERO, Memory
from nas_with_rl.explorer.findings.task_lines import Line, right_lines

AS_IN_THE_POST, NOT_HERE, NOT_IN_THIS_TEXT = "as in the post", "not here", "not in the lines tested"
NO_FIGURE = "-"

D_PRIME = "d' is the difference of the means over the root of the mean variance."
COUNTS = 0.99  # |r| of a count; the post: 1.000, 0.999, 0.998
SILENT, LOUD = 0.05, 0.5  # mean |h|; the post: at most 0.032, at least 0.80
SHARPER = 1.5  # times as many hidden values near zero as cell values; the post: 1.8 to 90
KEEPS = 0.9  # forget gate while something must be kept; the post: 0.97 to 1.00
OPEN, SHUT = 0.8, 0.2  # a gate; the post: 0.99 to 1.00, and 0.00 to 0.12
TOLD_APART = 2.0  # d' of two groups; the post's 0.84 and 0.3 are further
LEAST_COUNTS = 3  # different numbers, below which a correlation says nothing
_MOST_NAMED = 6  # neurons in a list
_MOST_IN_FULL = 1e5  # of a number, which would widen the table


@dataclasses.dataclass(frozen=True)
class Finding:
    """One row.

    Attributes:
      claim: what the post found, with the criterion.
      here: what this network shows.
      post: the post's own figure.
      shown: whether the criterion holds; None where the text has nothing to tell it by.
      judged: False where the post gives no figure to agree with.
    """

    claim: str
    here: str
    post: str
    shown: bool | None
    judged: bool = True

    @property
    def verdict(self) -> str:
        """In words."""
        if self.shown is None:
            return NOT_IN_THIS_TEXT
        if not self.judged:
            return NO_FIGURE
        return AS_IN_THE_POST if self.shown else NOT_HERE

    @property
    def row(self) -> tuple[str, str, str, str]:
        """As a table has it."""
        return self.claim, self.here, self.post, self.verdict


def number(value: float, form: str = ".2f") -> str:
    """Format a number, "-" where it is not known; a diverging cell's in scientific notation."""
    if not math.isfinite(value):
        return "-"
    sign = "+" if form.startswith("+") else ""
    return f"{value:{form}}" if abs(value) < _MOST_IN_FULL else f"{value:{sign}.1e}"


def d_prime(separation: float) -> str:
    """Format a separation; far ones are all alike."""
    return "> 99" if separation > 99 else number(separation, ".1f")


def neuron(index: int) -> str:
    """Name a neuron, numbered from 1 as in the post."""
    return f"neuron {index + 1}"


def neurons(numbers: Iterable[int]) -> str:
    """List neurons, numbered from 1: "neurons 1, 3, 5"."""
    named = [str(each + 1) for each in numbers]
    if not named:
        return "none"
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return f"neuron{'s' * (len(named) > 1)} {', '.join(named[:_MOST_NAMED])}{more}"


def can_count(counts: np.ndarray) -> bool:
    """Whether counts [n] are different enough for a correlation."""
    return len(np.unique(counts)) >= LEAST_COUNTS


def best_counter(memory: Memory, index: np.ndarray, counts: np.ndarray) -> int:
    """Return the neuron whose cell at some places [n] goes best with counts [n]."""
    return measurements.strongest(np.abs(measurements.correlations(memory.cell[index], counts)))


def counting(
    memory: Memory,
    index: np.ndarray,
    counts: np.ndarray,
    *,
    what: str,
    post: str,
    least: float = COUNTS,
) -> Finding:
    """Say which neuron's cell goes best with a count.

    Args:
      memory: of the layer.
      index, counts: int [n] each, the places and the number that belongs to each.
      what: is counted.
      post: its figure.
      least: |r| at which the neuron is said to count.
    """
    claim = f"a neuron's {memory.cell_name} counts {what}: |r| ≥ {least}"
    if not can_count(counts):
        return Finding(claim, "-", post, None)
    best = best_counter(memory, index, counts)
    r = measurements.correlations(memory.cell[index], counts)[best]
    slope = measurements.slope(memory.cell[index, best], counts)
    here = f"{neuron(best)}: r = {number(r, '.3f')}, {number(slope, '+.2f')} each"
    return Finding(claim, here, post, bool(abs(r) >= least))


def ordering(memory: Memory, index: np.ndarray, counts: np.ndarray, *, what: str) -> Finding:
    """Say which neuron grows or falls with a count, evenly or not: a cell may count in powers.

    Args:
      memory: of the layer.
      index, counts: int [n] each, the places and the number that belongs to each.
      what: is counted.
    """
    states = {memory.cell_name: memory.cell, "hidden state": memory.hidden}
    claim = f"a neuron's {' or '.join(states)} orders {what}, evenly or not: rank r"
    if not can_count(counts):
        return Finding(claim, "-", "-", None)
    ranked = {
        name: measurements.rank_correlations(values[index], counts)
        for name, values in states.items()
    }
    name = max(ranked, key=lambda each: np.abs(ranked[each]).max())
    best = measurements.strongest(np.abs(ranked[name]))
    here = f"{neuron(best)}, {name}: {number(ranked[name][best], '.3f')}"
    return Finding(claim, here, "-", True, judged=False)


def sharper(memory: Memory, index: np.ndarray, post: str) -> Finding:
    """Compare how much of the hidden and of the cell state is near zero at some places [n]."""
    states = memory.hidden[index], memory.cell[index]
    hidden, cell = map(measurements.share_near_zero, states)
    claim = f"more hidden than cell values near 0 (< {NEAR_ZERO}): {SHARPER} times"
    if not memory.has_cell:
        return Finding(claim, f"{number(hidden)}, no other cell", post, True, judged=False)
    here = f"{number(hidden, '.3f')} against {number(cell, '.3f')}"
    if math.isnan(hidden) or math.isnan(cell):
        return Finding(claim, here, post, None)
    return Finding(claim, here, post, hidden > SHARPER * cell)


def silent_then_loud(
    memory: Memory, silent: np.ndarray, loud: np.ndarray, *, claim: str, post: str
) -> Finding:
    """List the neurons that are off at some places [n] and on at others."""
    claim = f"{claim}: mean |h| < {SILENT}, > {LOUD}"
    if not silent.size or not loud.size:
        return Finding(claim, "-", post, None)
    found = np.flatnonzero(silent_and_loud(memory, silent, loud))
    return Finding(claim, neurons(found), post, bool(found.size))


def silent_and_loud(memory: Memory, silent: np.ndarray, loud: np.ndarray) -> np.ndarray:
    """Return which neurons [H] are off at some places [n] and on at others."""
    off, on = (measurements.mean(np.abs(memory.hidden[index])) for index in (silent, loud))
    return (off < SILENT) & (on > LOUD)


def keeping(memory: Memory, best: int, index: np.ndarray, *, while_: str) -> Iterator[Finding]:
    """Yield whether a neuron keeps what it has at some places [n]; nothing without gates."""
    if memory.keep is None or not index.size:
        return
    kept = float(measurements.mean(memory.keep[index])[best])
    claim = f"its {memory.keep_name} is open {while_}: ≥ {KEEPS}"
    yield Finding(claim, f"{neuron(best)}: {number(kept)}", "about 1", kept >= KEEPS)


def continued_answers(trace: Trace, lines: Sequence[Line], *, sizes: Sequence[int] = ()) -> Finding:
    """Say how many of the text's lines the network continued rightly.

    Args:
      trace: of the text.
      lines: of it.
      sizes: that the post says are all right; none where it does not say.
    """
    right = right_lines(trace, lines)
    judged = [bool(ok) for line, ok in zip(lines, right, strict=True) if line.sample.size in sizes]
    here = f"{int(right.sum())} of {len(right)} lines"
    if not sizes:
        claim = "answers in the lines tested that are right"
        return Finding(claim, here, "-", bool(right.all()), judged=False)
    claim = f"right for N from {min(sizes)} to {max(sizes)} in the lines tested"
    return Finding(
        claim,
        f"{sum(judged)} of {len(judged)} lines",
        "all",
        all(judged) if judged else None,
    )
