"""Where a text has lines of one of the tasks, and which of them the model continued rightly.

Shapes: n places in the text. A line that is cut off at the text's beginning or end is none, and
neither is one with a mistake in it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from nas_with_rl.child_models.data.sequences import END, MOST_TRAINED, Sample
from nas_with_rl.child_models.traces.trace import Trace

_OTHER = "\0"  # stands for a token of several characters, as "<unk>", which no line has


@dataclasses.dataclass(frozen=True)
class Line:
    """One whole line of a task.

    Attributes:
      start: the place of its first character in the text.
      sample: what it consists of.
    """

    start: int
    sample: Sample

    @property
    def last_of_prompt(self) -> int:
        """The place after which the answer has to come."""
        return self.start + len(self.sample.prompt) - 1


@dataclasses.dataclass(frozen=True, eq=False)
class Places:
    """Some characters of the lines.

    Attributes:
      index: int [n], where they stand in the text.
      order: int [n], how many of them the line has had by then, this one included.
      sizes: int [n], of the line that each stands in.
      first: bool [n], whether it is its line's first character.
      last: bool [n], whether it is the last of them in its line.
    """

    index: np.ndarray
    order: np.ndarray
    sizes: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @property
    def left(self) -> np.ndarray:
        """How many the line still has, int [n], for what it has as many of as its size."""
        return self.sizes - self.order


@dataclasses.dataclass(frozen=True)
class _Grammar:
    prompt: re.Pattern[str]
    answer: Callable[[str], str]
    counted: str  # the letters whose number is the size


def _as_many_bs(prompt: str) -> str:
    return "b" * prompt.count("a")


_COPY = _Grammar(re.compile("[abc]{3}X"), lambda prompt: prompt[:-1], "abc")
_GRAMMARS: Mapping[str, _Grammar] = MappingProxyType(
    {
        "counter": _Grammar(re.compile("a+X"), _as_many_bs, "a"),
        "selective_counter": _Grammar(re.compile("X*a[aX]*Y"), _as_many_bs, "a"),
        "state_memorizer": _Grammar(re.compile("[AB]x+Y"), lambda prompt: prompt[0].lower(), "x"),
        "copy_machine": _COPY,
        "copy_machine_held_out": _COPY,
    }
)


def task_lines(task_name: str, tokens: Sequence[str]) -> tuple[Line, ...]:
    """Return every whole and faultless line of a task in a text, in its order."""
    grammar = _GRAMMARS[task_name]
    text = "".join(token if len(token) == 1 else _OTHER for token in tokens)
    lines, start = [], 0
    while (end := text.find(END, start)) >= 0:
        sample = _sample(text[start:end], grammar)
        if sample:
            lines.append(Line(start, sample))
        start = end + 1
    return tuple(lines)


def _sample(line: str, grammar: _Grammar) -> Sample | None:
    match = grammar.prompt.match(line)
    if not match or line[match.end() :] != grammar.answer(match[0]):
        return None
    size = sum(letter in grammar.counted for letter in match[0])
    return Sample(match[0], line[match.end() :], size)


def line_places(lines: Sequence[Line], letters: str) -> Places:
    """Return where any of some letters stands in the lines."""
    found = [
        (line, [i for i, letter in enumerate(line.sample.line) if letter in letters])
        for line in lines
    ]
    rows = [
        (line.start + i, order, line.sample.size, i == 0, order == len(offsets))
        for line, offsets in found
        for order, i in enumerate(offsets, 1)
    ]
    index, order, sizes, first, last = np.array(rows, int).reshape(-1, 5).T
    return Places(index, order, sizes, first.astype(bool), last.astype(bool))


def trained_sizes(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines that are no longer than any in the training; all where none is."""
    return tuple(line for line in lines if line.sample.size <= MOST_TRAINED) or tuple(lines)


def characters(lines: Sequence[Line]) -> np.ndarray:
    """Return where the lines' characters stand, int [n]."""
    return np.concatenate([line.start + np.arange(len(line.sample.line)) for line in lines])


def right_lines(trace: Trace, lines: Sequence[Line]) -> np.ndarray:
    """Return for each line whether its answer and its end are the most probable throughout, [n].

    That is what a greedy continuation of its prompt gives.
    """
    likeliest = np.argmax(trace.probabilities, axis=1)
    known = np.isfinite(trace.probabilities).all(axis=1)
    right = []
    for line in lines:
        at = np.arange(line.last_of_prompt, line.start + len(line.sample.line) - 1)
        written = [trace.vocabulary[number] for number in likeliest[at]]
        wanted = list(line.sample.answer + END)
        right.append(bool(known[at].all()) and written == wanted)
    return np.array(right, bool)
