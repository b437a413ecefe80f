"""Experiments: named frozen configurations, each with its source, expected time and result."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nas_with_rl.child_models.image_training import ImageTraining
from nas_with_rl.child_models.images import ImageDataConfig
from nas_with_rl.child_models.language_model_training import Dropout, LanguageModelTraining
from nas_with_rl.child_models.text import TextDataConfig
from nas_with_rl.controller.policy import PolicyConfig
from nas_with_rl.controller.reinforce import ReinforceConfig
from nas_with_rl.launch.configuration import DESCRIPTIVE, with_overrides
from nas_with_rl.launch.nas_bench_201 import TableLookup
from nas_with_rl.launch.search_loop import DepthSchedule, SearchConfig
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import SearchSpace

Data = ImageDataConfig | TextDataConfig | None
Child = ImageTraining | LanguageModelTraining | TableLookup


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything that decides a search, apart from its seed and where the data lies.

    Attributes:
      name: as `--experiment` takes it.
      source: where the settings come from.
      expected_time: on what.
      expected_result: what it ends with.
      space: what can be said.
      child: how an architecture is trained and measured.
      data: what it is trained on; None for a table.
      search: how the search runs.
      controller: how the controller learns.
      num_compared: at the end, seeds for which the best cell, the best of the first samples and
        an LSTM of equal size are trained side by side (recurrent cells only); 0: none.
    """

    name: str = dataclasses.field(metadata=DESCRIPTIVE)
    source: str = dataclasses.field(metadata=DESCRIPTIVE)
    expected_time: str = dataclasses.field(metadata=DESCRIPTIVE)
    expected_result: str = dataclasses.field(metadata=DESCRIPTIVE)
    space: ConvolutionalSpace | RecurrentCellSpace | NasBench201Space
    child: Child
    data: Data = None
    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)
    controller: ReinforceConfig = dataclasses.field(default_factory=ReinforceConfig)
    num_compared: int = 0

    def __post_init__(self) -> None:
        if self.num_compared < 0:
            raise InputError(f"num_compared is {self.num_compared}, below 0")

    def search_space(self) -> SearchSpace:
        """Return the space, at the search's first depth where it has layers."""
        if isinstance(self.space, ConvolutionalSpace):
            assert self.search.depth is not None, f"{self.name} needs search.depth"
            return self.space.search_space(self.search.depth.initial)
        return self.space.search_space()


# Of few updates, which XLA's compilation would outlast.
SMALL_SEARCH = PolicyConfig(jit_compile=False)

EXPERIMENTS = (
    Experiment(
        name="quickstart",
        source="the paper's recurrent cells (section 4.2), base 2, on Python's own source text",
        expected_time="3 minutes on 2 cores",
        expected_result="a cell beside an LSTM of equal size",
        space=RecurrentCellSpace(base=2),
        data=TextDataConfig(source="stdlib", max_validation_tokens=40_000),
        child=LanguageModelTraining(
            units=32,
            steps_per_epoch=100,
            batch_size=32,
            num_steps=35,
            optimizer="adam",
            learning_rate=0.02,
            init_scale=0.3,
        ),
        search=SearchConfig(num_samples=100, batch_size=4, checkpoint_every=1),
        num_compared=3,
        controller=ReinforceConfig(learning_rate=0.02, entropy_weight=0.01, policy=SMALL_SEARCH),
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
        search=SearchConfig(num_samples=1000),
        controller=ReinforceConfig(policy=SMALL_SEARCH),
    ),
    Experiment(
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
            batch_size=4,
            depth=DepthSchedule(initial=3, increment=1, every=32, maximum=4),
            checkpoint_every=1,
        ),
        controller=ReinforceConfig(learning_rate=0.02, policy=SMALL_SEARCH),
    ),
    Experiment(
        name="ptb_small",
        source="section 4.2 with base 4, 32 units and 100 segments of the Penn Treebank: it proves "
        "the path, its perplexities are not the paper's",
        expected_time="10 minutes on 2 cores",
        expected_result="a validation perplexity of 630",
        space=RecurrentCellSpace(base=4),
        data=TextDataConfig(source="ptb", unit="word", max_validation_tokens=20_000),
        child=LanguageModelTraining(
            units=32,
            steps_per_epoch=100,
            batch_size=20,
            num_steps=35,
            optimizer="adam",
            learning_rate=0.01,
        ),
        search=SearchConfig(num_samples=60, batch_size=4, checkpoint_every=1),
        controller=ReinforceConfig(learning_rate=0.02, policy=SMALL_SEARCH),
    ),
    Experiment(
        name="cifar10",
        source="Zoph & Le (2016), section 4.1",
        expected_time="the paper's 12,800 children on 800 GPUs; not run here",
        expected_result="the paper's best, trained to the end: 5.50 % test error",
        space=ConvolutionalSpace(),
        data=ImageDataConfig(),
        child=ImageTraining(),
        search=SearchConfig(num_samples=12_800, depth=DepthSchedule()),
        controller=ReinforceConfig(learning_rate=0.0006),
    ),
    Experiment(
        name="ptb",
        source="Zoph & Le (2016), section 4.2",
        expected_time="the paper's 15,000 children on 400 CPUs; not run here",
        expected_result="the paper's best, tuned and trained to the end: test perplexity 62.4",
        space=RecurrentCellSpace(base=8),
        data=TextDataConfig(source="ptb", unit="word"),
        child=LanguageModelTraining(
            units=537,  # 20 million parameters
            epochs=35,
            learning_rate=1.0,
            decay_factor=1 / 1.2,
            decay_after=6,
            init_scale=0.05,
            dropout=Dropout(input=0.2, recurrent=0.2, output=0.5),
        ),
        search=SearchConfig(num_samples=15_000, batch_size=10),
        controller=ReinforceConfig(learning_rate=0.0005),
    ),
)


def find_experiment(name: str) -> Experiment:
    """Return the experiment of that name; InputError where there is none."""
    for experiment in EXPERIMENTS:
        if experiment.name == name:
            return experiment
    known = ", ".join(experiment.name for experiment in EXPERIMENTS)
    raise InputError(f"--experiment={name}: no such experiment; there are {known}, and help")


def configured(name: str | None, overrides: Sequence[str]) -> Experiment:
    """Return the experiment of that name with overrides applied."""
    if name is None:
        raise InputError("--experiment is missing; --experiment=help lists what there is")
    return with_overrides(find_experiment(name), overrides)


def describe_experiments() -> str:
    """Return what `--experiment=help` prints."""
    return "\n\n".join(
        f"{experiment.name}\n"
        f"  source: {experiment.source}\n"
        f"  time:   {experiment.expected_time}\n"
        f"  result: {experiment.expected_result}"
        for experiment in EXPERIMENTS
    )
