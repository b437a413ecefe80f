"""Which strings each neuron of a copying network tells apart, and which letter it makes follow.

Shapes: T tokens, H units, n of the tokens.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from nas_with_rl.child_models.data.sequences import COPIED_LENGTH, COPIED_LETTERS, END
from nas_with_rl.child_models.traces.trace import Trace
from nas_with_rl.explorer.exploration import Table
from nas_with_rl.explorer.findings import measurements
from nas_with_rl.explorer.findings.measurements import Memory, memory_of
from nas_with_rl.explorer.findings.rows import TOLD_APART, d_prime, neuron, number
from nas_with_rl.explorer.findings.task_lines import Line, line_places

APART = 0.3  # of a neuron's whole span, between a group's mean h and the next; the post: 0.85
NEURON_COLUMNS = (
    "neuron",
    "tells apart at X",
    "d'",
    "is for the next letter",
    "d'",
    "|h| reading, writing",
)

# Places in the text [n] by letter: with which the line begins, or which follows.
Groups = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class CopyNeuron:
    """A neuron that stands apart where one letter begins the line, or follows.

    Attributes:
      number: from 0.
      letter: which.
      own, nearest: mean h where it is that letter, and the nearest mean where it is another.
      share: of the neuron's span between them.
      separation: d' to the letter that it tells from it least.
    """

    number: int
    letter: str
    own: float
    nearest: float
    share: float
    separation: float

    @property
    def distance(self) -> float:
        """Between the letter's mean and the nearest; below 0 where that is not known."""
        distance = abs(self.own - self.nearest)
        return distance if math.isfinite(distance) else -1.0

    @property
    def is_on(self) -> bool:
        """Whether |h| is larger where it is that letter than where it is the nearest other."""
        return abs(self.own) > abs(self.nearest)

    @property
    def tells(self) -> bool:
        """Whether it stands apart far and clearly enough."""
        return self.share >= APART and self.separation >= TOLD_APART


def start_groups(lines: Sequence[Line]) -> Groups:
    """Return where X stands, by the line's first letter."""
    return {
        letter: line_places([line for line in lines if line.sample.prompt[0] == letter], "X").index
        for letter in COPIED_LETTERS
    }


def next_groups(lines: Sequence[Line]) -> Groups:
    """Return the places from X on, by the letter that follows; the newline too."""
    writing = [
        (line.last_of_prompt + i, letter)
        for line in lines
        for i, letter in enumerate(line.sample.answer + END)
    ]
    return {
        letter: np.array([place for place, following in writing if following == letter], int)
        for letter in COPIED_LETTERS + END
    }


def reading(lines: Sequence[Line]) -> np.ndarray:
    """Return where the letters stand that are to be copied."""
    starts = np.array([line.start for line in lines], int)
    return (starts[:, np.newaxis] + np.arange(COPIED_LENGTH)).ravel()


def writing(lines: Sequence[Line]) -> np.ndarray:
    """Return the places after which the copy and the newline have to come."""
    at_x = np.array([line.last_of_prompt for line in lines], int)
    return (at_x[:, np.newaxis] + np.arange(COPIED_LENGTH + 1)).ravel()


def neurons_for(memory: Memory, groups: Groups, letter: str) -> list[CopyNeuron]:
    """Return all neurons by how far they stand apart where it is one letter, furthest first.

    Those that tell the letter come before those that do not, and of each the ones that are more
    on where it is that letter before the ones that are less.
    """
    own = memory.hidden[groups[letter]]
    others = [memory.hidden[index] for each, index in groups.items() if each != letter]
    distances = measurements.standing_apart(own, others)
    span = measurements.spans(memory.hidden)
    shares = np.abs(distances) / np.where(span > 0, span, np.nan)
    separations = np.abs([measurements.separations(own, other) for other in others]).min(axis=0)
    means = measurements.mean(own)
    found = [
        CopyNeuron(
            each,
            letter,
            float(means[each]),
            float(means[each] - distances[each]),
            float(shares[each]),
            float(separations[each]),
        )
        for each in range(memory.hidden.shape[1])
    ]
    return sorted(found, key=lambda each: (each.tells, each.is_on, each.distance), reverse=True)


def copy_neurons(trace: Trace, lines: Sequence[Line]) -> Table:
    """Return the last layer's neurons that tell strings or next letters apart, one a row."""
    memory = memory_of(trace, -1)
    beginning = _best_letters(memory, start_groups(lines))
    following = _best_letters(memory, next_groups(lines))
    silent, loud = (
        measurements.mean(np.abs(memory.hidden[index]))
        for index in (reading(lines), writing(lines))
    )
    rows = []
    for index in range(memory.hidden.shape[1]):
        by_start, by_next = beginning.get(index), following.get(index)
        if by_start or by_next:
            rows.append(
                (
                    neuron(index),
                    *_told_apart(by_start, COPIED_LETTERS),
                    *_told_apart(by_next, COPIED_LETTERS + END),
                    f"{number(silent[index])}, {number(loud[index])}",
                )
            )
    note = (
        "The mean h of the letter that a neuron is for, and the nearest of the others; d' to the "
        "one that it tells from it least. The post's: neuron 5 starts with c, 20 with b; 2 and 12 "
        "next a, 20 next b (7 low), 5, 6 and 15 next c."
    )
    if not rows:
        note = f"No neuron tells one letter apart: d' ≥ {TOLD_APART:g} and {APART:.0%} of its span."
    return Table("copy machine: the neurons that copy", NEURON_COLUMNS, tuple(rows), note)


def _best_letters(memory: Memory, groups: Groups) -> dict[int, CopyNeuron]:
    """Return by neuron the letter that it tells apart best, if any."""
    best: dict[int, CopyNeuron] = {}
    if not all(index.size for index in groups.values()):
        return best
    for letter in COPIED_LETTERS:
        for each in neurons_for(memory, groups, letter):
            known = best.get(each.number)
            if each.tells and (known is None or each.share > known.share):
                best[each.number] = each
    return best


def _told_apart(found: CopyNeuron | None, letters: str) -> tuple[str, str]:
    if found is None:
        return "-", "-"
    others = ", ".join(_shown(each) for each in letters if each != found.letter)
    text = f"{_shown(found.letter)} | {others}: "
    text += f"{number(found.own, '+.2f')}, nearest {number(found.nearest, '+.2f')}"
    return text, d_prime(found.separation)


def _shown(letter: str) -> str:
    return "newline" if letter == END else letter
