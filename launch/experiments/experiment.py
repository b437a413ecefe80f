"""What an experiment is: a named frozen configuration."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import ImageDataConfig
from nas_with_rl.child_models.data.text import TextDataConfig
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.launch.experiments.children import OwnEvaluation, TableLookup
from nas_with_rl.launch.experiments.overrides import DESCRIPTIVE
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError, shown
from nas_with_rl.search_spaces.field_checks import check_fields, check_range
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import SearchSpace

Space = ConvolutionalSpace | RecurrentCellSpace | NasBench201Space | SearchSpace
Data = ImageDataConfig | TextDataConfig | None
Child = ImageTraining | LanguageModelTraining | TableLookup | OwnEvaluation

# The spaces and the data that each kind of child is made for.
_FITTING: Mapping[type, tuple[tuple[type, ...], type]] = {
    ImageTraining: ((ConvolutionalSpace,), ImageDataConfig),
    LanguageModelTraining: ((RecurrentCellSpace,), TextDataConfig),
    TableLookup: ((NasBench201Space,), type(None)),
    OwnEvaluation: (
        (ConvolutionalSpace, RecurrentCellSpace, NasBench201Space, SearchSpace),
        type(None),
    ),
}

MAX_COMPARED = 1_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that decides a search or a training, apart from its seed and where the data lies.

    Attributes:
      name: a word; `--experiment` takes it of those that are built in.
      source: where the settings come from.
      expected_time: on what.
      expected_result: what it ends with.
      space: what can be said.
      child: how an architecture is trained and measured.
      data: what it is trained on; None for a table and for an evaluation of one's own.
      search: how the search runs; None where given architectures are trained instead.
      controller: how the controller learns.
      num_compared: at the end, seeds for which the best cell, the best of the first samples and
        an LSTM of equal size are trained side by side (recurrent cells only); 0: none.
    """

    name: str = dataclasses.field(metadata=DESCRIPTIVE)
    source: str = dataclasses.field(default="one's own", metadata=DESCRIPTIVE)
    expected_time: str = dataclasses.field(default="not known", metadata=DESCRIPTIVE)
    expected_result: str = dataclasses.field(default="not known", metadata=DESCRIPTIVE)
    space: Space
    child: Child
    data: Data = None
    search: SearchConfig | None = dataclasses.field(default_factory=SearchConfig)
    controller: ReinforceConfig = dataclasses.field(default_factory=ReinforceConfig)
    num_compared: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        check_range(self, ["num_compared"], least=0, most=MAX_COMPARED)
        if not re.fullmatch(r"[\w.+-]{1,100}", self.name):  # it becomes part of a directory's name
            raise InputError(
                f"an experiment's name is one word of letters, digits, '.', '_', '+' and '-', not "
                f"{shown(self.name)}"
            )
        self._check_fit()
        if self.num_compared and not isinstance(self.child, LanguageModelTraining):
            raise InputError(
                f"{self.name}: num_compared is {self.num_compared}, which has no effect: only "
                "recurrent cells are compared"
            )
        if self.search and self.search.failure_reward is None and self.is_above_zero:
            search = dataclasses.replace(self.search, failure_reward=0.0)
            object.__setattr__(self, "search", search)

    @property
    def is_above_zero(self) -> bool:
        """Whether every child that trains has a reward above 0: cubed accuracies, perplexities."""
        return not isinstance(self.child, OwnEvaluation)

    def _check_fit(self) -> None:
        child = type(self.child)
        if child not in _FITTING:
            raise InputError(f"{self.name}: child is {shown(self.child)}, no kind of child")
        spaces, data = _FITTING[child]
        if not isinstance(self.space, spaces):
            raise InputError(
                f"{self.name}: {child.__name__} is for {' or '.join(s.__name__ for s in spaces)}, "
                f"and the space is a {type(self.space).__name__}"
            )
        if not isinstance(self.data, data):
            wanted = "no data" if data is type(None) else f"a {data.__name__} as data"
            raise InputError(
                f"{self.name}: {child.__name__} needs {wanted}, not {type(self.data).__name__}"
            )

    @property
    def command(self) -> str:
        """What to run, without where the data lies."""
        if self.search:
            return f"search --experiment={self.name}"
        return f"train_architecture --experiment={self.name} --architecture=..."

    def search_space(self) -> SearchSpace:
        """Return the space, at the search's first depth where it has layers."""
        schedule = self.search.depth if self.search else None
        if isinstance(self.space, SearchSpace):
            has_layers = self.space.depth > 0
            return self.space.at_depth(schedule.initial) if schedule and has_layers else self.space
        if isinstance(self.space, ConvolutionalSpace):
            return self.space.search_space(schedule.initial if schedule else 1)
        return self.space.search_space()
