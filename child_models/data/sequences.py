"""The tasks of "Exploring LSTMs" (Chen, 2017): lines that ask for counting or for remembering.

A line is prompt, answer and newline. A net learns from a stream of lines drawn at random, to
predict each next character; that it can do the task shows in how it continues a prompt.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

END = "\n"
MOST_TRAINED = 10  # a's or x's in a training line
FURTHEST = 30  # in a line that asks for more than was trained
TRAINING_LINES, VALIDATION_LINES = 8_000, 800
# Of the choice of samples, and of the lines of each stream.
SAMPLE_SEED, TRAINING_SEED, VALIDATION_SEED = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class Sample:
    """One line of a task.

    Attributes:
      prompt: what is given.
      answer: what has to follow, before the newline.
      size: how many a's, x's or letters; what is counted or waited through.
    """

    prompt: str
    answer: str
    size: int

    @property
    def line(self) -> str:
        """The whole line, with its end."""
        return f"{self.prompt}{self.answer}{END}"


@dataclasses.dataclass(frozen=True)
class SequenceTask:
    """A task.

    Attributes:
      name: an identifier.
      title: in words.
      description: what a line is.
      training: what the training stream is drawn from.
      held_out: of the same sizes, and in no training stream; empty where all are trained.
      beyond: of sizes that are never trained; empty where there are none.
    """

    name: str
    title: str
    description: str
    training: tuple[Sample, ...]
    held_out: tuple[Sample, ...] = ()
    beyond: tuple[Sample, ...] = ()

    def training_text(self) -> str:
        """Return the training stream, the same at every call."""
        return draw_text(self.training, TRAINING_LINES, seed=TRAINING_SEED)

    def validation_text(self) -> str:
        """Return another stream of what is trained: what is held out chooses no epoch either."""
        return draw_text(self.training, VALIDATION_LINES, seed=VALIDATION_SEED)


def draw_text(samples: Sequence[Sample], num_lines: int, *, seed: int) -> str:
    """Return lines drawn at random, joined: for each a size, then one of its samples."""
    return "".join(sample.line for sample in draw_samples(samples, num_lines, seed=seed))


def draw_samples(samples: Sequence[Sample], number: int, *, seed: int) -> list[Sample]:
    """Draw samples with replacement; every size is as frequent as any other."""
    groups: dict[int, list[Sample]] = collections.defaultdict(list)
    for sample in samples:
        groups[sample.size].append(sample)
    by_size = list(groups.values())
    shares = np.random.default_rng(seed).random((number, 2))
    drawn = []
    for size_share, sample_share in shares:
        group = by_size[int(size_share * len(by_size))]
        drawn.append(group[int(sample_share * len(group))])
    return drawn


def _counter() -> SequenceTask:
    def sample(size: int) -> Sample:
        return Sample(f"{'a' * size}X", "b" * size, size)

    return SequenceTask(
        name="counter",
        title="counter",
        description=f"N times a, X, N times b; N from 1 to {MOST_TRAINED}",
        training=tuple(map(sample, range(1, MOST_TRAINED + 1))),
        beyond=tuple(map(sample, range(MOST_TRAINED + 1, FURTHEST + 1))),
    )


SELECTIVE_FURTHEST = 20
MOST_IRRELEVANT = 5  # X's in a line
SELECTIVE_PER_SIZE, SELECTIVE_HELD_OUT, SELECTIVE_BEYOND = 210, 10, 5
HELD_OUT_SHARE = 0.2  # at most, of a size with few different lines


def _selective_counter() -> SequenceTask:
    rng = np.random.default_rng(SAMPLE_SEED)
    training, held_out, beyond = [], [], []
    for size in range(1, MOST_TRAINED + 1):
        samples = _scattered(size, SELECTIVE_PER_SIZE, rng)
        first = min(SELECTIVE_HELD_OUT, int(HELD_OUT_SHARE * len(samples)))
        held_out += samples[:first]
        training += samples[first:]
    for size in range(MOST_TRAINED + 1, SELECTIVE_FURTHEST + 1):
        beyond += _scattered(size, SELECTIVE_BEYOND, rng)
    return SequenceTask(
        name="selective_counter",
        title="selective counter",
        description=f"N times a with up to {MOST_IRRELEVANT} X's anywhere among them, Y, N times "
        f"b; N from 1 to {MOST_TRAINED}",
        training=tuple(training),
        held_out=tuple(held_out),
        beyond=tuple(beyond),
    )


def _scattered(size: int, most: int, rng: np.random.Generator) -> list[Sample]:
    """Return up to `most` different lines of `size` a's, in random order.

    The number of X's is drawn first: otherwise almost every line would have many.
    """
    found: dict[str, None] = {}  # a set in the order of drawing
    for _ in range(20 * most):
        num_irrelevant = int(rng.integers(MOST_IRRELEVANT + 1))
        letters = rng.permutation(list("a" * size + "X" * num_irrelevant))
        found.setdefault("".join(letters))
        if len(found) == most:
            break
    shuffled = [list(found)[place] for place in rng.permutation(len(found))]
    return [Sample(f"{each}Y", "b" * size, size) for each in shuffled]


# What is held out: of both letters, and between sizes that are trained.
STATES_HELD_OUT = {("A", 3), ("A", 6), ("A", 9), ("B", 2), ("B", 5), ("B", 8)}


def _state_memorizer() -> SequenceTask:
    def samples(sizes: Sequence[int], held_out: bool = False) -> tuple[Sample, ...]:
        return tuple(
            Sample(f"{letter}{'x' * size}Y", letter.lower(), size)
            for letter, size in itertools.product("AB", sizes)
            if ((letter, size) in STATES_HELD_OUT) == held_out
        )

    trained = range(1, MOST_TRAINED + 1)
    return SequenceTask(
        name="state_memorizer",
        title="state memorizer",
        description="A or B, N times x, Y, the first letter in lower case; N from 1 to "
        f"{MOST_TRAINED}",
        training=samples(trained),
        held_out=samples(trained, held_out=True),
        beyond=samples(range(MOST_TRAINED + 1, FURTHEST + 1)),
    )


COPIED_LETTERS, COPIED_LENGTH, COPIES_HELD_OUT = "abc", 3, 7


def _copy_machine() -> SequenceTask:
    letters = itertools.product(COPIED_LETTERS, repeat=COPIED_LENGTH)
    samples = (Sample(f"{word}X", word, COPIED_LENGTH) for word in map("".join, letters))
    return SequenceTask(
        name="copy_machine",
        title="copy machine",
        description="three letters of a, b and c, X, the same three letters",
        training=tuple(samples),
    )


def _copy_machine_held_out() -> SequenceTask:
    whole = _copy_machine()
    order = np.random.default_rng(SAMPLE_SEED).permutation(len(whole.training))
    chosen = set(order[:COPIES_HELD_OUT].tolist())
    by_choice = [
        tuple(each for i, each in enumerate(whole.training) if (i in chosen) == wanted)
        for wanted in (False, True)
    ]
    return dataclasses.replace(
        whole,
        name="copy_machine_held_out",
        title=f"copy machine, {COPIES_HELD_OUT} strings held out",
        training=by_choice[0],
        held_out=by_choice[1],
    )


_MAKERS: Mapping[str, Callable[[], SequenceTask]] = MappingProxyType(
    {
        "counter": _counter,
        "selective_counter": _selective_counter,
        "state_memorizer": _state_memorizer,
        "copy_machine": _copy_machine,
        "copy_machine_held_out": _copy_machine_held_out,
    }
)


class _Tasks(Mapping[str, SequenceTask]):
    """Tasks by name, each made when it is first asked for: the largest takes a fifth of a second.

    Every process of a search would wait for it.
    """

    def __getitem__(self, name: str) -> SequenceTask:
        return _made(name)

    def __contains__(self, name: object) -> bool:  # without making it
        return name in _MAKERS

    def __iter__(self) -> Iterator[str]:
        return iter(_MAKERS)

    def __len__(self) -> int:
        return len(_MAKERS)


@functools.cache
def _made(name: str) -> SequenceTask:
    return _MAKERS[name]()


TASKS: Mapping[str, SequenceTask] = _Tasks()

LONGER_COUNTER = "longer_counter"
JUDGED_FURTHEST = 13  # of the longer counter's validation stream

# What a text can be: a task, or the counter judged also on lines that are longer than all it was
# trained on. Lines of 1 to 10 a's a basic RNN learns as well as an LSTM; a little further only a
# cell that counts is right, and on much longer ones every cell is so wrong that guessing is better.
SOURCES = (*TASKS, LONGER_COUNTER)


def training_and_validation(source: str) -> tuple[str, str]:
    """Return the two streams of one of `SOURCES`."""
    if source != LONGER_COUNTER:
        return TASKS[source].training_text(), TASKS[source].validation_text()
    counter = TASKS["counter"]
    judged = [*counter.training, *(each for each in counter.beyond if each.size <= JUDGED_FURTHEST)]
    return counter.training_text(), draw_text(judged, VALIDATION_LINES, seed=VALIDATION_SEED)
