"""What an exploration is about: a task of sequences, or a text of the user's own.

A subject says what is trained, which text the page shows, and what is measured on a trained model.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from nas_with_rl.child_models.data.sequences import (
    SOURCES,
    TASKS,
    Sample,
    SequenceTask,
    draw_samples,
)
from nas_with_rl.child_models.data.text import UNKNOWN, Corpus, TextDataConfig, load_corpus
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.traces.answers import AnsweredSample, Answers, answers
from nas_with_rl.child_models.traces.trace import Trace
from nas_with_rl.explorer.exploration import Table
from nas_with_rl.explorer.findings.tables import findings, general_findings
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.overrides import with_overrides
from nas_with_rl.launch.experiments.sequence_tasks import fitted_to
from nas_with_rl.search_spaces.errors import LONGEST_PATH, InputError, shortened, shown

TEXT_EXPERIMENT = "text"
LEAST_READ = 15  # characters of a text of one's own: a tenth of them is a prediction
LONGEST_SHOWN = 2_000  # of them
LONGEST_BEGINNING = 48  # characters of a text in its title
_TITLE_TOKENS = 4 * LONGEST_BEGINNING  # of which some are blanks
NEAR = 200  # characters within which they begin with a whole line
LINES_PER_SIZE = 2  # of a task's lines, those that the page shows
SHOWN_BEYOND = 15  # and the greatest size
FINDINGS_LINES, FINDINGS_SEED = 100, 3  # of the trace that a task's findings are computed on

# A task of which all lines are trained, and the same with some held out.
_HELD_OUT = {"copy_machine": "copy_machine_held_out"}

# From a text to what a model did on it.
Tracer = Callable[[str], Trace]


class Subject(Protocol):
    """What is trained and shown.

    Attributes:
      name: of the default directory.
      title: of the page.
      experiment: what each cell is trained by.
      notes: about the text, a sentence each.
      num_characters: of the whole text, of which the page may show a part.
      held_out: the same with lines held out, by which each cell is trained once more, for its
        accuracy on these; None where that is known without.
    """

    name: str
    title: str
    experiment: Experiment
    notes: tuple[str, ...]
    num_characters: int
    held_out: TaskSubject | None

    def shown(self) -> str:
        """Return the text of the page."""

    def tables(self, model: LanguageModel, trace: Trace, tracer: Tracer) -> tuple[Table, ...]:
        """Return what is measured on a trained model.

        Args:
          model: the model.
          trace: of the text that is shown.
          tracer: traces the same model on any text.
        """


class TaskSubject:
    """One of the tasks of "Exploring LSTMs"."""

    def __init__(self, name: str, overrides: Sequence[str]):
        """Raise InputError where there is no such task."""
        if name not in TASKS:
            raise InputError(f"task is {shown(name)}: no such task; there are {', '.join(TASKS)}")
        self.task: SequenceTask = TASKS[name]
        self.name = name
        self.title = f"{self.task.title.capitalize()}: {self.task.description}"
        self.num_characters = 0  # all that is there is shown
        self.experiment = configure(name, overrides)
        note = "The lines are read one after the other, as one stream"
        if self.task.beyond:
            note += f"; those of N above {_most_trained(self.task)} are longer than any trained"
        self.notes: tuple[str, ...] = (f"{note}.",)
        self.held_out: TaskSubject | None = None
        if name in _HELD_OUT:
            self.held_out = TaskSubject(_HELD_OUT[name], overrides)

    def shown(self) -> str:
        """Some lines of every trained size, then some that are longer."""
        by_size: dict[int, list[Sample]] = collections.defaultdict(list)
        for sample in (*self.task.held_out, *self.task.training):
            by_size[sample.size].append(sample)
        if len(by_size) == 1:  # all its lines; in their order a drift would look like a memory
            (samples,) = by_size.values()
            order = np.random.default_rng(FINDINGS_SEED).permutation(len(samples))
            return "".join(samples[place].line for place in order)
        lines = [each for size in sorted(by_size) for each in by_size[size][:LINES_PER_SIZE]]
        longer = {each.size: each for each in reversed(self.task.beyond)}
        lines += [longer[size] for size in sorted(longer) if size <= SHOWN_BEYOND]
        return "".join(sample.line for sample in lines)

    def tables(self, model: LanguageModel, trace: Trace, tracer: Tracer) -> tuple[Table, ...]:
        """How much of the task the model can do, and the post's findings on it."""
        task = self.task
        lines = draw_samples((*task.training, *task.held_out), FINDINGS_LINES, seed=FINDINGS_SEED)
        for number, sample in enumerate({each.size: each for each in task.beyond}.values()):
            lines += [*lines[2 * number : 2 * number + 2], sample]  # not one long line on another
        text = "".join(sample.line for sample in lines)
        found = findings(self.name, tracer(text))
        return (self.accuracy(model, trace.vocabulary), *found)

    def accuracy(self, model: LanguageModel, vocabulary: Sequence[str]) -> Table:
        """Return how often each size is answered right, within the training's range and beyond."""
        task = self.task
        groups = {
            "trained": task.training,
            "held out": task.held_out,
            "longer than any trained": task.beyond,
        }
        rows, notes = [], []
        asked: list[AnsweredSample] = []
        for kind, samples in groups.items():
            if not samples:
                continue
            found = answers(model, vocabulary, samples, context=task.training)
            asked += found.samples
            rows += list(_accuracy_rows(kind, found))
            wrong = [each.sample.prompt for each in found.samples if each.share < 1]
            if wrong and len({sample.size for sample in samples}) == 1:
                notes.append(f"{kind}, not right: {', '.join(wrong)}")
        if task.beyond:
            reached = Answers(tuple(asked)).counted_to
            counted = f"every line of up to N = {reached} is right"
            notes.insert(0, counted if reached else "not even every line of N = 1 is right")
        note = "; ".join(notes)
        title = f"{task.title}: accuracy by N"
        return Table(title, ("N", "lines", "right"), tuple(rows), note)


def _most_trained(task: SequenceTask) -> int:
    return max(sample.size for sample in task.training)


def _accuracy_rows(kind: str, found: Answers) -> Iterator[tuple[str, str, str]]:
    """Yield a row for each run of sizes with the same share."""
    for share, group in itertools.groupby(found.share_by_size.items(), key=lambda each: each[1]):
        sizes = [size for size, _ in group]
        span = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        yield span, kind, f"{100 * share:.0f} %"


class TextSubject:
    """A text of the user's own."""

    def __init__(self, source: str, overrides: Sequence[str]):
        """Read the text; raise InputError where it cannot be read, or is too short to train on."""
        if source in (*SOURCES, "ptb", "pydoc", "stdlib"):  # what `load_corpus` knows by name
            raise InputError(f"text is {source!r}: a file of that name is './{source}'")
        experiment = configure(TEXT_EXPERIMENT, ())
        data: TextDataConfig = dataclasses.replace(experiment.data, source=source)
        experiment = with_overrides(dataclasses.replace(experiment, data=data), overrides)
        whole = load_corpus(
            dataclasses.replace(experiment.data, max_training_tokens=0, max_validation_tokens=0)
        )
        size = whole.train.size + whole.validation.size
        if size < LEAST_READ:
            raise InputError(
                f"text is {shown(source, LONGEST_PATH)}, which has {size} characters, below the "
                f"{LEAST_READ} of which the last tenth can be kept from the training"
            )
        child: LanguageModelTraining = experiment.child
        fitted = dataclasses.replace(
            experiment, child=fitted_to(child, load_corpus(experiment.data))
        )
        self.experiment = with_overrides(fitted, overrides)  # what is named stays as it is named
        self.name, self.title = "text", _title(source, whole)
        self.held_out: TaskSubject | None = None
        self._shown, self.num_characters = _excerpt(whole), size
        self.notes: tuple[str, ...] = (
            f"The last {whole.validation.size:,} of the text's {size:,} characters were not "
            "trained on; what is shown begins "
            + ("there." if whole.validation.size >= LONGEST_SHOWN else "before them."),
            *_what_is_trained(self.experiment, whole),
            *([f"Left out of the files: {whole.left_out}."] if whole.left_out else []),
        )

    def shown(self) -> str:
        """The beginning of what was not trained on, or the end of a short text."""
        return self._shown

    def tables(self, model: LanguageModel, trace: Trace, tracer: Tracer) -> tuple[Table, ...]:
        """Gates and hidden values in general."""
        return (general_findings(trace),)


def _title(source: str, corpus: Corpus) -> str:
    """Return which text it is: its file, a pattern with its directory, and how it begins."""
    name = os.path.basename(source) or source
    if any(character in name for character in "*?["):
        name = os.path.join(os.path.basename(os.path.dirname(source)), name)
    beginning = "".join(
        token
        for token in (corpus.vocabulary[number] for number in corpus.train[:_TITLE_TOKENS])
        if token != UNKNOWN
    )
    return f"{shortened(name)}: “{shortened(beginning + ' …', LONGEST_BEGINNING)}”"


def _what_is_trained(experiment: Experiment, corpus: Corpus) -> tuple[str, ...]:
    """Return a note where an epoch is shorter than the text."""
    child: LanguageModelTraining = experiment.child
    trained = child.steps_per_epoch * child.batch_size * child.num_steps
    if not 0 < trained < corpus.train.size:
        return ()
    return (
        f"Of the others {trained:,} were trained on "
        f"(child.steps_per_epoch={child.steps_per_epoch}; 0 is all).",
    )


def _excerpt(corpus: Corpus) -> str:
    """Return the characters that a page shows, from a line's start if one is near."""
    held_out = corpus.validation.size
    whole = np.concatenate([corpus.train, corpus.validation])
    is_short = held_out < LONGEST_SHOWN
    first = max(whole.size - (LONGEST_SHOWN if is_short else held_out), 0)
    text = "".join(
        "\N{REPLACEMENT CHARACTER}" if token == UNKNOWN else token
        for token in (corpus.vocabulary[number] for number in whole[first:])
    )
    line = text.find("\n") + 1 if first and text.find("\n") < NEAR else 0
    return text[line : line + LONGEST_SHOWN]
