"""What a search's trainers make of an architecture."""

import dataclasses

import numpy as np
import pytest

from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import Images, LabelledImages
from nas_with_rl.launch.evaluators.kinds.convnets import ConvNetTrainer
from nas_with_rl.launch.evaluators.measurements import Measurement
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.published import read_architecture

TRAINING = ImageTraining(epochs=1, batch_size=16, learning_rate=0.1, upsampled_size=0, flip=False)


@pytest.fixture
def images() -> Images:
    generator = np.random.default_rng(0)

    def part(size: int) -> LabelledImages:
        pixels = generator.integers(0, 256, (size, 8, 8, 1), dtype=np.uint8)
        return LabelledImages(pixels, generator.integers(0, 10, size, dtype=np.int32))

    return Images(part(48), part(10), num_classes=10)


def test_a_predicted_learning_rate_replaces_the_trainings(images):
    plain, predicting = (
        ConvolutionalSpace(filters=(4,), extra_filters=3, learning_rates=rates)
        for rates in ((), (0.1, 0.01))
    )

    def measured(space: ConvolutionalSpace, text: str, rate: float) -> Measurement:
        training = dataclasses.replace(TRAINING, learning_rate=rate)
        trainer = ConvNetTrainer(training, images, space=space)
        return trainer(read_architecture(text, space), seed=3)

    slow, fast = (measured(plain, "3 3 - 4", rate) for rate in (0.01, 0.1))
    chosen = measured(predicting, "0.01 | 3 3 - 4", 0.1)
    assert chosen == slow
    assert chosen.metrics != fast.metrics
    assert chosen.num_parameters == 9 * 7 + 14 + 70 + 10  # of the space's 4 + 3 filters
