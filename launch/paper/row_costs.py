"""What a row of the paper's tables costs here: parameters, counted, and GPU hours, expected.

    GPU hours = 3 · 2 · multiply-adds · examples · epochs / rate / 3600

3: the backward pass costs about two forward ones; 2: a multiply-add is two operations.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
from typing import NamedTuple

import numpy as np

from nas_with_rl.child_models.cells.known_cells import Cell
from nas_with_rl.child_models.convnets.size import ConvNetCounts, convnet_counts
from nas_with_rl.child_models.data.images import SIDES, ImageDataConfig
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.size import multiply_adds, num_parameters
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.paper.our_rows import OurRow
from nas_with_rl.launch.trainings.grid import default_axes
from nas_with_rl.launch.trainings.grid_run import NUM_BEST
from nas_with_rl.search_spaces.architecture import Architecture, random_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.published import PUBLISHED
from nas_with_rl.search_spaces.recurrent_cell import cell_of

# Operations per second. An assumption, not a measurement: about what one H200 sustains in tf32 on
# kernels as small as these, of 48 channels or 20 sequences; it could do some 400e12 on large ones.
CONVOLUTIONAL_RATE = 20e12
RECURRENT_RATE = 5e12

NUM_DRAWN = 101  # architectures whose median stands for a typical one
NUM_CHANNELS = 3  # of CIFAR-10


class TextSize(NamedTuple):
    """Tokens of the Penn Treebank's training text, and different ones (with <unk>)."""

    tokens: int
    vocabulary: int


PENN_TREEBANK_SIZES = {
    "word": TextSize(929_589, 10_000),
    "character": TextSize(5_017_482, 51),
}


@dataclasses.dataclass(frozen=True)
class Work:
    """Some trainings of one kind.

    Attributes:
      title: what they are, in words.
      multiply_adds: of one forward pass, per example.
      examples: of one epoch: images or tokens.
      epochs: of one training.
      trainings: how many.
      rate: operations per second.
    """

    title: str
    multiply_adds: int
    examples: int
    epochs: int
    rate: float
    trainings: int = 1

    @property
    def hours(self) -> float:
        """Expected hours on one GPU."""
        operations = 3 * 2 * self.multiply_adds * self.examples * self.epochs
        return self.trainings * operations / self.rate / 3600


@dataclasses.dataclass(frozen=True)
class RowCosts:
    """What one row costs.

    Attributes:
      num_parameters: of the row's model; None where the paper has not printed its architecture.
      units: hidden units of a language model.
      work: in the order of the row's commands, the final training last.
    """

    num_parameters: int | None
    units: int | None
    work: tuple[Work, ...]


def costs_of(row: OurRow) -> RowCosts:
    """Return what a row costs."""
    experiment = row.configuration()
    if row.architecture is not None and row.table > 1:  # Table 1 has the ConvNets
        return _language_model_costs(row.architecture, experiment)
    if row.architecture is not None:
        counted = _counts(PUBLISHED[row.architecture].architecture, experiment)
        work = _image_work("the final training", counted.multiply_adds, experiment)
        return RowCosts(counted.num_parameters, None, (work,))
    return RowCosts(None, None, _searched_work(experiment, configure(row.experiment, ())))


def _language_model_costs(architecture: str, experiment: Experiment) -> RowCosts:
    child: LanguageModelTraining = experiment.child
    text = PENN_TREEBANK_SIZES[experiment.data.unit]
    named = architecture in PUBLISHED
    cell: Cell = cell_of(PUBLISHED[architecture].architecture) if named else architecture
    size = child.size(text.vocabulary, cell)
    segments = child.steps_per_epoch * child.batch_size * child.num_steps
    work = Work(
        "the final training",
        multiply_adds(cell, size),
        segments or text.tokens,
        child.epochs,
        RECURRENT_RATE,
    )
    return RowCosts(num_parameters(cell, size), size.units, (work,))


def _counts(architecture: Architecture, experiment: Experiment) -> ConvNetCounts:
    return _counts_in(architecture, experiment.space, experiment.data)


def _counts_in(
    architecture: Architecture, space: ConvolutionalSpace, data: ImageDataConfig
) -> ConvNetCounts:
    side = data.resolution or SIDES[data.dataset]
    return convnet_counts(space.convnet(architecture), (side, side, NUM_CHANNELS))


def _typical_multiply_adds(experiment: Experiment, depth: int) -> int:
    """The median of `NUM_DRAWN` architectures of a depth, drawn uniformly."""
    return _median_multiply_adds(experiment.space, experiment.data, depth)


@functools.cache  # rows have their searches in common, and a search and its final training these
def _median_multiply_adds(space: ConvolutionalSpace, data: ImageDataConfig, depth: int) -> int:
    rng, decisions = np.random.default_rng(0), space.search_space(depth)
    drawn = [random_architecture(decisions, rng) for _ in range(NUM_DRAWN)]
    return statistics.median_low(_counts_in(one, space, data).multiply_adds for one in drawn)


def _searched_work(final: Experiment, searched: Experiment) -> tuple[Work, ...]:
    """A search, a grid search over its best with the search's epochs, and the final training."""
    search, child = searched.search, searched.child
    assert search is not None and search.depth is not None
    block = searched.space.block_size
    layers = "layers" if block == 1 else f"blocks of {block}"
    middle = search.depth.depth(search.num_samples // 2)
    last = search.depth.depth(search.num_samples - 1)
    points = math.prod(len(axis.values) for axis in default_axes(searched)) * NUM_BEST
    return (
        _image_work(
            f"the search ({search.num_samples:,} children of {child.epochs} epochs, counted as "
            f"random ones of {middle} {layers})",
            _typical_multiply_adds(searched, middle),
            searched,
            trainings=search.num_samples,
        ),
        _image_work(
            f"the grid search ({points} points of {child.epochs} epochs, {last} {layers})",
            _typical_multiply_adds(searched, last),
            searched,
            trainings=points,
        ),
        _image_work(
            f"the final training ({last} {layers})", _typical_multiply_adds(final, last), final
        ),
    )


def _image_work(title: str, count: int, experiment: Experiment, *, trainings: int = 1) -> Work:
    num_images, epochs = experiment.data.num_train, experiment.child.epochs
    return Work(title, count, num_images, epochs, CONVOLUTIONAL_RATE, trainings)
