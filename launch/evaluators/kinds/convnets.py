"""ConvNets as children: trained in a search, trained to the end, tuned and tested."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from nas_with_rl.child_models.child_in_training import ChildInTraining
from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.convnets.training import (
    check_images,
    evaluate_convnet,
    in_training,
    new_convnet,
    training_of,
)
from nas_with_rl.child_models.data.images import (
    Images,
    check_test_images,
    load_images,
    load_test_images,
)
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure
from nas_with_rl.child_models.rewards import accuracy_reward
from nas_with_rl.child_models.saved_models import SavedDescription
from nas_with_rl.child_models.source_code.trained_convnets import TrainedConvNet, convnet_files
from nas_with_rl.launch.evaluators.kinds.kind import (
    LocatedExperiment,
    NamedArchitecture,
    around,
)
from nas_with_rl.launch.evaluators.measurements import Measurement
from nas_with_rl.launch.evaluators.running_trial import RunningTrial
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.records.training_result import Metric
from nas_with_rl.launch.records.workdir import data_directory
from nas_with_rl.search_spaces.architecture import Architecture
from nas_with_rl.search_spaces.convnet import ConvNet
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.drawing import draw_convnet


def load(data: LocatedExperiment) -> ConvNetTrainer:
    """Load an experiment's images and return what trains its ConvNets.

    Raises:
      InputError: images that are missing, damaged, or too few for one batch.
    """
    experiment, data_dir = data.experiment, data_directory(data.data_dir)
    images = load_images(experiment.data, data_dir=data_dir, seed=data.seed)
    return ConvNetTrainer(experiment.child, images, space=experiment.space)


class ConvNetTrainer:
    """Trains a space's ConvNets; the reward is the cubed validation accuracy.

    Attributes:
      training, images: how, and on what.
      data: how many images there are, and their digests.
    """

    def __init__(
        self,
        training: ImageTraining,
        images: Images,
        *,
        space: ConvolutionalSpace,
    ):
        check_images(images, training)
        self.training, self.images = training, images
        self._space = space
        splits = {"train": images.train, "validation": images.validation}
        self.data = {
            name: {
                "images": len(split),
                "sha256": hashlib.sha256(split.images.tobytes()).hexdigest(),
            }
            for name, split in splits.items()
        }

    def __call__(
        self, architecture: Architecture, seed: int, trial: RunningTrial | None = None
    ) -> Measurement:
        """Train and measure one ConvNet, which reports its reward after each epoch."""
        convnet = self._space.convnet(architecture)
        accuracies: list[float] = []

        def report(epoch: int, loss: float, accuracy: float) -> None:
            accuracies.append(accuracy)
            if trial is not None and trial.is_watched:
                trial.report(epoch, accuracy_reward(accuracies))

        result = evaluate_convnet(convnet, self.images, self.training, seed=seed, report=report)
        metrics = {
            "validation_accuracy": result.validation_accuracy,
            "train_loss": result.train_loss,
        }
        reward = accuracy_reward(result.validation_accuracy)
        return Measurement(reward, metrics, result.num_parameters)


class ConvNetTrainee:
    """A ConvNet and its images."""

    metric: Metric = "accuracy"
    units: int | None = None

    def __init__(self, located: LocatedExperiment, named: NamedArchitecture, seed: int):
        """Load the images.

        Args:
          located: what is trained, and on what.
          named: the architecture.
          seed: of its weights and every draw of its training.
        """
        trainer = load(located)
        self.named, self.data_found = named, trainer.data
        self._located, self._seed = located, seed
        check_test_images(located.experiment.data, data_directory(located.data_dir))
        self._convnet, self._images = _convnet(located.experiment, named), trainer.images
        self._config = training_of(self._convnet, trainer.training)
        self.epochs = self._config.epochs

    def new_child(self) -> ChildInTraining:
        """See `Trainee`."""
        seed = self._seed
        with out_of_memory_is_a_failure():
            model = new_convnet(self._convnet, self._images, self._config, seed=seed)
            return in_training(model, self._images, self._config, seed=seed)

    def learning_rate(self, epoch: int) -> float:
        """See `Trainee`."""
        return self._config.learning_rate_at(epoch)

    def test_data(self) -> Any:
        """See `Trainee`."""
        data_dir = data_directory(self._located.data_dir)
        return load_test_images(self._located.experiment.data, data_dir)

    def saved(self, epoch: int, validation: float) -> SavedDescription:
        """See `Trainee`."""
        name = self._located.experiment.name
        return SavedDescription("convnet", self.named.text, name, epoch, validation)

    def files_beside(self) -> Mapping[str, str]:
        """See `Trainee`."""
        data, classes = self._located.experiment.data, self._images.num_classes
        return convnet_files(
            TrainedConvNet(self._convnet, self.named.text, data, self._config, classes)
        )


def convnet_axes(child: ImageTraining, space: ConvolutionalSpace) -> Mapping[str, tuple[str, ...]]:
    """Return the paper's axes around a training's own values; the paper gives no values."""
    rate, decay, epsilon = child.learning_rate, child.weight_decay, child.batch_norm_epsilon
    later = ",".join(f"{(1 + fraction) / 2:g}" for fraction in child.decay_epochs)
    epochs = ",".join(f"{fraction:g}" for fraction in child.decay_epochs)
    return {
        **({} if space.learning_rates else {"child.learning_rate": around(rate / 2, rate)}),
        "child.weight_decay": around(decay, 5 * decay),
        "child.batch_norm_epsilon": around(epsilon / 100, epsilon),
        **({"child.decay_epochs": (epochs, later)} if epochs else {}),
    }


def drawn(experiment: Experiment, named: NamedArchitecture) -> str:
    """Return the layers that are built, as lines of text."""
    return draw_convnet(_convnet(experiment, named))


def _convnet(experiment: Experiment, named: NamedArchitecture) -> ConvNet:
    assert named.architecture is not None  # a designed cell is another kind's
    space: ConvolutionalSpace = experiment.space
    return space.convnet(named.architecture)
