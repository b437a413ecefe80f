"""Language models as children: trained in a search, trained to the end, tuned and tested."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS, Cell
from nas_with_rl.child_models.child_in_training import ChildInTraining
from nas_with_rl.child_models.data.text import (
    Corpus,
    TextDataConfig,
    load_corpus,
    load_test_tokens,
    test_source,
)
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.training import (
    LanguageModelResult,
    begin_training,
    check_corpus,
    train_language_model,
)
from nas_with_rl.child_models.rewards import perplexity_reward
from nas_with_rl.child_models.saved_models import SavedDescription
from nas_with_rl.child_models.source_code.cells import has_code
from nas_with_rl.child_models.source_code.language_models import (
    LanguageModelFiles,
    language_model_files,
)
from nas_with_rl.launch.evaluators.kinds.kind import (
    LocatedExperiment,
    NamedArchitecture,
    around,
    loaded_once,
)
from nas_with_rl.launch.evaluators.measurements import Measurement
from nas_with_rl.launch.evaluators.running_trial import RunningTrial
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.records.training_result import Metric
from nas_with_rl.launch.records.workdir import data_directory
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.drawing import draw_cell
from nas_with_rl.search_spaces.recurrent_cell import cell_of


def load(data: LocatedExperiment) -> LanguageModelTrainer:
    """Load an experiment's text and return what trains its language models.

    Raises:
      InputError: a text that is missing, damaged, or too short for one batch.
    """
    experiment = data.experiment
    corpus = load_corpus(experiment.data, data_dir=data_directory(data.data_dir))
    return LanguageModelTrainer(experiment.child, corpus)


def language_model_trainer(data: LocatedExperiment) -> LanguageModelTrainer:
    """Return the trainer of an experiment of language models; its text is loaded once."""
    return loaded_once(load, data)


class LanguageModelTrainer:
    """Trains language models of tree cells; the reward is 80 / perplexity².

    Attributes:
      training, corpus: for those who train other cells on the same text.
      data: the text's files and digests.
    """

    def __init__(self, training: LanguageModelTraining, corpus: Corpus):
        check_corpus(corpus, training)
        self.training, self.corpus = training, corpus
        self.data = [dataclasses.asdict(source) for source in self.corpus.provenance]

    def __call__(
        self, architecture: Architecture, seed: int, trial: RunningTrial | None = None
    ) -> Measurement:
        """Train and measure one language model, which reports its reward after each epoch."""

        def report(epoch: int, training: float, validation: float) -> None:
            if trial is not None and trial.is_watched:
                trial.report(epoch, perplexity_reward(validation))

        cell = cell_of(architecture)
        result = train_language_model(cell, self.corpus, self.training, seed=seed, report=report)
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


class LanguageModelTrainee:
    """A language model and its text."""

    def __init__(self, located: LocatedExperiment, named: NamedArchitecture, seed: int):
        """Load the text.

        Args:
          located: what is trained, and on what.
          named: the architecture.
          seed: of its weights and every draw of its training.
        """
        trainer, data = load(located), located.experiment.data
        self.named, self.data_found = named, trainer.data
        self._located, self._seed = located, seed
        if data.source == "ptb":  # its test text: missing or damaged now, not after the last epoch
            source = test_source(data_directory(located.data_dir))
            self.data_found = [*trainer.data, dataclasses.asdict(source)]
        self.metric: Metric = "perplexity" if data.unit == "word" else "bits_per_character"
        self._cell, self._corpus, self._config = _cell(named), trainer.corpus, trainer.training
        # Now, so that what does not fit is refused before anything is written.
        size = self._config.size(len(self._corpus.vocabulary), self._cell)
        self.epochs = self._config.epochs
        self.units: int | None = size.units

    def new_child(self) -> ChildInTraining:
        """See `Trainee`."""
        return begin_training(self._cell, self._corpus, self._config, seed=self._seed)

    def learning_rate(self, epoch: int) -> float:
        """See `Trainee`."""
        return self._config.learning_rate_of(epoch)

    def test_data(self) -> Any:
        """See `Trainee`."""
        data: TextDataConfig = self._located.experiment.data
        if not data.has_test:
            return None
        data_dir = data_directory(self._located.data_dir)
        return load_test_tokens(data, self._corpus.vocabulary, data_dir=data_dir)

    def saved(self, epoch: int, validation: float) -> SavedDescription:
        """See `Trainee`."""
        return SavedDescription(
            "language_model",
            self.named.text,
            self._located.experiment.name,
            epoch,
            validation,
            vocabulary=self._corpus.vocabulary,
        )

    def files_beside(self) -> Mapping[str, str]:
        """See `Trainee`."""
        if not has_code(self._cell):
            return {}
        vocabulary, unit = self._corpus.vocabulary, self._located.experiment.data.unit
        size = self._config.size(len(vocabulary), self._cell)
        return language_model_files(
            LanguageModelFiles(self._cell, size, self.named.text, unit, vocabulary)
        )


def language_model_axes(
    child: LanguageModelTraining, space: object
) -> Mapping[str, tuple[str, ...]]:
    """Return the paper's axes around a training's own values; the paper gives no values."""
    dropped, after = child.dropout.output, child.decay_after
    decays = child.decay_factor != 1
    return {
        "child.learning_rate": around(child.learning_rate / 2, child.learning_rate),
        "child.init_scale": around(0.8 * child.init_scale, child.init_scale),
        "child.dropout.output": around(dropped, dropped + 0.4 * (1 - dropped)),
        **({"child.decay_after": (str(after), str(after + 4))} if decays else {}),
    }


def drawn(experiment: Experiment, named: NamedArchitecture) -> str:
    """Return a cell as its tree, or a designed cell's name in words."""
    if named.architecture is None:
        return KNOWN_CELLS[named.text].title
    return draw_cell(cell_of(named.architecture))


def _cell(named: NamedArchitecture) -> Cell:
    return named.text if named.architecture is None else cell_of(named.architecture)
