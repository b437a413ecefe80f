"""Experiments that run here in minutes: they prove the path; their figures are not the paper's."""

from __future__ import annotations

import dataclasses

from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import ImageDataConfig
from nas_with_rl.child_models.data.text import TextDataConfig
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.controller.configuration import PolicyConfig, ReinforceConfig
from nas_with_rl.launch.experiments.children import TableLookup, TabularLookup
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.search_config import DepthSchedule, SearchConfig
from nas_with_rl.launch.experiments.tabular.tabular_space import TabularSpace
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace

# Of few updates, which XLA's compilation would outlast.
SMALL_SEARCH = PolicyConfig(jit_compile=False)

QUICK = (
    Experiment(
        name="quickstart",
        source="the paper's recurrent cells (section 4.2), base 2, on Python's own source text",
        expected_time="1 minute on 2 cores",
        expected_result="a cell beside an LSTM of equal size",
        space=RecurrentCellSpace(base=2),
        data=TextDataConfig(source="stdlib", max_validation_tokens=16_000),
        child=LanguageModelTraining(
            units=32,
            steps_per_epoch=100,
            batch_size=16,
            num_steps=20,
            optimizer="adam",
            learning_rate=0.02,
            clip_norm=175.0,
            init_scale=0.3,
        ),
        search=SearchConfig(
            num_samples=160, searcher="reinforce", batch_size=4, checkpoint_every=1
        ),
        num_compared=3,
        controller=ReinforceConfig(learning_rate=0.012, entropy_weight=0.01, policy=SMALL_SEARCH),
    ),
    Experiment(
        name="quickstart_conv",
        source="the paper's ConvNets (section 4.1), small, on scikit-learn's digits",
        expected_time="3 minutes on 2 cores",
        expected_result="90 % of the validation digits",
        space=ConvolutionalSpace(filter_sizes=(1, 3, 5), filters=(4, 8, 12, 16)),
        data=ImageDataConfig(dataset="digits", num_train=1000, num_validation=500),
        child=ImageTraining(epochs=3, batch_size=50, upsampled_size=0, flip=False),
        search=SearchConfig(
            num_samples=80,
            depth=DepthSchedule(initial=3, increment=1, every=40, maximum=4),
            checkpoint_every=1,
        ),
        controller=ReinforceConfig(learning_rate=0.02, policy=SMALL_SEARCH),
    ),
    Experiment(
        name="nas_bench_201",
        source="Dong & Yang (2020): 15,625 trained cells in a table",
        expected_time="20 seconds on 2 cores",
        expected_result="91.6 % of the CIFAR-10 validation images",
        space=NasBench201Space(),
        child=TableLookup(),
        search=SearchConfig(num_samples=1000, searcher="reinforce"),
        controller=ReinforceConfig(policy=SMALL_SEARCH),
    ),
)

# Of a file that `--table` names; until then it has no space.
TABLE = Experiment(
    name="table",
    source="one's own table of measured architectures",
    expected_time="10 seconds on one core, for 15,625 rows",
    expected_result="the best row, or one near it",
    space=TabularSpace(),
    child=TabularLookup(),
    search=SearchConfig(num_samples=200),
    controller=ReinforceConfig(policy=SMALL_SEARCH),
)

CIFAR10_SMALL = Experiment(
    name="cifar10_small",
    source="section 4.1 with 2,000 images of 16x16 pixels, up to 24 filters, 3 and 4 layers, 4 "
    "epochs: it proves the path, its accuracies are not the paper's",
    expected_time="5 minutes on 2 cores",
    expected_result="40 % of the validation images",
    space=ConvolutionalSpace(filters=(6, 12, 18, 24)),
    data=ImageDataConfig(num_train=2_000, num_validation=500, resolution=16),
    child=ImageTraining(epochs=4, batch_size=50, upsampled_size=18),
    search=SearchConfig(
        num_samples=60,
        searcher="reinforce",
        batch_size=4,
        depth=DepthSchedule(initial=3, increment=1, every=32, maximum=4),
        checkpoint_every=1,
    ),
    controller=ReinforceConfig(learning_rate=0.02, policy=SMALL_SEARCH),
)

PTB_SMALL = Experiment(
    name="ptb_small",
    source="section 4.2 with base 4, 32 units and 100 segments of the Penn Treebank: it proves "
    "the path, its perplexities are not the paper's",
    expected_time="7 minutes on one core",
    expected_result="a validation perplexity of 640",
    space=RecurrentCellSpace(base=4),
    data=TextDataConfig(source="ptb", unit="word", max_validation_tokens=20_000),
    child=LanguageModelTraining(
        units=32,
        steps_per_epoch=100,
        batch_size=20,
        num_steps=35,
        optimizer="adam",
        learning_rate=0.01,
        clip_norm=175.0,
    ),
    search=SearchConfig(num_samples=32, batch_size=4, searcher="reinforce", checkpoint_every=1),
    controller=ReinforceConfig(learning_rate=0.02, policy=SMALL_SEARCH),
)

_SEARCHES = (
    CIFAR10_SMALL,
    dataclasses.replace(
        CIFAR10_SMALL,
        name="cifar10_strides_small",
        source="cifar10_strides, reduced as cifar10_small: strides of 1 to 3 are predicted too",
        expected_time="3 minutes on one core",
        expected_result="42 % of the validation images",
        space=ConvolutionalSpace(filters=(6, 12, 18, 24), strides=(1, 2, 3)),
    ),
    dataclasses.replace(
        CIFAR10_SMALL,
        name="cifar10_pooling_small",
        source="cifar10_pooling, reduced as cifar10_small: 4 blocks of 3 layers, max pooling after "
        "layers 4 and 8",
        expected_time="6 minutes on one core",
        expected_result="44 % of the validation images",
        space=ConvolutionalSpace(filters=(3, 6, 9, 12), block_size=3, pool_after=(4, 8)),
        search=SearchConfig(
            num_samples=40,
            searcher="reinforce",
            batch_size=4,
            depth=DepthSchedule(initial=4, every=0, maximum=4),
            checkpoint_every=1,
        ),
    ),
    PTB_SMALL,
    dataclasses.replace(
        PTB_SMALL,
        name="ptb_max_sin_small",
        source="ptb_max_sin (control 1), reduced as ptb_small",
        expected_result="a validation perplexity of 660",
        space=RecurrentCellSpace(
            base=4,
            combinations=("add", "elem_mult", "max"),
            activations=("identity", "tanh", "sigmoid", "relu", "sin"),
        ),
    ),
    dataclasses.replace(
        PTB_SMALL,
        name="ptb_random_small",
        source="ptb_random (control 2), reduced as ptb_small: random search",
        expected_result="a validation perplexity like that of ptb_small: 32 samples tell little",
        search=SearchConfig(num_samples=32, batch_size=4, checkpoint_every=1, searcher="random"),
    ),
)

_TRAININGS = (
    Experiment(
        name="ptb_25m_small",
        source="ptb_25m with 1 million parameters, 4 epochs and no dropout: shared "
        "embeddings, the whole Penn Treebank",
        expected_time="15 minutes for each architecture on one core",
        expected_result="test perplexity 150 with nas_cell, 124 with lstm",
        space=RecurrentCellSpace(base=8),
        data=TextDataConfig(source="ptb", unit="word"),
        child=LanguageModelTraining(
            num_parameters=1_000_000,
            tie_embeddings=True,
            epochs=4,
            learning_rate=1.0,
            decay_factor=0.5,
            decay_after=2,
        ),
        search=None,
    ),
    Experiment(
        name="char_ptb_small",
        source="char_ptb (transfer) with 200,000 parameters and 1,200 steps",
        expected_time="2 minutes for each architecture on one core",
        expected_result="test bits per character: 2.32 with nas_cell, 2.09 with lstm",
        space=RecurrentCellSpace(base=8),
        data=TextDataConfig(source="ptb", unit="character", max_validation_tokens=100_000),
        child=LanguageModelTraining(
            num_parameters=200_000,
            embedding_units=32,
            epochs=4,
            steps_per_epoch=300,
            batch_size=32,
            num_steps=50,
            optimizer="adam",
            learning_rate=0.005,
            clip_norm=50.0,
        ),
        search=None,
    ),
)

SMALL_EXPERIMENTS = (*QUICK, *_SEARCHES, *_TRAININGS)
