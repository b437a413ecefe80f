"""The paper's own experiments, with the paper's settings, for machines that can run them.

What the paper leaves open is decided as docs/background/differences.md says.
"""

from __future__ import annotations

import dataclasses

from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import ImageDataConfig
from nas_with_rl.child_models.data.text import TextDataConfig
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.dropout import Dropout
from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.search_config import DepthSchedule, SearchConfig
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace

SECTION_4_1 = "Zoph & Le (2016), section 4.1"
SECTION_4_2 = "Zoph & Le (2016), section 4.2"

WORDS = TextDataConfig(source="ptb", unit="word")
CHARACTERS = TextDataConfig(source="ptb", unit="character")

# Zaremba et al. (2014), their medium and large LSTM.
MEDIUM = LanguageModelTraining(
    units=650,
    epochs=39,
    learning_rate=1.0,
    decay_factor=1 / 1.2,
    decay_after=6,
    clip_norm=5.0,
    init_scale=0.05,
    dropout=Dropout(kind="zaremba", input=0.5, output=0.5),
)
LARGE = LanguageModelTraining(
    units=1500,
    epochs=55,
    learning_rate=1.0,
    decay_factor=1 / 1.15,
    decay_after=14,
    clip_norm=10.0,
    init_scale=0.04,
    dropout=Dropout(kind="zaremba", input=0.65, output=0.65),
)
# Gal (2015): the same with variational masks; the large one decays from epoch 10.
VARIATIONAL_MEDIUM = dataclasses.replace(
    MEDIUM, dropout=Dropout(embedding=0.2, input=0.5, recurrent=0.2, output=0.5)
)
VARIATIONAL_LARGE = dataclasses.replace(
    LARGE,
    decay_after=10,
    weight_decay=1e-7,
    dropout=Dropout(embedding=0.3, input=0.5, recurrent=0.3, output=0.5),
)
# Section 4.2, "Transfer learning": as Ha et al. (2016), with variational dropout.
CHARACTER_MODEL = LanguageModelTraining(
    embedding_units=128,
    batch_size=128,
    num_steps=100,
    optimizer="adam",
    learning_rate=0.001,
    clip_norm=100.0,  # 1.0 of the mean over the 100 steps
    init_scale=0.05,
    dropout=Dropout(input=0.5, recurrent=0.2, output=0.5),
)

PTB_SEARCH = SearchConfig(
    num_samples=15_000,
    searcher="reinforce",
    batch_size=1,
    accumulate_gradients=10,
    num_replicas=400,
)
PTB = Experiment(
    name="ptb",
    source=f"{SECTION_4_2}: the search, children of 20 million parameters",
    expected_time="the paper's 15,000 children on 400 CPUs; not run here",
    expected_result="the paper's best, tuned and trained to the end: test perplexity 62.4",
    space=RecurrentCellSpace(base=8),
    data=WORDS,
    child=dataclasses.replace(VARIATIONAL_MEDIUM, epochs=35, num_parameters=20_000_000),
    search=PTB_SEARCH,
    controller=ReinforceConfig(learning_rate=0.0005),
)

CIFAR10 = Experiment(
    name="cifar10",
    source=f"{SECTION_4_1}: the search without strides or pooling",
    expected_time="the paper's 12,800 children on 800 GPUs; not run here",
    expected_result="the paper's best, trained to the end: 5.50 % test error",
    space=ConvolutionalSpace(),
    data=ImageDataConfig(),
    child=ImageTraining(),
    search=SearchConfig(
        num_samples=12_800, num_replicas=100, searcher="reinforce", depth=DepthSchedule()
    ),
    controller=ReinforceConfig(learning_rate=0.0006),
)

_SEARCHES = (
    CIFAR10,
    dataclasses.replace(
        CIFAR10,
        name="cifar10_strides",
        source=f"{SECTION_4_1}: the search that also predicts strides",
        expected_result="the paper's best, trained to the end: 6.01 % test error",
        space=ConvolutionalSpace(strides=(1, 2, 3)),
    ),
    dataclasses.replace(
        CIFAR10,
        name="cifar10_pooling",
        source=f"{SECTION_4_1}: 13 blocks of 3 layers, max pooling after layers 13 and 24",
        expected_result="the paper's best, trained to the end: 4.47 % test error; "
        "with space.extra_filters=40: 3.65 %",
        space=ConvolutionalSpace(filters=(6, 12, 24, 36), block_size=3, pool_after=(13, 24)),
        search=SearchConfig(
            num_samples=12_800,
            num_replicas=100,
            searcher="reinforce",
            depth=DepthSchedule(initial=13, every=0, maximum=13),
        ),
    ),
    PTB,
    dataclasses.replace(
        PTB,
        name="ptb_max_sin",
        source=f"{SECTION_4_2}, control 1: max and sin as well",
        expected_result='"somewhat comparable performance"',
        space=RecurrentCellSpace(
            base=8,
            combinations=("add", "elem_mult", "max"),
            activations=("identity", "tanh", "sigmoid", "relu", "sin"),
        ),
    ),
    dataclasses.replace(
        PTB,
        name="ptb_random",
        source=f"{SECTION_4_2}, control 2: random search instead of the controller (Figure 6)",
        expected_result="worse than ptb by about 10 perplexity for the best, 19 for the best 5",
        search=dataclasses.replace(PTB_SEARCH, searcher="random"),
    ),
)


def _training(
    name: str, source: str, expected_result: str, data: TextDataConfig, child: LanguageModelTraining
) -> Experiment:
    return Experiment(
        name=name,
        source=source,
        expected_time="hours on one GPU (`tables` estimates its rows); not run here",
        expected_result=expected_result,
        space=RecurrentCellSpace(base=8),
        data=data,
        child=child,
        search=None,
    )


_TRAININGS = (
    _training(
        "ptb_32m",
        f"{SECTION_4_2}: Table 2, base 8",
        "with --architecture=nas_cell the paper's test perplexity is 67.9",
        WORDS,
        dataclasses.replace(VARIATIONAL_MEDIUM, num_parameters=32_000_000),
    ),
    _training(
        "ptb_25m",
        f"{SECTION_4_2}: Table 2, base 8 and shared embeddings",
        "with --architecture=nas_cell the paper's test perplexity is 64.0",
        WORDS,
        dataclasses.replace(VARIATIONAL_MEDIUM, num_parameters=25_000_000, tie_embeddings=True),
    ),
    _training(
        "ptb_54m",
        f"{SECTION_4_2}: Table 2, base 8 and shared embeddings, large",
        "with --architecture=nas_cell the paper's test perplexity is 62.4",
        WORDS,
        dataclasses.replace(VARIATIONAL_LARGE, num_parameters=54_000_000, tie_embeddings=True),
    ),
    _training(
        "ptb_medium",
        "Zaremba et al. (2014), medium: Table 2's LSTM of 20 million parameters",
        "with --architecture=lstm: their test perplexity is 82.7",
        WORDS,
        MEDIUM,
    ),
    _training(
        "ptb_large",
        "Zaremba et al. (2014), large: Table 2's LSTM of 66 million parameters",
        "with --architecture=lstm: their test perplexity is 78.4",
        WORDS,
        LARGE,
    ),
    _training(
        "char_ptb",
        f"{SECTION_4_2}, transfer to characters: Table 3, 6.57 million parameters, 80,000 steps",
        "the paper's bits per character: 1.228 with nas_cell, 1.243 with lstm",
        CHARACTERS,
        dataclasses.replace(CHARACTER_MODEL, num_parameters=6_570_000, epochs=205),
    ),
    _training(
        "char_ptb_16m",
        f"{SECTION_4_2}, transfer to characters: Table 3, 2 x 800 units, 600,000 steps",
        "the paper's bits per character with nas_cell: 1.214",
        CHARACTERS,
        dataclasses.replace(
            CHARACTER_MODEL, units=800, batch_size=32, epochs=383, weight_decay=1e-4
        ),
    ),
)

PAPER_EXPERIMENTS = (*_SEARCHES, *_TRAININGS)
