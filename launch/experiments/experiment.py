"""What an experiment is: a named frozen configuration."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from types import MappingProxyType, NoneType
from typing import Any

from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import ImageDataConfig
from nas_with_rl.child_models.data.text import TextDataConfig
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.launch.experiments.children import OwnEvaluation, TableLookup, TabularLookup
from nas_with_rl.launch.experiments.fitting import ANY_SPACE, ChildFit
from nas_with_rl.launch.experiments.overrides import DESCRIPTIVE
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.experiments.tabular.tabular_space import TabularSpace
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError, shown
from nas_with_rl.search_spaces.field_checks import check_fields, check_range
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace
from nas_with_rl.search_spaces.space import SearchSpace

MAX_COMPARED = 1_000


def _unused_of_images(child: ImageTraining, space: ConvolutionalSpace) -> Mapping[str, str]:
    chosen = "architectures choose theirs (space.learning_rates)"
    return {"child.learning_rate": chosen} if space.learning_rates else {}


def _unused_of_text(child: LanguageModelTraining, space: RecurrentCellSpace) -> Mapping[str, str]:
    fitted = f"child.num_parameters is {child.num_parameters:,}, not 0"
    return {"child.units": fitted} if child.num_parameters else {}


FITS: Mapping[type, ChildFit] = MappingProxyType(
    {
        ImageTraining: ChildFit(
            spaces=(ConvolutionalSpace,),
            data=ImageDataConfig,
            is_above_zero=True,
            unused=_unused_of_images,
        ),
        LanguageModelTraining: ChildFit(
            spaces=(RecurrentCellSpace,),
            data=TextDataConfig,
            is_above_zero=True,
            is_compared=True,
            unused=_unused_of_text,
        ),
        TableLookup: ChildFit(spaces=(NasBench201Space,), is_above_zero=True),
        TabularLookup: ChildFit(spaces=(TabularSpace,)),
        OwnEvaluation: ANY_SPACE,
    }
)


def fit_of(child: object) -> ChildFit | None:
    """Return what a child's kind is made for; None where it is of no kind.

    The class of a kind of one's own, a frozen dataclass, carries its row as `kind`, a `ChildKind`.
    """
    kind = type(child)
    if kind in FITS:
        return FITS[kind]
    fit = getattr(getattr(kind, "kind", None), "fit", None)
    is_frozen = dataclasses.is_dataclass(kind) and kind.__hash__ is not None
    return fit if isinstance(fit, ChildFit) and is_frozen else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that decides a search or a training, apart from its seed and where the data lies.

    Attributes:
      name: a word; `--experiment` takes it of those that are built in.
      source: where the settings come from.
      expected_time: on what.
      expected_result: what it ends with.
      space: what can be said: a class of `child`'s `ChildFit.spaces`.
      child: how an architecture is trained and measured: the configuration of a kind of child,
        built in (`FITS`) or one's own (`fit_of`).
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
    space: Any
    child: Any
    data: Any = None
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
        if self.num_compared and not self.fit.is_compared:
            raise InputError(
                f"{self.name}: num_compared is {self.num_compared}, which has no effect: only "
                "recurrent cells are compared"
            )
        if self.search and self.search.failure_reward is None and self.fit.is_above_zero:
            search = dataclasses.replace(self.search, failure_reward=0.0)
            object.__setattr__(self, "search", search)

    @property
    def fit(self) -> ChildFit:
        """What its kind of child is made for."""
        fit = fit_of(self.child)
        if fit is None:
            raise InputError(
                f"{self.name}: child is {shown(self.child)}, not one of "
                f"{', '.join(kind.__name__ for kind in FITS)} or a frozen dataclass of one's own "
                "whose class has a ChildKind as `kind`"
            )
        return fit

    def _check_fit(self) -> None:
        fit, child = self.fit, type(self.child)
        if not isinstance(self.space, fit.spaces):
            raise InputError(
                f"{self.name}: {child.__name__} is for "
                f"{' or '.join(space.__name__ for space in fit.spaces)}, and the space is a "
                f"{type(self.space).__name__}"
            )
        if not isinstance(self.data, fit.data):
            wanted = "no data" if fit.data is NoneType else f"a {fit.data.__name__} as data"
            raise InputError(
                f"{self.name}: {child.__name__} needs {wanted}, not {type(self.data).__name__}"
            )

    @property
    def has_test(self) -> bool:
        """Whether its data has a test split, as the data's own `has_test` says."""
        return bool(getattr(self.data, "has_test", False))

    @property
    def command(self) -> str:
        """What to run, without where the data lies."""
        if self.search:
            return f"search --experiment={self.name}"
        return f"train_architecture --experiment={self.name} --architecture=..."

    def search_space(self) -> SearchSpace:
        """Return the space, at the search's first depth where it has layers."""
        space: SearchSpace = self.space.search_space()
        schedule = self.search.depth if self.search else None
        return space.at_depth(schedule.initial) if schedule and space.depth else space
