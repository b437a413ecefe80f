"""Does every architecture build and train? Random children of each space, a few steps each.

    python benchmarks/random_architectures.py                # an hour on 2 cores
    python benchmarks/random_architectures.py --count=10     # 3 minutes

- `convolutional`: the paper's choices at 1 to 5 layers, on 64 digits, 4 steps; then the same with
  predicted strides, with a predicted learning rate, with every type of layer (and strides), and
  as 1 or 2 blocks of three convolutions with max pooling after the second and the fourth.
- `base_2`, `base_4`, `base_8`: recurrent cells of 16 units, on Python's own source text, 3
  segments; then base 8 with max and sin.

A child goes through the trainer that a search uses. It has to end with a finite reward and a
finite loss, or in the named failure "diverged"; all else is an error, and makes the exit status 1.
Also shown: the share of children in which, before the first step, each weight tensor has a
gradient that is not all zero. A tree cell may lack them by its own choices: products with h_0 = 0
stay 0, and a relu may be dead. So may a ConvNet with strides, which may see nothing but the zeros
that pad a smaller input, or with batch normalisation after a layer, which takes out its shift.
"""

import argparse
import collections
import dataclasses
import functools
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

from nas_with_rl.child_models.convnets.builder import build_convnet
from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import ImageDataConfig, Images, load_images, whiten
from nas_with_rl.child_models.data.text import (
    Corpus,
    TextDataConfig,
    contiguous_batches,
    load_corpus,
)
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.launch.evaluators.kinds.convnets import ConvNetTrainer
from nas_with_rl.launch.evaluators.kinds.kind import Trainer
from nas_with_rl.launch.evaluators.kinds.language_models import LanguageModelTrainer
from nas_with_rl.search_spaces.architecture import Architecture, random_architecture
from nas_with_rl.search_spaces.convolutional import LAYER_TYPES, ConvolutionalSpace
from nas_with_rl.search_spaces.recurrent_cell import (
    ACTIVATIONS,
    BASES,
    COMBINATIONS,
    RecurrentCellSpace,
    cell_of,
)
from nas_with_rl.search_spaces.space import SearchSpace

SEED = 0
CONVOLUTIONAL = {
    "convolutional": ConvolutionalSpace(),
    "strides": ConvolutionalSpace(strides=(1, 2, 3)),
    "learning_rate": ConvolutionalSpace(learning_rates=(0.2, 0.1, 0.05, 0.01)),
    "layer_types": ConvolutionalSpace(layer_types=tuple(LAYER_TYPES), strides=(1, 2)),
    "blocks": ConvolutionalSpace(filters=(6, 12, 24, 36), block_size=3, pool_after=(2, 4)),
}
RECURRENT = {f"base_{base}": RecurrentCellSpace(base) for base in BASES}
RECURRENT["base_8_max_sin"] = RecurrentCellSpace(8, COMBINATIONS, ACTIVATIONS)
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
    clip_norm=175.0,
    init_scale=0.3,
)


@dataclasses.dataclass(frozen=True)
class Population:
    """What children are drawn from, and how they are trained.

    Attributes:
      name: of its line.
      spaces: a space at the depths that take turns.
      trainer: as in a search.
      gradients: of the weights of an untrained child.
    """

    name: str
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
    """Yield the ConvNets of each space, then the cells of each."""
    images = load_images(IMAGES, data_dir=None, seed=SEED)
    for name, convnets in CONVOLUTIONAL.items():
        depths = range(1, 6) if convnets.block_size == 1 else range(1, 3)
        yield Population(
            name=name,
            spaces=tuple(convnets.search_space(depth) for depth in depths),
            trainer=ConvNetTrainer(IMAGE_TRAINING, images, space=convnets),
            gradients=functools.partial(convnet_gradients, space=convnets, images=images),
        )
    corpus = load_corpus(TEXT)
    for name, cells in RECURRENT.items():
        yield Population(
            name=name,
            spaces=(cells.search_space(),),
            trainer=LanguageModelTrainer(TEXT_TRAINING, corpus),
            gradients=functools.partial(language_model_gradients, corpus=corpus),
        )


def convnet_gradients(
    architecture: Architecture, *, space: ConvolutionalSpace, images: Images
) -> list[tf.Tensor | None]:
    """Return the gradients of an untrained ConvNet's loss on one batch."""
    model = build_convnet(
        space.convnet(architecture),
        image_shape=images.image_shape,
        num_classes=images.num_classes,
        seed=SEED,
    )
    batch = slice(IMAGE_TRAINING.batch_size)
    with tf.GradientTape() as tape:
        logits = model(whiten(tf.constant(images.train.images[batch])), training=True)
        loss = mean_nll(images.train.labels[batch], logits)
    return gradients_of(loss, model, tape)


def language_model_gradients(
    architecture: Architecture, *, corpus: Corpus
) -> list[tf.Tensor | None]:
    """Return the gradients of an untrained language model's loss on the first segment."""
    cell = cell_of(architecture)
    model = LanguageModel(
        cell,
        TEXT_TRAINING.size(len(corpus.vocabulary), cell),
        init_scale=TEXT_TRAINING.init_scale,
        seed=SEED,
    )
    batch_size, num_steps = TEXT_TRAINING.batch_size, TEXT_TRAINING.num_steps
    tokens = contiguous_batches(corpus.train, batch_size).T[: num_steps + 1]  # [T + 1, B]
    with tf.GradientTape() as tape:
        logits, _ = model.predict_next(tf.constant(tokens[:-1]), model.initial_state(batch_size))
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
        metrics = measurement.metrics.values()
        measured = [value for values in metrics for value in np.ravel(values)]
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
        f"{name:15} {count:5} children  failed {failed / count:6.1%} ({reasons})"
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
        name, tally = population.name, Tally()
        for child in tqdm.tqdm(range(count), desc=name, unit="child", leave=False):
            try_child(population, child, tally)
        show(name, tally, count)
        num_errors += len(tally.errors)
    return 1 if num_errors else 0


if __name__ == "__main__":
    sys.exit(main())
