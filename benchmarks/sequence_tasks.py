"""Train small nets on the tasks of "Exploring LSTMs" with several seeds and ask what they learned.

    python benchmarks/sequence_tasks.py --task=counter --cell=lstm --seeds=10

For each seed: lines right in every context of those trained, held out and beyond the training, how
far it counts, and (counter) the largest correlation of a neuron's memory with the number of a's
while these are read; at the end the medians.
"""

import os

from nas_with_rl.child_models.data.text import TextDataConfig

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import dataclasses
import statistics
import sys
import time

import numpy as np
from absl import app, flags

from nas_with_rl.child_models.cells.known_cells import Cell
from nas_with_rl.child_models.data.sequences import TASKS, SequenceTask
from nas_with_rl.child_models.data.text import Corpus, load_corpus
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.child_models.language_models.training import begin_training
from nas_with_rl.child_models.memory import release_child
from nas_with_rl.child_models.traces.answers import Answers, answers
from nas_with_rl.child_models.traces.tracing import trace
from nas_with_rl.explorer.findings.measurements import correlations, memory_of
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.explorations.cells import read_cell
from nas_with_rl.launch.trainings.trainees import read_named
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCell, cell_of

TASK = flags.DEFINE_enum("task", "counter", list(TASKS), "what is learned")
CELL = flags.DEFINE_string(
    "cell", "lstm", "a known cell, a published one (nas_cell), an architecture's text or a search"
)
SEEDS = flags.DEFINE_integer("seeds", 10, "trainings, of seeds from 0", lower_bound=1)
OVERRIDE = flags.DEFINE_multi_string("override", [], "a setting of the experiment: FIELD=VALUE")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one training came to.

    Attributes:
      trained, held_out, beyond: how the samples were answered; None where there are none.
      counted_to: over the sizes of all samples; None where the task has no sizes beyond.
      correlation: largest |r| of a neuron's memory with the number of a's; None without a count.
      seconds: of the training, compilation included.
    """

    trained: Answers
    held_out: Answers | None
    beyond: Answers | None
    counted_to: int | None
    correlation: float | None
    seconds: float

    def describe(self) -> str:
        """Return the outcome in a line."""
        parts = {"trained": self.trained, "held out": self.held_out, "beyond": self.beyond}
        described = [
            f"{name} {part.num_right}/{len(part.samples)} right"
            for name, part in parts.items()
            if part is not None
        ]
        if self.counted_to is not None:
            described.append(f"all right to size {self.counted_to}")
        if self.correlation is not None:
            described.append(f"|r| {self.correlation:.4f}")
        return ", ".join([*described, f"{self.seconds:.1f} s"])


def outcome_of(
    task: SequenceTask, cell: Cell, *, corpus: Corpus, training: LanguageModelTraining, seed: int
) -> Outcome:
    """Train a cell with one seed and ask it every line."""
    start = time.perf_counter()
    child = begin_training(cell, corpus, training, seed=seed)
    for epoch in range(1, training.epochs + 1):
        child.train_epoch(epoch)
    seconds = time.perf_counter() - start
    model, vocabulary = child.model, corpus.vocabulary

    def asked(samples):
        return answers(model, vocabulary, samples, context=task.training) if samples else None

    everything = (*task.training, *task.held_out, *task.beyond)
    correlation = correlation_with_count(model, corpus, task) if task.name == "counter" else None
    return Outcome(
        trained=asked(task.training),
        held_out=asked(task.held_out),
        beyond=asked(task.beyond),
        counted_to=asked(everything).counted_to if task.beyond else None,
        correlation=correlation,
        seconds=seconds,
    )


def correlation_with_count(model: LanguageModel, corpus: Corpus, task: SequenceTask) -> float:
    """Return the largest |r| of a neuron's memory with the a's so far, while a's are read.

    The memory is the cell state, of a cell without one the hidden state, of a tree either; every
    trained line is read once, one after the other.
    """
    text = "".join(sample.line for sample in task.training)
    numbers = np.array([corpus.vocabulary.index(character) for character in text], np.int32)
    memory = memory_of(trace(model, numbers, corpus.vocabulary), 0)
    vectors = memory.cell
    if isinstance(model.cell, RecurrentCell):
        vectors = np.concatenate([memory.cell, memory.hidden], axis=1)
    lines = text.splitlines(keepends=True)
    counts = np.array([place + 1 for line in lines for place in range(len(line))])
    reading = np.array(list(text)) == "a"
    return float(np.nanmax(np.abs(correlations(vectors[reading], counts[reading]))))


def cell_named(text: str, experiment: Experiment) -> Cell:
    """Return a cell by name, text, or the workdir of the search that found it.

    Raises:
      InputError: it is none of these.
    """
    found = read_cell(text)
    if found.model is not None:
        raise InputError(f"--cell={text} is a trained model, and this trains cells")
    named = read_named(found.architecture, dataclasses.replace(experiment, space=found.space))
    return named.text if named.architecture is None else cell_of(named.architecture)


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(argv[1:])}")
    try:
        experiment = configure(TASK.value, OVERRIDE.value)
        cell = cell_named(CELL.value, experiment)
        assert isinstance(experiment.data, TextDataConfig)
        assert isinstance(experiment.child, LanguageModelTraining)
        task, corpus = TASKS[TASK.value], load_corpus(experiment.data)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    outcomes = []
    for seed in range(SEEDS.value):
        try:
            outcomes.append(
                outcome_of(task, cell, corpus=corpus, training=experiment.child, seed=seed)
            )
        except ChildFailure as failure:
            print(f"seed {seed}: {failure.reason}: {failure}", flush=True)
            continue
        finally:
            release_child()
        print(f"seed {seed}: {outcomes[-1].describe()}", flush=True)
    summarize(outcomes)


def summarize(outcomes: list[Outcome]) -> None:
    """Print what all seeds together came to."""
    if not outcomes:
        return
    parts = {
        "trained": [each.trained for each in outcomes],
        "held-out": [each.held_out for each in outcomes if each.held_out],
    }
    for name, part in parts.items():
        if part:
            solved = sum(each.num_right == len(each.samples) for each in part)
            share = statistics.median(each.share for each in part)
            print(
                f"all {name} lines right: {solved} of {len(part)} seeds; median share {share:.3f}"
            )
    counted = [each.counted_to for each in outcomes if each.counted_to is not None]
    if counted:
        spread = f"{min(counted)} to {max(counted)}"
        print(f"all right to size: median {statistics.median(counted):g}, {spread}")
    found = [each.correlation for each in outcomes if each.correlation is not None]
    if found:
        linear = sum(each >= 0.99 for each in found)
        print(f"|r|: median {statistics.median(found):.4f}; at least 0.99 in {linear} seeds")
    print(f"seconds: median {statistics.median(each.seconds for each in outcomes):.1f}")


if __name__ == "__main__":
    app.run(main)
