"""The paper's questions at a size that one machine carries: "the paper in miniature".

Searches whose children take seconds (Figure 6), and trainings that take minutes (Tables 1 to 3).
`tables --scale=miniature` has their commands, and prints what they have found.
"""

from __future__ import annotations

import dataclasses

from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import ImageDataConfig
from nas_with_rl.child_models.data.text import TextDataConfig
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.search_config import DepthSchedule, SearchConfig
from nas_with_rl.launch.experiments.small import CIFAR10_SMALL, SMALL_SEARCH
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace

_TEST_SHARE = 0.1
_NARROW = ConvolutionalSpace(width_multiplier=0.25)

CELLS = Experiment(
    name="miniature_cells",
    source="section 4.2 in miniature: cells of base 8, two layers of 32 units, 300 segments of the "
    "Penn Treebank's characters",
    expected_time="a second and a half of one core for each child",
    expected_result="Figure 6: by compare_searchers, 1,000 children each",
    space=RecurrentCellSpace(base=8),
    data=TextDataConfig(source="ptb", unit="character", max_validation_tokens=20_000),
    child=LanguageModelTraining(
        units=32,
        init_scale=0.2,
        steps_per_epoch=300,
        batch_size=20,
        num_steps=35,
        optimizer="adam",
        learning_rate=0.01,
        clip_norm=50.0,
    ),
    search=SearchConfig(num_samples=1000, batch_size=8, searcher="reinforce", checkpoint_every=10),
    controller=ReinforceConfig(learning_rate=0.006, policy=SMALL_SEARCH),
)

CONVNETS = dataclasses.replace(
    CIFAR10_SMALL,
    name="miniature_convnets",
    source="section 4.1 in miniature: 4 to 6 layers with a quarter of the filters, 2,000 images of "
    "16x16 pixels, 3 epochs",
    expected_time="5 to 10 seconds of one core for each child",
    expected_result="Figure 6 of ConvNets: by compare_searchers, 400 children each",
    space=_NARROW,
    child=ImageTraining(epochs=3, batch_size=50, upsampled_size=18),
    search=SearchConfig(
        num_samples=400,
        searcher="reinforce",
        batch_size=8,
        depth=DepthSchedule(initial=4, increment=1, every=128, maximum=6),
        checkpoint_every=10,
    ),
    controller=ReinforceConfig(learning_rate=0.006, policy=SMALL_SEARCH),
)

_CHARACTERS = LanguageModelTraining(
    num_parameters=200_000,
    embedding_units=32,
    init_scale=0.1,
    epochs=10,
    steps_per_epoch=300,
    batch_size=32,
    num_steps=50,
    optimizer="adam",
    learning_rate=0.005,
    decay_factor=0.5,
    decay_after=5,
    clip_norm=50.0,
)

CHARACTERS = Experiment(
    name="miniature_characters",
    source="Table 3 in miniature: 0.2 million parameters, 3,000 segments of the Penn Treebank",
    expected_time="13 minutes of one core for each cell, tuned and with three seeds",
    expected_result="see `tables --scale=miniature`",
    space=RecurrentCellSpace(base=8),
    data=TextDataConfig(source="ptb", unit="character", max_validation_tokens=100_000),
    child=_CHARACTERS,
    search=None,
)

_TRANSFERS = tuple(
    dataclasses.replace(
        CHARACTERS,
        name=name,
        source=f"transfer learning in miniature: 0.2 million parameters, {text}",
        expected_time="10 minutes of one core for each cell, tuned and with three seeds",
        data=TextDataConfig(source=source, test_share=_TEST_SHARE),
        child=dataclasses.replace(_CHARACTERS, epochs=8),
    )
    for name, source, text in (
        ("miniature_source_code", "stdlib", "Python's source code, on which nothing was searched"),
        ("miniature_documentation", "pydoc", "Python's help, on which nothing was searched"),
    )
)

WORDS = Experiment(
    name="miniature_words",
    source="Table 2 in miniature: 1 million parameters, shared embeddings, the whole Penn Treebank",
    expected_time="40 minutes of one core for each cell, tuned and with three seeds",
    expected_result="see `tables --scale=miniature`",
    space=RecurrentCellSpace(base=8),
    data=TextDataConfig(source="ptb", unit="word"),
    child=LanguageModelTraining(
        num_parameters=1_000_000,
        tie_embeddings=True,
        epochs=6,
        learning_rate=1.0,
        decay_factor=0.5,
        decay_after=3,
    ),
    search=None,
)

IMAGES = Experiment(
    name="miniature_images",
    source="Table 1 in miniature: Figure 7's filters by a quarter, 5,000 images of 16x16 pixels",
    expected_time="an hour of one core for each ConvNet, tuned and with three seeds",
    expected_result="see `tables --scale=miniature`",
    space=dataclasses.replace(_NARROW, filters=(24, 36, 48, 64, 192)),
    data=ImageDataConfig(num_train=5_000, num_validation=1_000, resolution=16),
    child=ImageTraining(epochs=12, batch_size=50, upsampled_size=18),
    search=None,
)

MINIATURE_EXPERIMENTS = (CELLS, CONVNETS, CHARACTERS, *_TRANSFERS, WORDS, IMAGES)
