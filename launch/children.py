"""Children as evaluate functions: data is loaded once, then each architecture is trained on it."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

from nas_with_rl.child_models.image_training import ImageTraining, check_images, evaluate_convnet
from nas_with_rl.child_models.images import ImageDataConfig, load_images
from nas_with_rl.child_models.language_model import tree_cells
from nas_with_rl.child_models.language_model_training import (
    LanguageModelTraining,
    check_corpus,
    train_language_model,
)
from nas_with_rl.child_models.rewards import accuracy_reward, perplexity_reward
from nas_with_rl.child_models.text import TextDataConfig, load_corpus
from nas_with_rl.launch.evaluation import Measurement
from nas_with_rl.launch.experiments import Child, Data, Experiment
from nas_with_rl.launch.nas_bench_201 import TableLookup, accuracies, look_up
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.convolutional import layers_of
from nas_with_rl.search_spaces.recurrent_cell import cell_of


class Trainer(Protocol):
    """Trains children of one kind; `data` says in JSON-ready values what they are trained on."""

    data: Any

    def __call__(self, architecture: Architecture, seed: int) -> Measurement:
        """Train and measure one child. Raises ChildFailure where it fails."""


def make_trainer(experiment: Experiment, *, data_dir: str | None, seed: int) -> Trainer:
    """Load an experiment's data and return what trains its children.

    Raises:
      InputError: data that is missing, damaged, or too small for one batch.
    """
    child: Child = experiment.child
    data: Data = experiment.data
    if isinstance(child, ImageTraining):
        assert isinstance(data, ImageDataConfig)
        return ConvNetTrainer(child, data, data_dir=data_dir, seed=seed)
    if isinstance(child, LanguageModelTraining):
        assert isinstance(data, TextDataConfig)
        return LanguageModelTrainer(child, data, data_dir=data_dir)
    return TableTrainer(child)


class ConvNetTrainer:
    """Trains ConvNets; the reward is the cubed validation accuracy."""

    def __init__(
        self, training: ImageTraining, data: ImageDataConfig, *, data_dir: str | None, seed: int
    ):
        self._training = training
        self._images = load_images(data, data_dir=data_dir, seed=seed)
        check_images(self._images, training)
        self.data = {"dataset": data.dataset, "split_seed": seed}

    def __call__(self, architecture: Architecture, seed: int) -> Measurement:
        """Train and measure one ConvNet."""
        result = evaluate_convnet(layers_of(architecture), self._images, self._training, seed=seed)
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
        self, training: LanguageModelTraining, data: TextDataConfig, *, data_dir: str | None
    ):
        self.training = training
        self.corpus = load_corpus(data, data_dir=data_dir)
        check_corpus(self.corpus, training)
        self.data = [dataclasses.asdict(source) for source in self.corpus.provenance]

    def __call__(self, architecture: Architecture, seed: int) -> Measurement:
        """Train and measure one language model."""
        make_cell = tree_cells(cell_of(architecture))
        result = train_language_model(make_cell, self.corpus, self.training, seed=seed)
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
        self.data = {"architectures": len(accuracies(lookup.dataset))}

    def __call__(self, architecture: Architecture, seed: int) -> Measurement:
        """Look one architecture up."""
        return look_up(architecture, self._dataset)
