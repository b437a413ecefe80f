"""Speed of a language model of 10,000 words: training, validation, test; beside whom you name.

    python benchmarks/words.py                           # 1 minute on one core
    python benchmarks/words.py --beside=CHECKOUT         # and another checkout's code
    python benchmarks/words.py --torch-python=PYTHON     # and PyTorch's `nn.LSTM` there

The model of `ptb_25m_small`: an LSTM of 2 layers of 87 units, the embedding shared with the softmax
(1.0 million weights), SGD, 20 sequences by 35 steps. The words are drawn at random, the test text
has as many as Penn Treebank's. All begin with the same weights, so that equal losses say that they
do the same: the first training epoch's and the test's are printed.

Each contestant is a process of one thread, all on one core, in turn in every round. Seconds are of
the processor, medians over the rounds; tracing is left out but for the test's first call, since a
test set is looked at once.

The exit status is 1 if a target is missed.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import figures
import numpy as np

VOCABULARY, UNITS, NUM_LAYERS = 10_000, 87, 2
BATCH_SIZE, NUM_STEPS, SEGMENTS = 20, 35, 20
TEST_WORDS = 82_430
INIT_SCALE, LEARNING_RATE, CLIP_NORM, SEED = 0.1, 0.1, 5.0, 0
OURS, BESIDE, TORCH = figures.HERE, figures.BESIDE, "PyTorch nn.LSTM"
# The most of the other's time, by what is done: of an earlier checkout with TensorFlow's own kernel
# of the loss and a test of one stream, and of PyTorch.
TARGETS = {
    BESIDE: {"train": 0.8, "validate": 0.55, "test": 1 / 5},
    TORCH: {"train": 1 / 1.8, "validate": 1.0},
}
now = time.process_time


def words(number: int, seed: int) -> np.ndarray:
    """Return words drawn by Zipf's law, int32."""
    probs = 1 / np.arange(1, VOCABULARY + 1)
    drawn = np.random.default_rng(seed).choice(VOCABULARY, number, p=probs / probs.sum())
    return drawn.astype(np.int32)


def initial_weights() -> list[np.ndarray]:
    """Return each layer's W, U and b, then the embedding and the softmax's bias, as `LanguageModel`
    draws them."""
    layer = [(UNITS, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,)]
    shapes = [(VOCABULARY, UNITS), (VOCABULARY,), *layer * NUM_LAYERS]
    rng = np.random.default_rng(SEED)
    return [rng.uniform(-INIT_SCALE, INIT_SCALE, shape).astype(np.float32) for shape in shapes]


class Ours:
    """The checkout's language model; which checkout, PYTHONPATH says."""

    def __init__(self, text: np.ndarray):
        import tensorflow as tf

        from nas_with_rl.child_models.data.text import Corpus
        from nas_with_rl.child_models.language_models.config import LanguageModelTraining
        from nas_with_rl.child_models.language_models.tf_epochs import LanguageModelInTraining

        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.threading.set_intra_op_parallelism_threads(1)
        config = LanguageModelTraining(
            units=UNITS,
            num_layers=NUM_LAYERS,
            tie_embeddings=True,
            init_scale=INIT_SCALE,
            batch_size=BATCH_SIZE,
            num_steps=NUM_STEPS,
            learning_rate=LEARNING_RATE,
            clip_norm=CLIP_NORM,
        )
        corpus = Corpus(text, text, tuple(map(str, range(VOCABULARY))), ())
        self._child = LanguageModelInTraining("lstm", corpus, config, seed=SEED)
        for found, drawn in zip(self._child.model.get_weights(), initial_weights(), strict=True):
            np.testing.assert_array_equal(found, drawn)  # what PyTorch begins with too

    def train(self) -> float:
        return self._child.train_epoch(1)

    def validate(self) -> float:
        return self._child.validate()

    def test(self, text: np.ndarray) -> float:
        return self._child.test(text)


class Torch:
    """The same in PyTorch, as its users write it: `nn.LSTM`, `cross_entropy`, a batch at a time."""

    def __init__(self, text: np.ndarray):
        import torch

        torch.set_num_threads(1)
        torch.set_flush_denormal(True)  # as TensorFlow does
        self._torch, (embedding, softmax_bias, *layers) = (
            torch,
            map(torch.tensor, initial_weights()),
        )
        self._embedding = torch.nn.Embedding(VOCABULARY, UNITS, _weight=embedding)
        self._lstm = torch.nn.LSTM(UNITS, UNITS, NUM_LAYERS)
        self._softmax = torch.nn.Linear(UNITS, VOCABULARY)
        self._softmax.weight = self._embedding.weight
        self._softmax.bias = torch.nn.Parameter(softmax_bias)
        for number in range(NUM_LAYERS):
            kernel, recurrent_kernel, bias = layers[3 * number : 3 * number + 3]
            values = {"weight_ih": kernel.T, "weight_hh": recurrent_kernel.T, "bias_ih": bias}
            values["bias_hh"] = torch.zeros_like(bias)
            for name, value in values.items():
                getattr(self._lstm, f"{name}_l{number}").data = value.contiguous()
            getattr(self._lstm, f"bias_hh_l{number}").requires_grad_(False)  # Keras has one bias
        modules = self._embedding, self._lstm, self._softmax
        parameters = {p: None for module in modules for p in module.parameters() if p.requires_grad}
        self._parameters = list(parameters)
        self._optimizer = torch.optim.SGD(self._parameters, LEARNING_RATE)
        steps = len(text) // BATCH_SIZE
        self._text = text[: steps * BATCH_SIZE].reshape(BATCH_SIZE, steps).T

    def train(self) -> float:
        total, torch = 0.0, self._torch
        for nll, number in self._segments(self._text):
            self._optimizer.zero_grad()
            (nll / BATCH_SIZE).backward()
            torch.nn.utils.clip_grad_norm_(self._parameters, CLIP_NORM)
            self._optimizer.step()
            total += float(nll.detach()) / (SEGMENTS * number)
        return total

    def validate(self) -> float:
        with self._torch.no_grad():
            nlls = [float(nll) / number for nll, number in self._segments(self._text)]
        return statistics.mean(nlls)

    def test(self, text: np.ndarray) -> float:
        with self._torch.no_grad():
            stream = text[:, np.newaxis]
            return sum(float(nll) for nll, _ in self._segments(stream)) / (len(text) - 1)

    def _segments(self, text: np.ndarray) -> Any:
        """Yield each segment's summed nll and number of words."""
        tokens = self._torch.from_numpy(np.ascontiguousarray(text)).long()
        state = [self._torch.zeros(NUM_LAYERS, text.shape[1], UNITS) for _ in range(2)]
        for first in range(0, len(tokens) - 1, NUM_STEPS):
            segment = tokens[first : first + NUM_STEPS + 1]
            hidden, state = self._lstm(self._embedding(segment[:-1]), state)
            state, targets = [value.detach() for value in state], segment[1:].flatten()
            logits = self._softmax(hidden).flatten(0, 1)
            nll = self._torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
            yield nll, len(targets)


def serve(contestant: str) -> None:
    """Measure a round for each line read; answer in JSON with its seconds and losses."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    text = words(BATCH_SIZE * (SEGMENTS * NUM_STEPS + 1), 1)
    test = words(TEST_WORDS, 2)
    runner = Torch(text) if contestant == TORCH else Ours(text)
    for _ in sys.stdin:
        seconds, losses = {}, {}
        calls = {"train": runner.train, "validate": runner.validate}
        for name, call in (calls | {"test": lambda: runner.test(test)}).items():
            start = now()
            losses[name] = call()
            seconds[name] = now() - start
        print(json.dumps({"seconds": seconds, "losses": losses}), file=answers)


class Contestant:
    """A process that measures rounds."""

    def __init__(self, name: str, python: str, checkout: Path):
        environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
        environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        command = [python, str(Path(__file__).resolve()), f"--serve={name}"]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def round(self) -> dict[str, dict[str, float]]:
        """Return seconds and losses of a round."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a contestant ended with status {self._process.wait()}")
        answer: dict[str, dict[str, float]] = json.loads(line)
        return answer

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@dataclasses.dataclass(frozen=True)
class Line:
    """Of the table: seconds by what is done, of the test's first call, and losses."""

    seconds: dict[str, float]
    first_test: float
    losses: dict[str, float]


def measure(contestants: dict[str, Contestant], rounds: int) -> dict[str, Line]:
    """Let all take turns; the first round, in which all is traced, is not counted."""
    answers = [
        {name: each.round() for name, each in contestants.items()} for _ in range(rounds + 1)
    ]
    lines = {}
    for name in contestants:
        first, *later = [answer[name] for answer in answers]
        seconds = {
            what: statistics.median(each["seconds"][what] for each in later)
            for what in first["seconds"]
        }
        lines[name] = Line(seconds, first["seconds"]["test"], first["losses"])
    return lines


def show(lines: dict[str, Line]) -> bool:
    """Print the table; return whether the targets are met."""
    print(f"{'':18}  train ms  validate ms  test words/s  first test words/s  train nll  test nll")
    for name, line in lines.items():
        train, validate = (1000 * line.seconds[w] / SEGMENTS for w in ("train", "validate"))
        speeds = [(TEST_WORDS - 1) / seconds for seconds in (line.seconds["test"], line.first_test)]
        print(
            f"{name:18}{train:10.1f}{validate:13.1f}{speeds[0]:14,.0f}{speeds[1]:20,.0f}"
            f"{line.losses['train']:11.5f}{line.losses['test']:10.5f}"
        )
    met = True
    for name, targets in TARGETS.items():
        for what, most in targets.items() if name in lines else ():
            ratio = lines[OURS].seconds[what] / lines[name].seconds[what]
            met, verdict = met and ratio <= most, "met" if ratio <= most else "MISSED"
            print(f"  {what}: {ratio:.2f} of the time of {name} (at most {most:.2f}), {verdict}")
    return met


def figures_of(lines: dict[str, Line]) -> list[figures.Figure]:
    """Return what `show` shows for `side_by_side.py`."""
    units = {
        "train": (f"a training step of {BATCH_SIZE} x {NUM_STEPS} words", "ms", 1e3 / SEGMENTS),
        "validate": ("a validation step", "ms", 1e3 / SEGMENTS),
        "test": ("1,000 words of the test", "ms", 1e6 / (TEST_WORDS - 1)),
    }
    return [
        figures.Figure(
            f"10,000 words: {title}",
            unit,
            {name: factor * line.seconds[what] for name, line in lines.items()},
            {name: targets.get(what) for name, targets in TARGETS.items()},
        )
        for what, (title, unit, factor) in units.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--beside", type=Path, help="another checkout of this project")
    parser.add_argument("--torch-python", help="a Python that has PyTorch and NumPy")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count")
    parser.add_argument("--json", help="where the figures are written too")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    here = Path(__file__).resolve().parents[1]
    wanted = {OURS: (sys.executable, here)}
    if options.beside:
        wanted[BESIDE] = (sys.executable, options.beside.resolve())
    if options.torch_python:
        wanted[TORCH] = (options.torch_python, here)
    contestants = {name: Contestant(name, *where) for name, where in wanted.items()}
    try:
        lines = measure(contestants, options.rounds)
        met = show(lines)
        figures.write(options.json, figures_of(lines))
    finally:
        for contestant in contestants.values():
            contestant.close()
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
