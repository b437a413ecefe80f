"""An architecture with everything that its final training needs: data, child, metric."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS, Cell
from nas_with_rl.child_models.child_in_training import ChildInTraining
from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.convnets.training import in_training, new_convnet, training_of
from nas_with_rl.child_models.data.images import (
    ImageDataConfig,
    check_test_images,
    load_test_images,
)
from nas_with_rl.child_models.data.text import TextDataConfig, load_test_tokens, test_source
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.training import (
    begin_training,
    bits_per_character,
    perplexity,
)
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure
from nas_with_rl.child_models.saved_models import SavedDescription
from nas_with_rl.launch.evaluators.trainers import (
    ConvNetTrainer,
    LanguageModelTrainer,
    make_trainer,
)
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.records.training_result import TRAINING_KIND, Metric
from nas_with_rl.launch.records.workdir import data_directory
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.convnet import ConvNet
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.drawing import draw_cell, draw_convnet
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.field_checks import check_fields
from nas_with_rl.search_spaces.published import PUBLISHED, current_name, read_architecture
from nas_with_rl.search_spaces.recurrent_cell import cell_of

# The images of a final training are split as a search of this seed splits them, whatever the
# training's own seed, so that trainings with several seeds compare.
SPLIT_SEED = 0


@dataclasses.dataclass(frozen=True)
class FinalTraining:
    """One architecture and how it is trained.

    Attributes:
      experiment: its `child` and `data`, overrides applied.
      architecture: a line of text, or a name (`read_named`).
      seed: the key of the weights' first values and of every draw of the training; at least 0.
      data_dir: where the data lies.
      overrides: as they were applied to the experiment, for the record.
    """

    experiment: Experiment
    architecture: str
    seed: int = 0
    data_dir: str | None = None
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}, below 0")
        space = self.experiment.space
        chosen = isinstance(space, ConvolutionalSpace) and space.learning_rates
        if chosen and any(text.startswith("child.learning_rate=") for text in self.overrides):
            raise InputError(
                "child.learning_rate has no effect where the architecture chooses the learning "
                "rate (space.learning_rates)"
            )


@dataclasses.dataclass(frozen=True)
class NamedArchitecture:
    """An architecture and what it is called.

    Attributes:
      architecture: None for a designed cell, which no space has.
      text: as one line; a designed cell's is its name.
      name: a published architecture's or a designed cell's, None for any other.
    """

    architecture: Architecture | None
    text: str
    name: str | None


def read_named(text: str, experiment: Experiment) -> NamedArchitecture:
    """Read a line of text, the name of a published architecture, or that of a designed cell.

    Raises:
      InputError: no such name, or text that is no architecture of the experiment's space.
    """
    name = current_name(text.strip())
    recurrent = isinstance(experiment.child, LanguageModelTraining)
    if name in KNOWN_CELLS:
        if not recurrent:
            raise InputError(
                f"--architecture={name} is a recurrent cell, and {experiment.name} trains none"
            )
        return NamedArchitecture(None, name, name)
    further = tuple(KNOWN_CELLS) if recurrent else ()
    architecture = read_architecture(name, experiment.space, further_names=further)
    return NamedArchitecture(architecture, str(architecture), name if name in PUBLISHED else None)


class Trainee(Protocol):
    """What a final training trains.

    Attributes:
      training: what was asked for.
      named: the architecture.
      metric: of what is validated and tested.
      data_found: JSON-ready facts of the data.
      epochs: how many.
    """

    training: FinalTraining
    named: NamedArchitecture
    metric: Metric
    data_found: Any
    epochs: int

    def new_child(self) -> ChildInTraining:
        """Build an untrained child."""

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, from 1."""

    def test_data(self) -> Any:
        """Load what `ChildInTraining.test` takes; None for data without a test split."""

    def saved(self, epoch: int, validation: float) -> SavedDescription:
        """Return what the saved model says of itself."""


def make_trainee(training: FinalTraining) -> Trainee:
    """Read the architecture and load the training and validation data.

    Raises:
      InputError: text that is no architecture, data that is missing or does not fit, or an
        experiment that looks its results up.
    """
    experiment = training.experiment
    if not isinstance(experiment.child, ImageTraining | LanguageModelTraining):
        raise InputError(
            f"{experiment.name} looks its results up, or has them from a function of your own: "
            "there is nothing to train"
        )
    named = read_named(training.architecture, experiment)
    trainer = make_trainer(experiment, data_dir=training.data_dir, seed=SPLIT_SEED)
    if isinstance(trainer, ConvNetTrainer):
        return ConvNetTrainee(training, named, trainer)
    assert isinstance(trainer, LanguageModelTrainer)
    return LanguageModelTrainee(training, named, trainer)


def describe_trainee(trainee: Trainee) -> dict[str, Any]:
    """Return what `experiment.json` says of a training."""
    training, experiment = trainee.training, trainee.training.experiment
    return {
        "kind": TRAINING_KIND,
        "experiment": experiment.name,
        "architecture": trainee.named.text,
        "named": trainee.named.name,
        "seed": training.seed,
        "overrides": list(training.overrides),
        "space": as_json(experiment.space),
        "child": as_json(experiment.child),
        "data": as_json(experiment.data),
        "data_found": trainee.data_found,
        "location": {"data_dir": training.data_dir},
    }


class ConvNetTrainee:
    """A ConvNet and its images."""

    def __init__(self, training: FinalTraining, named: NamedArchitecture, trainer: ConvNetTrainer):
        self.training, self.named, self.data_found = training, named, trainer.data
        self.metric: Metric = "accuracy"
        data = training.experiment.data
        assert isinstance(data, ImageDataConfig)
        check_test_images(data, data_directory(training.data_dir))
        self._convnet, self._images = _convnet(named, training.experiment), trainer.images
        self._config = training_of(self._convnet, trainer.training)
        self.epochs = self._config.epochs

    def new_child(self) -> ChildInTraining:
        """See `Trainee`."""
        seed = self.training.seed
        with out_of_memory_is_a_failure():
            model = new_convnet(self._convnet, self._images, self._config, seed=seed)
            return in_training(model, self._images, self._config, seed=seed)

    def learning_rate(self, epoch: int) -> float:
        """See `Trainee`."""
        return self._config.learning_rate_at(epoch)

    def test_data(self) -> Any:
        """See `Trainee`."""
        data = self.training.experiment.data
        assert isinstance(data, ImageDataConfig)
        return load_test_images(data, data_directory(self.training.data_dir))

    def saved(self, epoch: int, validation: float) -> SavedDescription:
        """See `Trainee`."""
        name = self.training.experiment.name
        return SavedDescription("convnet", self.named.text, name, epoch, validation)


class LanguageModelTrainee:
    """A language model and its text."""

    def __init__(
        self, training: FinalTraining, named: NamedArchitecture, trainer: LanguageModelTrainer
    ):
        data = training.experiment.data
        assert isinstance(data, TextDataConfig)
        self.training, self.named, self.data_found = training, named, trainer.data
        if has_test(training.experiment):  # missing or damaged: now, not after the last epoch
            source = test_source(data_directory(training.data_dir))
            self.data_found = [*trainer.data, dataclasses.asdict(source)]
        self.metric: Metric = "perplexity" if data.unit == "word" else "bits_per_character"
        self._data, self._cell = data, _cell(named)
        self._corpus, self._config = trainer.corpus, trainer.training
        self._config.size(len(self._corpus.vocabulary), self._cell)  # before anything is written
        self.epochs = self._config.epochs

    def new_child(self) -> ChildInTraining:
        """See `Trainee`."""
        return begin_training(self._cell, self._corpus, self._config, seed=self.training.seed)

    def learning_rate(self, epoch: int) -> float:
        """See `Trainee`."""
        return self._config.learning_rate_of(epoch)

    def test_data(self) -> Any:
        """See `Trainee`."""
        if not has_test(self.training.experiment):
            return None
        data_dir = data_directory(self.training.data_dir)
        return load_test_tokens(self._data, self._corpus.vocabulary, data_dir=data_dir)

    def saved(self, epoch: int, validation: float) -> SavedDescription:
        """See `Trainee`."""
        return SavedDescription(
            "language_model",
            self.named.text,
            self.training.experiment.name,
            epoch,
            validation,
            vocabulary=self._corpus.vocabulary,
        )


def has_test(experiment: Experiment) -> bool:
    """Say whether an experiment's data has a test split."""
    data = experiment.data
    return isinstance(data, ImageDataConfig) or (
        isinstance(data, TextDataConfig) and data.source == "ptb"
    )


def draw_training(training: FinalTraining) -> str:
    """Return what is trained as lines of text."""
    named = read_named(training.architecture, training.experiment)
    published = PUBLISHED.get(named.name or "")
    heading = f"{published.title}\n" if published else ""
    if isinstance(training.experiment.child, ImageTraining):
        return heading + draw_convnet(_convnet(named, training.experiment))
    cell = _cell(named)
    return KNOWN_CELLS[cell].title if isinstance(cell, str) else heading + draw_cell(cell)


def _convnet(named: NamedArchitecture, experiment: Experiment) -> ConvNet:
    assert isinstance(experiment.space, ConvolutionalSpace) and named.architecture is not None
    return experiment.space.convnet(named.architecture)


def _cell(named: NamedArchitecture) -> Cell:
    return named.text if named.architecture is None else cell_of(named.architecture)


def in_metric(measured: float, metric: Metric) -> float:
    """Return in the metric what a child measured: an accuracy, or an nll in nats per token."""
    if metric == "accuracy":
        return measured
    return perplexity(measured) if metric == "perplexity" else bits_per_character(measured)
