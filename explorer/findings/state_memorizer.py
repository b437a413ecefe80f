"""What a network that remembers one letter does: A or B, N times x, Y, the letter in lower case.

Shapes: T tokens, H units.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nas_with_rl.child_models.traces.trace import Trace
from nas_with_rl.explorer.findings import measurements, rows
from nas_with_rl.explorer.findings.measurements import Memory, memory_of
from nas_with_rl.explorer.findings.rows import KEEPS, LOUD, SHUT, TOLD_APART, Finding, number
from nas_with_rl.explorer.findings.task_lines import Line, characters, line_places, trained_sizes

LETTERS = "AB"
COUNTS_X = 0.95  # |r|; the post gives none, its neuron's cell goes from -0.34 to -1.30
POST_ON = {"A": "neuron 8: A 0.84, B 0.3", "B": "neuron 17: B 0.85, A 0.28"}

CRITERIA = rows.D_PRIME

LinesOf = Mapping[str, Sequence[Line]]  # by their first letter


@dataclasses.dataclass(frozen=True)
class LetterNeuron:
    """A neuron that may be for one letter.

    Attributes:
      letter, other_letter: which it is for, and the other.
      number: from 0.
      own, other: mean h at the x's after each.
      size: mean |h| at the x's after its own.
      separation: d' between the two.
    """

    letter: str
    other_letter: str
    number: int
    own: float
    other: float
    size: float
    separation: float

    @property
    def tells(self) -> bool:
        """Whether it is on, and far enough from where it is with the other letter."""
        return self.size >= LOUD and self.separation >= TOLD_APART


def state_memorizer_findings(trace: Trace, lines: Sequence[Line]) -> Iterator[Finding]:
    """Yield the post's findings on its state memorizer, of the first layer."""
    memory = memory_of(trace, 0)
    yield rows.continued_answers(trace, lines)
    lines = trained_sizes(lines)
    x = line_places(lines, "x")
    of_letter = {
        letter: [line for line in lines if line.sample.prompt[0] == letter] for letter in LETTERS
    }
    if all(of_letter.values()):
        found = [_letter_neuron(memory, of_letter, letter) for letter in LETTERS]
        yield from (_on(each) for each in found)
        telling = [each for each in found if each.tells]
        yield _stays_on(memory, of_letter, telling)
        yield from _gates(memory, of_letter, telling)
    yield rows.counting(memory, x.index, x.order, what="x's read", post="neuron 10", least=COUNTS_X)
    yield rows.sharper(memory, characters(lines), "0.29 against 0.16")


def _letter_neuron(memory: Memory, of_letter: LinesOf, letter: str) -> LetterNeuron:
    """Return the neuron that is on at one letter's x's and tells them best from the other's."""
    other_letter = LETTERS.replace(letter, "")
    own, other = (
        memory.hidden[line_places(of_letter[each], "x").index] for each in (letter, other_letter)
    )
    size, other_size = (measurements.mean(np.abs(each)) for each in (own, other))
    separations = np.abs(measurements.separations(own, other))
    # First those that are more on than with the other letter, of them those that are on.
    rank = 2 * (size > other_size) + (size >= LOUD)
    best = measurements.strongest(np.where(rank == rank.max(), separations, -np.inf))
    return LetterNeuron(
        letter=letter,
        other_letter=other_letter,
        number=best,
        own=float(measurements.mean(own)[best]),
        other=float(measurements.mean(other)[best]),
        size=float(size[best]),
        separation=float(separations[best]),
    )


def _on(found: LetterNeuron) -> Finding:
    """Say which neuron is on where one letter must be remembered."""
    here = f"{rows.neuron(found.number)}: {found.letter} {number(found.own, '+.2f')}, "
    here += f"{found.other_letter} {number(found.other, '+.2f')}, "
    here += f"d' {rows.d_prime(found.separation)}"
    return Finding(
        f"a neuron is for {found.letter}: |h| at x ≥ {LOUD}, d' ≥ {TOLD_APART:g}",
        here,
        POST_ON[found.letter],
        found.tells,
    )


def _stays_on(memory: Memory, of_letter: LinesOf, telling: Sequence[LetterNeuron]) -> Finding:
    """Say whether the hidden state is on at the last x, long before it is needed."""
    at_last = []
    for each in telling:
        x = line_places(of_letter[each.letter], "x")
        # A line of one x would say nothing of staying.
        later = x.index[x.last & (x.order > 1)]
        at_last.append(float(measurements.mean(np.abs(memory.hidden[later]))[each.number]))
    return Finding(
        f"still on at a line's last x: |h| ≥ {LOUD}",
        _each(telling, at_last),
        "on through all x's",
        None if np.isnan(at_last).any() else bool(telling) and min(at_last) >= LOUD,
    )


def _gates(
    memory: Memory, of_letter: LinesOf, telling: Sequence[LetterNeuron]
) -> Iterator[Finding]:
    """Yield what the gates of the letters' neurons do, on the lines of their own letter."""
    if memory.keep is None or memory.write is None:
        return
    kept, written, dropped = (
        [
            float(
                measurements.mean(gate[line_places(of_letter[each.letter], at).index])[each.number]
            )
            for each in telling
        ]
        for gate, at in ((memory.keep, "x"), (memory.write, "x"), (memory.keep, "Y"))
    )
    yield Finding(
        f"its {memory.keep_name} is open at x: ≥ {KEEPS}",
        _each(telling, kept),
        "1.00, 0.97",
        bool(kept) and min(kept) >= KEEPS,
    )
    yield Finding(
        f"its {memory.write_name} is shut at x: ≤ {SHUT}",
        _each(telling, written),
        "0.07, 0.12",
        bool(written) and max(written) <= SHUT,
    )
    yield Finding(
        f"its {memory.keep_name} shuts at Y, of one at least: ≤ {SHUT}",
        _each(telling, dropped),
        "neuron 8: 0.01 to 0.04",
        bool(dropped) and min(dropped) <= SHUT,
    )


def _each(telling: Sequence[LetterNeuron], values: Sequence[float]) -> str:
    if not telling:
        return "no such neuron"
    numbers = ", ".join(number(each) for each in values)
    return f"{rows.neurons(each.number for each in telling)}: {numbers}"
