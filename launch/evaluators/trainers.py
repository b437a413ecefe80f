"""Children as evaluate functions: data is loaded once, then each architecture is trained on it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any, Protocol

from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.convnets.training import check_images, evaluate_convnet
from nas_with_rl.child_models.data.images import ImageDataConfig, Images, load_images
from nas_with_rl.child_models.data.text import Corpus, TextDataConfig, load_corpus
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.training import (
    LanguageModelResult,
    check_corpus,
    train_language_model,
)
from nas_with_rl.child_models.rewards import accuracy_reward, perplexity_reward
from nas_with_rl.launch.evaluators.measurements import Measurement
from nas_with_rl.launch.evaluators.nas_bench_201 import look_up, nas_bench_201_accuracies
from nas_with_rl.launch.evaluators.own_function import OwnTrainer
from nas_with_rl.launch.experiments.children import OwnEvaluation, TableLookup
from nas_with_rl.launch.experiments.experiment import Child, Data, Experiment
from nas_with_rl.launch.records.workdir import data_directory
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.recurrent_cell import cell_of

# Called after each epoch with (epoch from 1, training, validation): of ConvNets the loss and the
# accuracy, of language models the perplexities.
Report = Callable[[int, float, float], None]


class Trainer(Protocol):
    """Trains children of one kind; `data` says in JSON-ready values what they are trained on."""

    data: Any

    def __call__(self, architecture: Architecture, seed: int) -> Measurement:
        """Train and measure one child. Raises ChildFailure where it fails."""


def make_trainer(
    experiment: Experiment, *, data_dir: str | None, seed: int, report: Report | None = None
) -> Trainer:
    """Load an experiment's data and return what trains its children.

    Args:
      experiment: its `child` and `data`.
      data_dir: where the data lies.
      seed: of the split of images.
      report: called after each epoch of a child.

    Raises:
      InputError: data that is missing, damaged, or too small for one batch; an own function whose
        module is missing.
    """
    data_dir = data_directory(data_dir)
    child: Child = experiment.child
    data: Data = experiment.data
    if isinstance(child, ImageTraining):
        assert isinstance(data, ImageDataConfig)
        assert isinstance(experiment.space, ConvolutionalSpace)
        images = load_images(data, data_dir=data_dir, seed=seed)
        return ConvNetTrainer(child, images, space=experiment.space, report=report)
    if isinstance(child, LanguageModelTraining):
        assert isinstance(data, TextDataConfig)
        return LanguageModelTrainer(child, load_corpus(data, data_dir=data_dir), report)
    if isinstance(child, OwnEvaluation):
        return OwnTrainer(child)
    return TableTrainer(child)


class ConvNetTrainer:
    """Trains a space's ConvNets; the reward is the cubed validation accuracy.

    Attributes:
      training, images: for those who train beside a search.
      data: how many images there are, and their digests.
    """

    def __init__(
        self,
        training: ImageTraining,
        images: Images,
        *,
        space: ConvolutionalSpace,
        report: Report | None = None,
    ):
        check_images(images, training)
        self.training, self.images = training, images
        self._space, self._report = space, report
        splits = {"train": images.train, "validation": images.validation}
        self.data = {
            name: {
                "images": len(split),
                "sha256": hashlib.sha256(split.images.tobytes()).hexdigest(),
            }
            for name, split in splits.items()
        }

    def __call__(self, architecture: Architecture, seed: int) -> Measurement:
        """Train and measure one ConvNet."""
        convnet = self._space.convnet(architecture)
        result = evaluate_convnet(
            convnet, self.images, self.training, seed=seed, report=self._report
        )
        metrics = {
            "validation_accuracy": result.validation_accuracy,
            "train_loss": result.train_loss,
        }
        reward = accuracy_reward(result.validation_accuracy)
        return Measurement(reward, metrics, result.num_parameters)


class LanguageModelTrainer:
    """Trains language models of tree cells; the reward is 80 / perplexity².

    Attributes:
      training, corpus: for those who train other cells on the same text.
      data: the text's files and digests.
    """

    def __init__(
        self, training: LanguageModelTraining, corpus: Corpus, report: Report | None = None
    ):
        check_corpus(corpus, training)
        self.training, self.corpus, self._report = training, corpus, report
        self.data = [dataclasses.asdict(source) for source in self.corpus.provenance]

    def __call__(self, architecture: Architecture, seed: int) -> Measurement:
        """Train and measure one language model."""
        result = train_language_model(
            cell_of(architecture), self.corpus, self.training, seed=seed, report=self._report
        )
        return self.measurement(result)

    @staticmethod
    def measurement(result: LanguageModelResult) -> Measurement:
        """Return what a trained child measured, with its reward."""
        metrics = {
            "validation_perplexity": result.validation_perplexity,
            "train_perplexity": result.train_perplexity,
        }
        reward = perplexity_reward(result.validation_perplexity[-1])
        return Measurement(reward, metrics, result.num_parameters)


class TableTrainer:
    """Looks results up in NAS-Bench-201's table."""

    def __init__(self, lookup: TableLookup):
        self._dataset = lookup.dataset
        self.data = {"architectures": len(nas_bench_201_accuracies(lookup.dataset))}

    def __call__(self, architecture: Architecture, seed: int) -> Measurement:
        """Look one architecture up."""
        return look_up(architecture, self._dataset)
