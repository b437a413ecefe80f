"""Does every architecture build and train? Random children of each space, a few steps each.

    python benchmarks/random_architectures.py                # 20 minutes on 2 cores
    python benchmarks/random_architectures.py --count=10     # 1 minute

- `convolutional`: the paper's choices at 1 to 5 layers, on 64 digits, 4 steps.
- `recurrent_cell_base_2`, `_4`, `_8`: 16 units, on Python's own source text, 3 segments.

A child goes through the trainer that a search uses. It has to end with a finite reward and a
finite loss, or in the named failure "diverged"; all else is an error, and makes the exit status 1.
Also shown: the share of children in which, before the first step, each weight tensor has a
gradient that is not all zero. A tree cell may lack them by its own choices: products with h_0 = 0
stay 0, and a relu may be dead.
"""

import argparse
import collections
import dataclasses
import math
import os
import sys
import time
from collections.abc import Callable, Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
import tqdm

from nas_with_rl.child_models.convolutional import build_convnet
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.image_training import ImageTraining
from nas_with_rl.child_models.images import ImageDataConfig, Images, load_images, whiten
from nas_with_rl.child_models.language_model import LanguageModel, tree_cells
from nas_with_rl.child_models.language_model_training import LanguageModelTraining
from nas_with_rl.child_models.text import Corpus, TextDataConfig, contiguous_batches, load_corpus
from nas_with_rl.launch.children import ConvNetTrainer, LanguageModelTrainer, Trainer
from nas_with_rl.search_spaces.architecture import Architecture, random_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace, layers_of
from nas_with_rl.search_spaces.recurrent_cell import BASES, RecurrentCellSpace, cell_of
from nas_with_rl.search_spaces.space import SearchSpace

SEED = 0
DEPTHS = range(1, 6)
IMAGES = ImageDataConfig("digits", num_train=64, num_validation=32)
IMAGE_TRAINING = ImageTraining(epochs=1, batch_size=16, upsampled_size=0, flip=False)
TEXT = TextDataConfig(max_training_tokens=2000, max_validation_tokens=500)
TEXT_TRAINING = LanguageModelTraining(  # the rest as in the quickstart
    units=16,
    steps_per_epoch=3,
    batch_size=8,
    num_steps=35,
    optimizer="adam",
    learning_rate=0.02,
    init_scale=0.3,
)


@dataclasses.dataclass(frozen=True)
class Population:
    """What children are drawn from, and how they are trained.

    Attributes:
      spaces: a space at the depths that take turns.
      trainer: as in a search.
      gradients: of the weights of an untrained child.
    """

    spaces: tuple[SearchSpace, ...]
    trainer: Trainer
    gradients: Callable[[Architecture], list[tf.Tensor | None]]

    def draw(self, child: int) -> Architecture:
        """Return a child's architecture, keyed by its number."""
        space = self.spaces[child % len(self.spaces)]
        return random_architecture(space, np.random.default_rng([SEED, child]))


@dataclasses.dataclass
class Tally:
    """What came of the children of one space; the seconds are those of training alone."""

    failures: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    errors: list[str] = dataclasses.field(default_factory=list)
    num_connected: int = 0
    seconds: float = 0.0


def populations() -> Iterator[Population]:
    """Yield the ConvNets, then the cells of each base."""
    images = load_images(IMAGES, data_dir=None, seed=SEED)
    yield Population(
        spaces=tuple(ConvolutionalSpace().search_space(depth) for depth in DEPTHS),
        trainer=ConvNetTrainer(IMAGE_TRAINING, images),
        gradients=lambda architecture: convnet_gradients(architecture, images),
    )
    corpus = load_corpus(TEXT)
    for base in BASES:
        yield Population(
            spaces=(RecurrentCellSpace(base).search_space(),),
            trainer=LanguageModelTrainer(TEXT_TRAINING, corpus),
            gradients=lambda architecture: language_model_gradients(architecture, corpus),
        )


def convnet_gradients(architecture: Architecture, images: Images) -> list[tf.Tensor | None]:
    """Return the gradients of an untrained ConvNet's loss on one batch."""
    model = build_convnet(
        layers_of(architecture),
        image_shape=images.image_shape,
        num_classes=images.num_classes,
        seed=SEED,
    )
    batch = slice(IMAGE_TRAINING.batch_size)
    with tf.GradientTape() as tape:
        logits = model(whiten(tf.constant(images.train.images[batch])), training=True)
        loss = mean_nll(images.train.labels[batch], logits)
    return gradients_of(loss, model, tape)


def language_model_gradients(architecture: Architecture, corpus: Corpus) -> list[tf.Tensor | None]:
    """Return the gradients of an untrained language model's loss on the first segment."""
    model = LanguageModel(
        tree_cells(cell_of(architecture)),
        TEXT_TRAINING.size(len(corpus.vocabulary)),
        init_scale=TEXT_TRAINING.init_scale,
        seed=SEED,
    )
    batch_size, num_steps = TEXT_TRAINING.batch_size, TEXT_TRAINING.num_steps
    tokens = contiguous_batches(corpus.train, batch_size).T[: num_steps + 1]  # [T + 1, B]
    with tf.GradientTape() as tape:
        logits, _ = model(tf.constant(tokens[:-1]), model.initial_state(batch_size))
        loss = mean_nll(tokens[1:], logits)
    return gradients_of(loss, model, tape)


def mean_nll(labels: np.ndarray, logits: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def gradients_of(
    loss: tf.Tensor, model: keras.layers.Layer, tape: tf.GradientTape
) -> list[tf.Tensor | None]:
    return tape.gradient(loss, [variable.value for variable in model.trainable_variables])


def reaches(gradient: tf.Tensor | None) -> bool:
    """Whether a weight tensor has a gradient that is not all zero."""
    return gradient is not None and bool(np.any(tf.convert_to_tensor(gradient).numpy()))


def try_child(population: Population, child: int, tally: Tally) -> None:
    """Build and train one child, and enter what came of it."""
    architecture = population.draw(child)
    try:
        tally.num_connected += all(map(reaches, population.gradients(architecture)))
        start = time.perf_counter()
        try:
            measurement = population.trainer(architecture, child)
        finally:
            tally.seconds += time.perf_counter() - start
        measured = [value for values in measurement.metrics.values() for value in values]
        if not all(map(math.isfinite, [measurement.reward, *measured])):
            tally.errors.append(f"{architecture}: not finite: {measurement}")
    except ChildFailure as failure:
        tally.failures[failure.reason] += 1
        if failure.reason != "diverged":
            tally.errors.append(f"{architecture}: {failure.reason}: {failure}")
    except Exception as error:  # whatever it is, it is counted and the next child is tried
        tally.errors.append(f"{architecture}: {type(error).__name__}: {error}")


def show(name: str, tally: Tally, count: int) -> None:
    """Print a space's line, and its errors."""
    failed = sum(tally.failures.values())
    reasons = ", ".join(f"{reason} {times}" for reason, times in tally.failures.items()) or "none"
    print(
        f"{name:22} {count:5} children  failed {failed / count:6.1%} ({reasons})"
        f"  every weight has a gradient {tally.num_connected / count:6.1%}"
        f"  {tally.seconds / count:.2f} s a child  errors {len(tally.errors)}",
        flush=True,
    )
    for error in tally.errors:
        print(f"  ERROR {error}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=200, help="children of each space, at least 1")
    count = parser.parse_args().count
    if count < 1:
        parser.error(f"--count is {count}, below 1")
    num_errors = 0
    for population in populations():
        name, tally = population.spaces[0].name, Tally()
        for child in tqdm.tqdm(range(count), desc=name, unit="child", leave=False):
            try_child(population, child, tally)
        show(name, tally, count)
        num_errors += len(tally.errors)
    return 1 if num_errors else 0


if __name__ == "__main__":
    sys.exit(main())
